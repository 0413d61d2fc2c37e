"""Questions about the user's history in words: how often it came, when it last came, what came too late."""

from __future__ import annotations

import math
from collections.abc import Callable

from actors.model.scope import Scope
from actors.model.state import Run
from actors.values import values
from language.compiler.windows import EVER, window_of
from language.syntax import ast
from language.syntax.unparse import event_text, where_text
from replay.explain import words
from replay.explain.fold import KEEP, Moment
from replay.explain.language import Language

Rows = Callable[[Scope], list[list[object]]]


class History:
    """Counts come from the actor that forgets nothing. They are `at least` if the journal does not reach back."""

    def __init__(self, language: Language, moment: Moment, run: Run | None, in_run: bool) -> None:
        self._language = language
        self._moment = moment
        self._run = run
        self._in_run = in_run

    def _times(self, event: str, where: ast.Expression | None, window: ast.Window) -> list[int]:
        """When each came that is in the window, oldest first, in ms."""
        rows = self._language.expressions.rows(event, where, window, self._in_run, keep=KEEP)
        return [row[0] for row in rows(self._moment.remembering(self._run)) if isinstance(row[0], int)]

    def _at_least(self) -> str:
        return "" if self._moment.complete else "at least "

    def _ago(self, at: int) -> str:
        return words.ago(at, self._moment.now)

    def _moment_of(self, at: int) -> str:
        return words.moment(at, self._moment.now)

    # --- count(E, W) > n ---------------------------------------------------------------------------------------------

    def count(self, node: ast.Aggregate, operator: str, limit: object, *, holds: bool) -> tuple[str, str] | None:
        """(what it saw, the nearest miss); None if the limit is no number."""
        bound = values.number(limit)
        if bound is None:
            return None
        evaluate = self._language.compile(node, in_run=self._in_run)
        meant = window_of(node, in_run=self._in_run)
        real = evaluate(self._moment.scope(self._run))
        times = self._times(node.event, node.where, meant)
        found = max(len(times), real if isinstance(real, int) else 0)
        needed = _needed(operator, bound)
        what = event_text(node.event) + where_text(node.where)
        window = self._window(meant)
        if needed is None:
            wanted = "" if holds else f", needs {operator} {words.number(bound)}"
            saw = f"{self._at_least()}{found} {what} {window}{wanted}"
        elif holds and operator != "=":
            saw = f"{self._at_least()}{found} {what} {window}, {needed} {'is' if needed == 1 else 'are'} enough"
        else:
            saw = f"{self._at_least()}{found} of {needed} {what} {window}"
        saw += self._leaving(times, node.window)
        nearest = "" if holds or not needed else self._nearest(node, needed)
        return saw, nearest

    def _window(self, window: ast.Window) -> str:
        match window.kind:
            case "last":
                return f"in the last {words.span(window.seconds * 1000)}"
            case "since_entry":
                return "from the entry on"
            case "after_entry":
                return "since the entry"
            case "since_session":
                return "in this session"
            case "since_event":
                return f"since {event_text(window.event)}"
            case "today":
                return "today"
            case _:
                return "in all"

    def _leaving(self, times: list[int], window: ast.Window | None) -> str:
        if window is None or window.kind != "last" or not times:
            return ""
        leaves = self._moment_of(times[0] + round(window.seconds * 1000))
        return f"; the oldest leaves at {leaves}" if len(times) > 1 else f"; it leaves at {leaves}"

    def _nearest(self, node: ast.Aggregate, needed: int) -> str:
        """By how little so many missed one window: `the third came 4s late`."""
        if node.window is None or node.window.kind != "last" or not node.window.seconds:
            return ""
        span = round(node.window.seconds * 1000)
        times = self._times(node.event, node.where, EVER)
        tries = [
            (times[i + needed - 1] - times[i] - span, times[i + needed - 1]) for i in range(len(times) - needed + 1)
        ]
        if not tries:
            return ""
        late, at = min(tries, key=lambda one: (max(one[0], -1), -one[1]))
        if late < 0:
            return f"there were {needed} at {self._moment_of(at)}"
        if late == 0:
            return f"the {words.ordinal(needed)} came at {self._moment_of(at)}, just as the first left the window"
        return f"the {words.ordinal(needed)} came {words.span(late)} late, at {self._moment_of(at)}"

    def sources(self, node: ast.Aggregate) -> str:
        """`, of 3 events` behind a sum or an average."""
        window = window_of(node, in_run=self._in_run)
        if window.kind == "ever":
            return ""
        of = (node.property,) if node.property else ()
        rows = self._language.expressions.rows(node.event, node.where, window, self._in_run, of, keep=KEEP)
        times = [row[0] for row in rows(self._moment.remembering(self._run)) if isinstance(row[0], int)]
        return f", of {words.counted(len(times), 'event')} {self._window(window)}{self._leaving(times, window)}"

    # --- did E, no E -------------------------------------------------------------------------------------------------

    def did(self, node: ast.Did, *, holds: bool) -> tuple[str, str]:
        if node.event == "activity":
            seen = self._moment.actor.last_seen
            return (f"last active {self._ago(seen)}" if seen else "never active"), ""
        meant = window_of(node, in_run=self._in_run)
        times = self._times(node.event, node.where, meant)
        what = event_text(node.event) + where_text(node.where)
        window = self._window(meant)
        if times:
            often = f", {len(times)} times {window}" if len(times) > 1 else ""
            return f"{what} came {self._ago(times[-1])}{often}{self._stays(times[-1], node.window)}", ""
        ever = self._times(node.event, node.where, EVER)
        if not ever:
            return f"{what} has not come{'' if self._moment.complete else ' as far as is known'}", ""
        saw = f"{what} has not come {window}" if window != "in all" else f"{what} has not come"
        return f"{saw}; it last came {self._ago(ever[-1])}", self._outside(ever[-1], node) if not holds else ""

    def _stays(self, at: int, window: ast.Window | None) -> str:
        if window is None or window.kind != "last":
            return ""
        return f"; it leaves the window at {self._moment_of(at + round(window.seconds * 1000))}"

    def _outside(self, at: int, node: ast.Did) -> str:
        """How long ago a rolling window lost it."""
        if node.window is None or node.window.kind != "last":
            return ""
        left = self._moment.now - at - round(node.window.seconds * 1000)
        return f"it left the window {words.span(left)} ago" if left > 0 else ""


def _needed(operator: str, bound: float) -> int | None:
    """How many are enough; None if fewer are wanted."""
    match operator:
        case ">":
            return math.floor(bound) + 1
        case ">=" | "=":
            return math.ceil(bound)
        case _:
            return None
