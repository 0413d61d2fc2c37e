"""What has happened over time: the matches of a pattern, found by trying all of the history.

The rules: each occurrence of the first event starts a partial match of its own; one event gives at most one match; what a
match used is used up; a match grows in the order in which its events are told, and they must also have happened in it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

from language.syntax import ast
from language.syntax.vocabulary import COLLECTIONS
from tests.reference.history import Happening

Fits = Callable[[ast.EventPattern, Happening], bool]


@dataclass(frozen=True)
class Deadline:
    """When `a then no b` will have matched, if nothing comes in between, and the event whose properties it has."""

    at: int
    last: Happening


def milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


def simple_parts(pattern: ast.Pattern) -> tuple[ast.EventPattern, ...]:
    """The event patterns that a pattern is made of."""
    match pattern:
        case ast.EventPattern():
            return (pattern,)
        case ast.ThenPattern(steps=steps, absent=absent):
            return (*steps, *([absent] if absent is not None else []))
        case ast.AllPattern(patterns=patterns) | ast.SessionPattern(steps=patterns):
            return patterns
        case ast.SilencePattern(event=event, where=where):
            return (ast.EventPattern(event=event, where=where),)
        case _:
            return ()


def looks_beyond_the_event(node: object) -> bool:
    """Whether a condition looks at the run or the user too: then it is decided when the event is told."""
    if isinstance(node, ast.Name):
        return node.parts[0] in ("entry", "user", "run", "session", "now", "idle", "signed_in", *COLLECTIONS)
    if isinstance(node, ast.Did | ast.Aggregate | ast.Pick | ast.Top | ast.Score):
        return True
    if isinstance(node, tuple):
        return any(map(looks_beyond_the_event, node))
    return isinstance(node, ast.Node) and any(
        looks_beyond_the_event(getattr(node, name)) for name in node.__struct_fields__
    )


def completed(
    pattern: ast.Pattern, newest: Happening, before: list[Happening], fits: Fits, session: list[Happening]
) -> list[Happening] | None:
    """The events of the match that the newest event told completes, if it does. `before` are those told before it that
    no match has used up; `session` what the user did in the session that is open."""
    match pattern:
        case ast.SessionPattern(steps=steps, ordered=ordered):
            if not session or newest.occurred < session[0].occurred:
                return None
            within = [one for one in before if one.occurred >= session[0].occurred]
            whole = (newest.occurred - session[0].occurred) / 1000
            if ordered:
                return _chain(ast.ThenPattern(steps=steps, within=whole), newest, within, fits)
            return _gathering(ast.AllPattern(patterns=steps, within=whole), newest, within, fits)
        case ast.EventPattern():
            return [newest] if fits(pattern, newest) else None
        case ast.ThenPattern(absent=None):
            return _chain(pattern, newest, before, fits)
        case ast.AllPattern():
            return _gathering(pattern, newest, before, fits)
        case _:
            return None


def _chain(pattern: ast.ThenPattern, newest: Happening, before: list[Happening], fits: Fits) -> list[Happening] | None:
    """`a then b then c within T`: of the chains that the newest event may complete, that of the oldest first event, and
    then of the oldest next ones."""
    if not fits(pattern.steps[-1], newest):
        return None
    chains: list[list[Happening]] = [[]]
    for step in pattern.steps[:-1]:
        chains = [[*chain, one] for chain in chains for one in before if fits(step, one) and _follows(one, chain)]
    whole = [
        [*chain, newest]
        for chain in chains
        if _follows(newest, chain) and newest.occurred - chain[0].occurred <= milliseconds(pattern.within)
    ]
    return min(whole, key=lambda chain: [one.place for one in chain], default=None)


def _follows(one: Happening, chain: list[Happening]) -> bool:
    return not chain or (one.place > chain[-1].place and one.ordinal > chain[-1].ordinal)


def _gathering(
    pattern: ast.AllPattern, newest: Happening, before: list[Happening], fits: Fits
) -> list[Happening] | None:
    """`all(a, b) within T`: with the newest event told, the newest others that fit in one window with it."""
    for step, one in enumerate(pattern.patterns):
        if not fits(one, newest):
            continue
        others = [part for number, part in enumerate(pattern.patterns) if number != step]
        gatherings = [
            [*chosen, newest]
            for chosen in product(*([other for other in before if fits(part, other)] for part in others))
            if len(set(chosen)) == len(chosen) and _spread([*chosen, newest]) <= milliseconds(pattern.within)
        ]
        if gatherings:
            return max(gatherings, key=lambda chosen: [other.place for other in chosen])
    return None


def _spread(events: list[Happening]) -> int:
    times = [one.occurred for one in events]
    return max(times) - min(times)


def deadlines(pattern: ast.ThenPattern, known: list[Happening], fits: Fits, comes: Fits) -> list[Deadline]:
    """Every moment at which `a then no b within T` has matched or will have, by what we know now. `fits` says what the
    pattern has heard of, `comes` what is a `b` at all: one that was told before its `a` speaks against it too."""
    assert pattern.absent is not None
    (first,) = pattern.steps
    within = milliseconds(pattern.within)
    found = []
    for one in known:
        at = max(one.occurred + within, one.at)
        if fits(first, one) and not any(
            other.at <= at
            and one.place < other.place <= (one.occurred + within, other.ordinal)
            and comes(pattern.absent, other)
            for other in known
        ):
            found.append(Deadline(at, one))
    return found
