"""What every event changes, whoever cares about it: when the user was seen, sessions, sign-in, consent, reachability."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from actors.address import valid_address
from actors.event import ENGAGED, FEEDBACK_IF_MACHINE, FEEDBACK_ONLY, HUMAN_FEEDBACK, Event
from actors.scope import SESSION_MS
from actors.state import Actor

TRAITS_MAX: Final = 256
"""Traits of one user; a new one past it is not taken (those that are known can still change)."""

_decode = msgspec.json.Decoder(dict[str, Any]).decode


class _Context(msgspec.Struct):
    timezone: Any = None


_decode_context = msgspec.json.Decoder(_Context).decode


def is_activity(event: Event, machine: bool) -> bool:
    """Whether it is something the user did (language.md §4): not feedback by machines, not what a server sets."""
    name = event.name
    if not name:
        return event.source == "client"
    if name in FEEDBACK_ONLY:
        return False
    if name in FEEDBACK_IF_MACHINE:
        return not machine
    return event.source != "engine" or name in HUMAN_FEEDBACK


def notice(actor: Actor, event: Event, occurred: int, active: bool) -> None:
    """When the user was seen, the session, the time zone."""
    if not actor.first_seen:
        actor.first_seen = occurred
    if active:
        if event.name in ENGAGED:
            actor.ignored = 0
        if occurred - actor.last_seen >= SESSION_MS:
            actor.session_start = occurred
            actor.session_events = 1
        elif occurred >= actor.session_start:
            actor.session_events += 1
        elif actor.session_start - occurred < SESSION_MS:  # told late, of the session's beginning
            actor.session_events += 1
            actor.session_start = occurred
        if occurred > actor.last_seen:
            actor.last_seen = occurred
    if event.context and b'"timezone"' in event.context:
        told = _decode_context(event.context).timezone
        if isinstance(told, str) and told != actor.zone:
            actor.zone = told[:64]


def identify(actor: Actor, event: Event) -> None:
    """Traits: new values replace old ones, null forgets; `consent` is taken part by part."""
    traits = actor.traits
    for name, value in _decode(event.body).items():
        if value is None:
            traits.pop(name, None)
        elif name == "consent" and isinstance(value, dict) and isinstance(traits.get("consent"), dict):
            traits["consent"] = {**traits["consent"], **value}
        elif name in traits or len(traits) < TRAITS_MAX:
            traits[name] = value
    if event.source == "client":
        actor.signed_in = True
    share_consent(actor)
    note_tracking(actor)


def merge_person(into: Actor, source: Actor) -> None:
    """Who the user is, of one who was known as two: what the known half says counts, but a no of either half stays a no; an
    address that may not be mailed and a topic that is not wanted stay so."""
    ours, theirs = into.traits.get("consent"), source.traits.get("consent")
    into.traits = {**source.traits, **into.traits}
    if isinstance(ours, dict) and isinstance(theirs, dict):
        refused = {part: False for part in ("marketing", "tracking") if False in (ours.get(part), theirs.get(part))}
        into.traits["consent"] = {**theirs, **ours, **refused}
    into.suppressed = tuple(dict.fromkeys(into.suppressed + source.suppressed))
    into.unsubscribed = tuple(dict.fromkeys(into.unsubscribed + source.unsubscribed))
    share_consent(into)
    note_tracking(into)


_CONSENTS: Final[dict[bytes, dict[str, Any]]] = {}
_CONSENTS_MAX: Final = 1024


def share_consent(actor: Actor) -> None:
    """Most people say one of a few things: one object for all who say the same, in the same words. It is replaced, never
    changed."""
    consent = actor.traits.get("consent")
    if isinstance(consent, dict) and len(_CONSENTS) < _CONSENTS_MAX:
        actor.traits["consent"] = _CONSENTS.setdefault(msgspec.json.encode(consent), consent)


def note_tracking(actor: Actor) -> None:
    consent = actor.traits.get("consent")
    actor.tracked = not (isinstance(consent, dict) and consent.get("tracking") is False)


def control(actor: Actor, event: Event, properties: dict[str, Any]) -> None:
    """Sign-in, and what feedback says of how the user may be reached."""
    match event.name:
        case "signed_in" | "signed_up":
            actor.signed_in = True
        case "signed_out":
            actor.signed_in = False
        case "email_bounced" if properties.get("permanent"):
            _suppress(actor, properties)
        case "email_complained":
            _suppress(actor, properties)
        case "email_unsubscribed":
            _unsubscribe(actor, properties.get("topic"))
        case "email_subscribed":
            _subscribe(actor, properties.get("topic"))


def _suppress(actor: Actor, properties: dict[str, Any]) -> None:
    address = properties.get("address") or actor.traits.get("email")
    if isinstance(address, str):
        address = valid_address(address) or address  # as it is written when a send asks
        if address not in actor.suppressed:
            actor.suppressed += (address,)


def _unsubscribe(actor: Actor, topic: object) -> None:
    if isinstance(topic, str) and topic:
        if topic not in actor.unsubscribed:
            actor.unsubscribed += (topic,)
    else:
        actor.traits["consent"] = {**_consent(actor), "marketing": False}


def _subscribe(actor: Actor, topic: object) -> None:
    if isinstance(topic, str) and topic:
        actor.unsubscribed = tuple(other for other in actor.unsubscribed if other != topic)
    else:
        actor.traits["consent"] = {**_consent(actor), "marketing": True}


def _consent(actor: Actor) -> dict[str, Any]:
    consent = actor.traits.get("consent")
    return consent if isinstance(consent, dict) else {}
