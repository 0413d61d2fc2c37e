"""Past events out of a file into a running server: over its own door, in batches, one after the other, at a pace.

Through the door and not into the database: what is said of a message there (its limits, who it is about, why it was rejected) is
said of the past too, users see their past at once, and live traffic keeps the engine that it has.
"""

from __future__ import annotations

import http.client
import json
import ssl
import time
from collections.abc import Callable, Iterable, Iterator
from hashlib import blake2b
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

BATCH_EVENTS_MAX: Final = 250
BATCH_BYTES_MAX: Final = 400_000
LINE_BYTES_MAX: Final = 200_000
"""Of one line: more than a server takes of one message."""

ATTEMPTS_MAX: Final = 8
"""Of one batch, when the server cannot be reached or asks to wait; after it the import stops, to be gone on with."""

WAIT_S_MAX: Final = 30.0
TIMEOUT_S: Final = 60.0

_decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode


class ImportedLine(msgspec.Struct, frozen=True):
    """A line of the file, as the message that is sent for it."""

    number: int
    message: bytes


class Refused(msgspec.Struct, frozen=True):
    """A line that was not taken, and why."""

    line: int
    code: str
    message: str
    field: str = ""


class ImportStopped(Exception):
    """The import cannot go on. `line`: the last line of which the server has spoken."""

    def __init__(self, line: int, why: str) -> None:
        super().__init__(line, why)
        self.line = line
        self.why = why

    def __str__(self) -> str:
        return f"stopped after line {self.line:,}: {self.why}"


class Imported:
    """What has become of the lines so far."""

    def __init__(self) -> None:
        self.lines = 0
        self.taken = 0
        self.duplicates = 0
        self.forgotten = 0
        """Of users of whom so many ids were told that nobody knows whether these were among them: not taken."""
        self.quarantined = 0
        self.refused = 0


def message_of(number: int, raw: bytes) -> ImportedLine | Refused:
    """Return the line as a historical message. One without `messageId` gets one of its own text: the same line is the same
    message, in this file and in the next."""
    raw = raw.strip()
    if len(raw) > LINE_BYTES_MAX:
        return Refused(number, "too_long", f"a line has at most {LINE_BYTES_MAX:,} bytes")
    try:
        told = _decode(raw)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        return Refused(number, "invalid_json", f"not a JSON object: {error}")
    told["historical"] = msgspec.Raw(b"true")
    if not any(bytes(told.get(name, b"null")) not in (b"null", b'""') for name in ("messageId", "message_id")):
        told["messageId"] = msgspec.Raw(_encode("import-" + blake2b(raw, digest_size=12).hexdigest()))
    return ImportedLine(number, _encode(told))


def batches(lines: Iterable[ImportedLine]) -> Iterator[list[ImportedLine]]:
    """The lines in order, so many together as one request takes."""
    gathered: list[ImportedLine] = []
    size = 0
    for line in lines:
        if gathered and (len(gathered) == BATCH_EVENTS_MAX or size + len(line.message) > BATCH_BYTES_MAX):
            yield gathered
            gathered, size = [], 0
        gathered.append(line)
        size += len(line.message)
    if gathered:
        yield gathered


class EventsRoute:
    """A server's `POST /v1/batch`, over one connection. Use it as a context manager."""

    def __init__(self, url: str, key: str, sleep: Callable[[float], None] = time.sleep) -> None:
        parts = urlsplit(url)
        host = parts.hostname or ""
        if parts.scheme == "https":
            context = ssl.create_default_context()
            self._connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                host, parts.port, timeout=TIMEOUT_S, context=context
            )
        else:
            self._connection = http.client.HTTPConnection(host, parts.port, timeout=TIMEOUT_S)
        self._path = parts.path.rstrip("/") + "/v1/batch"
        self._headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
        self._sleep = sleep

    def __enter__(self) -> EventsRoute:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def send(self, batch: list[ImportedLine], before: int) -> dict[str, Any]:
        """The server's answer, once all of the batch is on disk. Waits and sends again while the server is away or asks for it;
        what it took of the first time it knows. Raises ImportStopped; `before` is the last line that was answered."""
        body = b'{"batch":[' + b",".join(line.message for line in batch) + b"]}"
        why = ""
        for attempt in range(ATTEMPTS_MAX):
            try:
                self._connection.request("POST", self._path, body, self._headers)
                response = self._connection.getresponse()
                raw, wait = response.read(), response.getheader("Retry-After")
            except (OSError, http.client.HTTPException) as error:
                self._connection.close()
                why, wait = f"the server cannot be reached: {error}", None
            else:
                answer = _answer(raw)
                if response.status == 200 and answer.get("success") is True:
                    return answer
                why = f"the server said {response.status} {answer.get('code', '')}: {answer.get('message', '')}"
                if response.status not in (429, 503):
                    raise ImportStopped(before, why)
            if attempt + 1 < ATTEMPTS_MAX:
                self._sleep(min(float(wait) if wait and wait.isdecimal() else 0.5 * 2.0**attempt, WAIT_S_MAX))
        raise ImportStopped(before, why)


def _answer(raw: bytes) -> dict[str, Any]:
    try:
        found = json.loads(raw)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def send_all(
    lines: Iterable[tuple[int, bytes]], door: EventsRoute, rate: int, refuse: Callable[[Refused], None]
) -> Iterator[Imported]:
    """Send the lines `(number, text)`, at most `rate` a second; yields what has become of them after each batch. `refuse` is
    called with each that was not taken. Raises ImportStopped."""
    imported = Imported()

    def refused(one: Refused) -> None:
        imported.refused += 1
        refuse(one)

    def readable() -> Iterator[ImportedLine]:
        for number, raw in lines:
            imported.lines += 1
            made = message_of(number, raw)
            if isinstance(made, Refused):
                refused(made)
            else:
                yield made

    answered = 0
    for batch in batches(readable()):
        began = time.monotonic()
        answer = door.send(batch, answered)
        answered = batch[-1].number
        imported.taken += answer.get("accepted", 0)
        imported.duplicates += answer.get("duplicates", 0)
        imported.forgotten += answer.get("too_old", 0)
        imported.quarantined += answer.get("quarantined", 0)
        for bad in answer.get("rejected", ()):
            refused(Refused(batch[bad["index"]].number, bad["code"], bad["message"], bad.get("field", "")))
        yield imported
        rest = len(batch) / rate - (time.monotonic() - began)
        if rest > 0:
            time.sleep(rest)
    yield imported
