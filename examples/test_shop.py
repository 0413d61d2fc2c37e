"""How a shop tests its campaigns in Python. Run it beside the scenarios:

pytest examples --cuebird-site templates/site
"""

from __future__ import annotations

from cuebird import Simulation


def test_a_cart_that_is_left_is_remembered_twice_and_no_more(simulation: Simulation) -> None:
    simulation.track("ann", "product_added", product_id="lamp", name="Desk lamp", price=60)
    simulation.advance("1 week")
    assert [mail.template for mail in simulation.sent(to="ann@example.test", channel="email")] == ["cart_1", "cart_2"]


def test_the_letter_shows_what_was_left(simulation: Simulation) -> None:
    simulation.identify("ann", first_name="Ann")
    simulation.track("ann", "product_added", product_id="lamp", name="Desk lamp", price=60)
    simulation.advance("1 hour")
    (mail,) = simulation.sent(template="cart_1")
    letter = simulation.render(mail)
    assert letter.subject == "Ann, your cart is still here"
    assert "Desk lamp" in letter.text
    assert "$60.00" in letter.text


def test_a_click_in_the_first_letter_is_enough(simulation: Simulation) -> None:
    simulation.track("ann", "product_added", product_id="lamp", price=60)
    simulation.advance("1 hour")
    (mail,) = simulation.sent(template="cart_1")
    simulation.feedback(mail, "email_clicked")
    simulation.advance("1 week")
    assert simulation.sent(template="cart_2") == []
    (end,) = simulation.ledger(user="ann", campaign="abandoned_cart", decision="exited")
    assert end["reason"] == "came back"


def test_nobody_gets_more_than_two_letters_a_day(simulation: Simulation) -> None:
    simulation.identify("ann", plan="gold")
    simulation.track("ann", "product_viewed", product_id="lamp", price=100)
    simulation.track("ann", "product_added", product_id="rug", price=120)
    simulation.track("ann", "price_dropped", product_id="lamp", price=80, old_price=100)
    simulation.track("ann", "collection_launched", collection="spring")
    simulation.advance("4 weeks")
    days = [mail.at.date() for mail in simulation.sent(user="ann", channel="email")]
    assert max(days.count(day) for day in days) == 2
