"""A commit as the parameters of one SQL statement (`batch.sql`): a JSON array for each list, and one run of raw bytes.

This is the only work that a commit does under the interpreter's lock, so it is what the event loop pays for it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from actors.turn import Decision, Send
from persistence.interface import Commit, Entry, Mark, Snapshot

SETUP: Final = (Path(__file__).parent / "batch.sql").read_text()
"""Run once on the connection that writes."""

INSERT: Final = (
    "INSERT INTO batch (first_seq, journal, raw, rest, ledger, outbox, names, actors, gone, replayed_from, marks, "
    "suppressions, links, programs) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)

REPLY_CHARACTERS_MAX: Final = 500

Parameters = tuple[int | bytes | None, ...]
Row = tuple[int | str | None, ...]

_encode = msgspec.json.Encoder().encode
_NUL = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")


def as_json(rows: Sequence[object]) -> bytes:
    """Rows as JSON for SQLite. A NUL in a text becomes U+FFFD: SQLite ends a JSON string at `\\u0000`, so the text would
    be cut. Raises UnicodeEncodeError for half a surrogate pair, which no decoder of ours lets in."""
    data = _encode(rows)
    return _NUL.sub(rb"\1\\ufffd", data) if b"\\u0000" in data else data


def pack(commit: Commit) -> Parameters:
    """The parameters of INSERT. `commit.entries` have been checked to be without gaps."""
    raw = _Raw()
    entries = commit.entries
    head = (entries[0].seq, as_json(_journal(entries, raw))) if entries else (None, None)
    rest = _rest(commit, raw)
    return (*head, b"".join(raw.parts), *rest)


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


def _journal(entries: list[Entry], raw: _Raw) -> list[Row]:
    # The hot loop: `raw.add` is written out here, which halves its time.
    rows: list[Row] = []
    append, part = rows.append, raw.parts.append
    place = raw.place
    for entry in entries:
        event = entry.event
        body, context = event.body, event.context
        size, more = len(body), len(context)
        append(
            (
                entry.at,
                event.user,
                event.kind,
                event.name,
                event.message_id,
                event.occurred,
                event.source,
                place,
                size,
                place + size,
                more,
            )
        )
        part(body)
        if more:
            part(context)
        place += size + more
    raw.place = place
    return rows


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
        _some([(each.send, each.index, each.url) for each in commit.links]),
        _some([(name, *raw.add(source), at) for name, source, at in commit.programs]),
    )


def _some(rows: Sequence[object]) -> bytes | None:
    return as_json(rows) if rows else None


def _decision(raw: _Raw, row: Decision) -> Row:
    return (
        row.user,
        row.turn,
        row.index,
        row.at,
        row.campaign,
        row.version,
        row.run,
        row.step,
        row.decision,
        row.reason,
        row.channel,
        row.template,
        row.variant,
        row.message,
        *raw.add(row.detail),
    )


def _send(raw: _Raw, row: Send) -> Row:
    return (
        row.id,
        row.user,
        row.campaign,
        row.version,
        row.run,
        row.step,
        row.channel,
        row.template,
        row.purpose,
        row.topic,
        row.to,
        row.subject,
        row.at,
        row.expires,
        *raw.add(row.context),
    )


def _snapshot(raw: _Raw, row: Snapshot) -> Row:
    return (row.user, row.position, row.due, *raw.add(row.state))


def _mark(row: Mark) -> Row:
    return (row.id, row.state, row.at, row.boot, row.due, row.reply[:REPLY_CHARACTERS_MAX])
