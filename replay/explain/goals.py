"""From a condition back to what would make it true: events and their properties, or a time.

These are guesses. Nothing is believed until `witness.py` has played it through the actors.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from itertools import product
from typing import Any, Final

import msgspec

from actors.model.state import Run
from actors.values import values
from language.compiler.memory import names_in
from language.syntax import ast
from language.syntax.operators import MIRRORED, NEGATED
from replay.explain.fold import Moment
from replay.explain.language import Language
from replay.explain.model import State
from replay.explain.targets import nested, shared_names, target_of

ALTERNATIVES_MAX: Final = 8
"""Ways to one condition that are kept, the shortest."""

EVENTS_MAX: Final = 50
"""Events of one way."""

NEW: Final = "new-1"
"""A value that the user has not had before: of a key, of an id."""

SUPPOSED: Final = 100
"""A number for a property that may have any."""


class Happen(msgspec.Struct, frozen=True):
    """An event that would have to come; without a name an identify, whose properties are traits."""

    event: str
    properties: dict[str, Any]


class GoalEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One way to a condition."""

    events: tuple[Happen, ...] = ()
    """Before the event at hand."""
    own: dict[str, Any] = {}
    """Properties of the event at hand."""
    at: int = 0
    """Not before this time, in ms."""

    @property
    def cost(self) -> tuple[int, int, int]:
        return (len(self.events), self.at, len(self.own))

    def joined(self, other: GoalEvent) -> GoalEvent:
        return GoalEvent(events=(*self.events, *other.events), own={**self.own, **other.own}, at=max(self.at, other.at))


def cheapest(wishes: Iterable[GoalEvent]) -> list[GoalEvent]:
    return sorted((one for one in wishes if len(one.events) <= EVENTS_MAX), key=lambda one: one.cost)[:ALTERNATIVES_MAX]


class Goals:
    """Ways to the conditions of one site, as seen from `run`. `own` are the events that may be the one at hand."""

    def __init__(
        self, language: Language, moment: Moment, own: frozenset[str] = frozenset(), run: Run | None = None
    ) -> None:
        self._language = language
        self._moment = moment
        self._own = own
        self._run = run

    def properties(self, where: ast.Expression | None) -> dict[str, Any]:
        """Properties with which an event fits, if any are found."""
        found = [] if where is None else self.of(where, in_where=True)
        return found[0].own if found else {}

    def of(
        self, node: ast.Expression, wanted: bool = True, *, in_where: bool = False, in_run: bool = False
    ) -> list[GoalEvent]:
        """The cheapest ways to `node` being `wanted`; one that asks nothing if it is so already."""

        def sub(part: ast.Expression, want: bool = wanted) -> list[GoalEvent]:
            return self.of(part, want, in_where=in_where, in_run=in_run)

        state, until = self._state(node, in_where, in_run)
        if (state == "true") is wanted:
            return [GoalEvent()]
        waiting = [GoalEvent(at=until)] if until else []
        match node:
            case ast.Unary(operator="not", operand=operand):
                return sub(operand, not wanted)
            case ast.Binary(operator="and" | "or" as operator, left=left, right=right):
                if (operator == "and") is wanted:
                    both = [a.joined(b) for a, b in product(sub(left), sub(right))]
                    return cheapest([*both, *waiting])
                return cheapest([*sub(left), *sub(right), *waiting])
            case ast.Binary():
                return cheapest([*self._compared(node, wanted, in_where, in_run), *waiting])
            case ast.Call(function="segment", arguments=(ast.Constant(value=str() as name),)):
                return cheapest([*self.of(self._language.segments[name], wanted), *waiting])
            case ast.Did(event=event, where=where, negated=negated):
                came = self._came(event, where) if negated is not wanted else []
                return cheapest([*came, *waiting])
            case ast.Name():
                return cheapest([*self._assigned(node, wanted, in_where, in_run), *waiting])
            case _:
                return waiting

    def _state(self, node: ast.Expression, in_where: bool, in_run: bool) -> tuple[State, int]:
        return self._language.state(node, self._moment.scope(self._run), in_run=in_run, in_where=in_where)

    def _value(self, node: ast.Expression, in_where: bool, in_run: bool) -> object:
        return self._language.compile(node, in_run=in_run, in_where=in_where)(self._moment.scope(self._run))

    def _event(self, event: str, where: ast.Expression | None, **more: Any) -> Happen:
        name = "page_viewed" if event == "activity" else event
        return Happen(name, {**self.properties(where), **more})

    def _came(self, event: str, where: ast.Expression | None) -> list[GoalEvent]:
        """Ways to such an event having come: another one; or, if it has to share a property with the event at hand, that
        one shares it with the newest, or both with each other."""
        shared = dict(shared_names(where)) if where is not None else {}
        if not shared:
            return [GoalEvent(events=(self._event(event, where),))]
        ways = []
        past = self._moment.came(event)
        if past:
            known = msgspec.json.decode(past[-1].body, type=dict[str, Any])
            if all(known.get(name) is not None for name in shared):
                ways.append(GoalEvent(own={own: known[name] for name, own in shared.items()}))
        both = self._event(event, where, **dict.fromkeys(shared, NEW))
        return [*ways, GoalEvent(events=(both,), own=dict.fromkeys(shared.values(), NEW))]

    # --- comparisons ---------------------------------------------------------------------------------------------------

    def _compared(self, node: ast.Binary, wanted: bool, in_where: bool, in_run: bool) -> list[GoalEvent]:
        """By a change of the left side, or of the right."""
        operator = node.operator if wanted else NEGATED.get(node.operator, "")
        ways: list[GoalEvent] = []
        for side, other, seen in (
            (node.left, node.right, operator),
            (node.right, node.left, MIRRORED.get(operator, "")),
        ):
            value = self._value(other, in_where, in_run)
            target = target_of(seen, value) if seen else None
            if target is not None:
                ways += self._assigned(side, target, in_where, in_run)
            elif seen and value is None:
                ways += self._supposed(side, seen, other, in_where, in_run)
        return ways

    def _supposed(
        self, side: ast.Expression, operator: str, other: ast.Expression, in_where: bool, in_run: bool
    ) -> list[GoalEvent]:
        """`event.price <= event.old_price * 0.9`: suppose a value for the properties of the event at hand in `other`."""
        own: dict[str, Any] = {}
        for name in names_in(other):
            if name.parts[0] in ("event", "entry") and len(name.parts) == 2:
                own[name.parts[1]] = SUPPOSED
        if not own:
            return []
        scope = self._moment.scope(self._run, msgspec.json.encode(own))
        target = target_of(operator, self._language.compile(other, in_run=in_run, in_where=in_where)(scope))
        supposed = GoalEvent(own=own)
        return (
            [] if target is None else [supposed.joined(way) for way in self._assigned(side, target, in_where, in_run)]
        )

    def _assigned(self, node: ast.Expression, value: Any, in_where: bool, in_run: bool) -> list[GoalEvent]:
        """Ways to `node` having that value, or being a number at least so far from where it is now."""
        match node:
            case ast.Name(parts=parts):
                return self._named(parts, value, in_where)
            case ast.Aggregate():
                return self._aggregated(node, value, self._value(node, in_where, in_run))
            case ast.Pick(event=event, property=of, where=where):
                return [GoalEvent(events=(self._event(event, where, **{of: value}),))]
            case ast.Top(event=event, property=of):
                return [GoalEvent(events=(self._event(event, None, **{of: value}),) * n) for n in (1, 2, 5)]
            case ast.Score(weights=weights):
                return self._scored(weights, value, self._value(node, in_where, in_run))
            case ast.Call(function="lower" | "upper" | "round", arguments=(argument, *_)):
                return self._assigned(argument, value, in_where, in_run)
            case ast.Call(function="coalesce", arguments=(argument, *_)):
                return self._assigned(argument, value, in_where, in_run)
            case _:
                return []

    def _named(self, parts: tuple[str, ...], value: Any, in_where: bool) -> list[GoalEvent]:
        first, *rest = parts
        if first == "user" and rest:
            return [GoalEvent(events=(Happen("", nested(rest, value)),))]
        if (first in ("event", "entry") and rest) or (in_where and first not in self._language.collections):
            return [GoalEvent(own=nested(rest if first in ("event", "entry") and rest else list(parts), value))]
        if parts == ("signed_in",):
            return [GoalEvent(events=(Happen("signed_in" if value else "signed_out", {}),))]
        if first in self._language.collections:
            return self._collected(self._language.collections[first], rest[0] if rest else "", value)
        return []

    def _collected(self, collection: ast.Collection, part: str, value: Any) -> list[GoalEvent]:
        found = values.number(value)
        match collection:
            case ast.Bag(event=event, key=key, clear=clear):
                if found is None or found <= 0:
                    return [GoalEvent(events=(Happen(clear[0], {}),))] if clear else []
                quantity = {"quantity": found} if part == "quantity" else {"quantity": 1, "price": found}
                return self._by(event, {key: NEW, **quantity})
            case ast.SumOf(event=event, property=of):
                return self._by(event, {of: found}) if found is not None else []
            case ast.Tally(event=event, property=of):
                return self._by(event, {of: value[0] if isinstance(value, list) and value else value})
            case ast.LastOf(event=event):
                return self._by(event, {})

    def _by(self, event: str, properties: dict[str, Any]) -> list[GoalEvent]:
        """By the event at hand, if it may be that one, else by another before it."""
        before = GoalEvent(events=(Happen(event, properties),))
        return [GoalEvent(own=properties), before] if event in self._own else [before]

    def _aggregated(self, node: ast.Aggregate, value: Any, now: object) -> list[GoalEvent]:
        target, current, of = values.number(value), values.number(now) or 0, node.property
        if target is None:
            return []
        if node.function in ("count", "distinct"):
            missing = math.ceil(target - current)
            if not 0 < missing <= EVENTS_MAX:
                return []
            numbered: Callable[[int], dict[str, Any]] = lambda n: {of: f"new-{n}"} if of else {}  # noqa: E731
            events = tuple(self._event(node.event, node.where, **numbered(n + 1)) for n in range(missing))
            with_own = [GoalEvent(events=events[1:], own=events[0].properties)] if node.event in self._own else []
            return [*with_own, GoalEvent(events=events)]
        amount = target - current if node.function == "sum" else target
        assert of is not None, "only counts have no property"
        return self._by(node.event, {**self.properties(node.where), of: amount})

    def _scored(self, weights: tuple[tuple[str, float], ...], value: Any, now: object) -> list[GoalEvent]:
        target, current = values.number(value), values.number(now) or 0
        if target is None:
            return []
        ways = []
        for event, weight in weights:
            times = math.ceil((target - current) / weight) if weight else 0
            ways += [GoalEvent(events=(Happen(event, {}),) * n) for n in (times, times + 1) if 0 < n <= EVENTS_MAX]
        return ways
