"""What a historical event does: it is remembered as of its own time, and starts nothing.

A shop that moves over tells what its users have done for years. All of it counts in what is known of them: memory, collections,
segments, when they were seen, what `re_entry` looks at. No run begins, no wait is answered, no message is decided, and a segment
that is entered or left by it is entered or left in silence. A run that was open when it happened has its goal or its exit.
"""

from __future__ import annotations

from actors import profile
from actors.model.compiled_patterns import Match
from actors.model.context import note
from actors.model.event import CONTROL, FEEDBACK_IF_MACHINE, Event
from actors.model.memory import remember
from actors.model.state import ENDED
from actors.model.work import Work
from actors.runs.entry import is_for, note_past_entry
from actors.runs.patterns import feed_past, fits
from actors.runs.run import on_past_event
from actors.runs.steps import end


def take_past(work: Work, event: Event, occurred: int) -> None:
    """Take in a historical event that happened at `occurred`; `actor.settled_past` comes after it."""
    actor, name = work.actor, event.name
    work.look_at(event, occurred, actor.turn)
    actor.past_told = work.now
    if work.program.context_parts and event.context:
        note(actor, event, occurred, actor.turn, work.program.context_parts)
    machine = name in CONTROL and bool(work.properties.get("machine"))
    profile.notice_past(actor, event, occurred, profile.is_activity(event, machine))
    if not name:
        if event.kind == "identify":
            whole, lost = profile.identify(actor, event, occurred, work.now)
            work.conflicts += lost
            if not whole:
                work.reach("traits")
        return
    if name in CONTROL:
        work.conflicts += profile.control(actor, event, work.properties, occurred, work.now)
        if machine and name in FEEDBACK_IF_MACHINE:
            return
    interest = work.program.interests.get(name)
    if interest is not None:
        remember(work, interest.slots)
    _feed_runs(work, name)
    if interest is not None:
        _note_entries(work)


def _feed_runs(work: Work, name: str) -> None:
    topic = work.properties.get("topic")
    for run in list(work.actor.runs):
        campaign = work.program.versions.get(run.version)
        if campaign is None:
            continue
        on_past_event(work, run, campaign)
        left = (
            name == "email_unsubscribed"
            and campaign.purpose == "marketing"
            and (not topic or campaign.topic == topic)
            and profile.is_stopped(work.actor, topic)
        )
        if left and run.pc != ENDED:
            end(work, run, campaign, "unsubscribed")


def _note_entries(work: Work) -> None:
    """Entries that the event would have brought, and what its coming ends of those that wait."""
    for campaign, pattern in work.program.interests[work.name].entries:
        if campaign.side and not is_for(campaign, work.actor):
            continue
        if not isinstance(pattern, Match):
            feed_past(work, pattern, work.actor, None)
        elif fits(work, pattern, None):
            note_past_entry(work, campaign)
