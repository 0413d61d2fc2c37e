"""Words that people bring along from elsewhere, and what they are called here: for the way out in a message."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from language.syntax.vocabulary import AGGREGATES

KEYS: Final[Mapping[str, Mapping[str, str]]] = {
    "CampaignFile": {
        "trigger": "`entry: {event: …}`",
        "triggers": "`entry: {event: […]}`",
        "when": "`entry: {event: …}`",
        "on": "`entry: {event: …}`",
        "if": "`if` within `entry`",
        "audience": "`audience` within `entry`",
        "actions": "`steps`, a list",
        "action": "`steps`, a list",
        "do": "`steps`, a list",
        "flow": "`steps`, a list",
        "id": "`campaign`, or nothing: it is the file's name",
        "name": "`campaign`, or nothing: it is the file's name",
        "description": "`why`",
        "stop_when": "`exit_when`",
        "conversion": "`goal`",
        "enabled": "`status: live` or `status: paused`",
        "active": "`status: live` or `status: paused`",
    },
    "EntryFile": {
        "trigger": "`event`",
        "pattern": "`event`",
        "condition": "`if`",
        "where": "`event: name where …`, or `if`",
        "when": "`if`",
        "segment": '`audience: segment("vip")`',
        "frequency": "`re_entry: after 24h`",
        "reentry": "`re_entry`",
    },
    "WaitFile": {
        "timeout": "`up_to`",
        "max": "`up_to`",
        "delay": "`for`",
        "duration": "`for`",
        "event": "`until`",
        "inactive": "`idle`",
        "name": "`as`",
    },
    "SendFile": {
        "template": "`email` or `push` with the template's name",
        "mail": "`email`",
        "type": "`email` or `push` with the template's name",
        "variables": "`data`",
        "ttl": "`expires`",
    },
    "CaseFile": {"if": "`when`", "condition": "`when`", "then": "`do`", "steps": "`do`", "otherwise": "`else`"},
    "StepFile": {
        "delay": "`wait: {for: 2h}`",
        "sleep": "`wait: {for: 2h}`",
        "email": "`send: {email: …}`",
        "push": "`send: {push: …}`",
        "if": "`branch: [{when: …, do: […]}]`",
        "when": "`branch: [{when: …, do: […]}]`",
        "stop": "`exit: reason`",
        "end": "`exit: reason`",
    },
}
"""Struct of shapes.py -> key that it has not -> what is written."""

FILTERS: Final[Mapping[str, str]] = {
    "currency": "money",
    "format_currency": "money",
    "price": "money",
    "number_format": "round",
    "strftime": "date",
    "format_date": "date",
    "datetime": "date",
    "upcase": "upper",
    "downcase": "lower",
    "size": "length",
    "fallback": "default",
    "strip_html": "striptags",
    "url_encode": "urlencode",
}
"""What other template languages call a filter -> what it is called here."""

STATUSES: Final[Mapping[str, str]] = {
    "active": "live",
    "enabled": "live",
    "on": "live",
    "running": "live",
    "published": "live",
    "production": "live",
    "inactive": "paused",
    "disabled": "paused",
    "off": "paused",
    "stopped": "paused",
    "test": "shadow",
    "dry_run": "shadow",
    "deleted": "archived",
}

_KEYWORDS: Final = frozenset(
    {
        "and",
        "or",
        "not",
        "in",
        "contains",
        "matches",
        "did",
        "no",
        "where",
        "then",
        "within",
        "for",
        "last",
        "since",
        "after",
    }
    | {"all", "entered", "left", "today", "ever"}
)
_WINDOWS: Final = frozenset({"last", "since", "after", "today", "ever"})
_WORD: Final = re.compile(r"(\w+)\s*$")
_CALL: Final = re.compile(rf"\b({'|'.join(sorted(AGGREGATES | {'top'}))})\s*\(([^()]*)\)\s*$")
_WINDOW: Final = re.compile(r"(last|since|after)\s+[\w.]+|today|ever")
_ALL_THEN_NO: Final = re.compile(r"then\s+no\s+(.+?)\s+within\s+(\S+)\s*")
_BOTH: Final = re.compile(r"\s*(\w+)\s+and\s+(\w+)\s+within\s+(\w+)\s*")
_INACTIVE: Final = re.compile(
    r"\s*(inactive|inactivity|idle|silent|silence|absent|dormant|no[_ ]activity)\s+for\s+(\w+)\s*"
)
_CLOCK: Final = re.compile(r"(\d{1,2})(?::?([0-5]\d))?\s*([ap])\.?m\.?", re.IGNORECASE)
_AMOUNT: Final = re.compile(r"[$€£]\s*(\d[\d.,]*)")


def of_expression(text: str, at: int, came: str) -> str:
    """What to say, behind the message, of something at `at` that an expression or pattern cannot go on with."""
    before = _WORD.search(text[:at])
    for word in (came, before[1] if before else ""):
        if word != word.lower() and word.lower() in _KEYWORDS:
            return f"; write `{word.lower()}`: the words of the language are in small letters"
    call = _CALL.search(text[:at])
    window = _WINDOW.match(text, at)
    if came in _WINDOWS and call and window:
        return f"; the window stands within the brackets: {call[1]}({call[2].strip()}, {window[0]})"
    return ""


def of_pattern(text: str, at: int, came: str) -> str:
    """The same, of what only people who write a pattern bring along."""
    if came == "and":
        both = _BOTH.fullmatch(text)
        example = f"all({both[1]}, {both[2]}) within {both[3]}" if both else "all(a, b) within 48h"
        return f"; events in any order are written {example}, and in this order a then b within 48h"
    if came == "or":
        return "; several patterns, any of which will do, are a list: [a, b]"
    inactive = _INACTIVE.fullmatch(text)
    if inactive:
        return f"; write `no activity for {inactive[2]}`"
    if came.split() == ["in", "session"]:
        return "; it ends `a then b` and `all(a, b)`; for what was not done by its end, wait for `when: no b since session`"
    if came == "then" and text.lstrip().startswith("all"):
        return _behind_all(text, at)
    return ""


def _behind_all(text: str, at: int) -> str:
    absent = _ALL_THEN_NO.fullmatch(text, at)
    if absent is None:
        return "; all(…) stands alone: enter on it, and begin `steps` with {wait: {until: …, up_to: 24h}}"
    event, span = absent[1], absent[2]
    return f"; all(…) stands alone: enter on it, write exit_when: [{event}], and begin `steps` with {{wait: {{for: {span}}}}}"


def clock(text: str) -> str | None:
    """`09:00` of `9am`."""
    found = _CLOCK.fullmatch(text.strip())
    if found is None or not 1 <= int(found[1]) <= 12:
        return None
    hour = int(found[1]) % 12 + (12 if found[3].lower() == "p" else 0)
    return f"{hour:02}:{found[2] or '00'}"


def amount(text: str, at: int) -> str | None:
    """`50` of the `$50` at that place."""
    found = _AMOUNT.match(text, at)
    return found[1].replace(",", "").rstrip(".") if found else None
