"""What compiled expressions compute from an actor's memory, each in as few steps as it can be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from actors.model.local_time import time_zone
from actors.model.scope import Evaluate, Scope, session_open
from actors.model.slots import decayed
from actors.values import values

Bound = Callable[[Scope], tuple[int, int]]
"""Where a window begins: the place (occurred, ordinal) in the history that all in the window come after."""

ALWAYS: Final = (-1, -1)
NEVER: Final = (1 << 62, 0)
END: Final = 1 << 62


def against_number(
    left: Evaluate, limit: int | float, order: Callable[[Any, Any], bool], compare: Callable[[object, object], object]
) -> Evaluate:
    """A comparison with a number that is written there: what is a number already need not be read as one."""

    def compared(scope: Scope) -> object:
        value = left(scope)
        kind = type(value)
        return order(value, limit) if kind is int or kind is float else compare(value, limit)

    return compared


def newest_after(key: int, bound: Bound, wanted: bool) -> Evaluate:
    """Whether the newest of a log without properties came after the beginning of a window."""

    def newest(scope: Scope) -> bool:
        state = scope.actor.memory.get(key)
        if not state:
            return not wanted
        return ((state[-2], state[-1]) > bound(scope)) is wanted

    return newest


def count_within(key: int, width: int, span: int) -> Evaluate:
    """How many of a log, whose rows are so wide, lie in the last `span` ms. It is in order, and what has left has mostly been
    trimmed."""

    def count(scope: Scope) -> int:
        state = scope.actor.memory.get(key)
        if not state:
            return 0
        since, first, end = scope.now - span, 0, len(state)
        while first < end and state[first] <= since:
            first += width
        return (end - first) // width

    return count


def look_up_threshold(subject: Evaluate, steps: list[tuple[Evaluate, Evaluate]], otherwise: Evaluate) -> Evaluate:
    def look_up(scope: Scope) -> object:
        value = subject(scope)
        for threshold, result in steps:
            if values.less(value, threshold(scope)):
                return result(scope)
        return otherwise(scope)

    return look_up


def local_time(scope: Scope, moment: object, read: Callable[[int, str], int]) -> object:
    seconds = values.number(moment)
    if seconds is None or not 0 <= seconds < 1e11:
        return None
    return read(round(seconds * 1000), time_zone(scope.actor, scope.program))


def last_place(scope: Scope, key: int) -> tuple[int, int]:
    """Where in the history an event last came, by a log without properties; the beginning if it never did."""
    state = scope.actor.memory.get(key)
    return (state[-2], state[-1]) if state else ALWAYS


def session_begin(scope: Scope) -> tuple[int, int]:
    """Before all that happened since the open session began; if none is open, nothing is in it."""
    return (scope.actor.session_start - 1, END) if session_open(scope) else NEVER


def score_now(scope: Scope, key: int, half_life: int) -> float:
    state = scope.actor.memory.get(key)
    return decayed(state[0], scope.now - state[1], half_life) if state else 0.0


def total(state: list[float | None] | None, function: str) -> object:
    if state is None:
        return 0 if function in ("count", "sum") else None
    events, numbers, total, least, greatest = state
    if function == "avg":
        return total / numbers if numbers and total is not None else None
    return {"count": events, "sum": total, "min": least, "max": greatest}[function]


def different(rows: list[list[object]]) -> int:
    """How many different values there are; the text "1" is another than the number 1. Null is none."""
    return len(
        {value if type(value) is str else (type(value), repr(value)) for row in rows if (value := row[2]) is not None}
    )


def _summed(numbers: list[int | float]) -> int | float:
    total: int | float = 0
    for one in numbers:
        total = values.added(total, one)
    return total


def reduced(function: str, numbers: list[int | float]) -> object:
    if function == "sum":
        return _summed(numbers)
    if not numbers:
        return None
    if function == "avg":
        return _summed(numbers) / len(numbers)
    return min(numbers) if function == "min" else max(numbers)


def most_frequent(rows: list[list[object]], now: int, half_life: int | None) -> object:
    scores: dict[str, float] = {}
    for occurred, _, value in rows:
        if value is not None:
            assert isinstance(occurred, int)
            name = value if isinstance(value, str) else str(value)
            scores[name] = scores.get(name, 0.0) + decayed(1.0, now - occurred, half_life)
    return min(scores, key=lambda name: (-scores[name], name), default=None)
