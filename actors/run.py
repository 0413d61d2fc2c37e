"""Runs as state machines: entry, waits and what ends them, and the steps between.

A run rests at a wait instruction (`Run.pc`) until an event, a time (`Run.wake`) or a condition moves it; then its
instructions are carried out until the next wait or its end. Nothing here knows what time it is but `work.at`.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from typing import Any, Final

import msgspec

from actors.event import Event
from actors.patterns import matched
from actors.policy import address, objections
from actors.program import (
    Campaign,
    EmitEvent,
    ExitRun,
    Finish,
    Instruction,
    Jump,
    JumpUnless,
    Match,
    SendMessage,
    SetTraits,
    WaitFor,
    WaitIdle,
    WaitUntil,
    WaitWhen,
)
from actors.scope import Evaluate
from actors.shared import shared
from actors.state import ENDED, RUNS_MAX, WATCHED_MAX, Actor, Run
from actors.turn import Send
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


def enter(work: Work, campaign: Campaign) -> None:
    """The entry rules after the pattern has matched, in the order of language.md §2; then the first steps."""
    scope = work.scope
    scope.run = None
    event = work.event
    assert event is not None
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
        occurred=work.occurred,
        ordinal=work.ordinal,
        key=key,
        entry=shared(event.body),
        goal=_goal_until(campaign, work.occurred),
    )
    work.actor.runs.append(run)
    work.write(campaign, run, "entered", detail={"key": key} if key else None)
    advance(work, run, campaign)


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
    event = work.event
    assert event is not None
    if event.name not in campaign.listens:
        return
    if (work.occurred, work.ordinal) <= (run.occurred, run.ordinal):
        return
    if run.goal >= 0 and _reached(work, run, campaign):
        return
    if run.pc == ENDED:
        return
    exit_match = matched(work, campaign.exits, run)
    if exit_match is not None:
        end(work, run, campaign, "exit_when", exit_match)
        return
    instruction = campaign.code[run.pc]
    if isinstance(instruction, WaitUntil) and matched(work, instruction.matches, run):
        _arrived(work, run, campaign, instruction)


def _reached(work: Work, run: Run, campaign: Campaign) -> bool:
    """Whether the goal was reached and with it the run has ended."""
    goal = campaign.goal
    if goal is None or (run.goal and work.occurred > run.goal):
        return False
    match = matched(work, goal.matches, run)
    if match is None:
        return False
    value = number(work.scope.properties.get(goal.value)) if goal.value else None
    work.write(campaign, run, "goal", detail={"pattern": match.text, **({} if value is None else {"value": value})})
    run.goal = -1
    if run.pc != ENDED and not goal.go_on:
        end(work, run, campaign, "goal", match)
        return True
    return False


def _arrived(work: Work, run: Run, campaign: Campaign, instruction: WaitUntil | WaitWhen) -> None:
    """What the run waited for has come."""
    if instruction.name:
        run.names = {**(run.names or {}), instruction.name: True}
    work.write(campaign, run, "matched", step=instruction.step)
    _go_on(work, run, campaign)


def _go_on(work: Work, run: Run, campaign: Campaign) -> None:
    run.pc += 1
    run.wake = run.deadline = 0
    advance(work, run, campaign)


def end(work: Work, run: Run, campaign: Campaign, reason: str, match: Match | None = None) -> None:
    """The run exits; it does nothing else in this turn. It is kept only while its goal may still be reached."""
    detail = {"pattern": match.text} if match is not None else None
    step = "" if run.pc >= len(campaign.code) else campaign.code[run.pc].step
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


def ring(work: Work, run: Run, campaign: Campaign) -> None:
    """The run's `wake` has come. Moves it, or sets the next time to look (then no row is written)."""
    instruction = campaign.code[run.pc]
    if isinstance(instruction, WaitIdle):
        due = _last_activity(work, run, instruction) + run.deadline
        if due > work.at:
            run.wake = due
            return
        _go_on(work, run, campaign)
    elif isinstance(instruction, WaitWhen):
        if consider(work, run, campaign):
            return
        if run.deadline and run.deadline <= work.at:
            _time_is_up(work, run, campaign, instruction)
    elif isinstance(instruction, WaitUntil):
        _time_is_up(work, run, campaign, instruction)
    else:
        _go_on(work, run, campaign)


def consider(work: Work, run: Run, campaign: Campaign) -> bool:
    """If the run waits for a condition: has it become true? If not, when to look again. True if the run moved."""
    instruction = campaign.code[run.pc] if run.pc != ENDED else None
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
    _go_on(work, run, campaign)


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
        instruction = campaign.code[run.pc]
        work.scope.run = run
        if not STEPS[type(instruction)](work, run, campaign, instruction):
            return
        if run.pc != ENDED and not isinstance(instruction, Jump | JumpUnless):
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


def _send(work: Work, run: Run, campaign: Campaign, instruction: SendMessage) -> bool:
    actor, scope = work.actor, work.scope
    against = list(objections(scope, campaign, instruction.channel, instruction.purpose, instruction.topic))
    message = identity(campaign.id, campaign.version, actor.user, run.id, run.pc)
    reason = against[0] if against else None
    work.write(
        campaign,
        run,
        "skipped" if against else "sent",
        step=instruction.step,
        reason=reason,
        channel=instruction.channel,
        template=instruction.template,
        message=message,
        detail={"also": against[1:]} if len(against) > 1 else None,
    )
    if not against:
        run.sent += 1
        to = actor.user if instruction.channel == "push" else address(actor, work.program)
        assert to is not None, "no_address is an objection"
        work.sends.append(
            Send(
                id=message,
                user=actor.user,
                campaign=campaign.id,
                version=campaign.version,
                run=run.id,
                step=instruction.step,
                channel=instruction.channel,
                template=instruction.template,
                purpose=instruction.purpose,
                topic=instruction.topic,
                to=to,
                subject=instruction.subject,
                at=work.at,
                expires=work.at + milliseconds(work, instruction.expires, work.program.policy.expires),
                context=_context(work, run, instruction),
            )
        )
    return True


def _context(work: Work, run: Run, instruction: SendMessage) -> bytes:
    """All that the template may look at, as it was when the send was decided."""
    actor, scope = work.actor, work.scope
    context: dict[str, Any] = {name: value(scope) for name, value in instruction.collections}
    context["user"] = {**actor.traits, "id": actor.user, "first_seen": actor.first_seen, "last_seen": actor.last_seen}
    context["entry"] = scope.entry
    context["run"] = {"id": run.id, "entered_at": run.entered / 1000, "sent": run.sent, **(run.names or {})}
    context["data"] = {name: value(scope) for name, value in instruction.data}
    return _encode(context)


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
    SendMessage: _send,
    Jump: _jump,
    JumpUnless: _jump_unless,
    SetTraits: _set,
    EmitEvent: _emit,
    ExitRun: _exit,
    Finish: _finish,
}
"""Each carries out one instruction; false: the run rests or has ended."""
