"""Connections to the relay, kept between mails. Each has one owner at a time; a new one is opened when none is idle."""

from __future__ import annotations

import asyncio
import ssl

from delivery.email import dotted
from delivery.outcomes import Reply, SmtpFault
from delivery.settings import SmtpSettings
from delivery.smtp import BeforeDot, SmtpConnection


class Pool:
    """At most `connections_max` connections, each replaced after `connection_messages_max` mails."""

    def __init__(self, settings: SmtpSettings) -> None:
        self._settings = settings
        self._places = asyncio.Semaphore(settings.connections_max)
        self._idle: list[tuple[SmtpConnection, float, asyncio.TimerHandle]] = []
        self._tls_context: ssl.SSLContext | None = None

    async def deliver(self, to: str, raw: bytes, before_dot: BeforeDot) -> Reply:
        """Hands one mail to the relay. Raises SmtpFault, or what `before_dot` raises: then the mail was not delivered."""
        sender = self._settings.return_path or self._settings.from_address
        data = dotted(raw)
        async with self._places:
            connection = await self._acquire()
            try:
                return await self._carried(connection, sender, to, data, before_dot)
            except SmtpFault as fault:
                if not (fault.stage == "mail" and fault.kind == "closed" and connection.delivered):
                    raise
            # The server had closed an idle connection: no fault of the mail's, and nothing of it was sent.
            return await self._carried(await self._opened(), sender, to, data, before_dot)

    def close(self) -> None:
        """Drops the idle connections; those in use belong to their mails."""
        while self._idle:
            connection, _, timer = self._idle.pop()
            timer.cancel()
            connection.abort()

    async def _carried(
        self, connection: SmtpConnection, sender: str, to: str, data: bytes, before_dot: BeforeDot
    ) -> Reply:
        keep = False
        try:
            reply = await connection.send(sender, to, data, before_dot)
            keep = True
            return reply
        except SmtpFault as fault:
            keep = fault.kind == "refused" and connection.is_open and await self._usable_again(connection)
            raise
        finally:
            if keep:
                await self._release(connection)
            else:
                connection.abort()

    async def _usable_again(self, connection: SmtpConnection) -> bool:
        try:
            await connection.reset()
        except SmtpFault:
            return False
        return True

    async def _acquire(self) -> SmtpConnection:
        loop = asyncio.get_running_loop()
        while self._idle:
            connection, since, timer = self._idle.pop()
            timer.cancel()
            rested = loop.time() - since > self._settings.idle_s_max
            if connection.is_open and (not rested or await connection.is_alive()):
                return connection
            connection.abort()
        return await self._opened()

    async def _opened(self) -> SmtpConnection:
        if self._settings.security != "none" and self._tls_context is None:
            # Reads the system's certificates: tens of milliseconds.
            self._tls_context = await asyncio.to_thread(
                ssl.create_default_context, cafile=self._settings.ca_file or None
            )
        connection = SmtpConnection(self._settings, self._tls_context)
        await connection.open()
        return connection

    async def _release(self, connection: SmtpConnection) -> None:
        if connection.delivered >= self._settings.connection_messages_max:
            await connection.quit()
        elif connection.is_open:
            loop = asyncio.get_running_loop()
            timer = loop.call_later(3 * self._settings.idle_s_max, self._drop, connection)
            self._idle.append((connection, loop.time(), timer))

    def _drop(self, connection: SmtpConnection) -> None:
        self._idle = [entry for entry in self._idle if entry[0] is not connection]
        connection.abort()
