"""JSON as people write it by hand, made into a Segment message: flat keys, snake or camel case, GA4's spelling.

`{"user_id": "12345", "product_id": "98765", "event": "add_to_cart"}` is a track of user 12345 with one property.
What has no meaning of its own becomes a property.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any, Final

import msgspec

FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "userId": ("userId", "user_id", "uid"),
    "anonymousId": ("anonymousId", "anonymous_id", "client_id"),
    "event": ("event", "event_name", "eventName", "event_type", "eventType"),
    "messageId": ("messageId", "message_id", "event_id", "eventId"),
    "timestamp": ("timestamp", "ts"),
    "originalTimestamp": ("originalTimestamp", "original_timestamp"),
    "sentAt": ("sentAt", "sent_at"),
    "previousId": ("previousId", "previous_id"),
    "groupId": ("groupId", "group_id"),
    "historical": ("historical",),
}
"""Segment's field -> the spellings it is known by, the first that is there counts."""


class _Ids(msgspec.Struct):
    user_id: msgspec.Raw = msgspec.Raw()
    uid: msgspec.Raw = msgspec.Raw()
    anonymous_id: msgspec.Raw = msgspec.Raw()
    client_id: msgspec.Raw = msgspec.Raw()


_decode_ids = msgspec.json.Decoder(_Ids).decode


def names_somebody(data: bytes) -> bool:
    """Whether a message that is known to be a JSON object names its user or visitor in another spelling than Segment's."""
    ids = _decode_ids(data)
    return any(bytes(told) for told in (ids.user_id, ids.uid, ids.anonymous_id, ids.client_id))


PARTS: Final = ("traits", "context")
ENVELOPE: Final = frozenset({"writeKey", "write_key", "api_key", "integrations", "channel", "_metadata", "version"})

_SEGMENTS: Final = frozenset({"userId", "anonymousId", "messageId"})

MISSPELT: Final = 0.75
"""How alike (difflib's ratio) what is told must be to a type to be taken for its misspelling."""

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def snake(key: str) -> str:
    """`productId` -> `product_id`."""
    return _HUMP.sub("_", key).lower() if not key.islower() else key


def segment(message: Mapping[str, Any], kinds: frozenset[str]) -> dict[str, Any]:
    """The same message in Segment's shape. Values are taken as they are: checking them is the normaliser's work."""
    made: dict[str, Any] = {}
    used = set(ENVELOPE)
    for field, spellings in FIELDS.items():
        for spelling in spellings:
            used.add(spelling)
            if field not in made and message.get(spelling) is not None:
                made[field] = message[spelling]
    for part in PARTS:
        used.add(part)
        if message.get(part) is not None:
            made[part] = message[part]
    kind = _kind(message, made, kinds)
    if kind != "track":
        # Only these use `name` (of a page) and `category` beside their properties.
        made |= {key: message[key] for key in ("name", "category") if isinstance(message.get(key), str)}
    if kind == str(message.get("type")).lower() or "event" not in made:
        used.add("type")
    return made | {"type": kind, "properties": _properties(message, used)}


def _kind(message: Mapping[str, Any], made: Mapping[str, Any], kinds: frozenset[str]) -> Any:
    told = message.get("type")
    if isinstance(told, str) and told.lower() in kinds:
        return told.lower()
    if isinstance(told, str) and _is_segment(message) and meant(told, kinds) is not None:
        return told
    if "event" in made:
        # `{"event": "payment", "type": "card"}`: flat JSON, and `type` is a property.
        return "track"
    if told is not None:
        return told
    return "identify" if "traits" in made else "track"


def meant(told: str, kinds: Iterable[str]) -> str | None:
    """The type that is all but spelt so: `track` of `trck`."""
    return next(iter(get_close_matches(told.lower()[:50], sorted(kinds), 1, MISSPELT)), None)


def _is_segment(message: Mapping[str, Any]) -> bool:
    """Whether it has a place of its own for properties, or Segment's names: then `type` is its type."""
    return isinstance(message.get("properties"), dict) or not _SEGMENTS.isdisjoint(message)


def _properties(message: Mapping[str, Any], used: set[str]) -> Any:
    for holder in ("properties", "props", "params"):
        if message.get(holder) is not None:
            inner = message[holder]
            if not isinstance(inner, dict):
                return inner
            leftovers = {snake(k): v for k, v in message.items() if k not in used and k != holder}
            return leftovers | inner
    return {snake(key): value for key, value in message.items() if key not in used}
