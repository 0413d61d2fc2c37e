"""(h) A turn of an actor under a site of twenty campaigns beside a site of one: `python -m bench.turns`.

The event concerns one campaign, the same on both sides. The other nineteen are of every kind that the starter site has:
plain entries with a condition on the past, sequences, absences, silences, goals, exits, waits. The actor is in seven of them.
"""

from __future__ import annotations

import sys
from statistics import median
from time import process_time
from typing import Final

import msgspec

from actors.actor import new_actor, take
from actors.model.event import Event
from actors.model.program import Program
from actors.model.state import Actor
from bench.processes import lines_of, pin
from language.compiler.compile import compile_site
from language.load import read_site

BEGIN_MS: Final = 1_767_600_000_000
APART_MS: Final = 60_000
TURNS: Final = 4_000
ROUNDS: Final = 9

CONCERNED: Final = """\
why: The one that the event concerns.
entry: {event: product_added, if: 'cart.value > 50 and count(product_viewed, last 1h) < 3', re_entry: after 24h}
exit_when: [order_completed]
goal: {event: order_completed, within: 7d}
steps: [{wait: {idle: 30m}}, {send: {email: reminder}}]
"""

OTHERS: Final = (
    "entry: {event: event_%d, if: 'count(event_%d, last 10m) < 3', re_entry: after 1h}",
    "entry: {event: event_%d then other_%d within 48h}",
    "entry: {event: event_%d then no other_%d within 2h}",
    "entry: {event: no event_%d for 30d, if: user.visits_%d > 3}",
    "entry: {event: event_%d, if: user.plan_%d = null}",
)
REST: Final = """
why: One of the others.
exit_when: [left_%d]
goal: {event: bought_%d, within: 7d}
steps: [{wait: {until: clicked_%d, up_to: 300d}}, {send: {email: reminder}}]
"""


class Turned(msgspec.Struct, frozen=True, kw_only=True):
    """Medians over the rounds, in µs a turn."""

    one: float
    twenty: float


def program(campaigns: int) -> Program:
    files = {"campaigns/concerned.yaml": CONCERNED.encode()}
    for number in range(1, campaigns):
        kind = OTHERS[number % len(OTHERS)]
        text = kind % (number, number) + REST % (number, number, number)
        files[f"campaigns/other_{number}.yaml"] = text.encode()
    return compile_site(read_site(files).site)


def measured() -> Turned:
    sides = {campaigns: program(campaigns) for campaigns in (1, 20)}
    spent: dict[int, list[float]] = {campaigns: [] for campaigns in sides}
    for _ in range(ROUNDS):
        for campaigns, each in sides.items():
            spent[campaigns].append(_round(each))
    return Turned(one=median(spent[1]), twenty=median(spent[20]))


def in_runs(under: Program) -> Actor:
    """An actor that is in the campaigns which one event enters, of those that there are."""
    actor = new_actor("ann")
    for number in range(1, 20):
        _tell(actor, f"event_{number}", number, under)
    return actor


def _round(under: Program) -> float:
    actor = in_runs(under)
    started = process_time()
    for number in range(100, 100 + TURNS):
        _tell(actor, "product_added", number, under)
    return (process_time() - started) / TURNS * 1e6


def _tell(actor: Actor, name: str, number: int, under: Program) -> None:
    at = BEGIN_MS + number * APART_MS
    body = b'{"product_id":"p%d","price":2}' % (number % 40)
    take(actor, Event(user="ann", name=name, message_id=f"m{number}", occurred=at, body=body), at, under)


def measure() -> Turned:
    (said,) = lines_of("bench.turns")
    return msgspec.json.decode(said, type=Turned)


if __name__ == "__main__":
    pin(0)
    sys.stdout.write(msgspec.json.encode(measured()).decode() + "\n")
