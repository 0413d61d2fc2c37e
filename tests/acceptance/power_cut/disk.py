"""A disk that forgets: plays a recorded log up to a cut and says what may then be on the platter.

What was synced is there. Of the rest every sector of 512 bytes may be there, be missing, or be torn (its beginning new,
its end old), and every truncation may have been lost. Names come and go in order, but the last of them may be missing
unless their directory was synced after.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

SECTOR: Final = 512
ACKS: Final = "acks"

_HEADER: Final = struct.Struct("=IIQQ")


@dataclass(frozen=True)
class Operation:
    op: str
    name: str
    offset: int
    data: bytes


def parse(log: bytes) -> Iterator[Operation]:
    at = 0
    while at < len(log):
        op, name_bytes, offset, data_bytes = _HEADER.unpack_from(log, at)
        at += _HEADER.size
        name = log[at : at + name_bytes].decode()
        at += name_bytes
        yield Operation(chr(op), name, offset, log[at : at + data_bytes])
        at += data_bytes


@dataclass
class _File:
    synced: bytearray = field(default_factory=bytearray)
    pending: list[Operation] = field(default_factory=list)


class Disk:
    def __init__(self) -> None:
        self.acks = 0
        self._files: dict[str, _File] = {}
        self._synced_names: dict[str, _File] = {}
        self._name_changes: list[tuple[str, _File | None]] = []

    def do(self, operation: Operation) -> None:
        op, name = operation.op, operation.name
        if name == ACKS:
            self.acks += op == "W"
        elif name.endswith(("-shm", ".lock", " (deleted)")):
            return  # made anew by whoever opens the database, or unreachable
        elif name == ".":
            assert op == "S"
            self._synced_names = dict(self._files)
            self._name_changes.clear()
        elif op == "U":
            del self._files[name]
            self._name_changes.append((name, None))
        else:
            self._change(operation)

    def _change(self, operation: Operation) -> None:
        name = operation.name
        if name not in self._files:
            self._files[name] = _File()
            self._name_changes.append((name, self._files[name]))
        file = self._files[name]
        if operation.op == "S":
            for each in file.pending:
                _apply(file.synced, each)
            file.pending.clear()
        elif operation.op != "C":
            file.pending.append(operation)

    def image(self, rng: random.Random) -> dict[str, bytes]:
        """The files as a cut at this moment might leave them."""
        names = dict(self._synced_names)
        for name, file in self._name_changes[: rng.randint(0, len(self._name_changes))]:
            if file is None:
                names.pop(name, None)
            else:
                names[name] = file
        dropped = rng.choice([0.0, 0.1, 0.5, 0.9, 1.0])
        return {name: _survivor(file, rng, dropped) for name, file in names.items()}


def _survivor(file: _File, rng: random.Random, dropped: float) -> bytes:
    content = bytearray(file.synced)
    for operation in file.pending:
        if operation.op == "T":
            if rng.random() >= dropped:
                _apply(content, operation)
            continue
        for piece in _sectors(operation):
            if rng.random() < dropped:
                continue
            torn = rng.random() < 0.1
            kept = piece.data[: rng.randrange(len(piece.data))] if torn else piece.data
            _apply(content, Operation("W", piece.name, piece.offset, kept))
    return bytes(content)


def _sectors(write: Operation) -> Iterator[Operation]:
    at, end = write.offset, write.offset + len(write.data)
    while at < end:
        until = min(end, (at // SECTOR + 1) * SECTOR)
        yield Operation("W", write.name, at, write.data[at - write.offset : until - write.offset])
        at = until


def _apply(content: bytearray, operation: Operation) -> None:
    size = operation.offset + len(operation.data)
    if len(content) < size:
        content.extend(bytes(size - len(content)))
    if operation.op == "T":
        del content[operation.offset :]
    else:
        content[operation.offset : size] = operation.data
