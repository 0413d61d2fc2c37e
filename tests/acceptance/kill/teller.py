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

CREDIT = 1_000
"""Messages that may wait for their ok at once: what the server's welcome grants."""

FRAME_MAX = 500
FRESH_MAX = 3
"""Messages in a frame, of those told again and of those told first."""

SPREE_EVERY = 5
"""In every so manieth connection there is a new spree."""


class Teller:
    """`more` is asked for the next message whenever there is room for one; None: nothing for now. `spree`: for a frame full
    of messages of one user, of which the newest is told again in each connection, acknowledged or not."""

    def __init__(
        self,
        more: Callable[[], Message | None],
        spree: Callable[[], list[Message]] = list,
        *,
        pace_s: float = 0.004,
    ) -> None:
        self.unacked: dict[str, Message] = {}
        """In the order in which they were told."""
        self.acked: dict[str, Message] = {}
        self.duplicates = 0
        """Acknowledged as known already: an earlier connection broke between their commit and our hearing of it."""
        self.heard: list[Message] = []
        """Frames of the last connection that are no ok."""
        self.closed: int | None = None
        """The close code of the last connection."""
        self.known_again = 0
        """Messages that had been acknowledged, and were again when they were told again."""
        self._more = more
        self._spree = spree
        self._newest: list[Message] = []
        """The spree that is told again."""
        self._connections = 0
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
        again = {message["messageId"]: message for message in self._newest} | self.unacked
        await self._send_all(socket, list(again.values()))
        if self._connections % SPREE_EVERY == 0 and (spree := self._spree()):
            self._newest = spree
            await self._send_all(socket, spree)
        self._connections += 1
        while True:
            fresh: list[Message] = []
            while len(fresh) < FRESH_MAX and self._in_flight() < CREDIT and (message := self._more()) is not None:
                fresh.append(message)
            if fresh:
                await self._send(socket, fresh)
            await asyncio.sleep(self._pace_s)  # how fast these shoppers are; nothing is waited for

    async def _send_all(self, socket: ClientConnection, messages: list[Message]) -> None:
        """In frames as large as may be, as soon as there is credit."""
        for start in range(0, len(messages), FRAME_MAX):
            frame = messages[start : start + FRAME_MAX]
            while self._in_flight() + len(frame) > CREDIT:
                await asyncio.sleep(self._pace_s)
            await self._send(socket, frame)

    def _in_flight(self) -> int:
        return sum(map(len, self._frames.values()))

    async def _send(self, socket: ClientConnection, messages: list[Message]) -> None:
        for message in messages:
            if message["messageId"] not in self.acked:
                self.unacked[message["messageId"]] = message
        self._last_frame += 1
        self._frames[self._last_frame] = [message["messageId"] for message in messages]
        await socket.send(msgspec.json.encode({"t": "ev", "id": self._last_frame, "e": messages}).decode())

    def _hear(self, frame: Message) -> None:
        if frame["t"] == "ok":
            assert not frame.get("rejected"), f"a message of ours was rejected: {frame}"
            told = [number for number in self._frames if number <= frame["id"]]
            ids = [message_id for number in told for message_id in self._frames.pop(number)]
            again = sum(message_id in self.acked for message_id in ids)
            assert frame["dup"] >= again, f"of {again} messages that were acknowledged before some are new: {frame}"
            self.known_again += again
            self.duplicates += frame["dup"] - again
            for message_id in ids:
                if message_id in self.unacked:
                    self.acked[message_id] = self.unacked.pop(message_id)
            return
        self.heard.append(frame)
        if frame["t"] == "err":
            # Nothing of that frame was stored. It stays unacknowledged, and the next connection tells it again.
            self._frames.pop(frame.get("id", 0), None)
