"""The message ids of an actor's newest events, for deduplication: 8 bytes of a hash each, in one bytes object.

The first bytes of all hashes stand together before the rest of them: whether one byte is among 128 is one `memchr`, and
only where it is are seven more compared. (A search for eight bytes in a kilobyte costs ten times as much.)
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

IDS_MAX: Final = 128
"""How many are remembered; the oldest is forgotten past it."""

_REST: Final = 7


def digest(message_id: str) -> bytes:
    """8 bytes that stand for a message id."""
    return blake2b(message_id.encode(), digest_size=8).digest()


def knows(recent: bytes, found: bytes) -> bool:
    """Whether that digest is among them."""
    count = len(recent) // 8
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
    count = len(recent) // 8
    if count < IDS_MAX:
        return b"".join((recent[:count], found[:1], recent[count:], found[1:]))
    return b"".join((recent[1:count], found[:1], recent[count + _REST :], found[1:]))


def joined(older: bytes, newer: bytes) -> bytes:
    """Those of one user who was known as two; `newer` are forgotten last."""
    tags = (older[: len(older) // 8] + newer[: len(newer) // 8])[-IDS_MAX:]
    rests = (older[len(older) // 8 :] + newer[len(newer) // 8 :])[-_REST * IDS_MAX :]
    return tags + rests
