"""The four kinds of collections of `profile.yaml` (language.md §5), and the decaying score: slots with a value to read."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from actors.model.scope import Evaluate, Scope
from actors.values.intern import shared
from actors.values.kept import BODY_BYTES_MAX, NAME_BYTES_MAX, SHORT_NAME_CHARACTERS, kept, kept_name
from actors.values.values import added, number

BAG_KEYS_MAX: Final = 100
"""Keys in a bag; past it the one added longest ago is dropped."""

SMALL_BYTES_MAX: Final = 640
"""Properties that only their number bounds."""

BODIES_BYTES_MAX: Final = 65_536
"""Of all larger ones that one collection keeps; past it what was added longest ago is dropped."""

_SURELY_FIT: Final = BODIES_BYTES_MAX // BODY_BYTES_MAX

_NAME_BYTES: Final = 3 + NAME_BYTES_MAX
"""Of a name, packed."""

_decode = msgspec.json.Decoder(dict[str, Any]).decode


class Bag(msgspec.Struct, frozen=True, kw_only=True):
    """A cart. State `(value told by the event or None, last changed, last cleared, key, quantity, price, raw properties, last
    changed, key, …)`; the times are those of what happened, so that what is told late finds its place.

    Of a key only its last change is dated, and only while it is in the bag: what is told late takes nothing from a key that
    was changed since, and a removal that is told before its addition removes nothing.
    """

    key: int
    event: str
    by: str
    remove: str | None
    clear: tuple[str, ...]
    where: Evaluate | None = None

    @property
    def events(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((self.event, *((self.remove,) if self.remove else ()), *self.clear)))

    @property
    def bytes_max(self) -> int:
        return 3 + 3 * 9 + BAG_KEYS_MAX * (_NAME_BYTES + 3 * 9 + 3 + SMALL_BYTES_MAX) + BODIES_BYTES_MAX

    def put(self, state: Any, scope: Scope) -> Any:
        occurred = scope.occurred
        state = list(state or _EMPTY)
        if scope.name in self.clear:
            return tuple(_cleared(state, occurred))
        if occurred < state[_CLEARED]:
            return tuple(state)
        if occurred >= state[_CHANGED]:
            state[_VALUE] = number(scope.properties.get("cart_value"))
            state[_CHANGED] = occurred
        name = _text(scope.properties.get(self.by))
        quantity = number(scope.properties.get("quantity"))
        if scope.name == self.event:
            place = _added(state, name, 1 if quantity is None else quantity, scope)
        else:
            place = _removed(state, name, quantity, occurred)
        if place and state[place + 1] <= 0:
            del state[place : place + _WIDTH]
        elif place and len(state[place + 3]) > SMALL_BYTES_MAX and _fit(state):
            scope.reach("collection_bytes")
        if len(state) == _FIRST and state[_VALUE] is None and not state[_CLEARED]:
            return None
        return tuple(state)

    def merged(self, ours: Any, theirs: Any) -> Any:
        if not (ours and theirs):
            return ours or theirs
        merged = _cleared(list(ours), theirs[_CLEARED])
        more = _cleared(list(theirs), ours[_CLEARED])
        merged[_VALUE] = None
        merged[_CHANGED] = max(merged[_CHANGED], more[_CHANGED])
        for place in range(_FIRST, len(more), _WIDTH):
            known = _find(merged, more[place])
            if known:
                merged[known + 1] = added(merged[known + 1], more[place + 1])
                if more[place + 4] > merged[known + 4]:
                    merged[known + 2 : known + 5] = more[place + 2 : place + 5]
            elif len(merged) <= _WIDTH * BAG_KEYS_MAX:
                merged += more[place : place + _WIDTH]
        _fit(merged)
        return tuple(merged)

    def joined(self, other: Any) -> Bag:
        return self


_VALUE, _CHANGED, _CLEARED, _FIRST = range(4)
"""Places in a bag's state; its keys begin at the last of them."""
_WIDTH: Final = 5
_EMPTY: Final = (None, 0, 0)


def _added(bag: list[Any], name: str, more: int | float, scope: Scope) -> int:
    """Where the key is in the bag after so many more of it were put there."""
    body = scope.body
    if len(body) > BODY_BYTES_MAX:
        body = kept(body, BODY_BYTES_MAX)
    changed = [number(scope.properties.get("price")), shared(body), scope.occurred]
    place = _find(bag, name)
    if not place:
        bag += [shared(name), more, *changed]
        if len(bag) > _FIRST + _WIDTH * BAG_KEYS_MAX:
            del bag[_FIRST : _FIRST + _WIDTH]
            scope.reach("bag_keys")
        return len(bag) - _WIDTH
    bag[place + 1] = added(bag[place + 1], more)
    if scope.occurred >= bag[place + 4]:
        bag[place + 2 : place + 5] = changed
    return place


def _removed(bag: list[Any], name: str, quantity: int | float | None, occurred: int) -> int:
    """Where the key is in the bag after so many of it were taken out (None: all), 0 if it is not there. What is told late
    takes nothing from a key that was changed since."""
    place = _find(bag, name)
    if place and occurred >= bag[place + 4]:
        bag[place + 1] = 0 if quantity is None else added(bag[place + 1], -quantity)
        bag[place + 4] = occurred
    return place


def _cleared(bag: list[Any], occurred: int) -> list[Any]:
    """The bag after it was emptied at that time: what was changed since then is in it still."""
    for place in range(len(bag) - _WIDTH, _FIRST - 1, -_WIDTH):
        if bag[place + 4] <= occurred:
            del bag[place : place + _WIDTH]
    if bag[_CHANGED] <= occurred:
        bag[_VALUE] = None
    bag[_CLEARED] = max(bag[_CLEARED], occurred)
    return bag


def _fit(bag: list[Any]) -> bool:
    """Drop the keys added longest ago until the properties fit; whether there were such."""
    if len(bag) <= _FIRST + _WIDTH * _SURELY_FIT:
        return False
    sizes = [len(body) if len(body) > SMALL_BYTES_MAX else 0 for body in bag[_FIRST + 3 :: _WIDTH]]
    total, first = sum(sizes), _FIRST
    for size in sizes:
        if total <= BODIES_BYTES_MAX:
            break
        total -= size
        first += _WIDTH
    del bag[_FIRST:first]
    return first > _FIRST


def _text(value: object) -> str:
    if isinstance(value, str):
        return value if len(value) <= SHORT_NAME_CHARACTERS else kept_name(value)
    return "" if value is None else kept_name(str(value))


def _find(bag: list[Any], name: str) -> int:
    """Index of a key in a bag's state, 0 if it is not in it: the only text in a state is a key."""
    return bag.index(name) if name in bag else 0


def bag_items(state: Any) -> list[dict[str, Any]]:
    """The latest properties of each key, with its `quantity`; in the order in which the keys came."""
    if not state:
        return []
    return [{**_decode(state[i + 3]), "quantity": state[i + 1]} for i in range(_FIRST, len(state), _WIDTH)]


def bag_value(state: Any) -> int | float:
    """What the last event said, else the sum of price times quantity."""
    if not state:
        return 0
    if state[_VALUE] is not None:
        return state[_VALUE]  # type: ignore[no-any-return]
    return round(sum((state[i + 1] * (state[i + 2] or 0) for i in range(_FIRST, len(state), _WIDTH)), 0.0), 6)


def bag_quantity(state: Any) -> int | float:
    return sum(state[i + 1] for i in range(_FIRST, len(state), _WIDTH)) if state else 0


class LastOf(msgspec.Struct, frozen=True, kw_only=True):
    """The last few, newest first. State `(occurred, value of distinct, raw properties, occurred, …)`."""

    key: int
    event: str
    keep: int
    distinct: str | None
    where: Evaluate | None = None

    @property
    def events(self) -> tuple[str, ...]:
        return (self.event,)

    @property
    def bytes_max(self) -> int:
        return 5 + self.keep * (9 + _NAME_BYTES + 3) + min(self.keep * BODY_BYTES_MAX, BODIES_BYTES_MAX)

    def put(self, state: Any, scope: Scope) -> Any:
        name = _text(scope.properties.get(self.distinct)) if self.distinct else None
        body = scope.body
        if len(body) > BODY_BYTES_MAX:
            body = kept(body, BODY_BYTES_MAX)
        return self._inserted(list(state or ()), scope.occurred, name, body)

    def _inserted(self, state: list[Any], occurred: int, name: str | None, body: bytes) -> tuple[Any, ...]:
        if name is not None and name in state:  # the only text in a state is a name
            place = state.index(name) - 1
            if state[place] > occurred:
                return tuple(state)
            del state[place : place + 3]
        place = 0
        while place < len(state) and state[place] > occurred:
            place += 3
        state[place:place] = (occurred, name if name is None else shared(name), shared(body))
        state = state[: 3 * self.keep]
        if len(state) > 3 * _SURELY_FIT:
            self._fit(state)
        return tuple(state)

    def _fit(self, state: list[Any]) -> None:
        total = sum(map(len, state[2::3]))
        while total > BODIES_BYTES_MAX:
            total -= len(state[-1])
            del state[-3:]

    def merged(self, ours: Any, theirs: Any) -> Any:
        merged = ours
        for place in range(len(theirs or ()) - 3, -1, -3):
            occurred, name, body = theirs[place : place + 3]
            merged = self._inserted(list(merged or ()), occurred, name, body)
        return merged

    def joined(self, other: Any) -> LastOf:
        return self if self.keep >= other.keep else other


def last_items(state: Any) -> list[dict[str, Any]]:
    return [_decode(state[i + 2]) for i in range(0, len(state), 3)] if state else []


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """How often each value came, decaying. State `{value: [score, as of]}`; past twice `keep` the lowest are dropped."""

    key: int
    event: str
    of: str
    half_life: int | None
    """Milliseconds."""
    keep: int
    where: Evaluate | None = None

    @property
    def events(self) -> tuple[str, ...]:
        return (self.event,)

    @property
    def bytes_max(self) -> int:
        return 5 + 2 * self.keep * (_NAME_BYTES + 1 + 2 * 9)

    def put(self, state: Any, scope: Scope) -> Any:
        value = scope.properties.get(self.of)
        if value is None:
            return state
        state = {} if state is None else state
        name = _text(value)
        state[name] = _bumped(state.get(name), 1.0, scope.occurred, self.half_life)
        return self._trimmed(state)

    def _trimmed(self, state: dict[str, list[Any]]) -> dict[str, list[Any]]:
        if len(state) <= 2 * self.keep:
            return state
        as_of = max(at for _, at in state.values())
        return {name: state[name] for name in tally_ranking(state, as_of, self.half_life)[: self.keep]}

    def merged(self, ours: Any, theirs: Any) -> Any:
        merged = dict(ours or {})
        for name, (score, at) in (theirs or {}).items():
            merged[name] = _bumped(merged.get(name), score, at, self.half_life)
        return self._trimmed(merged) or None

    def joined(self, other: Any) -> Tally:
        return self if self.keep >= other.keep else other


def _bumped(known: list[Any] | None, weight: float, at: int, half_life: int | None) -> list[Any]:
    """A decaying sum after `weight` was added as of `at` (which may be earlier than what is known)."""
    if known is None:
        return [weight, at]
    score, since = known
    newer = max(since, at)
    return [decayed(score, newer - since, half_life) + decayed(weight, newer - at, half_life), newer]


def decayed(score: float, age: int, half_life: int | None) -> float:
    """What is left of a score after `age` ms."""
    return score if not half_life else score * float(0.5 ** (age / half_life))


def tally_ranking(state: Any, now: int, half_life: int | None) -> list[str]:
    """Names by score, highest first, equals by name."""
    scores = {name: decayed(score, now - at, half_life) for name, (score, at) in (state or {}).items()}
    return sorted(scores, key=lambda name: (-scores[name], name))


class SumOf(msgspec.Struct, frozen=True, kw_only=True):
    """Sum of a property since ever: a number."""

    key: int
    event: str
    of: str
    where: Evaluate | None = None

    @property
    def events(self) -> tuple[str, ...]:
        return (self.event,)

    @property
    def bytes_max(self) -> int:
        return 9

    def put(self, state: Any, scope: Scope) -> Any:
        return added(state or 0, number(scope.properties.get(self.of)) or 0)

    def merged(self, ours: Any, theirs: Any) -> Any:
        return added(ours or 0, theirs or 0)

    def joined(self, other: Any) -> SumOf:
        return self


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """`score(E: 1, F: 5, half_life 2d)`: a decaying sum of weights. State `[score, as of]`."""

    key: int
    weights: tuple[tuple[str, float], ...]
    half_life: int
    where: Evaluate | None = None

    @property
    def events(self) -> tuple[str, ...]:
        return tuple(event for event, _ in self.weights)

    @property
    def bytes_max(self) -> int:
        return 20

    def put(self, state: Any, scope: Scope) -> Any:
        weight = dict(self.weights)[scope.name]
        return _bumped(state, weight, scope.occurred, self.half_life)

    def merged(self, ours: Any, theirs: Any) -> Any:
        if not (ours and theirs):
            return ours or theirs
        return _bumped(ours, theirs[0], theirs[1], self.half_life)

    def joined(self, other: Any) -> Score:
        return self
