"""The engine's front door, all that ingress and delivery know of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Literal, Protocol

import msgspec

from actors.model.event import Event

RefusalCode = Literal[
    "overloaded",
    "storage_full",
    "draining",
    "too_many_for_user",
    "too_many_for_key",
    "too_many_for_address",
    "user_quarantined",
]


class Receipt(msgspec.Struct, frozen=True, gc=False):
    """Our word on one batch. Without `refused`: every event of the batch is on disk, or was before (`duplicates`), or will
    never be (`too_old`), or is stored for an operator to look at (`quarantined`)."""

    accepted: int = 0
    duplicates: int = 0
    too_old: int = 0
    """Events of a time of which their user's message ids are forgotten: nobody can know whether they were taken before."""
    refused: RefusalCode | None = None
    """Nothing of the batch was stored; send it again after `retry_ms`. Of `user_quarantined` the others' events are
    stored, and known when they come again: one user in quarantine shall not keep a back end from sending everybody's."""
    retry_ms: int = 0
    quarantined: int = 0
    """Events that no actor has taken: theirs failed on them, or is held."""


class Submit(Protocol):
    """`submit(events, done)`: takes the events in order, calls `done(receipt)` once, after their commit is on disk.

    Never blocks and never raises. `done` may be called before `submit` returns (a refusal), and is not called at all
    if the process stops because the store failed: no word is then the right word.
    """

    def __call__(self, events: Sequence[Event], done: Callable[[Receipt], None]) -> None: ...


class Stopping(Exception):
    """The engine takes no more: it is about to end."""


async def stored(submit: Submit, events: Sequence[Event]) -> None:
    """Returns when they are on disk; submits them again while the engine is too busy. Raises Stopping."""
    while events:
        told: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        submit(events, told.set_result)
        receipt = await told
        if receipt.refused is None:
            return
        if receipt.refused == "draining":
            raise Stopping
        await asyncio.sleep(receipt.retry_ms / 1000)
