"""How much is kept of what is long, found by trying: how many of the smallest properties, how many of the first items."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import msgspec

Properties = dict[str, Any]


def size(value: Any) -> int:
    return len(msgspec.json.encode(value))


def as_much_as_fits(properties: Properties, most: int) -> Properties:
    """The properties, if they are no longer as JSON; else those that can be had by taking the smallest first, and of a list
    that is too long its beginning."""
    if size(properties) <= most:
        return properties
    taken: Properties = {}
    for name, value in sorted(properties.items(), key=lambda one: (size({one[0]: one[1]}), one[0])):
        beginnings = [value[:count] for count in range(len(value), -1, -1)] if isinstance(value, list) else [value]
        for beginning in beginnings:
            if _size_with_last_comma({**taken, name: beginning}) <= most:
                taken[name] = beginning
                break
    return {name: taken[name] for name in properties if name in taken}


def _size_with_last_comma(properties: Properties) -> int:
    return size(properties) + 1


def within_bytes(items: list[Properties], most: int = 65_536) -> list[Properties]:
    """The first of the items that fit together."""
    while sum(map(size, items)) > most:
        items = items[:-1]
    return items


def short_name(text: str) -> str:
    """A text of 128 bytes as it is; of a longer one 96 and a digest."""
    data = text.encode()
    if len(data) <= 128:
        return text
    return data[:96].decode(errors="ignore") + "…" + blake2b(data, digest_size=8).hexdigest()
