"""The letters that the demo's mail server caught, and who waits for the next one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import msgspec

from cuebird.demo.catcher import Catcher, Caught


class Heading(msgspec.Struct, frozen=True, kw_only=True):
    """A letter's line in the list."""

    id: int
    at: int
    to: str
    subject: str
    campaign: str
    """Which sent it; empty of a letter that no campaign sent."""


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """A letter as the inbox page shows it, but for its HTML."""

    id: int
    at: int
    sender: str
    to: str
    subject: str
    text: str
    headers: Sequence[tuple[str, str]]


class Bell:
    """Rings when a letter has come. `rung_by` fits the catcher's `on_message`."""

    def __init__(self) -> None:
        self._fresh = asyncio.Event()
        self._closed = False

    def rung_by(self, caught: Caught) -> None:
        self._ring()

    async def follow(self, catcher: Catcher, after: int) -> AsyncIterator[Heading]:
        """Every letter with a higher id than `after`, until `close`."""
        while not self._closed:
            fresh = self._fresh
            for caught in list(catcher.messages):
                if caught.id > after:
                    after = caught.id
                    yield heading(caught)
            await fresh.wait()

    def close(self) -> None:
        """Ends all who follow."""
        self._closed = True
        self._ring()

    def _ring(self) -> None:
        fresh, self._fresh = self._fresh, asyncio.Event()
        fresh.set()


def heading(caught: Caught) -> Heading:
    return Heading(
        id=caught.id,
        at=caught.at,
        to=caught.to,
        subject=caught.subject or "(no subject)",
        campaign=_campaign(caught),
    )


def _campaign(caught: Caught) -> str:
    """The campaigns of the demo are named in snake case, and a Feedback-ID has dashes instead."""
    label, _, _ = (caught.header("Feedback-ID") or "").partition(":")
    return label.replace("-", "_")


def letter(caught: Caught) -> Letter:
    return Letter(
        id=caught.id,
        at=caught.at,
        sender=next((value for name, value in caught.headers if name.lower() == "from"), caught.sender),
        to=caught.to,
        subject=caught.subject or "(no subject)",
        text=caught.text,
        headers=caught.headers,
    )
