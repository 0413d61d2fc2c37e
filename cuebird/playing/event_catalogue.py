"""Which events were ever seen: in a file of Segment messages, or in the journal of a database."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from actors.values.names import canonical
from cuebird.playing.recordings import read_replay
from persistence.reader import reading

_SQLITE: Final = b"SQLite format 3\x00"


def event_catalogue(path: Path, aliases: Mapping[str, str]) -> frozenset[str]:
    """Canonical names by the site's aliases. Raises OSError, replay.Unreadable or StoreError."""
    with path.open("rb") as file:
        if file.read(len(_SQLITE)) != _SQLITE:
            file.seek(0)
            replay = read_replay(file, aliases)
            return frozenset(one.event.name for one in replay.arrivals if one.event.name)
    return asyncio.run(_journal(path, aliases))


async def _journal(path: Path, aliases: Mapping[str, str]) -> frozenset[str]:
    """The journal keeps names as they were understood when they came: an alias that is new now is applied to them."""
    names: set[str] = set()
    async with reading(path) as store:
        async for entries in store.tail(0):
            names.update(entry.event.name for entry in entries)
    return frozenset(canonical(name, aliases) for name in names if name)
