"""`cuebird test SITE`: the scenarios of a site, played in virtual time."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import click
import msgspec

from actors.model.program import Program
from cuebird.changes.sites import open_site, refuse
from cuebird.playing.progress import progressing
from language.compiler.compile import compile_site
from language.site.scenarios import load_scenarios
from language.syntax.problems import SiteErrors
from replay.run_scenario import Outcome, run_scenario


@click.command()
@click.argument("site", type=click.Path(path_type=Path), default=".")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, and nothing else.")
@click.option("-k", "part", default="", help="Only scenarios whose name contains this.")
def command(site: Path, as_json: bool, part: str) -> None:
    """Run the scenarios of SITE. Exit code 1 if one fails."""
    try:
        checked, _ = open_site(site)
        scenarios = load_scenarios(site, checked.site)
    except SiteErrors as error:
        raise refuse(error, as_json=as_json) from None
    chosen = [scenario for scenario in scenarios if part.casefold() in scenario.name.casefold()]
    if not chosen:
        click.echo(_nothing(site, part), err=True)

    @lru_cache(maxsize=256)
    def program(only: tuple[str, ...] | None) -> Program:
        return compile_site(checked.site, only=only)

    def program_of(only: Sequence[str] | None) -> Program:
        return program(None if only is None else tuple(only))

    outcomes = []
    for scenario in progressing(chosen, len(chosen), "scenarios"):
        outcomes.append(run_scenario(scenario, program_of))
        if not as_json:
            click.echo(_line(outcomes[-1]))
    failed = sum(not outcome.passed for outcome in outcomes)
    if as_json:
        click.echo(json.dumps(_as_json(outcomes, failed), indent=2))
    else:
        click.echo(f"{len(outcomes) - failed} passed, {failed} failed")
    if failed or (part and not chosen):
        raise SystemExit(1)


def _nothing(site: Path, part: str) -> str:
    if part:
        return f"no scenario of {site} has {part!r} in its name"
    return f"there are no scenarios in {site / 'scenarios'}"


def _line(outcome: Outcome) -> str:
    scenario = outcome.scenario
    if outcome.passed:
        return f"ok      {scenario.name}"
    lines = [f"FAILED  {scenario.name}", f"  {scenario.file}:{scenario.line}"]
    lines += [f"  {line}" for difference in outcome.differences for line in str(difference).splitlines()]
    lines += [f"  {line}" for problem in scenario.advice for line in str(problem).splitlines()]
    return "\n".join(lines)


def _as_json(outcomes: list[Outcome], failed: int) -> dict[str, object]:
    return {
        "ok": not failed,
        "passed": len(outcomes) - failed,
        "failed": failed,
        "scenarios": [
            {
                "scenario": outcome.scenario.name,
                "file": outcome.scenario.file,
                "line": outcome.scenario.line,
                "passed": outcome.passed,
                "differences": msgspec.to_builtins(list(outcome.differences)),
            }
            for outcome in outcomes
        ],
    }
