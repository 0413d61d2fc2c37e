"""The keys of a site that is served: looked at twice a second, so that one that was stolen can be taken away at once.

Only the keys: other settings count from the next start. As with the site's files an edit counts when two looks in a row saw
the same file, so that half an edit is not taken for a whole one.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from cuebird.settings.config import FILE, ConfigError, Keys, load
from ingress.principals.keys import KeyRing

log = logging.getLogger(__name__)

LOOK_EVERY_S: Final = 0.5

Print = tuple[int, int, int]
"""When the file was changed, its size, its inode."""


class KeyWatch:
    """Made before anything takes long, so that no change is missed. `changed` is called when the ring holds other keys than
    before."""

    def __init__(self, site: Path, ring: KeyRing) -> None:
        self.changed: Callable[[], None] = lambda: None
        self._site = site
        self._ring = ring
        self._before = self._seen = self._print()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            self.look()

    def look(self) -> None:
        now = self._print()
        if now is not None and now != self._seen and now == self._before:
            self._seen = now
            self._take()
        self._before = now

    def _take(self) -> None:
        try:
            keys = load(self._site, os.environ).settings.keys
        except ConfigError as error:
            for problem in error.problems:
                log.error("the keys are not read again, those before count on: %s", problem)
            return
        ring, before = keys.ring(dev=self._ring.dev), names(self._ring)
        if ring == self._ring:
            return
        self._ring.follow(ring)
        self.changed()
        gone, new = before - names(ring), names(ring) - before
        told = [f"{what}: {', '.join(sorted(of))}" for what, of in (("revoked", gone), ("new", new)) if of]
        log.info("the keys were changed; %s", "; ".join(told) or "none is gone and none is new")
        if keys == Keys():
            log.warning("there are no keys: nobody can send an event (`cuebird keys new` makes one)")

    def _print(self) -> Print | None:
        """None: there is no such file, or nothing in it yet, for some write a file anew by emptying it first."""
        try:
            stat = (self._site / FILE).stat()
        except OSError:
            return None
        return (stat.st_mtime_ns, stat.st_size, stat.st_ino) if stat.st_size else None


def names(ring: KeyRing) -> set[str]:
    """Of each key: kind, name and the beginning of its SHA-256, by which `cuebird keys` tells it too."""
    kinds = (("write", ring.write_keys), ("server", ring.server_keys), ("proof", ring.proofs))
    return {f"{kind} {key.name or '-'} {key.digest[:12]}" for kind, keys in kinds for key in keys}
