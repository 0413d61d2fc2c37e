"""The demo's shop and inbox: pages, pictures, products, letters."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from cuebird.demo.catcher import Catcher
from cuebird.demo.letters import Bell, heading, letter
from ingress.http.dashboard import SSE_HEADERS
from ingress.http.dashboard_pages import TEMPLATES, Pages, assets

FOLDER: Final = TEMPLATES / "demo"
SITE: Final = FOLDER / "site"
"""The campaigns, templates and scenarios of the demo shop."""

NAVIGATION: Final = (("/shop", "Shop"), ("/inbox", "Inbox"), ("/", "Dashboard"))

NOTICE: Final = "Development mode: everybody is believed to be who they say, and only this machine can connect."

# A letter is anybody's HTML. It may show pictures and its own styles; it may run nothing and send nothing.
LETTER_HEADERS: Final = {
    "Content-Security-Policy": (
        "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; "
        "img-src http: https: data:; style-src 'unsafe-inline'; frame-ancestors 'self'"
    ),
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}

FOLLOWERS_MAX = 20


class Product(msgspec.Struct, frozen=True):
    """A thing to buy; its picture is `/demo/img/{product_id}.svg`."""

    product_id: str
    name: str
    category: str
    price: float
    blurb: str


def products() -> list[Product]:
    return msgspec.json.decode((FOLDER / "products.json").read_bytes(), type=list[Product])


class Demo:
    """`speed` only words the waiting times; the clock runs elsewhere."""

    def __init__(self, pages: Pages, catcher: Catcher, bell: Bell, *, write_key: str, speed: float) -> None:
        self._pages = pages
        self._catcher = catcher
        self._bell = bell
        self._write_key = write_key
        self._half_hour = spoken(1800 / speed)
        self._products = products()
        self._followers = 0

    def routes(self) -> list[Route]:
        return [
            Route("/shop", self._shop),
            Route("/inbox", self._inbox),
            Route("/demo/img/{name}", assets(FOLDER / "img")),
            Route("/demo/letters", self._headings),
            Route("/demo/letters/stream", self._stream),
            Route("/demo/letters/{id:int}", self._letter),
            Route("/demo/letters/{id:int}/html", self._html),
            Route("/demo/{name}", assets(FOLDER)),
        ]

    async def _shop(self, request: Request) -> Response:
        return self._pages.page(
            "shop.html", "/shop", products=self._products, write_key=self._write_key, half_hour=self._half_hour
        )

    async def _inbox(self, request: Request) -> Response:
        return self._pages.page("inbox.html", "/inbox", half_hour=self._half_hour)

    async def _headings(self, request: Request) -> Response:
        return _json([heading(caught) for caught in self._catcher.messages])

    async def _letter(self, request: Request) -> Response:
        caught = self._catcher.find(request.path_params["id"])
        if caught is None:
            return JSONResponse({"success": False, "code": "not_found", "message": "there is no such letter"}, 404)
        return _json(letter(caught))

    async def _html(self, request: Request) -> Response:
        caught = self._catcher.find(request.path_params["id"])
        if caught is None:
            return HTMLResponse("There is no such letter.", 404, headers=LETTER_HEADERS)
        if caught.html:
            # Links open beside the inbox, as a mail client would do it.
            return HTMLResponse(f'<base target="_blank">{caught.html}', headers=LETTER_HEADERS)
        return Response(caught.text, media_type="text/plain", headers=LETTER_HEADERS)

    async def _stream(self, request: Request) -> Response:
        if self._followers >= FOLLOWERS_MAX:
            message = "too many inboxes are open; close one and try again"
            return JSONResponse({"success": False, "code": "too_many_watchers", "message": message}, 503)
        after = _number(request.headers.get("Last-Event-ID") or request.query_params.get("after"))
        return StreamingResponse(self._events(after), media_type="text/event-stream", headers=SSE_HEADERS)

    async def _events(self, after: int) -> AsyncIterator[bytes]:
        self._followers += 1
        try:
            yield b"retry: 2000\n\n"
            async for line in self._bell.follow(self._catcher, after):
                yield b"id: %d\nevent: letter\ndata: %b\n\n" % (line.id, msgspec.json.encode(line))
        finally:
            self._followers -= 1


def _json(value: object) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json", headers={"Cache-Control": "no-store"})


def _number(told: str | None) -> int:
    return int(told) if told and told.isascii() and told.isdecimal() and len(told) < 10 else 0


def spoken(seconds: float) -> str:
    """About how long that is, for a sentence: `30 seconds`, `half an hour`."""
    if seconds < 90:
        return f"{max(1, round(seconds))} second{'' if round(seconds) <= 1 else 's'}"
    return f"{round(seconds / 60)} minutes"
