"""Which addresses of a letter lead through us, and which are left as they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.delivery.making import a_send, templates


def test_an_anchor_without_an_address_and_a_style_sheet_are_no_links_to_follow(tmp_path: Path) -> None:
    html = (
        '---\nsubject: s\n---\n<head><link href="/print.css"></head><body><a id="top">Top</a>'
        '<map><area href="/sale" alt="Sale"></map><a href="/cart">Cart</a></body>'
    )
    mail = templates(tmp_path, cart_1_html=html).email(a_send())
    assert [target.url.partition("?")[0] for target in mail.targets] == [
        "https://shop.example/sale",
        "https://shop.example/cart",
    ]
    assert '<link href="https://shop.example/print.css">' in mail.html
    assert '<a id="top">Top</a>' in mail.html


@pytest.mark.parametrize("tag", ["a", "area"])
def test_a_link_to_nothing_is_left_alone(tmp_path: Path, tag: str) -> None:
    mail = templates(tmp_path, cart_1_html=f'---\nsubject: s\n---\n<body><{tag} href=""></body>').email(a_send())
    assert f'<{tag} href="">' in mail.html
    assert mail.targets == ()
