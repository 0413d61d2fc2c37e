"""A command's word to the engine that runs: a request in a file beside the database, and an answer in another.

No signal: a process that does not listen to it yet, or is another by now, would end of it."""

from __future__ import annotations

import os
import secrets
import time
from pathlib import Path
from typing import Final, Literal, TypeVar

import msgspec

from actors.turn import Channel
from engine.release import Released

WAIT_S: Final = 30.0

T = TypeVar("T")


class Request(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    what: Literal["apply", "migrate", "retry", "drop", "believe_clock", "release_outbox", "drop_outbox"] = "apply"
    who: str = ""
    why: str = ""
    program: str = ""
    """Of `apply`: hash of what was shown, so that nothing is taken that nobody has seen."""
    campaign: str = ""
    """Of `migrate`, and of those about the outbox, "" being every one."""
    users: tuple[str, ...] = ()
    """Of `retry` and `drop`: who in quarantine."""
    anew: bool = False
    """Of `drop`: the actors too."""
    before: int | None = None
    """Of those about the outbox: decided before that time."""
    channel: Channel | None = None
    """Likewise; None: every one."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    taken: bool
    problems: tuple[str, ...] = ()
    campaigns: tuple[str, ...] = ()
    moved: int = 0
    """Of `migrate`: runs."""
    released: tuple[Released, ...] = ()
    """Of `retry` and `drop`."""
    messages: int = 0
    """Of those about the outbox."""


class NoAnswer(Exception):
    """The process that holds the database did not answer."""


class Requests:
    """Both files are the owner's alone, as the database is."""

    def __init__(self, database: Path) -> None:
        self._request = database.with_name(database.name + ".request")
        self._answer = database.with_name(database.name + ".answer")

    def take(self) -> Request | None:
        """The request that waits, once; None if there is none that can be read."""
        if not self._request.exists():
            return None
        request = _read(self._request, Request)
        self._request.unlink(missing_ok=True)
        return request

    def answer(self, answer: Answer) -> None:
        _write(self._answer, answer)

    def ask(self, pid: int, request: Request) -> Answer:
        """Blocks until the engine, that of process `pid`, has answered. Raises NoAnswer."""
        _write(self._request, request)
        started = time.monotonic()
        while time.monotonic() - started < WAIT_S:
            answer = _read(self._answer, Answer)
            if answer is not None and answer.id == request.id:
                self._answer.unlink(missing_ok=True)
                return answer
            time.sleep(0.02)
        self._request.unlink(missing_ok=True)
        raise NoAnswer(f"process {pid}, which holds the database, did not answer within {WAIT_S:.0f} s")


def new_id() -> str:
    return secrets.token_hex(8)


def _read(path: Path, kind: type[T]) -> T | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.MsgspecError):
        return None


def _write(path: Path, value: msgspec.Struct) -> None:
    """Whole or not at all, for the other side may look at any time."""
    half = path.with_name(path.name + ".new")
    descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.encode(value))
    half.replace(path)
