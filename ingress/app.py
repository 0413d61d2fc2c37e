"""The ways in as one ASGI application, of what they share and what each needs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress

from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Route, WebSocketRoute

from ingress.bounds.limits import IngressLimits
from ingress.connections.context import ConnectionContext
from ingress.connections.streams import Streams
from ingress.connections.websocket import Doors, WebSocketEndpoint
from ingress.http.answers import http_exceptions, on_failure
from ingress.http.customer_pages import CustomerPages, Shop
from ingress.http.development import LoopbackOnly
from ingress.http.events import event_routes
from ingress.http.health import Ready, health_routes
from ingress.http.sse import EventStreamEndpoint


async def nothing_to_look_at() -> None:
    return None


def always_ready() -> dict[str, bool | int]:
    return {}


def new_streams(epoch: str, now_ms: Callable[[], int], limits: IngressLimits) -> Streams:
    """Streams within the limits. `epoch` must differ from one process to the next."""
    return Streams(
        epoch,
        now_ms,
        pushes_max=limits.pushes_per_user_max,
        keep_ms=limits.push_keep_ms,
        users_max=limits.push_users_max,
    )


def build_app(
    context: ConnectionContext,
    *,
    ready: Ready = always_ready,
    version: str = "0",
    registry: CollectorRegistry | None = None,
    look: Callable[[], Awaitable[None]] = nothing_to_look_at,
    extra_routes: Sequence[BaseRoute] = (),
    shop: Shop | None = None,
    lifespan: Callable[[], AbstractAsyncContextManager[None]] | None = None,
) -> Starlette:
    """Return the application; its `state.doors` is what `ingress.server` drains.

    `registry`: where the counters go, and what /metrics shows (None: one of its own), after `look` was awaited. `shop`: in
    whose name a browser is told that there is no such page. `lifespan` is entered around it all.
    """
    registry = registry or CollectorRegistry()
    registry.register(context.counts)
    registry.register(context.admission)
    doors = Doors(context)

    @asynccontextmanager
    async def around(app: Starlette) -> AsyncIterator[None]:
        watcher = asyncio.create_task(doors.watch())
        try:
            if lifespan is None:
                yield
            else:
                async with lifespan():
                    yield
        finally:
            watcher.cancel()
            with suppress(asyncio.CancelledError):
                await watcher

    app = Starlette(
        routes=[
            WebSocketRoute("/v1/ws", WebSocketEndpoint(doors)),
            Route("/v1/sse", EventStreamEndpoint(doors)),
            *event_routes(doors),
            *health_routes(doors, ready, version, registry, look),
            *extra_routes,
        ],
        middleware=[Middleware(LoopbackOnly)] if context.keys.dev else [],
        lifespan=around,
        exception_handlers={HTTPException: http_exceptions(CustomerPages(shop or Shop())), Exception: on_failure},
    )
    app.state.doors = doors
    return app
