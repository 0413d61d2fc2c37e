"""One history, taken live with restarts and changes of the site, and folded again in every way there is: the same rows.

Aliases of every shape are among the inputs, also those that join nobody: of a visitor, of a user, from a user, from oneself,
from nobody at all, in chains, and told twice.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec
import pytest

from actors.actor import pack
from actors.model.event import Event
from actors.model.turn import Decision
from cuebird.changes.proposal import compile_source, source_of
from engine.limits import Limits
from language.syntax import ast
from persistence.interface import JournalEntry
from persistence.program_periods import ProgramPeriods, all_periods, is_beginning
from persistence.reader import ReadingStore, reading
from persistence.sqlite import SqliteStore
from replay.backtest.backtest import backtest
from replay.explain.fold import fold
from replay.explain.recall import recall
from replay.fold import Fold
from replay.recording import Arrival, Player, people
from replay.simulate import Simulator
from tests.unit.engine.town import MINUTE, START, Town, event
from tests.unit.versions.sites import read, swap

pytestmark = pytest.mark.anyio

USERS: Final = ("ann", "bob", "~v", "~w", "~x")
EVENTS: Final = ("product_added", "page_viewed", "order_completed", "cart_cleared", "signed_up")

BUSY: Final = """\
why: Everything that moves.
purpose: transactional
entry: {event: "product_added then no order_completed within 20m", re_entry: after 1h}
exit_when: [cart_cleared]
goal: {event: order_completed, within: 2h}
steps:
  - wait: {until: page_viewed, up_to: 30m, as: seen}
  - branch:
      - when: seen
        do: [{send: {push: seen}}]
      - else: [{wait: {idle: 10m}}, {send: {push: unseen}}]
"""
CART: Final = """\
why: Remind of a cart.
purpose: transactional
entry: {event: product_added, if: event.price > 50, re_entry: always}
exit_when: [cart_cleared]
steps:
  - wait: {for: 30m}
  - send: {push: reminder}
"""
GONE: Final = """\
why: Ask who stays away.
purpose: transactional
entry: {event: no activity for 40m, re_entry: always}
steps:
  - send: {push: gone}
"""

SITES: Final = tuple(
    read({f"campaigns/{name}.yaml": text for name, text in files.items()})
    for files in (
        {"busy": BUSY},
        {"busy": BUSY, "cart": CART},
        {"busy": BUSY.replace("20m", "15m"), "gone": GONE},
        {"cart": CART.replace("30m", "5m").replace("Remind", "Soon remind"), "gone": GONE},
    )
)

BODIES: Final = (b'{"from":"~v"}', b'{"from":"~w"}', b'{"from":"~x"}') * 3 + (
    b'{"from":"ann"}',
    b'{"from":"bob"}',
    b'{"from":"~"}',
    b'{"from":""}',
    b'{"from":null}',
    b'{"from":["~v"]}',
    b"{}",
    b"[]",
    b'{"from":"~n","else":1}',
)


class History:
    """What came to a running engine, as it was told and as it was written."""

    def __init__(self, folder: Path, chance: random.Random, swaps: int) -> None:
        self.path = folder / "cuebird.db"
        self.chance = chance
        self.sites = [chance.choice(SITES)]
        source = source_of(self.sites[0])
        tight = Limits(snapshot_every_ms=3_600_000, live_actors_max=2, packed_bytes_max=1)
        self.town = Town(
            SqliteStore(self.path),
            limits=tight if chance.random() < 0.5 else None,
            program=compile_source(source),
            source=source,
            compile_program=compile_source,
        )
        self.raw: list[tuple[Event, int]] = []
        self.swaps = swaps
        self.ledger: list[Decision] = []
        self.end = START
        self.states: dict[str, bytes] = {}
        """User -> the actor at the end, packed."""

    async def happen(self) -> None:
        chance = self.chance
        changes = set(chance.sample(range(5, 70), self.swaps))
        async with self.town as town:
            for number in range(70):
                await town.pass_time(chance.choice([0, 0, 1, 9, 20, 31, 45]) * MINUTE)
                if number in changes:
                    await self._change(number)
                elif chance.random() < 0.1:
                    await town.restart()
                    await town.quiet()
                await self._take(self._event(number))
            await town.pass_time(300 * MINUTE)
            # The journal's last word, so that all folds know how far time ran.
            await self._take(event("zoe", "page_viewed", "last"))
            self.ledger = await town.ledger()
            self.end = town.engine._tip.floor
            self.states = {user: await self._state(user) for user in (*USERS, "zoe")}

    async def _state(self, user: str) -> bytes:
        actor = await self.town.engine.user(user)
        return b"" if actor is None else pack(actor)

    async def _take(self, told: Event) -> None:
        at = max(self.town.engine._tip.floor, self.town.clock.now_ms())
        await self.town.take(told)
        self.raw.append((told, at))

    async def _change(self, number: int) -> None:
        """Users who do something as soon as it counts are not told of it: their own turn sets their next timer anew."""
        town, before = self.town, self.town.engine.program.hash
        self.sites.append(self.chance.choice(SITES))
        change = asyncio.ensure_future(swap(town, self.sites[-1]))
        while not change.done() and town.engine.program.hash == before:
            await asyncio.sleep(0)
        here = [user for user in USERS if self.chance.random() < 0.5]
        told = town.submit(*(event(user, "page_viewed", f"c{number}-{user}") for user in here), event("zoe"))
        await asyncio.gather(change, told)

    def _event(self, number: int) -> Event:
        chance = self.chance
        message = f"m{number}" if chance.random() < 0.9 else f"m{max(0, number - 1)}"
        if chance.random() < 0.25:
            return Event(
                user=chance.choice(USERS),
                kind="alias",
                message_id=message,
                occurred=self.town.clock.now_ms() - chance.choice([0, 7, 50]) * MINUTE,
                body=chance.choice(BODIES),
                source=chance.choice(["client", "server"]),
                historical=chance.random() < 0.1,
            )
        return event(chance.choice(USERS), chance.choice(EVENTS), message, price=chance.choice([20, 60]))


@pytest.mark.parametrize("seed", [*range(6), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(6, 30))])
async def test_what_happened_is_decided_the_same_live_and_in_every_fold(seed: int, tmp_path: Path) -> None:
    print(f"seed {seed}")
    made = History(tmp_path, random.Random(seed), swaps=seed % 3)
    await made.happen()
    live = in_order(made.ledger)
    assert live, "nothing was decided"
    async with reading(made.path) as store:
        entries = [entry async for batch in store.tail(0) for entry in batch]
        again = folded(entries, await periods_of(store), made.end)
        assert in_order(again.decisions) == live, "its journal folded"
        for user, actor in again.actors.items():
            assert pack(actor) == made.states[user], f"{user}, its journal folded"
        await backtested_is(store, made.sites[-1], made.ledger)
        for user in {entry.event.user for entry in entries} - {""}:
            await explained_is(store, user, made)
    if not made.swaps:  # else the engine itself told users of the change, and only the journal has that
        assert in_order(simulated(made)) == live, "simulated as it was told"
        player = Player(made.town.program, made.end, verbose=False)
        arrivals = [Arrival(at, number, told) for number, (told, at) in enumerate(made.raw)]
        played = [row for person in people(arrivals) for _, rows in player.play(person) for row in rows]
        assert in_order(played) == live, "played person by person"


def simulated(made: History) -> list[Decision]:
    simulator = Simulator(made.town.program, START, verbose=False)
    for told, at in made.raw:
        simulator.take(told, at)
    simulator.run(made.end)
    return simulator.decisions


async def periods_of(store: ReadingStore) -> ProgramPeriods:
    found = await all_periods(store)
    sources = await store.programs(sorted({one.body.hash for one in found}))
    known = {name: compile_source(source) for name, source in sources.items()}
    return ProgramPeriods(known, found, known[found[0].body.hash])


def folded(entries: Iterable[JournalEntry], periods: ProgramPeriods, end: int) -> Fold:
    it = Fold(periods.under(1)[0], tells_all=False, live_max=2)
    for entry in entries:
        if is_beginning(entry):
            it.begin(periods.under(entry.seq + 1)[0], entry.at, entry.seq)
        else:
            it.take(entry)
    it.until(end)
    return it


async def backtested_is(store: ReadingStore, site: ast.Site, ledger: list[Decision]) -> None:
    """The recorded side of a backtest counts what the ledger holds."""
    played = await backtest(store, site, START, compile_source=compile_source)
    assert played.left_out == {}
    rows = Counter((row.campaign, row.decision) for row in ledger if row.at <= played.until)
    for one in played.campaigns:
        name = one.campaign
        assert one.before.entered == rows[name, "entered"], f"{name} entered, backtested"
        assert one.before.sent == rows[name, "sent"], f"{name} sent, backtested"
        assert one.before.goals == rows[name, "goal"], f"{name} goals, backtested"


async def explained_is(store: ReadingStore, user: str, made: History) -> None:
    found = await recall(store, user, None)
    assert found is not None
    mine = {found.user, *found.joined}
    moment = fold(found, made.end)
    rows = [row for row in moment.decisions if row.decision != "not_entered"]
    live = [row for row in made.ledger if row.user in mine]
    assert unnumbered(rows) == unnumbered(live), f"{user} explained"
    assert pack(moment.actor) == made.states[found.user], f"{found.user} as explain has him"


def in_order(rows: Iterable[Decision]) -> list[Decision]:
    return sorted(rows, key=lambda row: (row.user, row.turn, row.index))


def unnumbered(rows: Iterable[Decision]) -> list[Decision]:
    """Without the rows `not_entered` the others of a turn have other numbers."""
    return [msgspec.structs.replace(row, index=0) for row in in_order(rows)]
