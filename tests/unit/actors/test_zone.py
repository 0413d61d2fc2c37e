"""Local time of a user, also in the nights in which the clock is changed."""

from __future__ import annotations

import pytest

from actors.values import zone
from tests.unit.actors.making import at

BERLIN = "Europe/Berlin"
"""Forward at 2026-03-29T01:00Z (02:00 is 03:00), back at 2026-10-25T01:00Z (03:00 is 02:00)."""

CAIRO = "Africa/Cairo"
"""Forward at midnight: 2026-04-24 begins at 01:00."""


def test_an_unknown_zone_is_utc() -> None:
    assert zone.zone("GMT+0000") is None
    assert zone.hour(at("2026-01-05T10:30:00"), "GMT+0000") == 10


def test_hours_and_days_are_those_where_the_user_lives() -> None:
    evening = at("2026-01-05T19:45:00")
    assert zone.hour(evening, "Asia/Kolkata") == 1
    assert zone.weekday(evening, "Asia/Kolkata") == 2
    assert zone.weekday(evening, "UTC") == 1


@pytest.mark.parametrize(
    ("now", "name", "begins", "ends"),
    [
        ("2026-01-05T12:00:00", "UTC", "2026-01-05T00:00:00", "2026-01-06T00:00:00"),
        ("2026-03-29T12:00:00", BERLIN, "2026-03-28T23:00:00", "2026-03-29T22:00:00"),  # 23 hours
        ("2026-10-25T12:00:00", BERLIN, "2026-10-24T22:00:00", "2026-10-25T23:00:00"),  # 25 hours
        ("2026-04-24T12:00:00", CAIRO, "2026-04-23T22:00:00", "2026-04-24T21:00:00"),  # midnight does not come
    ],
)
def test_a_day_begins_at_midnight_and_may_have_23_or_25_hours(now: str, name: str, begins: str, ends: str) -> None:
    assert zone.midnight(at(now), name) == at(begins)
    assert zone.next_midnight(at(now), name) == at(ends)
    assert zone.midnight(at(begins), name) == at(begins)
    assert zone.midnight(at(begins) - 1, name) < at(begins)


@pytest.mark.parametrize(
    ("now", "minute", "days", "expected"),
    [
        ("2026-01-05T08:00:00", 9 * 60, None, "2026-01-05T08:00:00"),  # it is nine now
        ("2026-01-05T08:00:00.001", 9 * 60, None, "2026-01-06T08:00:00"),
        ("2026-01-05T08:00:00", 9 * 60, frozenset({3}), "2026-01-07T08:00:00"),
        ("2026-01-05T08:00:00.001", 9 * 60, frozenset({1}), "2026-01-12T08:00:00"),
        ("2026-03-28T12:00:00", 150, None, "2026-03-29T01:30:00"),  # 02:30 is left out
        ("2026-10-24T12:00:00", 150, None, "2026-10-25T00:30:00"),  # 02:30 comes twice
        ("2026-10-25T00:45:00", 150, None, "2026-10-26T01:30:00"),  # and the second does not count
    ],
)
def test_a_time_of_day_comes_when_the_wall_says_so(
    now: str, minute: int, days: frozenset[int] | None, expected: str
) -> None:
    assert zone.next_time(at(now), minute, BERLIN, days) == at(expected)


def test_the_change_of_the_clock_is_found_to_the_millisecond() -> None:
    change = at("2026-03-29T01:00:00")
    assert zone.next_change(change - 86_000_000, change + 1000, BERLIN) == change
    assert zone.next_change(change - 1, change, BERLIN) == change
    assert zone.next_change(change, change + 1000, BERLIN) == 0
    assert zone.next_change(change - 86_000_000, change - 1, BERLIN) == 0


def test_an_hour_changes_at_a_quarter_of_one_at_the_latest() -> None:
    now = at("2026-01-05T10:07:00")
    assert zone.next_hour(now) == at("2026-01-05T10:15:00")
    assert zone.next_hour(at("2026-01-05T10:15:00")) == at("2026-01-05T10:30:00")
    kathmandu = "Asia/Kathmandu"  # 5:45 ahead
    assert zone.hour(at("2026-01-05T10:14:59.999"), kathmandu) != zone.hour(at("2026-01-05T10:15:00"), kathmandu)
