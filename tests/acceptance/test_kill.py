"""SIGKILL at random moments under load: nothing acknowledged is lost, no mail comes twice, every timer fires once.

`CUEBIRD_KILLS=500` kills more often; `CUEBIRD_SEED=n` has the same shoppers and moments again (the machine's own timing is
not part of a seed).
"""

from __future__ import annotations

import asyncio
import gc
import os
import random
import time
from collections import Counter
from pathlib import Path
from typing import Final

import httpx2
import pytest

from cuebird.serving.app import open_app
from cuebird.settings.config import load
from engine.clock import SystemClock
from tests.acceptance.kill.checks import (
    DOUBTED,
    all_faults,
    every_run_does_each_thing_once_and_ends_once,
    every_timer_fired_once_at_its_time,
)
from tests.acceptance.kill.evidence import Evidence, gather
from tests.acceptance.kill.post_office import PostOffice, post_office
from tests.acceptance.kill.process import SITE, launched, until
from tests.acceptance.kill.shoppers import Shoppers
from tests.acceptance.kill.teller import Message, Teller

KILLS: Final = int(os.environ.get("CUEBIRD_KILLS", "50"))
CLIENTS: Final = 6
SPREES: Final = 2
"""So many of them also tell what one user does in frames of 500, the newest again after each kill."""
ALIVE_S: Final = (0.05, 0.6)
"""For how long after it is ready a server may live."""
YOUNG_SHARE: Final = 1 / 8
YOUNG_S: Final = (0.1, 0.8)
"""These are killed so long after they were started: ready or not, perhaps in the middle of their recovery."""
ANSWER_S: Final = 0.03
"""How long the mail server takes at most to answer a final dot."""
LATER_MS: Final = 120_000
"""Past the minute after which a mail in doubt is sent again."""
UNSETTLED: Final = ("pending", "claimed", "at_dot", "retry")


class World:
    """What outlives the servers: the clients, the mail server, the disk."""

    def __init__(self, seed: int, office: PostOffice, database: Path) -> None:
        self.rng = random.Random(seed)
        self.database = database
        self.settings = {"STORE__PATH": str(database), "SMTP__PORT": str(office.port)}
        self.tellers = [self._teller(Shoppers(f"c{n}", f"{seed}/{n}"), n < SPREES) for n in range(CLIENTS)]
        self.is_open = True

    def _teller(self, shoppers: Shoppers, has_sprees: bool) -> Teller:
        return Teller(
            lambda: shoppers() if self.is_open else None,
            lambda: shoppers.spree() if self.is_open and has_sprees else [],
        )

    @property
    def acked(self) -> list[Message]:
        return [message for teller in self.tellers for message in teller.acked.values()]

    @property
    def all_acked(self) -> bool:
        return not any(teller.unacked for teller in self.tellers)


@pytest.mark.slow
@pytest.mark.timeout(60 + 10 * KILLS)
@pytest.mark.anyio
async def test_no_kill_loses_an_event_doubles_a_mail_or_misses_a_timer(tmp_path: Path) -> None:
    seed = int(os.environ.get("CUEBIRD_SEED", random.SystemRandom().randrange(10**6)))
    print(f"CUEBIRD_SEED={seed} CUEBIRD_KILLS={KILLS}")
    async with post_office(random.Random(seed), ANSWER_S) as office:
        world = World(seed, office, tmp_path / "data" / "cuebird.db")
        for _ in range(KILLS):
            await short_life(world)
        world.is_open = False
        await last_life(world)
        alive = await gather(world.database, world.acked, office.letters)
        assert [*every_timer_fired_once_at_its_time(alive), *every_run_does_each_thing_once_and_ends_once(alive)] == []
        await two_minutes_later(world)
        evidence = await gather(world.database, world.acked, office.letters)
    print(summary(evidence, world))
    assert all_faults(evidence) == []
    if KILLS >= 50:
        assert_that_it_was_a_trial(evidence, world)


async def short_life(world: World) -> None:
    """Started, talked to, killed."""
    async with launched("serve", SITE, "--dev", "--port", "0", settings=world.settings) as server:
        if world.rng.random() < YOUNG_SHARE:
            await asyncio.sleep(world.rng.uniform(*YOUNG_S))  # the moment of the kill: nothing is waited for
            await server.kill()
            return
        url = await server.ready()
        async with asyncio.TaskGroup() as talks:
            for teller in world.tellers:
                talks.create_task(teller.talk(url))
            await asyncio.sleep(world.rng.uniform(*ALIVE_S))
            await server.kill()


async def last_life(world: World) -> None:
    """Nothing new; what is unacknowledged is told again, what is due fires; then SIGTERM."""
    async with launched("serve", SITE, "--dev", "--port", "0", settings=world.settings) as server:
        url = await server.ready()

        async def no_timers() -> bool:
            return bool((await http.get("/v1/stats")).json()["timers"] == 0)

        async with asyncio.TaskGroup() as talks, httpx2.AsyncClient(base_url=url) as http:
            for teller in world.tellers:
                talks.create_task(teller.talk(url))
            await until(lambda: world.all_acked, "everything is acknowledged")
            await until(no_timers, "every timer has fired")
            assert await server.terminate() == 0, server.said


async def two_minutes_later(world: World) -> None:
    """The same site by a clock that is ahead, in this process: mails in doubt are due to be sent again."""
    clock = SystemClock(wall_ms=lambda: time.time_ns() // 1_000_000 + LATER_MS)
    environment = {f"CUEBIRD_{name}": value for name, value in world.settings.items()}
    settings = load(SITE, environment, {"server.port": 0, "server.dev": True}).settings
    thresholds = gc.get_threshold()
    try:
        async with open_app(settings, SITE, clock=clock) as app:

            async def at_rest() -> bool:
                counts = await app.store.counts()
                return app.engine.next_due() is None and not any(counts[f"outbox.{state}"] for state in UNSETTLED)

            await until(at_rest, "every mail is settled", wait_s=60)
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()


def summary(evidence: Evidence, world: World) -> str:
    states = Counter(f"{row.send.purpose} {row.state}" for row in evidence.outbox)
    doubted = sum(row.reply.startswith(DOUBTED) for row in evidence.outbox)
    decisions = Counter(row.decision for row in evidence.ledger)
    return (
        f"{len(evidence.acked)} events acknowledged ({sum(t.duplicates for t in world.tellers)} told twice), "
        f"{sum(t.known_again for t in world.tellers)} known again, "
        f"{len(evidence.journal)} in the journal, {dict(decisions)}, {len(evidence.letters)} letters, "
        f"{dict(states)}, {doubted} sent again from doubt"
    )


def assert_that_it_was_a_trial(evidence: Evidence, world: World) -> None:
    """Had nothing ever been cut short, the checks would have shown nothing."""
    assert len(evidence.acked) > 1_000
    assert sum(teller.duplicates for teller in world.tellers) > 0, "no kill fell between a commit and its ack"
    assert sum(teller.known_again for teller in world.tellers) > 10_000, "hardly any frame was told again"
    assert any(row.state == "unknown" for row in evidence.outbox), "no kill fell between a dot and its answer"
    assert any(row.reply.startswith(DOUBTED) for row in evidence.outbox), "no mail in doubt was sent again"
    ways = {row.decision for row in evidence.ledger} | {row.reason for row in evidence.ledger}
    assert ways >= {"matched", "timed_out", "exit_when", "paid", "finished"}
