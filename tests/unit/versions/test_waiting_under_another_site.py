"""A change of the site, and who waits for time: what was due before it is the old site's, what is due after it the new one's."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from language.syntax import ast
from tests.unit.engine.town import MINUTE, START, Town, event
from tests.unit.versions.sites import FIRST, read, swap, town

pytestmark = pytest.mark.anyio

DAY = 24 * 60 * MINUTE
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


async def change_while_running(shop: Town, to: ast.Site) -> None:
    shop.clock.advance(1)
    await swap(shop, to)


async def change_while_stopped(shop: Town, to: ast.Site) -> None:
    await shop.engine.drain()
    await shop.stop()
    shop.clock.advance(1)
    source = town(to).options["source"]
    shop.program, shop.options["source"] = town(to).program, source
    await shop.start()


CHANGES = [change_while_running, change_while_stopped]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize(("old", "new", "sent"), [(OPT_OUT, OPT_IN, 1), (OPT_IN, OPT_OUT, 0)])
async def test_what_was_due_a_millisecond_before_the_change_is_judged_by_the_old_policy(
    change: Callable[[Town, ast.Site], Awaitable[None]], old: str, new: str, sent: int
) -> None:
    async with town(with_policy(old)) as shop:
        await shop.take(event("ann", "signed_up"))
        shop.clock.move_to(START + 60 * MINUTE)
        await change(shop, with_policy(new))
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
    """She is on disk alone, and comes before the engine has got round to tell her of the change."""
    async with town(read({"campaigns/hello.yaml": FIRST})) as shop:
        await shop.take(event("ann", "page_viewed"))
        await shop.engine.drain()
        await shop.restart()
        told, positions = asyncio.Event(), shop.disk.positions

        async def later(after: str, limit: int) -> list[tuple[str, int]]:
            await told.wait()
            return list(await positions(after, limit))

        shop.disk.positions = later
        await swap(shop, with_default())
        await shop.take(event("ann", "page_viewed"))
        assert shop.engine.next_due() == START + 30 * DAY
        told.set()
        await shop.pass_time(31 * DAY)
        assert [(user, template) for user, template, _ in await shop.sends()] == [("ann", "hi")]
