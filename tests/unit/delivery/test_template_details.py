"""What a template may rely on in small things: how numbers are written in YAML, and which links are followed."""

from __future__ import annotations

from pathlib import Path

import pytest

from language.syntax.problems import SiteErrors
from tests.unit.delivery.making import a_send, templates


def test_a_number_that_begins_with_a_nought_is_a_decimal_number(tmp_path: Path) -> None:
    made = templates(tmp_path, hello_push="title: hi\nbadge: 010\n")
    assert made.push(a_send(channel="push", template="hello"))["badge"] == 10


def test_only_links_that_a_reader_can_follow_are_followed(tmp_path: Path) -> None:
    html = '<link rel="stylesheet" href="https://shop.example/x.css"><a name="top">Up</a><a href="https://shop.example/sale">Sale</a>'
    made = templates(tmp_path, cart_1_html=f"---\nsubject: s\n---\n{html}")
    mail = made.email(a_send())
    assert 'href="https://shop.example/x.css"' in mail.html
    assert '<a name="top">' in mail.html
    assert 'href="https://shop.example/sale"' not in mail.html, "it goes by way of us"


def test_a_push_that_is_no_template_says_so_at_the_first_line(tmp_path: Path) -> None:
    with pytest.raises(SiteErrors, match=r"^hello\.push\.yaml:1:9: no template"):
        templates(tmp_path, hello_push='title: "{% if %}"\n')
