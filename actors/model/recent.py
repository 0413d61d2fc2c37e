"""The message ids by which an actor knows an event that is sent again.

The newest stand in `Actor.ids`, at most 128 of them: all that most users ever need. When they are 128, the older half moves
into `Actor.older_ids`: chunks, each with the time of its newest, that are dropped once this is longer ago than the policy's
`deduplicate`. The newest need no times of their own: what is moved was there already when ids were moved the last time, so
for somebody who does little it has long been of no use, and is not kept at all.

Past IDS_MAX the oldest chunk is dropped although it is not old. The actor then remembers until when ids are forgotten, and
what is told of that time or before it is refused: whether it has been taken cannot be known any more.
"""

from __future__ import annotations

from typing import Final

import msgspec

from actors.values import digests
from actors.values.digests import REST, SIZE

NEWEST_MAX: Final = 128
NEWEST_KEPT: Final = 64
"""How many stay in `Actor.ids` when the others move."""

NEWEST_BYTES_MAX: Final = NEWEST_MAX * SIZE

IDS_MAX: Final = 65_536
"""Of one user, whatever their age: so many of the newest are known. Of more, the oldest are forgotten."""

CHUNK_MAX: Final = 1_024
CHUNKS_A_WINDOW: Final = 4
"""A chunk holds ids of a quarter of the window at most, so none is kept for much longer than promised."""

MARK_BYTES: Final = 2
"""Of an id, when its chunk's marks are as full as they get; half full they are twice as many."""

_CHUNK_BYTES: Final = 24
"""What MessagePack adds to a chunk's bytes, its time included, at most."""

IDS_BYTES_MAX: Final = (
    NEWEST_BYTES_MAX
    + (IDS_MAX + CHUNK_MAX) * (SIZE + 2 * MARK_BYTES)
    + (IDS_MAX + CHUNK_MAX) // NEWEST_KEPT * _CHUNK_BYTES
)
"""What the ids of one packed actor weigh at most."""

_NEVER: Final = 1 << 62


class Chunk(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Ids that were taken one after the other."""

    at: int
    """When the newest was taken, in ms, or a little later."""
    ids: bytes
    """As `digests.py` keeps them."""
    marks: bytes
    """A bit for each id, at a place that its hash says, among 16 to 32 times as many (a Bloom filter with one function): of a
    hundred chunks five are searched for what they do not hold."""


class OlderIds(msgspec.Struct, frozen=True, array_like=True, gc=False):
    chunks: tuple[Chunk, ...] = ()
    """Oldest first."""
    oldest: int = _NEVER
    """`at` of the first chunk."""
    moved: int = 0
    """When ids were moved here the last time: the next to move were all taken before. 0: unknown."""
    forgotten: int = 0
    """When the newest of those was taken that were dropped because they were too many; 0: none were."""


def has_taken(ids: bytes, older: OlderIds | None, message_id: str) -> bool:
    """Return whether an actor with these ids has taken that message."""
    found = digests.digest(message_id)
    return digests.knows(ids, found) or (older is not None and knew(older, found))


def knew(older: OlderIds, found: bytes) -> bool:
    """Return whether that digest is among the older ids."""
    place, bit = found[1] | found[2] << 8, 1 << (found[3] & 7)
    for chunk in older.chunks:
        marks = chunk.marks
        if marks[place & len(marks) - 1] & bit and digests.knows(chunk.ids, found):
            return True
    return False


def kept(ids: bytes, older: OlderIds | None, at: int, window: int) -> tuple[bytes, OlderIds | None]:
    """Return an actor's ids at `at` within their bounds. To be called if there are NEWEST_BYTES_MAX of `ids`, or the oldest
    are older than `window`, for how long ids are known, in ms."""
    if len(ids) >= NEWEST_BYTES_MAX:
        before = older or OlderIds()
        moving, ids = digests.split(ids, len(ids) // SIZE - NEWEST_KEPT)
        chunks = _with(before.chunks, before.moved or at, moving, window)
        older = _bounded(chunks, at, before.forgotten)
    if older is not None and older.oldest < at - window:
        chunks = tuple(chunk for chunk in older.chunks if chunk.at >= at - window)
        older = _bounded(chunks, older.moved, older.forgotten)
    return ids, older


def joined(older: OlderIds | None, other: OlderIds | None, window: int) -> OlderIds | None:
    """Return the older ids of one user who was known as two."""
    if older is None or other is None:
        only = older or other
        return None if only is None else msgspec.structs.replace(only, moved=0)
    chunks: tuple[Chunk, ...] = ()
    for chunk in sorted(older.chunks + other.chunks, key=lambda chunk: chunk.at):
        chunks = _with(chunks, chunk.at, chunk.ids, window, chunk.marks)
    return _bounded(chunks, 0, max(older.forgotten, other.forgotten))


def _with(chunks: tuple[Chunk, ...], at: int, ids: bytes, window: int, marks: bytes = b"") -> tuple[Chunk, ...]:
    """The chunks and newer ids, as part of the last if that has room and is of the same part of the window. `marks`: the
    ids', if they have been made."""
    if chunks:
        last, span = chunks[-1], max(1, window // CHUNKS_A_WINDOW)
        if last.at // span == at // span and len(last.ids) + len(ids) <= CHUNK_MAX * SIZE:
            together = digests.both(last.ids, ids)
            return (*chunks[:-1], Chunk(at, together, _marked(together, ids, last.marks)))
    return (*chunks, Chunk(at, ids, marks or _marked(ids)))


def _bounded(chunks: tuple[Chunk, ...], moved: int, forgotten: int) -> OlderIds:
    total = sum(len(chunk.ids) for chunk in chunks)
    while chunks and total - len(chunks[0].ids) >= IDS_MAX * SIZE:
        total -= len(chunks[0].ids)
        forgotten = max(forgotten, chunks[0].at)
        chunks = chunks[1:]
    return OlderIds(chunks, chunks[0].at if chunks else _NEVER, moved, forgotten)


def _marked(ids: bytes, added: bytes = b"", before: bytes = b"") -> bytes:
    """The marks of all ids. `before`: those of all but `added`, which serve if there is room in them."""
    room = MARK_BYTES << (len(ids) // SIZE - 1).bit_length()
    if room != len(before):
        before, added = bytes(room), ids
    marks, last = bytearray(before), room - 1
    rests = added[len(added) // SIZE :]
    for low, high, bit in zip(rests[::REST], rests[1::REST], rests[2::REST], strict=True):
        marks[(low | high << 8) & last] |= 1 << (bit & 7)
    return bytes(marks)
