"""What each campaign has done."""

from __future__ import annotations

import msgspec
import pytest

from actors.model.event import Event
from actors.model.turn import Decision, DecisionKind
from analytics.figures import Figures, read_figures
from analytics.naming import label
from analytics.user_view import read_user
from persistence.interface import Commit, JournalEntry
from persistence.memory import BATCH_ROWS, MemoryStore


def row(turn: int, decision: DecisionKind, at: int = 0, campaign: str = "cart", **more: object) -> Decision:
    fields = {"at": at, "user": "ann", "turn": turn, "index": 0, "campaign": campaign, "version": "v"}
    return Decision(**{**fields, "decision": decision, **more})  # type: ignore[arg-type]


def click(seq: int, **properties: object) -> JournalEntry:
    event = Event(user="ann", name="email_clicked", body=msgspec.json.encode(properties), message_id=str(seq))
    return JournalEntry(seq, 0, event)


HISTORY = Commit(
    entries=[
        click(1, campaign="cart"),
        click(2, campaign="cart", machine=True),
        click(3, campaign="nobody_knows"),
        click(4, campaign=7),
    ],
    decisions=[
        row(1, "entered"),
        row(1, "entered", campaign="browse"),
        row(2, "sent", at=5),
        row(3, "skipped", at=5, reason="no_consent"),
        row(4, "skipped", at=5, reason="no_consent"),
        row(5, "skipped", at=6, reason="no_address"),
        row(6, "goal", at=7, detail=b'{"value":89.5}'),
        row(7, "goal", at=8),
    ],
)
HISTORY.decisions[1] = msgspec.structs.replace(HISTORY.decisions[1], index=1)


def cart_of(figures: Figures) -> dict[str, object]:
    return msgspec.structs.asdict(next(each for each in figures.campaigns() if each.campaign == "cart"))


EXPECTED = {
    "campaign": "cart",
    "entered": 1,
    "sent": 1,
    "skipped": {"no_consent": 2, "no_address": 1},
    "clicked": 1,
    "goals": 2,
    "value": 89.5,
}


def test_decisions_and_peoples_clicks_are_counted_by_campaign() -> None:
    figures = Figures()
    figures.take(Commit(decisions=HISTORY.decisions))
    figures.take(Commit(entries=HISTORY.entries))
    assert cart_of(figures) == EXPECTED
    assert [each.campaign for each in figures.campaigns()] == ["browse", "cart"]
    assert figures.recent(2) == [HISTORY.decisions[-1], HISTORY.decisions[-2]]


@pytest.mark.anyio
async def test_after_a_restart_the_figures_are_the_same() -> None:
    store = MemoryStore()
    await store.open()
    await store.commit(HISTORY)
    figures = await read_figures(store, head=4)
    assert cart_of(figures) == EXPECTED
    assert figures.recent(1) == [HISTORY.decisions[-1]]


@pytest.mark.anyio
async def test_a_millisecond_with_more_rows_than_a_page_is_counted_whole() -> None:
    store = MemoryStore()
    await store.open()
    busy = [row(turn, "entered", at=5) for turn in range(1, BATCH_ROWS * 2 + 50)]
    await store.commit(Commit(decisions=[row(0, "entered", at=1), *busy, row(9999, "sent", at=9)]))
    figures = await read_figures(store, head=0)
    assert cart_of(figures)["entered"] == len(busy) + 1


@pytest.mark.anyio
async def test_the_start_of_a_large_shop_reads_only_the_newest_rows() -> None:
    store = MemoryStore()
    await store.open()
    await store.commit(Commit(decisions=[row(turn, "entered", at=turn) for turn in range(BATCH_ROWS + 500)]))
    figures = await read_figures(store, head=0, rows_max=300)
    assert cart_of(figures)["entered"] == 300
    assert figures.recent(1)[0].turn == BATCH_ROWS + 499


@pytest.mark.anyio
async def test_a_users_page_shows_what_happened_and_what_was_decided_newest_first() -> None:
    store = MemoryStore()
    await store.open()
    await store.commit(HISTORY)
    view = await read_user(store, "ann")
    assert view is not None
    assert view.entries_total == 4
    assert view.entries[0].body == '{"campaign":7}'
    assert view.decisions[0].text == "Goal reached"
    assert await read_user(store, "~12345678abcdef") is None


def test_visitors_whose_ids_begin_alike_are_told_apart() -> None:
    assert label("~shopper-9-10-ab517581") == "Visitor 517581"
    assert label("~shopper-9-11-0c0ffee1") == "Visitor 0ffee1"
    assert label("~x") == "Visitor x"
    assert label("ann@shop.example") == "ann@shop.example"
