"""Runs a scenario through the simulator, and sets what was expected beside what came."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import zip_longest
from typing import Any, Final

import msgspec

from actors.model.event import ANONYMOUS
from actors.model.program import Program
from actors.model.turn import Decision
from language.site.scenarios import Scenario
from language.syntax.durations import written
from replay.ledger import row
from replay.simulate import Simulator
from replay.why_not import since, why_not

ProgramOf = Callable[[Sequence[str] | None], Program]
"""The program of these campaigns alone; None: all."""

COLUMN_CHARACTERS_MAX: Final = 60

_SHOWN: Final = ("at", "campaign", "step", "reason", "template", "user")
"""Fields of an actual row that are shown beside those that were asked for."""


class ScenarioDifference(msgspec.Struct, frozen=True, kw_only=True):
    """One decision whose rows are not the expected ones."""

    decision: str
    expected: tuple[Mapping[str, Any], ...]
    actual: tuple[Mapping[str, Any], ...]
    why: tuple[str, ...] = ()
    """What kept the campaigns from what was expected, as far as their rows tell."""

    def __str__(self) -> str:
        """The rows side by side; `!` before a row that differs, `^` under what differs in it."""
        head = f"{self.decision}: expected {_counted(len(self.expected))}, came {_counted(len(self.actual))}"
        pairs = [_side(expected, actual) for expected, actual in zip_longest(self.expected, self.actual)]
        width = max([len("expected"), *(len(left) for _, left, _, _ in pairs)])
        lines = [head, f"    {'expected':<{width}}   actual"]
        for mark, left, right, under in pairs:
            lines.append(f"  {mark} {left:<{width}}   {right}".rstrip())
            if under.strip():
                lines.append(f"    {'':<{width}}   {under}".rstrip())
        lines += [f"  {'why:' if number == 0 else '':<4} {line}" for number, line in enumerate(self.why)]
        return "\n".join(lines)


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one scenario."""

    scenario: Scenario
    differences: tuple[ScenarioDifference, ...]
    decisions: tuple[Decision, ...]

    @property
    def passed(self) -> bool:
        return not self.differences


def run_scenario(scenario: Scenario, program_of: ProgramOf) -> Outcome:
    """Plays the scenario in virtual time. The same scenario and program give the same outcome."""
    simulator = Simulator(program_of(scenario.campaigns), start=scenario.start)
    for timed in scenario.inputs:
        simulator.take(timed.event, timed.at)
    simulator.run(scenario.until)
    decisions = tuple(simulator.decisions)
    differences = []
    for kind, expected in scenario.expect:
        actual = tuple(_actual(one, scenario.start) for one in decisions if one.decision == kind)
        if not _all_match(expected, actual):
            why = _why(expected, actual, decisions, scenario)
            differences.append(ScenarioDifference(decision=kind, expected=expected, actual=actual, why=why))
    return Outcome(scenario=scenario, differences=tuple(differences), decisions=decisions)


def _why(
    expected: Sequence[Mapping[str, Any]],
    actual: Sequence[Mapping[str, Any]],
    decisions: Sequence[Decision],
    scenario: Scenario,
) -> tuple[str, ...]:
    """Of rows that were expected and did not come, or not so."""
    if len(actual) > len(expected):
        return ()
    wanted = {str(row["campaign"]) for row in expected if "campaign" in row}
    templates = {row["template"] for row in expected if "campaign" not in row and "template" in row}
    wanted |= {one.campaign for one in decisions if one.template in templates}
    if not wanted:
        wanted = {one.campaign for one in decisions} | set(scenario.campaigns or ())
    return tuple(why_not(decisions, wanted, since(scenario.start)))


def _actual(decision: Decision, start: int) -> dict[str, Any]:
    return row(decision) | {"at": decision.at - start}


def _all_match(expected: tuple[dict[str, Any], ...], actual: tuple[dict[str, Any], ...]) -> bool:
    return len(expected) == len(actual) and all(
        not differing(wanted, came) for wanted, came in zip(expected, actual, strict=True)
    )


def differing(expected: Mapping[str, Any], actual: Mapping[str, Any]) -> list[str]:
    """The fields of an expected row that the actual one does not match."""
    return [field for field, wanted in expected.items() if not _matches(field, wanted, actual.get(field))]


def _matches(field: str, wanted: Any, came: Any) -> bool:
    if field == "user":
        return str(wanted).removeprefix(ANONYMOUS) == str(came).removeprefix(ANONYMOUS)
    if isinstance(wanted, dict) and isinstance(came, dict):
        return all(_matches("", inner, came.get(name)) for name, inner in wanted.items())
    return bool(wanted == came) and isinstance(wanted, bool) is isinstance(came, bool)


def _side(expected: Mapping[str, Any] | None, actual: Mapping[str, Any] | None) -> tuple[str, str, str, str]:
    """(mark, expected, actual, what differs underlined) of one pair of rows."""
    if expected is None:
        assert actual is not None, "of two rows one is there"
        return "!", "-", _line({name: actual[name] for name in _SHOWN if actual[name] is not None}), ""
    left = _line(expected)
    if actual is None:
        return "!", left, "-", ""
    wrong = differing(expected, actual)
    shown = {name: actual.get(name) for name in expected}
    shown |= {name: actual[name] for name in _SHOWN if wrong and name not in shown and actual[name] is not None}
    under = "  ".join(("^" if name in wrong else " ") * len(_part(name, value)) for name, value in shown.items())
    return "!" if wrong else " ", left, _line(shown), under


def _line(fields: Mapping[str, Any]) -> str:
    return "  ".join(_part(name, value) for name, value in fields.items()) or "(any)"


def _part(name: str, value: Any) -> str:
    if name == "at" and isinstance(value, int):
        value = written(value)
    text = value if isinstance(value, str) else "null" if value is None else msgspec.json.encode(value).decode()
    text = text if len(text) <= COLUMN_CHARACTERS_MAX else text[: COLUMN_CHARACTERS_MAX - 1] + "…"
    return f"{name} {text}"


def _counted(rows: int) -> str:
    return "1 row" if rows == 1 else f"{rows or 'no'} rows"
