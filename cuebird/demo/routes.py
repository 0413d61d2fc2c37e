"""All pages of the demo over what runs behind them."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Final

import msgspec
from starlette.routing import Route

from analytics.figures import Figures
from analytics.statistics import Board, EngineFigures
from analytics.user_view import UserView, read_user
from cuebird.demo.letters import Bell
from cuebird.demo.pages import FOLDER, NAVIGATION, NOTICE, Demo
from delivery.catcher import Catcher
from ingress.dashboard import Dashboard
from ingress.dashboard_pages import Frame, Pages
from persistence.interface import Store

WRITE_KEY: Final = "wk_demo"

UNSETTLED: Final = ("pending", "claimed", "at_dot", "retry")


class DemoPages(msgspec.Struct, frozen=True):
    """`routes` for `ingress.app.Deps.extra_routes`."""

    routes: list[Route]
    dashboard: Dashboard
    bell: Bell

    def end(self) -> None:
        """Ends the open event streams: a server that drains waits for them."""
        self.dashboard.end()
        self.bell.close()


def demo_pages(
    *,
    store: Store,
    statistics: Callable[[], EngineFigures],
    figures: Figures,
    now_ms: Callable[[], int],
    speed: float,
    catcher: Catcher,
    bell: Bell,
) -> DemoPages:
    """`statistics` is the engine's, `figures` the fold over its commits; `bell` is rung by the catcher's `on_message`."""
    pages = Pages(Frame(now_ms=now_ms, speed=speed, notice=NOTICE, pages=NAVIGATION), FOLDER)

    async def user_view(user: str) -> UserView:
        return await read_user(store, user)

    async def waiting() -> int:
        counts = await store.counts()
        return sum(counts.get(f"outbox.{state}", 0) for state in UNSETTLED)

    dashboard = Dashboard(Board(statistics, figures, now_ms, perf_counter), pages, user_view, waiting)
    demo = Demo(pages, catcher, bell, write_key=WRITE_KEY, speed=speed)
    return DemoPages([*dashboard.routes(), *demo.routes()], dashboard, bell)
