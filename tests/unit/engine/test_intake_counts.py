"""A batch is counted once and by outcome, whichever of its events took the hot path and which had to wait."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from actors.model.event import Event
from engine.journal_tip import JournalTip
from engine.submit import Receipt
from tests.unit.engine.town import START, Town, event, site

pytestmark = pytest.mark.anyio

SEED = 20_261_201


def counted(town: Town) -> dict[str, int]:
    now = town.engine.statistics()
    return {"taken": now.events, "duplicate": now.duplicates, "untracked": now.untracked, "too_old": now.too_old}


async def test_events_of_one_batch_are_counted_alike_on_the_hot_path_and_after_a_wait() -> None:
    async with Town() as town:
        no = event("ann", kind="identify", consent={"tracking": False})
        await town.take(no, event("bob", message_id="b1"), event("carol", message_id="c1"))
        await town.engine.snapshot()
        await town.restart()  # nobody is in memory: all of them wait, and then none does
        batch = (event("ann"), event("bob", message_id="b1"), event("bob"), event("carol", message_id="c1"))
        for _ in range(2):
            before = counted(town)
            receipt = await town.take(*batch, event("dan"))
            told = {name: number - before[name] for name, number in counted(town).items()}
            assert receipt == Receipt(accepted=told["taken"], duplicates=told["duplicate"])
            assert told["untracked"] == 1
            assert sum(told.values()) == 5
            assert town.engine.in_flight() == 0


async def test_rows_have_no_gap_whatever_path_wrote_them() -> None:
    chance = random.Random(SEED)
    sent: Counter[str] = Counter()
    users = [f"u{number}" for number in range(12)]
    async with Town() as town:
        for step in range(60):
            batch: list[Event] = []
            for _ in range(chance.randint(1, 6)):
                user = chance.choice(users)
                if chance.random() < 0.2:
                    batch.append(event(user, kind="alias", **{"from": f"~{chance.choice(users)}"}))
                else:
                    batch.append(event(chance.choice([user, f"~{user}"]), "product_added", f"m{step}-{len(batch)}"))
            sent["events"] += len(batch)
            assert (await town.take(*batch)).refused is None, f"seed {SEED}, step {step}"
            if chance.random() < 0.1:
                await town.pass_time(40 * 60_000)
            if chance.random() < 0.05:
                await town.engine.snapshot()
                await town.restart()
        journal = await town.journal()
    assert [entry.seq for entry in journal] == list(range(1, sent["events"] + 1)), f"seed {SEED}"
    assert [entry.at for entry in journal] == sorted(entry.at for entry in journal), f"seed {SEED}"


def test_no_stamp_is_given_twice_around_a_timer_and_none_again_after_a_loss() -> None:
    tip = JournalTip(site())
    tip.resume(7, START)
    assert (tip.stamp(START - 5), tip.advance(), tip.advance()) == (START, 8, 9)
    tip.pass_timers(START + 3)
    assert tip.stamp(START + 1) == START + 4
    tip.rewind(7)
    assert (tip.advance(), tip.stamp(START)) == (8, START + 4)
