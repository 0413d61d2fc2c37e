"""Answers about one user for the routes of ingress/http/users.py, from the engine that runs and its store."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from engine.engine import Engine
from ingress.http.users import Unanswerable
from persistence.interface import Store
from replay.explain.explain import NoSuchCampaign, explained, recall
from replay.explain.model import Explanation, as_json
from replay.explain.profile import profile
from replay.explain.recall import KnownPrograms, known_source
from replay.ledger import row

RECENT_MAX: Final = 50
"""Decisions in the answer to GET /v1/users/{id}."""


class Answers:
    """`known` is the site that the engine was started with; those it has taken since are read from the store."""

    def __init__(self, engine: Engine, store: Store, known: KnownPrograms, now_ms: Callable[[], int]) -> None:
        self._engine = engine
        self._store = store
        self._known = known
        self._now_ms = now_ms

    async def profile(self, user: str) -> dict[str, Any] | None:
        known = await self._current()
        rows = await self._store.ledger(user=user, limit=RECENT_MAX)
        actor = await self._engine.user(user)
        if actor is None:
            return None
        # The program that runs can finish older versions too.
        found = profile(actor, KnownPrograms(known.site, self._engine.program), self._now_ms())
        return {**found, "decisions": [row(one) for one in rows]}

    async def explain(self, user: str, campaign: str | None, at: int | None) -> dict[str, Any] | None:
        explanation = await self.explanation(user, campaign, at)
        return as_json(explanation) if explanation is not None else None

    async def explanation(self, user: str, campaign: str | None = None, at: int | None = None) -> Explanation | None:
        """None if nothing was ever heard of the user. Raises Unanswerable."""
        now = self._now_ms()
        if at is not None and at > now:
            raise Unanswerable("that time has not come yet: `at` is a moment of the past")
        recalled = await recall(self._store, user, await self._current(), at)
        if recalled is None:
            return None
        try:
            # A long history takes a while to fold, and the engine's loop goes on meanwhile.
            return await asyncio.to_thread(explained, recalled, now if at is None else at, campaign)
        except NoSuchCampaign as error:
            raise Unanswerable(str(error)) from None

    async def _current(self) -> KnownPrograms:
        running = self._engine.program.hash
        if self._known.program.hash != running:
            source = (await self._store.programs([running])).get(running)
            self._known = known_source(source) if source is not None else self._known
        return self._known
