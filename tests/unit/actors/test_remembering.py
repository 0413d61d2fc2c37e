"""What is remembered: in which order, how much of it, and what becomes of two memories that turn out to be one user's."""

from __future__ import annotations

import pytest

from tests.unit.actors.making import Story, campaign, push, wait


def answers(condition: str) -> Story:
    """`asked` is answered by a message if the condition holds then."""
    return Story(campaign("c", "asked", wait("when", f"({condition})", up_to="1ms"), push()))


def holds(story: Story, when: str) -> bool:
    story.tell(when, "asked")
    story.until("30d")
    return bool(story.rows("matched"))


@pytest.mark.parametrize(
    ("asked", "found"), [("10m", False), ("9m59s999ms", True), ("10m1ms", False)], ids=["at", "before", "after"]
)
def test_a_rolling_window_lets_go_of_what_is_exactly_as_old_as_it_is_long(asked: str, found: bool) -> None:
    story = answers("did a last 10m")
    story.tell("0s", "a")
    assert holds(story, asked) is found


def test_a_late_event_counts_when_it_happened() -> None:
    story = answers("count(a, last 10m) = 1 and count(a, ever) = 2")
    story.tell("1h", "a", late_by="20m")
    story.tell("1h", "a", late_by="5m")
    assert holds(story, "1h")


def test_the_newest_is_the_one_that_happened_last_and_of_two_at_once_the_one_told_last() -> None:
    story = answers("last(a).n = 3 and first(a).n = 1")
    story.tell("1h", "a", n=2)
    story.tell("1h", "a", n=3)
    story.tell("2h", "a", n=1, late_by="1h30m")
    assert holds(story, "2h")


def test_an_event_is_never_as_late_as_to_be_older_than_the_policy_says() -> None:
    story = answers("did a last 33h")
    story.tell("40h", "a", late_by="39h")
    assert holds(story, "48h")


def test_two_memories_become_one() -> None:
    story = answers("count(a, last 1h) = 3 and sum(a.n, ever) = 6 and max(a.n, ever) = 3 and first(a).n = 2")
    story.tell("0s", "a", user="~visitor", n=2)
    story.tell("1m", "a", user="ann", n=3)
    story.tell("2m", "a", user="~visitor", n=1)
    story.alias("3m", "~visitor")
    assert holds(story, "4m")


def test_sums_over_a_window_know_the_newest_256_events_and_those_since_ever_all() -> None:
    story = answers("sum(a.n, last 1d) = 256 and sum(a.n, ever) = 300")
    for number in range(300):
        story.tell(f"{number}s", "a", n=1)
    assert holds(story, "10m")


def test_an_event_is_taken_once_whatever_comes_between() -> None:
    story = answers("count(a, ever) = 1")
    story.tell("0s", "a")
    for _ in range(1_000):
        story.tell("1s", "page_viewed")
    story._told = 0  # the next has the first one's message id
    story.tell("2s", "a")
    story._told = 5000
    assert holds(story, "3s")


@pytest.mark.parametrize(
    ("second", "asked", "condition"),
    [
        ("29m59s999ms", "30m", "session.events = 3 and session.duration = 1800"),
        ("30m", "30m", "session.events = 2 and session.duration = 0"),
    ],
)
def test_a_session_ends_after_half_an_hour_without_activity(second: str, asked: str, condition: str) -> None:
    story = answers(condition)
    story.tell("0s", "page_viewed")
    story.tell(second, "page_viewed")
    assert holds(story, asked)


@pytest.mark.parametrize(
    ("name", "machine", "idle"),
    [
        ("email_opened", False, 0),
        ("email_opened", True, 600),
        ("email_delivered", False, 600),
        ("push_clicked", False, 0),
    ],
)
def test_feedback_is_something_the_user_did_if_a_person_did_it(name: str, machine: bool, idle: int) -> None:
    story = Story(campaign("c", "no activity for 1h", push()))
    story.tell("0s", "page_viewed")
    story.tell("10m", name, source="engine", machine=machine)
    story.until("3h")
    (entered,) = story.rows("entered")
    assert entered.at == story.start + (3600 + 600 - idle) * 1000


@pytest.mark.parametrize(("told", "found"), [(300, False), (301, True)])
def test_a_count_above_some_hundreds_is_counted_to_the_end(told: int, found: bool) -> None:
    story = answers("count(a, last 10m) > 300")
    for second in range(told):
        story.tell(f"{second}s", "a")
    assert holds(story, f"{told}s") is found
