"""Actors at rest in memory."""

from __future__ import annotations

from engine.memory.compression import DICTIONARY_BYTES, Compressor


def state(number: int) -> bytes:
    body = b'{"product_id":"P%d","name":"Ceramic tea mug","price":%d,"url":"/shop/p%d"}'
    return b"user-%06d" % number + b"".join(body % (item, item * 3, item) for item in range(number % 7, number % 7 + 8))


def test_every_actor_comes_back_as_it_was() -> None:
    squeezer = Compressor()
    squeezed = [squeezer.compress(state(number)) for number in range(200)]
    assert [squeezer.expand(data) for data in squeezed] == [state(number) for number in range(200)]


def test_what_others_hold_too_costs_little() -> None:
    squeezer = Compressor()
    while len(squeezer.compress(state(1))) > len(state(1)):
        pass  # until it has learnt
    assert len(squeezer.compress(state(2))) < len(state(2)) / 4


def test_an_empty_and_a_large_state_come_back() -> None:
    squeezer = Compressor()
    for data in (b"", b"x" * (2 * DICTIONARY_BYTES), b"", bytes(range(256)) * 100):
        assert squeezer.expand(squeezer.compress(data)) == data
