"""The log: one record a line on stderr, with its time (UTC), level and logger; as text, or as JSON for those who collect logs.

    2026-11-30T21:20:00.123Z WARNING delivery.dispatcher: the mail relay is not usable: connection refused

Whatever a record says, no address is told whole and no key at all: logs go where customers' data may not. User ids are
told, for without them nothing could be looked into.
"""

from __future__ import annotations

import logging
import re
import sys
from typing import Any, Final, Literal

import msgspec

from replay.ledger import iso

FIELDS: Final = "fields"
"""In `extra` of a record: what JSON tells by name, beside the message that says it in words."""

QUIET: Final = ("uvicorn", "aiosqlite")
"""Libraries that say a line a connection, or a line a statement with all that is in it: told from WARNING on."""

_ADDRESS: Final = re.compile(r"([^\s@<>\"'(),:;=\[\]{}/\\])[^\s@<>\"'(),:;=\[\]{}/\\]*@([\w.-]+)")
_KEY: Final = re.compile(r"\b([ws]k_)[\w-]+")
_PROOF: Final = re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]*")
_BREAK: Final = re.compile("[\x00-\x1f\x7f\x85\u2028\u2029]")

_encode = msgspec.json.Encoder(enc_hook=str).encode


class LogSettings(msgspec.Struct, frozen=True, kw_only=True):
    format: Literal["text", "json"] = "text"
    """`json`: each record is one object with `time`, `level`, `logger`, `message`, `trace` of an error, and its figures by name."""
    level: Literal["debug", "info", "warning", "error"] = "info"
    """What is less than this is not told."""


class _Formatter(logging.Formatter):
    def message_of(self, record: logging.LogRecord) -> str:
        return discreet(record.getMessage())

    def trace_of(self, record: logging.LogRecord) -> str:
        return discreet(self.formatException(record.exc_info)) if record.exc_info else ""


class TextLines(_Formatter):
    """What has several lines (a trace) is one: its line breaks are written as `\\n`."""

    def format(self, record: logging.LogRecord) -> str:
        said = "\n".join(part for part in (self.message_of(record), self.trace_of(record)) if part)
        return f"{_time(record)} {record.levelname} {record.name}: {_BREAK.sub(_escaped, said)}"


class JsonLines(_Formatter):
    def format(self, record: logging.LogRecord) -> str:
        told: dict[str, Any] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": self.message_of(record),
        }
        if trace := self.trace_of(record):
            told["trace"] = trace
        return _encode(getattr(record, FIELDS, {}) | told).decode()


class _Handler(logging.StreamHandler[Any]):
    """Ours, to be told from others when the log is set up again."""


def set_up(settings: LogSettings) -> None:
    """Everything that is logged in this process, by whom it may be, goes to stderr like this from now on."""
    root = logging.getLogger()
    for handler in [one for one in root.handlers if isinstance(one, _Handler)]:
        root.removeHandler(handler)
    ours = _Handler(sys.stderr)
    ours.setFormatter(JsonLines() if settings.format == "json" else TextLines())
    root.addHandler(ours)
    root.setLevel(settings.level.upper())
    logging.captureWarnings(True)
    for name in QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


def discreet(text: str) -> str:
    """The text with addresses shortened (`a…@shop.example`), and without keys and proofs."""
    return _PROOF.sub("eyJ…", _KEY.sub(r"\1…", _ADDRESS.sub(r"\1…@\2", text)))


def _time(record: logging.LogRecord) -> str:
    return iso(int(record.created * 1000))


def _escaped(found: re.Match[str]) -> str:
    return "\\n" if found[0] == "\n" else f"\\u{ord(found[0]):04x}"
