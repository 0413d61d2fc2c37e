"""What must be so that a condition holds: properties of the event, traits, and events before it.

A guess that the simulator then tries, so nothing here has to be complete: of `a or b` the first is made to hold, and what
cannot be arranged (an hour of the day, an expression that a text must match) is left as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from actors.model.context import nested
from actors.values import values
from language.syntax import ast
from language.syntax.operators import MIRRORED, NEGATED

TIMES_MAX: Final = 20
"""How often one event is told for the sake of a count."""


class GivenEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event to be told: its name and properties."""

    event: str
    properties: Mapping[str, Any] = {}


class Needs(msgspec.Struct, kw_only=True):
    properties: dict[str, Any] = {}
    """Of the event at hand."""
    traits: dict[str, Any] = {}
    before: list[GivenEvent] = []
    """What has to have happened by then."""


class NeededEvents:
    """Reads conditions of one site."""

    def __init__(self, profile: ast.Profile) -> None:
        self._collections = dict(profile.remember)
        self._segments = dict(profile.segments)

    def of(self, condition: ast.Expression | None, needs: Needs, *, in_where: bool = False, holds: bool = True) -> None:
        """Adds what the condition needs."""
        match condition:
            case ast.Unary(operator="not", operand=operand):
                self.of(operand, needs, in_where=in_where, holds=not holds)
            case ast.Binary(operator=("and" | "or") as operator, left=left, right=right):
                self.of(left, needs, in_where=in_where, holds=holds)
                if (operator == "and") is holds:
                    self.of(right, needs, in_where=in_where, holds=holds)
            case ast.Binary(operator=operator, left=left, right=right):
                self._compared(operator, left, right, needs, in_where, holds)
            case ast.Call(function="segment", arguments=(ast.Constant(value=name),)):
                self.of(self._segments.get(str(name)), needs, holds=holds)
            case ast.Did(event=event, where=where, negated=negated):
                if negated is not holds and event != "activity":
                    needs.before.append(self.event(event, where))
            case ast.Name():
                self._value(condition, True if holds else None, needs, in_where)

    def event(self, name: str, where: ast.Expression | None, given: Mapping[str, Any] | None = None) -> GivenEvent:
        """An event that meets the condition."""
        inner = Needs()
        self.of(where, inner, in_where=True)
        return GivenEvent(event=name, properties={**(given or {}), **inner.properties})

    def _compared(
        self, operator: str, left: ast.Expression, right: ast.Expression, needs: Needs, in_where: bool, holds: bool
    ) -> None:
        if isinstance(left, ast.Constant) and operator in MIRRORED:
            operator, left, right = MIRRORED[operator], right, left
        if not holds:
            if operator not in NEGATED:
                return
            operator = NEGATED[operator]
        wanted = _wanted(operator, right)
        if wanted is not None:
            self._value(left, wanted, needs, in_where)

    def _value(self, node: ast.Expression, wanted: Any, needs: Needs, in_where: bool) -> None:
        """Arranges that the node has the value."""
        match node:
            case ast.Name(parts=("event" | "entry", "context", *path)) if path:
                needs.properties = with_properties(needs.properties, {"context": nested([(tuple(path), wanted)])})
            case ast.Name(parts=("context", *path)) if in_where and path:
                needs.properties = with_properties(needs.properties, {"context": nested([(tuple(path), wanted)])})
            case ast.Name(parts=("event" | "entry", name)):
                needs.properties[name] = wanted
            case ast.Name(parts=("user", name)):
                needs.traits[name] = wanted
            case ast.Name(parts=(name,)) if in_where:
                needs.properties[name] = wanted
            case ast.Name(parts=(name, *rest)) if name in self._collections:
                self._collected(self._collections[name], rest, wanted, needs)
            case ast.Aggregate():
                self._aggregate(node, wanted, needs)
            case ast.Pick(event=event, property=of, where=where):
                needs.before.append(self.event(event, where, {of: wanted}))
            case ast.Top(event=event, property=of):
                needs.before.append(self.event(event, None, {of: wanted}))
            case ast.Call(function="len", arguments=(ast.Name(parts=(name, *_)),)) if name in self._collections:
                self._several(self._collections[name], _times(wanted), needs)
            case ast.Score(weights=((event, weight), *_)) if weight > 0:
                needs.before += [GivenEvent(event=event)] * _times(wanted / weight if _is_number(wanted) else 1)

    def _collected(self, collection: ast.Collection, rest: list[str], wanted: Any, needs: Needs) -> None:
        match collection:
            case ast.Bag(event=event, key=key) if _is_number(wanted) and rest in (["value"], ["quantity"]):
                amount = {"price": wanted} if rest == ["value"] else {"quantity": wanted}
                needs.before.append(GivenEvent(event=event, properties={key: "A", "price": 1, **amount}))
            case ast.SumOf(event=event, property=of):
                needs.before.append(GivenEvent(event=event, properties={of: wanted}))
            case _:
                self._several(collection, 1, needs)

    def _several(self, collection: ast.Collection, times: int, needs: Needs) -> None:
        by = {
            ast.Bag: "key",
            ast.LastOf: "distinct",
            ast.Tally: "property",
            ast.SumOf: "property",
        }[type(collection)]
        name = getattr(collection, by)
        for number in range(times):
            needs.before.append(
                GivenEvent(event=collection.event, properties={name: f"P{number}", "price": 1} if name else {})
            )

    def _aggregate(self, node: ast.Aggregate, wanted: Any, needs: Needs) -> None:
        told = self.event(node.event, node.where)
        if node.property is None:
            needs.before += [told] * _times(wanted)
        elif node.function == "distinct":
            needs.before += [
                msgspec.structs.replace(told, properties={**told.properties, node.property: f"P{number}"})
                for number in range(_times(wanted))
            ]
        else:
            needs.before.append(msgspec.structs.replace(told, properties={**told.properties, node.property: wanted}))


def with_properties(properties: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Return both; of what both have as objects the parts of both."""
    found = dict(properties)
    for name, value in more.items():
        known = found.get(name)
        found[name] = with_properties(known, value) if isinstance(known, dict) and isinstance(value, dict) else value
    return found


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _times(wanted: Any) -> int:
    return int(max(0, min(TIMES_MAX, wanted))) if _is_number(wanted) else 1


def _wanted(operator: str, right: ast.Expression) -> Any:
    """A value for which the comparison holds; None if none is known."""
    if operator == "in" and isinstance(right, ast.ListOf) and right.items and isinstance(right.items[0], ast.Constant):
        return right.items[0].value
    value = right.value if isinstance(right, ast.Constant) else None
    if operator in (">", "<") and isinstance(value, str):
        spelt = values.number(value)
        if spelt is None:
            return f"{value}~" if operator == ">" else ""
        value = spelt  # text that spells a number is one wherever it is ordered
    if operator in (">", "<") and _is_number(value):
        assert isinstance(value, int | float)
        return value + (1 if operator == ">" else -1)
    if operator in ("=", ">=", "<=", "contains", "starts_with"):
        return value
    if operator == "!=":
        return "other" if value != "other" else "another"
    return None
