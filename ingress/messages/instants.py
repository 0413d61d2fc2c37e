"""Times as clients write them, in milliseconds since the epoch."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

from ingress.messages.rejection import Rejected

SECONDS_BELOW: Final = 1e11
"""A number below this is seconds since the epoch, from here on milliseconds (1e11 s is the year 5138, 1e11 ms is 1973)."""

INSTANT_MAX: Final = 253_402_300_799_999
"""End of the year 9999: what lies beyond is no time that somebody meant, but it is clamped, not refused."""


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_HALF: Final = timedelta(microseconds=500)


def milliseconds(value: str | int | float, field: str) -> int:
    """ISO 8601 (without a zone: UTC), or a number of seconds or milliseconds, also as text. Raises Rejected."""
    if not isinstance(value, str):
        return _number(value, field)
    try:
        if len(value) == 24 and value[23] == "Z" and value[19] == "." and value[16] == ":":
            # As every browser writes it: events of one minute share the costly part.
            within = value[17:19] + value[20:23]
            if within.isdecimal() and within < "6" and within.isascii():
                return _iso(value[:16]) + int(within)
        return _iso(value)
    except ValueError:
        return _number(_as_number(value, field), field)


def told_at(value: str | int | float | None, field: str) -> int | None:
    """The same of a field that may be missing or empty; None then. Raises Rejected."""
    return None if value is None or value == "" else milliseconds(value, field)


@lru_cache(maxsize=1024)
def _iso(text: str) -> int:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH + _HALF) // _MILLISECOND


def occurred(received: int, told: int) -> int:
    """What is told, by our clock, as far as it can be: never after `received`, and never 0, which means "not told"."""
    # Comparisons, not max and min: once for every event.
    if told > received:
        return received
    return told if told > 0 else 1


def _as_number(text: str, field: str) -> float:
    try:
        return float(text) if len(text) <= 32 else float("nan")
    except ValueError:
        return float("nan")


def _number(value: float, field: str) -> int:
    if value != value or value in (float("inf"), float("-inf")):
        raise Rejected(
            "invalid_timestamp", f"{field} is not a time: use ISO 8601, or seconds or milliseconds since 1970", field
        )
    scaled = value if abs(value) >= SECONDS_BELOW else value * 1000
    return int(max(min(round(scaled), INSTANT_MAX), -INSTANT_MAX))
