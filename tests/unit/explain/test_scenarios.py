"""Every scenario of the starter site, explained at every moment at which something happens: it always can be, it agrees
with the ledger, and what it promises comes true in the simulator."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import pytest

from actors.model.event import ANONYMOUS
from actors.model.state import ENDED
from actors.model.turn import Decision
from language.compiler.compile import compile_site
from language.load import load_site
from language.site.scenarios import Scenario, load_scenarios
from persistence.interface import JournalEntry
from replay.explain.explain import explained
from replay.explain.fold import fold
from replay.explain.model import CampaignView, Explanation, Witness
from replay.explain.recall import KnownPrograms, Period, Recalled, known_site
from replay.explain.witness import event_of
from replay.simulate import Simulator

SITE = Path(__file__).parents[3] / "templates" / "site"

KNOWN = known_site(load_site(SITE))
SCENARIOS = load_scenarios(SITE, KNOWN.site)


def known_of(scenario: Scenario) -> KnownPrograms:
    return known_with(scenario.campaigns) if scenario.campaigns else KNOWN


@lru_cache
def known_with(campaigns: tuple[str, ...]) -> KnownPrograms:
    return KnownPrograms(KNOWN.site, compile_site(KNOWN.site, only=campaigns))


def entries_of(scenario: Scenario) -> list[JournalEntry]:
    return [JournalEntry(seq, timed.at, timed.event) for seq, timed in enumerate(scenario.inputs, start=1)]


def recalled(scenario: Scenario, until: int) -> Recalled:
    """Of the scenario's first user, with the visitors who turn out to be that user."""
    user = scenario.inputs[0].event.user
    joined = frozenset(entry.event.user for entry in entries_of(scenario) if entry.event.user.startswith(ANONYMOUS))
    entries = [entry for entry in entries_of(scenario) if entry.event.user in {user, *joined} and entry.at <= until]
    return Recalled(user=user, entries=entries, joined=joined, epochs=[Period(0, 0, known_of(scenario))], rows=[])


def moments(scenario: Scenario) -> Iterator[int]:
    """Right after each instant at which something came, and at the end."""
    yield from sorted({timed.at for timed in scenario.inputs})
    yield scenario.until


def simulated(scenario: Scenario, until: int) -> Simulator:
    simulator = Simulator(known_of(scenario).program, start=scenario.start)
    for entry in recalled(scenario, until).entries:
        simulator.take(entry.event, entry.at)
    simulator.run(until)
    return simulator


def explanations(scenario: Scenario) -> Iterator[tuple[int, Explanation]]:
    for now in moments(scenario):
        yield now, explained(recalled(scenario, now), now)


def each(scenario: Scenario) -> str:
    return f"{Path(scenario.file).stem}: {scenario.name}"


@pytest.mark.parametrize("scenario", SCENARIOS, ids=each)
def test_the_fold_decides_what_the_simulator_decides(scenario: Scenario) -> None:
    now = scenario.until
    user = scenario.inputs[0].event.user
    folded = fold(recalled(scenario, now), now).decisions
    assert _of(folded, user) == _of(simulated(scenario, now).decisions, user)


def _of(rows: list[Decision], user: str) -> list[Decision]:
    return [row for row in rows if row.user == user]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=each)
def test_who_is_in_a_campaign_is_told_so_at_every_moment(scenario: Scenario) -> None:
    for now, explanation in explanations(scenario):
        actor = simulated(scenario, now).actors[explanation.user]
        for view in explanation.campaigns:
            running = {run.id for run in actor.runs if run.campaign == view.campaign and run.pc != ENDED}
            assert {run.id for run in view.runs if run.active} == running, f"{view.campaign} at {now}"
            assert view.says.startswith("In it since" if running else ("Not in it", "It is ")), view.says


@pytest.mark.parametrize("scenario", SCENARIOS, ids=each)
def test_what_is_promised_at_any_moment_comes_true(scenario: Scenario) -> None:
    for now, explanation in explanations(scenario):
        for view in explanation.campaigns:
            for witness in view.witnesses:
                _confirm(scenario, now, view, witness)


def _confirm(scenario: Scenario, now: int, view: CampaignView, witness: Witness) -> None:
    simulator = simulated(scenario, now)
    before = len(simulator.decisions)
    for number, move in enumerate(witness.moves):
        simulator.take(event_of(move, number, scenario.inputs[0].event.user), move.at)
    simulator.run(witness.at)
    wanted = "entered" if witness.outcome == "enters" else "sent"
    rows = [
        row
        for row in _of(simulator.decisions[before:], scenario.inputs[0].event.user)
        if (row.campaign, row.decision) == (view.campaign, wanted)
    ]
    assert [row.at for row in rows][:1] == [witness.at], f"{view.campaign} at {now}: {witness.text}"


@pytest.mark.slow
def test_most_campaigns_have_a_way_in() -> None:
    """The search is a guess that is checked; it must not become one that finds nothing."""
    found, asked = 0, 0
    for scenario in SCENARIOS:
        for _, explanation in explanations(scenario):
            idle = [view for view in explanation.campaigns if view.version and not any(run.active for run in view.runs)]
            asked += len(idle)
            found += sum(bool(view.witnesses) for view in idle)
    assert found > asked * 0.8, f"{found} of {asked}"
