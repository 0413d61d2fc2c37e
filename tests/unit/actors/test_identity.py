"""Whom an alias joins, and whom it does not, whoever reads it."""

from __future__ import annotations

import pytest

from actors.identity import visitor_of
from actors.model.event import Event
from language.compiler.compile import compile_site
from replay.simulate import Simulator
from tests.unit.actors.making import START, campaign, push, site, wait


def alias(user: str, body: bytes) -> Event:
    return Event(user=user, kind="alias", message_id=f"{user}-alias", body=body)


@pytest.mark.parametrize(
    ("user", "body", "visitor"),
    [
        ("ann", b'{"from":"~v7"}', "~v7"),
        ("ann", b'{"from":"~v7","more":1}', "~v7"),
        ("~v3", b'{"from":"~v7"}', ""),
        ("~v7", b'{"from":"~v7"}', ""),
        ("ann", b'{"from":"bob"}', ""),
        ("ann", b'{"from":"ann"}', ""),
        ("ann", b'{"from":"~"}', ""),
        ("ann", b'{"from":""}', ""),
        ("ann", b'{"from":7}', ""),
        ("ann", b"{}", ""),
        ("ann", b"[]", ""),
        ("ann", b'{"from":"\xff"}', ""),
    ],
)
def test_only_a_visitor_turns_out_to_be_a_user(user: str, body: bytes, visitor: str) -> None:
    assert visitor_of(alias(user, body)) == visitor


@pytest.mark.parametrize(
    ("user", "body"),
    [
        ("~v3", b'{"from":"~v7"}'),
        ("~v3", b'{"from":"~v3"}'),
        ("~v3", b'{"from":"bob"}'),
        ("bob", b'{"from":"bob"}'),
        ("ann", b'{"from":"bob"}'),
        ("bob", b"{}"),
        ("bob", b"[]"),
    ],
)
def test_an_alias_that_joins_nobody_leaves_everybody_where_he_is(user: str, body: bytes) -> None:
    simulator = Simulator(compile_site(site(campaign("it", "a", wait("for", "1h"), push()))), START)
    for name in ("~v3", "~v7", "bob"):
        simulator.take(Event(user=name, name="a", message_id=f"{name}-a"), START)
    assert simulator.take(alias(user, body), START + 1)
    simulator.run(None)
    assert sorted(row.user for row in simulator.decisions if row.decision == "sent") == ["bob", "~v3", "~v7"]


def test_who_a_visitor_became_may_be_said_under_the_visitors_name() -> None:
    """`~v3` is ann by then, so what he says is hers, as it is live."""
    simulator = Simulator(compile_site(site(campaign("it", "a", wait("for", "1h"), push()))), START)
    simulator.take(Event(user="~v7", name="a", message_id="a"), START)
    simulator.take(alias("ann", b'{"from":"~v3"}'), START + 1)
    simulator.take(alias("~v3", b'{"from":"~v7"}'), START + 2)
    simulator.run(None)
    assert [row.user for row in simulator.decisions if row.decision == "sent"] == ["ann"]
