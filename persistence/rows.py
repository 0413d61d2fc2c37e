"""Rows of SQLite as the contract's structs, and the columns that each is made of."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from actors.model.event import Event
from actors.model.turn import Decision, Send
from persistence import blocks
from persistence.interface import Held, JournalEntry, Outboxed, Quarantined, Snapshot, StorageDamaged

SNAPSHOT: Final = "user, position, due, state"
DECISION: Final = "row, decision"
OUTBOXED: Final = "id, send, state, attempts, due, boot, reply"
HELD: Final = "user, at, reason, position"
QUARANTINED: Final = "row, user, at, reason, event"

Row = Any
"""A tuple of the columns named above: SQLite's types, kept by STRICT tables, but NULL for all that is cut off by a torn
page."""

decode_decision: Final = msgspec.msgpack.Decoder(Decision).decode
decode_send: Final = msgspec.msgpack.Decoder(Send).decode
decode_event: Final = msgspec.msgpack.Decoder(Event).decode

_UNREADABLE: Final = (msgspec.MsgspecError, TypeError, UnicodeDecodeError)
"""What a decoder raises: at bytes that are no MessagePack, at NULL, at a text that is no UTF-8."""


def snapshot(row: Row) -> Snapshot:
    return Snapshot(*row)


def decision(row: Row) -> Decision:
    """Raises StorageDamaged."""
    number, data = row
    try:
        return decode_decision(data)
    except _UNREADABLE as error:
        raise _damaged(f"row {number} of the ledger", error) from error


def outboxed(row: Row) -> Outboxed:
    """Raises StorageDamaged."""
    name, data, state, attempts, due, boot, reply = row
    try:
        send = decode_send(data)
    except _UNREADABLE as error:
        raise _damaged(f"send {name} of the outbox", error) from error
    return Outboxed(send=send, state=state, attempts=attempts, due=due, boot=boot, reply=reply)


def held(row: Row) -> Held:
    return Held(*row)


def change(row: Row) -> JournalEntry:
    """Raises StorageDamaged."""
    number, data = row
    try:
        return blocks.decode_entry(data)
    except _UNREADABLE as error:
        raise _damaged(f"change {number} by an operator", error) from error


def quarantined(row: Row) -> Quarantined:
    """Raises StorageDamaged."""
    number, user, at, reason, data = row
    try:
        event = decode_event(data)
    except _UNREADABLE as error:
        raise _damaged(f"row {number} of the quarantine", error) from error
    return Quarantined(user, at, event, reason)


def _damaged(what: str, error: Exception) -> StorageDamaged:
    return StorageDamaged(f"{what} is damaged: {error}. The disk or its memory is faulty: restore a backup")
