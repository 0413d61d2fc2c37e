"""One user who was known as two: the anonymous visitor turns out to be somebody (design §4.10)."""

from __future__ import annotations

from actors import profile
from actors.actor import campaign_of, fire, one_turn, run_past_to_completion, run_to_completion
from actors.model import recent
from actors.model.assignment import last_assigned
from actors.model.context import note
from actors.model.event import Event
from actors.model.program import Program
from actors.model.state import ENDED, RUNS_MAX, WATCHED_MAX, Actor
from actors.model.turn import DUPLICATE, NOTHING, TOO_OLD, Turn
from actors.model.work import Work
from actors.runs.entry import kept_entry, note_entry
from actors.runs.patterns import merge_partials, recall
from actors.runs.steps import earliest, end
from actors.sending.frequency import SENT_MAX
from actors.sending.send_caps import merge_decisions
from actors.values import digests


def join(into: Actor, source: Actor, event: Event, at: int, program: Program) -> Turn:
    """The anonymous `source` turns out to be `into` (design §4.10): memory, runs and timers move there, in one turn.

    The older run per campaign and key wins. `source` is left empty, with `moved_to` set. The turn's `outcome` is as `take`'s.
    """
    found, older = digests.digest(event.message_id), into.older_ids
    if digests.knows(into.ids, found) or (older is not None and recent.knew(older, found)):
        return DUPLICATE
    if older is not None and 0 < event.occurred <= older.forgotten:
        return TOO_OLD
    before = fire(source, at - 1, program) if 0 < source.due < at else NOTHING
    if 0 < into.due < at:
        before = one_turn(before, fire(into, at - 1, program))
    into.turn = max(into.turn, source.turn) + 1
    work = Work(into, program, at, into.turn)
    _merge(work, source)
    window = program.policy.deduplicate
    ids = digests.with_digest(digests.both(source.ids, into.ids), found)
    into.ids, into.older_ids = recent.kept(ids, recent.joined(source.older_ids, into.older_ids, window), at, window)
    work.look_at(event, at, into.turn)
    profile.notice(into, event, at, event.source == "client")
    if program.context_parts and event.context:
        note(into, event, at, into.turn, program.context_parts)
    if event.historical:
        into.past_told = at
        before = one_turn(before, run_past_to_completion(work))
    else:
        run_to_completion(work)
    source.moved_to = into.user
    source.runs, source.memory, source.traits, source.entries = [], {}, {}, ()
    source.ids, source.older_ids = b"", None
    source.told_at, source.told_times, source.conflicts = 0, None, ()
    source.decided = None
    source.partials, source.segments, source.watch = None, (), 0
    source.due = 0
    return before if event.historical else one_turn(before, work.done())


def _merge(work: Work, source: Actor) -> None:
    into = work.actor
    whole, work.conflicts = profile.merge_profile(into, source, work.now)
    if not whole:
        work.reach("traits")
    into.first_seen = earliest(into.first_seen, source.first_seen)
    if source.last_seen > into.last_seen:
        into.session_start, into.session_events = source.session_start, source.session_events
        into.last_seen = source.last_seen
        into.zone = source.zone or into.zone
    into.zone = into.zone or source.zone
    for slot in work.program.slots:
        merged = slot.merged(into.memory.get(slot.key), source.memory.get(slot.key))
        if merged is not None:
            into.memory[slot.key] = merged
    if source.assigned:
        into.assigned = last_assigned({**source.assigned, **(into.assigned or {})})
    into.sent = tuple(sorted([*into.sent, *source.sent]))[-SENT_MAX:]
    merge_decisions(into, source, work.program)
    into.last_entered = max(into.last_entered, source.last_entered)
    into.past_told = max(into.past_told, source.past_told)
    merge_partials(into, source)
    both = source.entries + into.entries
    for entered, name in sorted((at, name) for name, at in zip(both[::2], both[1::2], strict=True)):
        note_entry(into, name, entered)
    _merge_runs(work, source)
    for _, pattern in work.program.timed:
        recall(pattern, into, into)
    for run in into.runs:
        for pattern in campaign_of(work, run).timed:
            recall(pattern, run, into)


def _merge_runs(work: Work, source: Actor) -> None:
    """Of two active runs with one campaign and key, the younger ends with reason `joined`; so does what is more than
    RUNS_MAX, the youngest first."""
    into = work.actor
    into.runs = sorted(into.runs + source.runs, key=lambda run: (run.entered, run.ordinal))
    seen: set[tuple[str, str]] = set()
    for run in list(into.runs):
        campaign = campaign_of(work, run)
        if run.pc == ENDED or campaign.concurrency == "parallel":
            continue
        key = (run.campaign, "" if campaign.concurrency == "one_per_user" else run.key)
        if key in seen:
            end(work, run, campaign, "joined")
        seen.add(key)
    active = [run for run in into.runs if run.pc != ENDED]
    for run in active[RUNS_MAX:]:
        work.reach("runs")
        end(work, run, campaign_of(work, run), "joined")
    watched = [run for run in into.runs if run.pc == ENDED]
    gone = {id(run) for run in watched[:-WATCHED_MAX]}
    into.runs = [run for run in into.runs if id(run) not in gone]
    for place, run in enumerate(into.runs):
        run.entry = kept_entry(into.runs[:place], run.entry)
