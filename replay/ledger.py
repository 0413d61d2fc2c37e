"""A decision as its row of the ledger (language.md §9): the same row live, simulated and explained."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from actors.model.turn import Decision

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_encode = msgspec.json.Encoder().encode


class LedgerRow(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The keys in the order in which they are printed. What is not there is null, so that every row has every key."""

    at: str
    user: str
    campaign: str
    version: str
    run: str | None
    step: str | None
    decision: str
    reason: str | None
    channel: str | None
    template: str | None
    variant: str | None
    message: str | None
    detail: msgspec.Raw


def iso(at: int) -> str:
    """Milliseconds since the epoch as `2026-01-01T00:30:00.000Z`."""
    return (_EPOCH + timedelta(milliseconds=at)).isoformat(timespec="milliseconds")[:-6] + "Z"


def line(decision: Decision) -> bytes:
    """The row as one line of JSON, without the line's end."""
    return _encode(
        LedgerRow(
            at=iso(decision.at),
            user=decision.user,
            campaign=decision.campaign,
            version=decision.version,
            run=decision.run or None,
            step=decision.step or None,
            decision=decision.decision,
            reason=decision.reason,
            channel=decision.channel,
            template=decision.template,
            variant=decision.variant,
            message=decision.message,
            detail=msgspec.Raw(decision.detail),
        )
    )


def row(decision: Decision) -> dict[str, Any]:
    """The row as a plain dictionary, `detail` decoded."""
    decoded: dict[str, Any] = msgspec.json.decode(line(decision))
    return decoded
