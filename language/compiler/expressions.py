"""Expressions to closures over a scope, and to the memory they need (language.md §4)."""

from __future__ import annotations

import operator as operators
from collections.abc import Callable, Mapping
from typing import Any, Final

from actors.model.local_time import time_zone
from actors.model.memory import COUNT_KEEP_MAX, rows_after
from actors.model.scope import Evaluate, Scope
from actors.model.slots import tally_ranking
from actors.values import values, zone
from language.compiler.about_event import is_about_the_event
from language.compiler.memory import ALL_ROWS, Plan, names_in
from language.compiler.names import NAMESPACES, WORDS, compile_name
from language.compiler.questions import (
    ALWAYS,
    END,
    NEVER,
    Bound,
    against_number,
    count_within,
    different,
    last_place,
    local_time,
    look_up_threshold,
    most_frequent,
    newest_after,
    reduced,
    score_now,
    session_begin,
    total,
)
from language.compiler.windows import EVER, window_of
from language.syntax import ast
from language.syntax.operators import COMPARISONS

TODAY_MS: Final = 26 * 3_600_000
"""No longer ago did any day begin that is not over, wherever the user lives."""

BINARY: Final[dict[str, Callable[[object, object], object]]] = {
    "=": values.equal,
    "!=": values.unequal,
    "<": values.less,
    "<=": values.less_or_equal,
    ">": values.greater,
    ">=": values.greater_or_equal,
    "in": values.contained,
    "contains": values.contains,
    "starts_with": values.starts_with,
    "+": values.add,
    "-": values.subtract,
    "*": values.multiply,
    "/": values.divide,
    "%": values.remainder,
}


ORDERINGS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "<": operators.lt,
    "<=": operators.le,
    ">": operators.gt,
    ">=": operators.ge,
}

FUNCTIONS: Final[dict[str, Callable[..., object]]] = {
    "len": values.length,
    "lower": values.lower,
    "upper": values.upper,
    "round": values.rounded,
    "min": values.least,
    "max": values.greatest,
    "coalesce": values.coalesce,
}


class CompileError(Exception):
    """The site asks for what cannot be compiled. `check` finds these first; this is the backstop."""


class Expressions:
    """Compiles the expressions of one site into one memory plan."""

    def __init__(
        self, collections: Mapping[str, ast.Collection], segments: Mapping[str, ast.Expression], plan: Plan
    ) -> None:
        self._collections = collections
        self._segments = segments
        self._plan = plan
        self._open_segments: list[str] = []

    def compile(self, node: ast.Expression, *, in_run: bool, in_where: bool = False) -> Evaluate:
        """`in_run`: windows that are not written mean `since entry`. `in_where`: bare names are the event's."""

        def sub(part: ast.Expression) -> Evaluate:
            return self.compile(part, in_run=in_run, in_where=in_where)

        match node:
            case ast.Constant(value=value):
                return lambda scope: value
            case ast.ListOf(items=items):
                parts = [sub(item) for item in items]
                return lambda scope: [part(scope) for part in parts]
            case ast.Name():
                return compile_name(node, in_where=in_where, collections=self._collections, plan=self._plan)
            case ast.Unary(operator="not", operand=operand):
                asked = sub(operand)
                return lambda scope: not asked(scope)
            case ast.Unary(operand=operand):
                negated = sub(operand)
                return lambda scope: values.negate(negated(scope))
            case ast.Binary():
                return self._binary(node, sub, in_run)
            case ast.Call():
                return self._call(node, sub)
            case ast.Lookup(subject=subject, steps=steps, otherwise=otherwise):
                return look_up_threshold(sub(subject), [(sub(a), sub(b)) for a, b in steps], sub(otherwise))
            case ast.Did():
                return self._did(node, in_run)
            case ast.Aggregate():
                return self._aggregate(node, in_run)
            case ast.Pick():
                return self._pick(node, in_run)
            case ast.Top():
                return self._top(node, in_run)
            case ast.Score(weights=weights, half_life=half_life):
                key, span = self._plan.score(weights, half_life), round(half_life * 1000)
                return lambda scope: score_now(scope, key, span)

    # --- operators and functions ----------------------------------------------------------------------------------

    def _binary(self, node: ast.Binary, sub: Callable[[ast.Expression], Evaluate], in_run: bool) -> Evaluate:
        operator = node.operator
        if operator in ("=", "!=") and (_is_null(node.left) or _is_null(node.right)):
            subject = sub(node.left if _is_null(node.right) else node.right)
            wanted = operator == "="
            return lambda scope: (subject(scope) is None) is wanted
        if operator in COMPARISONS:
            left = self._counted(node.left, node.right, sub, in_run)
            right = self._counted(node.right, node.left, sub, in_run)
        else:
            left, right = sub(node.left), sub(node.right)
        if operator == "and":
            return lambda scope: bool(left(scope)) and bool(right(scope))
        if operator == "or":
            return lambda scope: bool(left(scope)) or bool(right(scope))
        if operator == "matches":
            assert isinstance(node.right, ast.Constant)
            assert isinstance(node.right.value, str)
            found = values.matcher(node.right.value)
            return lambda scope: found(left(scope))
        compute = BINARY[operator]
        if operator in ORDERINGS and isinstance(node.right, ast.Constant):
            limit = node.right.value
            if isinstance(limit, int | float) and not isinstance(limit, bool):
                return against_number(left, limit, ORDERINGS[operator], compute)
        return lambda scope: compute(left(scope), right(scope))

    def _counted(
        self, part: ast.Expression, other: ast.Expression, sub: Callable[[ast.Expression], Evaluate], in_run: bool
    ) -> Evaluate:
        """`count(…) > 2` can be answered from the newest few events: only so many are kept."""
        if (
            isinstance(part, ast.Aggregate)
            and part.function == "count"
            and isinstance(other, ast.Constant)
            and (limit := values.number(other.value)) is not None
        ):
            return self._aggregate(part, in_run, keep=min(COUNT_KEEP_MAX, max(1, int(limit) + 2)))
        return sub(part)

    def _call(self, node: ast.Call, sub: Callable[[ast.Expression], Evaluate]) -> Evaluate:
        if node.function == "segment":
            (name,) = node.arguments
            assert isinstance(name, ast.Constant)
            assert isinstance(name.value, str)
            return self.segment(name.value)
        arguments = [sub(argument) for argument in node.arguments]
        if node.function in ("hour", "weekday"):
            (moment,) = arguments
            read = zone.hour if node.function == "hour" else zone.weekday
            return lambda scope: local_time(scope, moment(scope), read)
        function = FUNCTIONS[node.function]
        if len(arguments) == 1:
            (argument,) = arguments
            return lambda scope: function(argument(scope))
        return lambda scope: function(*(argument(scope) for argument in arguments))

    def segment(self, name: str) -> Evaluate:
        """Membership, by the segment's expression; windows in it that are not written mean `ever`."""
        if name in self._open_segments:
            raise CompileError(f"the segments {' -> '.join([*self._open_segments, name])} are defined by each other")
        self._open_segments.append(name)
        member = self.compile(self._segments[name], in_run=False)
        self._open_segments.pop()
        return lambda scope: bool(member(scope))

    # --- the user's history ---------------------------------------------------------------------------------------

    def bound(self, window: ast.Window) -> Bound:
        """Where a window begins."""
        kind = window.kind
        if kind == "last":
            span = round(window.seconds * 1000)
            return lambda scope: (scope.now - span, END)
        if kind == "since_entry":
            return lambda scope: (scope.run.occurred, scope.run.ordinal - 1) if scope.run else NEVER
        if kind == "after_entry":
            return lambda scope: (scope.run.occurred, scope.run.ordinal) if scope.run else NEVER
        if kind == "since_session":
            return session_begin
        if kind == "since_event":
            key = self._plan.log(window.event, None, None, keep=1)
            return lambda scope: last_place(scope, key)
        if kind == "today":
            return lambda scope: (zone.midnight(scope.now, time_zone(scope.actor, scope.program)) - 1, END)
        return lambda scope: ALWAYS

    def rows(
        self,
        event: str,
        where: ast.Expression | None,
        window: ast.Window,
        in_run: bool,
        properties: tuple[str, ...] = (),
        keep: int = ALL_ROWS,
        horizon: int = 0,
    ) -> Callable[[Scope], list[list[object]]]:
        """The remembered events in a window that fit a condition, oldest first, each `[occurred, ordinal, *properties]`.
        `horizon`: after how many ms one may be forgotten, if the window does not say so; 0: never."""
        bound = self.bound(window)
        horizon = horizon or _horizon(window)
        if where is None or self.is_about_the_event(where):
            key = self._log(event, where, horizon, properties, keep)
            width = 2 + len(properties)
            return lambda scope: rows_after(scope.actor.memory.get(key), width, *bound(scope))
        asked = tuple(sorted({*properties, *self._own_names(where)}))
        test = self.compile(where, in_run=in_run, in_where=True)
        # What fits is known only when it is asked: of rows that do not fit, any number may be newer.
        key = self._plan.log(event, None, None, asked, horizon_ms=horizon)
        places = [2 + asked.index(name) for name in properties]

        def filtered(scope: Scope) -> list[list[object]]:
            found = []
            own = scope.looking_at(None)
            for row in rows_after(scope.actor.memory.get(key), 2 + len(asked), *bound(scope)):
                scope.looking_at(dict(zip(asked, row[2:], strict=True)))
                if test(scope):
                    found.append([row[0], row[1], *(row[place] for place in places)])
            scope.looking_at(own)
            return found

        return filtered

    def _log(
        self,
        event: str,
        where: ast.Expression | None,
        horizon: int,
        properties: tuple[str, ...] = (),
        keep: int = ALL_ROWS,
    ) -> int:
        """The log of the events that fit a condition which is about the event alone."""
        test = None if where is None else self.compile(where, in_run=False, in_where=True)
        return self._plan.log(event, where, test, properties, keep=keep, horizon_ms=horizon)

    def is_about_the_event(self, where: ast.Expression) -> bool:
        return is_about_the_event(where, self._collections)

    def _own_names(self, where: ast.Expression) -> set[str]:
        """The event's properties that a condition looks at."""
        found = set()
        for name in names_in(where):
            if name.parts[0] == "event" and len(name.parts) > 1:
                found.add(name.parts[1])
            elif name.parts[0] not in NAMESPACES and name.parts[0] not in WORDS:
                found.add(name.parts[0])
        return found

    def _did(self, node: ast.Did, in_run: bool) -> Evaluate:
        wanted, window = not node.negated, window_of(node, in_run=in_run)
        if node.event == "activity":
            bound = self.bound(window)
            return lambda scope: ((scope.actor.last_seen, END) > bound(scope) and bool(scope.actor.last_seen)) is wanted
        if node.where is None or self.is_about_the_event(node.where):
            key = self._log(node.event, node.where, _horizon(window), keep=1)
            return newest_after(key, self.bound(window), wanted)
        rows = self.rows(node.event, node.where, window, in_run, keep=1)
        return lambda scope: bool(rows(scope)) is wanted

    def _aggregate(self, node: ast.Aggregate, in_run: bool, keep: int = ALL_ROWS) -> Evaluate:
        function, of = node.function, node.property
        window = window_of(node, in_run=in_run)
        about_event = node.where is None or self.is_about_the_event(node.where)
        if window.kind == "ever" and about_event and function != "distinct":
            test = None if node.where is None else self.compile(node.where, in_run=False, in_where=True)
            key = self._plan.totals(node.event, of, node.where, test)
            return lambda scope: total(scope.actor.memory.get(key), function)
        if function == "count" and about_event and window.kind == "last":
            key = self._log(node.event, node.where, _horizon(window), (of,) if of else (), keep)
            return count_within(key, 3 if of else 2, round(window.seconds * 1000))
        rows = self.rows(node.event, node.where, window, in_run, (of,) if of else (), keep)
        if function == "count":
            return lambda scope: len(rows(scope))
        if function == "distinct":
            return lambda scope: different(rows(scope))
        return lambda scope: reduced(function, [n for row in rows(scope) if (n := values.number(row[2])) is not None])

    def _pick(self, node: ast.Pick, in_run: bool) -> Evaluate:
        about_event = node.where is None or self.is_about_the_event(node.where)
        if node.which == "first" and about_event:
            test = None if node.where is None else self.compile(node.where, in_run=False, in_where=True)
            key = self._plan.first(node.event, node.property, node.where, test)
            return lambda scope: (scope.actor.memory.get(key) or (0, 0, None))[2]
        rows = self.rows(node.event, node.where, EVER, in_run, (node.property,), keep=1)
        place = -1 if node.which == "last" else 0
        return lambda scope: found[place][2] if (found := rows(scope)) else None

    def _top(self, node: ast.Top, in_run: bool) -> Evaluate:
        span = None if node.half_life is None else round(node.half_life * 1000)
        window = window_of(node, in_run=in_run)
        if window.kind == "ever":
            key = self._plan.tally(node.event, node.property, node.half_life)
            return lambda scope: next(iter(tally_ranking(scope.actor.memory.get(key), scope.now, span)), None)
        rows = self.rows(node.event, None, window, in_run, (node.property,))
        return lambda scope: most_frequent(rows(scope), scope.now, span)


def _horizon(window: ast.Window) -> int:
    """After how many ms an event has left the window for good; 0: never."""
    if window.kind == "today":
        return TODAY_MS
    return round(window.seconds * 1000) if window.kind == "last" else 0


def _is_null(node: ast.Expression) -> bool:
    return isinstance(node, ast.Constant) and node.value is None
