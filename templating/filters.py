"""Filters of our own: money, numbers, dates, addresses of the web, and safe forms of two of Jinja's."""

from __future__ import annotations

import datetime
import decimal
import re
import zoneinfo
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final

from jinja2 import pass_context
from jinja2.runtime import Context, Undefined

from templating import locales

if TYPE_CHECKING:
    from babel import Locale

_DIGITS_MAX: Final = 15
_WIDE: Final = decimal.Context(prec=40)
_LOCALE_CHARACTERS_MAX: Final = 40
_REPLACED_CHARACTERS_MAX: Final = 100_000
_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.\-]*:")
# What browsers drop or skip before they read a scheme: `java\tscript:` is javascript.
_IGNORED = re.compile(r"[\x00-\x20\x7f-\xa0\u2028\u2029\ufeff]+")
_LINK_SCHEMES: Final = frozenset({"http:", "https:", "mailto:", "tel:", "sms:"})


def money(context: Context, value: Any, currency: str | None = None, locale: str | None = None) -> str:
    """`{{ 1234.5 | money }}` is `$1,234.50`, `{{ 30 | money("CHF") }}` is `30.00 CHF`, `{{ 99 | money("JPY") }}` is `¥99`;
    to a user of the locale `de`, `{{ 1234.5 | money("EUR") }}` is `1.234,50 €`."""
    code = str(currency or context.get("currency") or "USD").upper()
    amount = _decimal(value, "money")
    if abs(amount) >= Decimal(10) ** 15:
        raise ValueError(f"money of {value!r}, which is no amount")
    amount = amount.quantize(Decimal(1).scaleb(-locales.places_of(code)), ROUND_HALF_UP) + 0  # there is no -0
    return locales.money_text(amount, code, _locale(context, locale))


def number(context: Context, value: Any, digits: int | None = None, locale: str | None = None) -> str:
    """`{{ 1234.5 | number }}` is `1,234.5`, `{{ 1234.5 | number(2) }}` is `1,234.50`; to a user of the locale `de`, `1.234,5`."""
    amount = _decimal(value, "number")
    if abs(amount) >= Decimal(10) ** 15:
        raise ValueError(f"number of {value!r}, which is too large")
    if digits is None:
        amount = amount.quantize(Decimal("1e-15"), ROUND_HALF_UP, _WIDE).normalize(_WIDE)
        return locales.number_text(
            amount.quantize(Decimal(1)) if amount == amount.to_integral() else amount, _locale(context, locale)
        )
    if not 0 <= digits <= _DIGITS_MAX:
        raise ValueError(f"number with {digits} digits: it is 0 to {_DIGITS_MAX}")
    return locales.number_text(
        amount.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP, _WIDE), _locale(context, locale)
    )


def date(context: Context, value: Any, pattern: str = "", tz: str | None = None, locale: str | None = None) -> str:
    """`{{ run.entered_at | date }}` is `5 January 2026`; `date("%d.%m.%Y %H:%M", tz="Europe/Prague")` as in strftime; `short`,
    `medium`, `long` and `full` are as the locale has them.

    Takes seconds or milliseconds since the epoch, or ISO 8601 text. In the user's `time_zone` if known, else UTC.
    """
    user = context.get("user")
    zone = _zone(tz or (user.get("time_zone") if isinstance(user, dict) else None))
    return locales.date_text(_instant(_present(value)).astimezone(zone), pattern, _locale(context, locale))


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


def _decimal(value: Any, what: str) -> Decimal:
    """What a float means, not what it is: 1.1 * 1.15 is 1.265."""
    shown = _present(value)
    try:
        amount = Decimal(format(shown, ".15g") if isinstance(shown, float) else str(shown))
    except InvalidOperation:
        raise ValueError(f"{what} of {value!r}, which is not a number") from None
    if not amount.is_finite():
        raise ValueError(f"{what} of {value!r}, which is no amount")
    return amount


def _locale(context: Context, said: str | None) -> Locale:
    """What the template says; else what is known of the user, by his word before his device's; else the site's."""
    user = context.get("user")
    told: tuple[Any, ...] = (said,)
    if isinstance(user, dict):
        device = user.get("context")
        told += user.get("locale"), user.get("language"), device.get("locale") if isinstance(device, dict) else None
    names = [name for name in (*told, context.get("locale")) if isinstance(name, str) and name]
    return locales.locale_of(*(name[:_LOCALE_CHARACTERS_MAX] for name in names))


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
    "number": pass_context(number),
    "url": url,
    "round": rounded,
    "replace": replaced,
}
