"""Rows of SQLite as the contract's structs, and the columns that each is made of."""

from __future__ import annotations

from typing import Any, Final

from actors.event import Event
from actors.turn import Decision, Send
from persistence.interface import Entry, Outboxed, Snapshot

# Texts that are bytes to us are read as they lie: SQLite does not check them, and decoding them would be for nothing.
ENTRY: Final = "seq, at, user, kind, name, message_id, occurred, source, CAST(body AS BLOB) AS body, CAST(context AS BLOB) AS context"
SNAPSHOT: Final = "user, position, due, state"
DECISION: Final = (
    "at, user, turn, idx, campaign, version, run, step, decision, reason, channel, template, variant, message, "
    "CAST(detail AS BLOB)"
)
OUTBOXED: Final = (
    "id, user, campaign, version, run, step, channel, template, purpose, topic, recipient, subject, at, expires, "
    "CAST(context AS BLOB), state, attempts, due, boot, reply"
)

Row = Any
"""A tuple of the columns named above: SQLite's types, kept by STRICT tables."""


def entry(row: Row) -> Entry:
    seq, at, user, kind, name, message_id, occurred, source, body, context = row
    return Entry(
        seq,
        at,
        Event(
            user=user,
            kind=kind,
            name=name,
            message_id=message_id,
            occurred=occurred,
            body=body,
            context=context,
            source=source,
        ),
    )


def snapshot(row: Row) -> Snapshot:
    return Snapshot(*row)


def decision(row: Row) -> Decision:
    at, user, turn, index, campaign, version, run, step, kind, reason, channel, template, variant, message, detail = row
    return Decision(
        at=at,
        user=user,
        turn=turn,
        index=index,
        campaign=campaign,
        version=version,
        run=run,
        step=step,
        decision=kind,
        reason=reason,
        channel=channel,
        template=template,
        variant=variant,
        message=message,
        detail=detail,
    )


def outboxed(row: Row) -> Outboxed:
    (*sent, at, expires, context, state, attempts, due, boot, reply) = row
    id_, user, campaign, version, run, step, channel, template, purpose, topic, to, subject = sent
    return Outboxed(
        send=Send(
            id=id_,
            user=user,
            campaign=campaign,
            version=version,
            run=run,
            step=step,
            channel=channel,
            template=template,
            purpose=purpose,
            topic=topic,
            to=to,
            subject=subject,
            at=at,
            expires=expires,
            context=context,
        ),
        state=state,
        attempts=attempts,
        due=due,
        boot=boot,
        reply=reply,
    )
