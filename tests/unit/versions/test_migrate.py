"""Runs that are moved to the version that counts: who can be, who cannot and why, and that a crash leaves no trace."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec
import pytest

from actors.migration import MIGRATED
from actors.model.turn import Decision
from cuebird.changes.migration import Moving, migrate, plan
from language.syntax import ast
from tests.unit.engine.town import MINUTE, Town, event
from tests.unit.versions.sites import FIRST, SECOND, site, swap, town

pytestmark = pytest.mark.anyio

HOUR = 60 * MINUTE

LONGER = SECOND.replace("  - send", "  - wait: {until: page_viewed, up_to: 3h}\n  - send")
SHORTER = """\
why: Greet at once, nobody waits.
purpose: transactional
entry: {event: signed_up}
steps:
  - send: {push: second}
"""


async def moved(shop: Town, request: str = "r1") -> tuple[int, list[str]]:
    return await migrate(shop.engine, shop.disk, "hello", "ann", request)


async def planned(shop: Town) -> list[Moving]:
    await shop.engine.snapshot()
    return await plan(shop.disk, shop.engine.program, "hello")


def said(rows: list[Decision]) -> list[tuple[str, str, str | None]]:
    return [(row.user, row.decision, row.template) for row in rows]


async def test_who_waits_at_a_step_that_both_versions_have_goes_on_in_the_new_one_when_it_was_due() -> None:
    async with town(site(FIRST)) as shop:
        await shop.take(event("ann", "signed_up"))
        await shop.pass_time(20 * MINUTE)
        await swap(shop, site(SECOND))
        [ann] = await planned(shop)
        assert (ann.user, ann.step, ann.obstacle) == ("ann", "wait for", "")
        assert await moved(shop) == (1, [])
        await shop.pass_time(41 * MINUTE)
        rows = await shop.ledger()
        assert said(rows) == [
            ("ann", "entered", None),
            ("ann", "waiting", None),
            ("ann", "waiting", None),
            ("ann", "sent", "second"),
            ("ann", "finished", None),
        ]
        assert msgspec.json.decode(rows[2].detail)["migrated_from"] == rows[0].version
        assert rows[3].at == rows[0].at + HOUR
        assert rows[3].run == rows[0].run


async def test_steps_that_came_after_the_one_at_which_it_waits_are_taken() -> None:
    async with town(site(FIRST)) as shop:
        await shop.take(event("ann", "signed_up"))
        await swap(shop, site(LONGER))
        assert await moved(shop) == (1, [])
        await shop.pass_time(90 * MINUTE)
        await shop.take(event("ann", "page_viewed"))
        assert [(template, at) for _, template, at in await shop.sends()] == [("second", shop.clock.now_ms())]


async def test_who_stands_where_the_new_version_has_no_such_step_stays_and_is_named() -> None:
    async with town(site(FIRST)) as shop:
        await shop.take(event("ann", "signed_up"))
        await swap(shop, site(SHORTER))
        why = "its step `wait for` is not at such a place in the new version"
        assert [one.obstacle for one in await planned(shop)] == [why]
        assert await moved(shop) == (0, [f"ann: {why}"])
        await shop.pass_time(61 * MINUTE)
        assert [template for _, template, _ in await shop.sends()] == ["first"]


async def test_nobody_is_to_be_moved_where_all_are_in_the_version_that_counts() -> None:
    async with town(site(FIRST)) as shop:
        await shop.take(event("ann", "signed_up"))
        assert await planned(shop) == []
        assert await moved(shop) == (0, [])
        await swap(shop, site(SECOND))
        assert await moved(shop, "r1") == (1, [])
        assert await moved(shop, "r2") == (0, [])


async def test_a_canary_moves_only_those_it_would_take() -> None:
    users = [f"user-{number}" for number in range(60)]
    async with town(site(FIRST)) as shop:
        for user in users:
            await shop.take(event(user, "signed_up"))
        await swap(shop, site(SECOND, "canary 30%"))
        count, left = await moved(shop)
        await shop.pass_time(61 * MINUTE)
        got = [template for _, template, _ in await shop.sends()]
        assert (got.count("second"), left) == (count, [])
        assert 8 < count < 30


async def test_a_visitor_cannot_ask_for_it() -> None:
    async with town(site(FIRST)) as shop:
        await shop.take(event("ann", "signed_up"))
        await swap(shop, site(SECOND))
        await shop.take(event("ann", MIGRATED, campaign="hello"))
        assert len(await planned(shop)) == 1


async def _day(to: ast.Site, restart_before: int | None) -> tuple[list[Decision], bytes]:
    async with town(site(FIRST)) as shop:
        steps: list[Callable[[], Awaitable[object]]] = [
            lambda: shop.take(event("ann", "signed_up", "e1")),
            lambda: shop.pass_time(20 * MINUTE),
            lambda: swap(shop, to),
            lambda: moved(shop),
            lambda: shop.pass_time(41 * MINUTE),
            lambda: shop.take(event("ann", "page_viewed", "e2")),
        ]
        for number, step in enumerate(steps):
            if number == restart_before:
                await shop.restart()
                await shop.quiet()
            await step()
        return await shop.ledger(), await shop.state("ann")


@pytest.mark.parametrize("to", [SECOND, LONGER], ids=["same steps", "more steps"])
async def test_a_crash_before_or_after_it_is_as_none(to: str) -> None:
    straight = await _day(site(to), None)
    for number in range(6):
        assert await _day(site(to), number) == straight, f"restarted before step {number}"
