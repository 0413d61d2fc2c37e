"""How a mail went, written down and told: the last arrow of each send."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import msgspec

from delivery.feedback import Feedback
from delivery.outcomes import REPLY_CHARACTERS_MAX, Delivered, Failed, Outcome, Retry, Unknown
from delivery.settings import DeliverySettings
from persistence.interface import Link, Mark, Outboxed, StorageFull, Suppression

log = logging.getLogger(__name__)

Write = Callable[[Sequence[Mark], Sequence[Link], Sequence[Suppression]], Awaitable[None]]
"""Stores them in the engine's next commit; returns when they are on disk. Raises StorageFull (nothing stored)."""

RESEND_AFTER_MS: Final = 60_000
STORAGE_RETRY_S: Final = 0.5
REMEMBERED_MAX: Final = 10_000
_DOUBT: Final = "in doubt once; "
"""Begins the reply of a row that was resent from `unknown`: it is not resent a second time, and whoever reads the outbox
sees why its mail may have arrived twice."""


class Settling:
    """`counts`: what became of messages since the start. `delivered_at`: when mails were accepted, of the last ten thousand."""

    def __init__(self, write: Write, feedback: Feedback, settings: DeliverySettings, now_ms: Callable[[], int]) -> None:
        self.counts: Counter[str] = Counter()
        self.delivered_at: OrderedDict[str, int] = OrderedDict()
        self._write = write
        self._feedback = feedback
        self._settings = settings
        self._now_ms = now_ms

    async def settle(self, row: Outboxed, result: Outcome) -> None:
        """Returns when the outcome is on disk and the engine has been told."""
        send, now = row.send, self._now_ms()
        suppressions: list[Suppression] = []
        kept = _DOUBT if row.reply.startswith(_DOUBT) else ""
        if isinstance(result, Delivered):
            marks = [Mark(id=send.id, state="sent", at=now, reply=kept + result.reply)]
        elif isinstance(result, Retry):
            marks = [Mark(id=send.id, state="retry", at=now, due=result.due, reply=kept + result.reply)]
        elif isinstance(result, Failed):
            marks = [Mark(id=send.id, state="failed", at=now, reply=kept + result.reply)]
            if result.gone:
                suppressions = [Suppression(send.to, "hard_bounce", now)]
        else:
            marks = self._doubtful(row, result, now)
        await self.stored(marks, suppressions)
        self.counts[marks[-1].state] += 1
        if isinstance(result, Unknown):
            self.counts["doubtful"] += 1
            log.warning("mail %s of campaign %s is in doubt: %s", send.id, send.campaign, result.reply)
        self._tell(row, result)

    async def drop(self, rows: Sequence[Outboxed], why: str) -> None:
        """Mails and pushes that wait shall not go out: an operator says so. Returns when that is on disk."""
        now = self._now_ms()
        await self.stored([Mark(id=row.send.id, state="failed", at=now, reply=why) for row in rows])
        self.counts["failed"] += len(rows)
        for row in rows:
            if row.send.channel == "email":
                self._feedback.tell("email_failed", row.send, reason=why)

    def _doubtful(self, row: Outboxed, result: Unknown, now: int) -> list[Mark]:
        send = row.send
        again = row.reply.startswith(_DOUBT)
        unknown = Mark(id=send.id, state="unknown", at=now, reply=(_DOUBT if again else "") + result.reply)
        settings = self._settings
        policy = settings.unknown_marketing if send.purpose == "marketing" else settings.unknown_transactional
        due = now + RESEND_AFTER_MS
        if policy == "hold" or again or due > send.expires:
            return [unknown]
        return [unknown, Mark(id=send.id, state="retry", at=now, due=due, reply=_DOUBT + result.reply)]

    def _tell(self, row: Outboxed, result: Outcome) -> None:
        send = row.send
        if isinstance(result, Delivered):
            remember(self.delivered_at, send.id, self._now_ms())
            self._feedback.tell("email_delivered", send)
        elif isinstance(result, Retry):
            self._feedback.tell("email_deferred", send, part=str(row.attempts + 1), reply=result.reply)
        elif isinstance(result, Failed) and result.bounced:
            self._feedback.tell("email_bounced", send, permanent=result.gone, address=send.to, reply=result.reply)
        elif isinstance(result, Failed):
            self._feedback.tell("email_failed", send, reason=result.reply)

    async def stored(self, marks: Sequence[Mark], suppressions: Sequence[Suppression] = ()) -> None:
        """Writes what has already happened in the world: with the disk full it waits until there is room."""
        cut = [msgspec.structs.replace(mark, reply=mark.reply[:REPLY_CHARACTERS_MAX]) for mark in marks]
        while True:
            try:
                await self._write(cut, [], suppressions)
            except StorageFull:
                self.counts["storage_full"] += 1
                await asyncio.sleep(STORAGE_RETRY_S)
            else:
                return


def remember(ids: OrderedDict[str, int], identity: str, at: int) -> None:
    """Keeps the last ten thousand."""
    ids[identity] = at
    if len(ids) > REMEMBERED_MAX:
        ids.popitem(last=False)
