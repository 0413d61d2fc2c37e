"""Properties, traits and contexts as the raw JSON that they came as: looked at and put together without being decoded where
that can be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ingress.messages import scan
from ingress.messages.rejection import Rejected

_encode = msgspec.json.Encoder().encode


def raw_object(raw: bytes | msgspec.Raw, field: str, otherwise: bytes = b"{}") -> bytes:
    """The bytes of a raw JSON object; null and absence are `otherwise`. Raises Rejected."""
    data = bytes(raw)
    if data[:1] == b"{":
        return data
    if data in (b"", b"null"):
        return otherwise
    raise Rejected("type_error", f"{field} must be an object, e.g. {{}}", field)


def without_field(data: bytes, name: str) -> bytes:
    """The raw JSON object without one of its fields. Raises Rejected."""
    found = decoded(data, "context")
    return data if found.pop(name, None) is None else msgspec.json.encode(found)


def decoded(data: bytes, field: str) -> dict[str, Any]:
    """The fields of a raw JSON object. Raises Rejected."""
    value = scan.decode(data, field)
    assert isinstance(value, dict), f"{field} was seen to begin with a brace"
    return value


def with_fields(body: bytes, fields: Mapping[str, str | None]) -> bytes:
    """`body` with these fields, unless it has its own (of two equal keys the last counts)."""
    told = {key: value for key, value in fields.items() if value}
    if not told:
        return body
    rest = body[1:].lstrip()
    return _encode(told)[:-1] + (b"" if rest == b"}" else b",") + rest


def under(traits: bytes, context: bytes) -> bytes:
    """Traits with those of `context.traits` under them."""
    more = decoded(context, "context").get("traits")
    if not isinstance(more, dict) or not more:
        return traits
    return _encode(more | decoded(traits, "traits"))


def merged(shared: bytes, context: bytes) -> bytes:
    """A context over the one that a whole batch shares."""
    return _encode(decoded(shared, "context") | decoded(context, "context"))
