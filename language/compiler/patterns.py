"""PatternCompiler of the syntax tree to compiled ones (language.md §3)."""

from __future__ import annotations

from actors.model import compiled_patterns as shapes
from actors.model.memory import slot_key
from actors.model.scope import Evaluate, Scope
from language.compiler.expressions import Expressions
from language.compiler.memory import Plan, canonical_text
from language.syntax import ast


def milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


class PatternCompiler:
    """Compiles the patterns of one site. The keys under which partial matches are kept are stable: equal patterns of one
    campaign have equal keys in every version."""

    def __init__(self, expressions: Expressions, plan: Plan) -> None:
        self._expressions = expressions
        self._plan = plan

    def compile(self, pattern: ast.Pattern, campaign: str, *, in_run: bool) -> shapes.Pattern:
        key = slot_key(canonical_text("pattern", campaign, pattern))
        match pattern:
            case ast.EventPattern():
                return self._match(pattern, in_run)
            case ast.ThenPattern(absent=None, steps=steps, within=within, text=text):
                chain = tuple(self._match(step, in_run) for step in steps)
                return shapes.SequencePattern(key=key, steps=chain, within=milliseconds(within), text=text)
            case ast.ThenPattern(absent=absent, steps=steps, within=within, text=text):
                assert absent is not None
                return shapes.Absence(
                    key=key,
                    steps=tuple(self._match(step, in_run) for step in steps),
                    absent=self._match(absent, in_run),
                    last_absent=self._last(absent),
                    within=milliseconds(within),
                    text=text,
                )
            case ast.AllPattern(patterns=patterns, within=within, text=text):
                matches = tuple(self._match(one, in_run) for one in patterns)
                return shapes.AllOf(key=key, matches=matches, within=milliseconds(within), text=text)
            case ast.SessionPattern(steps=steps, ordered=ordered, text=text):
                parts = tuple(self._match(step, in_run) for step in steps)
                if ordered:
                    return shapes.SequencePattern(
                        key=key, steps=parts, within=shapes.ANY_TIME, text=text, in_session=True
                    )
                return shapes.AllOf(key=key, matches=parts, within=shapes.ANY_TIME, text=text, in_session=True)
            case ast.SilencePattern(event="activity", seconds=seconds, text=text):
                return shapes.Silence(key=key, last=None, event="activity", span=milliseconds(seconds), text=text)
            case ast.SilencePattern(event=event, where=where, seconds=seconds, text=text):
                one = ast.EventPattern(event=event, where=where)
                return shapes.Silence(
                    key=key,
                    last=self._last(one),
                    event=event,
                    heard=None if self._is_kept(where) else self._match(one, in_run),
                    span=milliseconds(seconds),
                    text=text,
                )
            case ast.SegmentPattern(segment=segment, entered=entered, text=text):
                return shapes.Membership(segment=segment, entered=entered, text=text)
            case ast.CalledPattern(text=text):
                return shapes.Match(event="called", where=_called(campaign), text=text)

    def _match(self, pattern: ast.EventPattern, in_run: bool) -> shapes.Match:
        where = pattern.where
        test = None if where is None else self._expressions.compile(where, in_run=in_run, in_where=True)
        return shapes.Match(event=pattern.event, where=test, text=pattern.text or pattern.event)

    def told(
        self, pattern: ast.Pattern, match: shapes.Pattern, lateness: int, value: str | None = None, keep: int = 1
    ) -> shapes.ArrivedEarly | None:
        """How a run that begins late finds an exit or a goal that was told before; None if it does not look for it."""
        if not isinstance(pattern, ast.EventPattern) or not isinstance(match, shapes.Match):
            return None
        properties = () if value is None else (value,)
        rows = self._expressions.rows(
            pattern.event,
            pattern.where,
            ast.Window(kind="after_entry"),
            True,
            properties,
            keep=keep,
            horizon=max(1, lateness),
        )
        return shapes.ArrivedEarly(pattern=match, rows=rows)

    def _is_kept(self, where: ast.Expression | None) -> bool:
        return where is None or self._expressions.is_about_the_event(where)

    def _last(self, pattern: ast.EventPattern) -> int:
        """The log of the newest such events, to know when one came last; a condition that looks at more than the event
        is not remembered, and then nothing is known of what came before."""
        where = pattern.where
        if where is None:
            return self._plan.log(pattern.event, None, None, keep=8)
        if not self._is_kept(where):
            return slot_key(canonical_text("never kept", pattern))
        test = self._expressions.compile(where, in_run=False, in_where=True)
        return self._plan.log(pattern.event, where, test, keep=8)


def _called(campaign: str) -> Evaluate:
    """A call is for the campaign that it names; one that names none is for all."""

    def called(scope: Scope) -> bool:
        return scope.properties.get("campaign") in (None, campaign)

    return called
