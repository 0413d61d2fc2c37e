"""Which program the journal was written under: recovery takes the tail again under that one, not under a newer.

The site's source is stored under its hash, and an entry of kind `program` says from where in the journal it counts. Runs
finish on the version of a campaign they entered with, so a new program is joined with the older ones.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, cast

import msgspec

from actors.event import Event, Kind
from actors.program import Program
from persistence.interface import Commit, Entry, Store, StoreError

Compile = Callable[[bytes], Program]
"""Makes the program of a stored source."""

VERSIONS_MAX: Final = 20
"""Older programs whose campaigns can still be finished by runs that entered under them."""


class Recorded(msgspec.Struct):
    """Body of a `program` entry."""

    hash: str


_decode = msgspec.json.Decoder(Recorded).decode
_encode = msgspec.json.encode


async def recorded(store: Store) -> list[str]:
    """Hashes of the programs of the journal, in order; the last is the newest."""
    return [_decode(entry.event.body).hash async for entries in store.history("") for entry in entries]


async def older(store: Store, hashes: list[str], current: str, compile_program: Compile) -> Program | None:
    """The program the journal ends under, able to finish what entered under those before it. None: it is the current
    one and there was no other, or the journal is new."""
    kept = list(dict.fromkeys(reversed(hashes)))[:VERSIONS_MAX][::-1]
    sources = await store.programs([known for known in kept if known != current])
    program: Program | None = None
    for known in kept:
        if known == current:
            continue
        source = sources.get(known)
        if source is None:
            raise StoreError(f"program {known} of the journal is not stored: restore a backup")
        compiled = compile_program(source)
        program = compiled if program is None else compiled.with_versions(program)
    return program


def record(program: str, source: bytes, seq: int, at: int) -> Commit:
    """The commit that says: from journal position `seq` on, this program counts."""
    event = Event(user="", kind=cast(Kind, "program"), message_id=f"program-{seq}", body=_encode(Recorded(program)))
    return Commit(entries=[Entry(seq, at, event)], programs=[(program, source, at)])
