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
    ],
)
def test_a_wrong_delivery_setting_is_refused(told: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(told, DeliverySettings)
