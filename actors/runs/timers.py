"""An actor's timers: which comes next, and what may move one although its event concerns nobody."""

from __future__ import annotations

from actors.model.compiled_patterns import Timed
from actors.model.program import Campaign, Program
from actors.model.state import Actor, Run
from actors.runs.entry import is_for
from actors.runs.patterns import due as pattern_due
from actors.runs.run import run_due

Timer = Run | tuple[Campaign, Timed] | None
"""A run that has to be looked at, an entry pattern that time may complete, or (None) the watched segments."""


def next_timer(actor: Actor, program: Program) -> tuple[int, Timer]:
    """The timer that is due next: at one instant runs by age, then entries by priority, then segments. 0: none."""
    best, timer = 0, None  # type: tuple[int, Timer]
    versions, steady = program.versions, program.steady
    for run in actor.runs:
        due = run.wake
        if run.version not in steady and run.version in versions:
            due = run_due(actor, run, versions[run.version])
        if due and (not best or due < best):
            best, timer = due, run
    for entry in program.timed:
        due = pattern_due(entry[1], actor, actor, program.since.get(entry[1].key, 0))
        if due and (not best or due < best) and is_for(entry[0], actor):
            best, timer = due, entry
    if actor.watch and program.segments and (not best or actor.watch < best):
        return actor.watch, None
    return best, timer


def set_due(actor: Actor, program: Program, now: int) -> None:
    """What a late event tells may have been due before it was told: it comes at the end of this instant, not in the past."""
    due = next_timer(actor, program)[0]
    actor.due = due and max(due, now)


def may_move_timers(actor: Actor, name: str, occurred: int, program: Program) -> bool:
    """Whether a turn without a decision may still move a timer: by a condition, a partial match, a segment, a silence."""
    if program.segments or name in program.absences:
        return True
    if program.silence and not 0 < actor.due <= occurred + program.silence:
        return True
    return has_restless_run(actor, program)


def is_awaited(actor: Actor, occurred: int, program: Program) -> bool:
    """Whether a timer is set already for all that an event which concerns nobody may start: a silence, or a segment that
    users are in from the beginning."""
    if actor.turn == 1 and program.segments:
        return False
    return not program.silence or 0 < actor.due <= occurred + program.silence


def has_restless_run(actor: Actor, program: Program) -> bool:
    """Whether a run of the actor may be moved by an event that its campaign does not listen to."""
    return bool(actor.runs) and not program.steady.issuperset([run.version for run in actor.runs])
