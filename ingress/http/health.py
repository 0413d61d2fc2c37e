"""Is it alive, is it ready, what is it, how is it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from ingress.connections.websocket import Doors
from ingress.http.answers import json_answer
from ingress.http.credentials import server_only

Ready = Callable[[], Mapping[str, bool | int]]
"""What must hold for us to take events, by name; numbers only tell more of it."""


def health_routes(
    doors: Doors, ready: Ready, version: str, registry: CollectorRegistry, look: Callable[[], Awaitable[None]]
) -> list[BaseRoute]:
    """`look` is awaited before the figures are read. They are for holders of a server key, as all that tells of a shop is."""

    async def livez(request: Request) -> Response:
        """The loop turns; nothing else is touched."""
        return json_answer({"alive": True})

    async def readyz(request: Request) -> Response:
        checks = dict(ready()) | {"not_draining": not doors.draining}
        return json_answer(checks, 503 if any(held is False for held in checks.values()) else 200)

    async def version_of(request: Request) -> Response:
        return json_answer({"name": "cuebird", "version": version})

    async def metrics(request: Request) -> Response:
        refused = server_only(request, doors.world.keys, doors.now_ms(), "read figures")
        if refused is not None:
            return refused
        await look()
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return [
        Route("/livez", livez),
        Route("/readyz", readyz),
        Route("/version", version_of),
        Route("/metrics", metrics),
    ]
