"""Rows of SQLite as the contract's structs, and the columns that each is made of."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from actors.turn import Decision, Send
from persistence.interface import Outboxed, Snapshot, StorageDamaged

SNAPSHOT: Final = "user, position, due, state"
DECISION: Final = "row, decision"
OUTBOXED: Final = "id, send, state, attempts, due, boot, reply"

Row = Any
"""A tuple of the columns named above: SQLite's types, kept by STRICT tables, but NULL for all that is cut off by a torn
page."""

decode_decision: Final = msgspec.msgpack.Decoder(Decision).decode
decode_send: Final = msgspec.msgpack.Decoder(Send).decode


def snapshot(row: Row) -> Snapshot:
    return Snapshot(*row)


def decision(row: Row) -> Decision:
    """Raises StorageDamaged."""
    number, data = row
    try:
        return decode_decision(data)
    except (msgspec.MsgspecError, TypeError) as error:
        raise _damaged(f"row {number} of the ledger", error) from error


def outboxed(row: Row) -> Outboxed:
    """Raises StorageDamaged."""
    name, data, state, attempts, due, boot, reply = row
    try:
        send = decode_send(data)
    except (msgspec.MsgspecError, TypeError) as error:
        raise _damaged(f"send {name} of the outbox", error) from error
    return Outboxed(send=send, state=state, attempts=attempts, due=due, boot=boot, reply=reply)


def _damaged(what: str, error: Exception) -> StorageDamaged:
    return StorageDamaged(f"{what} is damaged: {error}. The disk or its memory is faulty: restore a backup")
