"""What is done in the engine when a command asks for it."""

from __future__ import annotations

import asyncio
import logging

from cuebird.changes.migration import migrate
from cuebird.control.order import Order, OrderResult
from cuebird.serving.outbox import OutboxRefused, decide
from cuebird.serving.releasing import release
from cuebird.serving.reload import Reload
from cuebird.serving.ways_out import WaysOut
from engine.clock import SystemClock
from engine.engine import Engine
from persistence.interface import Store

log = logging.getLogger(__name__)


class Orders:
    """One order after the other, in the order in which they came, and none while the site is changed."""

    def __init__(
        self,
        engine: Engine,
        store: Store,
        clock: SystemClock,
        reload: Reload,
        ways_out: WaysOut,
    ) -> None:
        self._engine = engine
        self._reload = reload
        self._store = store
        self._clock = clock
        self._ways_out = ways_out
        self._turn = asyncio.Lock()

    async def do(self, order: Order) -> OrderResult:
        """Do what is asked. What goes wrong is in the result, and the engine goes on."""
        async with self._turn:
            try:
                if order.what == "apply":
                    return await self._apply(order)
                async with self._reload.unchanged:
                    return await self._done(order)
            except OutboxRefused as error:
                return OrderResult(taken=False, problems=(str(error),))
            except Exception as error:
                # Whatever a command can ask, those who are served must not notice.
                log.exception("what a command asked could not be done: %s", order.what)
                return OrderResult(taken=False, problems=(f"{type(error).__name__}: {error}",))

    async def _apply(self, order: Order) -> OrderResult:
        news = await self._reload.look(order.why, order.who, order.program)
        return OrderResult(taken=news.taken, problems=news.problems, campaigns=news.campaigns)

    async def _done(self, order: Order) -> OrderResult:
        if order.what == "believe_clock":
            return OrderResult(taken=self._clock.confirm())
        if order.what == "migrate":
            moved, left = await migrate(self._engine, self._store, order.campaign, order.who, order.id)
            return OrderResult(taken=True, moved=moved, problems=tuple(left))
        if order.what in ("retry", "drop"):
            return OrderResult(taken=True, released=await release(self._engine, order))
        out = self._ways_out
        messages = await decide(self._store, order, let_go=out.release, settle=out.dispatcher.drop)
        return OrderResult(taken=True, messages=messages)
