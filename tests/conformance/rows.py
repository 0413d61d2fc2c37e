"""Rows to store: short to write in a test, and every field different from its default where it matters."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TypeVar

from actors.event import Event
from actors.turn import Decision, Send
from persistence.interface import Entry

T = TypeVar("T")


def entry(seq: int, user: str = "ann", *, at: int | None = None, body: bytes = b"{}", context: bytes = b"") -> Entry:
    event = Event(user=user, name="product_added", message_id=f"m{seq}", occurred=seq - 1, body=body, context=context)
    return Entry(seq, 1_000 + seq if at is None else at, event)


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


async def every(batches: AsyncIterator[list[T]]) -> list[T]:
    return [item async for batch in batches for item in batch]
