"""Who is certainly not on disk: so that a brand-new user costs no read of the database.

A Bloom filter over all names that have, or may have, a row in `actors` or `names`: 4 MB whatever their number. It may
say "perhaps" of a stranger (one in 500 at two million users, one in four at ten million), which costs a read; it never
says "no" of somebody who is there. It only knows what it was told: until `complete` is set, the answer is "perhaps".
"""

from __future__ import annotations

from typing import Final

_BITS: Final = 25
_MASK: Final = (1 << _BITS) - 1


class KnownUsers:
    __slots__ = ("_bits", "complete")

    def __init__(self) -> None:
        self._bits = bytearray(1 << (_BITS - 3))
        self.complete = False
        """Whether it was told of everybody who is on disk."""

    def add(self, name: str) -> None:
        """`name` is on disk, or will be."""
        bits = self._bits
        key = hash(name)
        for _ in range(3):
            bits[(key & _MASK) >> 3] |= 1 << (key & 7)
            key >>= 13
        bits[(key & _MASK) >> 3] |= 1 << (key & 7)

    def sure(self, name: str) -> bool:
        """True: `name` is not on disk. False: it may be."""
        if not self.complete:
            return False
        bits = self._bits
        key = hash(name)
        for _ in range(4):
            if not bits[(key & _MASK) >> 3] & (1 << (key & 7)):
                return True
            key >>= 13
        return False
