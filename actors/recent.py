"""The message ids of an actor's newest events, for deduplication: 6 bytes of a hash each, in one bytes object.

That two of 128 ids are taken for one another then happens once in two million million events; two bytes more would be a
tenth of what a packed actor weighs. The first bytes of all hashes stand together before the rest of them: whether one byte
is among 128 is one `memchr`, and only where it is are the others compared. (A search for them all in so many bytes costs
ten times as much.)
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

IDS_MAX: Final = 128
"""How many are remembered; the oldest is forgotten past it."""

_SIZE: Final = 6
_REST: Final = _SIZE - 1


def digest(message_id: str) -> bytes:
    """The bytes that stand for a message id."""
    return blake2b(message_id.encode(), digest_size=_SIZE).digest()


def knows(recent: bytes, found: bytes) -> bool:
    """Whether that digest is among them."""
    count = len(recent) // _SIZE
    tag = found[0]
    place = recent.find(tag, 0, count)
    while place >= 0:
        at = count + _REST * place
        if recent[at : at + _REST] == found[1:]:
            return True
        place = recent.find(tag, place + 1, count)
    return False


def with_digest(recent: bytes, found: bytes) -> bytes:
    """They and one more, the newest."""
    count = len(recent) // _SIZE
    if count < IDS_MAX:
        return b"".join((recent[:count], found[:1], recent[count:], found[1:]))
    return b"".join((recent[1:count], found[:1], recent[count + _REST :], found[1:]))


def joined(older: bytes, newer: bytes) -> bytes:
    """Those of one user who was known as two; `newer` are forgotten last."""
    tags = (older[: len(older) // _SIZE] + newer[: len(newer) // _SIZE])[-IDS_MAX:]
    rests = (older[len(older) // _SIZE :] + newer[len(newer) // _SIZE :])[-_REST * IDS_MAX :]
    return tags + rests
