"""What a database holds of a site's changes and figures, read beside the engine that may run."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import click
import msgspec

from actors.model.campaign_change import CampaignChange
from analytics.figures import read_figures
from cuebird.changes.active_runs import active_runs, by_version
from cuebird.changes.proposal import site_of, told_figures
from cuebird.settings.config import ConfigError, load
from language.syntax import ast
from persistence import program_periods
from persistence.interface import StoreError, StoreReader
from persistence.reader import reading


class RunningProgram(msgspec.Struct, frozen=True, kw_only=True):
    """The site that counts, as the database has it; `site` is None if there is none yet."""

    site: ast.Site | None = None
    program: str = ""
    since: int = 0
    figures: dict[str, dict[str, float]] = {}
    active: dict[str, dict[str, int]] = {}
    """campaign -> version -> runs in it."""


def database(site: Path, told: Path | None) -> Path:
    """Raises click.ClickException if the settings cannot be read."""
    try:
        return told or site / load(site, os.environ).settings.store.path
    except ConfigError as error:
        raise click.ClickException("\n".join(error.problems)) from None


async def running(path: Path) -> RunningProgram:
    """Raises StoreError, SiteErrors."""
    if not os.path.exists(path):  # noqa: ASYNC240  # one look at a local file, in a command that does nothing else
        return RunningProgram()
    async with reading(path) as store:
        records = await program_periods.all_periods(store)
        if not records:
            return RunningProgram()
        newest = records[-1]
        site = await stored(store, newest.body.hash)
        return RunningProgram(
            site=site,
            program=newest.body.hash,
            since=newest.at,
            figures=told_figures(await read_figures(store, head=(await store.head()).seq)),
            active={one.id: by_version(await active_runs(store, one.id)) for one in site.campaigns},
        )


async def changes_of(path: Path, campaign: str) -> list[tuple[program_periods.ProgramPeriod, CampaignChange]]:
    """Every change of one campaign, oldest first. Raises StoreError."""
    async with reading(path) as store:
        return [
            (record, change)
            for record in await program_periods.all_periods(store)
            for change in record.body.changes
            if change.campaign == campaign
        ]


async def stored(store: StoreReader, program: str) -> ast.Site:
    source = (await store.programs([program])).get(program)
    if source is None:
        raise StoreError(f"program {program} of the journal is not stored: restore a backup")
    return site_of(source)


def holder(path: Path) -> int | None:
    """The process whose engine holds the database, None if none does."""
    lock = path.with_name(path.name + ".lock")
    try:
        descriptor = os.open(lock, os.O_RDWR)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        text = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip()
        return int(text) if text.isdigit() else None
    else:
        return None
    finally:
        os.close(descriptor)
