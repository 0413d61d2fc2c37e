"""The expressions of one site, compiled for explaining: into the same memory that the actors fill, by the same compiler."""

from __future__ import annotations

from typing import Final

from actors.model import compiled_patterns as shapes
from actors.model.scope import Evaluate, Horizon, Scope
from language.compiler.expressions import Expressions
from language.compiler.horizon import compile_horizon
from language.compiler.memory import Plan
from language.compiler.patterns import PatternCompiler
from language.syntax import ast
from replay.explain.model import State

LOOKS_MAX: Final = 1_000
"""Instants at which an expression may change that are looked at; a week of quarters of an hour fits."""


class Language:
    """Slots have keys that are made of what they remember, so a part of a condition finds what the whole has stored."""

    def __init__(self, site: ast.Site) -> None:
        self.site = site
        self.collections = dict(site.profile.remember)
        self.segments = dict(site.profile.segments)
        plan = Plan(self.collections)
        self.expressions = Expressions(self.collections, self.segments, plan)
        self._patterns = PatternCompiler(self.expressions, plan)

    def compile(self, node: ast.Expression, *, in_run: bool, in_where: bool = False) -> Evaluate:
        return self.expressions.compile(node, in_run=in_run, in_where=in_where)

    def pattern(self, pattern: ast.Pattern, campaign: str, *, in_run: bool) -> shapes.Pattern:
        return self._patterns.compile(pattern, campaign, in_run=in_run)

    def state(self, node: ast.Expression, scope: Scope, *, in_run: bool, in_where: bool = False) -> tuple[State, int]:
        """Whether it holds, and when time alone changes that (0: it does not). What a `where` says of an event that is
        over does not change."""
        evaluate = self.compile(node, in_run=in_run, in_where=in_where)
        if in_where:
            return ("true" if evaluate(scope) else "false"), 0
        horizon = compile_horizon(node, self.expressions, self.segments, in_run=in_run)
        holds, until = bool(evaluate(scope)), changes_at(evaluate, horizon, scope)
        if holds:
            return "true", until
        return ("pending" if until else "false"), until


def changes_at(evaluate: Evaluate, horizon: Horizon, scope: Scope) -> int:
    """The first instant after `scope.now` at which an expression is true where it was false, or the other way round,
    if nothing happens; 0 if that is never or too far to see."""
    now, before = scope.now, bool(evaluate(scope))
    try:
        for _ in range(LOOKS_MAX):
            scope.now = horizon(scope) or now
            if scope.now == now:
                return 0
            if bool(evaluate(scope)) is not before:
                return scope.now
        return 0
    finally:
        scope.now = now
