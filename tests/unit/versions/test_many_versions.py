"""However often a site is changed, who is in an old version of a campaign finishes it."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from engine.limits import Limits
from language.syntax import ast
from persistence import program_periods
from persistence.interface import Store
from persistence.memory import MemoryStore
from persistence.program_periods import VERSIONS_MAX
from persistence.sqlite import SqliteStore
from tests.unit.engine.town import MINUTE, Town, event
from tests.unit.versions.sites import read, site, swap, town

pytestmark = pytest.mark.anyio

EDITS = 40
DAY = 24 * 60 * MINUTE
COLD = Limits(live_actors_max=1, packed_bytes_max=1, snapshot_every_ms=3_600_000)
QUIET = Limits(snapshot_every_ms=3_600_000)


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / "data" / "cuebird.db")


def edited(number: int) -> str:
    return f"""\
why: Greet whoever signs up, the {number}. way.
purpose: transactional
entry: {{event: signed_up}}
steps:
  - wait: {{for: 30d}}
  - send: {{push: greeting_{number}}}
"""


async def edit(shop: Town, first: int, last: int) -> None:
    for number in range(first, last + 1):
        await swap(shop, site(edited(number)))


def versions(shop: Town) -> int:
    return len(shop.engine.program.versions)


async def runs_in(shop: Town) -> int:
    return len((await program_periods.all_periods(shop.disk))[-1].body.runs_in)


async def greetings(shop: Town) -> list[tuple[str, str]]:
    return [(user, template) for user, template, _ in await shop.sends()]


@pytest.mark.parametrize(("limits", "restart"), [(QUIET, 20), (COLD, EDITS)], ids=["in memory", "on disk alone"])
async def test_a_run_of_the_first_version_outlives_forty_edits(store: Store, limits: Limits, restart: int) -> None:
    async with town(site(edited(0)), store=store, limits=limits) as shop:
        await shop.take(event("ann", "signed_up"))
        await shop.take(event("bob", "page_viewed"), event("cyd", "page_viewed"))
        for number in range(1, EDITS + 1):
            await edit(shop, number, number)
            if number == restart:
                await shop.restart()
        await shop.take(event("dan", "signed_up"))
        assert await runs_in(shop) == 1
        await shop.pass_time(31 * DAY)
        assert await greetings(shop) == [("ann", "greeting_0"), ("dan", f"greeting_{EDITS}")]
        assert {row.reason for row in await shop.ledger() if row.user == "ann" and row.decision == "exited"} == set()


async def test_old_versions_that_nobody_is_in_are_not_kept(store: Store) -> None:
    async with town(site(edited(0)), store=store) as shop:
        await shop.take(event("ann", "signed_up"))
        await edit(shop, 1, EDITS)
        assert versions(shop) == VERSIONS_MAX + 1, "the newest, and ann's"
        await shop.pass_time(31 * DAY)
        await edit(shop, EDITS + 1, EDITS + 1)
        assert await runs_in(shop) == 0
        assert versions(shop) == VERSIONS_MAX
        await shop.restart()
        assert versions(shop) == VERSIONS_MAX


async def test_a_change_while_nothing_ran_leaves_nobody_behind(store: Store) -> None:
    async with town(site(edited(0)), store=store) as shop:
        await shop.take(event("ann", "signed_up"))
        await edit(shop, 1, VERSIONS_MAX - 1)
        for number in range(VERSIONS_MAX, VERSIONS_MAX + 3):
            changed = town(site(edited(number)))
            await shop.stop()
            shop.program, shop.options["source"] = changed.program, changed.options["source"]
            await shop.start()
        await shop.pass_time(31 * DAY)
        assert await greetings(shop) == [("ann", "greeting_0")]


async def test_who_moves_to_another_user_takes_the_old_version_along(store: Store) -> None:
    async with town(site(edited(0)), store=store) as shop:
        await shop.take(event("~v", "signed_up"))
        await edit(shop, 1, VERSIONS_MAX + 3)
        await shop.take(event("ann", kind="alias", message_id="a1", **{"from": "~v"}))
        await edit(shop, VERSIONS_MAX + 4, VERSIONS_MAX + 8)
        await shop.pass_time(31 * DAY)
        assert await greetings(shop) == [("ann", "greeting_0")]


async def test_an_archived_campaign_keeps_no_version_for_its_runs(store: Store) -> None:
    async with town(site(edited(0)), store=store) as shop:
        await shop.take(event("ann", "signed_up"))
        await edit(shop, 1, VERSIONS_MAX + 1)
        assert await runs_in(shop) == 1
        await swap(shop, site(edited(VERSIONS_MAX + 1), status="archived"))
        assert await runs_in(shop) == 0
        await shop.pass_time(31 * DAY)
        assert await greetings(shop) == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
async def test_whoever_signed_up_between_random_edits_and_crashes_is_greeted_as_it_was_then(seed: int) -> None:
    print(f"seed {seed}")
    chance = random.Random(seed)
    limits = chance.choice([QUIET, COLD])
    expected = []
    async with town(site(edited(0)), limits=limits) as shop:
        for number in range(1, 50):
            if number == 1 or chance.random() < 0.1:
                await shop.take(event(f"u{number:02}", "signed_up"))
                expected.append((f"u{number:02}", f"greeting_{number - 1}"))
            await edit(shop, number, number)
            if chance.random() < 0.1:
                await shop.restart()
        await shop.pass_time(31 * DAY)
        assert await greetings(shop) == expected


async def test_changes_of_the_policy_alone_push_no_version_of_a_campaign_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """What an older version asked to remember is remembered on, however often caps are changed."""
    monkeypatch.setattr(program_periods, "VERSIONS_MAX", 2)

    def capped(text: str, number: int) -> ast.Site:
        return read({"campaigns/hello.yaml": text, "policy.yaml": f"caps: [{{limit: {number}, per: day}}]\n"})

    counting = edited(0).replace("signed_up}", "signed_up, if: count(looked) >= 2}")
    async with town(capped(counting, 1)) as shop:
        await shop.take(event("ann", "looked"))
        for number in range(2, 6):
            await swap(shop, capped(edited(1), number))
        assert versions(shop) == 2
        await shop.take(event("ann", "looked"))
        await swap(shop, capped(counting, 6))
        await shop.take(event("ann", "signed_up"))
        await shop.pass_time(31 * DAY)
        assert await greetings(shop) == [("ann", "greeting_0")]
