"""The `ev` frames of one connection: whether they may come, what they hold, and who is told when that is on disk.

Rules it keeps:

* Ids grow, and nobody has more in flight than his credit.
* Who speaks too fast is answered and rests (`rest_ms`): it is not read from for so long.
* A message that is bad costs its frame nothing: each is looked at by itself then.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from engine.submit import Receipt
from ingress.connections import frames
from ingress.connections.acks import Acks, PendingAck
from ingress.connections.context import ConnectionContext
from ingress.connections.frames import Ev, FrameHead
from ingress.messages import scan
from ingress.messages.clocks import ClientClock
from ingress.messages.instants import told_at
from ingress.messages.taking import Batch
from ingress.principals.principal import Principal

Committed = Callable[[PendingAck, Receipt], None]

NOTHING: Final = Batch([], [], 0)


class FrameRefused(Exception):
    """Nothing of the frame is taken. `close`: with what code the connection ends, 0 if it goes on."""

    def __init__(self, code: str, message: str, *, retry_ms: int | None = None, close: int = 0) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retry_ms = retry_ms
        self.close = close


class EventFrames:
    """`committed` is called with the engine's word on each frame that was begun in `acks`. It is given with the frame and
    not kept: who is gone is freed at once, and not when the collector comes by."""

    __slots__ = ("_acks", "_address", "_clock", "_context", "_is_rated", "_last_id", "rest_ms")

    def __init__(self, context: ConnectionContext, acks: Acks, address: str) -> None:
        self.rest_ms = 0
        """How long it should not be read from, because it spoke too fast; whoever reads sets it back."""
        self._context = context
        self._acks = acks
        self._address = address
        self._clock = ClientClock()
        self._is_rated = False
        self._last_id = 0

    def begin(self, speaker: Principal, clock: ClientClock) -> None:
        """It is known who speaks, and by what clock."""
        self._is_rated = self._context.rates.concern(speaker)
        self._clock = clock

    def take(self, ev: Ev, data: bytes, speaker: Principal, committed: Committed, now: int) -> None:
        """Take a frame that was decoded from `data`. Raises FrameRefused, Rejected."""
        if not self._admit(ev.id, len(ev.e), speaker, committed, now):
            return
        normalizer = self._context.normalizer
        batch = normalizer.wires(
            ev.e,
            received_at=now,
            sent_at=None if ev.sent_at is None else told_at(ev.sent_at, "sentAt"),
            speaker=speaker,
            checked=not scan.suspicious(data),
            plain=scan.plain(data, normalizer.sizes.plain_bytes_max),
            clock=self._clock,
        )
        if batch is None:
            self._take_parts(ev.id, frames.decode_head(data), data, speaker, committed, now)
        else:
            self._submit(ev.id, batch, data, speaker, committed, now)

    def take_parts(
        self, frame_id: int, head: FrameHead, data: bytes, speaker: Principal, committed: Committed, now: int
    ) -> None:
        """Take a frame of which a message is no Segment message, or is bad: each by itself. Raises as `take`."""
        if self._admit(frame_id, len(head.e or ()), speaker, committed, now):
            self._take_parts(frame_id, head, data, speaker, committed, now)

    def _take_parts(
        self, frame_id: int, head: FrameHead, data: bytes, speaker: Principal, committed: Committed, now: int
    ) -> None:
        normalizer = self._context.normalizer
        batch = normalizer.raws(
            head.e or [],
            received_at=now,
            sent_at=told_at(head.sent_at, "sentAt"),
            speaker=speaker,
            checked=not scan.suspicious(data),
            plain=scan.plain(data, normalizer.sizes.plain_bytes_max),
            clock=self._clock,
        )
        self._submit(frame_id, batch, data, speaker, committed, now)

    def _admit(self, frame_id: int, messages: int, speaker: Principal, committed: Committed, now: int) -> bool:
        """False: it may not speak now, and was answered."""
        limits = self._context.limits
        if frame_id <= self._last_id:
            raise FrameRefused("bad_id", f"ids must grow: the last was {self._last_id}")
        if messages > limits.batch_events_max:
            raise FrameRefused("batch_too_large", f"at most {limits.batch_events_max} messages a frame")
        if self._acks.in_flight + messages > limits.credit_events:
            waiting = f"{self._acks.in_flight} messages wait for their ok, {messages} more are past your credit"
            raise FrameRefused("over_credit", waiting, retry_ms=limits.retry_ms, close=4102)
        self._last_id = frame_id
        return not self._is_rated or self._in_time(frame_id, speaker, committed, now)

    def _in_time(self, frame_id: int, speaker: Principal, committed: Committed, now: int) -> bool:
        """Whether its key and its address may speak now; if not, the frame is answered."""
        refusal = self._context.rates.refusal(speaker, self._address, now)
        if refusal is None:
            return True
        self.rest_ms = refusal.retry_ms
        committed(self._acks.begin(frame_id, NOTHING), refusal)
        return False

    def _submit(
        self, frame_id: int, batch: Batch, data: bytes, speaker: Principal, committed: Committed, now: int
    ) -> None:
        context = self._context
        counts = context.counts
        if self._is_rated:
            context.rates.count(speaker, self._address, len(batch.events) + len(batch.rejected), len(data), now)
        counts.received["ws"] += batch.messages
        counts.unproven["ws"] += batch.unproven
        for bad in batch.rejected:
            counts.rejected["ws", bad.code] += 1
        pending = self._acks.begin(frame_id, batch)
        if batch.events:
            context.submit(batch.events, partial(committed, pending))
        else:
            committed(pending, Receipt())
