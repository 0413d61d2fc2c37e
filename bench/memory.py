"""(d) Bytes of an actor, live and packed, as the engine holds it: `python -m bench.memory ACTORS`.

Every actor has taken twenty events of the canonical mix (who it is, then nineteen of a shopper) under the demo's five
campaigns. The events came in as JSON through the ways in, so nothing of their bodies is shared between actors unless
the actor shares it. Counted by tracemalloc: the actor, its name, and its place in the residence.
"""

from __future__ import annotations

import gc
import sys
import tracemalloc
from collections.abc import Callable
from itertools import islice

import msgspec

from actors.actor import Actor, take
from actors.alarms import Alarms
from actors.model.program import Program
from bench.processes import lines_of
from bench.workload import USERS, events, identify, templates
from cuebird.demo.pages import SITE
from engine.limits import Limits
from engine.residence import Residence
from ingress.messages.messages import Normalizer
from language.compiler.compile import compile_site
from language.load import load_site
from persistence.interface import Commit

EVENTS_EACH = 20
BEGIN_MS = 1_767_600_000_000
APART_MS = 45_000
"""Between two events of a user: a visit of a quarter of an hour."""
WARM_UP = 200
"""Actors made before it is counted, so that what all share is there."""


class Weight(msgspec.Struct, frozen=True, kw_only=True):
    live: float
    packed: float
    alarm: float
    """Its place in the index of due times, live or packed."""
    actors: int


class Town:
    """Makes actors in a residence."""

    def __init__(self, program: Program) -> None:
        self.alarms = Alarms()
        self.residence = Residence(Limits(live_actors_max=10_000_000), self.alarms)
        self._program = program
        self._normalizer = Normalizer(aliases=program.aliases, lateness_ms=program.policy.lateness)
        self._pool = templates(USERS)
        self._made = 0

    def people(self, count: int) -> None:
        for index in range(self._made, self._made + count):
            self._person(f"visitor-{index:07d}", index)
        self._made += count

    def set_alarms(self, actors: list[Actor]) -> None:
        for actor in actors:
            self.alarms.set(actor.user, actor.due)

    def _person(self, user: str, index: int) -> None:
        actor = self.residence.arrive(user, None)
        assert actor is not None, "nobody is held"
        at = BEGIN_MS
        for event in identify(user, at, self._normalizer):
            take(actor, event, at, self._program)
        shift = index * (EVENTS_EACH - 1) % (len(self._pool) - EVENTS_EACH)
        theirs = [template.of(user) for template in islice(self._pool, shift, shift + EVENTS_EACH - 1)]
        first = 1_000_000_000 + index * EVENTS_EACH
        for taken in events(theirs, self._normalizer, first, at + APART_MS, APART_MS):
            for event in taken:
                take(actor, event, event.occurred, self._program)


def _bytes_of(work: Callable[[], object]) -> int:
    """What is held more after it than before."""
    gc.collect()
    before, _ = tracemalloc.get_traced_memory()
    work()
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    return after - before


def weigh(actors: int) -> Weight:
    program = compile_site(load_site(SITE))
    town = Town(program)
    town.people(WARM_UP)
    tracemalloc.start()
    live = _bytes_of(lambda: town.people(actors)) / actors
    tracemalloc.stop()

    rest = Residence(Limits(live_actors_max=1), Alarms())
    _pack(list(town.residence.live.young.values())[:WARM_UP], rest)
    those = list(town.residence.live.young.values())[WARM_UP:]
    tracemalloc.start()
    alarms = _bytes_of(lambda: town.set_alarms(those)) / actors
    # The names and the alarms are counted already: packed, they belong to the actor alone.
    packed = _bytes_of(lambda: _pack(those, rest)) / actors
    tracemalloc.stop()
    return Weight(live=live, packed=packed - alarms + _name_bytes(those), alarm=alarms, actors=actors)


def _name_bytes(actors: list[Actor]) -> float:
    return sum(sys.getsizeof(actor.user) for actor in actors) / len(actors)


def _pack(actors: list[Actor], into: Residence) -> None:
    """One after the other, so that nothing but the packed ones takes room in it."""
    for actor in actors:
        into.live.put(actor.user, actor)
        into.shrink(Commit())


def measure(actors: int) -> Weight:
    (said,) = lines_of("bench.memory", str(actors))
    return msgspec.json.decode(said, type=Weight)


if __name__ == "__main__":
    print(msgspec.json.encode(weigh(int(sys.argv[1]))).decode(), flush=True)
