"""What every event changes, whoever cares about it: when the user was seen, sessions, sign-in, consent, reachability."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from actors.address import valid_address
from actors.event import ENGAGED, FEEDBACK_IF_MACHINE, FEEDBACK_ONLY, HUMAN_FEEDBACK, Event
from actors.kept import NAME_BYTES_MAX
from actors.scope import SESSION_MS
from actors.speech import PAGES, is_unproven, lowered
from actors.state import Actor
from actors.traits import learn, merged
from actors.zone import NAME_CHARACTERS_MAX

SUPPRESSED_MAX: Final = 32
"""Addresses of one user that may not be mailed; past it the oldest is left to the store, which never forgets one."""

UNSUBSCRIBED_MAX: Final = 64
"""Topics that a user does not want; who leaves one more, or one with a longer name than is kept, wants no marketing."""

_NOW_ALONE: Final = frozenset({"signed_in", "signed_up", "signed_out"})
"""Of the past they say nothing about now."""

_decode = msgspec.json.Decoder(dict[str, Any]).decode


class _Context(msgspec.Struct):
    timezone: Any = None


_decode_context = msgspec.json.Decoder(_Context).decode


def is_activity(event: Event, machine: bool) -> bool:
    """Whether it is something the user did (language.md §4): not feedback by machines, not what a server sets."""
    name = event.name
    if not name:
        return event.source in PAGES
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
        if isinstance(told, str) and told != actor.zone and not is_unproven(event, actor.user):
            actor.zone = told[:NAME_CHARACTERS_MAX]


def notice_past(actor: Actor, event: Event, occurred: int, active: bool) -> None:
    """As `notice`, of an event of the past: first sight may be earlier than we knew. A zone told since stands, and whether our
    messages are ignored is known from those that we sent."""
    ignored, zone, newest = actor.ignored, actor.zone, actor.last_seen
    notice(actor, event, occurred, active)
    actor.ignored = ignored
    actor.first_seen = min(actor.first_seen, occurred)
    if zone and occurred < newest:
        actor.zone = zone


def identify_past(actor: Actor, event: Event) -> bool:
    """Take the traits of the past, as `identify`. Beside what was told live they only fill gaps, and of a consent the no alone
    counts."""
    traits = actor.traits
    if not traits:
        actor.past_profile = True
    if actor.past_profile:
        whole = learn(traits, _decode(event.body), len(event.body))
    else:
        told = _decode(event.body)
        filling = {name: value for name, value in told.items() if name not in traits}
        if "consent" in traits and (no := lowered(told.get("consent"))):
            filling["consent"] = no
        whole = learn(traits, filling, len(event.body))
    share_consent(actor)
    note_tracking(actor)
    return whole


def identify(actor: Actor, event: Event) -> bool:
    """Take the traits; returns whether there was room for all of them. Who does not prove that he is the user may only take
    consent back."""
    traits, told = actor.traits, _decode(event.body)
    actor.past_profile = False
    if is_unproven(event, actor.user):
        if event.source == "visitor" and (no := lowered(told.get("consent"))):
            traits["consent"] = {**_consent(actor), **no}
            note_tracking(actor)
        return True
    before = dict(traits) if event.source == "bare" else None
    whole = learn(traits, told, len(event.body))
    if before is not None or actor.claimed:
        _note_claims(actor, told, before)
    if event.source in PAGES:
        actor.signed_in = True
    share_consent(actor)
    note_tracking(actor)
    return whole


def _note_claims(actor: Actor, told: dict[str, Any], before: dict[str, Any] | None) -> None:
    """Which traits only a bare id vouches for, now that these were told; `before`: the traits that it found."""
    traits = actor.traits
    if before is not None:
        claimed = dict.fromkeys((*actor.claimed, *(name for name in told if traits.get(name) != before.get(name))))
    else:
        # Another part of the consent may still be a mere claim.
        vouched = {name for name in told if name != "consent" or told[name] == traits.get(name)}
        claimed = dict.fromkeys(name for name in actor.claimed if name not in vouched)
    actor.claimed = tuple(name for name in claimed if name in traits)


def merge_person(into: Actor, source: Actor) -> bool:
    """Who the user is, of one who was known as two; an address that may not be mailed and a topic that is not wanted stay
    so. What is a mere claim of the visitor is not carried over, but for a no. Returns whether there was room for all traits."""
    carried = {name: value for name, value in source.traits.items() if name not in source.claimed}
    if "consent" in source.claimed and (no := lowered(source.traits.get("consent"))):
        carried["consent"] = no
    into.traits, whole = merged(into.traits, carried)
    into.suppressed = tuple(dict.fromkeys(source.suppressed + into.suppressed))[-SUPPRESSED_MAX:]
    for topic in source.unsubscribed:
        _unsubscribe(into, topic)
    share_consent(into)
    note_tracking(into)
    return whole


_CONSENTS: Final[dict[bytes, dict[str, Any]]] = {}
_CONSENTS_MAX: Final = 1024


def share_consent(actor: Actor) -> None:
    """Most people say one of a few things: one object for all who say the same, in the same words. It is replaced, never
    changed."""
    consent = actor.traits.get("consent")
    if isinstance(consent, dict):
        if len(_CONSENTS) >= _CONSENTS_MAX:
            _CONSENTS.clear()
        actor.traits["consent"] = _CONSENTS.setdefault(msgspec.json.encode(consent), consent)


def note_tracking(actor: Actor) -> None:
    consent = actor.traits.get("consent")
    actor.tracked = not (isinstance(consent, dict) and consent.get("tracking") is False)


def control(actor: Actor, event: Event, properties: dict[str, Any]) -> None:
    """Sign-in, and what feedback says of how the user may be reached."""
    if is_unproven(event, actor.user):
        return
    if event.historical and event.name in _NOW_ALONE:
        return
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
        case "email_subscribed" if not event.historical or actor.past_profile:
            _subscribe(actor, properties.get("topic"))


def _suppress(actor: Actor, properties: dict[str, Any]) -> None:
    address = properties.get("address") or actor.traits.get("email")
    found = valid_address(address) if isinstance(address, str) else None  # as it is written when a send asks
    if found is not None and found not in actor.suppressed:
        actor.suppressed = (*actor.suppressed, found)[-SUPPRESSED_MAX:]


def _unsubscribe(actor: Actor, topic: object) -> None:
    if isinstance(topic, str) and topic in actor.unsubscribed:
        return
    room = len(actor.unsubscribed) < UNSUBSCRIBED_MAX
    if isinstance(topic, str) and topic and room and len(topic.encode()) <= NAME_BYTES_MAX:
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
