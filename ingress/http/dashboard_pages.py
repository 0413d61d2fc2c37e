"""Pages and their assets: rendered from templates, with a content policy that lets in nothing but what we serve."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final

import jinja2
import msgspec
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response

TEMPLATES: Final = Path(__file__).parents[2] / "templates"

PAGE_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}

TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".json": "application/json",
    ".woff2": "font/woff2",
}
"""Only files of these kinds are served as assets."""

FOR_EVER: Final = {"Cache-Control": "public, max-age=31536000, immutable"}
"""Of a file whose name has its version in it, such as a font."""

Handler = Callable[[Request], Awaitable[Response]]


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """What stands around every page."""

    now_ms: Callable[[], int]
    """The engine's clock; the pages show it."""
    speed: float = 1.0
    """How much faster it runs than the wall's."""
    notice: str = ""
    """Shown above everything, such as that this is development mode."""
    pages: Sequence[tuple[str, str]] = ()
    """(path, label) of the navigation; none for a page that stands alone."""
    scripts: Sequence[str] = ()
    styles: Sequence[str] = ()
    """Paths of what every page loads beside its own."""
    data: Mapping[str, str] = {}
    """For scripts: attributes of the page's body, `data-{name}`."""


class Pages:
    """Renders the templates of `folders`, the first that has one wins."""

    def __init__(self, frame: Frame, *folders: Path) -> None:
        self._frame = frame
        self._environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader([*folders, TEMPLATES / "dashboard"]),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
        )

    def page(self, template: str, here: str, *, status: int = 200, **context: object) -> Response:
        frame = self._frame
        html = self._environment.get_template(template).render(
            here=here,
            now_ms=frame.now_ms(),
            speed=frame.speed,
            notice=frame.notice,
            pages=frame.pages,
            scripts=frame.scripts,
            styles=frame.styles,
            data=frame.data,
            **context,
        )
        return HTMLResponse(html, status, headers=PAGE_HEADERS)


def asset(path: Path, headers: Mapping[str, str] | None = None) -> Handler:
    """A handler that serves the file as it was when this was called. Browsers ask each time, and get 304 while it has
    not changed."""
    body, kind = path.read_bytes(), TYPES[path.suffix]
    tag = f'"{sha256(body).hexdigest()[:20]}"'
    all_headers = {"ETag": tag, "Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff", **(headers or {})}

    async def serve(request: Request) -> Response:
        if request.headers.get("If-None-Match") == tag:
            return Response(status_code=304, headers=all_headers)
        return Response(body, media_type=kind, headers=all_headers)

    return serve


def assets(folder: Path) -> Handler:
    """A handler for `{name}` that serves the style sheets, scripts, pictures and JSON of the folder."""
    handlers = {
        path.name: asset(path, FOR_EVER if path.suffix == ".woff2" else None)
        for path in folder.iterdir()
        if path.suffix in TYPES
    }

    async def serve(request: Request) -> Response:
        handler = handlers.get(request.path_params["name"])
        return await handler(request) if handler else PlainTextResponse("There is no such file.\n", 404)

    return serve
