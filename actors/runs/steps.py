"""Steps: a run's instructions, carried out until the next wait or the end.

Nothing here knows what time it is but `work.now`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from actors.model.assignment import assign
from actors.model.compiled_patterns import Pattern
from actors.model.event import Event
from actors.model.local_time import time_zone
from actors.model.newest import hear
from actors.model.program import (
    Campaign,
    EmitEvent,
    ExitRun,
    Finish,
    Instruction,
    Jump,
    JumpUnless,
    SendMessage,
    SetTraits,
    Split,
    WaitAt,
    WaitFor,
    WaitIdle,
    WaitUntil,
    WaitWhen,
)
from actors.model.scope import Evaluate
from actors.model.state import ENDED, WATCHED_MAX, Run
from actors.model.work import EMIT_DEPTH_MAX, Work
from actors.values import zone
from actors.values.ids import identity
from actors.values.intern import shared
from actors.values.values import number

WAIT_MS_MAX: Final = 10 * 366 * 86_400_000
"""Ten years: a computed wait that is longer is cut to this."""

_encode = msgspec.json.Encoder(decimal_format="number").encode


def instructions(campaign: Campaign, run: Run) -> tuple[Instruction, ...]:
    """The code that the run follows: its variant's."""
    return campaign.codes.get(run.variant, campaign.code)


def arrived(work: Work, run: Run, campaign: Campaign, instruction: WaitUntil | WaitWhen) -> None:
    """What the run waited for has come."""
    if instruction.name:
        run.names = {**(run.names or {}), instruction.name: True}
    work.write(campaign, run, "matched", step=instruction.step)
    go_on(work, run, campaign)


def go_on(work: Work, run: Run, campaign: Campaign) -> None:
    run.pc += 1
    run.wake = run.deadline = 0
    advance(work, run, campaign)


def end(work: Work, run: Run, campaign: Campaign, reason: str, pattern: Pattern | None = None) -> None:
    """The run exits; it does nothing else in this turn. It is kept only while its goal may still be reached."""
    detail = {"pattern": pattern.text} if pattern is not None else None
    step = "" if run.pc >= len(instructions(campaign, run)) else instructions(campaign, run)[run.pc].step
    work.write(campaign, run, "exited", step=step, reason=reason, detail=detail)
    _retire(work, run)


def _retire(work: Work, run: Run) -> None:
    run.pc = ENDED
    run.wake = run.deadline = 0
    runs = work.actor.runs
    if run.goal <= 0:
        runs[:] = [other for other in runs if other is not run]
        return
    watched = [other for other in runs if other.pc == ENDED]
    if len(watched) > WATCHED_MAX:
        runs[:] = [other for other in runs if other is not watched[0]]


def time_is_up(work: Work, run: Run, campaign: Campaign, instruction: WaitUntil | WaitWhen) -> None:
    if instruction.name:
        run.names = {**(run.names or {}), instruction.name: False}
    work.write(campaign, run, "timed_out", step=instruction.step)
    go_on(work, run, campaign)


def earliest(*times: int) -> int:
    """The least of the times that are not 0; 0 if all are."""
    return min((time for time in times if time), default=0)


def last_activity(work: Work, run: Run, instruction: WaitIdle) -> int:
    """When the user last did anything, or any of the named events since the run's entry."""
    if instruction.of is None:
        return work.actor.last_seen
    states = (work.actor.memory.get(slot.key) for slot in instruction.of)
    return max((state[-2] for state in states if state), default=run.occurred)


def advance(work: Work, run: Run, campaign: Campaign) -> None:
    """Carry out instructions until the run rests or ends. Ends because jumps only lead forward."""
    while run.pc != ENDED:
        instruction = instructions(campaign, run)[run.pc]
        work.run = run
        if not STEPS[type(instruction)](work, run, campaign, instruction):
            return
        if run.pc != ENDED and not isinstance(instruction, Jump | JumpUnless | Split):
            run.pc += 1


def milliseconds(work: Work, duration: Evaluate | None, otherwise: int = 0) -> int:
    """The value of a duration in ms, cut to 0 and ten years; what is not a number is `otherwise`."""
    seconds = number(duration(work)) if duration is not None else None
    if seconds is None:
        return otherwise
    return round(min(max(0.0, seconds), WAIT_MS_MAX / 1000) * 1000)


def _rest(work: Work, run: Run, campaign: Campaign, instruction: Instruction) -> bool:
    work.write(campaign, run, "waiting", step=instruction.step, detail={"until": run.wake} if run.wake else None)
    return False


def _wait_for(work: Work, run: Run, campaign: Campaign, instruction: WaitFor) -> bool:
    duration = milliseconds(work, instruction.duration)
    if not duration:
        return True
    run.wake = run.deadline = work.now + duration
    return _rest(work, run, campaign, instruction)


def _wait_idle(work: Work, run: Run, campaign: Campaign, instruction: WaitIdle) -> bool:
    duration = shared(milliseconds(work, instruction.duration))
    due = last_activity(work, run, instruction) + duration
    if due <= work.now:
        if work.event is None or work.occurred >= work.now or not duration:
            return True
        # A late event tells of a silence that its neighbours in the same batch may still break: let the instant end.
        due = work.now
    run.wake, run.deadline = due, duration
    return _rest(work, run, campaign, instruction)


def _wait_until(work: Work, run: Run, campaign: Campaign, instruction: WaitUntil) -> bool:
    if instruction.up_to is not None:
        run.wake = run.deadline = work.now + milliseconds(work, instruction.up_to)
        if run.wake == work.now:
            time_is_up(work, run, campaign, instruction)
            return False
    return _rest(work, run, campaign, instruction)


def _wait_when(work: Work, run: Run, campaign: Campaign, instruction: WaitWhen) -> bool:
    if instruction.condition(work):
        if instruction.name:
            run.names = {**(run.names or {}), instruction.name: True}
        work.write(campaign, run, "matched", step=instruction.step)
        return True
    if instruction.up_to is not None:
        run.deadline = work.now + milliseconds(work, instruction.up_to)
        if run.deadline == work.now:
            time_is_up(work, run, campaign, instruction)
            return False
    run.wake = earliest(run.deadline, instruction.horizon(work))
    return _rest(work, run, campaign, instruction)


def _ask(work: Work, run: Run, campaign: Campaign, instruction: SendMessage) -> bool:
    """Sends of one turn are decided together, by priority, when every run has moved (`sending.py`)."""
    work.asking = (*work.asking, run)
    return False


def _split(work: Work, run: Run, campaign: Campaign, instruction: Split) -> bool:
    name = assign(work.actor, instruction.id, instruction.variants)
    work.write(campaign, run, "assigned", step=instruction.step, variant=name, detail={"experiment": instruction.id})
    names = [variant.name for variant in instruction.variants]
    run.pc = instruction.to[names.index(name)]
    return True


def _wait_at(work: Work, run: Run, campaign: Campaign, instruction: WaitAt) -> bool:
    place = instruction.time_zone
    if place == "user":
        place = time_zone(work.actor, work.program)
    due = zone.next_time(work.now, instruction.minute, place, instruction.days)
    if due == work.now:
        return True
    run.wake = run.deadline = due
    return _rest(work, run, campaign, instruction)


def _jump(work: Work, run: Run, campaign: Campaign, instruction: Jump) -> bool:
    run.pc = instruction.to
    return True


def _jump_unless(work: Work, run: Run, campaign: Campaign, instruction: JumpUnless) -> bool:
    if instruction.condition(work):
        work.write(campaign, run, "branched", step=instruction.step, detail={"case": instruction.case})
        run.pc += 1
    else:
        run.pc = instruction.to
    return True


def _set(work: Work, run: Run, campaign: Campaign, instruction: SetTraits) -> bool:
    values = {name: value(work) for name, value in instruction.traits}
    if not campaign.shadow:
        whole, lost = hear(work.actor, values, work.now, work.now)
        work.conflicts += lost
        if not whole:
            work.reach("traits")
    # What a shadow wrote or told would make other campaigns send.
    reason = "shadow" if campaign.shadow else None
    work.write(campaign, run, "set", step=instruction.step, reason=reason, detail=values)
    return True


def _emit(work: Work, run: Run, campaign: Campaign, instruction: EmitEvent) -> bool:
    if campaign.shadow:
        told = {"event": instruction.event}
        work.write(campaign, run, "emitted", step=instruction.step, reason="shadow", detail=told)
        return True
    work.emits += 1
    if work.emits > EMIT_DEPTH_MAX:
        work.write(campaign, run, "emitted", step=instruction.step, reason="emit_depth_max")
        return True
    properties = {name: value(work) for name, value in instruction.properties}
    work.emitted = (
        *work.emitted,
        (
            Event(
                user=work.actor.user,
                name=instruction.event,
                message_id=identity(run.id, run.pc),
                occurred=work.now,
                body=_encode(properties),
                source="engine",
            ),
            run.unproven,
        ),
    )
    work.write(campaign, run, "emitted", step=instruction.step, detail={"event": instruction.event})
    return True


def _exit(work: Work, run: Run, campaign: Campaign, instruction: ExitRun) -> bool:
    end(work, run, campaign, instruction.reason)
    return False


def _finish(work: Work, run: Run, campaign: Campaign, instruction: Finish) -> bool:
    work.write(campaign, run, "finished")
    _retire(work, run)
    return False


STEPS: Final[dict[type[Instruction], Callable[[Work, Run, Campaign, Any], bool]]] = {
    WaitFor: _wait_for,
    WaitIdle: _wait_idle,
    WaitUntil: _wait_until,
    WaitWhen: _wait_when,
    WaitAt: _wait_at,
    SendMessage: _ask,
    Split: _split,
    Jump: _jump,
    JumpUnless: _jump_unless,
    SetTraits: _set,
    EmitEvent: _emit,
    ExitRun: _exit,
    Finish: _finish,
}
"""Each carries out one instruction; false: the run rests or has ended."""
