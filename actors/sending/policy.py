"""May we send? The checks before each send, in the order of language.md §6, and again right before it leaves."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from actors.model.local_time import time_zone
from actors.model.program import Campaign, Program, SendMessage
from actors.model.scope import Scope
from actors.model.speech import needs_proof
from actors.model.state import Actor, Run
from actors.model.turn import Purpose, Send
from actors.sending.frequency import capped_until, cooling_until, quiet_until
from actors.sending.send_caps import full_cap
from actors.values.address import valid_address


class Objection(msgspec.Struct, frozen=True):
    """One reason against a send. `until`: when it may be gone (then the send is held); 0: it is skipped."""

    reason: str
    until: int = 0
    cap: str = ""
    """Which cap of the campaign or the send is full."""


def consents(actor: Actor, purpose: Purpose, topic: str, program: Program) -> bool:
    """Whether the user lets us send this: transactional always, marketing by consent and topic."""
    if purpose == "transactional":
        return True
    given = _consent(actor, "marketing")
    if program.policy.marketing_opt_in:
        return given is True and topic not in actor.unsubscribed
    return given is not False and topic not in actor.unsubscribed


def may_track(actor: Actor, program: Program) -> bool:
    """Whether what the user does may be remembered."""
    given = _consent(actor, "tracking")
    return given is True if program.policy.tracking_opt_in else given is not False


def _consent(actor: Actor, purpose: str) -> object:
    consent = actor.traits.get("consent")
    return consent.get(purpose) if isinstance(consent, dict) else None


def address(actor: Actor, program: Program) -> str | None:
    """Where e-mail to the user goes: the verified address, or the unverified one if the policy allows it."""
    traits = actor.traits
    told = traits.get("email")
    if told is None and program.policy.unverified_email:
        told = traits.get("unverified_email")
    return valid_address(told) if isinstance(told, str) else None


def objections(scope: Scope, run: Run, campaign: Campaign, send: SendMessage) -> Iterator[Objection]:
    """Every objection to a send now, in order; the first is the one that counts."""
    actor, program = scope.actor, scope.program
    if campaign.audience is not None and not campaign.audience(scope):
        yield Objection("audience")
    if not consents(actor, send.purpose, send.topic, program):
        yield Objection("no_consent")
    if run.unproven and needs_proof(actor.user, send.purpose):
        yield Objection("unproven")
    if send.channel == "email":
        to = address(actor, program)
        if to is None:
            yield Objection("no_address")
        elif to in actor.suppressed:
            yield Objection("suppressed")
    if run.variant == "holdout":
        yield Objection("holdout")
    if missing(scope, send):
        yield Objection("render_error")
    full = ""
    if campaign.cap is not None or send.cap is not None:
        full = full_cap(actor, campaign, send, scope.now, time_zone(actor, program))
    if full:
        yield Objection("capped", cap=full)
    if send.purpose == "marketing":
        yield from (one for one in _timely(scope, send) if not (full and one.reason == "capped"))


def missing(scope: Scope, send: SendMessage) -> list[str]:
    """What the template prints and nobody has told: `user.first_name`. `scope.run` is the send's."""
    return [f"{root}.{name}" for root, name in send.printed if not _is_known(scope, send, root, name)]


def _is_known(scope: Scope, send: SendMessage, root: str, name: str) -> bool:
    if root == "data":
        return any(known == name and value(scope) is not None for known, value in send.data)
    if root == "entry":
        return scope.entry.get(name) is not None
    return name in ("id", "first_seen", "last_seen") or scope.actor.traits.get(name) is not None


def _timely(scope: Scope, send: SendMessage) -> Iterator[Objection]:
    """What only speaks against a send at this time."""
    actor, policy, now = scope.actor, scope.program.policy, scope.now
    zone = time_zone(actor, scope.program)
    capped = capped_until(actor, now, send.channel, send.topic, policy, zone)
    if capped:
        yield Objection("capped", capped if policy.holds_capped else 0)
    cooling = cooling_until(actor, now, send.topic, policy)
    if cooling:
        yield Objection("cooldown", cooling if policy.holds_capped else 0)
    quiet = quiet_until(now, policy, zone)
    if quiet:
        assert policy.quiet is not None
        yield Objection("quiet_hours", quiet if policy.quiet.hold else 0)


def veto_at_dispatch(actor: Actor, send: Send, now: int, program: Program) -> str | None:
    """Why a send that was decided may no longer go out, looked at right before it would; None if it may."""
    if now > send.expires:
        return "expired"
    if not consents(actor, send.purpose, send.topic, program):
        return "no_consent"
    if send.channel == "email" and send.to in actor.suppressed:
        return "suppressed"
    if send.purpose == "marketing" and quiet_until(now, program.policy, time_zone(actor, program)):
        return "quiet_hours"
    return None
