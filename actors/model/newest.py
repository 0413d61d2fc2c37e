"""The newest word on each part of a profile counts, by its own time, in whatever order the words come.

Most users are told all at once, so one time (`Actor.told_at`) stands for every part that is known; `Actor.told_times` holds
the others, and those of parts that were forgotten. A part is a trait, a part of the consent or a topic. Of two words of one
moment the one that comes last counts; when two users turn out to be one, the known half, but for a no.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, Final, Literal

import msgspec

from actors.model.traits import learn
from actors.values.kept import NAME_BYTES_MAX, SHORT_NAME_CHARACTERS

TRAIT_TIMES_MAX: Final = 32
"""Traits of one user with a time of their own; past it the oldest share a newer one, so what stands is not replaced."""

WORD_TIMES_MAX: Final = 128
"""The same of parts of the consent and topics; past it the oldest that are not known any more are forgotten."""

CONFLICTS_MAX: Final = 8
"""Words of one user that lost, in `Actor.conflicts`; past it the oldest goes."""

SHOWN_CHARACTERS_MAX: Final = 64
"""Of a name or value in a conflict."""

CONSENT: Final = "\x1fconsent."
TOPIC: Final = "\x1ftopic."
COMPLAINED: Final = "\x1fcomplained"
"""Begin what is no trait. A trait that is named so has the time of such a part, of its own user only."""

_NEVER: Final = -1

_encode = msgspec.json.Encoder(decimal_format="number").encode


class Conflict(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Two words on one part of a profile that differ, and which of them was kept."""

    at: int
    """When it was found, in ms."""
    how: Literal["late", "joined"]
    name: str
    """`plan`, `consent.marketing`, `topic.cart`"""
    kept: str
    """JSON, cut."""
    kept_at: int
    """When it was said, in ms; 0: not known."""
    lost: str
    lost_at: int
    other: str = ""
    """The visitor who turned out to be the user, of `joined`."""


class TimedProfile(msgspec.Struct):
    """An actor's profile with the times of its parts, while words are told. `keep` puts the times back."""

    actor: Any
    now: int
    times: dict[str, int]
    other: str = ""
    conflicts: list[Conflict] = []
    whole: bool = True
    """Whether there was room for all."""

    def hear(self, told: dict[str, Any], said: int, told_bytes: int | None = None) -> None:
        """Take the traits that were said then, where nothing newer is known."""
        won = {name: value for name, value in told.items() if name != "consent" and self._wins(name, value, said)}
        if "consent" in told:
            consent = self._consent(told["consent"], said)
            if consent is not _NOTHING:
                won["consent"] = consent
        sizes = () if told_bytes is None else (told_bytes,)
        self.whole = learn(self.actor.traits, won, *sizes) and self.whole
        for name, value in won.items():
            self._note(name, value, said)

    def hear_topic(self, topic: str, wanted: bool, said: int) -> bool:
        """Whether this is the newest word on the topic."""
        won = self._wins(TOPIC + topic, wanted, said)
        if won:
            self.times[TOPIC + topic] = said
        return won

    def said_no(self, topic: str) -> int:
        """When somebody last spoke about that topic, or about all mail if it is empty, or complained."""
        part = TOPIC + topic if topic else CONSENT + "marketing"
        return max(self.times.get(part, 0), self.times.get(COMPLAINED, 0))

    def keep(self) -> None:
        """Put the times, and what lost, into the actor."""
        actor = self.actor
        actor.told_at, actor.told_times = _packed(_known(actor), self.times)
        if self.conflicts:
            actor.conflicts = (*actor.conflicts, *self.conflicts)[-CONFLICTS_MAX:]

    def _time(self, part: str) -> int:
        known = self.times.get(part, _NEVER)
        return max(known, self.times.get("consent", _NEVER)) if part.startswith(CONSENT) else known

    def _wins(self, part: str, value: object, said: int) -> bool:
        known = self._time(part)
        stands = _standing(self.actor, part)
        if self.other:
            won = said > known or (said == known and value is False and part.startswith((CONSENT, TOPIC)))
        else:
            won = said >= known
        differs = stands is not _NOTHING and value is not None and value != stands
        if differs and not won:
            self._lost(part, stands, known, value, said)
        elif differs and self.other:
            self._lost(part, value, said, stands, known)
        return won

    def _lost(self, part: str, kept: object, kept_at: int, lost: object, lost_at: int) -> None:
        self.conflicts = [
            *self.conflicts[1 - CONFLICTS_MAX :],
            Conflict(
                at=self.now,
                how="joined" if self.other else "late",
                name=part.removeprefix("\x1f")[:SHOWN_CHARACTERS_MAX],
                kept=_shown(kept),
                kept_at=max(kept_at, 0),
                lost=_shown(lost),
                lost_at=lost_at if lost_at > 0 else 0,
                other=self.other[:SHOWN_CHARACTERS_MAX],
            ),
        ]

    def _consent(self, told: object, said: int) -> object:
        """What is to be learnt of what was said of the consent, or _NOTHING."""
        if isinstance(told, dict):
            won = {part: value for part, value in told.items() if self._wins(CONSENT + part, value, said)}
            return won or (_NOTHING if told else told)
        if not self._wins("consent", told, said):
            return _NOTHING
        stands = self.actor.traits.get("consent")
        newer = {part for part in stands if self._time(CONSENT + part) > said} if isinstance(stands, dict) else ()
        if not newer:
            return told
        self.times["consent"] = said
        return _NOTHING if told is not None else {part: None for part in stands if part not in newer}

    def _note(self, name: str, value: object, said: int) -> None:
        stands = self.actor.traits.get(name)
        if name == "consent" and isinstance(value, dict):
            if not isinstance(stands, dict):
                return
            for part, one in value.items():
                if stands.get(part) is one or part not in stands:
                    self.times[CONSENT + part] = said
        elif value is None or stands is value:  # what there was no room for has not been heard
            self.times[name] = said
            if name == "consent":
                for part in [part for part in self.times if part.startswith(CONSENT)]:
                    del self.times[part]


class _Nothing:
    """Of which nothing is known, or nothing is to be learnt; null is a word."""


_NOTHING: Final = _Nothing()


def profile(actor: Any, now: int, other: str = "") -> TimedProfile:
    """Begin to tell an actor of its profile. `other`: the visitor whose words they were, and who turned out to be the user."""
    return TimedProfile(actor, now, times_of(actor), other)


def hear(actor: Any, told: dict[str, Any], said: int, now: int, told_bytes: int | None = None) -> tuple[bool, int]:
    """Take traits that were said then; returns whether there was room for all, and how many words lost to newer ones."""
    own = actor.told_times
    if said >= actor.told_at and (own is None or said >= max(own.values())):
        # The usual word is newer than all that is known.
        if (own is None or own.keys() <= told.keys()) and _tells_all(actor, told):
            if learn(actor.traits, told, *(() if told_bytes is None else (told_bytes,))):
                actor.told_at, actor.told_times = said, None
                return True, 0
        elif _tells_few(told, own) and learn(actor.traits, told, *(() if told_bytes is None else (told_bytes,))):
            actor.told_times = {**(own or {}), **dict.fromkeys(told, said)}
            return True, 0
    heard = profile(actor, now)
    heard.hear(told, said, told_bytes)
    heard.keep()
    return heard.whole, len(heard.conflicts)


def _tells_all(actor: Any, told: dict[str, Any]) -> bool:
    """Whether every part that is known is told again, and none is forgotten: then one time is enough."""
    if actor.unsubscribed or None in told.values() or not actor.traits.keys() <= told.keys():
        return False
    consent, known = told.get("consent"), actor.traits.get("consent")
    if consent is None:
        return True
    if not isinstance(consent, dict) or not all(value is True or value is False for value in consent.values()):
        return False
    return known is None or (isinstance(known, dict) and known.keys() <= consent.keys())


def _tells_few(told: dict[str, Any], own: dict[str, int] | None) -> bool:
    """Whether there is surely room for a time of each, and nothing is said of the consent, and nothing forgotten."""
    if not told or "consent" in told or len(told) + len(own or ()) > TRAIT_TIMES_MAX or None in told.values():
        return False
    return all(len(name) <= SHORT_NAME_CHARACTERS for name in told)


def times_of(actor: Any) -> dict[str, int]:
    """Return when each part was last told, also of those that were forgotten since."""
    return {**dict.fromkeys(_known(actor), actor.told_at), **(actor.told_times or {})}


def _known(actor: Any) -> list[str]:
    traits = actor.traits
    consent = traits.get("consent")
    names = [name for name in traits if name != "consent"]
    if isinstance(consent, dict):
        names += [CONSENT + part for part in consent]
    elif "consent" in traits:
        names.append("consent")
    return names + [TOPIC + topic for topic in actor.unsubscribed]


def _standing(actor: Any, part: str) -> object:
    if part.startswith(TOPIC):
        return part.removeprefix(TOPIC) not in actor.unsubscribed
    if part.startswith(CONSENT):
        consent = actor.traits.get("consent")
        return consent.get(part.removeprefix(CONSENT), _NOTHING) if isinstance(consent, dict) else _NOTHING
    return actor.traits.get(part, _NOTHING)


def _shown(value: object) -> str:
    return _encode(value).decode()[:SHOWN_CHARACTERS_MAX]


def _packed(known: Iterable[str], times: dict[str, int]) -> tuple[int, dict[str, int] | None]:
    """Return the time that most parts share, and the times of the others, within their limits."""
    parts = {part: times.get(part, 0) for part in known}
    shared = max(Counter(parts.values()).items(), key=lambda one: (one[1], one[0]), default=(0, 0))[0]
    own = {part: at for part, at in times.items() if at > 0 and (part not in parts or at != shared)}
    own |= {part: at for part, at in parts.items() if at != shared}
    traits = [part for part in own if not part.startswith("\x1f")]
    words = [part for part in own if part.startswith("\x1f")]
    gone = [part for part in traits if len(part.encode()) > NAME_BYTES_MAX]
    gone += sorted((part for part in traits if part not in gone), key=lambda part: own[part])[:-TRAIT_TIMES_MAX]
    forgotten = sorted((part for part in words if part not in parts), key=lambda part: own[part])
    lost_words = forgotten[: max(0, len(words) - WORD_TIMES_MAX)]
    newest = max((own[part] for part in gone if part in parts), default=0)
    for part in (*gone, *lost_words):
        del own[part]
    if newest > shared:
        # What has no time of its own any more is as new as the newest of its like; a yes or a no stays as old as it is.
        own |= {part: shared for part in parts if part.startswith("\x1f") and part not in own}
        own = {part: at for part, at in own.items() if part.startswith("\x1f") or part not in parts or at > newest}
        shared = newest
    return shared, own or None
