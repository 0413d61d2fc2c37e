"""Who may look at the dashboard."""

from __future__ import annotations

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from analytics.figures import Figures
from analytics.statistics import Board
from analytics.user_view import UserView
from engine.statistics import Statistics
from ingress.dashboard import Dashboard
from ingress.dashboard_pages import Frame, Pages


def statistics() -> Statistics:
    numbers: dict[str, object] = dict.fromkeys(Statistics.__struct_fields__, 3)
    return Statistics(**{**numbers, "refusals": {}, "clock_held": False, "draining": False, "storage": "good"})  # type: ignore[arg-type]


async def nobody(user: str) -> UserView:
    return UserView(user=user, label=user, entries_total=0, entries=[], decisions=[])


async def none_waiting() -> int:
    return 0


def keyed(request: Request) -> Response | None:
    if request.headers.get("X-Key") == "right":
        return None
    return PlainTextResponse("Not without a key.\n", 401)


@pytest.mark.anyio
async def test_without_the_key_nothing_is_shown_but_the_client_and_the_style() -> None:
    board = Board(statistics, Figures(), lambda: 7, lambda: 0.0)
    pages = Pages(Frame(now_ms=lambda: 7))
    dashboard = Dashboard(board, pages, nobody, none_waiting, guard=keyed)
    transport = httpx2.ASGITransport(Starlette(routes=dashboard.routes()))
    async with httpx2.AsyncClient(transport=transport, base_url="http://cuebird.test") as http:
        for path in ("/", "/users/ann", "/v1/stats", "/v1/stats/stream"):
            assert (await http.get(path)).status_code == 401, path
        for path in ("/ui/base.css", "/cuebird.js"):
            assert (await http.get(path)).status_code == 200, path
        shown = await http.get("/v1/stats", headers={"X-Key": "right"})
        assert (shown.json()["now"], shown.json()["timers"], shown.json()["storage"]) == (7, 3, "good")
        page = await http.get("/users/<script>", headers={"X-Key": "right"})
        assert "<script>" not in page.text.replace('<script type="module"', "")
        assert "&lt;script&gt;" in page.text
