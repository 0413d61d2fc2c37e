"""Runs as state machines: entry, waits and what ends them, and the steps between.

A run rests at a wait instruction (`Run.pc`) until an event, a time (`Run.wake`) or a condition moves it; then its
instructions are carried out until the next wait or its end. Nothing here knows what time it is but `work.at`.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from typing import Any, Final

import msgspec

from actors import zone
from actors.chance import choose, share
from actors.compiled_patterns import Match, Membership, Pattern
from actors.event import Event
from actors.local import time_zone
from actors.patterns import Found, due, fits, passed, told
from actors.program import (
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
    Variant,
    WaitAt,
    WaitFor,
    WaitIdle,
    WaitUntil,
    WaitWhen,
)
from actors.scope import Evaluate
from actors.shared import shared
from actors.state import ENDED, RUNS_MAX, WATCHED_MAX, Actor, Run
from actors.values import number
from actors.work import EMIT_DEPTH_MAX, Work

ENTRIES_MAX: Final = 256
"""Last entries of one user (by campaign and key) that are remembered for `re_entry`; the oldest is forgotten past it."""

WAIT_MS_MAX: Final = 10 * 366 * 86_400_000
"""Ten years: a computed wait that is longer is cut to this."""

_encode = msgspec.json.Encoder(decimal_format="number").encode


def identity(*parts: object, size: int = 16) -> str:
    """A hexadecimal id that is a function of what is known: the same each time it is made."""
    return blake2b("\x1f".join(map(str, parts)).encode(), digest_size=size).hexdigest()


# --- entry --------------------------------------------------------------------------------------------------------


def enter(work: Work, campaign: Campaign, found: Found) -> None:
    """The entry rules after the pattern has matched, in the order of language.md §2; then the first steps."""
    scope = work.scope
    scope.run = None
    if work.event is None:
        scope.take_up(found.body)
    key = "" if campaign.key is None else _key(scope.properties.get(campaign.key))
    reason = _refusal(work, campaign, key)
    if reason is not None:
        _note_refusal(work.actor, campaign.id, work.at, reason)
        work.refusals.append((campaign.id, reason))
        if work.program.tells_all:
            work.write(campaign, None, "not_entered", reason=reason, detail={"key": key} if key else None)
        return
    if campaign.re_entry != "always":
        _note_entry(work.actor, entry_name(campaign.id, key), work.at)
    run = Run(
        id=identity(campaign.id, campaign.version, work.actor.user, work.ordinal, key, size=8),
        campaign=campaign.id,
        version=campaign.version,
        entered=work.at,
        occurred=found.occurred,
        ordinal=found.ordinal,
        key=key,
        entry=shared(found.body),
        goal=_goal_until(campaign, found.occurred),
    )
    work.actor.runs.append(run)
    work.actor.last_entered = work.at
    work.write(campaign, run, "entered", detail={"key": key} if key else None)
    _assign_run(work, run, campaign)
    advance(work, run, campaign)


def _assign_run(work: Work, run: Run, campaign: Campaign) -> None:
    """Holdout, else the variant of the experiment: by hash, and as it was before for who was assigned before."""
    if campaign.holdout and share(f"{campaign.id}/holdout", work.actor.user) < campaign.holdout:
        run.variant = "holdout"
    elif campaign.experiment:
        run.variant = assign(work, campaign.experiment, campaign.variants)
    else:
        return
    work.write(campaign, run, "assigned", detail={"experiment": campaign.experiment or campaign.id})


def assign(work: Work, experiment: str, variants: tuple[Variant, ...]) -> str:
    """The user's variant, kept from then on whatever becomes of the weights, as long as it exists."""
    known = work.actor.assigned.get(experiment)
    if known is not None and any(variant.name == known for variant in variants):
        return known
    chosen = choose(experiment, work.actor.user, variants)
    work.actor.assigned[experiment] = chosen
    return chosen


def entry_name(campaign: str, key: str) -> str:
    """How an entry is remembered in `Actor.entries`."""
    return f"{campaign}\x1f{key}" if key else campaign


def _note_entry(actor: Actor, name: str, at: int) -> None:
    entries = actor.entries
    entries.pop(name, None)
    entries[name] = at
    if len(entries) > ENTRIES_MAX:
        del entries[next(iter(entries))]


def _note_refusal(actor: Actor, campaign: str, at: int, reason: str) -> None:
    refused = actor.refused
    for place in range(0, len(refused), 3):
        if refused[place] == campaign:
            refused[place + 1], refused[place + 2] = at, reason
            return
    refused += [campaign, at, reason]


def _key(value: object) -> str:
    return "" if value is None else value if isinstance(value, str) else _encode(value).decode()


def _goal_until(campaign: Campaign, occurred: int) -> int:
    if campaign.goal is None:
        return -1
    return 0 if campaign.goal.within is None else occurred + campaign.goal.within


def _refusal(work: Work, campaign: Campaign, key: str) -> str | None:
    """The first entry rule that fails, None if none does."""
    scope, actor = work.scope, work.actor
    if campaign.status == "paused":
        return "paused"
    if campaign.canary < 1 and share(f"{campaign.id}/canary", actor.user) >= campaign.canary:
        return "canary"
    if campaign.condition is not None and not campaign.condition(scope):
        return "condition"
    if campaign.audience is not None and not campaign.audience(scope):
        return "audience"
    last = actor.entries.get(entry_name(campaign.id, key))
    if last is not None and (campaign.re_entry == "once" or work.at - last < campaign.re_entry_after):
        return "re_entry"
    active = [run for run in actor.runs if run.pc != ENDED]
    if len(active) >= RUNS_MAX:
        return "concurrency"
    if campaign.concurrency != "parallel" and any(
        run.campaign == campaign.id and (campaign.concurrency == "one_per_user" or run.key == key) for run in active
    ):
        return "concurrency"
    return None


# --- what an event does to a run ----------------------------------------------------------------------------------


def hear(work: Work, run: Run, campaign: Campaign) -> None:
    """Goals, then exits, then what the run waits for: the event at hand, if it came after the entry."""
    assert work.event is not None
    if work.event.name not in campaign.listens or (work.occurred, work.ordinal) <= (run.occurred, run.ordinal):
        return
    complete: set[int] = set()
    for pattern in campaign.partial:
        partials = {} if run.partials is None else run.partials
        if work.event.name in pattern.events and told(work, pattern, partials, run):
            complete.add(pattern.key)
        run.partials = partials or None
    meet(work, run, campaign, complete, by_event=True)


def meet(work: Work, run: Run, campaign: Campaign, complete: set[int], *, by_event: bool) -> bool:
    """Goals, then exits, then the wait: `complete` are the keys of the patterns that have just matched, beside the
    event at hand (`by_event`) and segments entered or left (`work.changes`). True if the run moved."""
    if run.goal >= 0 and _reached(work, run, campaign, complete, by_event):
        return True
    if run.pc == ENDED:
        return False
    exit_pattern = _matched(work, run, campaign.exits, complete, by_event)
    if exit_pattern is not None:
        end(work, run, campaign, "exit_when", exit_pattern)
        return True
    instruction = instructions(campaign, run)[run.pc]
    if isinstance(instruction, WaitUntil) and _matched(work, run, instruction.patterns, complete, by_event):
        _arrived(work, run, campaign, instruction)
        return True
    return False


def _matched(work: Work, run: Run, patterns: tuple[Pattern, ...], complete: set[int], by_event: bool) -> Pattern | None:
    """The first of `patterns` that has just matched."""
    for pattern in patterns:
        if isinstance(pattern, Match):
            if by_event and fits(work, pattern, run):
                return pattern
        elif isinstance(pattern, Membership):
            if (pattern.segment, pattern.entered) in work.changes:
                return pattern
        elif pattern.key in complete:
            return pattern
    return None


def _reached(work: Work, run: Run, campaign: Campaign, complete: set[int], by_event: bool) -> bool:
    """Whether the goal was reached and with it the run has ended."""
    goal = campaign.goal
    if goal is None or (run.goal and work.occurred > run.goal):
        return False
    pattern = _matched(work, run, goal.patterns, complete, by_event)
    if pattern is None:
        return False
    value = number(work.scope.properties.get(goal.value)) if goal.value and by_event else None
    work.write(campaign, run, "goal", detail={"pattern": pattern.text, **({} if value is None else {"value": value})})
    run.goal = -1
    if run.pc != ENDED and not goal.go_on:
        end(work, run, campaign, "goal", pattern)
        return True
    return False


def instructions(campaign: Campaign, run: Run) -> tuple[Instruction, ...]:
    """The code that the run follows: its variant's."""
    return campaign.codes.get(run.variant, campaign.code)


def _arrived(work: Work, run: Run, campaign: Campaign, instruction: WaitUntil | WaitWhen) -> None:
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


# --- what time does to a run --------------------------------------------------------------------------------------


def run_due(actor: Actor, run: Run, campaign: Campaign) -> int:
    """When time has to look at the run next, in ms; 0: never."""
    if not campaign.timed:
        return run.wake
    partials = run.partials or {}
    return earliest(run.wake, *(due(pattern, partials, actor, run.occurred) for pattern in campaign.timed))


def ring(work: Work, run: Run, campaign: Campaign) -> None:
    """Time has come to look at the run. Moves it, or sets the next time to look (then no row is written)."""
    if campaign.timed:
        partials = {} if run.partials is None else run.partials
        complete = {p.key for p in campaign.timed if passed(work, p, partials, run.occurred)}
        run.partials = partials or None
        if complete and meet(work, run, campaign, complete, by_event=False):
            return
    if run.pc == ENDED or not run.wake or run.wake > work.at:
        return
    instruction = instructions(campaign, run)[run.pc]
    if isinstance(instruction, WaitIdle):
        due = _last_activity(work, run, instruction) + run.deadline
        if due > work.at:
            run.wake = due
            return
        go_on(work, run, campaign)
    elif isinstance(instruction, WaitWhen):
        if consider(work, run, campaign):
            return
        if run.deadline and run.deadline <= work.at:
            _time_is_up(work, run, campaign, instruction)
    elif isinstance(instruction, WaitUntil):
        _time_is_up(work, run, campaign, instruction)
    elif isinstance(instruction, SendMessage):
        run.wake = 0
        work.asking.append(run)
    else:
        go_on(work, run, campaign)


def consider(work: Work, run: Run, campaign: Campaign) -> bool:
    """If the run waits for a condition: has it become true? If not, when to look again. True if the run moved."""
    instruction = instructions(campaign, run)[run.pc] if run.pc != ENDED else None
    if not isinstance(instruction, WaitWhen):
        return False
    work.scope.run = run
    if instruction.condition(work.scope):
        _arrived(work, run, campaign, instruction)
        return True
    run.wake = earliest(run.deadline, instruction.horizon(work.scope))
    return False


def _time_is_up(work: Work, run: Run, campaign: Campaign, instruction: WaitUntil | WaitWhen) -> None:
    if instruction.name:
        run.names = {**(run.names or {}), instruction.name: False}
    work.write(campaign, run, "timed_out", step=instruction.step)
    go_on(work, run, campaign)


def earliest(*times: int) -> int:
    """The least of the times that are not 0; 0 if all are."""
    return min((time for time in times if time), default=0)


def _last_activity(work: Work, run: Run, instruction: WaitIdle) -> int:
    """When the user last did anything, or any of the named events since the run's entry."""
    if instruction.of is None:
        return work.actor.last_seen
    states = (work.actor.memory.get(slot.key) for slot in instruction.of)
    return max((state[-1][0] for state in states if state), default=run.occurred)


# --- steps --------------------------------------------------------------------------------------------------------


def advance(work: Work, run: Run, campaign: Campaign) -> None:
    """Carry out instructions until the run rests or ends. Ends because jumps only lead forward."""
    while run.pc != ENDED:
        instruction = instructions(campaign, run)[run.pc]
        work.scope.run = run
        if not STEPS[type(instruction)](work, run, campaign, instruction):
            return
        if run.pc != ENDED and not isinstance(instruction, Jump | JumpUnless | Split):
            run.pc += 1


def milliseconds(work: Work, duration: Evaluate | None, otherwise: int = 0) -> int:
    """The value of a duration in ms, cut to 0 and ten years; what is not a number is `otherwise`."""
    seconds = number(duration(work.scope)) if duration is not None else None
    if seconds is None:
        return otherwise
    return min(max(0, round(seconds * 1000)), WAIT_MS_MAX)


def _rest(work: Work, run: Run, campaign: Campaign, instruction: Instruction) -> bool:
    work.write(campaign, run, "waiting", step=instruction.step, detail={"until": run.wake} if run.wake else None)
    return False


def _wait_for(work: Work, run: Run, campaign: Campaign, instruction: WaitFor) -> bool:
    duration = milliseconds(work, instruction.duration)
    if not duration:
        return True
    run.wake = run.deadline = work.at + duration
    return _rest(work, run, campaign, instruction)


def _wait_idle(work: Work, run: Run, campaign: Campaign, instruction: WaitIdle) -> bool:
    run.deadline = milliseconds(work, instruction.duration)
    due = _last_activity(work, run, instruction) + run.deadline
    if due <= work.at:
        if work.event is None or work.occurred >= work.at or not run.deadline:
            return True
        # A late event tells of a silence that its neighbours in the same batch may still break: let the instant end.
        due = work.at
    run.wake = due
    return _rest(work, run, campaign, instruction)


def _wait_until(work: Work, run: Run, campaign: Campaign, instruction: WaitUntil) -> bool:
    if instruction.up_to is not None:
        run.wake = run.deadline = work.at + milliseconds(work, instruction.up_to)
        if run.wake == work.at:
            _time_is_up(work, run, campaign, instruction)
            return False
    return _rest(work, run, campaign, instruction)


def _wait_when(work: Work, run: Run, campaign: Campaign, instruction: WaitWhen) -> bool:
    if instruction.condition(work.scope):
        if instruction.name:
            run.names = {**(run.names or {}), instruction.name: True}
        work.write(campaign, run, "matched", step=instruction.step)
        return True
    if instruction.up_to is not None:
        run.deadline = work.at + milliseconds(work, instruction.up_to)
        if run.deadline == work.at:
            _time_is_up(work, run, campaign, instruction)
            return False
    run.wake = earliest(run.deadline, instruction.horizon(work.scope))
    return _rest(work, run, campaign, instruction)


def _ask(work: Work, run: Run, campaign: Campaign, instruction: SendMessage) -> bool:
    """Sends of one turn are decided together, by priority, when every run has moved (`sending.py`)."""
    work.asking.append(run)
    return False


def _split(work: Work, run: Run, campaign: Campaign, instruction: Split) -> bool:
    name = assign(work, instruction.id, instruction.variants)
    work.write(campaign, run, "assigned", step=instruction.step, variant=name, detail={"experiment": instruction.id})
    names = [variant.name for variant in instruction.variants]
    run.pc = instruction.to[names.index(name)]
    return True


def _wait_at(work: Work, run: Run, campaign: Campaign, instruction: WaitAt) -> bool:
    place = instruction.time_zone
    if place == "user":
        place = time_zone(work.actor, work.program)
    due = zone.next_time(work.at, instruction.minute, place, instruction.days)
    if due == work.at:
        return True
    run.wake = run.deadline = due
    return _rest(work, run, campaign, instruction)


def _jump(work: Work, run: Run, campaign: Campaign, instruction: Jump) -> bool:
    run.pc = instruction.to
    return True


def _jump_unless(work: Work, run: Run, campaign: Campaign, instruction: JumpUnless) -> bool:
    if instruction.condition(work.scope):
        work.write(campaign, run, "branched", step=instruction.step, detail={"case": instruction.case})
        run.pc += 1
    else:
        run.pc = instruction.to
    return True


def _set(work: Work, run: Run, campaign: Campaign, instruction: SetTraits) -> bool:
    values = {name: value(work.scope) for name, value in instruction.traits}
    work.actor.traits.update(values)
    work.write(campaign, run, "set", step=instruction.step, detail=values)
    return True


def _emit(work: Work, run: Run, campaign: Campaign, instruction: EmitEvent) -> bool:
    work.emits += 1
    if work.emits > EMIT_DEPTH_MAX:
        work.write(campaign, run, "emitted", step=instruction.step, reason="emit_depth_max")
        return True
    properties = {name: value(work.scope) for name, value in instruction.properties}
    work.emitted.append(
        Event(
            user=work.actor.user,
            name=instruction.event,
            message_id=identity(run.id, run.pc),
            occurred=work.at,
            body=_encode(properties),
            source="engine",
        )
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
