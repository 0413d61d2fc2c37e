"""An SMTP server on loopback that does at each stage what a test tells it to: refuse, hang, close, dribble."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections import defaultdict, deque
from typing import Self, cast


class Scripted:
    """`plan[stage]` is a list of actions, used up one by one; without one the server is polite.

    Actions: a reply such as "451 4.3.0 later"; "close"; "hang" (until the client leaves); at the dot also
    "accept, close" and "accept, hang"; in the body "stall" (stops reading); "bytewise" (the polite reply, byte by byte); "raw:…" (these bytes as they are).
    Stages: connect ehlo starttls auth mail rcpt data body dot rset noop quit.
    """

    def __init__(self, plan: dict[str, list[str]] | None = None, *, tls: ssl.SSLContext | None = None) -> None:
        self.plan: dict[str, deque[str]] = defaultdict(deque)
        for stage, actions in (plan or {}).items():
            self.plan[stage] = deque(actions)
        self.accepted: list[bytes] = []
        """Mails it took responsibility for, dot-stuffing undone."""
        self.rcpts: list[str] = []
        self.connections = 0
        self.log: list[str] = []
        """Stages reached, in order."""
        self.open: set[asyncio.Task[None]] = set()
        self.port = 0
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._happened = asyncio.Condition()

    async def __aenter__(self) -> Self:
        listening = socket.socket()
        # Small, so that a server that does not read is felt before half a megabyte; it counts only before `listen`.
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        listening.bind(("127.0.0.1", 0))
        self._server = await asyncio.start_server(self._client, sock=listening, limit=1 << 22)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self.open:
            task.cancel()
        await asyncio.gather(*self.open, return_exceptions=True)

    async def reached(self, stage: str, times: int = 1) -> None:
        async with self._happened:
            await self._happened.wait_for(lambda: self.log.count(stage) >= times)

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.open.add(task)
        self.connections += 1
        try:
            with contextlib.suppress(
                ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError, _Closed, ssl.SSLError
            ):
                await self._talk(reader, writer)
        finally:
            self.open.discard(task)
            writer.transport.abort()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._do("connect", "220 scripted.test ESMTP", reader, writer)
        while True:
            line = (await reader.readuntil(b"\r\n")).decode().strip()
            verb = line.split(" ")[0].split(":")[0].lower()
            if verb == "quit":
                await self._do("quit", "221 bye", reader, writer)
                return
            if verb == "starttls":
                if await self._do("starttls", "220 go ahead", reader, writer):
                    assert self._tls is not None
                    await writer.start_tls(self._tls)
                continue
            polite = {
                "ehlo": f"250-scripted.test\r\n250-AUTH PLAIN{self._offer()}\r\n250 8BITMIME",
                "data": "354 go on",
                "auth": "235 ok",
            }
            if verb == "data" and "stall" in self.plan["body"]:
                cast(asyncio.ReadTransport, writer.transport).pause_reading()
            accepted = await self._do(verb, polite.get(verb, "250 ok"), reader, writer)
            if verb == "rcpt" and accepted:
                self.rcpts.append(line)
            if verb == "data" and accepted:
                await self._mail(reader, writer)

    def _offer(self) -> str:
        return "\r\n250-STARTTLS" if self._tls else ""

    async def _mail(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.plan["body"]:
            await self._do("body", "", reader, writer)
        raw = await reader.readuntil(b"\r\n.\r\n")
        mail = raw[:-3].replace(b"\r\n..", b"\r\n.")
        if self.plan["dot"] and self.plan["dot"][0].startswith("accept"):
            self.accepted.append(mail)
        if await self._do("dot", "250 2.0.0 queued", reader, writer):
            self.accepted.append(mail)

    async def _do(self, stage: str, polite: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Whether the client was told yes."""
        action = self.plan[stage].popleft() if self.plan[stage] else ""
        async with self._happened:
            self.log.append(stage)
            self._happened.notify_all()
        if action.endswith("close"):
            raise _Closed
        if action == "stall":
            await asyncio.Event().wait()
        if action.endswith("hang"):
            await reader.read(-1)
            raise _Closed
        if action == "bytewise":
            for byte in f"{polite}\r\n".encode():
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(0)
            return True
        if action.startswith("raw:"):
            writer.write(action.removeprefix("raw:").encode())
        else:
            writer.write(f"{action or polite}\r\n".encode())
        await writer.drain()
        return not action


class _Closed(Exception):
    pass
