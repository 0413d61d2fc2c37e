"""The live engine over SQLite, killed between any two inputs, keeps the ledger that the simulator keeps."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.model.event import Event
from actors.model.turn import Decision
from language.compiler.compile import compile_site
from language.syntax import ast
from persistence.sqlite import SqliteStore
from replay.simulate import Simulator
from tests.reference.comparing import AFTERWARDS_MS
from tests.reference.history_strategies import histories
from tests.reference.kinds import EVERYTHING
from tests.reference.profiles import sampled
from tests.reference.site_strategies import sites
from tests.reference.telling import history_text, site_text
from tests.unit.engine.town import Town

PEOPLE = EVERYTHING | {"late", "session", "identity"}


@pytest.mark.slow
def test_a_live_engine_that_is_killed_between_two_inputs_decides_as_the_simulator_does() -> None:
    @sampled(0.1)
    @given(site=sites(PEOPLE), history=histories(PEOPLE), kills=st.sets(st.integers(0, 10), max_size=4))
    def same(site: ast.Site, history: tuple[int, list[tuple[Event, int]]], kills: set[int]) -> None:
        live, simulated = asyncio.run(both(site, *history, kills))
        told = f"\n{site_text(site)}\n\n{history_text(*history)}\nkilled before {sorted(kills)}"
        assert live == simulated, told

    same()


async def both(
    site: ast.Site, start: int, inputs: list[tuple[Event, int]], kills: set[int]
) -> tuple[list[bytes], list[bytes]]:
    """The ledger of the live engine, and that of its journal played through the simulator."""
    program = compile_site(site)
    with tempfile.TemporaryDirectory() as directory:
        town = Town(SqliteStore(Path(directory) / "cuebird.db"), program=program)
        town.clock.move_to(start)
        async with town:
            for number, (event, at) in enumerate(inputs):
                if number in kills:
                    await town.restart()
                await town.pass_time(max(0, at - town.clock.now_ms()))
                await town.take(event)
            if len(inputs) in kills:
                await town.restart()
            await town.pass_time(AFTERWARDS_MS)
            ledger, journal, end = await town.ledger(), await town.journal(), town.clock.now_ms()
    simulator = Simulator(program, start, verbose=False)
    for entry in journal:
        simulator.take(entry.event, entry.at)
    simulator.run(end)
    return encoded(ledger), encoded(simulator.decisions)


def encoded(rows: list[Decision]) -> list[bytes]:
    return [msgspec.json.encode(row) for row in sorted(rows, key=lambda row: (row.user, row.turn, row.index))]
