"""What is kept of what is told: values, names and bodies cut to a size, the same way each time.

Bytes are bounded here, not only counts: a message of any length leaves no more in an actor than these limits, so an actor's
size is known from its program (`language/check/weigh.py`). What is usual passes at the cost of a comparison.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from actors.values.ids import identity
from actors.values.values import bounded

EVENT_BYTES_MAX: Final = 16_384
"""Of an event's properties, as conditions, runs and memory see them; of a longer body what `kept` leaves."""

BODY_BYTES_MAX: Final = 4_096
"""Of the properties of one event that a collection or a pattern remembers."""

VALUE_BYTES_MAX: Final = 1_024
"""Of one value that is remembered of an event, as `weight` counts it."""

NAME_BYTES_MAX: Final = 128
"""Of a text that tells things apart: a key of a bag, of a run, of a tally."""

SHORT_NAME_CHARACTERS: Final = NAME_BYTES_MAX // 4
"""A text of no more is a name as it is."""

_HEAD_BYTES: Final = 96
"""Of a longer name, before the digest."""

_decode = msgspec.json.Decoder(dict[str, Any]).decode
_encode = msgspec.json.Encoder(decimal_format="number").encode


def kept(body: bytes, bytes_max: int) -> bytes:
    """Return the raw JSON object, or of a longer one as much as fits: its smallest properties first, and the first items
    of a list that does not fit. Texts are whole or not there, for a part of an address leads nowhere."""
    if len(body) <= bytes_max:
        return body
    properties = _decode(body)
    sizes = {name: len(_encode(name)) + len(_encode(value)) + 2 for name, value in properties.items()}
    room = bytes_max - 2
    chosen: dict[str, Any] = {}
    for name in sorted(sizes, key=lambda name: (sizes[name], name)):
        value, size = properties[name], sizes[name]
        if size > room and isinstance(value, list):
            value = _first_items(value, room - len(_encode(name)) - 3)
            size = len(_encode(name)) + len(_encode(value)) + 2
        if size <= room:
            chosen[name] = value
            room -= size
    return _encode({name: chosen[name] for name in properties if name in chosen})


def _first_items(items: list[Any], room: int) -> list[Any]:
    """As many as fit, encoded and with their commas."""
    for count, item in enumerate(items):
        room -= len(_encode(item)) + 1
        if room < 0:
            return items[:count]
    return items


def kept_name(text: str) -> str:
    """Return the text, or of a longer one its beginning and a digest: two that differ stay two."""
    if len(text) <= SHORT_NAME_CHARACTERS:
        return text
    data = text.encode()
    if len(data) <= NAME_BYTES_MAX:
        return text
    return f"{data[:_HEAD_BYTES].decode(errors='ignore')}…{identity(text, size=8)}"


def kept_value(value: Any) -> Any:
    """Return the value, or of a longer text its beginning, of a longer list its first items; a longer object is null."""
    kind = value.__class__
    if kind is str:
        if len(value) * 4 <= VALUE_BYTES_MAX:
            return value
        return value.encode()[:VALUE_BYTES_MAX].decode(errors="ignore")
    if kind is int:
        return bounded(value)
    if kind is list and weight(value) > VALUE_BYTES_MAX:
        return _lightest(value)
    if kind is dict and weight(value) > VALUE_BYTES_MAX:
        return None
    return value


def _lightest(items: list[Any]) -> list[Any]:
    room = VALUE_BYTES_MAX - LIST_WEIGHT
    for count, item in enumerate(items):
        room -= weight(item)
        if room < 0:
            return items[:count]
    return items


LIST_WEIGHT: Final = 32
OBJECT_WEIGHT: Final = 64


def weight(value: Any) -> int:
    """Return about the bytes that a JSON value takes in memory; never less than it takes packed, nor more than 64 times that.
    (Empty lists are one byte packed and sixty in memory: counted by the byte they would be free.)"""
    kind = value.__class__
    if kind is str:
        return 8 + (len(value) if value.isascii() else len(value.encode()))
    if kind is list:
        return LIST_WEIGHT + sum(map(weight, value))
    if kind is dict:
        return OBJECT_WEIGHT + sum(map(weight, value)) + sum(map(weight, value.values()))
    return 9
