"""Rows to store: short to write in a test, and every field different from its default where it matters."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import TypeVar

from actors.model.event import Event
from actors.model.turn import Decision, Send
from persistence.interface import Commit, JournalEntry, Store

T = TypeVar("T")


def entry(
    seq: int, user: str = "ann", *, at: int | None = None, body: bytes = b"{}", context: bytes = b""
) -> JournalEntry:
    event = Event(user=user, name="product_added", message_id=f"m{seq}", occurred=seq - 1, body=body, context=context)
    return JournalEntry(seq, 1_000 + seq if at is None else at, event)


def decision(turn: int = 1, index: int = 0, *, user: str = "ann", at: int = 1_000, campaign: str = "cart") -> Decision:
    return Decision(
        at=at, user=user, turn=turn, index=index, campaign=campaign, version="v1", run="r1", decision="entered"
    )


def send(name: str = "s1", *, at: int = 1_000, subject: str | None = None) -> Send:
    return Send(
        id=name,
        user="ann",
        campaign="cart",
        version="v1",
        run="r1",
        step="send cart_1",
        channel="email",
        template="cart_1",
        purpose="marketing",
        topic="news",
        to="ann@example.test",
        subject=subject,
        at=at,
        expires=at + 86_400_000,
        context=b'{"user": {"name":"Ann"}}',
    )


async def store_blocks(store: Store, sizes: Sequence[int], users: Sequence[str] = ("ann",)) -> list[JournalEntry]:
    """A commit of each size, by the users in turn. Returns the whole journal."""
    journal: list[JournalEntry] = []
    for size in sizes:
        block = [entry(seq, users[seq % len(users)]) for seq in range(len(journal) + 1, len(journal) + 1 + size)]
        await store.commit(Commit(entries=block))
        journal += block
    return journal


async def every(batches: AsyncIterator[list[T]]) -> list[T]:
    return [item async for batch in batches for item in batch]
