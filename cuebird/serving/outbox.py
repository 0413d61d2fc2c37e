"""What an operator says of the messages that wait in the outbox: which are to go out, and which are not."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Final

import msgspec

from actors.model.turn import Channel
from cuebird.control.order import Order
from persistence.interface import Outboxed, StoreReader

DROPPED: Final = "dropped by an operator"


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """Which of those that wait; what is not said chooses nothing away."""

    before: int | None = None
    """Decided before that time, in ms since the epoch."""
    campaign: str = ""
    channel: Channel | None = None

    @property
    def everything(self) -> bool:
        return self == Choice()

    def has(self, row: Outboxed) -> bool:
        send = row.send
        return (
            (self.before is None or send.at < self.before)
            and self.campaign in ("", send.campaign)
            and self.channel in (None, send.channel)
        )


def choice_of(order: Order) -> Choice:
    return Choice(before=order.before, campaign=order.campaign, channel=order.channel)


class OutboxRefused(Exception):
    """What was asked cannot be done now; the text says why, and what can."""


Release = Callable[[Sequence[str] | None], Awaitable[None]]
Drop = Callable[[Sequence[Outboxed], str], Awaitable[int]]


async def chosen(store: StoreReader, choice: Choice) -> AsyncIterator[list[Outboxed]]:
    """Those that wait and are chosen, a page at a time, in the order in which they are due."""
    async for page in store.waiting():
        found = [row for row in page if choice.has(row)]
        if found:
            yield found


async def decide(store: StoreReader, order: Order, let_go: Release, settle: Drop) -> int:
    """Does what is asked. Returns of how many messages."""
    choice = choice_of(order)
    return await (release(store, choice, let_go) if order.what == "release_outbox" else drop(store, choice, settle))


async def release(store: StoreReader, choice: Choice, let_go: Release) -> int:
    """Returns how many messages may go out that could not before. With everything chosen the hold ends. Raises
    OutboxRefused if there is none."""
    if await store.hold() is None:
        raise OutboxRefused("the outbox is not on hold: what is due goes out by itself")
    count = 0
    async for page in chosen(store, choice):
        count += len(page)
        if not choice.everything:
            await let_go([row.send.id for row in page])
    if choice.everything:
        await let_go(None)
    return count


async def drop(store: StoreReader, choice: Choice, settle: Drop) -> int:
    """Returns how many messages will not go out."""
    return sum([await settle(page, DROPPED) async for page in chosen(store, choice)])
