"""`cuebird check SITE`: every problem of a site, each with its place; and advice."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click

from actors.model.program import Program
from cuebird.changes.sites import open_site, refuse, told
from cuebird.playing.busy_day import as_json as busy_json
from cuebird.playing.busy_day import replay_hint, sentences, write_witness
from cuebird.playing.event_catalogue import event_catalogue
from cuebird.playing.recordings import Unreadable
from cuebird.settings.config import ConfigError, Loaded, load
from cuebird.settings.key_advice import advise_keys
from cuebird.settings.placeholders import placeholders
from language.check.advise import advise_catalogue
from language.check.advise_properties import advise_given
from language.check.weigh import actor_bytes_max
from language.load import Checked
from language.site.scenarios import load_scenarios
from language.site.schema import KINDS, schema
from language.syntax.problems import Problem, SiteErrors
from persistence.interface import StoreError
from replay.busiest_day import Busiest, busiest_day


@click.command()
@click.argument("site", type=click.Path(path_type=Path), default=".")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, and nothing else.")
@click.option(
    "--seen",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Recorded events (a file of Segment messages, or a database): tell those that campaigns wait for in vain.",
)
@click.option(
    "--witness",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the events of a user's busiest day to that file; `cuebird simulate` plays it.",
)
@click.option(
    "--schema",
    "kind",
    type=click.Choice(list(KINDS)),
    help="Print the JSON Schema of that kind of file, for an editor.",
)
def command(site: Path, as_json: bool, seen: Path | None, witness: Path | None, kind: str | None) -> None:
    """Look for everything that is wrong with SITE: campaigns, rules, templates, scenarios, settings."""
    if kind is not None:
        click.echo(json.dumps(schema(kind), indent=2))
        return
    loaded, problems = _settings(site)
    try:
        checked, program = open_site(site)
        scenarios = load_scenarios(site, checked.site)
    except SiteErrors as error:
        raise refuse(error, as_json=as_json, settings=problems) from None
    if problems:
        raise refuse(SiteErrors(()), as_json=as_json, settings=problems)
    advice = [*checked.advice, *advise_given(checked.site, checked.places, scenarios)]
    advice += [one for scenario in scenarios for one in scenario.advice]
    if loaded is not None:
        advice += advise_keys(site, loaded.settings, checked.site.policy)
        advice += placeholders(checked.site, loaded)
    advice += _unseen(checked, program, seen) if seen is not None else ()
    advice = list(SiteErrors(advice).problems)
    busiest = busiest_day(checked.site, program)
    if witness is not None:
        _write(busiest, witness)
    if as_json:
        found = _as_json(checked, program, len(scenarios))
        click.echo(json.dumps({**found, "problems": told(tuple(advice)), "busiest_day": busy_json(busiest)}, indent=2))
        return
    for problem in advice:
        click.echo(str(problem))
    click.echo(_summary(checked, program, len(scenarios)))
    click.echo("\n".join(sentences(busiest, checked.site)))
    if witness is not None:
        click.echo(replay_hint(busiest, site, witness))


def _settings(site: Path) -> tuple[Loaded | None, tuple[str, ...]]:
    """The settings, and what is wrong with cuebird.toml and the environment, a line each."""
    try:
        return (load(site, os.environ), ()) if site.is_dir() else (None, ())
    except ConfigError as error:
        return None, error.problems


def _unseen(checked: Checked, program: Program, path: Path) -> list[Problem]:
    try:
        seen = event_catalogue(path, program.aliases)
    except (OSError, Unreadable, StoreError) as error:
        raise click.ClickException(f"{path}: {error}") from None
    return advise_catalogue(checked.site, checked.places, seen)


def _write(busiest: Busiest, path: Path) -> None:
    try:
        write_witness(busiest, path)
    except OSError as error:
        raise click.UsageError(f"{path} cannot be written: {error.strerror}") from None


def _as_json(checked: Checked, program: Program, scenarios: int) -> dict[str, object]:
    memory = actor_bytes_max(program)
    return {
        "ok": True,
        "campaigns": {campaign.id: campaign.status for campaign in checked.site.campaigns},
        "scenarios": scenarios,
        "remembered_bytes_max": sum(memory.values()),
        "remembered_bytes": memory,
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
    memory = actor_bytes_max(program)
    named = ", ".join(f"{part} {size:,}" for part, size in sorted(memory.items(), key=lambda one: -one[1]))
    remembered = f"At most {sum(memory.values()):,} bytes are remembered of a user, whatever is sent: {named}."
    return f"{site.path}: fine. {', '.join(parts)}.\n{remembered}"


def _counted(number: int, noun: str) -> str:
    return f"1 {noun}" if number == 1 else f"{number} {noun}s"
