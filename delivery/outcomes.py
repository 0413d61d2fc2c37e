"""What a server's answer, or its silence, means for a mail. Pure.

Only what happened after the final dot was written and before an answer to it can be in doubt: everything else is either
not delivered for certain (try again) or answered (design §4.9; RFC 1047).
"""

from __future__ import annotations

import re
from typing import Final, Literal
from zlib import crc32

import msgspec

Stage = Literal["connect", "ehlo", "starttls", "auth", "mail", "rcpt", "data", "body", "dot"]
FaultKind = Literal["refused", "closed", "timeout", "malformed", "tls"]
"""`refused`: a 4xx or 5xx reply. `malformed`: what is no reply, or one that does not belong there."""

REPLY_CHARACTERS_MAX: Final = 500
MINUTE: Final = 60_000
RETRY_MS: Final = (MINUTE, 5 * MINUTE, 15 * MINUTE, 60 * MINUTE, 180 * MINUTE)
"""Wait before the next attempt, by number of attempts made; the last one repeats until the send expires."""
RELAY_RETRY_MS_MIN: Final = 5_000
RELAY_RETRY_MS_MAX: Final = 5 * MINUTE

_ENHANCED = re.compile(r"\b([245])\.(\d{1,3})\.(\d{1,3})\b")
_GONE: Final = frozenset({"5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1"})
"""RFC 3463: no such mailbox, no such domain, bad address, moved, null MX, disabled."""
_GONE_AT_RCPT: Final = frozenset({550, 551, 553})
"""What the same was called before there were enhanced codes."""
_ABOUT_US: Final = frozenset({"connect", "ehlo", "starttls", "auth", "mail"})


class Reply(msgspec.Struct, frozen=True):
    code: int
    text: str

    def __str__(self) -> str:
        return f"{self.code} {self.text}"[:REPLY_CHARACTERS_MAX]


class SmtpFault(Exception):
    """A mail did not get through: at which stage, and how."""

    def __init__(self, stage: Stage, kind: FaultKind, what: str, reply: Reply | None = None) -> None:
        super().__init__(stage, kind, what, reply)
        self.stage = stage
        self.kind = kind
        self.what = what
        self.reply = reply

    def __str__(self) -> str:
        said = f": {self.reply}" if self.reply else f": {self.what}"
        return f"{self.kind} at {self.stage}{said}"[:REPLY_CHARACTERS_MAX]

    @property
    def blames_relay(self) -> bool:
        """Whether the next mail would meet the same: then the relay rests, and no message is used up on it."""
        return self.stage in _ABOUT_US or (self.reply is not None and self.reply.code == 421)


class Delivered(msgspec.Struct, frozen=True):
    reply: str


class Retry(msgspec.Struct, frozen=True):
    reply: str
    due: int


class Failed(msgspec.Struct, frozen=True):
    reply: str
    bounced: bool = False
    """The receiving side will not have this mail for this address."""
    gone: bool = False
    """The address does not exist: nothing more is to be sent to it."""


class Unknown(msgspec.Struct, frozen=True):
    reply: str


Outcome = Delivered | Retry | Failed | Unknown


def outcome(
    told: Reply | SmtpFault, *, send: str, attempt: int, now: int, expires: int, relay_faults: int = 0
) -> Outcome:
    """What becomes of a mail. `attempt` counts from 1; `relay_faults`: how often in a row the relay was to blame."""
    if isinstance(told, Reply):
        return Delivered(str(told))
    if told.kind == "refused":
        if told.reply is not None and told.reply.code >= 500 and not told.blames_relay:
            return _refused(told, told.reply)
    elif told.stage == "dot":
        return Unknown(str(told))
    wait = relay_delay(relay_faults) if told.blames_relay else retry_delay(send, attempt)
    if now + wait > expires:
        return Failed(f"expired after {attempt} attempts; {told}"[:REPLY_CHARACTERS_MAX])
    return Retry(str(told), now + wait)


def retry_delay(send: str, attempt: int) -> int:
    """Up to a fifth more than the schedule, so that what failed together does not come back together."""
    base = RETRY_MS[min(attempt, len(RETRY_MS)) - 1]
    return base + base * (crc32(f"{send}:{attempt}".encode()) % 1000) // 5000


def relay_delay(faults: int) -> int:
    """Doubles from 5 s to 5 min."""
    return min(RELAY_RETRY_MS_MIN << min(max(faults - 1, 0), 16), RELAY_RETRY_MS_MAX)


def enhanced_code(text: str) -> str | None:
    """The RFC 3463 code in a reply's text, None if there is none or it says nothing (`5.0.0`)."""
    found = _ENHANCED.search(text)
    return found[0] if found and found[0][1:] != ".0.0" else None


def _refused(fault: SmtpFault, reply: Reply) -> Failed:
    enhanced = enhanced_code(reply.text)
    if enhanced is not None:
        # 5.7 is policy: our DKIM, our reputation. It says nothing of the address.
        return Failed(str(fault), bounced=not enhanced.startswith("5.7."), gone=enhanced in _GONE)
    gone = fault.stage == "rcpt" and reply.code in _GONE_AT_RCPT
    return Failed(str(fault), bounced=True, gone=gone)
