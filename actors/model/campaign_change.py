"""What changed in a campaign, as the journal keeps it."""

from __future__ import annotations

from typing import Literal

import msgspec

Kind = Literal["added", "changed", "status", "reworded", "removed"]
"""`changed`: it does something else; `status`: only who it is for; `reworded`: nothing but its text."""


class CampaignChange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One campaign's change, or (`campaign` empty) that of another file of the site."""

    campaign: str = ""
    file: str
    kind: Kind
    version: str = ""
    before: str = ""
    """The version before, "" if there was none."""
    status: str = ""
    why: str = ""
    said: str = ""
    """What was said of the change itself, when it was made: `cuebird apply --why`."""
    is_unexplained: bool = False
    """It does something else and its `why` is the old one."""
    meaning: tuple[str, ...] = ()
    """Lines of `language/meaning.py` that went (`- `) and came (`+ `)."""
    diff: str = ""
    """Unified, of the file's text."""
    figures: dict[str, float] = {}
    """What the campaign had done before it."""
