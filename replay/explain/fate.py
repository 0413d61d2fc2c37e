"""What became of a message that was decided: the outbox in words."""

from __future__ import annotations

from persistence.interface import Outboxed
from replay.explain import words


def fate(found: Outboxed, now: int) -> str:
    """`accepted: 250 2.0.0 Ok`, `waits for the next try at 14:20, after 3: 451 try later`."""
    said = f": {found.reply}" if found.reply else ""
    match found.state:
        case "pending":
            return "waits in the outbox"
        case "claimed" | "at_dot":
            return "is being handed over"
        case "sent":
            return f"accepted{said}" if found.send.channel == "email" else f"shown{said}"
        case "retry":
            return f"waits for the next try at {words.moment(found.due, now)}, after {_tries(found.attempts)}{said}"
        case "failed":
            return f"not delivered{said}"
        case "unknown":
            return f"in doubt, nobody can know whether it arrived{said}"


def _tries(attempts: int) -> str:
    return "one" if attempts == 1 else str(attempts)
