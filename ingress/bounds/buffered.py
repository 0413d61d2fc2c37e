"""Bytes of what has not come whole yet, bodies and WebSocket messages, over all connections together."""

from __future__ import annotations

from typing import Final, Protocol

from ingress.bounds.limits import IngressLimits

SMALL: Final = 16_384
"""Bytes of a body that hardly count: an order, a few page views."""
RESERVE: Final = 4
"""Small ones find room when large ones do not: so many-th part of the limit more."""


class Holder(Protocol):
    """Somebody whose bytes are kept until the rest has come."""

    def give_up(self) -> None:
        """Let them go, and tell the client to come later."""


class Buffered:
    """Counts them, and makes those give up that are too much.

    Past the limit the one that has been coming for longest gives up if it is slow, else the newcomer: under honest load
    what came first is finished first, and who dribbles does not keep others out.
    """

    def __init__(self, limits: IngressLimits) -> None:
        self.bytes = 0
        self._limits = limits
        self._held: dict[Holder, int] = {}
        self._since: dict[Holder, float] = {}

    def hold(self, holder: Holder, size: int, now_s: float) -> bool:
        """It keeps `size` bytes now, 0 when it is done. False if it has to give up, and was told so."""
        self.bytes += size - self._held.get(holder, 0)
        if not size:
            self._held.pop(holder, None)
            self._since.pop(holder, None)
            return True
        if holder not in self._held:
            self._since[holder] = now_s
        self._held[holder] = size
        room = self._limits.buffered_bytes_max
        if size <= SMALL:
            room += room // RESERVE
        while self.bytes > room:
            oldest = next(iter(self._since))
            if now_s - self._since[oldest] < self._limits.slow_ms / 1000:
                oldest = holder
            self._drop(oldest)
            if oldest is holder:
                return False
        return True

    def end(self) -> None:
        """All give up: the server leaves."""
        for holder in list(self._held):
            self._drop(holder)

    def _drop(self, holder: Holder) -> None:
        self.bytes -= self._held.pop(holder)
        del self._since[holder]
        holder.give_up()
