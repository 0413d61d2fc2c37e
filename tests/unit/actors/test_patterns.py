"""Patterns over time, at their edges."""

from __future__ import annotations

import pytest

from tests.unit.actors.making import Story, campaign


def entered(story: Story, until: str = "30d") -> list[str]:
    return [when for when, _, decision, _ in story.until(until) if decision == "entered"]


@pytest.mark.parametrize(("second", "found"), [("1h", ["3600s"]), ("1h1ms", [])])
def test_exactly_the_window_later_is_within(second: str, found: list[str]) -> None:
    story = Story(campaign("c", "a then b within 1h"))
    story.tell("0s", "a")
    story.tell(second, "b")
    assert entered(story) == found


def test_what_a_match_used_is_used_up_and_one_event_gives_one_match() -> None:
    story = Story(campaign("c", "a then b within 1h", concurrency="parallel"))
    for second, name in enumerate("aabbb"):
        story.tell(f"{second}s", name)
    assert entered(story) == ["2s", "3s"]


def test_the_same_event_twice_is_a_match_of_two() -> None:
    story = Story(campaign("c", "a then a within 1h", concurrency="parallel"))
    for second in range(5):
        story.tell(f"{second}s", "a")
    assert entered(story) == ["1s", "3s"]


def test_a_whole_chain_is_within_its_window() -> None:
    story = Story(campaign("c", "a then b then c within 1h"))
    for minute, name in ((0, "a"), (30, "b"), (61, "c"), (62, "a"), (63, "b"), (64, "c")):
        story.tell(f"{minute}m", name)
    assert entered(story) == ["3840s"]


def test_all_takes_them_in_any_order_and_fires_on_the_last_told() -> None:
    story = Story(campaign("c", 'all(a where k = "A", a where k = "B") within 1h'))
    story.tell("0s", "a", k="B")
    story.tell("1s", "a", k="B")
    story.tell("2s", "a", k="A")
    assert entered(story) == ["2s"]


def test_one_event_does_not_stand_for_two_in_all() -> None:
    story = Story(campaign("c", "all(a, a where n > 1) within 1h"))
    story.tell("0s", "a", n=2)
    assert entered(story, "1s") == []
    story.tell("2s", "a", n=0)
    assert entered(story) == ["2s"]


@pytest.mark.parametrize(
    ("answer", "found"), [("1h", []), ("1h1ms", ["3600s"]), ("0s", [])], ids=["at the deadline", "after", "at once"]
)
def test_an_answer_at_the_very_deadline_still_counts(answer: str, found: list[str]) -> None:
    story = Story(campaign("c", "a then no b within 1h"))
    story.tell("0s", "a")
    story.tell(answer, "b")
    assert entered(story) == found


def test_a_late_answer_in_time_counts_until_the_deadline_has_been_noticed() -> None:
    story = Story(campaign("c", "a then no b within 1h"))
    story.tell("0s", "a")
    story.tell("59m", "b", late_by="30m")
    story.tell("2h", "a")
    story.tell("4h", "b", late_by="1h30m")
    assert entered(story) == ["10800s"]


def test_a_first_event_that_is_told_after_its_answer_is_not_unanswered() -> None:
    story = Story(campaign("c", "a then no b within 1h"))
    story.tell("10m", "b")
    story.tell("20m", "a", late_by="15m")
    assert entered(story) == []


def test_a_first_event_that_is_told_after_its_deadline_matches_at_the_end_of_that_instant() -> None:
    story = Story(campaign("c", "a then no b within 1h"))
    story.tell("3h", "a", late_by="2h")
    assert entered(story) == ["10800s"]


def test_each_first_event_has_a_deadline_of_its_own_and_one_answer_ends_all() -> None:
    story = Story(campaign("c", "a then no b within 1h", concurrency="parallel"))
    story.tell("0s", "a")
    story.tell("10m", "a")
    story.tell("2h", "a")
    story.tell("2h1m", "a")
    story.tell("2h2m", "b")
    assert entered(story) == ["3600s", "4200s"]


def test_silence_is_noticed_once_until_there_is_another_event() -> None:
    story = Story(campaign("c", "no a for 1d"))
    story.tell("0s", "page_viewed")
    story.tell("3d", "page_viewed")
    story.tell("4d", "a")
    assert entered(story, "10d") == ["86400s", str(5 * 86400) + "s"]


def test_a_second_chain_goes_on_with_the_link_that_the_first_had_left() -> None:
    story = Story(campaign("c", "a then b then c within 1h", concurrency="parallel"))
    for second, name in enumerate("aabbcc"):
        story.tell(f"{second}s", name)
    assert entered(story) == ["4s", "5s"]


def test_a_link_that_came_before_the_second_chain_began_is_no_link_of_it() -> None:
    story = Story(campaign("c", "a then b then c within 1h", concurrency="parallel"))
    for second, name in enumerate("abbacc"):
        story.tell(f"{second}s", name)
    assert entered(story) == ["4s"]


def test_no_more_than_32_partial_matches_are_kept() -> None:
    story = Story(campaign("c", "a then b within 1h", concurrency="parallel"))
    for second in range(40):
        story.tell(f"{second}s", "a", n=second)
    for second in range(40, 80):
        story.tell(f"{second}s", "b")
    assert len(entered(story)) == 32
