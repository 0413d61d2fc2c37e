"""A misspelt event would wait for ever: check says so without having seen any."""

from __future__ import annotations

from language.load import read_site

CAMPAIGN = b"""campaign: cart
why: A test.
entry: {event: %s}
steps: [{send: {email: cart}}]
"""


def advice(event: bytes) -> list[str]:
    checked = read_site({"campaigns/cart.yaml": CAMPAIGN % event})
    return [problem.message for problem in checked.advice]


def test_a_misspelt_event_is_told_with_the_name_that_was_meant() -> None:
    assert advice(b"product_aded") == ["no source is known to send `product_aded`; did you mean `product_added`?"]


def test_well_known_events_and_those_of_ones_own_are_fine() -> None:
    for event in (
        b"product_added",
        b"add_to_cart",
        b"email_clicked",
        b"signed_out",
        b"wishlist_shared",
        b"drone_landed",
    ):
        assert advice(event) == []
