"""The site of carts and views decides exactly what a counter decides that knows nothing of it, with most events at the edges."""

from __future__ import annotations

import os
import random
from collections import Counter
from functools import lru_cache
from pathlib import Path

import msgspec
import pytest

from actors.model.event import Event
from actors.model.program import Program
from language.compiler.compile import compile_site
from language.load import load_site
from replay.simulate import Simulator
from tests.reference import cart_counter
from tests.reference.cart_counter import DAY, MINUTE, Told, decisions

SEED = int(os.environ.get("CUEBIRD_SEED", random.SystemRandom().randrange(10**6)))
START = 1_767_607_200_000
SITE = Path(__file__).parents[1] / "sites" / "cart_and_views"
EDGES = (0, 10 * MINUTE, 30 * MINUTE, DAY - 30 * MINUTE, DAY)
VALUES = (0.25, 10.0, 20.0, 25.0, 30.0, 49.75, 50.0, 50.25, 60.0)
PARTS = 20
COUNT = 300
KINDS = ("product_added", "product_added", "product_viewed", "product_viewed", "product_viewed", "order_completed")


@lru_cache
def program() -> Program:
    return compile_site(load_site(SITE))


def at_the_edges(chance: random.Random, count: int) -> list[Told]:
    """Times that stand an edge, give or take a millisecond, behind one of the last events of the same user or what was
    decided then; a few users, so that each has many."""
    times: dict[str, list[int]] = {user: [START] for user in ("ann", "bob", "cyd")}
    found: list[Told] = []
    while len(found) < count:
        user = chance.choice(list(times))
        after = chance.choice(times[user][-6:]) + chance.choice(EDGES) + chance.choice((-1, 0, 0, 1))
        if after >= times[user][-1]:
            times[user].append(after)
        else:
            times[user].append(times[user][-1] + chance.choice((0, 1, MINUTE, chance.randrange(DAY))))
        found.append((times[user][-1], user, chance.choice(KINDS), chance.choice(VALUES)))
    return sorted(found, key=lambda one: one[0])


def of_a_busy_shop(chance: random.Random, count: int) -> list[Told]:
    """Two days of views and adds, orders and what no rule looks at, by as many users as have ten events each."""
    kinds = chance.choices(("product_viewed", "product_added", "order_completed", "ping"), (66, 16, 7, 10), k=count)
    users = [f"u{number}" for number in range(count // 10)]
    times = sorted(START + chance.randrange(2 * DAY) for _ in range(count))
    return [
        (at, chance.choice(users), kind, chance.randrange(1, 200) / 4) for at, kind in zip(times, kinds, strict=True)
    ]


def decided(events: list[Told], end: int) -> list[tuple[int, str, str]]:
    simulator = Simulator(program(), START, verbose=False)
    for user in sorted({user for _, user, _, _ in events}):
        told = msgspec.json.encode({"email": f"{user}@shop.example"})
        simulator.take(Event(user=user, kind="identify", name="", message_id=user, occurred=START, body=told), START)
    for number, (at, user, name, value) in enumerate(events):
        body = msgspec.json.encode({"value": value})
        event = Event(user=user, kind="track", name=name, message_id=f"m{number}", occurred=at, body=body)
        assert simulator.take(event, at)
    simulator.run(end)
    return sorted((row.at, row.user, row.campaign) for row in simulator.decisions if row.decision == "sent")


@pytest.mark.parametrize("part", range(PARTS))
def test_with_events_a_millisecond_around_every_edge_the_decisions_are_the_counters(part: int) -> None:
    print(f"CUEBIRD_SEED={SEED}")
    events = at_the_edges(random.Random(f"{SEED}/{part}"), COUNT)
    end = events[-1][0] + DAY
    assert decided(events, end) == decisions(events, end)


def test_two_days_of_a_shop_decide_as_the_counter_does() -> None:
    print(f"CUEBIRD_SEED={SEED}")
    events = of_a_busy_shop(random.Random(SEED), 3_000)
    end = events[-1][0] + DAY
    found = decided(events, end)
    assert found == decisions(events, end)
    rules = Counter(rule for _, _, rule in found)
    assert rules["cart"] > 50


@pytest.mark.parametrize("span", ["PAUSE", "WINDOW", "DAY"])
@pytest.mark.parametrize("change", [-1, 1])
def test_a_counter_that_is_wrong_by_a_millisecond_would_be_found(
    span: str, change: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    streams = [at_the_edges(random.Random(part), COUNT) for part in range(PARTS)]
    right = [decisions(events, events[-1][0] + DAY) for events in streams]
    monkeypatch.setattr(cart_counter, span, getattr(cart_counter, span) + change)
    assert [decisions(events, events[-1][0] + DAY) for events in streams] != right
