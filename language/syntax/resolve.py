"""Whether the names in an expression stand for something where it stands, and which name was probably meant."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from language.syntax import ast
from language.syntax.problems import did_you_mean, nearest, one_of
from language.syntax.vocabulary import BAG_PARTS, NAMESPACES, RUN_PARTS, SESSION_PARTS, WORDS

Tell = Callable[[int, str], None]
"""Takes the offset in the expression's text and what is wrong there."""


class NamePlace(msgspec.Struct, frozen=True, kw_only=True):
    """Where an expression stands, and so what it can see."""

    called: str
    namespaces: frozenset[str]
    in_run: bool
    where: bool = False
    """Within a `where`: bare names are properties of the event it is about."""


IF: Final = NamePlace(called="`if`", namespaces=frozenset({"event", "entry", "user", "session"}), in_run=False)
AUDIENCE: Final = NamePlace(
    called="`audience`", namespaces=frozenset({"entry", "user", "session", "run"}), in_run=False
)
STEP: Final = NamePlace(called="a step", namespaces=NAMESPACES, in_run=True)
SEGMENT: Final = NamePlace(called="a segment", namespaces=frozenset({"user", "session"}), in_run=False)
ENTRY: Final = NamePlace(called="the entry's pattern", namespaces=NAMESPACES - {"run"}, in_run=False)
PATTERN: Final = NamePlace(called="a pattern", namespaces=NAMESPACES, in_run=True)


_COMPARED: Final = frozenset({"=", "!=", "<", "<=", ">", ">=", "in", "contains", "starts_with"})


class KnownNames(msgspec.Struct, kw_only=True):
    """What the site has: collections, segments, and the names that a campaign's waits make."""

    collections: Mapping[str, ast.Collection]
    segments: frozenset[str]
    made: frozenset[str] = frozenset()


def check_names(expression: ast.Expression, place: NamePlace, known: KnownNames, tell: Tell) -> None:
    """Tells every name, segment and window of the expression that means nothing at that place."""
    _Check(known, tell).node(expression, place)


def check_pattern(pattern: ast.Pattern, place: NamePlace, known: KnownNames, tell: Tell) -> None:
    """The same for the conditions of a pattern."""
    _Check(known, tell).node(pattern, place)


class _Check:
    def __init__(self, known: KnownNames, tell: Tell) -> None:
        self._known = known
        self._tell = tell
        self._compared = False
        """Whether it is what something is compared with: a name there is likely to be a text."""

    def node(self, node: Any, place: NamePlace) -> None:
        match node:
            case tuple():
                for part in node:
                    self.node(part, place)
            case ast.Name():
                self._name(node, place)
            case ast.Call(function="segment", arguments=(ast.Constant(value=name) as argument,)):
                self._segment(argument.at, str(name))
            case ast.SegmentPattern(segment=name, at=at):
                self._segment(at, name)
            case ast.Window(kind="since_entry" | "after_entry" as kind, at=at) if not place.in_run:
                self._tell(at, f"`{kind.replace('_', ' ')}` means something only in a run, not in {place.called}")
            case ast.Binary(operator=operator, left=left, right=right) if operator in _COMPARED and not place.where:
                self.node(left, place)
                self._compared = True
                self.node(right, place)
                self._compared = False
            case ast.Node():
                for field in node.__struct_fields__:
                    self.node(getattr(node, field), _inner(place) if field == "where" else place)

    def _segment(self, at: int, name: str) -> None:
        if name not in self._known.segments:
            hint = did_you_mean(nearest(name, self._known.segments))
            self._tell(at, f'there is no segment "{name}"{hint or _segments(self._known.segments)}')

    def _name(self, name: ast.Name, place: NamePlace) -> None:
        first, *rest = name.parts
        if first in NAMESPACES and (rest or not place.where):
            self._namespace(name, first, rest, place)
        elif place.where and first not in self._known.collections:
            return
        elif first in WORDS or first in self._known.made:
            if rest and not place.where:
                self._tell(name.at, f"`{first}` has no parts")
        elif first in self._known.collections:
            if not place.where:
                self._collection(name, first, rest)
        else:
            self._unknown(name, first, rest, place)

    def _namespace(self, name: ast.Name, first: str, rest: list[str], place: NamePlace) -> None:
        if not rest:
            self._tell(name.at, f"`{first}` needs a name behind it, as in `{first}.{_EXAMPLE[first]}`")
        elif first not in place.namespaces:
            self._tell(name.at, f"`{first}.{rest[0]}` means nothing in {place.called}")
        elif name.parts == ("user", "context"):
            self._tell(name.at, "`user.context` needs a part behind it, as in `user.context.locale`")
        elif first == "session":
            self._part(name, rest, SESSION_PARTS)
        elif first == "run":
            self._part(name, rest, (*RUN_PARTS, *sorted(self._known.made)))

    def _part(self, name: ast.Name, rest: list[str], parts: tuple[str, ...]) -> None:
        if len(rest) > 1 or rest[0] not in parts:
            written = ".".join(name.parts)
            hint = did_you_mean(nearest(rest[0], parts)) or f"; there is {one_of(parts)}"
            self._tell(name.at, f"`{written}` does not exist{hint}")

    def _collection(self, name: ast.Name, first: str, rest: list[str]) -> None:
        if isinstance(self._known.collections[first], ast.Bag):
            if rest:
                self._part(name, rest, BAG_PARTS)
        elif rest:
            self._tell(name.at, f"`{first}` has no parts")

    def _unknown(self, name: ast.Name, first: str, rest: list[str], place: NamePlace) -> None:
        names = {*WORDS, *self._known.made, *self._known.collections, *(NAMESPACES if rest else ())}
        hint = did_you_mean(nearest(first, names))
        if self._compared and not rest:
            hint += f'; a text is written in quotes: "{first}"'
        if not hint and not rest:
            hint = "; bare names are properties only inside `where`"
            hint += f": write event.{first}" if "event" in place.namespaces and not place.in_run else ""
            hint += '; text is written in double quotes, as in "text"' if place.in_run else ""
        self._tell(name.at, f"there is no name `{'.'.join(name.parts)}`{hint}")


_EXAMPLE: Final = {"event": "price", "entry": "cart_id", "user": "email", "run": "sent", "session": "duration"}


def _inner(place: NamePlace) -> NamePlace:
    return msgspec.structs.replace(place, where=True, namespaces=place.namespaces | {"event"})


def _segments(segments: frozenset[str]) -> str:
    return f"; there is {one_of(sorted(segments)[:10])}" if segments else "; profile.yaml names none"
