"""An actor's verbs: take an input, let time pass, be packed. (`joining.py`: two turn out to be one.)

The rule of time (design §4.1): before an input stamped `t` is taken, the timers due before `t` fire, in order; timers
due at `t` fire after the inputs of `t`. All is synchronous: nothing comes between reading and writing a user's state.
"""

from __future__ import annotations

import msgspec

from actors import profile
from actors.anew import BEGUN_ANEW, begin_anew
from actors.migration import MIGRATED, migrate
from actors.model.compiled_patterns import EventPattern, Match
from actors.model.context import note
from actors.model.event import CONTROL, FEEDBACK_IF_MACHINE, ROUSED, Event
from actors.model.memory import remember
from actors.model.program import Campaign, Program
from actors.model.recent import NEWEST_BYTES_MAX, kept, knew
from actors.model.speech import PAGES, WITHOUT_PROOF, needs_proof
from actors.model.state import ENDED, Actor, Run
from actors.model.turn import DUPLICATE, NOTHING, TOO_OLD, UNTRACKED, Turn
from actors.model.work import Work
from actors.past import take_past
from actors.runs.entry import enter, is_for
from actors.runs.patterns import Found, at_hand, feed, feed_against, passed
from actors.runs.run import look_again, on_condition, on_event, on_match, on_timer
from actors.runs.steps import earliest, end
from actors.runs.timers import Timer, has_restless_run, is_awaited, may_move_timers, next_timer, set_due
from actors.sending.policy import may_track, veto_at_dispatch
from actors.sending.sending import decide
from actors.values.digests import digest, knows, with_digest
from actors.values.intern import shared, shared_parts

__all__ = ["Actor", "fire", "new_actor", "pack", "renew", "take", "unpack", "veto_at_dispatch"]


ROUNDS_MAX = 16
"""Rounds of consequences in one turn: segments that two campaigns push to and fro end here, until the next turn."""


def new_actor(user: str) -> Actor:
    return Actor(user)


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Actor)


def pack(actor: Actor) -> bytes:
    """The whole state, as it is stored and kept for actors at rest."""
    return _encoder.encode(actor)


def unpack(data: bytes) -> Actor:
    """Raises msgspec.DecodeError if the bytes are not a packed actor."""
    actor = _decoder.decode(data)
    for run in actor.runs:
        run.campaign, run.version, run.entry = shared(run.campaign), shared(run.version), shared(run.entry)
    for key, state in actor.memory.items():
        if isinstance(state, list) and any(isinstance(part, bytes) for part in state):
            actor.memory[key] = tuple(shared_parts(state))
    actor.entries = tuple(shared_parts(list(actor.entries)))
    profile.share_consent(actor)
    return actor


# --- taking an input ----------------------------------------------------------------------------------------------


def take(actor: Actor, event: Event, at: int, program: Program) -> Turn:
    """Take one input, stamped `at` (never before an earlier one), and all that comes of it.

    The turn's `outcome` says whether it was taken at all; if not, nothing has changed. NOTHING: it was noted, and concerned
    no campaign.
    """
    found = digest(event.message_id)
    ids, older = actor.ids, actor.older_ids
    if knows(ids, found):
        return DUPLICATE
    if older is not None:
        if knew(older, found):
            return DUPLICATE
        if older.forgotten and 0 < event.occurred <= older.forgotten:
            return TOO_OLD
    policy = program.policy
    if (not actor.tracked or policy.tracking_opt_in) and _untracked(actor, event, program):
        return UNTRACKED
    before = fire(actor, at - 1, program) if 0 < actor.due < at else NOTHING
    actor.turn += 1
    actor.ids = ids = with_digest(ids, found)
    if len(ids) >= NEWEST_BYTES_MAX or (older is not None and older.oldest < at - policy.deduplicate):
        actor.ids, actor.older_ids = kept(ids, older, at, policy.deduplicate)
    occurred = event.occurred
    if not 0 < occurred <= at:
        occurred = at
    elif occurred < at - policy.lateness and not event.historical:
        occurred = at - policy.lateness
    if event.historical:
        work = Work(actor, program, at, actor.turn)
        take_past(work, event, occurred)
        return one_turn(before, run_past_to_completion(work))
    if event.source == "engine":
        if event.name == ROUSED:
            renew(actor, program, at)
            return before
        if event.name == BEGUN_ANEW:
            begin_anew(actor, event, occurred)
            return before
    if not _concerns(actor, event, program) and is_awaited(actor, occurred, program):
        profile.notice(actor, event, occurred, event.source != "engine")
        return before
    work = Work(actor, program, at, actor.turn)
    if event.source in WITHOUT_PROOF:
        work.unproven = True
    _feed(work, event, occurred)
    if (
        work.decisions
        or work.asking
        or work.unsettled
        or not event.name
        or may_move_timers(actor, event.name, occurred, program)
    ):
        run_to_completion(work)
    elif not (work.refusals or work.reached or work.conflicts):
        return before
    return one_turn(before, work.done())


def _untracked(actor: Actor, event: Event, program: Program) -> bool:
    """Whether it is something a user did who lets nobody watch. What we were feed of our own messages is not."""
    return bool(event.name) and event.source != "engine" and event.name not in CONTROL and not may_track(actor, program)


def _concerns(actor: Actor, event: Event, program: Program) -> bool:
    """Whether anybody cares: the usual event costs this look-up and no more."""
    name = event.name
    if not name or name in program.interests or program.every_turn or name == MIGRATED:
        return True
    if program.context_parts and event.context:
        return True
    return has_restless_run(actor, program) or any(name in program.versions[run.version].listens for run in actor.runs)


def one_turn(before: Turn, after: Turn) -> Turn:
    if before is NOTHING:
        return after
    if after is NOTHING:
        return before
    return Turn(
        decisions=before.decisions + after.decisions,
        sends=before.sends + after.sends,
        refusals=before.refusals + after.refusals,
        reached=before.reached + after.reached,
        conflicts=before.conflicts + after.conflicts,
    )


def _feed(work: Work, event: Event, occurred: int) -> None:
    """The event at hand: what is known of the user, what is remembered, the runs, then new runs."""
    actor, program = work.actor, work.program
    work.look_at(event, occurred, actor.turn)
    if program.context_parts and event.context and note(actor, event, occurred, actor.turn, program.context_parts):
        work.unsettled = True
    name = event.name
    interest = program.interests.get(name)
    if name in CONTROL:
        machine = bool(work.properties.get("machine"))
        profile.notice(actor, event, occurred, profile.is_activity(event, machine))
        work.conflicts += profile.control(actor, event, work.properties, occurred, work.now)
        if machine and name in FEEDBACK_IF_MACHINE:
            return  # a scanner follows every link: what waits for a click waits for a person's
    else:
        profile.notice(actor, event, occurred, event.source in PAGES if not name else event.source != "engine")
        if not name:
            if event.kind == "identify":
                whole, lost = profile.identify(actor, event, occurred, work.now)
                work.conflicts += lost
                if not whole:
                    work.reach("traits")
            return
    if interest is not None:
        remember(work, interest.slots)
    if name == MIGRATED and event.source == "engine":
        migrate(work)
        return
    if actor.runs:
        versions = program.versions
        hearing = [run for run in actor.runs if run.version in versions and name in versions[run.version].listens]
        for run in _by_priority(work, hearing):
            on_event(work, run, versions[run.version])
    if name == "email_unsubscribed" and profile.is_stopped(actor, work.properties.get("topic")):
        _leave_topic(work, work.properties.get("topic"))
    if interest is not None and interest.entries:
        _enrol(work, interest.entries)


def _enrol(work: Work, entries: tuple[tuple[Campaign, EventPattern], ...]) -> None:
    """One event gives at most one entry into a campaign, whichever of its patterns matched first. All patterns are feed
    before anybody enters: what a step sets does not change what has matched."""
    actor = work.actor
    matched: list[tuple[Campaign, Found]] = []
    plain: Found | None = None
    for campaign, pattern in entries:
        if campaign.side and not is_for(campaign, actor):
            continue
        if pattern.__class__ is Match and pattern.where is None:
            # The index has led here by the event's name: the usual entry asks no more.
            if plain is None:
                plain = at_hand(work)
            matched.append((campaign, plain))
        elif work.unproven and pattern.__class__ is not Match and needs_proof(actor.user, campaign.purpose):
            feed_against(work, pattern, actor, None)  # no part of a match either: what completes it may be proven
        elif (found := feed(work, pattern, actor, None)) is not None:
            matched.append((campaign, found))
    entered: set[str] = set()
    for campaign, match in matched:
        if campaign.id not in entered:
            entered.add(campaign.id)
            enter(work, campaign, match)


def _by_priority(work: Work, runs: list[Run]) -> list[Run]:
    """Some of the actor's runs as they have their turn: higher priority first, then the older. A list of its own."""
    if len(runs) < 2:
        return runs[:]
    return sorted(runs, key=lambda run: -campaign_of(work, run).priority)


def _leave_topic(work: Work, topic: object) -> None:
    """Marketing runs of a topic (without one: all of them) end when the user unsubscribes from it."""
    for run in _by_priority(work, work.actor.runs):
        campaign = campaign_of(work, run)
        if run.pc != ENDED and campaign.purpose == "marketing" and (not topic or campaign.topic == topic):
            end(work, run, campaign, "unsubscribed")


def run_to_completion(work: Work) -> None:
    """After the event at hand: events that steps emitted, conditions and segments that changed, until nothing moves."""
    actor = work.actor
    _end_forgotten(work)
    for _ in range(ROUNDS_MAX):
        while work.emitted:
            actor.turn += 1
            (told_next, unproven), *work.emitted = work.emitted
            work.unproven = work.unproven or unproven
            _feed(work, told_next, work.now)
        if work.asking:
            _decide_sends(work)
        moved = _on_conditions(work)
        if not _regroup(work) and not moved and not work.emitted and not work.asking:
            break
    _forget_ended(work)
    set_due(actor, work.program, work.now)


def run_past_to_completion(work: Work) -> Turn:
    """After what history feed: runs that it ended, and segments as they are now. Nothing comes of their change."""
    actor = work.actor
    work.run = None
    _end_forgotten(work)
    _forget_ended(work)
    for run in actor.runs:
        look_again(work, run, campaign_of(work, run))
    if work.program.segments:
        work.run = None
        actor.segments = _membership(work)
    set_due(actor, work.program, work.now)
    return work.done()


def _forget_ended(work: Work) -> None:
    """Ended runs whose goal cannot be reached any more: one that was reached in time counts although we on_event of it late."""
    actor = work.actor
    heard = work.now - work.program.policy.lateness
    for run in actor.runs:
        if run.pc == ENDED and run.goal < heard:
            actor.runs = [run for run in actor.runs if run.pc != ENDED or run.goal >= heard]
            break


def _on_conditions(work: Work) -> bool:
    """The runs that wait for a condition: has it become true? True if any moved."""
    steady = work.program.steady
    waiting = [run for run in work.actor.runs if run.version not in steady]
    moved = False
    for run in _by_priority(work, waiting):
        moved |= on_condition(work, run, campaign_of(work, run))
    return moved


def _end_forgotten(work: Work) -> None:
    """Runs of a campaign that was archived, or whose version nobody kept."""
    versions = work.program.versions
    for run in work.actor.runs:
        if run.version not in versions:
            break
    else:
        return
    for run in [run for run in work.actor.runs if run.version not in versions]:
        run.goal = -1
        if run.pc != ENDED:
            end(work, run, _gone(run), "archived")
    work.actor.runs = [run for run in work.actor.runs if run.pc != ENDED or run.version in versions]


def _decide_sends(work: Work) -> None:
    """Sends due in one turn: the higher priority first, then the older run, so that a cap admits those."""
    # An event that a step emitted may have ended a run that had asked: it is among the actor's runs no more.
    while asking := [run for run in work.asking if run.pc != ENDED]:
        run = asking[0]
        if len(asking) > 1:
            run = min(asking, key=lambda run: (-campaign_of(work, run).priority, work.actor.runs.index(run)))
        work.asking = [other for other in asking if other is not run]
        decide(work, run, campaign_of(work, run))
    work.asking = []


def _regroup(work: Work) -> bool:
    """Which of the watched segments the user is in now; patterns that waited for the change. True if any changed."""
    actor, scope = work.actor, work
    if not work.program.segments:
        return False
    scope.run = None
    now = _membership(work)
    before, actor.segments = actor.segments, now
    work.changes = frozenset(
        [(name, True) for name in now if name not in before] + [(name, False) for name in before if name not in now]
    )
    if not work.changes:
        return False
    for run in _by_priority(work, work.actor.runs):
        on_match(work, run, campaign_of(work, run), set(), by_event=False)
    entered = set()
    for campaign, pattern in work.program.memberships:
        changed = (pattern.segment, pattern.entered) in work.changes
        if changed and campaign.id not in entered and is_for(campaign, actor):
            entered.add(campaign.id)
            enter(work, campaign, Found(work.body or b"{}", work.occurred, work.ordinal))
    work.changes = frozenset()  # what waits from now on must not take this change for one that comes later
    return True


def _membership(work: Work) -> tuple[str, ...]:
    """The watched segments that the user is in now; sets when they may change by time alone."""
    segments = work.program.segments
    now = tuple(segment.name for segment in segments if segment.member(work))
    work.actor.watch = earliest(*(segment.horizon(work) for segment in segments))
    return now


def campaign_of(work: Work, run: Run) -> Campaign:
    """The version that the run is pinned to; a run whose version nobody kept ends at its next move."""
    found = work.program.versions.get(run.version)
    return _gone(run) if found is None else found


def _gone(run: Run) -> Campaign:
    return Campaign(
        id=run.campaign,
        version=run.version,
        status="paused",
        purpose="marketing",
        topic=run.campaign,
        priority=0,
        entries=(),
        key=None,
        condition=None,
        audience=None,
        re_entry="always",
        re_entry_after=0,
        concurrency="one_per_key",
        exits=(),
        goal=None,
        code=(),
        listens=frozenset(),
        conditional=False,
    )


def renew(actor: Actor, program: Program, now: int) -> None:
    """The next timer under another program than that of the actor's last turn, which may have other things to wait for."""
    set_due(actor, program, now)


# --- time passes --------------------------------------------------------------------------------------------------


def fire(actor: Actor, now: int, program: Program) -> Turn:
    """All timers due at or before `now`, in order of due time, then of the run's age. Rows carry the due time."""
    turn = NOTHING
    while 0 < actor.due <= now:
        due, timer = next_timer(actor, program)
        if not 0 < due <= now:
            actor.due = due
            break
        turn = one_turn(turn, _on_timer(actor, max(due, actor.due), timer, program))
    return turn


def _on_timer(actor: Actor, due: int, timer: Timer, program: Program) -> Turn:
    work = Work(actor, program, due, actor.turn + 1)
    if isinstance(timer, Run):
        campaign = campaign_of(work, timer)
        if campaign.code:
            on_timer(work, timer, campaign)
        else:
            _end_forgotten(work)
    elif timer is not None:
        campaign, pattern = timer
        found = passed(work, pattern, actor, program.since.get(pattern.key, 0))
        if found is not None:
            enter(work, campaign, found)
    elif _regroup(work):
        work.run = None
    if work.decisions or work.refusals or work.asking:
        actor.turn += 1
        run_to_completion(work)
    else:
        set_due(actor, program, due)
    return work.done()
