"""Message ids as bytes: 6 of a hash each, many in one bytes object.

That two of 128 ids are taken for one another then happens once in two million million events; two bytes more would be a
tenth of what a packed actor weighs. The first bytes of all hashes stand together before the rest of them: whether one byte
is among 128 is one `memchr`, and only where it is are the others compared. (A search for them all in so many bytes costs
ten times as much.)
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

SIZE: Final = 6
REST: Final = SIZE - 1

_empty = blake2b(digest_size=SIZE).copy
"""A hash of nothing yet: to copy one costs half of what it costs to make one."""


def digest(message_id: str) -> bytes:
    """Return the bytes that stand for a message id."""
    hashed = _empty()
    hashed.update(message_id.encode())
    return hashed.digest()


def knows(digests: bytes, found: bytes) -> bool:
    """Return whether that digest is among them."""
    count = len(digests) // SIZE
    tag = found[0]
    place = digests.find(tag, 0, count)
    while place >= 0:
        at = count + REST * place
        if digests[at : at + REST] == found[1:]:
            return True
        place = digests.find(tag, place + 1, count)
    return False


def with_digest(digests: bytes, found: bytes) -> bytes:
    """Return them and one more, the newest."""
    count = len(digests) // SIZE
    return b"".join((digests[:count], found[:1], digests[count:], found[1:]))


def both(older: bytes, newer: bytes) -> bytes:
    """Return the one and after them the other."""
    first, second = len(older) // SIZE, len(newer) // SIZE
    return b"".join((older[:first], newer[:second], older[first:], newer[second:]))


def split(digests: bytes, older: int) -> tuple[bytes, bytes]:
    """Return so many of the oldest, and the others."""
    count = len(digests) // SIZE
    rests = count + REST * older
    return digests[:older] + digests[count:rests], digests[older:count] + digests[rests:]
