"""The recorded past through a changed site: who would have been sent what, who no longer, when, and why."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path

import msgspec
import pytest

from actors.model.program import Program, index
from actors.model.scope import Evaluate, Scope
from cuebird.changes.proposal import compile_source, source_of
from engine.limits import Limits
from language.syntax import ast
from persistence.interface import JournalEntry, StoreError
from persistence.reader import ReadingStore, reading
from persistence.sqlite import SqliteStore
from replay.backtest.backtest import Backtest, backtest
from replay.backtest.reach import TooShort, furthest
from replay.fold import Fold
from replay.ledger import iso
from tests.unit.engine.town import MINUTE, START, Town, event
from tests.unit.versions.sites import read, swap

pytestmark = pytest.mark.anyio

HOUR = 60 * MINUTE

CART = """\
why: Remind of a cart.
purpose: transactional
entry:
  event: product_added
  if: event.price > 50
  re_entry: always
exit_when: [cart_cleared]
goal: {event: order_completed, within: 7d, value: total}
steps:
  - wait: {for: 30m}
  - send: {push: reminder}
"""


def site(cart: str = CART, **others: str) -> ast.Site:
    return read({f"campaigns/{name}.yaml": text for name, text in {"cart": cart, **others}.items()})


class Shop:
    """A database that is filled by the engine and then played."""

    def __init__(self, folder: Path, of: ast.Site, limits: Limits | None = None) -> None:
        self.path = folder / "data" / "cuebird.db"
        source = source_of(of)
        self.town = Town(
            SqliteStore(self.path),
            limits=limits,
            program=compile_source(source),
            source=source,
            compile_program=compile_source,
        )

    async def __aenter__(self) -> Town:
        return await self.town.start()

    async def __aexit__(self, *_: object) -> None:
        await self.town.stop()

    async def play(self, changed: ast.Site, since: int = START) -> Backtest:
        async with reading(self.path) as store:
            return await backtest(store, changed, since, compile_source=compile_source)


@pytest.fixture
async def shop(tmp_path: Path) -> Shop:
    """ann buys after the reminder, bob's cart is small, cyd clears hers, dan comes an hour later."""
    made = Shop(tmp_path, site())
    async with made as town:
        await town.take(event("ann", "product_added", price=60), event("bob", "product_added", price=55))
        await town.take(event("cyd", "product_added", price=80))
        await town.pass_time(10 * MINUTE)
        await town.take(event("cyd", "cart_cleared"))
        await town.pass_time(50 * MINUTE)
        await town.take(event("ann", "order_completed", total=60))
        await town.take(event("dan", "product_added", price=20))
        await town.pass_time(5 * HOUR)
        await town.take(event("eve", "page_viewed"))
    return made


async def test_the_site_as_it_was_makes_no_difference(shop: Shop) -> None:
    played = await shop.play(site())
    assert [(one.campaign, one.is_empty, one.same) for one in played.campaigns] == [("cart", True, 2)]
    assert (played.inputs, played.people) == (7, 5)


async def test_a_stricter_condition_tells_who_is_no_longer_sent_and_that_she_bought_anyway(shop: Shop) -> None:
    [cart] = (await shop.play(site(CART.replace("price > 50", "price > 60")))).campaigns
    assert (cart.before.entered, cart.after.entered) == (3, 1)
    assert [(one.user, one.at, one.reason, one.converted, one.value) for one in cart.gone] == [
        ("ann", START + 30 * MINUTE, "not entered: condition", True, 60.0),
        ("bob", START + 30 * MINUTE, "not entered: condition", False, 0.0),
    ]
    assert cart.new == []
    assert cart.shifted == []


async def test_a_looser_condition_tells_who_is_newly_sent(shop: Shop) -> None:
    [cart] = (await shop.play(site(CART.replace("price > 50", "price > 10")))).campaigns
    assert [(one.user, one.reason) for one in cart.new] == [("dan", "not entered: condition")]
    assert cart.gone == []


async def test_a_longer_wait_tells_how_much_later(shop: Shop) -> None:
    [cart] = (await shop.play(site(CART.replace("30m", "45m")))).campaigns
    assert [(one.user, one.later_ms) for one in cart.shifted] == [("ann", 15 * MINUTE), ("bob", 15 * MINUTE)]
    assert cart.later_ms == 15 * MINUTE
    assert cart.gone == cart.new == []


async def test_a_shorter_wait_reaches_who_left_in_time(shop: Shop) -> None:
    [cart] = (await shop.play(site(CART.replace("30m", "5m")))).campaigns
    assert [(one.user, one.reason) for one in cart.new] == [("cyd", "its run had ended: exit_when")]
    assert cart.later_ms == -25 * MINUTE


async def test_a_cap_tells_who_would_have_had_one_message_less(tmp_path: Path) -> None:
    made = Shop(tmp_path, site())
    async with made as town:
        await town.take(event("ann", "product_added", price=60), event("bob", "product_added", price=60))
        await town.pass_time(24 * HOUR - 1)
        await town.take(event("ann", "product_added", price=60))
        await town.pass_time(1)
        await town.take(event("bob", "product_added", price=60))
        await town.pass_time(HOUR)
        await town.take(event("eve", "page_viewed"))
    [cart] = (await made.play(site(CART.replace("reminder}", "reminder, cap: {limit: 1, per: 24h}}")))).campaigns
    assert [(one.user, one.at, one.reason) for one in cart.gone] == [
        ("ann", START + 24 * HOUR - 1 + 30 * MINUTE, "skipped: capped")
    ]
    assert (cart.same, cart.new, cart.shifted) == (3, [], [])


async def test_a_campaign_that_is_paused_or_gone_says_so(shop: Shop) -> None:
    [paused] = (await shop.play(site("status: paused\n" + CART))).campaigns
    assert {one.reason for one in paused.gone} == {"not entered: paused"}
    played = await shop.play(site("status: archived\n" + CART))
    assert {one.reason for one in played.campaigns[0].gone} == {"there is no such campaign"}


async def test_a_new_campaign_has_only_new_messages(shop: Shop) -> None:
    thanks = "why: Thank.\npurpose: transactional\nentry: {event: order_completed}\nsteps: [{send: {push: thanks}}]\n"
    by_name = {one.campaign: one for one in (await shop.play(site(thanks=thanks))).campaigns}
    assert by_name["cart"].is_empty
    assert [(one.user, one.reason) for one in by_name["thanks"].new] == [("ann", "there is no such campaign")]


async def test_what_was_before_the_time_asked_for_makes_state_and_is_not_counted(shop: Shop) -> None:
    [cart] = (await shop.play(site(CART.replace("30m", "70m")), since=START + 40 * MINUTE)).campaigns
    assert cart.before.sent == 0
    assert cart.after.sent == 1
    assert [(one.user, one.later_ms) for one in cart.shifted] == [("bob", 40 * MINUTE)]
    assert cart.gone == []
    assert cart.new == []


async def test_playing_changes_nothing_in_the_database(shop: Shop) -> None:
    before = shop.path.read_bytes()
    await shop.play(site(CART.replace("30m", "45m")))
    assert shop.path.read_bytes() == before


async def test_an_empty_journal_is_told(tmp_path: Path) -> None:
    made = Shop(tmp_path, site())
    made.town.options.clear()
    async with made:
        pass
    with pytest.raises(StoreError, match="the journal is empty: there is nothing to play"):
        await made.play(site())


async def test_each_part_of_the_past_is_played_under_the_site_that_counted_then(tmp_path: Path) -> None:
    made = Shop(tmp_path, site())
    later = site(CART.replace("30m", "1h").replace("Remind", "Later remind"))
    async with made as town:
        await town.take(event("ann", "product_added", price=60))
        await town.pass_time(10 * MINUTE)
        await swap(town, later)
        await town.take(event("bob", "product_added", price=60))
        await town.pass_time(2 * HOUR)
        await town.take(event("eve", "page_viewed"))
    [cart] = (await made.play(later)).campaigns
    assert [(one.user, one.later_ms) for one in cart.shifted] == [("ann", 30 * MINUTE)]
    assert cart.same == 1


# --- an actor that fails ----------------------------------------------------------------------------------------------


def failing_for(*users: str) -> Callable[[bytes], Program]:
    """Compiles the recorded programs with a fault: the condition of a campaign fails for these users."""

    def made(source: bytes) -> Program:
        program = compile_source(source)
        campaigns = tuple(
            msgspec.structs.replace(one, condition=partial(_fails, users, one.condition)) for one in program.campaigns
        )
        return msgspec.structs.replace(
            program,
            campaigns=campaigns,
            versions={one.version: one for one in campaigns},
            interests=index(campaigns, program.slots),
        )

    return made


def _fails(users: tuple[str, ...], condition: Evaluate | None, scope: Scope) -> object:
    if scope.actor.user in users:
        raise KeyError("a bug")
    return condition is None or condition(scope)


async def test_a_user_whose_actor_fails_is_left_out_on_both_sides_and_named(shop: Shop) -> None:
    async with reading(shop.path) as store:
        played = await backtest(
            store, site(CART.replace("30m", "45m")), START, compile_source=failing_for("ann", "cyd")
        )
    assert played.left_out == {"ann": "KeyError: 'a bug'", "cyd": "KeyError: 'a bug'"}
    [cart] = played.campaigns
    assert [(one.user, one.later_ms) for one in cart.shifted] == [("bob", 15 * MINUTE)]
    assert cart.gone == cart.new == []


# --- a journal that has lost its beginning ----------------------------------------------------------------------------


class Cut(ReadingStore):
    """A database whose journal begins later."""

    def __init__(self, store: ReadingStore, first: int) -> None:
        vars(self).update(vars(store))
        self._first_kept = first

    def tail(self, after: int, until: int | None = None) -> AsyncIterator[list[JournalEntry]]:
        return super().tail(max(after, self._first_kept - 1), until)


async def test_a_journal_that_no_longer_reaches_back_far_enough_is_refused_with_the_first_time_that_can_be_asked(
    shop: Shop,
) -> None:
    changed = site(CART.replace("event.price > 50", "count(product_added, last 3d) > 0"))
    async with reading(shop.path) as store:
        with pytest.raises(TooShort) as error:
            await backtest(Cut(store, 4), changed, START + HOUR, compile_source=compile_source)
    assert str(error.value) == (
        f"the journal no longer reaches back far enough: it begins at {iso(START)}, and campaign cart looks back 7d; "
        f"ask for a time from {iso(START + 7 * 24 * HOUR)} on, not from {iso(START + HOUR)}"
    )


async def test_a_journal_that_reaches_back_as_far_as_the_campaigns_look_is_played_from_there(shop: Shop) -> None:
    changed = site(CART.replace("goal: {event: order_completed, within: 7d, value: total}\n", ""))
    assert furthest(changed) == (0, "")
    async with reading(shop.path) as store:
        played = await backtest(Cut(store, 6), changed, START + HOUR, compile_source=compile_source)
    assert played.inputs == 3


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("entry: {event: product_added then order_completed within 48h}", 48 * HOUR),
        ("entry: {event: no activity for 30d}", 30 * 24 * HOUR),
        ("entry: {event: product_added, if: 'sum(order_completed.total, last 2w) > 3'}", 14 * 24 * HOUR),
        ("entry: {event: product_added, re_entry: after 3d}", 3 * 24 * HOUR),
        ("entry: {event: product_added}\ncap: {limit: 1, per: 5d}", 5 * 24 * HOUR),
        ("entry: {event: product_added}\ncap: {limit: 1, per: day}", 25 * HOUR),
        ("entry: {event: product_added, if: 'did order_completed ever'}", 0),
    ],
)
def test_how_far_a_campaign_looks_back(text: str, span: int) -> None:
    made = read(
        {"campaigns/one.yaml": f"why: To see.\npurpose: transactional\n{text}\nsteps: [{{send: {{push: a}}}}]\n"}
    )
    assert furthest(made) == (span, "campaign one" if span else "")


# --- the fold is what the engine did ----------------------------------------------------------------------------------

BUSY = """\
why: Everything that moves.
purpose: transactional
entry: {event: "product_added then no order_completed within 20m", re_entry: after 1h}
exit_when: [cart_cleared]
steps:
  - wait: {until: page_viewed, up_to: 30m, as: seen}
  - branch:
      - when: seen
        do: [{send: {push: seen}}]
      - else: [{wait: {idle: 10m}}, {send: {push: unseen}}]
"""


@pytest.mark.parametrize("seed", range(5))
async def test_random_days_folded_again_give_the_ledger_of_the_engine(seed: int, tmp_path: Path) -> None:
    print(f"seed {seed}")
    chance = random.Random(seed)
    made = Shop(tmp_path, site(busy=BUSY), Limits(snapshot_every_ms=3_600_000, live_actors_max=2, packed_bytes_max=1))
    other = site(CART.replace("30m", "5m").replace("Remind", "Soon remind"), busy=BUSY)
    async with made as town:
        for number in range(60):
            await town.pass_time(chance.choice([0, 1, 9, 20, 31]) * MINUTE)
            user = chance.choice(["ann", "bob", "cyd", "~v", "~w"])
            if number in (20, 40):
                await swap(town, other if number == 20 else site(busy=BUSY))
            elif chance.random() < 0.08:
                body = {"from": chance.choice(["~v", "~w"])}
                await town.take(event("ann", kind="alias", message_id=f"a{number}", **body))
            else:
                name = chance.choice(["product_added", "page_viewed", "order_completed", "cart_cleared"])
                await town.take(event(user, name, f"e{number}", price=chance.choice([20, 60])))
        head = [entry async for entries in town.disk.tail(0) for entry in entries][-1]
        ledger = [row for row in await town.ledger() if row.at <= head.at]
        eras = town.engine._tip.periods
        fold = Fold(eras.under(2)[0], live_max=2)
        async for entries in town.disk.tail(0):
            for entry in entries:
                if entry.event.kind == "program":
                    fold.begin(eras.under(entry.seq + 1)[0], entry.at, entry.seq)
                else:
                    fold.take(entry)
        fold.until(head.at)
        rows = [row for row in fold.drain() if row.decision != "not_entered"]
    assert len(rows) > 20

    # Without the rows `not_entered` the others of a turn have other numbers.
    def numbered(row: object) -> str:
        return str(row).partition(", campaign=")[2]

    assert sorted((row.user, row.at, numbered(row)) for row in rows) == sorted(
        (row.user, row.at, numbered(row)) for row in ledger
    )


async def test_who_did_not_come_in_is_counted_by_reason_on_both_sides(shop: Shop) -> None:
    [cart] = (await shop.play(site(CART.replace("price > 50", "price > 60")))).campaigns
    assert (dict(cart.before.not_entered), dict(cart.after.not_entered)) == ({"condition": 1}, {"condition": 3})
