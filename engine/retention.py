"""The journal does not grow for ever: what is older than anybody needs is removed, a little at a time, beside the commits.

Nothing is removed that a start, a user in quarantine or a backtest may still have to take again, and nothing while the
machine's clock is not believed.
"""

from __future__ import annotations

import asyncio
import logging
from time import monotonic
from typing import Final

from engine.clock import Clock
from engine.committer import Committer
from engine.limits import Keep
from engine.quarantine import Quarantine
from persistence.interface import Journal, StorageDamaged, StorageFull, Store, StoreError

log = logging.getLogger(__name__)

LOOK_EVERY_S: Final = 60.0
SHARE_MAX: Final = 0.2
"""Of the time that cutting may take, so that commits have the disk."""
DAY_MS: Final = 86_400_000


class Retention:
    """`keep` None: everything."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        keep: Keep | None,
        committer: Committer,
        quarantine: Quarantine,
    ) -> None:
        self._store = store
        self._clock = clock
        self._keep = keep
        self._committer = committer
        self._quarantine = quarantine
        self._began = (0, 0.0)
        self.looks_back_ms = 0
        """How far back the site looks: a backtest needs as much before the time that it is asked for."""
        self.journal = Journal()
        """As it was when it was last looked at."""

    def begin(self, newest_at: int) -> None:
        """Of a journal whose newest entry is stamped `newest_at`, 0 if it is empty."""
        self._began = (newest_at or self._clock.now_ms(), monotonic())

    async def run(self) -> None:
        """Until cancelled. Raises what the store raises if it fails."""
        while True:
            try:
                await self.look()
            except StorageFull:
                pass  # to remove something takes room too, and there will be some
            except StorageDamaged as damage:
                log.error("nothing more is removed from the journal: %s", damage)
                return
            except StoreError as error:
                self._committer.fail(error)
            await asyncio.sleep(LOOK_EVERY_S)

    async def look(self) -> None:
        """Remove what is too old or too much, as far as nobody needs it."""
        if self._keep is not None and not self._clock.held:
            await self._keep_to(self._keep)
        self.journal = await self._store.journal()

    async def _keep_to(self, keep: Keep) -> None:
        now = self._believed_ms()
        reach = now - keep.reach_ms - self.looks_back_ms
        while await self._cut(min(now - keep.age_ms, reach)):
            pass
        while (await self._store.journal()).bytes > keep.bytes_max and await self._cut(reach):
            pass

    def _believed_ms(self) -> int:
        """Now, but not by a clock that was set forward: it would make everything old at once."""
        began, at = self._began
        return min(self._clock.now_ms(), began + int((monotonic() - at) * 1000) + DAY_MS)

    async def _cut(self, at: int) -> bool:
        started = monotonic()
        removed = await self._store.cut(self._quarantine.needs_journal_after, at)
        await asyncio.sleep((monotonic() - started) * (1 / SHARE_MAX - 1))
        return removed > 0
