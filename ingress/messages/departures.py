"""When the messages of a request left, and what that says of the clock of who sent them (clocks.py)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from ingress.messages.clocks import ClientClock, Clocks
from ingress.messages.identifiers import ID_CHARACTERS_MAX
from ingress.messages.instants import told_at
from ingress.messages.rejection import Rejected
from ingress.messages.wire import NONE, Instant, SentAt, Wire
from ingress.principals.principal import Principal

_decode_sent: Final = msgspec.json.Decoder(SentAt).decode


class Departure:
    """Of one request or frame. `sent`: when all of it left, by the clock of who sends it; None: its messages may say."""

    __slots__ = ("_address", "_clock", "_clocks", "_named", "_received", "_speaker", "sent")

    def __init__(
        self, received: int, sent: int | None, speaker: Principal, of: ClientClock | Clocks, address: str = ""
    ) -> None:
        """`of`: the clock of the connection it came by, or all of those that clients without one have, by key and id, or by
        `address`."""
        self.sent = sent
        self._received = received
        self._speaker = speaker
        self._clock = of if isinstance(of, ClientClock) else None
        self._clocks = of if isinstance(of, Clocks) else None
        self._address = address
        self._named: object = NONE
        """The id, if it has one, of the client whose `_clock` it is."""

    def of_wires(self, wires: Sequence[Wire]) -> None:
        """These are its messages: all left together, or the last of them then."""
        if self.sent is None:
            told = [wire.sent_at for wire in wires if wire.sent_at is not None]
            self.sent = _latest(map(_sent, told)) if told else None
        self._hear()

    def of_raws(self, raws: Iterable[msgspec.Raw | bytes]) -> None:
        """The same of raw ones."""
        if self.sent is None:
            self.sent = _latest(map(_sent_of, raws))
        self._hear()

    def moved(self, told: int, wire: Wire) -> int:
        """A time that its message tells, by our clock."""
        clock = self._clock if self._clocks is None else self._clock_of(wire, self._clocks)
        if clock is None or clock.amount is None:
            return told
        return clock.moved(told, self._received)

    def _hear(self) -> None:
        if self._clock is not None and self.sent is not None:
            self._clock.hear(self._received - self.sent, self._received)

    def _clock_of(self, wire: Wire, clocks: Clocks) -> ClientClock | None:
        speaker = self._speaker
        client = wire.anonymous_id or speaker.anonymous or wire.user_id or speaker.user
        if client != self._named:
            self._named = client
            of = str(client)[:ID_CHARACTERS_MAX] if client else f"\n{self._address}"
            name = f"{speaker.key}\n{of}"
            if self.sent is None:
                self._clock = clocks.get(name)
            else:
                self._clock = clocks.heard(name, self._received - self.sent, self._received)
        return self._clock


def _latest(moments: Iterable[int | None]) -> int | None:
    return max((at for at in moments if at is not None), default=None)


def _sent(told: Instant) -> int | None:
    """None: it was not told, or makes no sense, which is said of its message."""
    try:
        return told_at(told, "sentAt")
    except Rejected:
        return None


def _sent_of(raw: msgspec.Raw | bytes) -> int | None:
    try:
        told = _decode_sent(raw)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    return _sent(told.loosely if told.sent_at is None else told.sent_at)
