"""A dispatcher with everything around it real but the engine: a store, a clock that is moved by hand, a mail server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from actors.model.event import Event
from actors.model.turn import Send
from delivery.dispatcher import Dispatcher
from delivery.push import PushMessage
from delivery.settings import SmtpSettings
from engine.clock import ManualClock
from engine.submit import Receipt
from persistence.interface import Commit, Link, Mark, Outboxed, StorageFull, Suppression
from persistence.memory import MemoryStore
from tests.unit.delivery.making import NOW, SETTINGS, templates

HTML = (
    '---\nsubject: "Your cart"\n---\n<p>Hi</p><a href="https://shop.example/cart">Buy</a>{{ data.big | default("") }}'
)
IMPATIENT = {"command_s_max": 0.25, "connect_s_max": 0.25, "body_s_max": 0.25, "dot_s_max": 0.25}
"""For a server that hangs: what takes ten minutes in life."""
PUSH = 'title: "Still thinking?"'
WAIT_S = 5.0


class World:
    def __init__(
        self, path: Path, port: int, store: MemoryStore, smtp: dict[str, Any], settings: dict[str, Any]
    ) -> None:
        self.store = store
        self.clock = ManualClock(NOW)
        self.events: list[dict[str, Any]] = []
        self.pushed: list[tuple[str, PushMessage]] = []
        self.reasons: dict[str, str] = {}
        """Why the engine would not let a send go out, by id."""
        self.full = 0
        """So many writes find the disk full."""
        self.commits: list[tuple[str, ...]] = []
        """States written by each commit of the dispatcher's."""
        self.before_write: Callable[[Sequence[Mark]], Awaitable[None]] | None = None
        self.task: asyncio.Task[None]
        self.may_stop = False
        """Whether the dispatcher stopping by itself is what the test wants."""
        self.pages_open = 1
        self.refuse = 0
        """So many submissions are refused."""
        self._changed = asyncio.Condition()
        told = {"port": port, "security": "none", "from_address": "news@shop.example"} | smtp
        self.smtp = msgspec.convert(told, SmtpSettings)
        self.settings = msgspec.structs.replace(SETTINGS, **settings)
        self.dispatcher = Dispatcher(
            store=store,
            write=self.write,
            submit=self.submit,
            recheck=self.recheck,
            publish=self.publish,
            templates=templates(path, self.settings, cart_1_html=HTML, nudge_push=PUSH),
            smtp=self.smtp,
            settings=self.settings,
            clock=self.clock,
            boot="boot-2",
        )

    async def write(self, marks: Sequence[Mark], links: Sequence[Link], suppressions: Sequence[Suppression]) -> None:
        if self.before_write is not None:
            await self.before_write(marks)
        if self.full:
            self.full -= 1
            raise StorageFull("commit")
        async with self._changed:
            await self.store.commit(Commit(marks=list(marks), links=list(links), suppressions=list(suppressions)))
            self.commits.append(tuple(mark.state for mark in marks))
            self._changed.notify_all()

    def submit(self, events: Sequence[Event], done: Callable[[Receipt], None]) -> None:
        if self.refuse:
            self.refuse -= 1
            done(Receipt(refused="overloaded", retry_ms=1))
            return
        self.events += [
            {"name": event.name, "user": event.user, "message_id": event.message_id, **msgspec.json.decode(event.body)}
            for event in events
        ]
        done(Receipt(accepted=len(events)))
        self._told = asyncio.get_running_loop().create_task(self._notify())

    async def recheck(self, send: Send) -> str | None:
        return self.reasons.get(send.id)

    def publish(self, user: str, push: PushMessage) -> int:
        self.pushed.append((user, push))
        return self.pages_open

    async def decide(self, *sends: Send, wake: bool = True) -> None:
        """The engine commits these sends."""
        await self.store.commit(Commit(sends=list(sends)))
        if wake:
            self.dispatcher.wake(sends)

    async def row(self, send: Send) -> Outboxed:
        return (await self.store.sends([send.id]))[send.id]

    async def state(self, send: Send, wanted: str, *, reply: str | None = None) -> Outboxed:
        """Waits until the send is in that state, with that reply if one is named."""
        async with asyncio.timeout(WAIT_S), self._changed:
            while (row := await self.row(send)).state != wanted or reply not in (None, row.reply):
                await self._changed.wait()
        return row

    async def until(self, true: Callable[[], object]) -> None:
        """Waits until something holds that nobody tells us of."""
        async with asyncio.timeout(WAIT_S):
            while not true():
                await asyncio.sleep(0)

    async def event(self, name: str, times: int = 1) -> dict[str, Any]:
        """Waits until the engine was told of that event so often."""
        async with asyncio.timeout(WAIT_S), self._changed:
            await self._changed.wait_for(lambda: self.names().count(name) >= times)
        return [event for event in self.events if event["name"] == name][times - 1]

    def names(self) -> list[str]:
        return [event["name"] for event in self.events]

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()


@asynccontextmanager
async def running(
    path: Path,
    port: int = 1,
    *,
    store: MemoryStore | None = None,
    smtp: dict[str, Any] | None = None,
    **settings: Any,
) -> AsyncIterator[World]:
    """A dispatcher at work; if it fails, the test does."""
    if store is None:
        store = MemoryStore()
        await store.open()
    world = World(path, port, store, smtp or {}, settings)
    task = world.task = asyncio.get_running_loop().create_task(world.dispatcher.run())
    try:
        yield world
        assert world.may_stop or not task.done(), f"the dispatcher stopped: {task.exception()!r}"
    finally:
        task.cancel()
        await asyncio.wait([task])
        await asyncio.gather(*world.dispatcher._tasks, return_exceptions=True)
