"""What is known of one user, for the page that shows it."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from actors.event import ANONYMOUS
from analytics.reasons import Tone, sentence, tone
from persistence.interface import Entry, Store

DECISIONS_MAX = 100
ENTRIES_MAX = 100
BODY_CHARACTERS_MAX = 300


class Happened(msgspec.Struct, frozen=True, kw_only=True):
    """An event of the journal as it is shown."""

    iso: str
    time: str
    name: str
    body: str


class Decided(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the ledger as it is shown."""

    iso: str
    time: str
    date: str
    campaign: str
    tone: Tone
    text: str


class UserView(msgspec.Struct, frozen=True, kw_only=True):
    """Newest first, the newest hundred of each."""

    user: str
    label: str
    entries_total: int
    entries: list[Happened]
    decisions: list[Decided]


async def read_user(store: Store, user: str) -> UserView:
    """Empty lists if nothing is known of the user."""
    rows = await store.ledger(user=user, limit=DECISIONS_MAX)
    entries: list[Entry] = []
    total = 0
    async for batch in store.history(user):
        total += len(batch)
        entries = [*entries, *batch][-ENTRIES_MAX:]
    return UserView(
        user=user,
        label=f"Visitor {user[1:9]}" if user.startswith(ANONYMOUS) else user,
        entries_total=total,
        entries=[_happened(entry) for entry in reversed(entries)],
        decisions=[
            Decided(
                **_moment(row.at),
                date=f"{_when(row.at):%d %b}",
                campaign=row.campaign,
                tone=tone(row),
                text=sentence(row),
            )
            for row in rows
        ],
    )


def _happened(entry: Entry) -> Happened:
    body = entry.event.body.decode(errors="replace")
    short = body if len(body) <= BODY_CHARACTERS_MAX else f"{body[:BODY_CHARACTERS_MAX]} …"
    return Happened(**_moment(entry.at), name=entry.event.name or entry.event.kind, body=short if body != "{}" else "")


def _when(at: int) -> datetime:
    return datetime.fromtimestamp(at / 1000, UTC)


def _moment(at: int) -> dict[str, str]:
    when = _when(at)
    return {"iso": when.isoformat(timespec="milliseconds"), "time": f"{when:%H:%M:%S}"}
