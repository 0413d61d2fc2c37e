"""How near a pattern came, from the places (occurred, ordinal) of the events that fit its steps. For words only: whether
a pattern matches is decided in `actors/runs/patterns.py`."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

Place = tuple[int, int]


def late_chain(steps: list[list[Place]]) -> tuple[int, int] | None:
    """(how long it took, when it ended) of the shortest chain of one event for each step, in order; None if there is
    none. Of equally short ones the newest."""
    best: tuple[int, int] | None = None
    for last in steps[-1]:
        first = _begins(steps[:-1], last)
        if first is not None and (best is None or last[0] - first[0] <= best[0]):
            best = (last[0] - first[0], last[0])
    return best


def _begins(steps: list[list[Place]], last: Place) -> Place | None:
    """Where the shortest chain that ends with `last` begins."""
    place = last
    for earlier in reversed(steps):
        found = bisect_left(earlier, place)
        if not found:
            return None
        place = earlier[found - 1]
    return place


def answered(begun: Place, ended: list[Place]) -> int | None:
    """How long after it the first answer came, in ms."""
    found = bisect_right(ended, begun)
    return ended[found][0] - begun[0] if found < len(ended) else None


def spread(events: list[list[Place]]) -> int | None:
    """The least time, in ms, in which one of each came; None if one never did."""
    if not all(events):
        return None
    heads = [0] * len(events)
    best: int | None = None
    while True:
        at = [places[head][0] for places, head in zip(events, heads, strict=True)]
        best = max(at) - min(at) if best is None else min(best, max(at) - min(at))
        first = at.index(min(at))
        heads[first] += 1
        if heads[first] == len(events[first]):
            return best
