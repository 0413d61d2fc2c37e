"""Ids that are functions of what is known: the same each time they are made."""

from __future__ import annotations

from hashlib import blake2b


def identity(*parts: object, size: int = 16) -> str:
    """`2 * size` hexadecimal digits of a hash over the parts."""
    return blake2b("\x1f".join(map(str, parts)).encode(), digest_size=size).hexdigest()
