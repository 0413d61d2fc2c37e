"""A commit as the parameters of one SQL statement (`batch.sql`): the journal's block, a JSON array for each other list,
and one run of raw bytes.

This is the only work that a commit does under the interpreter's lock, so it is what the event loop pays for it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from actors.model.turn import Decision, Send
from persistence import blocks, rows
from persistence.interface import Commit, Mark, Quarantined, Snapshot

_HERE: Final = Path(__file__).parent

SETUP: Final = (_HERE / "batch.sql").read_text()
"""Run once on the connection that writes."""

SETUP_USERS: Final = (_HERE / "batch_users.sql").read_text()
"""And this, if the journal's users are indexed."""

_COLUMNS: Final = (
    f"{blocks.COLUMNS}, users, raw, rest, ledger, outbox, names, actors, gone, replayed_from, marks, suppressions, links, "
    "programs, apart, freed, held, dismissed, quarantined"
)

INSERT: Final = f"INSERT INTO batch ({_COLUMNS}) VALUES ({', '.join('?' * len(_COLUMNS.split(',')))})"  # noqa: S608 -- constants

REPLY_CHARACTERS_MAX: Final = 500

Parameters = tuple[int | bytes | None, ...]
Row = tuple[int | str | None, ...]

_encode = msgspec.json.Encoder().encode
_NUL = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")


def as_json(values: Sequence[object]) -> bytes:
    """Values as JSON for SQLite. A NUL in a text becomes U+FFFD: SQLite ends a JSON string at `\\u0000`, so the text would
    be cut. Raises UnicodeEncodeError for half a surrogate pair, which no decoder of ours lets in."""
    data = _encode(values)
    return _NUL.sub(rb"\1\\ufffd", data) if b"\\u0000" in data else data


_NO_BLOCK: Final[Parameters] = (None,) * len(blocks.COLUMNS.split(","))


def pack(commit: Commit, *, index_users: bool) -> Parameters:
    """The parameters of INSERT. `commit.entries` have been checked to be without gaps.

    Raises AssertionError for a row whose fields its type forbids, UnicodeEncodeError for half a surrogate pair.
    """
    raw = _Raw()
    entries = commit.entries
    block = blocks.seal(entries) if entries else _NO_BLOCK
    users = as_json(blocks.users_of(entries)) if index_users and entries else None
    rest = _rest(commit, raw)
    apart = _apart(commit, raw)
    # To SQLite a part of no bytes at all is NULL, where a part of some is empty.
    return (*block, users, b"".join(raw.parts) or b"\0", *rest, *apart)


class _Raw:
    """Gathers bytes and knows where each lies. SQL counts from 1."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.place = 1

    def add(self, data: bytes) -> tuple[int, int]:
        place = self.place
        self.parts.append(data)
        self.place += len(data)
        return place, len(data)


_NO_REST: Final[Parameters] = (None,) * 11


def _rest(commit: Commit, raw: _Raw) -> Parameters:
    if not (
        commit.decisions
        or commit.sends
        or commit.snapshots
        or commit.marks
        or commit.links
        or commit.names
        or commit.gone
        or commit.suppressions
        or commit.programs
        or commit.replayed_from is not None
    ):
        return _NO_REST
    return (
        1,
        _some([_decision(raw, each) for each in commit.decisions]),
        _some([_send(raw, each) for each in commit.sends]),
        _some(commit.names),
        _some([_snapshot(raw, each) for each in commit.snapshots]),
        _some(commit.gone),
        commit.replayed_from,
        _some([_mark(each) for each in commit.marks]),
        _some([(each.address, each.topic, each.reason, each.at) for each in commit.suppressions]),
        _some([(each.send, each.index, each.url, each.name) for each in commit.links]),
        _some([(each.hash, *raw.add(each.source), each.at) for each in commit.programs]),
    )


_NOTHING_APART: Final[Parameters] = (None,) * 5


def _apart(commit: Commit, raw: _Raw) -> Parameters:
    if not (commit.held or commit.freed or commit.quarantined or commit.dismissed):
        return _NOTHING_APART
    return (
        1,
        _some(commit.freed),
        _some([(each.user, each.at, each.reason, each.position) for each in commit.held]),
        _some(commit.dismissed),
        _some([_quarantined(raw, each) for each in commit.quarantined]),
    )


def _some(values: Sequence[object]) -> bytes | None:
    return as_json(values) if values else None


def _decision(raw: _Raw, row: Decision) -> Row:
    whole = blocks.checked("a decision", row, rows.decode_decision)
    return (row.user, row.turn, row.index, row.at, row.campaign, *raw.add(whole))


def _send(raw: _Raw, row: Send) -> Row:
    return (row.id, row.user, row.at, *raw.add(blocks.checked("a send", row, rows.decode_send)))


def _snapshot(raw: _Raw, row: Snapshot) -> Row:
    return (row.user, row.position, row.due, *raw.add(row.state))


def _quarantined(raw: _Raw, row: Quarantined) -> Row:
    whole = blocks.checked("an event in quarantine", row.event, rows.decode_event)
    return (row.user, row.event.message_id, row.at, row.reason, *raw.add(whole))


def _mark(row: Mark) -> Row:
    return (row.id, row.state, row.at, row.boot, row.due, row.reply[:REPLY_CHARACTERS_MAX])
