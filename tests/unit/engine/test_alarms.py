from __future__ import annotations

import random

from actors.alarms import SLACK, Alarms


def test_users_ring_in_the_order_in_which_they_are_due() -> None:
    alarms = Alarms()
    for user, due in (("ann", 30), ("bob", 10), ("cyd", 20)):
        alarms.set(user, due)
    assert alarms.next_due() == 10
    assert alarms.pop_due(20, 10) == [(10, "bob"), (20, "cyd")]
    assert alarms.next_due() == 30
    assert len(alarms) == 1


def test_a_slice_rings_no_more_than_its_size() -> None:
    alarms = Alarms()
    for number in range(10):
        alarms.set(f"u{number}", number + 1)
    assert [due for due, _ in alarms.pop_due(100, 4)] == [1, 2, 3, 4]
    assert [due for due, _ in alarms.pop_due(100, 40)] == [5, 6, 7, 8, 9, 10]


def test_an_alarm_called_off_does_not_ring() -> None:
    alarms = Alarms()
    alarms.set("ann", 10)
    alarms.set("ann", 0)
    assert alarms.next_due() is None
    assert alarms.pop_due(100, 10) == []


def test_an_alarm_set_again_after_it_was_called_off_rings_once() -> None:
    alarms = Alarms()
    alarms.set("ann", 10)
    alarms.set("ann", 0)
    alarms.set("ann", 10)
    assert alarms.pop_due(100, 10) == [(10, "ann")]


def test_an_alarm_put_forward_rings_once_at_the_new_time() -> None:
    alarms = Alarms()
    alarms.set("ann", 50)
    alarms.set("ann", 10)
    assert alarms.pop_due(100, 10) == [(10, "ann")]


def test_an_alarm_put_off_rings_early_to_be_looked_at_again() -> None:
    alarms = Alarms()
    alarms.set("ann", 10)
    alarms.set("ann", 50)
    assert alarms.next_due() == 10


def test_an_alarm_of_an_actor_that_leaves_is_exact() -> None:
    alarms = Alarms()
    alarms.set("ann", 10)
    alarms.set("ann", 50)
    alarms.rearm("ann", 50)
    assert alarms.next_due() == 50
    alarms.rearm("ann", 0)
    assert alarms.next_due() is None


def test_many_at_once_are_put_in_order() -> None:
    alarms = Alarms()
    alarms.fill([("ann", 30), ("bob", 10)])
    alarms.fill([("cyd", 20)])
    alarms.order()
    assert [user for _, user in alarms.pop_due(100, 10)] == ["bob", "cyd", "ann"]


def test_storms_of_resets_and_cancels_leave_a_heap_of_bounded_size() -> None:
    alarms = Alarms()
    seed = 35
    print("seed", seed)
    chance = random.Random(seed)
    truth: dict[str, int] = {}
    for number in range(60_000):
        user = f"u{chance.randrange(2000)}"
        due = chance.choice((0, 1_000_000 - number, chance.randrange(1, 1_000_000)))
        alarms.set(user, due)
        if due == 0:
            truth.pop(user, None)
        else:
            truth[user] = min(due, truth.get(user, due))
        assert alarms.entries <= 2 * len(alarms) + SLACK + 1
    assert sorted(alarms.pop_due(2_000_000, 10_000)) == sorted((due, user) for user, due in truth.items())
