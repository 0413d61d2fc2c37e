"""What is known of one user, for the page that shows it."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from analytics.naming import label
from analytics.reasons import Tone, sentence, tone
from persistence.interface import JournalEntry, StoreReader

DECISIONS_MAX = 100
ENTRIES_MAX = 100
BODY_CHARACTERS_MAX = 300


class Happened(msgspec.Struct, frozen=True, kw_only=True):
    """An event of the journal as it is shown. `iso` is for the page's script, which shows the browser's own time; `utc` is
    read where no script runs."""

    iso: str
    utc: str
    name: str
    body: str


class Decided(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the ledger as it is shown."""

    iso: str
    utc: str
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


async def read_user(store: StoreReader, user: str) -> UserView | None:
    """What the store knows of the user; None if that is nothing."""
    rows = await store.ledger(user=user, limit=DECISIONS_MAX)
    entries: list[JournalEntry] = []
    total = 0
    async for batch in store.history(user):
        total += len(batch)
        entries = [*entries, *batch][-ENTRIES_MAX:]
    if not rows and not entries:
        return None
    return UserView(
        user=user,
        label=label(user),
        entries_total=total,
        entries=[_happened(entry) for entry in reversed(entries)],
        decisions=[
            Decided(
                **moment(row.at),
                campaign=row.campaign,
                tone=tone(row),
                text=sentence(row),
            )
            for row in rows
        ],
    )


def _happened(entry: JournalEntry) -> Happened:
    body = entry.event.body.decode(errors="replace")
    short = body if len(body) <= BODY_CHARACTERS_MAX else f"{body[:BODY_CHARACTERS_MAX]} …"
    return Happened(**moment(entry.at), name=entry.event.name or entry.event.kind, body=short if body != "{}" else "")


def moment(at: int) -> dict[str, str]:
    """`iso` and `utc` of a time in ms."""
    when = datetime.fromtimestamp(at / 1000, UTC)
    return {"iso": when.isoformat(timespec="milliseconds"), "utc": f"{when:%d %b, %H:%M:%S} UTC"}
