"""Money, numbers and dates as people of a locale write them: Babel, which has the rules of CLDR.

Babel is loaded by the first message that shows money, a number or a date: commands that render nothing do not wait for it.
It keeps what it has read of a locale, 0.2 MB each; there are about 1,100.
"""

from __future__ import annotations

import datetime
import re
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from babel import Locale

DEFAULT: Final = "en"
STYLES: Final = ("short", "medium", "long", "full")

NAME: Final = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8}){0,3}")
"""Such as `de`, `en-GB`, `zh_Hant_TW`. What a browser told is somebody else's text: Babel makes the name of a file of it."""

_NAMES: Final = re.compile(r"%([%BbAa])")
_SPACE: Final = "\N{NO-BREAK SPACE}"


@lru_cache(maxsize=256)
def locale_of(*names: str) -> Locale:
    """Return the first of them that is known, of a region that is not its language; English if there is none."""
    for name in names:
        found = _known(name)
        if found is not None:
            return found
    return _parsed(DEFAULT)


def is_known(name: str) -> bool:
    return _known(name) is not None


def _known(name: str) -> Locale | None:
    from babel import UnknownLocaleError

    plain = re.split("[.@]", name, maxsplit=1)[0]  # en_US.UTF-8, sr_RS@latin
    if NAME.fullmatch(plain) is None:
        return None
    for form in (plain, re.split("[-_]", plain)[0]):
        try:
            return _parsed(form)
        except (UnknownLocaleError, ValueError):
            continue
    return None


def _parsed(name: str) -> Locale:
    from babel import Locale

    return Locale.parse(name.replace("-", "_"))


@lru_cache(maxsize=1024)
def money_text(amount: Decimal, currency: str, locale: Locale) -> str:
    """The amount as it is, which has as many places as `places_of` says. Kept: a letter says the same price again and again."""
    from babel.numbers import format_currency, format_decimal, get_currency_symbol

    symbol = get_currency_symbol(currency, locale=locale)
    if symbol == currency and locale.language == "en":
        return f"{format_decimal(amount, _grouped(amount), locale=locale)} {currency}"
    text = str(format_currency(amount, currency, locale=locale))
    # CLDR puts a space between a letter and a digit; Babel does not.
    return re.sub(rf"{re.escape(symbol)}(?=\d)", symbol + _SPACE, text) if symbol[-1:].isalpha() else text


def _grouped(amount: Decimal) -> str:
    places = -int(amount.as_tuple().exponent)
    return "#,##0." + "0" * places if places > 0 else "#,##0"


def places_of(currency: str) -> int:
    """Return how many places the currency has in use: 2 for the dollar, 0 for the yen, 3 for the dinar of Kuwait."""
    from babel.numbers import get_currency_precision

    return int(get_currency_precision(currency))


def number_text(number: Decimal, locale: Locale) -> str:
    """All of its places, and its thousands in groups."""
    from babel.numbers import format_decimal

    return str(format_decimal(number, _grouped(number), locale=locale))


def date_text(when: datetime.datetime, pattern: str, locale: Locale) -> str:
    """`pattern`: one of `STYLES`, "" for `long`, else as in strftime, with the names of months and days of the locale.

    English that is nobody's in particular has the day before the month: `5 January 2026`.
    """
    from babel.dates import format_date

    if pattern in ("", *STYLES):
        plain = str(locale) == DEFAULT and pattern in ("", "long")
        return str(format_date(when, "d MMMM y" if plain else pattern or "long", locale=locale))
    names = {"B": "MMMM", "b": "MMM", "A": "EEEE", "a": "EEE"}

    def named(found: re.Match[str]) -> str:
        if found[1] == "%":
            return "%%"
        form = names[found[1]]
        # With a day before it: in many languages a month has another form then (5. ledna, but leden).
        whole = str(format_date(when, form, locale=locale)) if found[1] in "Aa" else _month(when, found[1], locale)
        return whole.replace("%", "%%")

    return when.strftime(_NAMES.sub(named, pattern))


def _month(when: datetime.datetime, letter: str, locale: Locale) -> str:
    names: Any = locale.months["format"]["wide" if letter == "B" else "abbreviated"]
    return str(names[when.month])
