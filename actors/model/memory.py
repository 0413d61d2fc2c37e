"""What is remembered of a user's events: one slot for each thing the program asks (its memory plan).

A slot is a description, shared by all actors; its state is a plain value in `Actor.memory`, bounded, and made only
of what MessagePack keeps. An expression `count(x, last 10m) > 2` needs three times, so three are kept.

The user's history is ordered by (occurred, ordinal): when it happened, then in which turn it was taken.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any, Final, Protocol

import msgspec

from actors.model.scope import Evaluate, Scope
from actors.values.kept import VALUE_BYTES_MAX, kept_value, weight
from actors.values.values import added, number

LOG_KEEP: Final = 256
"""Rows kept of a log whose question gives no number; past it the oldest is forgotten."""

COUNT_KEEP_MAX: Final = 4096
"""Rows kept of a log for a count that is compared with a number: one more than it, but no more than these."""

SHORT_BYTES_MAX: Final = 72
"""Of a value in a log (`weight`) that only its row's number bounds."""

LONG_BYTES_MAX: Final = 16_384
"""Of all longer values in one log; past it the oldest rows are forgotten."""

_LONG_KINDS: Final[frozenset[type]] = frozenset({str, list, dict})
_SURELY_SHORT: Final = SHORT_BYTES_MAX // 4 - 2
"""Characters of a text."""


class Slot(Protocol):
    """One thing to remember. `key` is stable: equal questions have equal keys, in every program."""

    @property
    def key(self) -> int: ...
    @property
    def events(self) -> tuple[str, ...]:
        """Canonical names of the events that change it."""

    @property
    def where(self) -> Evaluate | None: ...
    @property
    def bytes_max(self) -> int:
        """The most that its state takes, packed."""

    def put(self, state: Any, scope: Scope) -> Any:
        """The state after the event at hand; `state` is None at first and may be changed in place."""

    def merged(self, ours: Any, theirs: Any) -> Any:
        """The state of one user who was remembered as two."""

    def joined(self, other: Any) -> Slot:
        """A slot that remembers enough for both; `other` has the same key."""


def slot_key(text: str) -> int:
    """48 bits of a hash of the question's canonical text."""
    return int.from_bytes(blake2b(text.encode(), digest_size=6).digest(), "big")


class Log(msgspec.Struct, frozen=True, kw_only=True):
    """The newest `keep` of an event, in one flat list: `occurred, ordinal, *values of properties, occurred, …`, oldest first.
    (A list for each would weigh as much again as what is in it.)"""

    key: int
    event: str
    where: Evaluate | None = None
    properties: tuple[str, ...] = ()
    keep: int = LOG_KEEP
    horizon: int = 0
    """Milliseconds after which a row can be forgotten; 0: never."""
    long_bytes: int = LONG_BYTES_MAX
    whole: bool = False
    """All rows within the horizon are asked for: a sum over those that are kept falls short when one is forgotten."""

    @property
    def events(self) -> tuple[str, ...]:
        return (self.event,)

    @property
    def bytes_max(self) -> int:
        each = len(self.properties) * (VALUE_BYTES_MAX + 8)
        row = 2 * 9 + len(self.properties) * SHORT_BYTES_MAX
        return 5 + self.keep * row + min(max(self.long_bytes, each), self.keep * each)

    def put(self, state: Any, scope: Scope) -> Any:
        occurred = scope.occurred
        row: list[Any] = [occurred, scope.ordinal]
        has_long = False
        for name in self.properties:
            value: Any = scope.properties.get(name)
            kind = type(value)
            if kind in _LONG_KINDS and not (kind is str and len(value) <= _SURELY_SHORT):
                value = kept_value(value)
                has_long = has_long or weight(value) > SHORT_BYTES_MAX
            row.append(value)
        if state is None:
            return row
        width = len(row)
        place = len(state)
        while place and state[place - width] > occurred:
            place -= width
        state[place:place] = row
        if len(state) > self.keep * width:
            if self.whole and not (self.horizon and state[0] <= scope.now - self.horizon):
                scope.reach("log_rows")
            del state[:width]
        if self.horizon:
            oldest, first = scope.now - self.horizon, 0
            while first < len(state) - width and state[first] <= oldest:
                first += width
            if first:
                del state[:first]
        if has_long and self._lighten(state, width):
            scope.reach("log_bytes")
        return state

    def _lighten(self, state: list[Any], width: int) -> bool:
        """Forget the oldest rows until the long values fit; whether there were such."""
        total = sum(map(_long_bytes, state))
        first = 0
        while total > self.long_bytes and first < len(state) - width:
            total -= sum(map(_long_bytes, state[first : first + width]))
            first += width
        del state[:first]
        return first > 0

    def merged(self, ours: Any, theirs: Any) -> Any:
        width = 2 + len(self.properties)
        rows = sorted(rows_after(ours, width, *BEGINNING) + rows_after(theirs, width, *BEGINNING), key=_place)
        merged = [value for row in rows[-self.keep :] for value in row]
        self._lighten(merged, width)
        return merged or None

    def joined(self, other: Any) -> Log:
        horizon = 0 if not (self.horizon and other.horizon) else max(self.horizon, other.horizon)
        return msgspec.structs.replace(
            self, keep=max(self.keep, other.keep), horizon=horizon, whole=self.whole or other.whole
        )


def _long_bytes(value: Any) -> int:
    """Of a value that is more than short."""
    found = weight(value) if value.__class__ in _LONG_KINDS else 0
    return found if found > SHORT_BYTES_MAX else 0


def _place(row: Any) -> tuple[int, int]:
    return (row[0], row[1])


BEGINNING: Final = (-1, -1)
"""The place in the history that all comes after."""


def rows_after(state: Any, width: int, occurred: int, ordinal: int) -> list[list[Any]]:
    """The rows of a log, each so wide, that come after a place in the history; oldest first."""
    if not state:
        return []
    place = len(state)
    while place and (
        state[place - width] > occurred or (state[place - width] == occurred and state[place - width + 1] > ordinal)
    ):
        place -= width
    return [state[at : at + width] for at in range(place, len(state), width)]


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """Count, sum, least and greatest of a property since ever: `[events, numbers, sum, min, max]`."""

    key: int
    event: str
    of: str | None
    where: Evaluate | None = None

    @property
    def events(self) -> tuple[str, ...]:
        return (self.event,)

    @property
    def bytes_max(self) -> int:
        return 46

    def put(self, state: Any, scope: Scope) -> Any:
        state = state or [0, 0, 0, None, None]
        state[0] += 1
        found = number(scope.properties.get(self.of)) if self.of else None
        if found is not None:
            state[1] += 1
            state[2] = added(state[2], found)
            state[3] = found if state[3] is None else min(state[3], found)
            state[4] = found if state[4] is None else max(state[4], found)
        return state

    def merged(self, ours: Any, theirs: Any) -> Any:
        if not (ours and theirs):
            return ours or theirs
        return [
            ours[0] + theirs[0],
            ours[1] + theirs[1],
            added(ours[2], theirs[2]),
            min((v for v in (ours[3], theirs[3]) if v is not None), default=None),
            max((v for v in (ours[4], theirs[4]) if v is not None), default=None),
        ]

    def joined(self, other: Any) -> Totals:
        return self


class First(msgspec.Struct, frozen=True, kw_only=True):
    """A property of the oldest of an event: `[occurred, ordinal, value]`."""

    key: int
    event: str
    of: str
    where: Evaluate | None = None

    @property
    def events(self) -> tuple[str, ...]:
        return (self.event,)

    @property
    def bytes_max(self) -> int:
        return 1 + 2 * 9 + VALUE_BYTES_MAX + 8

    def put(self, state: Any, scope: Scope) -> Any:
        row = [scope.occurred, scope.ordinal, kept_value(scope.properties.get(self.of))]
        return row if state is None or row[0] < state[0] else state

    def merged(self, ours: Any, theirs: Any) -> Any:
        return min(filter(None, (ours, theirs)), key=_place, default=None)

    def joined(self, other: Any) -> First:
        return self


def remember(scope: Scope, slots: tuple[Slot, ...]) -> None:
    """Let every slot that the event at hand concerns take it in."""
    memory = scope.actor.memory
    for slot in slots:
        if slot.where is None or slot.where(scope):
            key = slot.key
            memory[key] = slot.put(memory.get(key), scope)
