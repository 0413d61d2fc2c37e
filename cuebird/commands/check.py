"""`cuebird check SITE`: every problem of a site, each with its place; and advice."""

from __future__ import annotations

import json
from pathlib import Path

import click

from actors.program import Program
from cuebird.sites import open_site, refuse, told
from engine.language.load import Checked
from engine.language.problems import SiteErrors
from engine.language.scenarios import load_scenarios
from engine.language.schema import KINDS, schema


@click.command()
@click.argument("site", type=click.Path(path_type=Path), default=".")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, and nothing else.")
@click.option(
    "--schema",
    "kind",
    type=click.Choice(list(KINDS)),
    help="Print the JSON Schema of that kind of file, for an editor.",
)
def command(site: Path, as_json: bool, kind: str | None) -> None:
    """Look for everything that is wrong with SITE: campaigns, rules, templates, scenarios."""
    if kind is not None:
        click.echo(json.dumps(schema(kind), indent=2))
        return
    try:
        checked, program = open_site(site)
        scenarios = len(load_scenarios(site, checked.site))
    except SiteErrors as error:
        raise refuse(error, as_json=as_json) from None
    if as_json:
        click.echo(json.dumps(_as_json(checked, program, scenarios), indent=2))
        return
    for problem in checked.advice:
        click.echo(str(problem))
    click.echo(_summary(checked, program, scenarios))


def _memory(program: Program) -> int:
    return sum(slot.bytes_max for slot in program.slots)


def _as_json(checked: Checked, program: Program, scenarios: int) -> dict[str, object]:
    return {
        "ok": True,
        "problems": told(checked.advice),
        "campaigns": {campaign.id: campaign.status for campaign in checked.site.campaigns},
        "scenarios": scenarios,
        "remembered_bytes_max": _memory(program),
        "program": program.hash,
    }


def _summary(checked: Checked, program: Program, scenarios: int) -> str:
    site = checked.site
    parts = [
        _counted(len(site.campaigns), "campaign"),
        _counted(len(site.profile.segments), "segment"),
        _counted(len(site.templates), "template")
        if site.templates is not None
        else "no templates (sends are not rendered)",
        _counted(scenarios, "scenario"),
    ]
    remembered = f"At most {_memory(program):,} bytes are remembered of a user's events."
    return f"{site.path}: fine. {', '.join(parts)}.\n{remembered}"


def _counted(number: int, noun: str) -> str:
    return f"1 {noun}" if number == 1 else f"{number} {noun}s"
