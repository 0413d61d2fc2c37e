"""What moves a run that rests at a wait: an event, a segment entered or left, a time, a condition that became true."""

from __future__ import annotations

from actors.model.compiled_patterns import Match, Membership, Pattern
from actors.model.program import Campaign, Goal, SendMessage, WaitIdle, WaitUntil, WaitWhen
from actors.model.speech import needs_proof
from actors.model.state import ENDED, Actor, Run
from actors.model.work import Work
from actors.runs.patterns import due, feed, feed_against, feed_past, fits, passed
from actors.runs.steps import arrived, earliest, end, go_on, instructions, last_activity, time_is_up
from actors.values.values import number


def on_event(work: Work, run: Run, campaign: Campaign) -> None:
    """Goals, then exits, then what the run waits for: the event at hand, if it came after the entry. A run that is for what
    is proven alone only takes it for an answer to what it waits to be left out."""
    assert work.event is not None
    if work.event.name not in campaign.listens or (work.occurred, work.ordinal) <= (run.occurred, run.ordinal):
        return
    if work.unproven and needs_proof(work.actor.user, campaign.purpose):
        for pattern in campaign.partial:
            if work.event.name in pattern.events:
                feed_against(work, pattern, run, run)
        return
    complete: set[int] = set()
    for pattern in campaign.partial:
        if work.event.name in pattern.events and feed(work, pattern, run, run):
            complete.add(pattern.key)
    on_match(work, run, campaign, complete, by_event=True)


def on_past_event(work: Work, run: Run, campaign: Campaign) -> None:
    """What history tells of the time since the entry: a goal within its window counts and an exit ends the run, so that nobody
    is reminded of what he has done. It answers no wait, and is a part of no match over time."""
    assert work.event is not None
    if work.event.name not in campaign.listens or (work.occurred, work.ordinal) <= (run.occurred, run.ordinal):
        return
    for pattern in campaign.partial:
        if work.event.name in pattern.events:
            feed_past(work, pattern, run, run)
    if run.goal >= 0 and _reached(work, run, campaign, set(), True):
        return
    exit_pattern = _matched(work, run, campaign.exits, set(), True) if run.pc != ENDED else None
    if exit_pattern is not None:
        end(work, run, campaign, "exit_when", exit_pattern)


def on_match(work: Work, run: Run, campaign: Campaign, complete: set[int], *, by_event: bool) -> bool:
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
        arrived(work, run, campaign, instruction)
        return True
    return False


def over_already(work: Work, run: Run, campaign: Campaign) -> bool:
    """Whether a run that has just begun, with an event feed late, is over: its goal or an exit came after that event and
    was feed before it. Goals, then exits; both are one end."""
    work.run = run
    goal = campaign.goal
    for one in goal.told if goal is not None else ():
        rows = [row for row in one.rows(work) if not run.goal or row[0] <= run.goal]
        if goal is not None and rows:
            value = number(rows[0][2]) if goal.value else None
            _reach(work, run, campaign, goal, one.pattern, value)
            break
    if run.pc != ENDED:
        for one in campaign.exits_told:
            if one.rows(work):
                end(work, run, campaign, "exit_when", one.pattern)
                break
    return run.pc == ENDED


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
    value = number(work.properties.get(goal.value)) if goal.value and by_event else None
    return _reach(work, run, campaign, goal, pattern, value)


def _reach(work: Work, run: Run, campaign: Campaign, goal: Goal, pattern: Pattern, value: int | float | None) -> bool:
    """The goal counts, once; whether with it the run has ended."""
    work.write(campaign, run, "goal", detail={"pattern": pattern.text, **({} if value is None else {"value": value})})
    run.goal = -1
    if run.pc != ENDED and not goal.go_on:
        end(work, run, campaign, "goal", pattern)
        return True
    return False


def run_due(actor: Actor, run: Run, campaign: Campaign) -> int:
    """When time has to look at the run next, in ms; 0: never."""
    if not campaign.timed:
        return run.wake
    return earliest(run.wake, *(due(pattern, run, actor, run.occurred) for pattern in campaign.timed))


def on_timer(work: Work, run: Run, campaign: Campaign) -> None:
    """Time has come to look at the run. Moves it, or sets the next time to look (then no row is written)."""
    if campaign.timed:
        complete = {p.key for p in campaign.timed if passed(work, p, run, run.occurred)}
        if complete and on_match(work, run, campaign, complete, by_event=False):
            return
    if run.pc == ENDED or not run.wake or run.wake > work.now:
        return
    instruction = instructions(campaign, run)[run.pc]
    if isinstance(instruction, WaitIdle):
        due = last_activity(work, run, instruction) + run.deadline
        if due > work.now:
            run.wake = due
            return
        go_on(work, run, campaign)
    elif isinstance(instruction, WaitWhen):
        if on_condition(work, run, campaign):
            return
        if run.deadline and run.deadline <= work.now:
            time_is_up(work, run, campaign, instruction)
    elif isinstance(instruction, WaitUntil):
        time_is_up(work, run, campaign, instruction)
    elif isinstance(instruction, SendMessage):
        run.wake = 0
        work.asking = (*work.asking, run)
    else:
        go_on(work, run, campaign)


def on_condition(work: Work, run: Run, campaign: Campaign) -> bool:
    """If the run waits for a condition: has it become true? If not, when to look again. True if the run moved."""
    instruction = instructions(campaign, run)[run.pc] if run.pc != ENDED else None
    if not isinstance(instruction, WaitWhen):
        return False
    work.run = run
    if instruction.condition(work):
        arrived(work, run, campaign, instruction)
        return True
    run.wake = earliest(run.deadline, instruction.horizon(work))
    return False


def look_again(work: Work, run: Run, campaign: Campaign) -> None:
    """If the run waits for a condition: when time has to look at it next, now that history may have changed it."""
    instruction = instructions(campaign, run)[run.pc] if run.pc != ENDED else None
    if isinstance(instruction, WaitWhen):
        work.run = run
        run.wake = earliest(run.deadline, instruction.horizon(work))
