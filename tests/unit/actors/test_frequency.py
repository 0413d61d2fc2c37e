"""How often is too often: caps, cooldown, fatigue and quiet hours at their edges."""

from __future__ import annotations

from typing import Any

import pytest

from language.syntax import ast
from tests.unit.actors.making import Story, at, campaign, email, ms, push


def sent(story: Story, until: str = "20d") -> list[float]:
    """Seconds after the start."""
    story.until(until)
    return [(row.at - story.start) / 1000 for row in story.rows("sent")]


def asked(*times: str, **options: Any) -> Story:
    story = Story(campaign("c", "a", push(), concurrency="parallel", topic="t"), expires=30 * 86_400.0, **options)
    for time in times:
        story.tell(time, "a")
    return story


def test_a_rolling_cap_admits_the_next_when_the_oldest_is_exactly_as_old_as_its_window() -> None:
    cap = ast.Cap(limit=2, seconds=3600)
    assert sent(asked("0s", "1m", "2m", caps=(cap,))) == [0, 60, 3600]
    assert sent(asked("0s", "1m", "1h", caps=(cap,))) == [0, 60, 3600]


def test_a_cap_of_calendar_days_begins_anew_at_midnight_where_the_user_lives() -> None:
    story = asked(caps=(ast.Cap(limit=1, seconds=None),))
    story.identify("0s", time_zone="Asia/Kolkata")  # 15:30 there
    story.tell("1s", "a")
    story.tell("2s", "a")
    assert sent(story) == [1, 8.5 * 3600]


def test_a_cap_of_a_topic_or_channel_counts_only_those() -> None:
    caps = (ast.Cap(limit=1, seconds=3600, topic="other"), ast.Cap(limit=1, seconds=3600, channel="email"))
    assert sent(asked("0s", "1s", caps=caps)) == [0, 1]


def test_of_what_is_sent_in_one_turn_the_higher_priority_has_the_slot() -> None:
    low = campaign("low", "a", push(), priority=40)
    high = campaign("high", "a", push(), priority=60)
    story = Story(low, high, caps=(ast.Cap(limit=1, seconds=3600),), on_cap="skip")
    story.tell("0s", "a")
    story.until("1h")
    assert [row.campaign for row in story.rows("sent")] == ["high"]
    assert [(row.campaign, row.reason) for row in story.rows("skipped")] == [("low", "capped")]


def test_what_must_be_told_uses_up_nothing_and_waits_for_nothing() -> None:
    receipt = campaign("receipt", "b", push(), purpose="transactional", topic="t")
    news = campaign("news", "a", push(), topic="t")
    story = Story(receipt, news, caps=(ast.Cap(limit=1, seconds=3600),), cooldown=3600.0)
    for time, name in (("0s", "b"), ("1s", "a"), ("2s", "b")):
        story.tell(time, name)
    assert sent(story) == [0, 1, 2]


def test_the_cooldown_of_a_topic_is_over_exactly_when_it_says() -> None:
    assert sent(asked("0s", "1s", cooldown=3600.0)) == [0, 3600]
    assert sent(asked("0s", "59m59s999ms", "1h", cooldown=3600.0))[:2] == [0, 3600]


@pytest.mark.parametrize(("opened", "expected"), [(False, [0, 1, 3600]), (True, [0, 1, 3, 4])])
def test_who_ignores_us_gets_half_until_something_is_opened(opened: bool, expected: list[float]) -> None:
    story = asked("0s", "1s", caps=(ast.Cap(limit=4, seconds=3600),), fatigue_after=2, fatigue_factor=0.5)
    if opened:
        story.tell("2s", "email_opened", source="engine", machine=False)
    story.tell("3s", "a")
    if opened:
        story.tell("4s", "a")
    assert sent(story) == expected


def test_what_machines_open_nobody_has_seen() -> None:
    story = asked("0s", "1s", caps=(ast.Cap(limit=4, seconds=3600),), fatigue_after=2, fatigue_factor=0.5)
    story.tell("2s", "email_opened", source="engine", machine=True)
    story.tell("3s", "a")
    assert sent(story) == [0, 1, 3600]


def test_what_waits_longer_than_it_is_worth_is_not_sent() -> None:
    story = Story(campaign("c", "a", push(expires=ast.Constant(value=60)), concurrency="parallel"), cooldown=60.0)
    story.tell("0s", "a")
    story.tell("1s", "a")
    story.until("1h")
    assert [(row.reason, row.at - story.start) for row in story.rows("skipped")] == []
    short = Story(campaign("c", "a", push(expires=ast.Constant(value=58)), concurrency="parallel"), cooldown=60.0)
    short.tell("0s", "a")
    short.tell("1s", "a")
    short.until("1h")
    assert [(row.reason, row.at - short.start) for row in short.rows("skipped")] == [("expired", ms("59s"))]


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2026-01-05T21:59:59.999", "2026-01-05T21:59:59.999"),
        ("2026-01-05T22:00:00", "2026-01-06T08:00:00"),
        ("2026-01-06T07:59:59.999", "2026-01-06T08:00:00"),
        ("2026-01-06T08:00:00", "2026-01-06T08:00:00"),
    ],
)
def test_quiet_hours_hold_what_is_due_from_their_first_to_their_last_instant(now: str, expected: str) -> None:
    quiet = ast.QuietHours(start=22 * 60, end=8 * 60)
    story = Story(campaign("c", "a", push()), start=at(now), quiet_hours=quiet)
    story.tell("0s", "a")
    story.until("20h")
    assert [row.at for row in story.rows("sent")] == [at(expected)]


def test_every_check_is_made_anew_when_what_was_held_is_tried_again() -> None:
    story = Story(campaign("c", "a", email(), email("again")), cooldown=3600.0)
    story.identify("0s", email="ann@example.test")
    story.tell("1s", "a")
    story.tell("10m", "email_bounced", source="engine", permanent=True, address="ann@example.test")
    assert sent(story) == [1]
    assert [(row.template, row.reason) for row in story.rows("skipped")] == [("again", "suppressed")]


@pytest.mark.parametrize(("first", "again"), [("14h", 38.0), ("50399s", 14.0)])
def test_what_goes_out_at_midnight_counts_for_the_day_that_begins_and_not_for_the_one_that_ends(
    first: str, again: float
) -> None:
    """It is ten in the morning at the start."""
    _, second = sent(asked(first, "15h" if first == "14h" else "14h", caps=(ast.Cap(limit=1, seconds=None),)))
    assert second == again * 3600
