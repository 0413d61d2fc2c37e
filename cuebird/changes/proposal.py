"""A site as its files are now, beside the one that counts: looked at completely before anything is changed."""

from __future__ import annotations

import getpass
from collections.abc import Iterable
from pathlib import Path

import msgspec

from actors.model.campaign_change import CampaignChange
from actors.model.program import Program
from analytics.figures import Figures
from cuebird.changes.sites import open_site
from language import versions
from language.compiler.compile import compile_site
from language.load import Checked, read_site
from language.syntax import ast
from persistence.interface import Store, StoreError


class Proposal(msgspec.Struct, frozen=True):
    """`program` and `source` are what the engine would take; `changes` what is different."""

    site: ast.Site
    program: Program
    source: bytes
    changes: list[CampaignChange]

    @property
    def objections(self) -> list[str]:
        """Why it must not be taken: somebody changed what a campaign does, and did not say why."""
        return [versions.refusal(change) for change in versions.unexplained(self.changes)]


def propose(path: Path, running: ast.Site | None, *, why: str = "") -> Proposal:
    """The site in `path`: its rules, templates and all. `why`: what is said of the changes. Raises SiteErrors."""
    return proposed(*open_site(path), running, why=why)


def proposed(checked: Checked, program: Program, running: ast.Site | None, *, why: str = "") -> Proposal:
    """The same of a site that has been read."""
    found = versions.explained(versions.changes(running, checked.site), why)
    return Proposal(checked.site, program, source_of(checked.site), found)


def source_of(site: ast.Site) -> bytes:
    """What a program is stored as: all the files that it was made of."""
    return msgspec.json.encode(site.sources)


def site_of(source: bytes) -> ast.Site:
    """The site of a stored source. Raises SiteErrors if this version of Cuebird does not understand it."""
    files: dict[str, str] = dict(msgspec.json.decode(source, type=list[tuple[str, str]]))
    return read_site({name: text.encode() for name, text in files.items()}, stored=True).site


def compile_source(source: bytes) -> Program:
    """The program of a stored source (`source_of`). Raises SiteErrors, CompileError."""
    return compile_site(site_of(source))


async def stored_site(store: Store, program: str) -> ast.Site:
    """The site of a program that the journal names. Raises StoreError, SiteErrors."""
    source = (await store.programs([program])).get(program)
    if source is None:
        raise StoreError(f"program {program} of the journal is not stored: restore a backup")
    return site_of(source)


def told_figures(figures: Figures) -> dict[str, dict[str, float]]:
    """What each campaign has done, as a change records it."""
    return {
        one.campaign: {
            name: value
            for name, value in (
                ("entered", one.entered),
                ("sent", one.sent),
                ("clicked", one.clicked),
                ("goals", one.goals),
                ("value", one.value),
            )
            if value or name != "value"
        }
        for one in figures.campaigns()
    }


def operator() -> str:
    """The name of who runs this command."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"


def owner(paths: Iterable[Path]) -> str:
    """Whose the file is that was changed last, as far as the system says."""
    try:
        return max(paths, key=lambda path: path.stat().st_mtime_ns).owner()
    except (OSError, KeyError, ValueError):
        return operator()
