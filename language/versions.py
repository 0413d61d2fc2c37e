"""What is different between two versions of a site, campaign by campaign, and whether its author said why.

A campaign's version is a hash of what it does (`version_of`); its `why` says what for. Whoever changes the one has to
change the other (language.md §8): a year later nobody else remembers.
"""

from __future__ import annotations

import difflib
import textwrap
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from actors.model.campaign_change import CampaignChange, Kind
from language.compiler.compile import version_of
from language.compiler.memory import plain
from language.meaning import changed_meaning, meaning, status
from language.syntax import ast

DIFF_LINES_MAX: Final = 400
"""Lines of a diff that are kept; the rest is counted."""


def changes(before: ast.Site | None, after: ast.Site) -> list[CampaignChange]:
    """In the order of the files' names; campaigns that were removed come last."""
    old = {} if before is None else {campaign.id: campaign for campaign in before.campaigns}
    old_texts = {} if before is None else dict(before.sources)
    texts = dict(after.sources)
    found = [
        change
        for campaign in after.campaigns
        if (change := _change(old.get(campaign.id), campaign, before, after)) is not None
    ]
    found += _files(old_texts, texts)
    kept = {campaign.id for campaign in after.campaigns}
    found += [_removed(campaign, before, old_texts) for name, campaign in old.items() if name not in kept and before]
    return found


def unexplained(found: Iterable[CampaignChange]) -> list[CampaignChange]:
    """Those that must not be taken: they do something else, and nobody said why."""
    return [change for change in found if change.is_unexplained and not change.said]


def refusal(change: CampaignChange) -> str:
    """What the author of an unexplained change is told."""
    return (
        f"{change.file}: campaign {change.campaign} does something else now, but its `why` is still "
        f'"{textwrap.shorten(change.why, 80, placeholder=" …")}": change `why` in the file, or say it with `cuebird apply --why TEXT`'
    )


def explained(found: Iterable[CampaignChange], why: str) -> list[CampaignChange]:
    """The same changes, with what was said of them."""
    return [msgspec.structs.replace(change, said=why) for change in found] if why else list(found)


def with_figures(found: Iterable[CampaignChange], figures: Mapping[str, Mapping[str, float]]) -> list[CampaignChange]:
    """The same changes, with what each campaign had done before."""
    return [
        msgspec.structs.replace(change, figures=dict(figures[change.campaign]))
        if change.campaign in figures
        else change
        for change in found
    ]


def behaviour(campaign: ast.Campaign) -> object:
    """All that decides what it does, and nothing of what is remembered for all campaigns, of its status or its text."""
    return {name: part for name, part in plain(campaign).items() if name not in ("status", "canary")}


def _change(
    before: ast.Campaign | None, after: ast.Campaign, old_site: ast.Site | None, site: ast.Site
) -> CampaignChange | None:
    text = _source(site, after)
    version = version_of(after, site.profile)
    if before is None or old_site is None:
        return CampaignChange(
            campaign=after.id,
            file=after.file,
            kind="added",
            version=version,
            status=status(after),
            why=after.why,
            meaning=tuple(f"+ {line}" for line in meaning(after)),
            diff=_diff("", text, after.file),
        )
    old_text = _source(old_site, before)
    is_other = behaviour(before) != behaviour(after)
    if not is_other and old_text == text and status(before) == status(after):
        return None
    return CampaignChange(
        campaign=after.id,
        file=after.file,
        kind="changed" if is_other else "status" if status(before) != status(after) else "reworded",
        version=version,
        before=version_of(before, old_site.profile),
        status=status(after),
        why=after.why,
        is_unexplained=is_other and _words(before.why) == _words(after.why),
        meaning=changed_meaning(before, after),
        diff=_diff(old_text, text, after.file),
    )


def _removed(campaign: ast.Campaign, site: ast.Site, texts: Mapping[str, str]) -> CampaignChange:
    return CampaignChange(
        campaign=campaign.id,
        file=campaign.file,
        kind="removed",
        before=version_of(campaign, site.profile),
        why=campaign.why,
        meaning=tuple(f"- {line}" for line in meaning(campaign)),
        diff=_diff(_source(site, campaign), "", campaign.file),
    )


def _files(before: Mapping[str, str], after: Mapping[str, str]) -> list[CampaignChange]:
    """Rules and templates, by their text."""
    found = []
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name), after.get(name)
        if name.startswith("campaigns/") or old == new:
            continue
        kind: Kind = "added" if old is None else "removed" if new is None else "changed"
        found.append(CampaignChange(file=name, kind=kind, diff=_diff(old or "", new or "", name)))
    return found


def _source(site: ast.Site, campaign: ast.Campaign) -> str:
    """The text of the campaign's file; `file` may be told with the site's path before it."""
    return next((text for name, text in site.sources if campaign.file.endswith(name)), "")


def _words(why: str) -> str:
    return " ".join(why.split()).casefold()


def _diff(before: str, after: str, file: str) -> str:
    lines = list(
        difflib.unified_diff(before.splitlines(), after.splitlines(), f"before/{file}", f"after/{file}", lineterm="")
    )
    if len(lines) > DIFF_LINES_MAX:
        lines[DIFF_LINES_MAX:] = [f"… and {len(lines) - DIFF_LINES_MAX} lines more"]
    return "\n".join(lines)
