"""A run that is moved to another version of its campaign, because an operator asked for it.

It stays where it is: at the step that is the same in both versions, with the time that it has waited already. A run whose
step is not in the new version, or whose variant is not, finishes in the version it entered with.
"""

from __future__ import annotations

from difflib import SequenceMatcher
from typing import Final

from actors.model.program import Campaign, Instruction, Program
from actors.model.state import ENDED, Actor, Run
from actors.model.work import Work
from actors.runs.entry import is_for
from actors.runs.patterns import BESIDE
from actors.runs.steps import instructions

MIGRATED: Final = "runs_migrated"
"""Name of the event by which an operator asks; only believed if its source is the engine."""


def target(program: Program, campaign: str, actor: Actor) -> Campaign | None:
    """The version that would take the user's next entry."""
    return next((one for one in program.campaigns if one.id == campaign and is_for(one, actor)), None)


def place_in(old: Campaign, new: Campaign, run: Run) -> int | None:
    """Where in `new` the run would stand, None if there is no such place."""
    if bool(old.codes) != bool(new.codes) or (new.codes and run.variant not in (*new.codes, "holdout")):
        return None
    before, after = instructions(old, run), instructions(new, run)
    matcher = SequenceMatcher(None, _labels(before), _labels(after), autojunk=False)
    for block in matcher.get_matching_blocks():
        if block.a <= run.pc < block.a + block.size:
            return block.b + run.pc - block.a
    return None


def obstacle(old: Campaign | None, new: Campaign, run: Run) -> str:
    """Why the run cannot be moved, "" if it can."""
    if old is None:
        return "its version is no longer kept"
    if place_in(old, new, run) is not None:
        return ""
    if new.codes and run.variant not in (*new.codes, "holdout"):
        return f"its variant {run.variant or 'none'} is not in the new version"
    step = instructions(old, run)[run.pc].step
    return f"its step `{step}` is not at such a place in the new version"


def migrate(work: Work) -> None:
    """The runs of the campaign that the event at hand names."""
    name = work.properties.get("campaign")
    new = target(work.program, name, work.actor) if isinstance(name, str) else None
    if new is None:
        return
    for run in [one for one in work.actor.runs if one.campaign == name and one.pc != ENDED]:
        old = work.program.versions.get(run.version)
        if run.version == new.version or old is None:
            continue
        place = place_in(old, new, run)
        if place is not None:
            _move(work, run, old, new, place)


def _move(work: Work, run: Run, old: Campaign, new: Campaign, place: int) -> None:
    run.version, run.pc = new.version, place
    keys = {key for pattern in (*new.partial, *new.timed) for key in (pattern.key, pattern.key + BESIDE)}
    run.partials = {key: state for key, state in (run.partials or {}).items() if key in keys} or None
    if new.goal is None:
        run.goal = -1
    elif run.goal >= 0 or old.goal is None:
        run.goal = 0 if new.goal.within is None else run.occurred + new.goal.within
    detail: dict[str, object] = {"migrated_from": old.version}
    if run.wake:
        detail["until"] = run.wake
    work.write(new, run, "waiting", step=instructions(new, run)[place].step, detail=detail)


def _labels(code: tuple[Instruction, ...]) -> list[tuple[str, str]]:
    return [(type(one).__name__, one.step) for one in code]
