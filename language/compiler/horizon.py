"""When an expression may change although nothing happens: what `wait: {when: …}` has to look at again, and when.

A window loses its oldest event, a day begins, an age passes a threshold. No polling: each part of the expression says
the next instant at which its own value can change, and the earliest of them counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from actors.model.local_time import time_zone
from actors.model.scope import SESSION_MS, Evaluate, Horizon, Scope
from actors.model.state import Run
from actors.values import values, zone
from language.compiler.expressions import Expressions
from language.compiler.memory import names_in
from language.compiler.names import CONTINUOUS
from language.syntax import ast
from language.syntax.operators import COMPARISONS

FAR_MS: Final = 10 * 366 * 86_400_000
"""Changes later than ten years from now are not looked for."""


def compile_horizon(
    node: ast.Expression, expressions: Expressions, segments: dict[str, ast.Expression], *, in_run: bool = True
) -> Horizon:
    """The next instant, in ms and after `scope.now`, at which `node` may change by time alone; 0 if it cannot.
    `in_run`: windows that are not written mean `since entry`."""
    parts = list(_parts(node, expressions, segments, in_run=in_run))
    return lambda scope: min((at for part in parts if (at := part(scope)) > scope.now), default=0)


def _parts(
    node: Any, expressions: Expressions, segments: dict[str, ast.Expression], *, in_run: bool
) -> Iterator[Horizon]:
    if isinstance(node, tuple):
        for part in node:
            yield from _parts(part, expressions, segments, in_run=in_run)
        return
    if not isinstance(node, ast.Node):
        return
    if isinstance(node, ast.Call) and node.function == "segment":
        (name,) = node.arguments
        assert isinstance(name, ast.Constant)
        yield from _parts(segments[str(name.value)], expressions, segments, in_run=False)
        return
    if isinstance(node, ast.Binary) and node.operator in COMPARISONS and _changes_steadily(node, segments):
        yield _crossing(_order(node, expressions, in_run), in_session=("session", "duration") in _name_parts(node))
    yield from _own(node, expressions, in_run)
    for field in node.__struct_fields__:
        yield from _parts(getattr(node, field), expressions, segments, in_run=in_run)


def _own(node: ast.Node, expressions: Expressions, in_run: bool) -> Iterator[Horizon]:
    match node:
        case ast.Did(event="activity", window=ast.Window(kind="last", seconds=seconds)):
            span = round(seconds * 1000)
            yield lambda scope: scope.actor.last_seen + span
        case ast.Did(event=event, where=where, window=ast.Window(kind="last") as window):
            yield _leaving(expressions, event, where, window, in_run)
        case ast.Aggregate(event=event, where=where, window=ast.Window(kind="last") as window):
            yield _leaving(expressions, event, where, window, in_run)
        case ast.Top(event=event, window=ast.Window(kind="last") as window):
            yield _leaving(expressions, event, None, window, in_run)
        case ast.Window(kind="today"):
            yield lambda scope: zone.next_midnight(scope.now, time_zone(scope.actor, scope.program))
        case ast.Call(function="hour"):
            yield lambda scope: zone.next_hour(scope.now)
        case ast.Call(function="weekday"):
            yield lambda scope: zone.next_midnight(scope.now, time_zone(scope.actor, scope.program))
        case ast.Name(parts=("session", _)) | ast.Window(kind="since_session"):
            yield lambda scope: scope.actor.last_seen + SESSION_MS
        case _:
            pass


def _leaving(
    expressions: Expressions, event: str, where: ast.Expression | None, window: ast.Window, in_run: bool
) -> Horizon:
    """When the oldest event of a rolling window leaves it: at exactly its age, for the window is open there."""
    rows = expressions.rows(event, where, window, in_run, keep=1)
    span = round(window.seconds * 1000)

    def leaves(scope: Scope) -> int:
        found = rows(scope)
        oldest = found[0][0] if found else -span
        assert isinstance(oldest, int)
        return oldest + span

    return leaves


def _changes_steadily(node: Any, segments: dict[str, ast.Expression]) -> bool:
    """Whether a value in it changes with every instant: an age, or a score that decays."""
    if isinstance(node, tuple):
        return any(_changes_steadily(part, segments) for part in node)
    if isinstance(node, ast.Score) or (isinstance(node, ast.Name) and node.parts in CONTINUOUS):
        return True
    if isinstance(node, ast.Call) and node.function in ("hour", "weekday", "segment"):
        return False
    return isinstance(node, ast.Node) and any(
        _changes_steadily(getattr(node, field), segments) for field in node.__struct_fields__
    )


def _order(node: ast.Binary, expressions: Expressions, in_run: bool) -> Callable[[Scope], tuple[bool, bool]]:
    """Whether left is below right, and below or equal: what a comparison can tell apart."""
    left: Evaluate = expressions.compile(node.left, in_run=in_run)
    right: Evaluate = expressions.compile(node.right, in_run=in_run)

    def order(scope: Scope) -> tuple[bool, bool]:
        a, b = left(scope), right(scope)
        return values.less(a, b), values.less_or_equal(a, b)

    return order


def _name_parts(node: ast.Expression) -> set[tuple[str, ...]]:
    return {name.parts for name in names_in(node)}


def _crossing(order: Callable[[Scope], tuple[bool, bool]], *, in_session: bool) -> Horizon:
    """The first instant at which the order of the two sides differs from now, by bisection: ages only grow and scores
    only fall, so their order changes once; the age of a session only until the session ends."""

    def crosses(scope: Scope) -> int:
        start, run = scope.now, scope.run
        before = order(scope)
        low, high = start, start + FAR_MS
        if in_session and scope.actor.last_seen + SESSION_MS > start:
            high = scope.actor.last_seen + SESSION_MS - 1
        if _at(scope, run, high, order) == before:
            return 0
        while high - low > 1:
            middle = (low + high) // 2
            if _at(scope, run, middle, order) == before:
                low = middle
            else:
                high = middle
        scope.now = start
        return high

    def restored(scope: Scope) -> int:
        now = scope.now
        try:
            return crosses(scope)
        finally:
            scope.now = now

    return restored


def _at(scope: Scope, run: Run | None, now: int, order: Callable[[Scope], tuple[bool, bool]]) -> tuple[bool, bool]:
    scope.now, scope.run = now, run
    return order(scope)


_ANY_EVENT: Final = frozenset({("idle",), ("signed_in",), ("user", "first_seen"), ("user", "last_seen")})


def changes_with_any_event(node: Any, segments: dict[str, ast.Expression]) -> bool:
    """Whether an event that nobody else cares about may change it: it looks at the session or the last activity."""
    if isinstance(node, tuple):
        return any(changes_with_any_event(part, segments) for part in node)
    if isinstance(node, ast.Name):
        return node.parts in _ANY_EVENT or node.parts[0] == "session"
    if isinstance(node, ast.Did) and node.event == "activity":
        return True
    if isinstance(node, ast.Window) and node.kind == "since_session":
        return True
    if isinstance(node, ast.Call) and node.function == "segment":
        (name,) = node.arguments
        assert isinstance(name, ast.Constant)
        return changes_with_any_event(segments[str(name.value)], segments)
    return isinstance(node, ast.Node) and any(
        changes_with_any_event(getattr(node, field), segments) for field in node.__struct_fields__
    )
