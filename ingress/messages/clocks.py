"""By how much a client's times are moved, from what is known of its clock.

A message that left at `sentAt` by the client's clock and came at `received` by ours has come by an offset of `received - sentAt`:
what the clock is wrong by, and what the way took. The way takes something else each time, the clock is wrong by the same for
long; so a client is known by the least offset that was heard of it, and all its times are moved by that. Two requests that
overtake one another keep their order, which they would lose if each were moved by its own offset.

* An offset of up to `WAY_MS_MAX` is a right clock, and moves nothing. Below 0 the clock is ahead: no way takes less than nothing.
* A lesser offset counts from the next time that the client tells: what it told before stays where it was put, and nothing
  that it tells later comes before that.
* A greater one is a slow way, until it has been so for `DOUBT_MS`, or is greater by more than that: then the clock was set.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

WAY_MS_MAX: Final = 5_000
"""So long may a message be on its way from a client whose clock is right."""

DOUBT_MS: Final = 300_000
"""So late may a message be that was sent again with its first `sentAt`; who has come later than usual for so long has
another clock."""

CLIENTS_MAX: Final = 32_768
"""Clients whose clocks are known; the one longest not heard of is forgotten, and is new when it comes again."""

EARLIER_MAX: Final = 8
"""So often may it have become better known, and what was told before still find its place among what came with it."""

_NEVER: Final = -(10**18)


class ClientClock:
    """One client's clock. All times in milliseconds; `now`, `received`: by our clock, and growing."""

    __slots__ = ("_doubted", "_earlier", "_floor", "_from", "_latest", "_least", "_put", "amount")

    def __init__(self) -> None:
        self.amount: int | None = None
        """What its times are moved by; None: nothing was heard of it."""
        self._from = self._floor = _NEVER
        """What it tells after the one is moved by `amount`, and not put before the other."""
        self._earlier: tuple[tuple[int, int, int], ...] = ()
        """The same (from, amount, floor) of what it told before, the newest first."""
        self._latest = self._put = _NEVER
        """The latest time that it told, and where that was put."""
        self._doubted: int | None = None
        """Since when its messages have come later than they should; `_least` is the least offset since."""
        self._least = 0

    def hear(self, offset: int, now: int) -> None:
        """A message came by this offset."""
        known = self.amount
        if known is None:
            self.amount = _fair(offset)
            return
        later = offset - known
        if later <= WAY_MS_MAX:
            self._doubted = None
            if later < 0:
                # From afar it may be a right clock; from near by, the same clock and a quicker way.
                self._turn(_fair(offset) if later < -WAY_MS_MAX else offset)
        elif later > DOUBT_MS:
            self._start(_fair(offset))
        elif self._doubted is None:
            self._doubted, self._least = now, offset
        else:
            self._least = min(self._least, offset)
            if now - self._doubted >= DOUBT_MS:
                self._turn(_fair(self._least))

    def moved(self, told: int, received: int) -> int:
        """When by our clock it was what its clock tells; may be after `received` if it tells of what is to come."""
        if told <= self._from:
            return self._late(told)
        amount = self.amount or 0
        moved = told + amount
        # Comparisons, not max and min: once for every event.
        if moved < self._floor:
            moved = self._floor
        if told > self._latest:
            self._latest, self._put = (told, moved) if moved <= received else (received - amount, received)
        return moved

    def _late(self, told: int) -> int:
        _, amount, floor = next((one for one in self._earlier if told > one[0]), self._earlier[-1])
        return max(told + amount, floor)

    def _turn(self, amount: int) -> None:
        """From here on it is known better."""
        if self._latest > self._from:
            self._earlier = ((self._from, self.amount or 0, self._floor), *self._earlier[: EARLIER_MAX - 1])
            self._from, self._floor = self._latest, self._put
        self.amount, self._doubted = amount, None

    def _start(self, amount: int) -> None:
        """The clock was set back, so that it tells the same times once more: as if it were another."""
        self.amount, self._doubted, self._earlier = amount, None, ()
        self._from = self._floor = self._latest = self._put = _NEVER


class Clocks:
    """Of the clients that have no connection to be known by, so many; each by a name."""

    def __init__(self, clients_max: int = CLIENTS_MAX) -> None:
        self._clients_max = clients_max
        self._clocks: OrderedDict[str, ClientClock] = OrderedDict()

    def get(self, name: str) -> ClientClock | None:
        """None: it was not heard of."""
        return self._clocks.get(name)

    def heard(self, name: str, offset: int, now: int) -> ClientClock:
        """The clock of the client of that name, which has just been heard by this offset."""
        clock = self._clocks.get(name)
        if clock is None:
            clock = self._clocks[name] = ClientClock()
            if len(self._clocks) > self._clients_max:
                self._clocks.popitem(last=False)
        else:
            self._clocks.move_to_end(name)
        clock.hear(offset, now)
        return clock

    def __len__(self) -> int:
        return len(self._clocks)


def _fair(offset: int) -> int:
    return 0 if 0 <= offset <= WAY_MS_MAX else offset
