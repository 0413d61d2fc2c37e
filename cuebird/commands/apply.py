"""`cuebird apply SITE`: what would change, whom it concerns, and then the change, with its reason."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import click
import msgspec

from actors.model.campaign_change import CampaignChange
from cuebird.changes.changes_text import console, day, lines, show
from cuebird.changes.database_state import RunningProgram, database, holder, running
from cuebird.changes.proposal import Proposal, compile_source, operator, propose
from cuebird.changes.sites import refuse
from cuebird.control.client import NoAnswer, ask
from cuebird.control.order import Order, new_id
from cuebird.settings.config import ConfigError, load
from engine.clock import SystemClock
from engine.engine import Engine
from engine.site_swap import SiteChange
from language import versions
from language.syntax.problems import SiteErrors
from persistence.interface import StoreError
from persistence.sqlite import SqliteStore


@click.command()
@click.argument("site", type=click.Path(path_type=Path), default=".")
@click.option("--why", default="", help="The reason, if the files' `why` does not tell it; kept with the change.")
@click.option("--yes", is_flag=True, help="Do it without asking.")
@click.option("--plan", "--dry-run", "only_plan", is_flag=True, help="Only show it; --yes is not heeded then.")
@click.option("--db", type=click.Path(path_type=Path), help="Another database than the site's.")
@click.option(
    "--json", "as_json", is_flag=True, help="One JSON object, and nothing else; changes nothing without --yes."
)
def command(site: Path, why: str, yes: bool, only_plan: bool, db: Path | None, as_json: bool) -> None:
    """Compare the files of SITE with the version that counts, show what is different and whom it concerns, and put it in
    its place: in the engine that runs, between two events, or in the database for the next start. What is put there is
    what was shown. Exits with 1 if it cannot be: the files have errors, or a `why` is missing."""
    path, now = _counting(site, db, as_json)
    try:
        proposal = propose(site, now.site, why=why.strip())
    except SiteErrors as error:
        refused = refuse(error, as_json=as_json)
        if now.site and not as_json:
            click.echo(f"what counts since {day(now.since)} stays what counts", err=True)
        raise refused from None
    found = versions.with_figures(proposal.changes, now.figures)
    if not as_json:
        _plan(found, now)
    if proposal.objections:
        raise SystemExit(_objected(proposal, found, now, as_json))
    if not found:
        if as_json:
            click.echo(_json(found, now, applied=False))
        return
    if only_plan or not (yes or (not as_json and _agreed())):
        if as_json:
            click.echo(_json(found, now, applied=False))
        elif only_plan:
            click.echo("a plan only: nothing was changed")
        return
    told = _apply(site, path, proposal, found, why.strip())
    click.echo(_json(found, now, applied=True) if as_json else told)


def _counting(site: Path, db: Path | None, as_json: bool) -> tuple[Path, RunningProgram]:
    """The database, and what counts in it."""
    try:
        path = database(site, db)
        return path, asyncio.run(running(path))
    except SiteErrors as error:
        raise refuse(error, as_json=as_json) from None
    except StoreError as error:
        raise click.ClickException(str(error)) from None


def _plan(found: list[CampaignChange], now: RunningProgram) -> None:
    out = console()
    if not found:
        since = f" since {day(now.since)}" if now.since else ""
        out.print(f"nothing to do: the files are what counts{since}")
    for change in found:
        show(out, lines(change, now.active.get(change.campaign, {}) if now.site else None))
        out.print()


def _objected(proposal: Proposal, found: list[CampaignChange], now: RunningProgram, as_json: bool) -> int:
    if as_json:
        click.echo(_json(found, now, applied=False, problems=proposal.objections))
    else:
        for objection in proposal.objections:
            click.echo(objection, err=True)
    return 1


def _agreed() -> bool:
    if not sys.stdin.isatty():
        click.echo("nothing was changed: say --yes to do it", err=True)
        return False
    return click.confirm("Put this in the place of the version that counts?")


def _json(found: list[CampaignChange], now: RunningProgram, *, applied: bool, problems: list[str] | None = None) -> str:
    told: dict[str, Any] = {
        "ok": not problems,
        "applied": applied,
        "problems": problems or [],
        "changes": [
            {**msgspec.to_builtins(change), "active_runs": now.active.get(change.campaign, {})} for change in found
        ],
    }
    return json.dumps(told, indent=2, ensure_ascii=False)


def _apply(site: Path, path: Path, proposal: Proposal, found: list[CampaignChange], why: str) -> str:
    """Done; says how."""
    pid = holder(path)
    if pid is None:
        try:
            asyncio.run(_record(site, path, proposal, found))
        except StoreError as error:
            raise click.ClickException(str(error)) from None
        return "written to the database; it counts from the next start on"
    try:
        order = Order(id=new_id(), who=operator(), why=why, program=proposal.program.hash)
        answer = ask(path, pid, order)
    except (NoAnswer, OSError) as error:
        raise click.ClickException(f"{error}; the version that runs goes on") from None
    if not answer.taken:
        raise click.ClickException("the engine refused it:\n" + "\n".join(answer.problems))
    return f"done: process {pid} runs it"


async def _record(site: Path, path: Path, proposal: Proposal, found: list[CampaignChange]) -> None:
    """No engine runs: the journal is opened, what came due meanwhile fires as it would have, and the change is written."""
    try:
        settings = load(site, os.environ).settings
    except ConfigError as error:
        raise click.ClickException("\n".join(error.problems)) from None

    async def describe(before: str) -> SiteChange:
        return SiteChange(who=operator(), of=tuple(found))

    store = SqliteStore(path, index_users=settings.store.index_users, machine=settings.store.machine or None)
    engine = Engine(
        store,
        proposal.program,
        clock=SystemClock(),
        limits=settings.engine,
        source=proposal.source,
        compile_program=compile_source,
    )
    try:
        await engine.open(describe=describe)
    finally:
        await store.close()
