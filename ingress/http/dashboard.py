"""The dashboard: what the engine does right now, and the browser client that pages load.

`GET /`, `/users/{user}`, `/v1/stats`, `/v1/stats/stream` (SSE, one message a second), `/ui/…`, `/cuebird.js`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from analytics.statistics import Board
from analytics.ticker import Ticker
from analytics.user_view import UserView
from ingress.http.dashboard_pages import TEMPLATES, Handler, Pages, asset, assets
from ingress.http.users import Unanswerable
from ingress.messages.identifiers import ID_CHARACTERS_MAX

CLIENT: Final = Path(__file__).parents[2] / "sdk" / "cuebird.js"

SSE_HEADERS: Final = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}

Guard = Callable[[Request], Response | None]
"""The answer to a caller who may not look, None to one who may."""


class Dashboard:
    """`standings(user, campaign)` says where the user stands in the campaign in full, in each of them in short if it is None;
    it raises Unanswerable. `waiting` counts the sends not yet settled. Without a `guard` everybody may look: development mode only."""

    def __init__(
        self,
        board: Board,
        pages: Pages,
        read_user: Callable[[str], Awaitable[UserView | None]],
        standings: Callable[[str, str | None], Awaitable[Sequence[object]]],
        waiting: Callable[[], Awaitable[int]],
        *,
        guard: Guard | None = None,
        watchers_max: int = 50,
    ) -> None:
        self._board = board
        self._pages = pages
        self._read_user = read_user
        self._standings = standings
        self._waiting = waiting
        self._guard = guard
        self._ticker = Ticker(self._overview, watchers_max=watchers_max)

    def routes(self) -> list[Route]:
        return [
            Route("/", self._guarded(self._home)),
            Route("/users/{user:path}", self._guarded(self._user)),
            Route("/v1/stats", self._guarded(self._stats)),
            Route("/v1/stats/stream", self._guarded(self._stream)),
            Route("/ui/{name}", assets(TEMPLATES / "dashboard")),
            client_route(),
        ]

    def end(self) -> None:
        """Ends the open streams: a server that drains waits for them."""
        self._ticker.end()

    async def _home(self, request: Request) -> Response:
        return self._pages.page("dashboard.html", "/")

    async def _user(self, request: Request) -> Response:
        user = request.path_params["user"]
        view = await self._read_user(user)
        if view is None:
            return self._pages.page("unknown_user.html", "/", status=404, user=user[:ID_CHARACTERS_MAX])
        campaign = request.query_params.get("campaign") or None
        try:
            standings = await self._standings(user, campaign)
        except Unanswerable:
            # A link of before the campaign was renamed: what is known of the user is shown all the same.
            campaign, standings = None, await self._standings(user, None)
        more = msgspec.structs.asdict(view)
        return self._pages.page("user.html", "/", campaign=campaign, standings=standings, **more)

    async def _stats(self, request: Request) -> Response:
        return Response(await self._overview(), media_type="application/json", headers={"Cache-Control": "no-store"})

    async def _stream(self, request: Request) -> Response:
        if self._ticker.full:
            message = "too many dashboards are open; close one and try again"
            body = {"success": False, "code": "too_many_watchers", "message": message}
            return JSONResponse(body, 503, headers={"Retry-After": "5"})
        return StreamingResponse(self._events(), media_type="text/event-stream", headers=SSE_HEADERS)

    async def _events(self) -> AsyncIterator[bytes]:
        yield b"retry: 2000\n\n"
        async for overview in self._ticker.watch():
            yield b"event: stats\ndata: " + overview + b"\n\n"

    async def _overview(self) -> bytes:
        return msgspec.json.encode(self._board.overview(await self._waiting()))

    def _guarded(self, handler: Handler) -> Handler:
        guard = self._guard
        if guard is None:
            return handler

        async def guarded(request: Request) -> Response:
            return guard(request) or await handler(request)

        return guarded


def client_route() -> Route:
    """`GET /cuebird.js`: the browser client, for pages of any origin."""
    return Route("/cuebird.js", asset(CLIENT, {"Access-Control-Allow-Origin": "*"}))
