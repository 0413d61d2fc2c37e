"""What an operator cannot set by mistake."""

from __future__ import annotations

import msgspec
import pytest

from delivery.settings import DeliverySettings, SmtpSettings


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ({"from_address": "a@x.test, b@y.test"}, "from_address .* not one plain address"),
        ({"return_path": "bounces"}, "return_path .* not one plain address"),
        ({"from_name": "Shop\r\nBcc: x"}, "from_name"),
        ({"helo_name": "a\nb"}, "helo_name"),
        ({"connections_max": 0}, "at least 1"),
        ({"connection_messages_max": 0}, "at least 1"),
        ({"security": "ssl"}, "security"),
        ({"hots": "x"}, "hots"),
    ],
)
def test_a_wrong_smtp_setting_is_refused_with_its_name(told: dict[str, object], why: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=why):
        msgspec.convert(told, SmtpSettings)


@pytest.mark.parametrize(
    "told",
    [
        {"public_url": ""},
        {"public_url": "t.shop.example"},
        {"public_url": "https://t.shop.example/"},
        {"public_url": "ftp://t.shop.example"},
        {"public_url": "https://tést.example"},
        {"site_url": "shop"},
        {"unknown_marketing": "ask"},
        {"only_to": ["shop.example"]},
        {"only_to": ["@"]},
        {"only_to": [""]},
    ],
)
def test_a_wrong_delivery_setting_is_refused(told: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(told, DeliverySettings)


def test_a_staging_copy_mails_to_the_addresses_and_domains_that_are_named_and_to_no_other() -> None:
    settings = DeliverySettings(only_to=("Me@Home.example", "@shop.example"))
    for address in ("me@home.example", "ME@home.example", "anybody@shop.example", "anybody@SHOP.example"):
        assert settings.may_mail(address), address
    for address in (
        "you@home.example",
        "me@home.example.org",
        "a@news.shop.example",
        "a@myshop.example",
    ):
        assert not settings.may_mail(address), address
    assert DeliverySettings().may_mail("anybody@anywhere.example")


def test_one_connection_that_carries_one_message_is_enough() -> None:
    told = {"connections_max": 1, "connection_messages_max": 1}
    assert msgspec.convert(told, SmtpSettings).connection_messages_max == 1
