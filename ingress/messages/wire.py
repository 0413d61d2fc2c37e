"""The Segment message as it crosses the wire: typed where we look, raw where we do not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from ingress.messages.rejection import Rejected

NONE: Final = msgspec.Raw()

_NAMING: Final[Mapping[str, str]] = {
    "event": "event",
    "user_id": "userId",
    "anonymous_id": "anonymousId",
    "message_id": "messageId",
    "previous_id": "previousId",
    "group_id": "groupId",
}

Id = str | int | float | None
Instant = str | int | float | None


class Wire(msgspec.Struct, gc=False, kw_only=True, rename="camel"):
    """One message. Unknown fields are ignored; a wrong type is an error that names the field."""

    type: str | None = None
    event: str | None = None
    user_id: Id = None
    anonymous_id: Id = None
    message_id: Id = None
    timestamp: Instant = None
    original_timestamp: Instant = None
    sent_at: Instant = None
    properties: msgspec.Raw = NONE
    traits: msgspec.Raw = NONE
    context: msgspec.Raw = NONE
    name: str | None = None
    category: str | None = None
    previous_id: Id = None
    group_id: Id = None
    historical: bool | None = None


class Envelope(Wire, gc=False, kw_only=True, rename="camel"):
    """A request's body: one message, or `batch` and what all of its messages share."""

    batch: list[Wire] | None = None


class RawEnvelope(msgspec.Struct, gc=False, kw_only=True, rename="camel"):
    """The same, when one of its messages is not as it should be: each is then looked at by itself."""

    batch: list[msgspec.Raw] | None = None
    sent_at: Instant = None
    context: msgspec.Raw = NONE


class SentAt(msgspec.Struct, gc=False, kw_only=True):
    """When a message left, in either spelling, of one that is still raw."""

    sent_at: Instant = msgspec.field(default=None, name="sentAt")
    loosely: Instant = msgspec.field(default=None, name="sent_at")


def told_apart(wire: Wire) -> None:
    """Refuse a message of which a name or an id was mended: two that differed in the half that is gone would be one,
    and one user would have what another did. Raises Rejected."""
    for attribute, field in _NAMING.items():
        value = getattr(wire, attribute)
        if isinstance(value, str) and "\ufffd" in value:
            raise Rejected("bad_string", f"{field} holds half a character: a surrogate without its pair", field)


def rejected(error: Exception) -> Rejected:
    """What a typed decoder's error means for the sender."""
    text = str(error)
    if isinstance(error, RecursionError):
        return Rejected("too_deep", "nested too deep")
    if isinstance(error, msgspec.ValidationError):
        what, _, path = text.partition(" - at ")
        field = path.strip("`").removeprefix("$").lstrip(".")
        return Rejected(
            "out_of_range" if "range" in what else "type_error", f"{what}{' in ' + field if field else ''}", field
        )
    return Rejected("invalid_json", f"not valid JSON: {text}")
