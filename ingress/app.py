"""The ways in as one ASGI application, of what they need and nothing they make themselves."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress

import msgspec
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Route, WebSocketRoute

from engine.submit import Submit
from ingress.bounds.admission import Admission
from ingress.bounds.limits import IngressLimits
from ingress.bounds.metrics import Counts
from ingress.bounds.rates import Rates
from ingress.connections.context import ConnectionContext
from ingress.connections.resume import Sessions
from ingress.connections.streams import Owner, Streams, following
from ingress.connections.websocket import Doors, WebSocketEndpoint
from ingress.http.answers import http_exceptions, on_failure
from ingress.http.customer_pages import CustomerPages, Shop
from ingress.http.development import LoopbackOnly
from ingress.http.events import event_routes
from ingress.http.health import Ready, health_routes
from ingress.http.sse import EventStreamEndpoint
from ingress.messages.messages import Normalizer
from ingress.principals.keys import KeyRing
from ingress.principals.visitor_tokens import VisitorTokens


async def nothing_to_look_at() -> None:
    return None


def always_ready() -> dict[str, bool | int]:
    return {}


class Deps(msgspec.Struct, frozen=True, kw_only=True):
    """What the ways in are given."""

    submit: Submit
    now_ms: Callable[[], int]
    streams: Streams
    owner: Owner
    keys: KeyRing
    visitors: VisitorTokens
    normalizer: Normalizer
    limits: IngressLimits = IngressLimits()
    in_flight: Callable[[], int] = lambda: 0
    """Inputs that `submit` has taken and not yet spoken on."""
    ready: Ready = always_ready
    version: str = "0"
    registry: CollectorRegistry | None = None
    """Where the counters go, and what /metrics shows; None: one of its own."""
    look: Callable[[], Awaitable[None]] = nothing_to_look_at
    """Awaited before /metrics is read."""
    extra_routes: Sequence[BaseRoute] = ()
    shop: Shop = Shop()
    """In whose name a browser is told that there is no such page."""
    new_session_id: Callable[[], str] = lambda: "s_" + secrets.token_urlsafe(18)
    """Not to be guessed: who knows it may go on with the session."""


def new_streams(epoch: str, now_ms: Callable[[], int], limits: IngressLimits) -> Streams:
    """Streams within the limits. `epoch` must differ from one process to the next."""
    return Streams(
        epoch,
        now_ms,
        pushes_max=limits.pushes_per_user_max,
        keep_ms=limits.push_keep_ms,
        users_max=limits.push_users_max,
    )


def build_app(deps: Deps, lifespan: Callable[[], AbstractAsyncContextManager[None]] | None = None) -> Starlette:
    """The application; its `state.doors` is what `ingress.server` drains. `lifespan` is entered around it all."""
    counts = Counts()
    registry = deps.registry or CollectorRegistry()
    registry.register(counts)
    limits = deps.limits
    admission = Admission(limits, deps.now_ms, deps.in_flight)
    registry.register(admission)
    world = ConnectionContext(
        submit=following(deps.submit, deps.streams, deps.owner),
        owner=deps.owner,
        streams=deps.streams,
        sessions=Sessions(deps.new_session_id, keep_ms=limits.resume_ms_max, sessions_max=limits.sessions_max),
        keys=deps.keys,
        visitors=deps.visitors,
        normalizer=deps.normalizer,
        counts=counts,
        limits=limits,
        admission=admission,
        rates=Rates(limits),
    )
    doors = Doors(world, deps.now_ms)

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
            *health_routes(doors, deps.ready, deps.version, registry, deps.look),
            *deps.extra_routes,
        ],
        middleware=[Middleware(LoopbackOnly)] if deps.keys.dev else [],
        lifespan=around,
        exception_handlers={HTTPException: http_exceptions(CustomerPages(deps.shop)), Exception: on_failure},
    )
    app.state.doors = doors
    return app
