"""Durations as they are written: `500ms 30s 10m 2h 30d 2w`, also joined: `1h30m`. And instants, by ISO 8601."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

UNITS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
"""Milliseconds each."""

DURATION_MS_MAX: Final = 100 * 366 * 86_400_000
"""A hundred years."""

FORMS: Final = "500ms, 30s, 10m, 2h, 30d, 2w, or joined as in 1h30m"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PART = re.compile(r"(\d{1,15}(?:\.\d{1,9})?)(ms|s|m|h|d|w)")


def duration_ms(text: str) -> int | None:
    """Milliseconds, rounded to whole ones; None if the text is no duration or one of more than a hundred years."""
    at, total = 0, 0.0
    while at < len(text):
        part = _PART.match(text, at)
        if part is None:
            return None
        total += float(part[1]) * UNITS[part[2]]
        at = part.end()
    return round(total) if at > 0 and total <= DURATION_MS_MAX else None


def seconds(milliseconds: int) -> int | float:
    """Whole seconds as an int, so that equal durations are equal constants."""
    return milliseconds // 1000 if milliseconds % 1000 == 0 else milliseconds / 1000


def written(milliseconds: int) -> str:
    """A duration as it would be written: `1h30m`, `29m59s999ms`; `0s` for none, with a `-` before a negative one."""
    rest, parts = abs(milliseconds), []
    for unit in ("d", "h", "m", "s", "ms"):
        count, rest = divmod(rest, UNITS[unit])
        if count:
            parts.append(f"{count}{unit}")
    return ("-" if milliseconds < 0 else "") + ("".join(parts) or "0s")


def instant_ms(text: str) -> int | None:
    """An ISO 8601 time (without a zone: UTC) in milliseconds since the epoch; None if it is none."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // timedelta(milliseconds=1)
