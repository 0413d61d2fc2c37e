"""What has just matched: patterns over time, with their partial matches (language.md §3).

The rules: each occurrence of the first event starts a partial match of its own; an event advances every partial match
that waits for it; it completes at most one, the oldest; and what a match used is used up: partial matches that share an
event with it go back to before that event. Order and distances are those of the history, (occurred, ordinal).

Partial matches live in a dict by the pattern's key: the actor's for entry patterns, the run's for those inside a run.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from actors.model.compiled_patterns import (
    Absence,
    AllOf,
    EventPattern,
    Match,
    Pattern,
    SequencePattern,
    Silence,
    Timed,
    Unmatched,
)
from actors.model.memory import rows_after
from actors.model.scope import SESSION_MS
from actors.model.state import Actor, Run
from actors.model.work import Work
from actors.values.intern import shared
from actors.values.kept import BODY_BYTES_MAX
from actors.values.kept import kept as kept_body

PARTIALS_MAX: Final = 32
"""Partial matches of one pattern; past it the oldest is dropped."""

BESIDE: Final = 1 << 48
"""Added to a pattern's key (of 48 bits), for what is kept beside its partial matches: of a longer chain the events that fit a
step between its first and its last, of a silence when its event last came."""

Holder = Actor | Run
"""Whose partial matches they are."""


class Found(msgspec.Struct, frozen=True):
    """A match: the event that it ended with, whose properties are `entry.x` of a run it starts."""

    body: bytes
    occurred: int
    ordinal: int
    unproven: bool = False
    """Whether nothing proved what it ended with; of an event at hand the work says it."""


def fits(work: Work, match: Match, run: Run | None) -> bool:
    """Whether the event at hand is the one of a simple pattern; `entry.x` in its condition is the run's."""
    event = work.event
    if event is None or match.event != event.name:
        return False
    if match.where is None:
        return True
    work.run = run
    return bool(match.where(work))


def feed(work: Work, pattern: EventPattern, holder: Holder, run: Run | None) -> Found | None:
    """Let the pattern take in the event at hand; the match it completes now, if it does."""
    match pattern:
        case Match():
            return at_hand(work) if fits(work, pattern, run) else None
        case SequencePattern() | AllOf() if pattern.in_session and not _in_session(work):
            return None  # feed late of an earlier session, or while none is open
        case SequencePattern():
            return _feed_sequence(work, pattern, holder, run)
        case AllOf():
            return _feed_all(work, pattern, holder, run)
        case Absence():
            _feed_absence(work, pattern, holder, run)
            return None
        case Silence():
            if pattern.heard is not None and fits(work, pattern.heard, run):
                _store(holder, pattern.key + BESIDE, max(_kept(holder, pattern.key + BESIDE) or 0, work.occurred))
            return None


def _in_session(work: Work) -> bool:
    """Whether the event at hand happened in the session that is open."""
    actor = work.actor
    return actor.session_start <= work.occurred and work.occurred - actor.last_seen < SESSION_MS


def feed_against(work: Work, pattern: Pattern, holder: Holder, run: Run | None) -> None:
    """Let the event at hand end what waits for its absence, and nothing else."""
    if isinstance(pattern, Absence):
        _feed_absence(work, pattern, holder, run, only_against=True)


def feed_past(work: Work, pattern: Pattern, holder: Holder, run: Run | None) -> None:
    """Let what history tells end what waits for its absence or follows its silence: it is a part of no match."""
    if isinstance(pattern, Silence):
        feed(work, pattern, holder, run)
    else:
        feed_against(work, pattern, holder, run)


def at_hand(work: Work) -> Found:
    """The event at hand, as a match that it completes."""
    assert work.event is not None
    return Found(work.body, work.occurred, work.ordinal)


# --- a then b then c: partials `[[occurred, ordinal], …]`, one place for each step taken, oldest partial first -----------


def _feed_sequence(work: Work, pattern: SequencePattern, holder: Holder, run: Run | None) -> Found | None:
    place = [work.occurred, work.ordinal]
    kept = sorted(one for one in _kept(holder, pattern.key) if one[0][0] >= _oldest(work, pattern))
    used: list[list[int]] | None = None
    fitting = [fits(work, step, run) for step in pattern.steps]
    last = len(pattern.steps) - 1
    waiting = [one for one in kept if one[-1] < place and place[0] - one[0][0] <= pattern.within]
    for one in waiting:
        if len(one) == last and fitting[last]:
            used = [*one, place]
            break
    if used is None:
        for one in waiting:
            if len(one) < last and fitting[len(one)]:
                one.append(place)
        if fitting[0]:
            kept.append([place])
    else:
        kept = [rest for one in kept if (rest := _before_used(one, used))]
    if last > 1:
        _pass_over(work, pattern, holder, fitting, kept, used)
    _store(holder, pattern.key, kept)
    return at_hand(work) if used is not None else None


def _pass_over(
    work: Work,
    pattern: SequencePattern,
    holder: Holder,
    fitting: list[bool],
    kept: list[Any],
    used: list[list[int]] | None,
) -> None:
    """In a longer chain, partial matches that went back go on with what they had passed over: events `[step, occurred,
    ordinal]` that fit a step in between and that no match has used."""
    key, place = pattern.key + BESIDE, [work.occurred, work.ordinal]
    spare = [one for one in _kept(holder, key) if one[1] >= _oldest(work, pattern)]
    if used is None:
        spare += [[step, *place] for step in range(1, len(fitting) - 1) if fitting[step]]
    else:
        spare = [one for one in spare if one[1:] not in used]
        for one in kept:
            while len(one) < len(fitting) - 1:
                after = [
                    other[1:]
                    for other in spare
                    if other[0] == len(one) and other[1:] > one[-1] and other[1] - one[0][0] <= pattern.within
                ]
                if not after:
                    break
                one.append(min(after))
    _store(holder, key, spare)


def _oldest(work: Work, pattern: SequencePattern | AllOf | Absence) -> int:
    """When what may still become part of a match must have happened: the next event may be feed late."""
    if not isinstance(pattern, Absence) and pattern.in_session:
        return work.actor.session_start
    return work.now - work.program.policy.lateness - pattern.within


def _before_used(one: list[list[int]], used: list[list[int]]) -> list[list[int]]:
    """The part of a partial match that shares no event with a match."""
    for step, place in enumerate(one):
        if place in used:
            return one[:step]
    return one


def _kept(holder: Holder, key: int) -> Any:
    """The partial matches of a pattern, oldest first; of a silence, when it last matched."""
    return () if holder.partials is None else holder.partials.get(key, ())


def _store(holder: Holder, key: int, kept: Any) -> None:
    if kept:
        holder.partials = holder.partials or {}
        holder.partials[key] = kept[-PARTIALS_MAX:] if isinstance(kept, list) else kept
    elif holder.partials is not None:
        holder.partials.pop(key, None)
        holder.partials = holder.partials or None


# --- all(a, b): partials `[step, occurred, ordinal]`, oldest first -----------------------------------------------------


def _feed_all(work: Work, pattern: AllOf, holder: Holder, run: Run | None) -> Found | None:
    kept = [one for one in _kept(holder, pattern.key) if one[1] >= _oldest(work, pattern)]
    fitting = [step for step, match in enumerate(pattern.matches) if fits(work, match, run)]
    for step in fitting:
        chosen = _companions(work, pattern, kept, step)
        if chosen is not None:
            _store(holder, pattern.key, [one for one in kept if [one[1], one[2]] not in chosen])
            return at_hand(work)
    kept += [[step, work.occurred, work.ordinal] for step in fitting]
    kept.sort(key=lambda one: (one[1], one[2]))
    _store(holder, pattern.key, kept)
    return None


def _companions(work: Work, pattern: AllOf, kept: list[Any], step: int) -> list[list[int]] | None:
    """Different events for each of the other steps, all in one window with the event at hand: the newest that will do."""
    return _chosen(
        pattern, kept, [other for other in range(len(pattern.matches)) if other != step], [[work.occurred, 0]]
    )


def _chosen(pattern: AllOf, kept: list[Any], steps: list[int], taken: list[list[int]]) -> list[list[int]] | None:
    if not steps:
        return taken[1:]
    step, *others = steps
    for one in reversed(kept):
        place = [one[1], one[2]]
        times = [one[1], *(other[0] for other in taken)]
        if one[0] == step and place not in taken and max(times) - min(times) <= pattern.within:
            found = _chosen(pattern, kept, others, [*taken, place])
            if found is not None:
                return found
    return None


# --- a then no b: partials `[deadline or 0, [[occurred, ordinal], …], raw properties of the last]`, and a fourth part, true,
# --- if nothing proved the last -----------------------------------------------------------------------------------------


def _feed_absence(work: Work, pattern: Absence, holder: Holder, run: Run | None, *, only_against: bool = False) -> None:
    place = [work.occurred, work.ordinal]
    kept = list(_kept(holder, pattern.key))
    if fits(work, pattern.absent, run):
        kept = [
            one for one in kept if not (one[0] and one[1][-1] < place and place[0] <= one[1][-1][0] + pattern.within)
        ]
    kept = [one for one in kept if one[0] or one[1][0][0] >= _oldest(work, pattern)]
    fitting = [not only_against and fits(work, step, run) for step in pattern.steps]
    advanced = [
        one
        for one in kept
        if not one[0] and fitting[len(one[1])] and one[1][-1] < place and place[0] - one[1][0][0] <= pattern.within
    ]
    chains = [[*one[1], place] for one in advanced] + ([[place]] if fitting[0] else [])
    kept = [one for one in kept if one not in advanced]
    for chain in chains:
        if len(chain) < len(pattern.steps):
            kept.append([0, chain, b"{}"])
        elif not _answered(work.actor, pattern, place):
            body = shared(kept_body(work.body, BODY_BYTES_MAX)) if run is None else b"{}"  # of a run nobody asks
            whole = [max(place[0] + pattern.within, work.now), chain, body]
            kept.append([*whole, True] if work.unproven else whole)
    _store(holder, pattern.key, kept)


def _answered(actor: Actor, pattern: Absence, place: list[int]) -> bool:
    """Whether the absent event is known to have come after `place` already: it was feed before its first."""
    state = actor.memory.get(pattern.last_absent)
    return any(occurred <= place[0] + pattern.within for occurred, _ in rows_after(state, 2, *place))


# --- by time ----------------------------------------------------------------------------------------------------------


def due(pattern: Timed, holder: Holder, actor: Actor, since: int) -> int:
    """When time alone may complete the pattern next, in ms; 0 if it cannot. `since`: nothing before it counts."""
    if isinstance(pattern, Absence):
        return min((one[0] for one in _kept(holder, pattern.key) if one[0]), default=0)
    if isinstance(pattern, Unmatched):
        last = max(actor.last_entered, actor.first_seen, _kept(holder, pattern.key) or 0)
        if last and last + pattern.span < actor.past_told:
            last = actor.past_told  # who was first seen in history is not unmatched for all of it
        return max(last, since) + pattern.span if last else 0
    last = _last(pattern, holder, actor, since)
    if actor.past_told and holder is actor and _last(pattern, holder, actor, 0) + pattern.span < actor.past_told:
        return 0  # it was over before history feed of it: what came due until then has matched
    return 0 if not last or (_kept(holder, pattern.key) or 0) >= last else last + pattern.span


def _last(pattern: Silence, holder: Holder, actor: Actor, since: int) -> int:
    """When the silence began: with the last such event, else with first sight."""
    if pattern.heard is not None:
        found = _kept(holder, pattern.key + BESIDE) or 0
    elif pattern.last is None:
        found = actor.last_seen
    else:
        state = actor.memory.get(pattern.last)
        found = state[-2] if state else 0
    return max(found or actor.first_seen, since)


def passed(work: Work, pattern: Timed, holder: Holder, since: int) -> Found | None:
    """The match that is complete because it is `work.now` now; it is used up."""
    moment = due(pattern, holder, work.actor, since)
    if not moment or moment > work.now:
        return None
    if isinstance(pattern, Unmatched):
        _store(holder, pattern.key, work.now)
        return Found(b"{}", work.now, work.ordinal)
    if isinstance(pattern, Silence):
        _store(holder, pattern.key, _last(pattern, holder, work.actor, since))
        return Found(b"{}", work.now, work.ordinal)
    kept = _kept(holder, pattern.key)
    ripe = next(one for one in kept if one[0] == moment)
    _store(holder, pattern.key, [one for one in kept if one is not ripe])
    return Found(ripe[2], work.now, work.ordinal, unproven=len(ripe) > 3)


def recall(pattern: Timed, holder: Holder, actor: Actor) -> None:
    """Two histories have become one: what the other half answered is not unanswered any more."""
    if isinstance(pattern, Absence):
        kept = _kept(holder, pattern.key)
        _store(holder, pattern.key, [one for one in kept if not (one[0] and _answered(actor, pattern, one[1][-1]))])


def merge_partials(into: Actor, source: Actor) -> None:
    """Partial matches of one user who was known as two."""
    for key, state in (source.partials or {}).items():
        known = _kept(into, key)
        if not known:
            _store(into, key, state)
        elif isinstance(known, list):
            _store(into, key, state + known)
        else:
            _store(into, key, max(known, state))
