"""Numbers at the edge of 64 bits and beyond: no client can make an actor that cannot be packed."""

from __future__ import annotations

import msgspec

from actors.actor import pack, unpack
from actors.model.event import Event
from actors.values.values import INTEGER_MAX, added, multiply, number, rounded
from language.compiler.compile import compile_site
from language.load import read_site
from replay.simulate import Simulator

CAMPAIGN = b"""campaign: cart
why: A test.
entry: {event: product_added, if: cart.quantity > 3 or sum(product_added.price) > 3, re_entry: always, concurrency: parallel}
steps:
  - set:
      product: entry.price * entry.price * entry.price
      rounded: round(sum(product_added.price, ever))
  - wait: {for: entry.price}
  - send: {email: cart}
"""
START = 1_767_600_000_000


def after(*prices: object) -> Simulator:
    simulator = Simulator(compile_site(read_site({"campaigns/cart.yaml": CAMPAIGN}).site), START)
    for place, price in enumerate(prices):
        body = msgspec.json.encode({"product_id": "A", "quantity": price, "price": price})
        simulator.take(Event(user="ann", name="product_added", message_id=f"m{place}", body=body), START + place)
    return simulator


def test_quantities_and_sums_beyond_64_bits_are_remembered_and_packed() -> None:
    for price in (INTEGER_MAX, -INTEGER_MAX, 1e308, -1e308, 2**62):
        simulator = after(*[price] * 20)
        assert simulator.decisions
        assert unpack(pack(simulator.actors["ann"])).turn >= 20


def test_a_wait_of_an_endless_duration_is_cut_and_not_a_fault() -> None:
    simulator = after(1e308)
    assert [row.decision for row in simulator.decisions if row.decision == "waiting"] == ["waiting"]


def test_sums_saturate_and_what_is_not_finite_is_no_number() -> None:
    assert added(INTEGER_MAX, 1) == float(INTEGER_MAX) + 1
    assert number(added(1.7e308, 1.7e308)) is not None
    assert number(float("inf")) is None
    assert rounded(float("nan")) is None
    assert rounded(1e300) == 1e300
    assert isinstance(rounded(1e300), float)
    assert isinstance(multiply(INTEGER_MAX, 4), float)
    assert multiply(1e308, 1e308) is None
