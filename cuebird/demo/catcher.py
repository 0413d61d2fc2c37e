"""A local SMTP server that keeps what it is sent instead of delivering it: the inbox of `cuebird demo` and of the tests.

Runs in the event loop it is started in. Listens on loopback only, since it takes mail from anybody for anybody.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from email import message_from_bytes, policy
from email.message import EmailMessage
from ipaddress import ip_address
from typing import Any, Final

import msgspec
from aiosmtpd.smtp import SMTP, Envelope, Session

MESSAGE_BYTES_MAX: Final = 2 * 1024 * 1024


class Caught(msgspec.Struct, frozen=True, kw_only=True):
    """A mail as it came. `text` and `html` are "" if it has no such part."""

    id: int
    """Counts from 1 in the order of arrival."""
    at: int
    sender: str
    """MAIL FROM."""
    to: str
    """RCPT TO; several are joined by `, `."""
    subject: str
    text: str
    html: str
    headers: tuple[tuple[str, str], ...]
    raw: bytes

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


class Catcher:
    """Keeps the last `messages_max` mails in `messages`, oldest first, and tells `on_message` of each one."""

    def __init__(
        self,
        now_ms: Callable[[], int],
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        messages_max: int = 500,
        on_message: Callable[[Caught], None] | None = None,
    ) -> None:
        if not ip_address(host).is_loopback:
            raise ValueError(f"the mail catcher listens on loopback only, not on {host}")
        self.host = host
        self.port = port
        """The real one once started."""
        self.messages: deque[Caught] = deque(maxlen=messages_max)
        self._now_ms = now_ms
        self._on_message = on_message
        self._count = 0
        self._arrived = asyncio.Condition()
        self._server: asyncio.Server | None = None
        self._protocols: set[asyncio.Transport] = set()

    async def start(self) -> None:
        """OSError if the port is taken."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._protocol, self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            for transport in self._protocols:
                transport.abort()
            await self._server.wait_closed()

    def find(self, identity: int) -> Caught | None:
        """The mail with that id, if it is still kept."""
        return next((message for message in self.messages if message.id == identity), None)

    async def wait_for(self, count: int) -> None:
        """Returns when `count` mails have come since the start."""
        async with self._arrived:
            await self._arrived.wait_for(lambda: self._count >= count)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        raw = envelope.content
        assert isinstance(raw, bytes), "decode_data is off"
        self._count += 1
        message = self._parsed(raw, envelope)
        self.messages.append(message)
        if self._on_message is not None:
            self._on_message(message)
        async with self._arrived:
            self._arrived.notify_all()
        return f"250 2.0.0 caught as {message.id}"

    def _protocol(self) -> SMTP:
        catcher = self

        class Connected(SMTP):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                super().connection_made(transport)
                catcher._protocols.add(transport)  # type: ignore[arg-type]

            def connection_lost(self, error: Exception | None) -> None:
                catcher._protocols.discard(self.transport)
                super().connection_lost(error)

        return Connected(
            self, hostname="catcher.test", ident="Cuebird catcher", data_size_limit=MESSAGE_BYTES_MAX, loop=None
        )

    def _parsed(self, raw: bytes, envelope: Envelope) -> Caught:
        message: EmailMessage[Any, Any] = message_from_bytes(raw, policy=policy.default)
        return Caught(
            id=self._count,
            at=self._now_ms(),
            sender=envelope.mail_from or "",
            to=", ".join(envelope.rcpt_tos),
            subject=str(message["subject"] or ""),
            text=_part(message, "plain"),
            html=_part(message, "html"),
            headers=tuple((name, str(value)) for name, value in message.items()),
            raw=raw,
        )


def _part(message: EmailMessage[Any, Any], kind: str) -> str:
    found = message.get_body((kind,))
    if found is None:
        return ""
    content = found.get_payload(decode=True)
    assert isinstance(content, bytes), "a text part is a leaf"
    return content.decode(found.get_content_charset() or "utf-8", "replace").replace("\r\n", "\n")
