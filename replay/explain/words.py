"""Values, times and numbers as a shop owner reads them. All times are UTC."""

from __future__ import annotations

import json
from typing import Any, Final

from language.syntax.durations import UNITS, written
from replay.ledger import iso

TEXT_CHARACTERS_MAX: Final = 60
ITEMS_MAX: Final = 5

_ORDINALS: Final = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")

LAST_MS: Final = 253_402_300_799_000
"""The end of the year 9999: no calendar goes further."""


def moment(at: int, now: int) -> str:
    """`10:10` on the day of `now`, else `2026-01-05 10:10`; with seconds where there are any. Milliseconds are left out:
    who needs them has the JSON."""
    full = iso(min(max(at, 0), LAST_MS))
    day, clock = full[:10], full[11:19].removesuffix(":00")
    return clock if day == iso(now)[:10] else f"{day} {clock}"


def span(milliseconds: float) -> str:
    """A duration, to the two units that matter: `4s`, `2d3h`."""
    rest = round(abs(milliseconds))
    for large, small in (("d", "h"), ("h", "m"), ("m", "s")):
        if rest >= UNITS[large]:
            return written(rest // UNITS[small] * UNITS[small])
    return written(rest)


def ago(at: int, now: int) -> str:
    return f"at {moment(at, now)}" if at >= now else f"{span(now - at)} ago, at {moment(at, now)}"


def ordinal(number: int) -> str:
    if 1 <= number <= len(_ORDINALS):
        return _ORDINALS[number - 1]
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10 if number // 10 % 10 != 1 else 0, "th")
    return f"{number}{ending}"


def value(found: object, *, duration: bool = False) -> str:
    """A value of the language: `45`, `"gold"`, `not known` for null. `duration`: numbers are seconds."""
    match found:
        case None:
            return "not known"
        case bool():
            return "true" if found else "false"
        case int() | float():
            return span(found * 1000) if duration else number(found)
        case str():
            return text(found)
        case list():
            return _items(found)
        case _:
            return _cut(json.dumps(found, ensure_ascii=False, default=str))


def number(found: float) -> str:
    whole = round(found, 2)
    return f"{int(whole)}" if whole == int(whole) else f"{whole:.2f}".rstrip("0")


def text(found: str) -> str:
    return json.dumps(_cut(found), ensure_ascii=False)


def _cut(found: str) -> str:
    return found if len(found) <= TEXT_CHARACTERS_MAX else found[: TEXT_CHARACTERS_MAX - 1] + "…"


def _items(found: list[Any]) -> str:
    if not found:
        return "empty"
    shown = ", ".join(value(one) for one in found[:ITEMS_MAX])
    more = f" and {len(found) - ITEMS_MAX} more" if len(found) > ITEMS_MAX else ""
    return f"[{shown}{more}]"


def counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def joined(parts: list[str], word: str = "and") -> str:
    """`a, b and c`."""
    return f" {word} ".join(filter(None, [", ".join(parts[:-1]), parts[-1]])) if parts else ""
