"""The acknowledgements of one connection: in the order of its frames, cumulative, and only after the engine's word."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from engine.submit import Receipt, RefusalCode
from ingress.connections import frames
from ingress.messages.rejection import UNPROVEN, Rejection
from ingress.messages.taking import Batch

NEVER: Final = 2**63


class PendingAck(msgspec.Struct, gc=False):
    """An `ev` frame on its way to the disk."""

    id: int
    messages: int
    extra: int
    """Events beyond one a message: the aliases of identifies."""
    rejected: Sequence[Rejection]
    unproven: int
    """Messages that were taken as a visitor's, though they named a user."""
    receipt: Receipt | None = None


class Counted(NamedTuple):
    """A receipt in messages, as the sender counts: each is one of these."""

    taken: int
    duplicates: int
    too_old: int
    quarantined: int


def counted(messages: int, extra: int, receipt: Receipt) -> Counted:
    """Of a receipt that counts events, `extra` of which are more than the messages."""
    quarantined = min(messages, receipt.quarantined)
    left = messages - quarantined
    too_old = receipt.too_old and min(left, max(1, receipt.too_old - extra))
    duplicates = min(left - too_old, max(0, receipt.duplicates - extra))
    return Counted(left - duplicates - too_old, duplicates, too_old, quarantined)


def refusal(code: RefusalCode) -> str:
    """What is said of a batch that was refused."""
    if code == "user_quarantined":
        return "a user of this batch is in quarantine, which has no room: only the others' messages were stored"
    return f"not stored: {code}"


class Acks:
    """Every frame is begun, then settled; `frames` is what may be said by now."""

    def __init__(self, credit_max: int) -> None:
        self.in_flight = 0
        """Messages begun and not settled."""
        self.acked = 0
        """Everything up to this id is stored. It stops before a frame that was refused: a client that lost our `err`
        and resumed behind it would never send that frame again, nor know why."""
        self.said_bytes = 0
        """What waits in `frames`, in characters."""
        self._credit_max = credit_max
        self._pending: deque[PendingAck] = deque()
        self._refused_from = NEVER
        self._said: list[str] = []
        self._id = 0
        self._taken = 0
        self._duplicates = 0
        self._too_old = 0
        self._quarantined = 0
        self._unproven = 0
        self._warned = False

    def begin(self, frame_id: int, batch: Batch) -> PendingAck:
        pending = PendingAck(
            frame_id, batch.messages, len(batch.events) - batch.messages, batch.rejected, batch.taken_unproven
        )
        self.in_flight += batch.messages
        self._pending.append(pending)
        return pending

    def refuse(self, frame_id: int) -> None:
        """A frame that was answered by an `err`."""
        self._refused_from = min(self._refused_from, frame_id)

    def settle(self, pending: PendingAck, receipt: Receipt, retry_ms: int) -> None:
        pending.receipt = receipt
        self.in_flight -= pending.messages
        if receipt.refused is not None:
            # Before any ok that covers its id, and without waiting for the frames before it.
            self.refuse(pending.id)
            self._say_ok()
            text = refusal(receipt.refused)
            self._say(frames.err(receipt.refused, text, frame_id=pending.id, retry_ms=receipt.retry_ms or retry_ms))
        waiting = self._pending
        while waiting and (spoken := waiting[0].receipt) is not None:
            self._pass(waiting.popleft(), spoken)

    def frames(self) -> list[str]:
        """What is to be said now: one `ok` for all that was settled since, and the errs."""
        self._say_ok()
        said = self._said
        if said:
            self._said = []
            self.said_bytes = 0
        return said

    def _pass(self, pending: PendingAck, receipt: Receipt) -> None:
        if receipt.refused is not None:
            return
        taken, duplicates, too_old, quarantined = counted(pending.messages, pending.extra, receipt)
        self._id = pending.id
        if pending.id < self._refused_from:
            self.acked = pending.id
        self._taken += taken
        self._duplicates += duplicates
        self._too_old += too_old
        self._quarantined += quarantined
        self._unproven += pending.unproven
        if pending.rejected:
            # Its indexes are of this frame, so it is not joined with what follows.
            self._say_ok(pending.rejected)

    def _say_ok(self, rejected: Sequence[Rejection] = ()) -> None:
        if self._id:
            credit = self._credit_max - self.in_flight
            rare = (self._too_old, self._quarantined, self._unproven)
            self._say(frames.ok(self._id, self._taken, self._duplicates, credit, rejected, *rare, self._warnings()))
            self._id = self._taken = self._duplicates = self._too_old = self._quarantined = self._unproven = 0

    def _warnings(self) -> Sequence[str]:
        """What follows of what is said now, once a connection."""
        if not self._unproven or self._warned:
            return ()
        self._warned = True
        return (UNPROVEN,)

    def _say(self, text: str) -> None:
        self._said.append(text)
        self.said_bytes += len(text)
