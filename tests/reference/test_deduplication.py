"""An event that is sent again changes nothing: long histories, against the reference and against the promise itself."""

from __future__ import annotations

import random

import msgspec
import pytest

from actors.model import recent
from actors.model.event import Event
from language.compiler.compile import compile_site
from language.load import read_site
from language.syntax import ast
from replay.simulate import Simulator
from tests.reference.comparing import agree

pytestmark = pytest.mark.slow

START = 1_767_607_200_000
HOUR = 3_600_000
DAY = 24 * HOUR

SITE = {
    "campaigns/receipt.yaml": b"""\
why: Each order is acknowledged once.
purpose: transactional
entry: {event: order_completed, key: order_id, concurrency: parallel}
steps: [{send: {push: receipt}}, {wait: {for: 1h}}, {send: {push: thanks}}]
""",
    "campaigns/regular.yaml": b"""\
why: Whoever orders ten times is told so.
purpose: transactional
entry: {event: order_completed, if: 'count(order_completed, ever) = 10'}
steps: [{send: {push: regular}}]
""",
}


def site() -> ast.Site:
    return read_site(SITE).site


def a_seed() -> int:
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    return seed


def made(user: str, message_id: str, name: str, occurred: int) -> Event:
    body = msgspec.json.encode({"order_id": message_id})
    return Event(user=user, name=name, message_id=message_id, occurred=occurred, body=body, source="server")


def joined(visitor: str, message_id: str) -> Event:
    body = msgspec.json.encode({"from": visitor})
    return Event(user="ann", kind="alias", message_id=message_id, body=body, source="server")


def test_a_long_history_of_which_anything_is_sent_again_decides_as_the_reference_does() -> None:
    rng, at = random.Random(a_seed()), START
    inputs: list[tuple[Event, int]] = []
    visitors = ["~v1", "~v2"]
    for number in range(420):
        at += rng.choice((0, 1, 60_000, 10 * 60_000))
        if inputs and rng.random() < 0.3:
            inputs.append((rng.choice(inputs)[0], at))
        elif visitors and number > 150 and rng.random() < 0.02:
            inputs.append((joined(visitors.pop(), f"m{number}"), at))
        else:
            user = rng.choice(("ann", "ann", "~v1", "~v2"))
            name = rng.choice(("order_completed", *["page_viewed"] * 15))
            inputs.append((made(user, f"m{number}", name, at), at))
    agree(site(), START, inputs)


@pytest.mark.parametrize("most", [200, 1_000])
def test_of_more_than_can_be_known_nothing_is_taken_twice_and_what_is_new_is_taken(
    monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    """As the ways in tell it: nothing is told of a time that is longer ago than the lateness of a day."""
    monkeypatch.setattr(recent, "IDS_MAX", most)
    monkeypatch.setattr(recent, "CHUNK_MAX", 64)
    rng, at = random.Random(a_seed()), START
    simulator = Simulator(compile_site(site()), START)
    sent: list[Event] = []
    taken: set[str] = set()
    for number in range(4_000):
        at += rng.choice((0, 1_000, 60_000, 600_000, 3 * HOUR if rng.random() < 0.1 else 0))
        if sent and rng.random() < 0.4:
            event = rng.choice(sent[-3 * most :])
            if event.occurred < at - DAY:
                continue
            assert not simulator.take(event, at), event.message_id
        else:
            event = made("ann", f"m{number}", "order_completed", at)
            assert simulator.take(event, at), number
            sent.append(event)
            taken.add(event.message_id)
    entered = [row for row in simulator.decisions if row.decision == "entered" and row.campaign == "receipt"]
    assert len(entered) == len(taken)
