from __future__ import annotations

import pytest

from actors.model.turn import Decision
from persistence.interface import Commit
from tests.conformance.conftest import Keeper
from tests.conformance.rows import decision, every

pytestmark = pytest.mark.anyio


async def test_a_decision_comes_back_with_every_field(keeper: Keeper) -> None:
    full = Decision(
        at=1_000,
        user="ann",
        turn=3,
        index=2,
        campaign="cart",
        version="3f9c",
        run="r1",
        step="send cart_1",
        decision="skipped",
        reason="no_consent",
        channel="email",
        template="cart_1",
        variant="half_hour",
        message="msg",
        detail=b'{"why": "\\u0000"}',
    )
    await keeper.store.commit(Commit(decisions=[full, decision()]))
    assert await keeper.store.ledger() == [decision(), full]


async def test_taking_a_turn_twice_leaves_one_row(keeper: Keeper) -> None:
    await keeper.store.commit(Commit(decisions=[decision(1, 0), decision(1, 1)]))
    await keeper.store.commit(Commit(decisions=[decision(1, 0, campaign="other"), decision(1, 1), decision(2, 0)]))
    rows = await keeper.store.ledger()
    assert [(row.turn, row.index, row.campaign) for row in rows] == [(2, 0, "cart"), (1, 1, "cart"), (1, 0, "cart")]


async def test_the_ledger_is_read_newest_first_by_user_and_by_campaign(keeper: Keeper) -> None:
    rows = [
        decision(turn, user=user, at=turn * 10, campaign=campaign)
        for turn in range(1, 6)
        for user in ("ann", "bob")
        for campaign in [("cart", "browse")[turn % 2]]
    ]
    await keeper.store.commit(Commit(decisions=rows))
    newest = rows[::-1]
    assert await keeper.store.ledger() == newest
    assert await keeper.store.ledger(limit=3) == newest[:3]
    assert await keeper.store.ledger(user="ann") == [row for row in newest if row.user == "ann"]
    assert await keeper.store.ledger(campaign="cart") == [row for row in newest if row.campaign == "cart"]
    assert await keeper.store.ledger(user="bob", campaign="browse") == [
        row for row in newest if row.user == "bob" and row.campaign == "browse"
    ]
    assert await every(keeper.store.whole_ledger()) == newest
    assert await every(keeper.store.whole_ledger("cart")) == [row for row in newest if row.campaign == "cart"]
    assert await every(keeper.store.whole_ledger("nothing")) == []
    assert await keeper.store.ledger(user="nobody") == []


async def test_a_row_that_comes_late_stands_at_its_own_time(keeper: Keeper) -> None:
    await keeper.store.commit(Commit(decisions=[decision(2, at=200)]))
    await keeper.store.commit(Commit(decisions=[decision(1, at=100), decision(3, at=200)]))
    assert [row.turn for row in await keeper.store.ledger()] == [3, 2, 1]


async def test_a_millisecond_with_more_rows_than_a_batch_is_read_whole_and_each_row_once(keeper: Keeper) -> None:
    rows = [decision(turn, at=100 if turn > 3 else turn) for turn in range(1, 5_000)]
    await keeper.store.commit(Commit(decisions=rows))
    found: list[int] = []
    async for batch in keeper.store.whole_ledger():
        found += [row.turn for row in batch]
        await keeper.store.commit(Commit(decisions=[decision(10_000 + len(found), at=200)]))
    assert found == [row.turn for row in reversed(rows)]
