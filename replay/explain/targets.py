"""What a side of a comparison would have to be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from actors.values import values
from language.syntax import ast


def shared_names(where: ast.Expression) -> Iterator[tuple[str, str]]:
    """(property of the event of a `where`, property of the event at hand) that have to be equal."""
    if not isinstance(where, ast.Binary):
        return
    if where.operator == "and":
        yield from shared_names(where.left)
        yield from shared_names(where.right)
    for one, other in ((where.left, where.right), (where.right, where.left)):
        if where.operator == "=" and _is_property(one, "") and _is_property(other, "entry"):
            assert isinstance(one, ast.Name)
            assert isinstance(other, ast.Name)
            yield one.parts[-1], other.parts[-1]


def _is_property(node: ast.Expression, of: str) -> bool:
    """Whether it is a bare name, or one property of `of`."""
    return isinstance(node, ast.Name) and node.parts[:-1] == ((of,) if of else ())


def nested(names: list[str], value: Any) -> dict[str, Any]:
    return {names[0]: value if len(names) == 1 else nested(names[1:], value)}


def target_of(operator: str, other: object) -> Any:
    """A value that stands so to `other`; None if none is known."""
    found = values.number(other)
    match operator:
        case "=":
            return other
        case "!=":
            return found + 1 if found is not None else (f"{other}-not" if isinstance(other, str) else 1)
        case ">=" | "<=":
            return found
        case ">":
            return None if found is None else found + 1
        case "<":
            return None if found is None else found - 1
        case "in":
            return other[0] if isinstance(other, list) and other else other
        case "contains":
            return [other]
        case "starts_with":
            return other
        case _:
            return None
