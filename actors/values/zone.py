"""Local time of a user: hours, days and midnights in an IANA zone, as functions of an instant in ms."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

HOUR_MS: Final = 3_600_000

QUARTER_MS: Final = HOUR_MS // 4
"""Zones are offset by quarters of an hour, and change at such: the day and the hour are functions of the quarter. What is
played of years in which a zone did not (St John's until 2011, Gaza, Casey) may be as much as a quarter out on such a day."""


NAME_CHARACTERS_MAX: Final = 64
"""Of a zone. The longest there is has 32; the names that are asked for are remembered, and anybody may ask."""


def zone(name: str) -> tzinfo | None:
    """The zone of that name; None if there is none (`GMT+0000`, as some SDKs say)."""
    return _zone(name) if len(name) <= NAME_CHARACTERS_MAX else None


@lru_cache(maxsize=1024)
def _zone(name: str) -> tzinfo | None:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def local(at: int, name: str) -> datetime:
    """The local time at `at`; UTC if the zone is not known."""
    return datetime.fromtimestamp(at / 1000, zone(name) or UTC)


def hour(at: int, name: str) -> int:
    """0 to 23."""
    return local(at, name).hour


def minute_of_day(at: int, name: str) -> int:
    """0 to 1439: what the clock on the wall shows."""
    return _quarter(at // QUARTER_MS, name).minute + at % QUARTER_MS // 60_000


def weekday(at: int, name: str) -> int:
    """ISO 8601: Monday is 1, Sunday is 7."""
    return local(at, name).isoweekday()


def midnight(at: int, name: str) -> int:
    """The instant in ms at which the local day of `at` began."""
    return _quarter(at // QUARTER_MS, name).midnight


def next_midnight(at: int, name: str) -> int:
    return _quarter(at // QUARTER_MS, name).next_midnight


class _Quarter(NamedTuple):
    """What is the same all through a quarter of an hour somewhere."""

    minute: int
    """Of the day, at its beginning."""
    midnight: int
    next_midnight: int


@lru_cache(maxsize=16_384)
def _quarter(number: int, name: str) -> _Quarter:
    """Caps and quiet hours ask for these with every send, and many users live in one zone."""
    moment = local(number * QUARTER_MS, name)
    day = moment.replace(tzinfo=None, hour=0, minute=0, second=0, microsecond=0, fold=0)
    began, ends = (each.replace(tzinfo=moment.tzinfo) for each in (day, day + timedelta(days=1)))
    return _Quarter(moment.hour * 60 + moment.minute, int(began.timestamp() * 1000), int(ends.timestamp() * 1000))


def next_change(at: int, until: int, name: str) -> int:
    """When the clock is put forward or back after `at`, up to and with `until` (less than a day later); 0 if it is not."""
    before = local(at, name).utcoffset()
    if local(until, name).utcoffset() == before:
        return 0
    low, high = at, until
    while high - low > 1:
        middle = (low + high) // 2
        if local(middle, name).utcoffset() == before:
            low = middle
        else:
            high = middle
    return high


def next_hour(at: int) -> int:
    """The next instant at which `hour(now)` can change."""
    return (at // QUARTER_MS + 1) * QUARTER_MS


def next_time(at: int, minute: int, name: str, days: frozenset[int] | None = None) -> int:
    """The first instant not before `at` at which it is `minute` of the day there, on one of `days` (ISO, 1 to 7).

    A time that a change to summer time leaves out comes when the clock has passed it; one that comes twice counts the
    first time.
    """
    start = local(at, name)
    for ahead in range(9):
        day = (start.replace(tzinfo=None) + timedelta(days=ahead)).replace(
            hour=minute // 60, minute=minute % 60, second=0, microsecond=0
        )
        moment = int(day.replace(tzinfo=start.tzinfo, fold=0).timestamp() * 1000)
        if moment >= at and (days is None or day.isoweekday() in days):
            return moment
    raise AssertionError(f"no day of {days} within nine days")
