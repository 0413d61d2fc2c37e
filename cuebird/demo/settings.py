"""What `cuebird demo` may be told."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

SHOPPERS: Final = 8
"""Enough that something happens every second; so few that one's own letter is found among theirs."""


class DemoSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What `cuebird demo` is told. The database is `data`/cuebird.db."""

    data: Path
    port: int = 8700
    """0: any free one; the running demo names it."""
    speed: float = 60.0
    """How much faster than the wall's the engine's clock runs."""
    shoppers: int = SHOPPERS
    """Synthetic visitors."""
