"""One world for the tests of the ways in: every part real, time and ids in the test's hands."""

from __future__ import annotations

from typing import Any

import jwt
import msgspec

from actors.values.token import Tokens
from ingress.bounds.admission import Admission
from ingress.bounds.limits import IngressLimits
from ingress.bounds.metrics import Counts
from ingress.bounds.rates import Rates
from ingress.connections.context import ConnectionContext
from ingress.connections.resume import Sessions
from ingress.connections.session import Session
from ingress.connections.streams import Push, Streams, following
from ingress.messages.messages import Normalizer
from ingress.principals.keys import KeyRing, ProofKey, ServerKey, WriteKey, digest
from ingress.principals.visitor_tokens import VisitorTokens
from tests.unit.ingress.engine import MemoryEngine

NOW = 1_795_320_000_000  # 2026-11-22T04:00:00Z

SECRET = "a proof secret of the shop, 32 bytes or more"
WRITE = "wk_public"
SERVER = "sk_secret"
SHOP = "https://shop.example"

KEYS = KeyRing(
    write_keys=(WriteKey(name="shop", sha256=digest(WRITE), allowed_origins=(SHOP,)),),
    server_keys=(ServerKey(name="backend", sha256=digest(SERVER)),),
    proofs=(ProofKey(key=SECRET),),
)


def proof(user: str, *, expires_ms: int = NOW + 3_600_000, secret: str = SECRET, **claims: Any) -> str:
    return jwt.encode({"sub": user, "exp": expires_ms / 1000, "aud": "cuebird"} | claims, secret, algorithm="HS256")


VISITORS = VisitorTokens(Tokens([b"what visitor tokens are signed with"]))

BINARY = object()
"""Stands for a binary message."""


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def now_ms(self) -> int:
        return self.now


class Site:
    """Sessions of one server, and the engine behind them."""

    def __init__(self, *, hold: bool = False, keys: KeyRing = KEYS, limits: IngressLimits | None = None) -> None:
        self.clock = Clock()
        self.engine = MemoryEngine(hold=hold)
        self.streams = Streams("e7", self.clock.now_ms, pushes_max=5)
        names = (f"s_{i}" for i in range(1, 1_000))
        limits = limits or IngressLimits()
        self.world = ConnectionContext(
            submit=following(self.engine.submit, self.streams, self.engine.owner),
            owner=self.engine.owner,
            now_ms=self.clock.now_ms,
            streams=self.streams,
            sessions=Sessions(lambda: next(names)),
            keys=keys,
            visitors=VISITORS,
            normalizer=Normalizer(),
            counts=Counts(),
            limits=limits,
            admission=Admission(limits, self.clock.now_ms, chance=lambda: 0.5),
            rates=Rates(limits),
        )

    def connect(self, *, token: str = "", origin: str | None = SHOP) -> Page:
        return Page(self, token, origin)


class Page:
    """A client of a session: says frames, hears frames."""

    def __init__(self, site: Site, token: str, origin: str | None) -> None:
        self.site = site
        self.woken = 0
        self.session = Session(site.world, site.clock.now, token=token, origin=origin, wake=self._wake)

    def _wake(self) -> None:
        self.woken += 1

    def say(self, *frames: Any) -> list[Any]:
        """Each frame as a message of its own (text as it is); what is answered to all of them."""
        for frame in frames:
            if frame is BINARY:
                self.session.receive_binary(self.site.clock.now)
            else:
                data = frame.encode() if isinstance(frame, str) else msgspec.json.encode(frame)
                self.session.receive_text(data, self.site.clock.now)
        return self.hear()

    def hear(self) -> list[Any]:
        return [msgspec.json.decode(text) for text in self.session.outgoing()]

    def hello(self, **fields: Any) -> Any:
        (welcome,) = self.say({"t": "hello", "token": SERVER} | fields)
        return welcome

    def pass_time(self, ms: int) -> list[Any]:
        self.site.clock.now += ms
        self.session.tick(self.site.clock.now)
        return self.hear()

    @property
    def close(self) -> int | None:
        return self.session.close[0] if self.session.close else None


def ev(number: int, *messages: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"t": "ev", "id": number, "e": list(messages) or [track(number)]} | fields


def track(number: int = 1, **fields: Any) -> dict[str, Any]:
    return {"type": "track", "event": "Product Viewed", "userId": "u1", "messageId": f"m{number}"} | fields


def push(number: int = 1, **fields: Any) -> Push:
    return Push(id=f"send-{number}", data=b'{"title":"Still thinking?"}', about={"campaign": "cart"}, **fields)
