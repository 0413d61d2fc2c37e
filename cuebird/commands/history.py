"""`cuebird history CAMPAIGN`: every change of it: when, who, what, why, and what it had done before."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.text import Text

from actors.model.campaign_change import CampaignChange
from cuebird.changes.changes_text import console, day, figures, lines, show
from cuebird.changes.database_state import RunningProgram, changes_of, database, running
from cuebird.changes.sites import open_site
from language.syntax.problems import SiteErrors, did_you_mean, nearest
from persistence import program_periods
from persistence.interface import StoreError
from replay.ledger import iso


@click.command()
@click.argument("campaign")
@click.option("--site", type=click.Path(path_type=Path), default=".", show_default=True, help="The site's directory.")
@click.option("--db", type=click.Path(path_type=Path), help="Another database than the site's.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, and nothing else.")
def command(campaign: str, site: Path, db: Path | None, as_json: bool) -> None:
    """Every change of CAMPAIGN, newest last. The engine may be running."""
    try:
        path = database(site, db)
        found = asyncio.run(changes_of(path, campaign))
        now = asyncio.run(running(path))
    except (StoreError, SiteErrors) as error:
        raise click.ClickException(str(error)) from None
    known = {one.id for one in now.site.campaigns} if now.site else set()
    if not found and campaign not in known:
        hint = did_you_mean(nearest(campaign, known))
        raise click.ClickException(f"the database knows no campaign {campaign}{hint}")
    differ = _differ(site, now)
    if as_json:
        told = {**_as_json(campaign, found, now), "files_differ": differ}
        click.echo(json.dumps(told, indent=2, ensure_ascii=False))
        return
    out = console()
    for record, change in found:
        out.print(Text(f"{day(record.at)}, by {record.body.who or 'unknown'}", "bold cyan"))
        show(out, lines(change))
        out.print()
    done = now.figures.get(campaign, {})
    out.print(f"now: {figures(done)}")
    for version, count in sorted(now.active.get(campaign, {}).items()):
        out.print(f"  {count:,} {'run' if count == 1 else 'runs'} in version {version}")
    if differ:
        out.print(f"the files in {site} are not what counts: `cuebird apply {site} --plan` shows how they differ")


def _differ(site: Path, now: RunningProgram) -> bool:
    """Whether the site's files are not what counts; those with errors cannot be."""
    if not site.is_dir():
        return False  # the database was named, and no site
    try:
        return open_site(site)[1].hash != now.program
    except SiteErrors:
        return True


def _as_json(
    campaign: str, found: list[tuple[program_periods.ProgramPeriod, CampaignChange]], now: RunningProgram
) -> dict[str, Any]:
    return {
        "campaign": campaign,
        "changes": [
            {"at": iso(record.at), "who": record.body.who, **msgspec.to_builtins(change)} for record, change in found
        ],
        "now": {"figures": now.figures.get(campaign, {}), "active_runs": now.active.get(campaign, {})},
    }
