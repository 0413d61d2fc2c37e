"""Field types of rules and rollouts: percentages, times of day, days, time zones, spans of caps, `status`."""

from __future__ import annotations

import re
from typing import Any, ClassVar, Final, Literal, cast

from actors.values.zone import zone
from language.site.decode import Report
from language.site.fields import DURATION_PATTERN
from language.site.yaml import Scalar, Sequence, Value, kind_of
from language.syntax.durations import FORMS, duration_ms, seconds
from language.syntax.habits import STATUSES as MEANT
from language.syntax.habits import clock
from language.syntax.problems import did_you_mean, nearest, one_of

Status = Literal["draft", "shadow", "canary", "live", "paused", "archived"]

STATUSES: Final = ("draft", "shadow", "canary", "live", "paused", "archived")
DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_LONG_DAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

_PERCENT: Final = re.compile(r"(\d{1,3}(?:\.\d{1,6})?)\s*%")
_CLOCK: Final = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")


def percent(text: str) -> float | None:
    """0 to 100 of a text such as `5%`; None if it is none."""
    found = _PERCENT.fullmatch(text.strip())
    return float(found[1]) if found and float(found[1]) <= 100 else None


class Percent:
    """A part of the users, 0 to 100."""

    schema: ClassVar[dict[str, Any]] = {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?\s*%$"}

    def __init__(self, told: float) -> None:
        self.percent = told

    @classmethod
    def read(cls, value: Value, report: Report) -> Percent | None:
        found = percent(value.value) if isinstance(value, Scalar) and isinstance(value.value, str) else None
        if found is None:
            report.at(value, f"expected a percentage from 0% to 100%, as in `5%`, came {kind_of(value)}")
            return None
        return cls(found)


class StatusText:
    """`live`, `canary 5%` and the like."""

    schema: ClassVar[dict[str, Any]] = {
        "anyOf": [
            {"enum": [status for status in STATUSES if status != "canary"]},
            {"type": "string", "pattern": r"^canary [0-9]+(\.[0-9]+)?\s*%$"},
        ],
        "description": "live, draft, shadow, paused, archived, or canary with its part of the users: canary 5%.",
    }

    def __init__(self, status: Status, canary: float = 100.0) -> None:
        self.status = status
        self.canary = canary

    @classmethod
    def read(cls, value: Value, report: Report) -> StatusText | None:
        told = value.value if isinstance(value, Scalar) and isinstance(value.value, str) else ""
        word, _, rest = told.partition(" ")
        if word == "canary":
            part = percent(rest)
            if part is None:
                report.at(value, f"`canary` needs its part of the users, as in `canary 5%`, came `{told[:40]}`")
                return None
            return cls("canary", part)
        if told in STATUSES:
            return cls(cast(Status, told))
        hint = did_you_mean(MEANT.get(word.casefold()) or nearest(word, STATUSES)) if told else ""
        report.at(value, f"`status` is {one_of(STATUSES)}, not {kind_of(value)}{hint}")
        return None


class ClockTime:
    """A time of day: `09:00`."""

    schema: ClassVar[dict[str, Any]] = {"type": "string", "pattern": "^([01]?[0-9]|2[0-3]):[0-5][0-9]$"}

    def __init__(self, minute: int) -> None:
        self.minute = minute

    @classmethod
    def read(cls, value: Value, report: Report) -> ClockTime | None:
        told = value.value if isinstance(value, Scalar) and isinstance(value.value, str) else ""
        found = _CLOCK.fullmatch(told.strip())
        if found is None:
            meant = clock(told)
            hint = f': write "{meant}"' if meant else ""
            report.at(value, f'expected a time of day from "00:00" to "23:59", came {kind_of(value)}{hint}')
            return None
        return cls(int(found[1]) * 60 + int(found[2]))


class Days:
    """Days of the week, `[mon, fri]`, as ISO numbers: Monday is 1."""

    schema: ClassVar[dict[str, Any]] = {
        "anyOf": [{"enum": list(DAYS)}, {"type": "array", "items": {"enum": list(DAYS)}, "minItems": 1}]
    }

    def __init__(self, numbers: tuple[int, ...]) -> None:
        self.numbers = numbers

    @classmethod
    def read(cls, value: Value, report: Report) -> Days | None:
        parts = value.items if isinstance(value, Sequence) else [value]
        if not parts:
            report.at(value, f"expected at least one of {one_of(DAYS)}, came an empty list")
            return None
        numbers = [number for part in parts if (number := _day(part, report))]
        return cls(tuple(sorted(set(numbers)))) if len(numbers) == len(parts) else None


def _day(value: Value, report: Report) -> int:
    """1 to 7; 0 if it is none."""
    told = value.value.casefold() if isinstance(value, Scalar) and isinstance(value.value, str) else ""
    for names in (DAYS, _LONG_DAYS):
        if told in names:
            return names.index(told) + 1
    report.at(value, f"a day is {one_of(DAYS)}, not {kind_of(value)}{did_you_mean(nearest(told, DAYS))}")
    return 0


class ZoneText:
    """`user`, or the name of an IANA time zone."""

    schema: ClassVar[dict[str, Any]] = {"type": "string", "description": "user, or a zone such as Europe/Berlin."}

    def __init__(self, name: str) -> None:
        self.name = name

    @classmethod
    def read(cls, value: Value, report: Report) -> ZoneText | None:
        told = value.value if isinstance(value, Scalar) and isinstance(value.value, str) else ""
        if told == "user" or (told and zone(told) is not None):
            return cls(told)
        report.at(value, f"there is no time zone {_shown(value)}: write `user`, or one as Europe/Berlin")
        return None


def _shown(value: Value) -> str:
    return f"`{value.value}`" if isinstance(value, Scalar) and isinstance(value.value, str) else kind_of(value)


class Per:
    """What a cap counts over: a rolling duration in seconds, or None for a calendar day."""

    schema: ClassVar[dict[str, Any]] = {
        "anyOf": [{"const": "day"}, {"type": "string", "pattern": DURATION_PATTERN}],
        "description": f"day (a calendar day where the user lives), or a rolling span ({FORMS}).",
    }

    def __init__(self, told: float | None) -> None:
        self.seconds = told

    @classmethod
    def read(cls, value: Value, report: Report) -> Per | None:
        told = value.value if isinstance(value, Scalar) and isinstance(value.value, str) else ""
        found = duration_ms(told)
        if told == "day" or found:
            return cls(None if told == "day" else seconds(found or 0))
        report.at(value, f"`per` is `day` or a duration, not {kind_of(value)}: write {FORMS}")
        return None


class Number:
    """A number, whole or not."""

    schema: ClassVar[dict[str, Any]] = {"type": "number"}

    def __init__(self, told: float, value: Value) -> None:
        self.number = told
        self.value = value

    @classmethod
    def read(cls, value: Value, report: Report) -> Number | None:
        if isinstance(value, Scalar) and isinstance(value.value, int | float) and not isinstance(value.value, bool):
            return cls(float(value.value), value)
        report.at(value, f"expected a number, came {kind_of(value)}")
        return None
