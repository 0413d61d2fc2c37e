"""How a user comes into a campaign: the entry rules, in the order of language.md §2."""

from __future__ import annotations

from typing import Final

import msgspec

from actors.model.assignment import assign, share
from actors.model.program import Campaign
from actors.model.speech import UNPROVEN_RUNS_MAX, needs_proof
from actors.model.state import ENDED, ENTRIES_BYTES_MAX, ENTRY_BYTES_MIN, RUNS_MAX, Actor, Run
from actors.model.work import Work
from actors.runs.patterns import Found
from actors.runs.run import over_already
from actors.runs.steps import advance
from actors.values.ids import identity
from actors.values.intern import shared
from actors.values.kept import kept, kept_name

ENTRIES_MAX: Final = 256
"""Last entries of one user (by campaign and key) that are remembered for `re_entry`; the oldest is forgotten past it."""

_encode = msgspec.json.Encoder(decimal_format="number").encode


def enter(work: Work, campaign: Campaign, found: Found) -> None:
    """The entry rules after the pattern has matched, in the order of language.md §2; then the first steps."""
    scope = work
    scope.run = None
    if work.event is None:
        scope.take_up(found.body)
    key = "" if campaign.key is None else _key(scope.properties.get(campaign.key))
    unproven = work.unproven or found.unproven
    reason = _refusal(work, campaign, key, unproven)
    if reason is not None:
        work.refusals = (*work.refusals, (campaign.id, reason))
        if work.program.tells_all:
            work.write(campaign, None, "not_entered", reason=reason, detail={"key": key} if key else None)
        return
    if campaign.re_entry != "always":
        note_entry(work.actor, entry_name(campaign.id, key), work.now)
    entry = found.body
    if len(entry) > ENTRY_BYTES_MIN:
        entry = kept_entry(work.actor.runs, entry)
        if entry is not found.body:
            work.reach("entry_bytes")
    run = Run(
        id=identity(campaign.id, campaign.version, work.actor.user, work.ordinal, key, size=8),
        campaign=campaign.id,
        version=campaign.version,
        entered=work.now,
        occurred=found.occurred,
        ordinal=found.ordinal,
        key=key,
        entry=shared(entry),
        goal=_goal_until(campaign, found.occurred),
        unproven=unproven,
    )
    work.actor.runs.append(run)
    if not campaign.shadow:
        work.actor.last_entered = work.now
    work.write(campaign, run, "entered", detail={"key": key} if key else None)
    _assign_run(work, run, campaign)
    if run.occurred < work.now and over_already(work, run, campaign):
        return
    advance(work, run, campaign)


def note_past_entry(work: Work, campaign: Campaign) -> None:
    """Remember that the event at hand, of the past, would have brought the user in: `re_entry` counts from when it happened."""
    if campaign.re_entry == "always" or (
        campaign.canary < 1 and not campaign.side and not in_canary(campaign, work.actor)
    ):
        return
    work.run = None
    if not _lets_in(work, campaign):
        return
    key = "" if campaign.key is None else _key(work.properties.get(campaign.key))
    last = last_entry(work.actor, campaign.id, key)
    if last is None or (campaign.re_entry != "once" and work.occurred - last >= campaign.re_entry_after):
        note_entry(work.actor, entry_name(campaign.id, key), work.occurred)


def _lets_in(work: Work, campaign: Campaign) -> bool:
    """Whether the campaign's condition and audience hold, by what is known now."""
    condition, audience = campaign.condition, campaign.audience
    return (condition is None or bool(condition(work))) and (audience is None or bool(audience(work)))


def kept_entry(runs: list[Run], body: bytes) -> bytes:
    """As much of an entry event's properties as there is room for beside those of the other runs; a little always."""
    if len(body) <= ENTRY_BYTES_MIN:
        return body
    room = ENTRIES_BYTES_MAX - sum(len(run.entry) for run in runs)
    return kept(body, max(room, ENTRY_BYTES_MIN))


def _assign_run(work: Work, run: Run, campaign: Campaign) -> None:
    """Holdout, else the variant of the experiment: by hash, and as it was before for who was assigned before."""
    if campaign.holdout and share(f"{campaign.id}/holdout", work.actor.user) < campaign.holdout:
        run.variant = "holdout"
    elif campaign.experiment:
        run.variant = assign(work.actor, campaign.experiment, campaign.variants)
    else:
        return
    work.write(campaign, run, "assigned", detail={"experiment": campaign.experiment or campaign.id})


def entry_name(campaign: str, key: str) -> str:
    """How an entry is remembered in `Actor.entries`."""
    return f"{campaign}\x1f{key}" if key else campaign


def last_entry(actor: Actor, campaign: str, key: str) -> int | None:
    """`at` of the last entry, as far as `re_entry` of the campaign needs it."""
    name, entries = entry_name(campaign, key), actor.entries
    return entries[entries.index(name) + 1] if name in entries else None


def in_canary(campaign: Campaign, actor: Actor) -> bool:
    """Sticky by hash: raising the part keeps who is in, lowering it keeps who is out."""
    return campaign.canary >= 1 or share(f"{campaign.id}/canary", actor.user) < campaign.canary


def is_for(campaign: Campaign, actor: Actor) -> bool:
    """Whether this version of a campaign is the one that takes the user's entries: beside a canary, each has one."""
    return not campaign.side or in_canary(campaign, actor) == (campaign.side == "canary")


def note_entry(actor: Actor, name: str, at: int) -> None:
    entries = actor.entries
    if name in entries:
        place = entries.index(name)
        entries = entries[:place] + entries[place + 2 :]
    actor.entries = (*entries, shared(name), at)[-2 * ENTRIES_MAX :]


def _key(value: object) -> str:
    return "" if value is None else kept_name(value if isinstance(value, str) else _encode(value).decode())


def _goal_until(campaign: Campaign, occurred: int) -> int:
    if campaign.goal is None:
        return -1
    return 0 if campaign.goal.within is None else occurred + campaign.goal.within


def _refusal(work: Work, campaign: Campaign, key: str, unproven: bool) -> str | None:
    """The first entry rule that fails, None if none does."""
    scope, actor = work, work.actor
    if campaign.status == "paused":
        return "paused"
    if campaign.canary < 1 and not campaign.side and not in_canary(campaign, actor):
        return "canary"
    if unproven and needs_proof(actor.user, campaign.purpose):
        return "unproven"
    if campaign.condition is not None and not campaign.condition(scope):
        return "condition"
    if campaign.audience is not None and not campaign.audience(scope):
        return "audience"
    last = last_entry(actor, campaign.id, key)
    if last is not None and (campaign.re_entry == "once" or work.now - last < campaign.re_entry_after):
        return "re_entry"
    active = [run for run in actor.runs if run.pc != ENDED]
    if len(active) >= RUNS_MAX or (unproven and sum(run.unproven for run in active) >= UNPROVEN_RUNS_MAX):
        return "concurrency"
    if campaign.concurrency != "parallel" and any(
        run.campaign == campaign.id and (campaign.concurrency == "one_per_user" or run.key == key) for run in active
    ):
        return "concurrency"
    return None
