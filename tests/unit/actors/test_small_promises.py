"""Promises of a word or two that nothing else held: an average, a nested property, a collection beside a property, a join."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.actors.making import Story, campaign, push, wait


def asked(condition: str, *events: dict[str, Any]) -> bool:
    """Whether a wait for it in a run is over at once, after such events `a`."""
    story = Story(campaign("c", "go", wait("when", condition), push()))
    for number, properties in enumerate(events):
        story.tell(f"{number}s", "a", **properties)
    story.tell("1m", "go")
    story.until("2m")
    return bool(story.rows("sent"))


def test_the_average_of_a_window_is_neither_its_least_nor_its_greatest() -> None:
    for condition in ("avg(a.n, last 1h) = 3", "min(a.n, last 1h) = 1", "max(a.n, last 1h) = 5"):
        assert asked(condition, {"n": 1}, {"n": 5}, {"n": 3})


def test_a_property_within_a_property_is_read() -> None:
    assert asked("did a where event.shipping.to.country = 'NO' last 1h", {"shipping": {"to": {"country": "NO"}}})
    assert not asked("did a where event.shipping.to.country = 'NO' last 1h", {"shipping": {"to": "NO"}})


@pytest.mark.parametrize(("country", "fits"), [("NO", True), ("SE", False)])
def test_a_property_within_a_property_of_what_was_done_decides_what_is_counted(country: str, fits: bool) -> None:
    assert asked("count(a where shipping.country = 'NO', last 1h) >= 1", {"shipping": {"country": country}}) is fits


def test_a_favourite_is_found_among_as_many_as_are_kept_and_one_more() -> None:
    story = Story(campaign("c", "go where top(a.n, ever) = 'x'", push()))
    for number in range(20):
        story.tell(f"{number}s", "a", n="x" if number % 2 else f"y{number}")
    story.tell("1m", "go")
    story.until("2m")
    assert len(story.rows("sent")) == 1


@pytest.mark.parametrize(
    "condition",
    [
        "count(a where n > user.floor, last 1d) >= 3",
        "count(a where n > user.floor, ever) >= 3",
        "did a where n > user.floor last 1d",
        "sum(a.n where n > user.floor, last 1d) = 27",
    ],
)
def test_what_fits_what_is_known_of_the_user_is_found_behind_much_that_does_not(condition: str) -> None:
    story = Story(campaign("c", "go", wait("when", condition), push()))
    story.identify("0s", floor=5)
    for number in range(3):
        story.tell(f"{number + 1}s", "a", n=9)
    for number in range(200):
        story.tell(f"{number + 10}s", "a", n=1)
    story.tell("1h", "go")
    story.until("2h")
    assert len(story.rows("sent")) == 1
