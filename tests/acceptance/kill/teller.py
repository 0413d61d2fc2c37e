"""A client of `cuebird.v1` that tells each message until it is acknowledged, over as many connections as that takes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

Message = dict[str, Any]
"""A Segment message with a `messageId` of its own."""

WINDOW = 60
"""Messages that may wait for their ok: fewer than the 128 ids by which the engine knows a user's messages again."""

FRAME_MAX = 10
FRESH_MAX = 3
"""Messages in a frame, of those told again and of those told first."""


class Teller:
    """`more` is asked for the next message whenever there is room for one; None: nothing for now."""

    def __init__(self, more: Callable[[], Message | None], *, pace_s: float = 0.004) -> None:
        self.unacked: dict[str, Message] = {}
        """In the order in which they were told."""
        self.acked: dict[str, Message] = {}
        self.duplicates = 0
        """Acknowledged as known already: an earlier connection broke between their commit and our hearing of it."""
        self.heard: list[Message] = []
        """Frames of the last connection that are no ok."""
        self.closed: int | None = None
        """The close code of the last connection."""
        self._more = more
        self._pace_s = pace_s
        self._frames: dict[int, list[str]] = {}
        self._last_frame = 0

    async def talk(self, url: str) -> None:
        """One connection, until it ends, whichever way. All that is unacknowledged is told again first, with the same ids."""
        self._frames, self._last_frame, self.heard, self.closed = {}, 0, [], None
        with suppress(OSError, WebSocketException, TimeoutError):
            async with connect(f"{url.replace('http', 'ws', 1)}/v1/ws", compression=None, ping_interval=None) as socket:
                await socket.send('{"t":"hello","client":"kill test"}')
                telling = asyncio.create_task(self._tell(socket))
                try:
                    async for text in socket:
                        heard = msgspec.json.decode(text)
                        for frame in heard if isinstance(heard, list) else [heard]:
                            self._hear(frame)
                finally:
                    self.closed = socket.close_code
                    telling.cancel()
                    await asyncio.gather(telling, return_exceptions=True)

    async def _tell(self, socket: ClientConnection) -> None:
        again = list(self.unacked.values())
        for start in range(0, len(again), FRAME_MAX):
            await self._send(socket, again[start : start + FRAME_MAX])
        while True:
            fresh: list[Message] = []
            while len(self.unacked) < WINDOW and len(fresh) < FRESH_MAX and (message := self._more()) is not None:
                self.unacked[message["messageId"]] = message
                fresh.append(message)
            if fresh:
                await self._send(socket, fresh)
            await asyncio.sleep(self._pace_s)  # how fast these shoppers are; nothing is waited for

    async def _send(self, socket: ClientConnection, messages: list[Message]) -> None:
        self._last_frame += 1
        self._frames[self._last_frame] = [message["messageId"] for message in messages]
        await socket.send(msgspec.json.encode({"t": "ev", "id": self._last_frame, "e": messages}).decode())

    def _hear(self, frame: Message) -> None:
        if frame["t"] == "ok":
            assert not frame.get("rejected"), f"a message of ours was rejected: {frame}"
            self.duplicates += frame["dup"]
            for number in [number for number in self._frames if number <= frame["id"]]:
                for message_id in self._frames.pop(number):
                    self.acked[message_id] = self.unacked.pop(message_id)
            return
        self.heard.append(frame)
        if frame["t"] == "err":
            # Nothing of that frame was stored. It stays unacknowledged, and the next connection tells it again.
            self._frames.pop(frame.get("id", 0), None)
