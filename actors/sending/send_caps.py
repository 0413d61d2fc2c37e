"""Caps of a campaign and of its sends: how often they may decide to send to one user, receipts included.

They count decisions (`at` of the rows `sent`), whatever becomes of the message afterwards. What they count is named by the
campaign's id and the template, so it outlives versions, restarts, moves to another version and the join of two users.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from actors.model.program import Campaign, Cap, Program, SendMessage, cap_name
from actors.model.state import Actor
from actors.sending.frequency import next_slot

LIMIT_MAX: Final = 100
"""What `limit` may be at the most: so many decisions are remembered for one cap of one user at the most."""


def caps_of(campaign: Campaign, send: SendMessage) -> Iterator[tuple[str, Cap]]:
    """The caps that count a send, the campaign's first: what each counts (`Actor.decided`), and the cap."""
    if campaign.cap is not None:
        yield campaign.id, campaign.cap
    if send.cap is not None:
        yield cap_name(campaign.id, send), send.cap


def free_at(actor: Actor, name: str, cap: Cap, now: int, time_zone: str) -> int:
    """When the cap lets one more be decided, in ms; 0 if it does now: so it is when the oldest is exactly as old as its span."""
    return next_slot((actor.decided or {}).get(name, ()), cap.limit, cap.span, cap.by_day, now, time_zone)


def full_cap(actor: Actor, campaign: Campaign, send: SendMessage, now: int, time_zone: str) -> str:
    """The first cap that lets no more be decided now, as the ledger names it; "" if there is room in all."""
    for name, cap in caps_of(campaign, send):
        if free_at(actor, name, cap, now, time_zone):
            return f"{'campaign' if name == campaign.id else send.step}: {cap.text}"
    return ""


def note_decision(actor: Actor, campaign: str, send: SendMessage, now: int, program: Program) -> None:
    """A message goes to the outbox: it counts from now on, also where another version has the cap."""
    limits = program.capped
    if not limits:
        return
    kept = {name: times for name, times in (actor.decided or {}).items() if name in limits}
    for name in (campaign, cap_name(campaign, send)):
        if name in limits:
            kept[name] = (*kept.get(name, ()), now)[-limits[name] :]
    actor.decided = kept or None


def merge_decisions(into: Actor, source: Actor, program: Program) -> None:
    """Two users are one: what was decided for either counts."""
    mine, theirs = into.decided or {}, source.decided or {}
    if theirs:
        both = {name: sorted((*mine.get(name, ()), *theirs.get(name, ()))) for name in {**mine, **theirs}}
        limits = program.capped
        into.decided = {name: tuple(both[name][-limits[name] :]) for name in both if name in limits} or None
