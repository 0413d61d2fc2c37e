"""What was heard before is not heard again."""

from __future__ import annotations

from actors.recent import IDS_MAX, digest, joined, knows, with_digest


def after(*numbers: int) -> bytes:
    recent = b""
    for number in numbers:
        recent = with_digest(recent, digest(f"message {number}"))
    return recent


def test_the_newest_128_are_known_and_no_others() -> None:
    recent = b""
    for number in range(1_000):
        recent = with_digest(recent, digest(f"message {number}"))
        newest = range(max(0, number - IDS_MAX + 1), number + 1)
        if number % 97 == 0:
            assert [old for old in range(number + 5) if knows(recent, digest(f"message {old}"))] == list(newest)
    assert len(recent) == len(digest("message")) * IDS_MAX


def test_nothing_is_known_of_an_empty_memory() -> None:
    assert not knows(b"", digest("message"))


def test_two_who_turn_out_to_be_one_know_what_both_knew() -> None:
    assert joined(after(1, 2), after(3)) == after(1, 2, 3)
    assert joined(after(*range(100)), after(*range(100, 200))) == after(*range(72, 200))
