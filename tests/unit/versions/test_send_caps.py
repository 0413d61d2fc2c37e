"""What a cap of a send has counted outlives what becomes of the site and of the process."""

from __future__ import annotations

import msgspec
import pytest

from cuebird.changes.migration import migrate
from language.compiler.memory import plain
from language.meaning import changed_meaning
from tests.unit.engine.town import MINUTE, event
from tests.unit.versions.sites import FIRST, site, swap, town

pytestmark = pytest.mark.anyio

CAPPED = FIRST.replace("{push: first}", "{push: first, cap: {limit: 1, per: 24h}}").replace("1h", "10m")
LONGER = CAPPED.replace("10m", "20m")
DAY = 24 * 60 * MINUTE


async def test_a_restart_a_new_version_and_a_move_to_it_go_on_counting() -> None:
    async with town(site(CAPPED)) as shop:
        await shop.take(event("ann", "signed_up"))
        await shop.pass_time(10 * MINUTE)
        await shop.take(event("ann", "signed_up"))
        await shop.restart()
        await swap(shop, site(LONGER))
        await shop.engine.snapshot()
        assert await migrate(shop.engine, shop.disk, "hello", "ann", "r1") == (1, [])
        await shop.restart()
        await shop.pass_time(20 * MINUTE)
        await shop.take(event("ann", "signed_up"))
        await shop.pass_time(DAY - 20 * MINUTE)
        await shop.take(event("ann", "signed_up"))
        await shop.pass_time(30 * MINUTE)
        rows = [row for row in await shop.ledger() if row.decision in ("sent", "skipped")]
    assert [(row.decision, row.reason) for row in rows] == [
        ("sent", None),
        ("skipped", "capped"),
        ("skipped", "capped"),
        ("sent", None),
    ]
    assert msgspec.json.decode(rows[1].detail) == {"cap": "send first: 1 per 1d"}


def test_a_cap_is_a_change_that_is_told_and_without_one_a_campaign_keeps_its_version() -> None:
    (before,), (after,) = (site(text).campaigns for text in (FIRST, f"cap: {{limit: 3, per: day}}\n{CAPPED}"))
    assert changed_meaning(before, after) == (
        "+ cap: 3 per day",
        "- wait for: duration 1h",
        "+ wait for: duration 10m",
        "- send: channel push, template first",
        "+ send: channel push, template first, cap 1 per 1d",
    )
    assert "cap" not in str(plain(before)), "the version of a campaign is made of this"
    assert "cap" in str(plain(after))
