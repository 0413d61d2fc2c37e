"""The goal of a run that is moved to another version of its campaign."""

from __future__ import annotations

import pytest

from cuebird.changes.migration import migrate
from tests.unit.engine.town import MINUTE, event
from tests.unit.versions.sites import FIRST, site, swap, town

pytestmark = pytest.mark.anyio

NONE = ""
ENDLESS = "goal: {event: bought}\n"
LONG = "goal: {event: bought, within: 1d}\n"
SHORT = "goal: {event: bought, within: 30m}\n"


@pytest.mark.parametrize(
    ("old", "new", "after", "reached"),
    [
        (NONE, LONG, 40, 1),
        (SHORT, LONG, 40, 1),
        (LONG, SHORT, 40, 0),
        (LONG, SHORT, 20, 1),
        (LONG, NONE, 20, 0),
        (ENDLESS, SHORT, 40, 0),
    ],
)
async def test_a_moved_run_has_the_goal_of_the_version_it_is_in(old: str, new: str, after: int, reached: int) -> None:
    async with town(site(FIRST + old)) as shop:
        await shop.take(event("ann", "signed_up"))
        await swap(shop, site(FIRST.replace("first", "second") + new))
        assert await migrate(shop.engine, shop.disk, "hello", "ann", "r1") == (1, [])
        await shop.pass_time(after * MINUTE)
        await shop.take(event("ann", "bought"))
        rows = [row for row in await shop.ledger() if row.decision in ("converted", "goal", "goal_reached")]
        assert len(rows) == reached, [row.decision for row in await shop.ledger()]
