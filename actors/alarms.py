"""The index of each user's next due time: made from the actors, thrown away and made again at will.

A heap with lazy deletion. An alarm that is put off stays where it is and is looked at again when it rings (an idle
timer moves with every event of its user, and costs nothing here); one that is put forward or called off leaves a stale
entry behind. Stale entries never outnumber the live ones by much: past twice the live alarms the heap is made anew.
"""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heapify, heappop, heappush
from typing import Final

SLACK: Final = 1024
"""Stale entries that are always tolerated, so that a small heap is not made anew all the time."""


class Alarms:
    __slots__ = ("_armed", "_heap")

    def __init__(self) -> None:
        self._heap: list[tuple[int, str]] = []
        self._armed: dict[str, int] = {}

    def __len__(self) -> int:
        """Users with an alarm."""
        return len(self._armed)

    @property
    def entries(self) -> int:
        """Of the heap, stale ones included."""
        return len(self._heap)

    def fill(self, dues: Iterable[tuple[str, int]]) -> None:
        """Many at once, for users that have none yet; call `order` after the last."""
        armed = self._armed
        heap = self._heap
        for user, due in dues:
            armed[user] = due
            heap.append((due, user))

    def order(self) -> None:
        heapify(self._heap)

    def set(self, user: str, due: int) -> None:
        """The user's next due time, 0 for none. It may ring sooner, never later."""
        current = self._armed.get(user)
        if due == 0:
            if current is not None:
                del self._armed[user]
                self._tidy()
        elif current is None or due < current:
            self._armed[user] = due
            heappush(self._heap, (due, user))
            self._tidy()

    def rearm(self, user: str, due: int) -> None:
        """As `set`, and it will not ring sooner either: of an actor that is about to leave memory."""
        if self._armed.get(user, 0) != due:
            self._armed.pop(user, None)
            self.set(user, due)

    def next_due(self) -> int | None:
        """When the next alarm rings, None if there is none."""
        heap = self._heap
        armed = self._armed
        while heap:
            due, user = heap[0]
            if armed.get(user) == due:
                return due
            heappop(heap)
        return None

    def pop_due(self, now: int, limit: int) -> list[tuple[int, str]]:
        """Those due at or before `now`, in order, at most `limit`; they have no alarm any more."""
        ringing: list[tuple[int, str]] = []
        heap = self._heap
        armed = self._armed
        while heap and heap[0][0] <= now and len(ringing) < limit:
            entry = heappop(heap)
            if armed.get(entry[1]) == entry[0]:
                del armed[entry[1]]
                ringing.append(entry)
        return ringing

    def _tidy(self) -> None:
        if len(self._heap) > 2 * len(self._armed) + SLACK:
            self._heap = [(due, user) for user, due in self._armed.items()]
            heapify(self._heap)
