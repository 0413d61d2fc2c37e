"""The dashboard of a served site. Until operators can sign in it is shown in development mode only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from analytics.statistics import Board
from analytics.user_view import UserView, read_user
from cuebird.serving.parts import AppParts, MoreRoutes
from cuebird.serving.standing import UserStanding, standings
from ingress.http.dashboard import Dashboard, client_route
from ingress.http.dashboard_pages import Frame, Pages

NOTICE: Final = "Development mode: everybody is believed, and everybody on this machine may look."


def dashboard_of(parts: AppParts, pages: Pages) -> Dashboard:
    async def user_view(user: str) -> UserView | None:
        return await read_user(parts.store, user)

    async def where(user: str, campaign: str | None) -> list[UserStanding]:
        explanation = await parts.answers.explanation(user, campaign)
        return standings(explanation, whole=campaign is not None) if explanation is not None else []

    async def waiting() -> int:
        unsettled = await parts.store.unsettled()
        return sum(unsettled.values()) - unsettled["unknown"]

    board = Board(
        parts.engine.statistics,
        parts.figures,
        parts.clock.now_ms,
        lambda: parts.reload.news,
        speed=parts.clock.speed,
    )
    return Dashboard(board, pages, user_view, where, waiting)


def dashboard_routes(*, dev: bool) -> Callable[[AppParts], MoreRoutes]:
    """The dashboard and the browser client; without `dev` the browser client alone."""

    def routes(parts: AppParts) -> MoreRoutes:
        if not dev:
            return MoreRoutes([client_route()])
        pages = Pages(Frame(now_ms=parts.clock.now_ms, speed=1.0, notice=NOTICE, pages=()))
        dashboard = dashboard_of(parts, pages)
        return MoreRoutes(dashboard.routes(), dashboard.end)

    return routes
