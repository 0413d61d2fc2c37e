"""What conditions see: properties within properties, names that are both a property and remembered, numbers of a window."""

from __future__ import annotations

from typing import Any

import pytest

from language.compiler.compile import compile_site
from language.load import read_site
from replay.simulate import Simulator
from tests.unit.actors.making import START, Story, campaign, push, wait
from tests.unit.engine.town import event


def test_a_property_three_levels_deep_is_found() -> None:
    story = Story(campaign("a", 'ordered where shipping.address.city = "Berlin"', push(), re_entry="always"))
    story.tell("1s", "ordered", shipping={"address": {"city": "Paris"}})
    story.tell("2s", "ordered", shipping={"address": {"city": "Berlin"}})
    story.tell("3s", "ordered", shipping={"address": "Berlin"})
    assert [row.at - START for row in story.rows("entered")] == [2_000]


@pytest.mark.parametrize(("told", "entered"), [({}, True), ({"spent": 5}, False), ({"spent": 200}, True)])
def test_in_a_where_a_property_hides_what_is_remembered_under_its_name_and_only_where_the_event_has_it(
    told: dict[str, Any], entered: bool
) -> None:
    text = "why: x\nentry: {event: asked where spent > 100}\nsteps: [{send: {push: p}}]\n"
    simulator = Simulator(compile_site(read_site({"campaigns/c.yaml": text.encode()}).site), START)
    simulator.take(event("ann", "order_completed", total=150), START)
    simulator.take(event("ann", "asked", **told), START + 1)
    assert any(row.decision == "entered" for row in simulator.decisions) == entered


@pytest.mark.parametrize(("function", "found"), [("min", 10), ("max", 60), ("avg", 30), ("sum", 90)])
def test_the_least_the_greatest_and_the_mean_of_a_window_are_told_apart(function: str, found: int) -> None:
    story = Story(campaign("a", "asked", wait("when", f"{function}(paid.total, last 1d) = {found}"), push()))
    for number, total in enumerate((20, 10, 60)):
        story.tell(f"{number}s", "paid", total=total)
    story.tell("10s", "asked")
    story.until("11s")
    assert len(story.rows("sent")) == 1
