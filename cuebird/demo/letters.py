"""The letters that the demo's mail server took, as the inbox page shows them."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

import msgspec

LETTERS_MAX = 500
"""The oldest goes."""


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """One delivered message. `html` "" if it has none."""

    id: str
    at: int
    sender: str = msgspec.field(name="from")
    to: Sequence[str]
    subject: str
    text: str
    html: str
    headers: list[tuple[str, str]]


class Heading(msgspec.Struct, frozen=True, kw_only=True):
    """A letter's line in the list."""

    id: str
    at: int
    to: Sequence[str]
    subject: str


def read_letter(id: str, raw: bytes, to: Sequence[str], at: int) -> Letter:
    """What a mail client would make of the bytes; a broken part shows as empty rather than failing."""
    message = message_from_bytes(raw, policy=default)
    assert isinstance(message, EmailMessage), "the default policy makes no other"
    return Letter(
        id=id,
        at=at,
        sender=str(message.get("From", "")),
        to=tuple(to),
        subject=str(message.get("Subject", "(no subject)")),
        text=_body(message, "plain"),
        html=_body(message, "html"),
        headers=[(name, str(value)) for name, value in message.items()],
    )


def _body(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    try:
        return str(part.get_content()) if part is not None else ""
    except (LookupError, KeyError, ValueError):
        return ""


class Letters:
    """The newest letters, oldest first, and who waits for the next."""

    def __init__(self) -> None:
        self._letters: OrderedDict[str, Letter] = OrderedDict()
        self._count = 0
        self._fresh = asyncio.Event()
        self._closed = False

    def take(self, raw: bytes, to: Sequence[str], at: int) -> Letter:
        self._count += 1
        letter = read_letter(str(self._count), raw, to, at)
        self._letters[letter.id] = letter
        if len(self._letters) > LETTERS_MAX:
            self._letters.popitem(last=False)
        self._tell()
        return letter

    def get(self, id: str) -> Letter | None:
        return self._letters.get(id)

    def headings(self, after: int = 0) -> list[Heading]:
        """Of the letters that came after number `after`."""
        return [
            Heading(id=letter.id, at=letter.at, to=letter.to, subject=letter.subject)
            for letter in self._letters.values()
            if int(letter.id) > after
        ]

    async def follow(self) -> AsyncIterator[Heading]:
        """Every letter from now on, until `close`."""
        seen = self._count
        while not self._closed:
            fresh = self._fresh
            if self._count == seen:
                await fresh.wait()
            for heading in self.headings(seen):
                yield heading
            seen = self._count

    def close(self) -> None:
        """Ends all who follow."""
        self._closed = True
        self._tell()

    def _tell(self) -> None:
        fresh, self._fresh = self._fresh, asyncio.Event()
        fresh.set()
