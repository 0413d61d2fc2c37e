"""One walk over an expression: every part as true, false or pending, with what it looked at."""

from __future__ import annotations

from typing import Final

from actors.model.scope import Scope
from actors.model.state import Run
from language.compiler.memory import names_in
from language.syntax import ast
from language.syntax.operators import COMPARISONS, MIRRORED
from language.syntax.unparse import expression_text, is_duration, is_instant
from replay.explain import words
from replay.explain.fold import Moment
from replay.explain.history import History
from replay.explain.language import Language
from replay.explain.model import Part

SOURCES_MAX: Final = 4
"""Names of a computed value whose own values are shown."""


class Walk:
    """Expressions of one place: of an entry (`run` None) or within a run, with the event at hand in `body`."""

    def __init__(
        self, language: Language, moment: Moment, *, run: Run | None = None, body: bytes = b"{}", in_run: bool = False
    ) -> None:
        self._language = language
        self._moment = moment
        self._run = run
        self._body = body
        self._in_run = in_run

    def part(self, node: ast.Expression, *, in_where: bool = False) -> Part:
        scope = self._scope()
        state, until = self._language.state(node, scope, in_run=self._in_run, in_where=in_where)
        parts = self._parts(node, in_where)
        saw, nearest = ("", "") if parts else self._leaf(node, in_where, holds=state == "true")
        return Part(text=expression_text(node), state=state, until=until, saw=saw, nearest=nearest, parts=tuple(parts))

    def _scope(self) -> Scope:
        return self._moment.scope(self._run, self._body)

    def value(self, node: ast.Expression, *, in_where: bool = False) -> object:
        return self._language.compile(node, in_run=self._in_run, in_where=in_where)(self._scope())

    def _parts(self, node: ast.Expression, in_where: bool) -> list[Part]:
        match node:
            case ast.Binary(operator="and" | "or" as operator):
                return [self.part(one, in_where=in_where) for one in _chain(node, operator)]
            case ast.Unary(operator="not", operand=operand):
                return [self.part(operand, in_where=in_where)]
            case ast.Call(function="segment", arguments=(ast.Constant(value=str() as name),)):
                return [Walk(self._language, self._moment).part(self._language.segments[name])]
            case _:
                return []

    # --- leaves: (what it saw, the nearest miss) ---------------------------------------------------------------------

    def _leaf(self, node: ast.Expression, in_where: bool, *, holds: bool) -> tuple[str, str]:
        match node:
            case ast.Binary(operator=operator, left=left, right=right) if operator in COMPARISONS:
                if isinstance(left, ast.Constant) and not isinstance(right, ast.Constant):
                    return self._comparison(right, MIRRORED[operator], left, in_where, holds=holds)
                return self._comparison(left, operator, right, in_where, holds=holds)
            case ast.Binary(operator=operator, left=left, right=right):
                return self._comparison(left, operator, right, in_where, holds=holds)
            case ast.Did():
                return self._history().did(node, holds=holds)
            case ast.Constant():
                return "", ""
            case _:
                return self._is(node, in_where), ""

    def _history(self) -> History:
        return History(self._language, self._moment, self._run, self._in_run)

    def _comparison(
        self, left: ast.Expression, operator: str, right: ast.Expression, in_where: bool, *, holds: bool
    ) -> tuple[str, str]:
        if isinstance(left, ast.Aggregate) and left.function == "count" and isinstance(right, ast.Constant):
            counted = self._history().count(left, operator, right.value, holds=holds)
            if counted is not None:
                return counted
        saw = self._is(left, in_where)
        if not holds or not isinstance(right, ast.Constant):
            saw += f", needs {operator} {self._wanted(left, right, in_where)}"
        if isinstance(left, ast.Aggregate):
            saw += self._history().sources(left)
        return saw, ""

    def _wanted(self, left: ast.Expression, right: ast.Expression, in_where: bool) -> str:
        duration = is_duration(left)
        text = expression_text(right, duration=duration)
        if isinstance(right, ast.Constant | ast.ListOf):
            return text
        return f"{text}, which is {words.value(self.value(right, in_where=in_where), duration=duration)}"

    def _is(self, node: ast.Expression, in_where: bool) -> str:
        found = self.value(node, in_where=in_where)
        if is_instant(node) and isinstance(found, int | float):
            shown = words.moment(round(found * 1000), self._moment.now)
        else:
            shown = words.value(found, duration=is_duration(node))
        saw = f"{expression_text(node)} is {shown}"
        if isinstance(node, ast.Name | ast.Aggregate | ast.Pick | ast.Top | ast.Score | ast.Constant):
            return saw
        names = list(dict.fromkeys(name.parts for name in names_in(node)))[:SOURCES_MAX]
        sources = [self._is(ast.Name(parts=parts), in_where) for parts in names]
        return f"{saw} ({', '.join(sources)})" if sources else saw


def _chain(node: ast.Expression, operator: str) -> list[ast.Expression]:
    """`a and (b and c)` as three parts: the tree is balanced, its meaning is a list."""
    if isinstance(node, ast.Binary) and node.operator == operator:
        return [*_chain(node.left, operator), *_chain(node.right, operator)]
    return [node]
