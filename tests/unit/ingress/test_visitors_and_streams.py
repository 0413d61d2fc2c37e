"""Whose pushes a page gets that says who it was: when the engine has to ask its store first, and when it knows."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.ingress.site import VISITORS, WRITE, Site, proof, push


@pytest.fixture
def site() -> Site:
    site = Site()
    site.engine.owners = {"~x": "bob", "~v.1": "bob"}
    return site


def titles(frames: list[Any]) -> list[str]:
    return [frame["id"] for frame in frames if frame["t"] == "push"]


def test_a_page_is_welcomed_when_it_is_known_whose_it_is(site: Site) -> None:
    site.engine.thinks = True
    page = site.connect()
    assert page.say({"t": "hello", "token": WRITE, "user": {"anonymousId": "x"}}) == []
    site.engine.answer()
    assert page.woken
    assert [frame["t"] for frame in page.hear()] == ["welcome"]
    site.streams.publish("bob", push(1))
    site.streams.publish("~bare.x", push(2))
    assert titles(page.hear()) == ["send-2"]


def test_a_proof_that_comes_before_the_welcome_decides_whose_it_is(site: Site) -> None:
    site.engine.thinks = True
    page = site.connect()
    page.say({"t": "hello", "token": WRITE, "user": {"anonymousId": "x"}}, {"t": "auth", "token": proof("ann")})
    site.engine.answer()
    assert [frame["t"] for frame in page.hear()] == ["welcome"]
    site.streams.publish("ann", push(1))
    assert titles(page.hear()) == ["send-1"]


def test_a_page_that_left_meanwhile_is_not_welcomed(site: Site) -> None:
    site.engine.thinks = True
    page = site.connect()
    page.say({"t": "hello", "token": WRITE, "user": {"anonymousId": "x"}})
    page.session.gone(site.clock.now)
    site.engine.answer()
    assert page.hear() == []
    assert site.streams.statistics()["streams"] == 0


def test_a_client_that_knows_of_tokens_is_the_visitor_it_is_given(site: Site) -> None:
    page = site.connect()
    welcome = page.hello(token=WRITE, visitor="", user={"anonymousId": "x"})
    given = welcome["visitor"]
    assert VISITORS.read(given["token"]) == given["id"]
    assert page.session.speaker.actor() == f"~{given['id']}"
    again = site.connect().hello(token=WRITE, visitor=given["token"], user={"anonymousId": "x"})
    assert again["visitor"] == {"id": given["id"]}


def test_a_client_that_does_not_know_of_tokens_keeps_its_own_id(site: Site) -> None:
    page = site.connect()
    assert page.hello(token=WRITE, user={"anonymousId": "y"})["visitor"]["id"].startswith("v.")
    assert page.session.speaker.actor() == "~y"


def test_a_back_end_needs_no_token(site: Site) -> None:
    assert "visitor" not in site.connect().hello(user={"anonymousId": "x"})
