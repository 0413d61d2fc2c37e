"""An SMTP server that counts: every letter whose final dot came, with an answer that takes its time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email import message_from_bytes, policy

import msgspec
from aiosmtpd.smtp import SMTP, Envelope, Session


class Letter(msgspec.Struct, frozen=True):
    message_id: str
    to: str
    subject: str


class PostOffice:
    """Between the dot and its answer lie up to `answer_s`: a client that is killed there does not know."""

    def __init__(self, rng: random.Random, answer_s: float) -> None:
        self.port = 0
        self.letters: list[Letter] = []
        self._rng = rng
        self._answer_s = answer_s
        self._transports: set[asyncio.Transport] = set()

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        raw = envelope.content
        assert isinstance(raw, bytes)
        headers = message_from_bytes(raw, policy=policy.default)
        self.letters.append(Letter(str(headers["Message-ID"]), ", ".join(envelope.rcpt_tos), str(headers["Subject"])))
        await asyncio.sleep(self._rng.random() * self._answer_s)
        return "250 2.0.0 it is ours now"

    def protocol(self) -> SMTP:
        office = self

        class Counter(SMTP):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                super().connection_made(transport)
                office._transports.add(transport)  # type: ignore[arg-type]

            def connection_lost(self, error: Exception | None) -> None:
                office._transports.discard(self.transport)
                super().connection_lost(error)

        return Counter(self, hostname="post.example", loop=None)

    def hang_up(self) -> None:
        for transport in self._transports:
            transport.abort()


@asynccontextmanager
async def post_office(rng: random.Random, answer_s: float = 0.0) -> AsyncIterator[PostOffice]:
    office = PostOffice(rng, answer_s)
    server = await asyncio.get_running_loop().create_server(office.protocol, "127.0.0.1", 0)
    office.port = server.sockets[0].getsockname()[1]
    try:
        yield office
    finally:
        server.close()
        office.hang_up()
        await server.wait_closed()
