"""`cuebird migrate SITE CAMPAIGN`: move those who are in a campaign to the version that counts, where that means something."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path

import click
import msgspec

from cuebird.changes.alone import engine_alone
from cuebird.changes.database_state import database, holder, running
from cuebird.changes.migration import Moving, migrate, plan
from cuebird.changes.proposal import compile_source, operator
from cuebird.control.client import NoAnswer, ask
from cuebird.control.order import Order, OrderResult, new_id
from language.syntax.problems import SiteErrors, did_you_mean, nearest
from persistence import program_periods
from persistence.interface import StoreError, StoreReader
from persistence.reader import reading

USERS_MAX = 20


@click.command()
@click.argument("site", type=click.Path(path_type=Path))
@click.argument("campaign")
@click.option(
    "--plan", "only_plan", is_flag=True, help="Only show whom it concerns, and who cannot be moved. The default."
)
@click.option("--yes", is_flag=True, help="Move them.")
@click.option("--db", type=click.Path(path_type=Path), help="Another database than the site's.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, and nothing else.")
def command(site: Path, campaign: str, only_plan: bool, yes: bool, db: Path | None, as_json: bool) -> None:
    """Runs finish in the version they entered with. This moves those of CAMPAIGN to the version that counts: each to the step
    where it stands, with the time it has waited. A run whose step is not in the new version stays in the old one."""
    try:
        path = database(site, db)
        found = asyncio.run(_planned(path, campaign))
    except (StoreError, SiteErrors) as error:
        raise click.ClickException(str(error)) from None
    movable = [one for one in found if not one.obstacle]
    answer = None
    if yes and not only_plan and movable:
        answer = _do(site, path, campaign)
    if as_json:
        told = {
            "campaign": campaign,
            "runs": [msgspec.to_builtins(one) for one in found],
            "moved": None if answer is None else answer.moved,
        }
        click.echo(json.dumps(told, indent=2, ensure_ascii=False))
        return
    for line in _page(campaign, found):
        click.echo(line)
    if answer is not None:
        click.echo(f"moved {answer.moved:,} {'run' if answer.moved == 1 else 'runs'}")
    elif movable:
        click.echo("nothing was moved: say --yes to do it")


async def _planned(path: Path, campaign: str) -> list[Moving]:
    now = await running(path)
    known = {one.id for one in now.site.campaigns} if now.site else set()
    if campaign not in known:
        raise click.ClickException(f"there is no campaign {campaign}{did_you_mean(nearest(campaign, known))}")
    async with reading(path) as store:
        eras = await _periods(store)
        return await plan(store, eras.current, campaign)


async def _periods(store: StoreReader) -> program_periods.ProgramPeriods:
    records = await program_periods.all_periods(store)
    hashes = program_periods.kept(records)
    sources = await store.programs(hashes)
    known = {name: compile_source(source) for name, source in sources.items()}
    return program_periods.ProgramPeriods(known, records, known[hashes[-1]])


def _page(campaign: str, found: list[Moving]) -> list[str]:
    if not found:
        return [f"everybody who is in {campaign} is in the version that counts"]
    movable = Counter((one.version, one.step) for one in found if not one.obstacle)
    stuck = [one for one in found if one.obstacle]
    lines = [
        f"{count:,} {'run' if count == 1 else 'runs'} of version {version} at `{step}` can be moved"
        for (version, step), count in sorted(movable.items())
    ]
    for obstacle, count in Counter(one.obstacle for one in stuck).most_common():
        lines.append(f"{count:,} {'stays' if count == 1 else 'stay'} in the old version: {obstacle}")
        lines += [f"  {one.user}" for one in stuck if one.obstacle == obstacle][:USERS_MAX]
    return lines


def _do(site: Path, path: Path, campaign: str) -> OrderResult:
    pid = holder(path)
    order = Order(id=new_id(), what="migrate", campaign=campaign, who=operator())
    try:
        answer = ask(path, pid, order) if pid is not None else asyncio.run(_alone(site, path, order))
    except (NoAnswer, OSError, StoreError) as error:
        raise click.ClickException(str(error)) from None
    if not answer.taken:
        raise click.ClickException("\n".join(answer.problems))
    return answer


async def _alone(site: Path, path: Path, order: Order) -> OrderResult:
    async with engine_alone(site, path) as (engine, store):
        moved, left = await migrate(engine, store, order.campaign, order.who, order.id)
    return OrderResult(taken=True, moved=moved, problems=tuple(left))
