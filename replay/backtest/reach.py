"""How far back a site looks, and whether a journal that has lost its beginning still reaches there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from language.syntax import ast
from language.syntax.durations import written
from replay.ledger import iso

DAY_SECONDS_MAX: Final = 25 * 3600
"""Of a calendar day: that on which clocks are put back."""


class TooShort(Exception):
    """The journal does not hold what the campaigns look back at. `earliest` is the first moment that could be asked for."""

    def __init__(self, begins: int, since: int, window: int, where: str) -> None:
        self.begins = begins
        self.since = since
        self.window = window
        self.where = where
        self.earliest = begins + window
        super().__init__(begins, since, window, where)

    def __str__(self) -> str:
        return (
            f"the journal no longer reaches back far enough: it begins at {iso(self.begins)}, and {self.where} looks back "
            f"{written(self.window)}; ask for a time from {iso(self.earliest)} on, not from {iso(self.since)}"
        )


def furthest(site: ast.Site) -> tuple[int, str]:
    """(the longest time in ms that anything of the site looks back, where); what looks back for ever is not counted."""
    found = [(0, "")]
    for campaign in site.campaigns:
        found += [(span, f"campaign {campaign.id}") for span in _spans(campaign)]
    found += [(span, "profile.yaml") for span in _spans(site.profile.segments)]
    found += [(round(cap.seconds * 1000), "policy.yaml") for cap in site.policy.caps if cap.seconds is not None]
    found.append((round(site.policy.cooldown * 1000), "policy.yaml"))
    return max((one for one in found if one[0]), default=(0, ""))


def require(site: ast.Site, first_seq: int, begins: int, since: int) -> None:
    """Raises TooShort. A journal that has its beginning holds everything there was."""
    if first_seq <= 1:
        return
    window, where = furthest(site)
    if begins > since - window:
        raise TooShort(begins, since, window, where or "no campaign")


SESSION_LASTS_MS: Final = 86_400_000
"""A session has no longest length; more than a day is a machine."""


def _spans(node: Any) -> Iterator[int]:
    """Of every window, chain, silence, goal and re-entry rule, in ms."""
    if isinstance(node, tuple):
        for part in node:
            yield from _spans(part)
    if not isinstance(node, msgspec.Struct):
        return
    match node:
        case ast.Window(kind="last", seconds=seconds) | ast.SilencePattern(seconds=seconds):
            yield round(seconds * 1000)
        case ast.ThenPattern(within=within) | ast.AllPattern(within=within):
            yield round(within * 1000)
        case ast.SessionPattern() | ast.Window(kind="since_session"):
            yield SESSION_LASTS_MS
        case ast.Goal(within=within) if within is not None:
            yield round(within * 1000)
        case ast.Cap(seconds=seconds):
            yield round((DAY_SECONDS_MAX if seconds is None else seconds) * 1000)
        case ast.Entry(re_entry_after=after):
            yield round(after * 1000)
        case _:
            pass
    for name in node.__struct_fields__:
        yield from _spans(getattr(node, name))
