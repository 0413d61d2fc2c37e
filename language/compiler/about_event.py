"""Whether a `where` can be decided when its event comes, or has to be asked again each time with what is known then."""

from __future__ import annotations

from collections.abc import Container
from typing import Final

from language.compiler.memory import names_in
from language.compiler.names import NAMESPACES, WORDS
from language.syntax import ast

_HISTORY: Final = (ast.Did, ast.Aggregate, ast.Pick, ast.Top, ast.Score)


def is_about_the_event(where: ast.Expression, collections: Container[str]) -> bool:
    """Tell whether a condition looks at nothing but the event. `collections`: the names of those of the site."""
    return all(
        name.parts[0] == "event"
        or (name.parts[0] not in WORDS and name.parts[0] not in NAMESPACES and name.parts[0] not in collections)
        for name in names_in(where)
    ) and not _asks_history(where)


def _asks_history(node: object) -> bool:
    if isinstance(node, tuple):
        return any(_asks_history(part) for part in node)
    if isinstance(node, _HISTORY) or (isinstance(node, ast.Call) and node.function == "segment"):
        return True
    return isinstance(node, ast.Node) and any(_asks_history(getattr(node, name)) for name in node.__struct_fields__)
