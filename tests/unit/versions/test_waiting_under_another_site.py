"""A change of the site, and who waits for time: what was due before it is the old site's, what is due after it the new one's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from engine.limits import Limits
from language.syntax import ast
from persistence.interface import Position
from tests.unit.engine.town import MINUTE, START, event
from tests.unit.versions.sites import FIRST, read, swap, town

pytestmark = pytest.mark.anyio

DAY = 24 * 60 * MINUTE
ROOMY = Limits(snapshot_every_ms=3_600_000)
COLD = Limits(live_actors_max=1, packed_bytes_max=1, snapshot_every_ms=3_600_000)
GREETING = FIRST.replace("purpose: transactional\n", "")
OPT_OUT, OPT_IN = "consent: {marketing: opt_out}\n", "consent: {marketing: opt_in}\n"
WIN_BACK = "why: x\nentry: {event: never}\npurpose: transactional\nsteps: [{send: {push: hi}}]\n"


def with_policy(policy: str) -> ast.Site:
    return read({"campaigns/hello.yaml": f"status: live\n{GREETING}", "policy.yaml": policy})


def with_default(greeting: str = FIRST) -> ast.Site:
    """Whom nothing has matched for thirty days gets `win_back`."""
    return read(
        {
            "campaigns/hello.yaml": greeting,
            "campaigns/win_back.yaml": WIN_BACK,
            "policy.yaml": "default_campaign: win_back\n",
        }
    )


@pytest.mark.parametrize(("old", "new", "sent"), [(OPT_OUT, OPT_IN, 1), (OPT_IN, OPT_OUT, 0)])
async def test_what_was_due_a_millisecond_before_a_change_while_nothing_ran_is_judged_by_the_old_policy(
    old: str, new: str, sent: int
) -> None:
    shop = town(with_policy(old))
    async with shop:
        await shop.take(event("ann", "signed_up"))
    shop.clock.move_to(START + 60 * MINUTE + 1)
    changed = town(with_policy(new))
    shop.program, shop.options = changed.program, changed.options
    async with shop:
        await shop.quiet()
        assert len(await shop.sends()) == sent


async def test_whom_nothing_matched_for_a_month_gets_the_default_campaign_also_after_a_change_of_another() -> None:
    async with town(with_default()) as shop:
        await shop.take(event("ann", "page_viewed"))
        await swap(shop, with_default(FIRST.replace("first", "second")))
        await shop.pass_time(29 * DAY)
        assert await shop.sends() == []
        await shop.pass_time(2 * DAY)
        assert [(user, template) for user, template, _ in await shop.sends()] == [("ann", "hi")]


async def test_who_comes_back_right_after_the_change_waits_for_what_the_new_site_waits_for() -> None:
    """She is on disk alone and waits for something else, later; and she comes before she is told of the change."""
    waiting = FIRST.replace("1h", "31d")
    async with town(read({"campaigns/hello.yaml": waiting})) as shop:
        await shop.take(event("ann", "signed_up"))
        await shop.engine.drain()
        await shop.restart()
        await shop.pass_time(DAY - 30 * MINUTE)
        told, positions = asyncio.Event(), shop.disk.positions

        async def later() -> AsyncIterator[list[Position]]:
            await told.wait()
            async for batch in positions():
                yield batch

        shop.disk.positions = later
        await swap(shop, with_default(waiting))
        shop.clock.advance(60 * MINUTE)
        await shop.take(event("ann", "page_viewed"))
        await shop.engine.snapshot()
        told.set()
        await shop.pass_time(32 * DAY)
        assert await shop.sends() == [("ann", "first", START + 31 * DAY), ("ann", "hi", START + 31 * DAY - 30 * MINUTE)]


@pytest.mark.parametrize("limits", [ROOMY, COLD], ids=["all in memory", "one in memory"])
async def test_what_came_due_a_millisecond_after_the_change_is_judged_by_the_new_policy_also_after_a_kill(
    limits: Limits,
) -> None:
    def policed(policy: str) -> ast.Site:
        second = GREETING.replace("{for: 1h}", "{for: 3600003ms}").replace("first", "second")
        return read({"campaigns/hello.yaml": GREETING, "campaigns/more.yaml": second, "policy.yaml": policy})

    users = ("ann", "bob", "cyd")
    async with town(policed(OPT_OUT), limits=ROOMY) as shop:
        for user in users:
            await shop.take(event(user, "signed_up"))
        await shop.engine.snapshot()
        await shop.pass_time(60 * MINUTE)
        shop.clock.advance(2)
        await swap(shop, policed(OPT_IN))
        await shop.pass_time(MINUTE)
        assert [(user, template) for user, template, _ in await shop.sends()] == [(user, "first") for user in users]
        before = [await shop.state(user) for user in users]
        shop.limits = limits
        await shop.restart()
        await shop.quiet()
        assert [await shop.state(user) for user in users] == before
