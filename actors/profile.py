"""What every event changes, whoever cares about it: when the user was seen, sessions, sign-in, consent, reachability."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from actors.model.event import ENGAGED, FEEDBACK_IF_MACHINE, FEEDBACK_ONLY, HUMAN_FEEDBACK, Event
from actors.model.newest import COMPLAINED, CONFLICTS_MAX, CONSENT, TOPIC, TimedProfile, hear, profile, times_of
from actors.model.scope import SESSION_MS
from actors.model.speech import PAGES, is_unproven, lowered
from actors.model.state import Actor
from actors.values.address import valid_address
from actors.values.kept import NAME_BYTES_MAX
from actors.values.zone import NAME_CHARACTERS_MAX

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


def identify(actor: Actor, event: Event, occurred: int, now: int) -> tuple[bool, int]:
    """Take the traits, where nothing newer is known; returns whether there was room for all of them, and how many lost to newer
    ones. Who does not prove that he is the user may only take consent back."""
    traits, told = actor.traits, _decode(event.body)
    if is_unproven(event, actor.user):
        lost = 0
        if event.source == "visitor" and (no := lowered(told.get("consent"))):
            _, lost = hear(actor, {"consent": no}, occurred, now)
            note_tracking(actor)
        return True, lost
    before = dict(traits) if event.source == "bare" else None
    whole, lost = hear(actor, told, occurred, now, len(event.body))
    if before is not None or actor.claimed:
        _note_claims(actor, told, before)
    if event.source in PAGES:
        actor.signed_in = True
    share_consent(actor)
    note_tracking(actor)
    return whole, lost


def _note_claims(actor: Actor, told: dict[str, Any], before: dict[str, Any] | None) -> None:
    """Which traits only a bare id vouches for, now that these were told; `before`: the traits that it found."""
    traits = actor.traits
    if before is not None:
        claimed = dict.fromkeys((*actor.claimed, *(name for name in told if traits.get(name) != before.get(name))))
    else:
        # Another part of the consent may still be a mere claim.
        vouched = {name for name in told if told[name] == traits.get(name)}
        claimed = dict.fromkeys(name for name in actor.claimed if name not in vouched)
    actor.claimed = tuple(name for name in claimed if name in traits)


def merge_profile(into: Actor, source: Actor, now: int) -> tuple[bool, int]:
    """Who the user is, of one who was known as two: the newer word on each part; an address that may not be mailed stays so. What is
    a mere claim of the visitor is not carried over, but for a no. Returns whether there was room for all traits, and how many
    words of the two differ."""
    heard = profile(into, now, source.user)
    times = times_of(source)
    for at in sorted(set(times.values())):
        said = [part for part in times if times[part] == at]
        heard.hear(_carried(source, said), at)
        for topic in [part.removeprefix(TOPIC) for part in said if part.startswith(TOPIC)]:
            _hear_topic(into, heard, topic, topic not in source.unsubscribed, at)
    if COMPLAINED in times:
        heard.times[COMPLAINED] = max(times[COMPLAINED], heard.times.get(COMPLAINED, 0))
    heard.keep()
    into.conflicts = tuple(sorted((*source.conflicts, *into.conflicts), key=lambda one: one.at))[-CONFLICTS_MAX:]
    into.suppressed = tuple(dict.fromkeys(source.suppressed + into.suppressed))[-SUPPRESSED_MAX:]
    share_consent(into)
    note_tracking(into)
    return heard.whole, len(heard.conflicts)


def _carried(source: Actor, parts: list[str]) -> dict[str, Any]:
    """Those of a visitor's traits, null where one was forgotten, that become the user's."""
    traits, claimed = source.traits, source.claimed
    carried = {part: traits.get(part) for part in parts if not part.startswith("\x1f") and part not in claimed}
    consent = {
        name: _consent(source).get(name)
        for name in (part.removeprefix(CONSENT) for part in parts if part.startswith(CONSENT))
    }
    if "consent" in claimed:
        consent = dict(lowered(consent))
    if isinstance(carried.get("consent"), dict):
        del carried["consent"]  # its parts have times of their own
    return {**carried, **({"consent": consent} if consent else {})}


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


def control(actor: Actor, event: Event, properties: dict[str, Any], occurred: int, now: int) -> int:
    """Sign-in, and what feedback says of how the user may be reached; returns how many words lost to newer ones."""
    if is_unproven(event, actor.user):
        return 0
    if event.historical and event.name in _NOW_ALONE:
        return 0
    match event.name:
        case "signed_in" | "signed_up":
            actor.signed_in = True
        case "signed_out":
            actor.signed_in = False
        case "email_bounced" if properties.get("permanent"):
            _suppress(actor, properties)
        case "email_complained":
            _suppress(actor, properties)
            heard = profile(actor, now)
            heard.times[COMPLAINED] = max(occurred, heard.times.get(COMPLAINED, 0))
            heard.keep()
        case "email_unsubscribed" | "email_subscribed":
            heard = profile(actor, now)
            _hear_wish(actor, heard, event.name == "email_subscribed", properties, occurred)
            heard.keep()
            return len(heard.conflicts)
    return 0


def _suppress(actor: Actor, properties: dict[str, Any]) -> None:
    address = properties.get("address") or actor.traits.get("email")
    found = valid_address(address) if isinstance(address, str) else None  # as it is written when a send asks
    if found is not None and found not in actor.suppressed:
        actor.suppressed = (*actor.suppressed, found)[-SUPPRESSED_MAX:]


def _hear_wish(actor: Actor, heard: TimedProfile, wanted: bool, properties: dict[str, Any], said: int) -> None:
    """What a user wants to get from then on. `undoes`: when the no was said that is taken back, which no other no is."""
    topic, undoes = properties.get("topic"), properties.get("undoes")
    name = topic if isinstance(topic, str) else ""
    if wanted and isinstance(undoes, int) and heard.said_no(name) > undoes:
        return
    if name:
        _hear_topic(actor, heard, name, wanted, said)
    else:
        heard.hear({"consent": {"marketing": wanted}}, said)


def _hear_topic(actor: Actor, heard: TimedProfile, topic: str, wanted: bool, said: int) -> None:
    room = topic in actor.unsubscribed or len(actor.unsubscribed) < UNSUBSCRIBED_MAX
    if len(topic.encode()) > NAME_BYTES_MAX or not (wanted or room):
        if not wanted:
            heard.hear({"consent": {"marketing": False}}, said)
    elif heard.hear_topic(topic, wanted, said):
        others = tuple(other for other in actor.unsubscribed if other != topic)
        if wanted:
            actor.unsubscribed = others
        elif topic not in actor.unsubscribed:
            actor.unsubscribed += (topic,)


def is_stopped(actor: Actor, topic: object) -> bool:
    """Whether the user wants no marketing about that topic; without one, none at all."""
    return _consent(actor).get("marketing") is False or (isinstance(topic, str) and topic in actor.unsubscribed)


def _consent(actor: Actor) -> dict[str, Any]:
    consent = actor.traits.get("consent")
    return consent if isinstance(consent, dict) else {}
