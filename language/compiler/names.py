"""Names of the language as closures over a scope: event, entry, user, run, session, the collections, the words of §4."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from actors.model import slots as kinds
from actors.model.scope import Evaluate, Scope, session_open
from actors.values.values import field
from language.compiler.asked_context import CONTEXT
from language.compiler.memory import Plan
from language.syntax import ast

WORDS: Final[dict[str, Evaluate]] = {
    "now": lambda scope: scope.now / 1000,
    "idle": lambda scope: (scope.now - scope.actor.last_seen) / 1000,
    "signed_in": lambda scope: scope.actor.signed_in,
}

CONTINUOUS: Final = frozenset({("now",), ("idle",), ("session", "duration")})
"""Names whose value changes with every instant."""


SESSION: Final[dict[str, Evaluate]] = {
    "duration": lambda scope: (scope.now - scope.actor.session_start) / 1000 if session_open(scope) else 0,
    "events": lambda scope: scope.actor.session_events if session_open(scope) else 0,
}

USER: Final[dict[str, Evaluate]] = {
    "id": lambda scope: None if scope.actor.user.startswith("~") else scope.actor.user,
    "first_seen": lambda scope: scope.actor.first_seen / 1000 if scope.actor.first_seen else None,
    "last_seen": lambda scope: scope.actor.last_seen / 1000 if scope.actor.last_seen else None,
}

RUN: Final[dict[str, Evaluate]] = {
    "id": lambda scope: scope.run.id if scope.run else None,
    "entered_at": lambda scope: scope.run.entered / 1000 if scope.run else None,
    "sent": lambda scope: scope.run.sent if scope.run else 0,
    "variant": lambda scope: (scope.run.variant or None) if scope.run else None,
}

NAMESPACES: Final = frozenset({"event", "entry", "user", "run", "session"})


def _path(root: Evaluate, names: tuple[str, ...]) -> Evaluate:
    if not names:
        return root
    if len(names) == 1:
        (name,) = names
        return lambda scope: field(root(scope), name)

    def walk(scope: Scope) -> object:
        value = root(scope)
        for name in names:
            value = field(value, name)
        return value

    return walk


def _properties(scope: Scope) -> object:
    return scope.properties


def collection_value(name: str, part: str | None, collections: Mapping[str, ast.Collection], plan: Plan) -> Evaluate:
    """A remembered collection, or `items`, `value`, `quantity` of a bag."""
    key = plan.collection(name)
    match collections[name]:
        case ast.Bag():
            read = {"value": kinds.bag_value, "quantity": kinds.bag_quantity}.get(part or "items", kinds.bag_items)
            return lambda scope: read(scope.actor.memory.get(key))
        case ast.LastOf():
            return lambda scope: kinds.last_items(scope.actor.memory.get(key))
        case ast.Tally(half_life=half_life, keep=keep):
            span = None if half_life is None else round(half_life * 1000)
            return lambda scope: kinds.tally_ranking(scope.actor.memory.get(key), scope.now, span)[:keep]
        case ast.SumOf():
            return lambda scope: scope.actor.memory.get(key) or 0


def bag_object(name: str, plan: Plan) -> Evaluate:
    """A bag as templates see it: `items`, `value`, `quantity`."""
    key = plan.collection(name)

    def read(scope: Scope) -> object:
        state = scope.actor.memory.get(key)
        return {
            "items": kinds.bag_items(state),
            "value": kinds.bag_value(state),
            "quantity": kinds.bag_quantity(state),
        }

    return read


def compile_name(name: ast.Name, *, in_where: bool, collections: Mapping[str, ast.Collection], plan: Plan) -> Evaluate:
    """In a `where`, a bare name is a property of the event, if it has it, before it is anything else but a word of §4."""
    first, *others = name.parts
    rest = tuple(others)
    if first in WORDS and not rest:
        return WORDS[first]
    known = _known(first, rest, collections, plan)
    if not in_where or (first in NAMESPACES and rest):
        return known
    own = _path(lambda scope: scope.properties.get(first), rest)
    if first not in collections:
        return own
    return lambda scope: own(scope) if first in scope.properties else known(scope)


def _known(first: str, rest: tuple[str, ...], collections: Mapping[str, ast.Collection], plan: Plan) -> Evaluate:
    if first == "event" and rest:
        return _path(_properties, rest)
    if first == "entry" and rest:
        return _path(lambda scope: scope.entry, rest)
    if first == "user" and rest[:1] == (CONTEXT,) and rest[1:]:
        key = plan.context(rest[1:])
        return lambda scope: state[2] if (state := scope.actor.memory.get(key)) else None
    if first == "user" and rest:
        trait = rest[0]
        return _path(USER.get(trait) or (lambda scope: scope.actor.traits.get(trait)), rest[1:])
    if first == "session" and len(rest) == 1 and rest[0] in SESSION:
        return SESSION[rest[0]]
    if first == "run" and len(rest) == 1:
        return RUN.get(rest[0]) or _as_name(rest[0])
    if first in collections:
        return _path(collection_value(first, rest[0] if rest else None, collections, plan), rest[1:])
    return _as_name(first)


def _as_name(name: str) -> Evaluate:
    """What a wait's `as:` named; null before that wait has ended."""
    return lambda scope: scope.run.names.get(name) if scope.run and scope.run.names else None
