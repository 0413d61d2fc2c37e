"""Advice on comparisons that are allowed and not what anybody means: numbers with texts, a text without its quotes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from actors.values import values
from language.site.context import Places
from language.syntax import ast
from language.syntax.problems import Problem
from language.syntax.walk import conditions_of, patterns_of

_ORDER: Final = frozenset({"<", "<=", ">", ">="})
_EQUALITY: Final = frozenset({"=", "!="})

_NUMERIC_CALLS: Final = frozenset({"hour", "weekday", "len", "round", "min", "max"})
_NUMERIC_NAMES: Final = frozenset(
    {("now",), ("idle",), ("run", "sent"), ("run", "entered_at"), ("session", "duration"), ("session", "events")}
    | {("user", "first_seen"), ("user", "last_seen")}
)


def advise_values(site: ast.Site, places: Places) -> Iterator[Problem]:
    """One for each comparison."""
    collections = dict(site.profile.remember)
    for top in _conditions(site):
        for node, in_where in _comparisons(top):
            message, at = _unquoted(node) if in_where else ("", 0)
            if not message:
                message, at = _told(node, {} if in_where else collections)
            problem = places.problem(top, message, at) if message else None
            if problem is not None:
                yield problem


def _conditions(site: ast.Site) -> Iterator[Any]:
    for campaign in site.campaigns:
        if campaign.status != "archived":
            yield from (*patterns_of(campaign), *conditions_of(campaign))
    yield from (condition for _, condition in site.profile.segments)


def _comparisons(node: Any, in_where: bool = False) -> Iterator[tuple[ast.Binary, bool]]:
    """Each, and whether a bare name in it may be a property of an event."""
    if isinstance(node, tuple):
        for part in node:
            yield from _comparisons(part, in_where)
    elif isinstance(node, ast.Node):
        if isinstance(node, ast.Binary) and node.operator in _ORDER | _EQUALITY:
            yield node, in_where
        for field in node.__struct_fields__:
            yield from _comparisons(getattr(node, field), in_where or field == "where")


def _told(node: ast.Binary, collections: dict[str, ast.Collection]) -> tuple[str, int]:
    """What to say and where; empty if there is nothing."""
    text, other = (node.right, node.left) if _is_text(node.right) else (node.left, node.right)
    if not isinstance(text, ast.Constant) or not isinstance(text.value, str) or _is_text(other):
        return "", 0
    number = values.number(text.value)
    numeric = _is_number(other, collections)
    if number is not None and (node.operator in _ORDER or numeric):
        return f'"{text.value}" is a text; a number is written without quotes: {_short(number)}', text.at
    if numeric and number is None:
        holds = "this always holds" if node.operator == "!=" else "this can never hold"
        return f'"{text.value[:40]}" is a text, and what it is compared with is a number: {holds}', text.at
    return "", 0


def _unquoted(node: ast.Binary) -> tuple[str, int]:
    """In a `where` a bare name is a property, so a text without quotes is one that no event has: `category = Lamps`."""
    match node.right:
        case ast.Name(parts=(name,), at=at) if name[:1].isupper() and isinstance(node.left, ast.Name):
            return f'`{name}` is read as a property of the event; a text is written in quotes: "{name}"', at
    return "", 0


def _is_text(node: ast.Expression) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _short(number: float) -> str:
    return str(int(number)) if number == int(number) else str(number)


def _is_number(node: ast.Expression, collections: dict[str, ast.Collection]) -> bool:
    """Whether it is a number or null, whatever happens."""
    match node:
        case ast.Constant(value=value):
            return isinstance(value, int | float) and not isinstance(value, bool)
        case ast.Aggregate() | ast.Score():
            return True
        case ast.Call(function=function):
            return function in _NUMERIC_CALLS
        case ast.Binary(operator=operator):
            return operator in ("-", "*", "/", "%")
        case ast.Unary(operator="-"):
            return True
        case ast.Name(parts=parts) if parts in _NUMERIC_NAMES:
            return True
        case ast.Name(parts=(name, *rest)):
            collection = collections.get(name)
            return (isinstance(collection, ast.Bag) and rest in (["value"], ["quantity"])) or (
                isinstance(collection, ast.SumOf) and not rest
            )
    return False
