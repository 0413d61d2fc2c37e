"""What a campaign's status means for those who come and those who are in it, while the site is changed."""

from __future__ import annotations

import pytest

from actors.model.event import ROUSED
from engine.limits import Limits
from tests.unit.engine.town import MINUTE, Town, event
from tests.unit.versions.sites import FIRST, SECOND, site, swap, town

pytestmark = pytest.mark.anyio

USERS = [f"user-{number}" for number in range(200)]


async def sign_up(shop: Town, users: list[str] = USERS) -> dict[str, str]:
    """user -> version that each entered, of those who entered now."""
    known = len(await shop.ledger())
    rows = {(row.user, row.turn, row.index) for row in await shop.ledger()}
    assert len(rows) == known
    for user in users:
        await shop.take(event(user, "signed_up"))
    return {
        row.user: row.version
        for row in await shop.ledger()
        if row.decision == "entered" and (row.user, row.turn, row.index) not in rows
    }


async def greeted(shop: Town) -> dict[str, list[str]]:
    """template -> who got it."""
    found: dict[str, list[str]] = {}
    for user, template, _ in await shop.sends():
        found.setdefault(template, []).append(user)
    return found


async def test_a_canary_takes_its_part_and_the_others_stay_on_the_last_live_version() -> None:
    async with town(site(FIRST)) as shop:
        await swap(shop, site(SECOND, "canary 20%"))
        await sign_up(shop)
        await shop.pass_time(61 * MINUTE)
        by = await greeted(shop)
        assert 20 < len(by["second"]) < 60
        assert len(by["first"]) + len(by["second"]) == len(USERS)


async def test_raising_a_canary_keeps_who_is_in_and_lowering_it_keeps_who_is_out() -> None:
    async def in_it(percent: int) -> set[str]:
        async with town(site(FIRST)) as shop:
            await swap(shop, site(SECOND, f"canary {percent}%"))
            await sign_up(shop)
            await shop.pass_time(61 * MINUTE)
            return set((await greeted(shop)).get("second", []))

    five, twenty, sixty = [await in_it(percent) for percent in (5, 20, 60)]
    assert five < twenty < sixty


async def test_the_last_live_version_is_found_behind_a_shadow_and_an_older_canary() -> None:
    third = SECOND.replace("second", "third")
    async with town(site(FIRST)) as shop:
        await swap(shop, site(SECOND, "shadow"))
        await swap(shop, site(SECOND, "canary 10%"))
        await swap(shop, site(third, "canary 30%"))
        await shop.restart()
        await sign_up(shop)
        await shop.pass_time(61 * MINUTE)
        by = await greeted(shop)
        assert set(by) == {"first", "third"}


async def test_a_canary_without_a_live_version_leaves_the_others_out() -> None:
    async with town(site(FIRST, "canary 20%")) as shop:
        entered = await sign_up(shop)
        assert 20 < len(entered) < 60
        assert shop.engine.statistics().refusals == {"hello": {"canary": len(USERS) - len(entered)}}


async def test_a_canary_that_goes_live_takes_everybody() -> None:
    async with town(site(FIRST)) as shop:
        await swap(shop, site(SECOND, "canary 20%"))
        await swap(shop, site(SECOND))
        await sign_up(shop)
        await shop.pass_time(61 * MINUTE)
        assert set(await greeted(shop)) == {"second"}


async def test_a_shadow_decides_everything_and_sends_nothing() -> None:
    async with town(site(FIRST, "shadow")) as shop:
        await sign_up(shop, ["ann"])
        await shop.pass_time(61 * MINUTE)
        rows = await shop.ledger()
        assert [(row.decision, row.reason) for row in rows] == [
            ("entered", None),
            ("waiting", None),
            ("skipped", "shadow"),
            ("finished", None),
        ]
        assert shop.sent == []


async def test_who_is_in_a_paused_campaign_goes_on_and_nobody_enters() -> None:
    async with town(site(FIRST)) as shop:
        await sign_up(shop, ["ann"])
        await swap(shop, site(FIRST, "paused"))
        assert await sign_up(shop, ["bob"]) == {}
        await shop.pass_time(61 * MINUTE)
        assert await greeted(shop) == {"first": ["ann"]}


@pytest.mark.parametrize("restarts", [False, True])
async def test_who_is_in_a_campaign_that_is_archived_leaves_it_at_the_next_move(restarts: bool) -> None:
    async with town(site(FIRST)) as shop:
        await sign_up(shop, ["ann", "bob"])
        await swap(shop, site(FIRST, "archived"))
        if restarts:
            await shop.restart()
        await shop.pass_time(MINUTE)
        await shop.take(event("ann", "page_viewed"))
        assert [(row.user, row.reason) for row in await shop.ledger() if row.decision == "exited"] == [
            ("ann", "archived")
        ]
        await shop.pass_time(61 * MINUTE)
        rows = [(row.user, row.reason) for row in await shop.ledger() if row.decision == "exited"]
        assert rows == [("ann", "archived"), ("bob", "archived")]
        assert shop.sent == []


async def test_who_is_in_a_campaign_whose_file_is_gone_finishes_it() -> None:
    other = FIRST.replace("signed_up", "page_viewed")
    async with town(site(FIRST, other=other)) as shop:
        await shop.take(event("ann", "page_viewed"))
        await swap(shop, site(FIRST))
        await shop.pass_time(61 * MINUTE)
        assert await greeted(shop) == {"first": ["ann"]}


# --- patterns that time completes, in a site that did not have them -----------------------------------------------------

WIN_BACK = """\
why: Win back who left.
purpose: transactional
entry: {event: no activity for 1h}
steps:
  - send: {push: come_back}
"""


async def test_a_silence_that_was_long_before_the_pattern_came_counts_from_then() -> None:
    async with town(site(FIRST)) as shop:
        await shop.take(event("ann", "page_viewed"))
        await shop.take(event("bob", "signed_up"))
        await shop.pass_time(50 * MINUTE)
        await swap(shop, site(FIRST, win_back=WIN_BACK))
        await shop.pass_time(30 * MINUTE)
        assert "come_back" not in await greeted(shop)
        await shop.restart()
        await shop.pass_time(31 * MINUTE)
        assert (await greeted(shop))["come_back"] == ["ann", "bob"]


async def test_who_left_long_ago_is_won_back_by_a_campaign_that_came_later_and_is_told_of_it_once() -> None:
    """The users are on disk alone, and the engine is killed before and after it has told them."""
    limits = Limits(live_actors_max=1, packed_bytes_max=1)
    users = [f"u{number:02}" for number in range(20)]
    async with town(site(FIRST), limits=limits) as shop:
        await shop.take(*[event(user, "page_viewed") for user in users])
        await shop.pass_time(10 * 24 * 60 * MINUTE)
        await swap(shop, site(FIRST, win_back=WIN_BACK))
        await shop.restart()
        await shop.quiet()
        await shop.restart()
        await shop.pass_time(59 * MINUTE)
        assert await greeted(shop) == {}
        await shop.pass_time(MINUTE)
        assert await greeted(shop) == {"come_back": users}
        told = [entry.event.user for entry in await shop.journal() if entry.event.name == ROUSED]
        assert sorted(told) == users


async def test_a_change_that_waits_for_no_silence_wakes_nobody() -> None:
    async with town(site(FIRST, win_back=WIN_BACK)) as shop:
        await shop.take(event("ann", "page_viewed"))
        await swap(shop, site(SECOND, win_back=WIN_BACK))
        await shop.quiet()
        assert [entry.event.name for entry in await shop.journal() if entry.event.user] == ["page_viewed"]


async def test_who_does_anything_after_the_pattern_came_is_watched_from_then() -> None:
    async with town(site(FIRST)) as shop:
        await shop.take(event("ann", "page_viewed"))
        await swap(shop, site(FIRST, win_back=WIN_BACK))
        await shop.take(event("ann", "page_viewed"))
        await swap(shop, site(SECOND, win_back=WIN_BACK))
        await shop.pass_time(61 * MINUTE)
        assert await greeted(shop) == {"come_back": ["ann"]}
