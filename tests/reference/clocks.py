"""What a clock on the wall shows, and when: found by trying every minute, so that no summer time can surprise it."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

MINUTE_MS = 60_000
DAY_MS = 86_400_000


def shown(at: int, zone: str) -> datetime:
    return datetime.fromtimestamp(at / 1000, ZoneInfo(zone))


@lru_cache(maxsize=4096)
def first_minute(day: date, minute: int, zone: str) -> int:
    """When the clock first shows that minute on that day. If it never does, because the clock was put forward over it: as
    long after the day's last minute before the gap as it would have been."""
    before = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo("UTC")) - timedelta(days=1)
    last = int(before.timestamp() * 1000)
    for step in range(3 * 1440):
        at = int(before.timestamp() * 1000) + step * MINUTE_MS
        wall = shown(at, zone)
        if wall.date() == day and wall.hour * 60 + wall.minute == minute:
            return at
        if wall.date() < day or (wall.date() == day and wall.hour * 60 + wall.minute < minute):
            last = at
    wall = shown(last, zone)
    missing = (day - wall.date()).days * 1440 + minute - (wall.hour * 60 + wall.minute)
    return last + missing * MINUTE_MS


def next_time(at: int, minute: int, zone: str, days: tuple[int, ...]) -> int:
    """The first instant from `at` on at which it is that minute of the day, on one of the days."""
    today = shown(at, zone).date()
    for ahead in range(-1, 10):
        day = today + timedelta(days=ahead)
        if days and day.isoweekday() not in days:
            continue
        moment = first_minute(day, minute, zone)
        if moment >= at:
            return moment
    raise AssertionError("no such day within ten")


def is_quiet(at: int, start: int, end: int, zone: str) -> bool:
    wall = shown(at, zone)
    minute = wall.hour * 60 + wall.minute
    return start <= minute < end if start < end else minute >= start or minute < end


@lru_cache(maxsize=4096)
def quiet_ends(at: int, start: int, end: int, zone: str) -> int:
    """The first instant after a quiet one that is not quiet."""
    minute = at - at % MINUTE_MS
    while is_quiet(minute, start, end, zone):
        minute += MINUTE_MS
    return minute


@lru_cache(maxsize=4096)
def day_ends(at: int, zone: str) -> int:
    """The first instant of the next day."""
    minute = at - at % MINUTE_MS
    while shown(minute, zone).date() == shown(at, zone).date():
        minute += MINUTE_MS
    return minute
