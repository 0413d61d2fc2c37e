"""Money, numbers and dates as people write them where they live."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal
from typing import Any

import pytest

from delivery.settings import DeliverySettings
from templating.budget import budget
from templating.templates import TEXT

NEW_YEAR_MS = 1767607200000  # 5 January 2026, 10:00 UTC


def written(text: str, told: Any = None, **context: Any) -> str:
    user = {} if told is None else {"locale": told}
    with budget():
        said = TEXT.from_string(text).render(
            {"user": user, "at": NEW_YEAR_MS, "currency": "EUR", "locale": "en", **context}
        )
    return said.replace("\N{NO-BREAK SPACE}", "_").replace("\N{NARROW NO-BREAK SPACE}", "_")


GOLDEN = {
    "en": ("€1,234.50", "-$0.99", "SEK", "5 January 2026", "Monday 05 January 10:00", "1,234,567.891"),
    "en-GB": ("€1,234.50", "-US$0.99", "SEK", "5 January 2026", "Monday 05 January 10:00", "1,234,567.891"),
    "en-US": ("€1,234.50", "-$0.99", "SEK", "January 5, 2026", "Monday 05 January 10:00", "1,234,567.891"),
    "de": ("1.234,50_€", "-0,99_$", "SEK", "5. Januar 2026", "Montag 05 Januar 10:00", "1.234.567,891"),
    "sv": ("1_234,50_€", "-0,99_US$", "kr", "5 januari 2026", "måndag 05 januari 10:00", "1_234_567,891"),
    "nb": ("1_234,50_€", "-0,99_USD", "SEK", "5. januar 2026", "mandag 05 januar 10:00", "1_234_567,891"),
    "fr": ("1_234,50_€", "-0,99_$US", "SEK", "5 janvier 2026", "lundi 05 janvier 10:00", "1_234_567,891"),
    "ja": ("€1,234.50", "-$0.99", "SEK", "2026年1月5日", "月曜日 05 1月 10:00", "1,234,567.891"),
}


@pytest.mark.parametrize("locale", GOLDEN)
def test_money_numbers_and_dates_are_what_people_of_the_locale_write(locale: str) -> None:
    euros, cents, crown, day, weekday, number = GOLDEN[locale]
    assert written("{{ 1234.5 | money }}", locale) == euros
    assert written("{{ -0.99 | money('USD') }}", locale) == cents
    assert crown in written("{{ 5 | money('SEK') }}", locale)
    assert written("{{ at | date }}", locale) == day
    assert written("{{ at | date('%A %d %B %H:%M') }}", locale) == weekday
    assert written("{{ '1234567.891' | number }}", locale) == number


@pytest.mark.parametrize(
    ("currency", "shown"),
    [
        ("USD", "$1,234.50"),
        ("GBP", "£1,234.50"),
        ("CAD", "CA$1,234.50"),
        ("CNY", "CN¥1,234.50"),
        ("BRL", "R$1,234.50"),
        ("JPY", "¥1,235"),
        ("VND", "₫1,235"),
        ("HUF", "1,235 HUF"),
        ("CHF", "1,234.50 CHF"),
        ("ISK", "1,235 ISK"),
    ],
)
def test_letters_in_english_say_what_they_said(currency: str, shown: str) -> None:
    assert written(f"{{{{ 1234.5 | money('{currency}') }}}}") == shown


@pytest.mark.parametrize(
    ("user", "shown"),
    [
        ({"locale": "de-AT", "language": "fr"}, "€_5,00"),
        ({"language": "de"}, "5,00_€"),
        ({"context": {"locale": "de-DE"}}, "5,00_€"),
        ({"locale": "de_DE.UTF-8"}, "5,00_€"),
        ({"locale": "de-XX"}, "5,00_€"),
        ({"locale": "no"}, "5,00_€"),
        ({"locale": "klingon", "context": {"locale": "de"}}, "5,00_€"),
        ({"locale": "../../etc/passwd"}, "5,00_kr."),
        ({"locale": 7, "language": ["de"]}, "5,00_kr."),
        ({}, "5,00_kr."),
    ],
)
def test_the_locale_is_the_users_own_else_his_devices_else_the_shops(user: dict[str, Any], shown: str) -> None:
    currency = "DKK" if "kr" in shown else "EUR"
    assert written("{{ 5 | money }}", user=user, locale="da", currency=currency) == shown


def test_a_letter_that_is_written_in_one_language_says_so_itself() -> None:
    assert written("{{ 5 | money(locale='de') }} {{ at | date(locale='de') }} {{ 0.5 | number(2, 'de') }}", "fr") == (
        "5,00_€ 5. Januar 2026 0,50"
    )


def test_a_sum_is_what_the_figures_say_and_not_what_binary_fractions_make_of_them() -> None:
    assert written("{{ (1.1 * 1.15) | money }}") == "€1.27"  # 1.2649999999999999
    assert written("{{ value | money }}", value=Decimal("0.615")) == "€0.62"
    assert written("{{ -0.001 | money }}") == "€0.00"
    assert written("{{ '999999999999999.99' | money }}") == "€999,999,999,999,999.99"


@pytest.mark.parametrize(
    ("style", "shown"), [("short", "05.01.26"), ("medium", "05.01.2026"), ("full", "Montag, 5. Januar 2026")]
)
def test_a_date_can_be_as_long_as_the_locale_has_it(style: str, shown: str) -> None:
    assert written(f"{{{{ at | date('{style}') }}}}", "de") == shown


@pytest.mark.parametrize(
    "text", ["{{ 'x' | number }}", "{{ 1e16 | number }}", "{{ 1 | number(99) }}", "{{ none | number }}"]
)
def test_what_is_no_number_is_not_shown_as_one(text: str) -> None:
    with pytest.raises(ValueError, match=r"number|value"):
        written(text)


def test_a_shop_of_no_locale_is_told_so() -> None:
    assert DeliverySettings(locale="pt-BR").locale == "pt-BR"
    with pytest.raises(ValueError, match="locale 'engl' is none that is known"):
        DeliverySettings(locale="engl")


@pytest.mark.slow
def test_commands_that_render_nothing_do_not_wait_for_babel() -> None:
    asked = "import sys, cuebird.cli, templating.filters, delivery.settings as s; s.DeliverySettings(); print('babel' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True).stdout == "False\n"


@pytest.mark.parametrize("name", ["money", "number"])
@pytest.mark.parametrize("sign", [1, -1])
def test_an_amount_of_a_million_billions_is_a_mistake_and_one_below_it_is_written(name: str, sign: int) -> None:
    template = f"{{{{ value | {name} }}}}"
    assert "999,999,999,999,999" in written(template, value=sign * (10**15 - 1))
    with pytest.raises(ValueError, match=f"{name} of"):
        written(template, value=sign * 10**15)
