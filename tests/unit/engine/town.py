"""A small site and an engine over it that can be stopped, restarted and given a bad disk: for the engine's tests."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec

from actors.actor import pack
from actors.model.compiled_patterns import Match
from actors.model.event import Event, Kind
from actors.model.program import (
    Campaign,
    Finish,
    Instruction,
    Policy,
    Program,
    SendMessage,
    WaitFor,
    WaitIdle,
    index,
)
from actors.model.turn import Channel, Decision, Send
from actors.values.names import ALIASES
from engine.clock import ManualClock
from engine.engine import Engine
from engine.limits import Limits
from engine.listener import EngineListener
from engine.submit import Receipt
from persistence.interface import Commit, JournalEntry, JournalHead, Snapshot, StorageFailed, StorageFull, Store
from persistence.memory import MemoryStore

START = 1_767_600_000_000
MINUTE = 60_000


def on(event: str) -> Match:
    return Match(event=event, where=None, text=event)


def send(template: str, channel: Channel = "push") -> SendMessage:
    return SendMessage(
        step=f"send {template}",
        channel=channel,
        template=template,
        subject=None,
        data=(),
        expires=None,
        topic="cart",
        purpose="transactional",
        collections=(),
    )


def campaign(name: str, entry: str, exits: tuple[str, ...], code: Sequence[Instruction], version: str) -> Campaign:
    return Campaign(
        id=name,
        version=f"{name}-{version}",
        status="live",
        purpose="transactional",
        topic="cart",
        priority=50,
        entries=(on(entry),),
        key=None,
        condition=None,
        audience=None,
        re_entry="always",
        re_entry_after=0,
        concurrency="one_per_user",
        exits=tuple(on(event) for event in exits),
        goal=None,
        code=(*code, Finish(step="finish")),
        listens=frozenset(exits),
        conditional=False,
    )


def site(version: str = "1", reminder: str = "cart_1") -> Program:
    """An idle cart is reminded after 30 minutes and an hour later; a sign-up is greeted at once and after 5 minutes."""
    idle = WaitIdle(step="wait idle", duration=lambda scope: 1800.0, of=None)
    later = WaitFor(step="wait 1h", duration=lambda scope: 3600.0)
    soon = WaitFor(step="wait 5m", duration=lambda scope: 300.0)
    campaigns = (
        campaign("cart", "product_added", ("order_completed",), (idle, send(reminder), later, send("cart_2")), version),
        campaign("welcome", "signed_up", (), (send("hello"), soon, send("tips")), version),
    )
    return Program(
        hash=f"site-{version}-{reminder}",
        campaigns=campaigns,
        versions={one.version: one for one in campaigns},
        slots=(),
        interests=index(campaigns, ()),
        policy=Policy(
            marketing_opt_in=True,
            tracking_opt_in=False,
            unverified_email=False,
            expires=24 * 60 * MINUTE,
            time_zone="UTC",
            lateness=24 * 60 * MINUTE,
        ),
        aliases=ALIASES,
    )


def event(user: str, name: str = "page_viewed", message_id: str = "", *, kind: Kind = "track", **body: Any) -> Event:
    return Event(
        user=user,
        kind=kind,
        name=name if kind in ("track", "page", "screen") else "",
        message_id=message_id or f"{user}-{name}-{next(_numbers)}",
        body=msgspec.json.encode(body),
    )


def _count() -> Any:
    number = 0
    while True:
        number += 1
        yield number


_numbers = _count()


class Disk:
    """A real store behind a door that can be held shut, found full, or broken."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.is_full = False
        self.is_broken = False
        self.full_after: int | None = None
        self.commits: list[Commit] = []
        self.loads: list[list[str]] = []
        self._open = asyncio.Event()
        self._open.set()
        self.waiting = asyncio.Event()

    def shut(self) -> None:
        """Commits wait."""
        self._open.clear()
        self.waiting.clear()

    def let_through(self) -> None:
        self._open.set()

    async def commit(self, commit: Commit) -> None:
        self.waiting.set()
        await self._open.wait()
        if self.full_after is not None:
            self.full_after -= 1
            self.is_full = self.full_after < 0
        if self.is_broken:
            raise StorageFailed("the disk answered with an I/O error")
        if self.is_full:
            raise StorageFull("no space left on device")
        await self.store.commit(commit)
        self.commits.append(commit)

    async def load(self, users: Sequence[str]) -> dict[str, Snapshot]:
        self.loads.append(list(users))
        return await self.store.load(users)

    async def open(self) -> JournalHead:
        return await self.store.open()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)


class Sent(EngineListener):
    """Keeps the sends that are announced."""

    def __init__(self, sent: list[Send]) -> None:
        self._sent = sent

    def on_sends(self, sends: list[Send]) -> None:
        self._sent += sends


class Town:
    """An engine that runs. `restart` forgets all that is in memory, as a kill does; `stop` ends it."""

    def __init__(
        self,
        store: Store | None = None,
        *,
        limits: Limits | None = None,
        program: Program | None = None,
        **options: Any,
    ) -> None:
        self.clock = ManualClock(START)
        self.disk: Any = Disk(store or MemoryStore())
        self.limits = limits or Limits(snapshot_every_ms=3_600_000)
        self.program = program or site()
        self.options = options
        self.sent: list[Send] = []
        self.engine: Engine
        self.running: asyncio.Task[None]

    async def start(self) -> Town:
        self.engine = Engine(
            self.disk, self.program, clock=self.clock, limits=self.limits, listener=Sent(self.sent), **self.options
        )
        await self.engine.open()
        self.running = asyncio.ensure_future(self.engine.run())
        return self

    async def stop(self) -> None:
        self.running.cancel()
        await asyncio.gather(self.running, return_exceptions=True)
        await self.disk.close()

    async def restart(self) -> None:
        await self.stop()
        await self.start()

    async def __aenter__(self) -> Town:
        return await self.start()

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    # --- doing ----------------------------------------------------------------------------------------------------

    def submit(self, *events: Event) -> asyncio.Future[Receipt]:
        told: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        self.engine.submit(events, told.set_result)
        return told

    async def take(self, *events: Event) -> Receipt:
        return await asyncio.wait_for(self.submit(*events), 5)

    async def pass_time(self, ms: int) -> None:
        """Until then, with all timers that come due on the way, each at its time."""
        until = self.clock.now_ms() + ms
        while True:
            due = self.engine.next_due()
            if due is None or due > until:
                break
            self.clock.move_to(max(due, self.clock.now_ms()))
            await self.quiet()
        self.clock.move_to(until)
        await self.quiet()

    async def quiet(self) -> None:
        """Nothing is due, in flight or gathering, and nobody is to be told of a change of the site."""
        async with asyncio.timeout(5):
            while True:
                await self.engine.rousing.settled.wait()
                await self.engine.written()
                due = self.engine.next_due()
                if due is None or due > self.clock.now_ms():
                    return
                await asyncio.sleep(0)

    # --- looking --------------------------------------------------------------------------------------------------

    async def journal(self) -> list[JournalEntry]:
        return [entry async for entries in self.disk.tail(0) for entry in entries]

    async def ledger(self) -> list[Decision]:
        rows = await self.disk.ledger(limit=100_000)
        return sorted(rows, key=lambda row: (row.user, row.turn, row.index))

    async def sends(self) -> list[tuple[str, str, int]]:
        return sorted((row.user, row.template or "", row.at) for row in await self.ledger() if row.decision == "sent")

    async def state(self, user: str) -> bytes:
        """All but the journal position: inputs of different users may be taken in another order."""
        actor = await self.engine.user(user)
        assert actor is not None
        return pack(msgspec.structs.replace(actor, position=0))

    async def inputs(self) -> dict[str, list[tuple[int, Event]]]:
        """user -> (at, event), in order."""
        found: dict[str, list[tuple[int, Event]]] = {}
        for entry in await self.journal():
            found.setdefault(entry.event.user, []).append((entry.at, entry.event))
        return found
