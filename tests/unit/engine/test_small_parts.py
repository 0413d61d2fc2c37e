"""The maps and filters that residence is made of, the limit per user, and percentiles."""

from __future__ import annotations

import msgspec
import pytest

from actors.lru import Lru
from actors.model.event import Event
from engine.latencies import Histogram, Latencies
from engine.memory.known_users import KnownUsers
from engine.rate import UserRate
from tests.unit.engine.town import event

# --- generations ---


def test_what_was_used_lately_is_not_expelled_first() -> None:
    kept: Lru[int] = Lru()
    for number in range(10):
        kept.put(f"k{number}", number)
    first = kept.evict()
    assert first is not None
    left = [f"k{number}" for number in range(10) if f"k{number}" != first[0]]
    used = left[:3]
    for key in used:
        assert kept.get(key) is not None
    expelled = [kept.evict() for _ in range(6)]
    assert not set(used) & {key for found in expelled if found for key in found[:1]}
    assert len(kept) == 3


def test_what_is_expelled_is_gone_and_an_empty_map_expels_nothing() -> None:
    kept: Lru[int] = Lru()
    kept.put("ann", 1)
    assert kept.evict() == ("ann", 1)
    assert kept.evict() is None
    assert kept.get("ann") is None


def test_looking_does_not_count_as_use() -> None:
    kept: Lru[int] = Lru()
    kept.put("ann", 1)
    kept.put("bob", 2)
    kept.evict()
    (left,) = kept.old
    assert kept.peek(left) is not None
    assert left in kept.old
    assert kept.pop(left) is not None
    assert len(kept) == 0


# --- known_users ---


def test_whoever_was_told_is_never_said_to_be_absent() -> None:
    known_users = KnownUsers()
    known_users.complete = True
    names = [f"user-{number}" for number in range(20_000)]
    for name in names:
        known_users.add(name)
    assert not any(known_users.sure(name) for name in names)


def test_strangers_are_nearly_always_known_to_be_absent() -> None:
    known_users = KnownUsers()
    known_users.complete = True
    for number in range(100_000):
        known_users.add(f"user-{number}")
    wrong = sum(not known_users.sure(f"stranger-{number}") for number in range(10_000))
    assert wrong < 50


def test_nobody_is_surely_absent_while_not_all_is_known() -> None:
    assert not KnownUsers().sure("ann")


# --- rate ---


def client(user: str, number: int) -> list[Event]:
    return [msgspec.structs.replace(event(user), source="client") for _ in range(number)]


def test_one_user_cannot_speak_without_end_and_the_others_are_not_touched() -> None:
    rate = UserRate(100)
    now = 1_000_000
    assert rate.wait_ms(client("ann", 100), now) == 0
    wait = rate.wait_ms(client("ann", 1), now)
    assert 0 < wait <= 10
    assert rate.wait_ms(client("bob", 1), now) == 0
    assert rate.wait_ms(client("ann", 1), now + wait) == 0


def test_a_long_buffer_is_taken_whole_and_paid_for_afterwards() -> None:
    rate = UserRate(100)
    assert rate.wait_ms(client("ann", 1000), 0) == 0
    assert rate.wait_ms(client("ann", 1), 0) == pytest.approx(9000, abs=2)
    assert rate.wait_ms(client("ann", 1), 9001) == 0


def test_servers_are_not_counted() -> None:
    rate = UserRate(1)
    for _ in range(100):
        assert rate.wait_ms([event("ann")], 0) == 0


# --- percentiles ---


def test_percentiles_are_of_the_newest_values() -> None:
    recent = Latencies((1,), size=100)
    assert recent.percentiles(0.5) == (0.0,)
    for number in range(1000):
        recent.add(number)
    assert recent.percentiles(0.0, 0.5, 0.99) == (900, 950, 999)


def test_a_histogram_is_of_all_values_and_a_bound_belongs_to_what_is_below_it() -> None:
    taken = Latencies((1, 10), size=2)
    for value in (0.5, 1, 1.5, 10, 11, 1000):
        taken.add(value)
    assert taken.histogram() == Histogram(bounds_ms=(1, 10), counts=(2, 2, 2), sum_ms=1024)
