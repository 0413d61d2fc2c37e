"""The ways in of a served site: one application over the engine, and the server that carries it."""

from __future__ import annotations

from importlib.metadata import version

from prometheus_client import CollectorRegistry

from actors.model.turn import Send
from actors.sending.policy import consents
from actors.values.token import Tokens
from cuebird.serving.metrics import Metrics
from cuebird.serving.parts import AppParts, MoreRoutes
from cuebird.serving.reload import Reload
from cuebird.settings.config import Settings
from engine.engine import Engine
from ingress.app import build_app
from ingress.bounds.descriptors import fitted, needed, raised
from ingress.connections.context import context_of
from ingress.connections.streams import Streams
from ingress.connections.websocket import Doors
from ingress.http.tracking import Tracking, TrackingCalls
from ingress.http.users import UserQuestions, user_routes
from ingress.messages.messages import Normalizer
from ingress.principals.keys import KeyRing
from ingress.principals.visitor_tokens import VisitorTokens
from ingress.server import Server, build_server


def open_ways_in(
    settings: Settings,
    parts: AppParts,
    more: MoreRoutes,
    streams: Streams,
    normalizer: Normalizer,
    keys: KeyRing,
    tokens: Tokens,
    *,
    secure: bool,
) -> Server:
    """Return the server of all that can be asked and said; it serves once it runs. `secure`: it is reached by https."""
    engine, clock, dispatcher, reload = parts.engine, parts.clock, parts.dispatcher, parts.reload
    metrics = Metrics(engine, dispatcher, parts.store, reload)
    registry = CollectorRegistry()
    registry.register(metrics)
    app = build_app(
        context_of(
            submit=engine.submit,
            now_ms=clock.now_ms,
            streams=streams,
            owner=engine.owner,
            in_flight=engine.in_flight,
            keys=keys,
            visitors=VisitorTokens(tokens, secure=secure),
            normalizer=normalizer,
            limits=fitted(settings.ingress, raised(needed(settings.ingress))),
        ),
        ready=lambda: readiness(engine, reload, on_hold=dispatcher.hold is not None),
        version=version("cuebird"),
        registry=registry,
        look=metrics.look,
        shop=parts.shop,
        extra_routes=[
            *tracking(parts, tokens).routes(),
            *user_routes(UserQuestions(parts.answers.profile, parts.answers.explain), keys, clock.now_ms),
            *more.routes,
        ],
    )
    server = build_server(app, host=settings.server.host, port=0)
    server.doors.event_streams.add(_Ending(more, server.doors))
    return server


def readiness(engine: Engine, reload: Reload, *, on_hold: bool = False) -> dict[str, bool | int]:
    """Return what /readyz says: none of it may be false. The machine's clock being behind is told, and stops nothing; nor
    do files that are not what runs, or an outbox on hold, for events are taken and decided."""
    statistics = engine.statistics()
    side, seconds = "ahead" if statistics.clock_held else "behind", abs(statistics.clock_offset_ms) // 1000
    told: dict[str, bool | int] = {f"clock_{side}_s": seconds} if seconds else {}
    if on_hold:
        told["outbox_on_hold"] = 1
    if reload.differs:
        told["site_differs"] = True
    return told | {
        "storage": statistics.storage == "good",
        "clock": not statistics.clock_held,
        "taking_events": not statistics.draining,
    }


def tracking(parts: AppParts, tokens: Tokens) -> Tracking:
    """Return what the links of letters lead to."""
    engine, store = parts.engine, parts.store

    async def send_of(send: str) -> Send | None:
        found = (await store.sends([send])).get(send)
        return found.send if found is not None else None

    async def wishes(user: str, topic: str) -> TrackingCalls | None:
        actor = await engine.user(user)
        if actor is None:
            return None
        return TrackingCalls(
            any=consents(actor, "marketing", "", engine.program), topic=topic not in actor.unsubscribed
        )

    return Tracking(
        tokens=tokens,
        submit=engine.submit,
        link=store.link,
        send=send_of,
        delivered_at=parts.dispatcher.delivered_at,
        wishes=wishes,
        now_ms=parts.clock.now_ms,
        shop=parts.shop,
    )


class _Ending:
    """Stands among the event streams of a server, so that those of `MoreRoutes` end when it drains."""

    def __init__(self, more: MoreRoutes, doors: Doors) -> None:
        self._more = more
        self._streams = doors.event_streams

    def look_again(self) -> None:
        """It is for whoever may look at this machine, not for a key."""

    def drain(self) -> None:
        self._more.end()
        self._streams.discard(self)
