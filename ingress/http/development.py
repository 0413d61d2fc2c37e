"""Development mode believes everybody on this machine. A page of the world, open in a browser on it, is not from here.

Such a page reaches us in two ways: by its own host name, made to lead to 127.0.0.1 (DNS rebinding), and by ours, as
another origin. A browser tells both in headers that no script may set.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from ingress.http.answers import error_answer


class LoopbackOnly:
    """Refuses what was asked of another host than this machine (421), or by a page from elsewhere (403).

    The origin `null` is anybody's: a page of the world gets it from a sandboxed frame as a file does from its folder.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = _refusal(dict(scope["headers"])) if scope["type"] in ("http", "websocket") else None
        if answer is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close"})
        else:
            await answer(scope, receive, send)


def _refusal(headers: dict[bytes, bytes]) -> Response | None:
    host, origin = headers.get(b"host", b"").decode("latin-1"), headers.get(b"origin")
    if host and not is_loopback(_name(f"//{host}")):
        text = f"development mode answers to localhost and 127.0.0.1 only, not to {host[:200]!r}"
        return error_answer(421, "misdirected", text)
    if origin is not None and not is_loopback(_name(origin.decode("latin-1"))):
        text = (
            "development mode believes pages of this machine only: serve yours from http://localhost "
            "(`python -m http.server`), or start without --dev and give it a key"
        )
        return error_answer(403, "forbidden", text)
    return None


def is_loopback(name: str) -> bool:
    """Whether a host name can only mean this machine (RFC 6761 §6.3)."""
    name = name.rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _name(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
