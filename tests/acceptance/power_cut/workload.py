"""The program whose power is cut: commits to a real store, and writes a mark to the file `acks` after each commit.

`python -m tests.acceptance.power_cut.workload DIRECTORY SEED SYNCHRONOUS`
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
from pathlib import Path
from typing import Final

from actors.model.event import Event
from actors.model.turn import Decision, Send
from persistence import writing
from persistence.interface import Commit, JournalEntry, Mark, SendState, Snapshot
from persistence.sqlite import SqliteStore

COMMITS: Final = 400
RESTARTS: Final = (150, 300)
"""Commits after which the store is closed and opened again: then the WAL goes and a new one comes."""

_STEPS: Final[tuple[SendState, ...]] = ("claimed", "at_dot", "sent")


def commits(seed: int) -> list[Commit]:
    """What is committed, all of it a function of the seed: so what must be in an image is known without asking it."""
    return list(_Shop(random.Random(seed)).run())


class _Shop:
    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._seq = 0
        self._open_sends: list[tuple[str, int]] = []

    def run(self) -> list[Commit]:
        return [self._commit(number) for number in range(1, COMMITS + 1)]

    def _commit(self, number: int) -> Commit:
        rng = self._rng
        entries = [self._entry() for _ in range(rng.randint(1, 5))]
        sends = [self._send(number)] if rng.random() < 0.3 else []
        return Commit(
            entries=entries,
            decisions=[self._decision(number, each) for each in sends],
            sends=sends,
            marks=self._marks(number, sends),
            snapshots=[self._snapshot() for _ in range(rng.randint(1, 10))] if rng.random() < 0.3 else [],
            replayed_from=self._seq if rng.random() < 0.1 else None,
        )

    def _entry(self) -> JournalEntry:
        self._seq += 1
        body = b'{"text":"%s"}' % (b"x" * self._rng.randrange(400))
        event = Event(user=f"u{self._rng.randrange(50)}", name="product_added", message_id=f"m{self._seq}", body=body)
        return JournalEntry(self._seq, self._seq, event)

    def _snapshot(self) -> Snapshot:
        state = self._rng.randbytes(self._rng.randrange(1_000))
        return Snapshot(f"u{self._rng.randrange(50)}", self._seq, self._seq + 1_000, state)

    def _send(self, number: int) -> Send:
        return Send(
            id=f"send {number}",
            user="u1",
            campaign="cart",
            version="v",
            run="r",
            step="s",
            channel="email",
            template="t",
            purpose="marketing",
            topic="",
            to="u1@example.test",
            at=number,
            expires=number + 1_000,
            context=b'{"user":{}}',
        )

    def _decision(self, number: int, send: Send) -> Decision:
        return Decision(
            at=number,
            user=send.user,
            turn=number,
            index=0,
            campaign=send.campaign,
            version=send.version,
            decision="sent",
            message=send.id,
        )

    def _marks(self, number: int, new: list[Send]) -> list[Mark]:
        """Every send under way takes its next step."""
        marks = [Mark(id=name, state=_STEPS[step], at=number, boot="boot") for name, step in self._open_sends]
        moved = [(name, step + 1) for name, step in self._open_sends if step + 1 < len(_STEPS)]
        self._open_sends = moved + [(send.id, 0) for send in new]
        return marks


async def run(directory: Path, seed: int, synchronous: str) -> None:
    # Small figures, so that the log holds many checkpoints.
    vars(writing).update(CHECKPOINT_PAGES=60, _WORK_BETWEEN_CHECKPOINTS_MIN=20)
    acks = os.open(directory / "acks", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    store = await _opened(directory, synchronous)
    for number, commit in enumerate(commits(seed), 1):
        await store.commit(commit)
        os.write(acks, b".")
        if number in RESTARTS:
            await store.close()
            store = await _opened(directory, synchronous)
    await store.close()


async def _opened(directory: Path, synchronous: str) -> SqliteStore:
    store = SqliteStore(directory / "cuebird.db")
    await store.open()
    await store._connections[0].execute_fetchall(f"PRAGMA synchronous = {synchronous}")
    return store


if __name__ == "__main__":
    asyncio.run(run(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))
