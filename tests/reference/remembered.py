"""The collections of `profile.yaml`, folded from the whole history each time someone looks."""

from __future__ import annotations

from typing import Any

from language.syntax import ast
from tests.reference.history import Happening, History
from tests.reference.kept import as_much_as_fits, short_name, within_bytes
from tests.reference.values import Value, number


def collection(kind: ast.Collection, history: History, now: int) -> dict[str, Value]:
    """What a collection holds, by the part one may ask for; "" is the collection itself."""
    match kind:
        case ast.Bag():
            return _bag(kind, history)
        case ast.LastOf(event=event, keep=keep, distinct=distinct):
            newest: list[Happening] = []
            for one in reversed(history.events(event)):
                same = [other for other in newest if distinct and _text(other, distinct) == _text(one, distinct)]
                if not same:
                    newest.append(one)
            return {"": within_bytes([_kept(one.properties) for one in newest[:keep]])}
        case ast.Tally(event=event, property=property_, half_life=half_life, keep=keep):
            return {"": tally(history.events(event), property_, now, half_life)[:keep]}
        case ast.SumOf(event=event, property=property_):
            return {"": sum(number(one.properties.get(property_)) or 0 for one in history.events(event))}


def _bag(bag: ast.Bag, history: History) -> dict[str, Value]:
    """As it is told; what is told late takes nothing from a key that was changed since, and what was cleared since is
    not in it."""
    items: dict[str, dict[str, Any]] = {}
    changed: dict[str, int] = {}
    told_value: Value = None
    told_at = cleared = 0
    for one in history.told():
        if one.name in bag.clear:
            items = {key: item for key, item in items.items() if changed[key] > one.occurred}
            told_value = told_value if told_at > one.occurred else None
            cleared = max(cleared, one.occurred)
            continue
        if one.name not in (bag.event, bag.remove) or one.occurred < cleared:
            continue
        if one.occurred >= told_at:
            told_value, told_at = number(one.properties.get("cart_value")), one.occurred
        key = _text(one, bag.key)
        quantity = number(one.properties.get("quantity"))
        newest = key not in items or one.occurred >= changed[key]
        if one.name == bag.event:
            total = (items[key]["quantity"] if key in items else 0) + (1 if quantity is None else quantity)
            items[key] = {**(_kept(one.properties) if newest else items[key]), "quantity": total}
        elif key in items and newest:
            items[key]["quantity"] = 0 if quantity is None else items[key]["quantity"] - quantity
        if newest:
            changed[key] = one.occurred
        if key in items and items[key]["quantity"] <= 0:
            del items[key]
    value = sum((item["quantity"] * (number(item.get("price")) or 0) for item in items.values()), 0.0)
    return {
        "": list(items.values()),
        "items": list(items.values()),
        "quantity": sum(item["quantity"] for item in items.values()),
        "value": round(value, 6) if told_value is None else told_value,
    }


def _text(one: Happening, property_: str) -> str:
    value = one.properties.get(property_)
    return "" if value is None else short_name(str(value))


def _kept(properties: dict[str, Any]) -> dict[str, Any]:
    return as_much_as_fits(properties, 4_096)


def left_of(weight: float, age_ms: int, half_life_s: float | None) -> float:
    """What is left of a weight after a time."""
    return weight if not half_life_s else weight * float(0.5 ** (age_ms / (half_life_s * 1000)))


def tally(events: list[Happening], property_: str, now: int, half_life: float | None) -> list[str]:
    """The values of a property, the most frequent first, equals by name."""
    scores: dict[str, float] = {}
    for one in events:
        if one.properties.get(property_) is not None:
            name = _text(one, property_)
            scores[name] = scores.get(name, 0.0) + left_of(1.0, now - one.occurred, half_life)
    return sorted(scores, key=lambda name: (-scores[name], name))
