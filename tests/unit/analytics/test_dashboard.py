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
from cuebird.serving.standing import StandingLine, UserStanding, pieces
from engine.latencies import Histogram
from engine.statistics import Statistics
from ingress.http.dashboard import Dashboard, Guard
from ingress.http.dashboard_pages import Frame, Pages
from ingress.http.users import Unanswerable


def statistics() -> Statistics:
    none = Histogram(bounds_ms=(), counts=(0,), sum_ms=0)
    numbers: dict[str, object] = dict.fromkeys(Statistics.__struct_fields__, 3)
    others = {
        "commit": none,
        "lateness": none,
        "refusals": {},
        "clock_held": False,
        "draining": False,
        "storage": "good",
    }
    return Statistics(**{**numbers, **others})  # type: ignore[arg-type]  # of numbers alone, by name


async def somebody(user: str) -> UserView | None:
    if user == "nobody":
        return None
    return UserView(user=user, label=user, entries_total=0, entries=[], decisions=[])


async def standings(user: str, campaign: str | None) -> list[UserStanding]:
    if campaign == "renamed":
        raise Unanswerable("there is no such campaign")
    return [
        UserStanding(
            campaign="cart", why="<b>why</b>", says=StandingLine(pieces=pieces("Was in it at 09:30.", "2026-01-05"))
        )
    ]


def dashboard(guard: Guard | None = None, *, speed: float = 1.0) -> httpx2.AsyncClient:
    board = Board(statistics, Figures(speed), lambda: 7, speed=speed)
    pages = Pages(Frame(now_ms=lambda: 7))
    routes = Dashboard(board, pages, somebody, standings, none_waiting, guard=guard).routes()
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(Starlette(routes=routes)), base_url="http://cuebird.test")


async def none_waiting() -> int:
    return 0


def keyed(request: Request) -> Response | None:
    if request.headers.get("X-Key") == "right":
        return None
    return PlainTextResponse("Not without a key.\n", 401)


@pytest.mark.anyio
async def test_without_the_key_nothing_is_shown_but_the_client_and_the_style() -> None:
    async with dashboard(keyed) as http:
        for path in ("/", "/users/ann", "/v1/stats", "/v1/stats/stream"):
            assert (await http.get(path)).status_code == 401, path
        for path in ("/ui/base.css", "/cuebird.js"):
            assert (await http.get(path)).status_code == 200, path
        shown = await http.get("/v1/stats", headers={"X-Key": "right"})
        assert (shown.json()["now"], shown.json()["timers"], shown.json()["storage"]) == (7, 3, "good")
        page = await http.get("/users/<script>", headers={"X-Key": "right"})
        assert "<script>" not in page.text.replace('<script type="module"', "")
        assert "&lt;script&gt;" in page.text


@pytest.mark.anyio
async def test_a_user_nobody_has_heard_of_is_not_found_and_the_page_says_so() -> None:
    async with dashboard() as http:
        page = await http.get("/users/nobody")
    assert page.status_code == 404
    assert "Nothing was ever heard of “nobody”" in page.text


@pytest.mark.anyio
async def test_the_page_of_a_user_says_where_they_stand_with_times_for_the_browsers_own_zone() -> None:
    async with dashboard() as http:
        for path in ("/users/ann", "/users/ann?campaign=cart", "/users/ann?campaign=renamed"):
            page = await http.get(path)
            assert page.status_code == 200, path
            assert 'Was in it at <time datetime="2026-01-05T09:30:00+00:00">09:30 UTC</time>.' in page.text
            assert "<b>why" not in page.text


@pytest.mark.anyio
async def test_lateness_is_in_real_milliseconds_however_fast_the_clock_runs() -> None:
    async with dashboard(speed=60) as http:
        shown = (await http.get("/v1/stats")).json()
    assert shown["lateness_ms_p99"] == 3 / 60


@pytest.mark.anyio
async def test_the_font_is_fetched_once_and_everything_else_is_asked_for_again() -> None:
    async with dashboard() as http:
        font = await http.get("/ui/inter-latin-5.3.0.woff2")
        assert (font.status_code, font.headers["Content-Type"]) == (200, "font/woff2")
        assert "immutable" in font.headers["Cache-Control"]
        assert (await http.get("/ui/base.css")).headers["Cache-Control"] == "no-cache"


def test_only_what_is_written_as_a_time_becomes_one() -> None:
    def times(text: str) -> list[str]:
        return [piece.iso for piece in pieces(text, "2026-01-05") if piece.iso]

    assert times("pending until 10:00; came 3h ago, at 2026-01-04 07:00:05") == [
        "2026-01-05T10:00:00+00:00",
        "2026-01-04T07:00:05+00:00",
    ]
    assert times("quiet_hours: 22:00-08:00, at 29:99, at 10:000") == []
    assert "".join(piece.text for piece in pieces("at noon, at 29:99", "2026-01-05")) == "at noon, at 29:99"
