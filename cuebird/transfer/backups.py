"""Backups of a database, each one file with a manifest beside it, and the way back."""

from __future__ import annotations

import hashlib
import os
from importlib.metadata import version
from pathlib import Path
from typing import Final

import msgspec

from cuebird.playing.progress import Bar
from persistence.copying import HOLDS_SINCE, Copied, bring_up, copy, finish
from persistence.interface import StoreRefused
from persistence.lock import EngineLock
from persistence.opening import check_header, migrations
from persistence.place import sync_directory
from replay.ledger import iso

BESIDE: Final = ("-wal", "-shm", ".head", ".place")
"""What belongs to a database beside its file and its lock."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What is said of a backup beside it."""

    cuebird: str
    made_at: str
    schema: int
    journal_position: int
    journal_ends_at: str
    size_bytes: int
    sha256: str


class Restored(msgspec.Struct, frozen=True, kw_only=True):
    """A database that is in its place again."""

    database: str
    journal_position: int
    journal_ends_at: str
    aside: str
    """Where the one is that was there before, "" if there was none."""


def back_up(database: Path, to: Path, now: int, *, force: bool) -> tuple[Path, Manifest]:
    """Copies to the file `to`, or into the directory under a name with the time. Raises StoreError, OSError, FileExistsError
    for what is there and not to be overwritten (`force`)."""
    target = to / f"{database.stem}-{_stamp(now)}{database.suffix}" if to.is_dir() else to
    if target.exists() and target.samefile(database):
        raise StoreRefused(f"{target} is the database itself: give another file")
    if target.exists() and not force:
        raise FileExistsError(f"{target} is there already: another name, or --force")
    beside = _manifest_of(target)
    beside.unlink(missing_ok=True)
    with Bar("pages") as bar:
        copied = copy(database, target, held=f"it is a backup of {iso(now)}", progress=bar.reach)
    manifest = Manifest(
        cuebird=version("cuebird"),
        made_at=iso(now),
        schema=copied.schema,
        journal_position=copied.journal_position,
        journal_ends_at=iso(copied.journal_ends_at),
        size_bytes=copied.size_bytes,
        sha256=_sha256(target),
    )
    _write(beside, msgspec.json.format(msgspec.json.encode(manifest)) + b"\n")
    return target, manifest


def restore(backup: Path, database: Path, now: int) -> Restored:
    """Puts a backup, or any copy, in the database's place, for its owner alone and with its outbox on hold. What was there is
    kept beside it. A `backup` that is in its place already, put there by hand, is made ready where it is.

    Raises StoreRefused if an engine runs or the backup is not what its manifest says, StoreError, OSError.
    """
    if not backup.is_file():
        raise StoreRefused(f"there is no file {backup}")
    check_header(backup, max(migrations()))
    database.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = EngineLock(database)
    lock.take()
    try:
        there = database.exists()
        if there:
            lock.take_file()
        held = f"it was restored at {iso(now)}"
        if there and backup.samefile(database):
            aside = None
            _for_the_owner_alone(database)
            bring_up(database)
            copied = finish(database, held)
            # What was written there by hand may be older than the mark. It is meant, and on hold.
            database.with_name(database.name + ".head").unlink(missing_ok=True)
        else:
            _check_sum(backup)
            aside, copied = _replace(backup, database, held, now)
    finally:
        lock.release()
    return Restored(
        database=str(database),
        journal_position=copied.journal_position,
        journal_ends_at=iso(copied.journal_ends_at),
        aside=str(aside or ""),
    )


def _replace(backup: Path, database: Path, held: str, now: int) -> tuple[Path | None, Copied]:
    """(where the one before is, what the new one holds). Until the new one is whole nothing is moved."""
    fresh = database.with_name(database.name + ".restoring")
    with Bar("pages") as bar:
        copied = copy(backup, fresh, held=held, resting=True, progress=bar.reach)
    if copied.schema < HOLDS_SINCE:
        bring_up(fresh)
        copied = finish(fresh, held)
    aside = None
    if database.exists():
        aside = database.with_name(f"{database.stem}.before-{_stamp(now)}{database.suffix}")
        os.link(database, aside)
    # The WAL goes before the new file comes, for it is not the new one's. If this ends before the marks are gone, they are
    # ahead of the database, and a start says so.
    _put_aside(database, aside, "-wal", "-shm")
    fresh.replace(database)
    _put_aside(database, aside, ".head", ".place")
    sync_directory(database.parent)
    return aside, copied


def _put_aside(database: Path, aside: Path | None, *ends: str) -> None:
    for end in ends:
        beside = database.with_name(database.name + end)
        if beside.exists():
            # Without a database they are left over, and nobody's.
            beside.unlink() if aside is None else beside.replace(aside.with_name(aside.name + end))


def _for_the_owner_alone(database: Path) -> None:
    for end in ("", *BESIDE):
        beside = database.with_name(database.name + end)
        if beside.exists():
            beside.chmod(0o600)


def _check_sum(backup: Path) -> None:
    beside = _manifest_of(backup)
    if not beside.exists():
        return
    try:
        expected = msgspec.json.decode(beside.read_bytes(), type=Manifest).sha256
    except msgspec.MsgspecError as error:
        raise StoreRefused(f"{beside} cannot be read: {error}. Without it the backup is restored unchecked") from None
    found = _sha256(backup)
    if found != expected:
        raise StoreRefused(
            f"{backup} is not what was backed up: its SHA-256 is {found}, and {beside.name} says {expected}. Take another "
            "backup; if you have changed it yourself, remove that file"
        )


def _manifest_of(backup: Path) -> Path:
    return backup.with_name(backup.name + ".json")


def _sha256(file: Path) -> str:
    with file.open("rb") as data:
        return hashlib.file_digest(data, "sha256").hexdigest()


def _stamp(at: int) -> str:
    """`20261130T181200Z`, for names of files."""
    return iso(at)[:19].replace("-", "").replace(":", "") + "Z"


def _write(file: Path, data: bytes) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(data)
        opened.flush()
        os.fsync(descriptor)
