"""One SMTP connection, driven step by step, so that it is known how far each mail got.

aiosmtplib's `sendmail` raises the same exception whether the line broke before the final dot (send it again) or after
(the server may have the mail). Here DATA, the body and the dot are three steps with the caller's `before_dot` in between.
A connection has one owner at a time and is never reused after a fault other than a refusal.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import Final, cast

import aiosmtplib

from actors.values.address import domain_of
from delivery.outcomes import REPLY_CHARACTERS_MAX, Reply, SmtpFault, Stage
from delivery.settings import SmtpSettings

SEND_BUFFER_BYTES: Final = 64 * 1024

BeforeDot = Callable[[], Awaitable[None]]
"""Called when all but the final dot is with the server. What it raises stops the mail: without the dot nothing is delivered."""


class SmtpConnection:
    """`delivered` counts the mails it has carried."""

    def __init__(self, settings: SmtpSettings, tls_context: ssl.SSLContext | None) -> None:
        self._settings = settings
        self._smtp = aiosmtplib.SMTP(
            hostname=settings.host,
            port=settings.port,
            use_tls=settings.security == "tls",
            start_tls=False,
            timeout=settings.connect_s_max,
            tls_context=tls_context,
            local_hostname=settings.helo_name or domain_of(settings.from_address) or "localhost",
        )
        self.delivered = 0

    @property
    def is_open(self) -> bool:
        return self._smtp.is_connected

    async def open(self) -> None:
        """Connects, greets, secures and logs in as the settings say. Raises SmtpFault; then it is closed."""
        try:
            await self._faultless("connect", self._smtp.connect())
            # A small buffer: what a stalled server has not taken is felt in the body, where there is no doubt yet.
            self._smtp.get_transport_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
            await self._hello()
            if self._settings.security == "starttls":
                await self._secure()
            if self._settings.username:
                login = self._smtp.login(self._settings.username, self._settings.password)
                await self._faultless("auth", login)
        except BaseException:
            self.abort()
            raise

    async def send(self, sender: str, to: str, data: bytes, before_dot: BeforeDot) -> Reply:
        """Carries one mail, `data` being dot-stuffed. Raises SmtpFault, or what `before_dot` raises.

        After a fault of kind `refused` the connection may be used again (after `reset`, if still open); else abort it.
        """
        command_s = self._settings.command_s_max
        await self._command("mail", b"MAIL", f"FROM:<{sender}>".encode("ascii"), expect=(250,), timeout=command_s)
        await self._command("rcpt", b"RCPT", f"TO:<{to}>".encode("ascii"), expect=(250, 251), timeout=command_s)
        await self._command("data", b"DATA", expect=(354,), timeout=command_s)
        await self._write_body(data)
        await before_dot()
        if not self._smtp.is_connected:
            # It was closed while we wrote down that we are at the dot: the dot was not sent, so there is no doubt.
            raise SmtpFault("body", "closed", "connection closed before the final dot")
        reply = await self._command("dot", b".", expect=(250,), timeout=self._settings.dot_s_max)
        self.delivered += 1
        return reply

    async def reset(self) -> None:
        """After a refusal: RSET, so that the next mail starts clean."""
        await self._command("mail", b"RSET", expect=(250,), timeout=self._settings.connect_s_max)

    async def is_alive(self) -> bool:
        """Asks with NOOP."""
        try:
            await self._command("mail", b"NOOP", expect=(250,), timeout=self._settings.connect_s_max)
        except SmtpFault:
            return False
        return True

    async def quit(self) -> None:
        """Says goodbye without waiting long for the answer, and closes."""
        if self.is_open:
            with contextlib.suppress(aiosmtplib.SMTPException, OSError):
                await self._smtp.quit(timeout=1.0)
        self.abort()

    def abort(self) -> None:
        """Drops the connection with whatever is still in its buffer."""
        transport = self._smtp.transport
        self._smtp.close()
        if transport is not None:
            # uvloop's transports are none of asyncio's classes, though they do the same.
            cast(asyncio.WriteTransport, transport).abort()

    async def _hello(self) -> None:
        try:
            await self._faultless("ehlo", self._smtp.ehlo(timeout=self._settings.command_s_max))
        except SmtpFault as fault:
            old_server = (
                fault.kind == "refused" and fault.reply is not None and fault.reply.code in (500, 501, 502, 504)
            )
            if not old_server or self._settings.security != "none":
                raise
            await self._faultless("ehlo", self._smtp.helo(timeout=self._settings.command_s_max))

    async def _secure(self) -> None:
        """STARTTLS or nothing: a server that does not offer it, or fails at it, gets no mail in clear text."""
        if not self._smtp.supports_extension("starttls"):
            raise SmtpFault("starttls", "tls", "the server does not offer STARTTLS")
        try:
            await self._smtp.starttls(timeout=self._settings.connect_s_max)
        except (aiosmtplib.SMTPException, OSError, ssl.CertificateError) as error:
            raise SmtpFault("starttls", "tls", str(error) or type(error).__name__) from error
        await self._hello()

    async def _write_body(self, data: bytes) -> None:
        """Returns when the kernel has taken all of it."""
        protocol, transport = self._smtp.protocol, self._smtp.transport
        if protocol is None or transport is None:
            raise SmtpFault("body", "closed", "connection closed")
        cast(asyncio.WriteTransport, transport).set_write_buffer_limits(0)
        try:
            async with asyncio.timeout(self._settings.body_s_max):
                protocol.write(data)
                # The library has no public way to wait for its flow control.
                await protocol._drain_helper()
        except TimeoutError as error:
            raise SmtpFault("body", "timeout", "the server does not take the body") from error
        except (aiosmtplib.SMTPException, OSError) as error:
            raise SmtpFault("body", "closed", str(error) or type(error).__name__) from error

    async def _command(self, stage: Stage, *words: bytes, expect: tuple[int, ...], timeout: float) -> Reply:  # noqa: ASYNC109
        protocol = self._smtp.protocol
        if protocol is not None and protocol._buffer:
            # More came than was asked for: the next "reply" we read would be the answer to something else.
            raise SmtpFault(stage if stage != "dot" else "body", "malformed", "the server said more than it was asked")
        response = await self._faultless(stage, self._smtp.execute_command(*words, timeout=timeout))
        reply = Reply(response.code, _clean(response.message))
        if reply.code in expect:
            return reply
        if 400 <= reply.code < 600:
            raise SmtpFault(stage, "refused", "", reply)
        raise SmtpFault(stage, "malformed", f"unexpected reply {reply}")

    async def _faultless(self, stage: Stage, step: Awaitable[aiosmtplib.SMTPResponse]) -> aiosmtplib.SMTPResponse:
        """Does a step of the library's; whatever it raises becomes a SmtpFault of that stage."""
        try:
            return await step
        except aiosmtplib.SMTPResponseException as error:
            if 400 <= error.code < 600:
                raise SmtpFault(stage, "refused", "", Reply(error.code, _clean(error.message))) from error
            raise SmtpFault(stage, "malformed", _clean(str(error.message))) from error
        except TimeoutError as error:
            raise SmtpFault(stage, "timeout", str(error) or "no answer in time") from error
        except (aiosmtplib.SMTPServerDisconnected, OSError) as error:
            raise SmtpFault(stage, "closed", str(error) or type(error).__name__) from error
        except aiosmtplib.SMTPException as error:
            raise SmtpFault(stage, "malformed", _clean(str(error))) from error


def _clean(text: str) -> str:
    """A server's words, fit to be stored and shown."""
    text = text.encode("utf-8", "replace").decode("utf-8")
    return "".join(c if c.isprintable() else " " for c in text[:REPLY_CHARACTERS_MAX]).strip()
