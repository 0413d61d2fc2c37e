"""When could an expression change although nothing happens? At any length of time that the site mentions after anything
that ever happened, and when a clock on the wall strikes a quarter: each such instant is tried, in order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from language.syntax import ast
from tests.reference.clocks import day_ends
from tests.reference.expressions import Moment, is_member, is_true
from tests.reference.history import SESSION_MS
from tests.reference.runs import Person, Run

QUARTER_MS = 15 * 60_000
QUARTERS = 8 * 24 * 4
DAYS = 9


def next_change(site: ast.Site, person: Person, now: int, run: Run | None = None) -> int | None:
    """The first instant from now on at which the condition that a run waits for becomes true; without a run: at which the
    user enters or leaves a segment that some pattern of the site watches."""
    if run is None:
        names = {found.segment for found in _parts(site.campaigns) if isinstance(found, ast.SegmentPattern)}
        parts = [dict(site.profile.segments)[name] for name in sorted(names)]
        if not names:
            return None

        def changed(at: int) -> bool:
            moment = Moment(site, person.history, at)
            return any(is_member(name, moment) != (name in person.member_of) for name in names)
    else:
        step = run.steps[0]
        assert isinstance(step, ast.WaitWhen)
        parts = [step.condition]

        def changed(at: int) -> bool:
            return is_true(step.condition, Moment(site, person.history, at, run, in_run=True))

    if not any(isinstance(found, ast.Node) for found in parts):
        return None
    if person.history.facts and changed(now):
        return now
    last = now
    for at in sorted(set(_instants(site, person, now, parts))):
        if at <= now:
            continue
        if changed(at):
            return _first(changed, last, at) if any(isinstance(one, ast.Score) for one in _parts(parts)) else at
        last = at
    return None


def _first(changed: Any, low: int, high: int) -> int:
    """Scores fall all the time: the instant between two at which one has fallen far enough."""
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if changed(middle) else (middle, high)
    return high


def _instants(site: ast.Site, person: Person, now: int, parts: list[ast.Expression]) -> Iterator[int]:
    yield now + 1
    nodes = list(_parts(parts))
    for node in list(nodes):
        if isinstance(node, ast.Call) and node.function == "segment":
            nodes += list(_parts(site.profile.segments))
    spans = {SESSION_MS, *(round(s * 1000) for s in _seconds(nodes))}
    happened = person.history.told()
    starts = {one.occurred for one in happened} | {one.at for one in happened} | {run.entered for run in person.runs}
    for start in starts:
        for span in spans:
            yield from (start + span - 1, start + span, start + span + 1)
    if any(isinstance(node, ast.Call) and node.function in ("hour", "weekday") for node in nodes):
        yield from ((now // QUARTER_MS + quarter) * QUARTER_MS for quarter in range(1, QUARTERS))
    if any(isinstance(node, ast.Window) and node.kind == "today" for node in nodes):
        day = now
        zone = Moment(site, person.history, now).zone.key
        for _ in range(DAYS):
            day = day_ends(day, zone)
            yield day
    if any(isinstance(node, ast.Score) for node in nodes):
        yield now + 400 * 86_400_000


def _seconds(nodes: list[Any]) -> Iterator[float]:
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not isinstance(node.value, bool):
            if 0 < node.value < 1e9:
                yield node.value
        elif isinstance(node, ast.Window) and node.seconds:
            yield node.seconds


def _parts(value: Any) -> Iterator[Any]:
    if isinstance(value, list | tuple):
        for part in value:
            yield from _parts(part)
    elif isinstance(value, msgspec.Struct):
        yield value
        for name in value.__struct_fields__:
            yield from _parts(getattr(value, name))
