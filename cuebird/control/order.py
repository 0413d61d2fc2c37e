"""What a command asks of the engine that runs, and what it is told."""

from __future__ import annotations

import secrets
from typing import Literal

import msgspec

from actors.model.turn import Channel
from engine.release import Released


class Order(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
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


class OrderResult(msgspec.Struct, frozen=True, kw_only=True):
    taken: bool
    problems: tuple[str, ...] = ()
    campaigns: tuple[str, ...] = ()
    moved: int = 0
    """Of `migrate`: runs."""
    released: tuple[Released, ...] = ()
    """Of `retry` and `drop`."""
    messages: int = 0
    """Of those about the outbox."""


def new_id() -> str:
    """Return a name for one order: the same one again moves nobody twice."""
    return secrets.token_hex(8)
