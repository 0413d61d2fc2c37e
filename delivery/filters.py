"""Filters of our own: money, dates, addresses of the web, and safe forms of two of Jinja's."""

from __future__ import annotations

import datetime
import re
import zoneinfo
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any, Final

from jinja2 import pass_context
from jinja2.runtime import Context, Undefined

_SYMBOLS: Final = {
    "USD": "$",
    "EUR": "€",
    "GBP": "£",
    "JPY": "¥",
    "CNY": "CN¥",
    "INR": "₹",
    "KRW": "₩",
    "CAD": "CA$",
    "AUD": "A$",
    "NZD": "NZ$",
    "BRL": "R$",
    "MXN": "MX$",
    "ILS": "₪",
    "VND": "₫",
    "PHP": "₱",
}
_WHOLE: Final = frozenset({"JPY", "KRW", "VND", "CLP", "ISK", "HUF"})
"""Currencies without a minor unit in use (ISO 4217; the forint's is written no more)."""

_REPLACED_CHARACTERS_MAX: Final = 100_000
_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.\-]*:")
# What browsers drop or skip before they read a scheme: `java\tscript:` is javascript.
_IGNORED = re.compile(r"[\x00-\x20\x7f-\xa0\u2028\u2029\ufeff]+")
_LINK_SCHEMES: Final = frozenset({"http:", "https:", "mailto:", "tel:", "sms:"})


def money(context: Context, value: Any, currency: str | None = None) -> str:
    """`{{ 1234.5 | money }}` is `$1,234.50`, `{{ 30 | money("CHF") }}` is `30.00 CHF`, `{{ 99 | money("JPY") }}` is `¥99`."""
    code = str(currency or context.get("currency") or "USD").upper()
    try:
        amount = Decimal(str(_present(value)))
    except InvalidOperation:
        raise ValueError(f"money of {value!r}, which is not a number") from None
    if not amount.is_finite() or abs(amount) >= Decimal(10) ** 15:
        raise ValueError(f"money of {value!r}, which is no amount")
    amount = amount.quantize(Decimal(1) if code in _WHOLE else Decimal("0.01"), ROUND_HALF_UP)
    text = f"{abs(amount):,}"
    text = f"{_SYMBOLS[code]}{text}" if code in _SYMBOLS else f"{text} {code}"
    return f"-{text}" if amount < 0 else text


def date(context: Context, value: Any, pattern: str = "", tz: str | None = None) -> str:
    """`{{ run.entered_at | date }}` is `5 January 2026`; `date("%d.%m.%Y %H:%M", tz="Europe/Prague")` as in strftime.

    Takes seconds or milliseconds since the epoch, or ISO 8601 text. In the user's `time_zone` if known, else UTC.
    """
    user = context.get("user")
    zone = _zone(tz or (user.get("time_zone") if isinstance(user, dict) else None))
    when = _instant(_present(value)).astimezone(zone)
    return when.strftime(pattern) if pattern else f"{when.day} {when:%B %Y}"


def url(value: Any) -> str:
    """The address if a mail may link to it (http, https, mailto, tel, sms, or relative), else a ValueError."""
    text = str(_present(value)).strip()
    found = _SCHEME.match(_IGNORED.sub("", text))
    if found and found[0].lower() not in _LINK_SCHEMES:
        raise ValueError(f"{text[:80]!r} is not an address that a message may link to")
    return _IGNORED.sub(lambda run: "%20" * run[0].count(" "), text)


def rounded(value: Any, digits: int = 0) -> float | int:
    """`{{ 2.567 | round(1) }}` is 2.6; without digits a whole number."""
    number = float(_present(value))
    return round(number, digits) if 0 < digits <= 15 else int(Decimal(str(number)).quantize(Decimal(1), ROUND_HALF_UP))


def replaced(value: Any, old: str, new: str) -> str:
    """`replace`, within limits: a long text with each letter replaced by another long text is gigabytes."""
    text = _present(value)
    text = text if isinstance(text, str) else str(text)
    if len(text) + text.count(str(old)) * len(new) > _REPLACED_CHARACTERS_MAX:
        raise ValueError("replace would make too long a text")
    return text.replace(str(old), new)


def _present(value: Any) -> Any:
    if isinstance(value, Undefined):
        str(value)  # raises, with the name of what is missing
    if value is None or isinstance(value, bool):
        raise ValueError(f"{'null' if value is None else value} is not a value to show")
    return value


def _zone(name: Any) -> datetime.tzinfo:
    try:
        return zoneinfo.ZoneInfo(str(name)) if name else datetime.UTC
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        # A visitor's browser told us a name that nobody knows; his mail should not fail for it.
        return datetime.UTC


def _instant(value: Any) -> datetime.datetime:
    try:
        if isinstance(value, str) and not re.fullmatch(r"-?[0-9.]+", value):
            when = datetime.datetime.fromisoformat(value)
            return when if when.tzinfo else when.replace(tzinfo=datetime.UTC)
        number = float(value)
        # Later than the year 5138 in seconds is what milliseconds look like from 1973 on.
        return datetime.datetime.fromtimestamp(number / 1000 if abs(number) > 1e11 else number, datetime.UTC)
    except (ValueError, TypeError, OverflowError, OSError):
        raise ValueError(f"date of {value!r}, which is not a time") from None


FILTERS: Final[dict[str, Callable[..., Any]]] = {
    "money": pass_context(money),
    "date": pass_context(date),
    "url": url,
    "round": rounded,
    "replace": replaced,
}
