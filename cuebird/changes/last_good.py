"""Which site a start runs: the one in its files, or the one that counted before.

A start is no way around a rule. What a running server would refuse is refused here too, and what waits for
`cuebird apply` goes on waiting: then the last good program runs, from the database, with the templates it was made with.
Only a first start has nothing to go back to.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from actors.model.campaign_change import CampaignChange
from actors.model.program import Program
from cuebird.changes.proposal import Proposal, proposed, source_of, stored_site
from cuebird.changes.sites import open_site
from language.compiler.compile import compile_site
from language.load import Checked
from language.syntax import ast
from language.syntax.problems import SiteErrors, errors_of
from persistence import program_periods
from persistence.interface import Store


class Start(msgspec.Struct, frozen=True, kw_only=True):
    """`program` and `source` are what the engine is to run."""

    site: ast.Site
    program: Program
    source: bytes
    changes: tuple[CampaignChange, ...] = ()
    """What it changes of the program that counted before."""
    differs: bool = False
    """The files are not what runs."""
    problems: tuple[str, ...] = ()
    """Why the files were refused; none if they only wait for `cuebird apply`."""


Files = tuple[Checked, Program] | SiteErrors
"""A site's files as they are at a start: compiled, or what is wrong with them."""


def files_of(path: Path) -> Files:
    try:
        return open_site(path)
    except SiteErrors as error:
        return error


async def start_of(store: Store, files: Files, *, watches: bool) -> Start:
    """What to run. `watches`: whether edited files count without `cuebird apply`. Raises SiteErrors if nothing is stored
    that could run instead of files with errors, or if this version of Cuebird does not understand what is stored."""
    counted = await program_periods.all_periods(store)
    if not counted:
        return _first(files)
    newest = counted[-1].body.hash
    if not isinstance(files, SiteErrors) and files[1].hash == newest:
        return _of(proposed(*files, None))
    running = await stored_site(store, newest)
    if isinstance(files, SiteErrors):
        return _last_good(running, errors_of(files))
    proposal = proposed(*files, running)
    if not watches:
        return _last_good(running, [])
    if proposal.objections:
        return _last_good(running, proposal.objections)
    return msgspec.structs.replace(_of(proposal), changes=tuple(proposal.changes))


def _first(files: Files) -> Start:
    if isinstance(files, SiteErrors):
        raise files
    proposal = proposed(*files, None)
    return msgspec.structs.replace(_of(proposal), changes=tuple(proposal.changes))


def _of(proposal: Proposal) -> Start:
    return Start(site=proposal.site, program=proposal.program, source=proposal.source)


def _last_good(running: ast.Site, problems: list[str]) -> Start:
    return Start(
        site=running,
        program=compile_site(running),
        source=source_of(running),
        differs=True,
        problems=tuple(problems),
    )
