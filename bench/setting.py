"""What all parts of the bench are given."""

from __future__ import annotations

from pathlib import Path

import msgspec

from bench.comparing import new_site
from bench.sampler import Profile


class Mode(msgspec.Struct, frozen=True):
    """A disk: as it is, or with so much added to each flush."""

    name: str
    environment: dict[str, str]


class Bench(msgspec.Struct, kw_only=True):
    """Where the parts work, and where they put what is more than figures."""

    folder: Path
    modes: list[Mode]
    quick: bool
    profile: bool
    profiles: dict[str, Profile] = {}
    notes: list[str] = []

    def site(self, name: str) -> Path:
        return new_site(self.folder / name)
