"""A file of Segment messages, one a line, as events in the order in which they came (language.md §10)."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator, Mapping
from typing import IO, Any, Final, NamedTuple

import msgspec

from actors.model.event import Event
from engine.memory.gc_pause import uncollected
from ingress.messages import scan
from ingress.messages.instants import milliseconds
from ingress.messages.messages import Normalizer
from ingress.messages.rejection import Rejected
from ingress.messages.wire import Wire
from replay.recording import Arrival

LINE_BYTES_MAX: Final = 1_000_000
EARLIEST_MS: Final = 86_400_000
LATEST_MS: Final = 253_370_764_800_000
"""The year 9999: a run that waits for ten years must still have a date."""

_GZIP: Final = b"\x1f\x8b"


class BadLine(NamedTuple):
    """A line that was left out. `code` is of ingress/messages/rejection.py, or `no_time`."""

    line: int
    code: str
    why: str


class Replay(NamedTuple):
    """A whole file. `arrivals` are in order of time, and at one time in the order of the file; they bear the number of their
    line."""

    arrivals: list[Arrival]
    bad: list[BadLine]
    nobody: int
    """Messages with neither userId nor anonymousId."""
    disorder: int
    """Messages that stood after a later one."""
    lines: int


class Unreadable(Exception):
    """The file as a whole; the sentence says why."""


class _Line(Wire, gc=False, kw_only=True, rename="camel"):
    received_at: str | int | float | None = None


_decode_line = msgspec.json.Decoder(_Line).decode


def read_replay(file: IO[bytes], aliases: Mapping[str, str]) -> Replay:
    """Reads to the end. Raises Unreadable if the file breaks off; a bad line is left out and noted."""
    normalizer = Normalizer(aliases)
    arrivals: list[Arrival] = []
    bad: list[BadLine] = []
    nobody = disorder = latest = number = 0
    with uncollected():
        for number, raw in lines_of(file):
            try:
                at, events = _events(normalizer, raw, number)
            except Rejected as error:
                if error.code == "no_id":
                    nobody += 1
                else:
                    bad.append(BadLine(number, error.code, error.message))
                continue
            if at < latest:
                disorder += 1
            else:
                latest = at
            for event in events:
                arrivals.append(Arrival(at, number, event))
        if disorder:
            arrivals.sort(key=lambda one: one.at)
    return Replay(arrivals, bad, nobody, disorder, number)


def lines_of(file: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """Lines that hold something, with their numbers; gzip is known by its first bytes, not by its name."""
    head = file.read(len(_GZIP))
    buffered = io.BufferedReader(_Rejoined(head, file))
    opened = io.BufferedReader(gzip.GzipFile(fileobj=buffered)) if head == _GZIP else buffered
    number = 0
    try:
        while line := opened.readline(LINE_BYTES_MAX + 1):
            number += 1
            if len(line) > LINE_BYTES_MAX:
                yield number, line
                while line and not line.endswith(b"\n"):
                    line = opened.readline(LINE_BYTES_MAX)
            elif line.strip():
                yield number, line
    except (EOFError, OSError, zlib.error) as error:
        raise Unreadable(f"breaks off after line {number}: {error}") from None


class _Rejoined(io.RawIOBase):
    """A stream whose first bytes were looked at, whole again: stdin cannot be rewound."""

    def __init__(self, head: bytes, rest: IO[bytes]) -> None:
        self._head = head
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._head or self._rest.read(len(buffer))
        self._head = b""
        buffer[: len(data)] = data
        return len(data)


def _events(normalizer: Normalizer, raw: bytes, number: int) -> tuple[int, list[Event]]:
    """When one line comes, in ms since the epoch, and what is in it. Raises Rejected."""
    if len(raw) > LINE_BYTES_MAX:
        raise Rejected("too_long", f"a line has at most {LINE_BYTES_MAX:,} bytes")
    if number == 1:
        raw = raw.removeprefix(b"\xef\xbb\xbf")
    raw = raw.strip()
    try:
        line = _decode_line(scan.well_formed(raw))
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        # The normaliser says better what is wrong with it.
        normalizer.message(raw, received_at=EARLIEST_MS)
        raise Rejected("invalid_timestamp", "receivedAt is neither a text nor a number", "receivedAt") from None
    # Its times are believed: whoever writes a recording has put the clocks right, or nothing is known of them.
    at = _comes(line)
    return at, normalizer.typed(line, raw, received_at=at)


def _comes(line: _Line) -> int:
    """When it comes. Raises Rejected."""
    told = line.received_at or line.timestamp or line.original_timestamp
    if told is None or told == "":
        raise Rejected("invalid_timestamp", "neither receivedAt nor timestamp: when did it come?", "timestamp")
    at = milliseconds(told, "timestamp")
    if not EARLIEST_MS <= at <= LATEST_MS:
        raise Rejected("invalid_timestamp", "a time before 1970 or after 9998", "timestamp")
    return at
