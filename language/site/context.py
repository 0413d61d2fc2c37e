"""What the files of a site share while they are read, and the way from a value in YAML to a tree with checked names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

import msgspec

from actors.values.names import ALIASES
from language.site.decode import Report
from language.site.fields import ExpressionText, Patterns
from language.site.yaml import Mapping as YamlMapping
from language.site.yaml import Scalar, Sequence, Value, kind_of
from language.syntax import ast
from language.syntax.durations import FORMS
from language.syntax.expressions import parse_expression, parse_pattern
from language.syntax.problems import LanguageError, Problem
from language.syntax.resolve import KnownNames, NamePlace, check_names, check_pattern

Tree = TypeVar("Tree", ast.Expression, ast.Pattern)

NULL = ast.Constant(value=None)
"""Stands for what could not be read; its problem is in the report, so the site is refused."""


class Places:
    """Where the nodes of a site's syntax tree stand in its files: for advice, which is given when all is read."""

    def __init__(self) -> None:
        self._of: dict[int, tuple[object, Value]] = {}

    def note(self, node: object, value: Value) -> None:
        self._of[id(node)] = (node, value)

    def problem(self, node: object, message: str, at: int = 0) -> Problem | None:
        """Advice at a node that was noted, or at an offset of the text it was read from; None if it was not noted."""
        found = self._of.get(id(node))
        if found is None:
            return None
        value = found[1]
        start = value.place_within(at) if isinstance(value, Scalar) else value.start
        return value.source.problem(start, message, "advice")


class Context(msgspec.Struct, kw_only=True):
    """Of one site. `known` fills while profile.yaml is read, before any campaign."""

    report: Report
    aliases: Mapping[str, str] = msgspec.field(default_factory=lambda: ALIASES)
    known: KnownNames = msgspec.field(default_factory=lambda: KnownNames(collections={}, segments=frozenset()))
    pending: list[Callable[[], None]] = []
    """Checks of names, put off until all names that the file makes are known."""
    places: Places = msgspec.field(default_factory=Places)
    renders: bool = True
    """Whether its letters are to be rendered: of a program of the past it matters only what it decides."""

    def settle(self) -> None:
        """Carries out the checks that were put off."""
        checks, self.pending = self.pending, []
        for check in checks:
            check()

    def expression(self, text: ExpressionText | None, place: NamePlace) -> ast.Expression | None:
        """None if there is none."""
        if text is None:
            return None
        tree = self._value(text.value, place)
        if text.duration and isinstance(tree, ast.Constant):
            self._check_duration(text.value, tree)
        self.places.note(tree, text.value)
        return tree

    def required(self, text: ExpressionText | None, place: NamePlace) -> ast.Expression:
        return self.expression(text, place) or NULL

    def pairs(self, texts: Mapping[str, ExpressionText], place: NamePlace) -> tuple[tuple[str, ast.Expression], ...]:
        return tuple((name, self.required(text, place)) for name, text in texts.items())

    def patterns(self, texts: Patterns | None, place: NamePlace) -> tuple[ast.Pattern, ...]:
        if texts is None:
            return ()
        found = (self._pattern(scalar, place) for scalar in texts.items)
        return tuple(pattern for pattern in found if pattern is not None)

    def _value(self, value: Value, place: NamePlace) -> ast.Expression:
        match value:
            case Sequence(items=items):
                return ast.ListOf(items=tuple(self._value(item, place) for item in items))
            case YamlMapping():
                self.report.at(value, f"expected an expression, came {kind_of(value)}")
                return NULL
            case Scalar(value=str() as text):
                return self._parsed(value, text, place)
            case Scalar(value=constant):
                return ast.Constant(value=constant)
        raise AssertionError(f"a value is one of three, not {type(value)}")

    def _parsed(self, scalar: Scalar, text: str, place: NamePlace) -> ast.Expression:
        try:
            tree = parse_expression(text, self.aliases, self.known.collections)
        except LanguageError as error:
            self.tell(scalar, error.at, str(error) + _cut_off(scalar, text, error))
            return NULL
        self.pending.append(lambda: check_names(tree, place, self.known, lambda at, what: self.tell(scalar, at, what)))
        return tree

    def _pattern(self, scalar: Scalar, place: NamePlace) -> ast.Pattern | None:
        try:
            tree = parse_pattern(str(scalar.value), self.aliases, self.known.collections)
        except LanguageError as error:
            self.tell(scalar, error.at, str(error) + _cut_off(scalar, str(scalar.value), error))
            return None
        self.pending.append(
            lambda: check_pattern(tree, place, self.known, lambda at, what: self.tell(scalar, at, what))
        )
        self.places.note(tree, scalar)
        return tree

    def _check_duration(self, value: Value, tree: ast.Constant) -> None:
        """Of a literal: a number alone does not say what it counts."""
        assert isinstance(value, Scalar)
        text = str(value.value).strip()
        if isinstance(tree.value, str | bool) or text.replace(".", "", 1).isdigit():
            self.report.at(value, f"`{text[:40]}` is no duration: write {FORMS}")
        elif isinstance(tree.value, int | float) and tree.value < 0:
            self.report.at(value, f"`{text[:40]}` is less than no time")

    def tell(self, scalar: Scalar, at: int, message: str) -> None:
        """A problem at an offset of the scalar's text."""
        self.report.add(scalar.source.problem(scalar.place_within(at), message))


def _cut_off(scalar: Scalar, text: str, error: LanguageError) -> str:
    """What to say where YAML has taken a comma of the expression for the end of the value."""
    following = scalar.source.text[scalar.end : scalar.end + 100].lstrip(" ")
    quoted = scalar.source.text[scalar.start : scalar.start + 1] in ("'", '"')
    at_its_end = error.at >= len(text.rstrip()) or "closing quote" in str(error)
    if not at_its_end or quoted or not following.startswith(","):
        return ""
    return "; within { } or [ ] a `,` ends a value, so put the whole expression into quotes"
