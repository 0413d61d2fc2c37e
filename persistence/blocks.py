"""The journal's block: the entries of one commit as one row, in MessagePack, with a checksum.

A row an entry cost 6 to 12 µs in SQLite; a block costs less than one, and is decoded by one call into the structs that
the engine takes again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar
from zlib import crc32

import msgspec

from persistence.interface import JournalEntry, StorageDamaged

COLUMNS: Final = "first_seq, count, first_at, last_at, operators, crc, entries"

ENTRIES: Final = COLUMNS.split(", ").index("entries")

T = TypeVar("T")


Block = tuple[int, int, int, int, int, int, bytes]
"""A row of the table `journal`: COLUMNS. `operators` counts the changes by operators, so that `history("")` finds them
without looking through the rest."""

encode: Final[Callable[[object], bytes]] = msgspec.msgpack.Encoder().encode
decode_entry: Final = msgspec.msgpack.Decoder(JournalEntry).decode
_decode = msgspec.msgpack.Decoder(list[JournalEntry]).decode


def checked(what: str, row: object, decode: Callable[[bytes], T]) -> bytes:
    """The row as bytes that `decode` reads back: what no start could read must not reach the disk.

    Raises AssertionError for a field that its type forbids, UnicodeEncodeError for half a surrogate pair.
    """
    try:
        data = encode(row)
        decode(data)
    except (msgspec.MsgspecError, OverflowError, TypeError) as error:
        raise AssertionError(f"commit: {what} could not be read back: {error}") from error
    return data


def seal(entries: Sequence[JournalEntry]) -> Block:
    """Of one entry or more, without gaps. Raises as `checked` does."""
    first, last = entries[0], entries[-1]
    data = checked(f"journal entries {first.seq} to {last.seq}", entries, _decode)
    operators = [entry for entry in entries if not entry.event.user]
    for entry in operators:
        assert entry.event.kind == "program", f"commit: journal entry {entry.seq} has no user"
    return first.seq, len(entries), first.at, last.at, len(operators), crc32(data), data


def unseal(row: Sequence[Any]) -> list[JournalEntry]:
    """The entries of a row of COLUMNS. Raises StorageDamaged if they are not the ones that were sealed."""
    first, count, _first_at, _last_at, _operators, crc, data = row
    why = "they are not what was written"
    # A row of a torn page may be cut short: SQLite then says NULL, whatever the schema forbids.
    if isinstance(data, bytes) and crc32(data) == crc:
        try:
            entries = _decode(data)
        except msgspec.MsgspecError as error:
            why = str(error)
        else:
            if [entry.seq for entry in entries] == list(range(first, first + count)):
                return entries
    last = first + count - 1 if isinstance(count, int) else "?"
    raise StorageDamaged(f"journal entries {first} to {last} are damaged: {why}. {_advice(first)}")


def missing(seq: int) -> StorageDamaged:
    return StorageDamaged(f"from entry {seq} on the journal is missing, but not its end. {_advice(seq)}")


def _advice(first: int) -> str:
    return f"The disk or the memory is faulty: restore a backup. Everything before entry {first} can be read"


def users_of(entries: Sequence[JournalEntry]) -> list[str]:
    """Each user once, sorted: so the index of users is written from one end to the other."""
    return sorted({entry.event.user for entry in entries if entry.event.user})
