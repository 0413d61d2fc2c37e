"""What is known of a user: traits within their limits, and consent, which is always taken."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from actors.values.kept import OBJECT_WEIGHT, weight

TRAITS_MAX: Final = 256
"""Traits of one user; a new one past it is not taken (those that are known can still change)."""

TRAITS_BYTES_MAX: Final = 32_768
"""Of all of them together, as `kept.weight` counts; a value that would pass it is not taken, what was known stays."""

CONSENT_PARTS_MAX: Final = 16
"""Parts of a consent beside `marketing` and `tracking`, which there is always room for."""

CONSENT_PART_BYTES_MAX: Final = 64
"""Of the name of such a part; a longer one is not taken."""

CORE_CONSENTS: Final = ("marketing", "tracking")
"""The parts of a consent that mean something to us."""

CONSENT_BYTES_MAX: Final = OBJECT_WEIGHT + (CONSENT_PARTS_MAX + len(CORE_CONSENTS)) * (8 + CONSENT_PART_BYTES_MAX + 9)

_SURELY_FITS: Final = TRAITS_BYTES_MAX // 64
"""Bytes, packed or as JSON, that weigh less than there is room for, whatever they are."""

_pack = msgspec.msgpack.Encoder().encode


def learn(traits: dict[str, Any], told: dict[str, Any], told_bytes: int = TRAITS_BYTES_MAX) -> bool:
    """Take what is told into the traits: new values replace old ones, null forgets, `consent` is taken part by part.

    `told_bytes` is how long it was as JSON, if that is known. Returns False if something had no room; a consent always has.
    """
    room = None
    if told_bytes > _SURELY_FITS or (traits and len(_pack(traits)) + told_bytes > _SURELY_FITS):
        room = TRAITS_BYTES_MAX - weight(traits)
    whole = True
    for name, value in told.items():
        if value is None:
            known = traits.pop(name, None)
            if room is not None and known is not None:
                room += weight(name) + weight(known)
        elif name == "consent" and isinstance(value, dict):
            known = traits.get("consent")
            traits["consent"], all_parts = joined_consent(known if isinstance(known, dict) else {}, value)
            whole = whole and all_parts
        elif name not in traits and len(traits) >= TRAITS_MAX:
            whole = False
        else:
            if room is not None:
                more = weight(value) - weight(traits[name]) if name in traits else weight(name) + weight(value)
                if more > max(room, 0):
                    whole = False
                    continue
                room -= more
            traits[name] = value
    return whole


def joined_consent(known: dict[str, Any], told: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    """Return the consent after more was said, and whether there was room for all: yes and no replace what was said of a
    part, anything else forgets it."""
    parts, whole = known.copy(), True
    for name, value in told.items():
        if value is not True and value is not False:
            parts.pop(name, None)
        elif name in CORE_CONSENTS or name in parts or _has_room(parts, name):
            parts[name] = value
        else:
            whole = False
    return parts, whole


def _has_room(parts: dict[str, Any], name: str) -> bool:
    others = len(parts) - sum(core in parts for core in CORE_CONSENTS)
    return others < CONSENT_PARTS_MAX and len(name.encode()) <= CONSENT_PART_BYTES_MAX
