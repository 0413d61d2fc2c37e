"""May we send? Consent, suppression, address: the checks before each send, in the order of language.md §6."""

from __future__ import annotations

from collections.abc import Iterator

from actors.address import valid_address
from actors.program import Campaign, Program
from actors.scope import Scope
from actors.state import Actor
from actors.turn import Channel, Purpose, Send


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


def objections(scope: Scope, campaign: Campaign, channel: Channel, purpose: Purpose, topic: str) -> Iterator[str]:
    """Every reason against a send now, in order; the first is the one that counts."""
    actor, program = scope.actor, scope.program
    if campaign.audience is not None and not campaign.audience(scope):
        yield "audience"
    if not consents(actor, purpose, topic, program):
        yield "no_consent"
    if channel == "email":
        to = address(actor, program)
        if to is None:
            yield "no_address"
        elif to in actor.suppressed:
            yield "suppressed"


def standing(actor: Actor, send: Send, now: int, program: Program) -> str | None:
    """Why a send that was decided may no longer go out, looked at right before it would; None if it may."""
    if now > send.expires:
        return "expired"
    if not consents(actor, send.purpose, send.topic, program):
        return "no_consent"
    if send.channel == "email" and send.to in actor.suppressed:
        return "suppressed"
    return None
