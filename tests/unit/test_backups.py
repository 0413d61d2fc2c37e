"""`cuebird backup` and `restore` without a server: names, sums, modes, and what is kept."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cuebird.cli import main
from persistence.interface import Commit, Hold, Mark
from persistence.opening import APPLICATION_ID, migrations
from persistence.sqlite import SqliteStore
from tests.conformance.rows import entry, send


def changed(database: Path, *commits: Commit) -> None:
    async def change() -> None:
        store = SqliteStore(database)
        await store.open()
        for commit in commits:
            await store.commit(commit)
        await store.close()

    asyncio.run(change())


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A site with a database of one event and one message that waits."""
    site = tmp_path / "shop"
    site.mkdir()
    changed(site / "data" / "cuebird.db", Commit(entries=[entry(1)], sends=[send("s1")]))
    return site


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False)


def reason(database: Path) -> str:
    """Why it is on hold once it was opened, "" if it is not."""

    async def read() -> Hold | None:
        store = SqliteStore(database)
        await store.open()
        try:
            return await store.hold()
        finally:
            await store.close()

    hold = asyncio.run(read())
    return hold.reason if hold else ""


def test_a_backup_into_a_directory_is_named_by_its_time_and_never_written_over(shop: Path, tmp_path: Path) -> None:
    (tmp_path / "backups").mkdir()
    made = json.loads(run("backup", shop, "--to", tmp_path / "backups", "--json").output)
    file = Path(made["file"])
    assert file.name == "cuebird-" + made["made_at"][:19].replace("-", "").replace(":", "") + "Z.db"
    assert json.loads(file.with_name(file.name + ".json").read_text())["sha256"] == made["sha256"]
    before = file.read_bytes()
    again = run("backup", shop, "--to", file)
    assert (again.exit_code, "is there already" in again.output, file.read_bytes()) == (1, True, before)
    assert run("backup", shop, "--to", file, "--force").exit_code == 0
    own = run("backup", shop, "--to", shop / "data" / "cuebird.db", "--force")
    assert (own.exit_code, "is the database itself" in own.output) == (1, True)


def test_a_backup_that_is_not_what_its_manifest_says_is_not_restored(shop: Path, tmp_path: Path) -> None:
    backup, database = tmp_path / "backup.db", shop / "data" / "cuebird.db"
    assert run("backup", shop, "--to", backup).exit_code == 0
    before = database.read_bytes()
    with closing(sqlite3.connect(backup)) as copy:
        copy.execute("UPDATE meta SET moves = 7")
        copy.commit()
    done = run("restore", backup, "--site", shop)
    assert (done.exit_code, "is not what was backed up" in done.output) == (1, True)
    assert database.read_bytes() == before
    backup.with_name("backup.db.json").unlink()
    assert run("restore", backup, "--site", shop).exit_code == 0


def test_a_copy_that_was_put_into_its_place_by_hand_is_made_ready_where_it_is(shop: Path, tmp_path: Path) -> None:
    database = shop / "data" / "cuebird.db"
    shutil.copyfile(database, tmp_path / "older.db")
    changed(database, Commit(entries=[entry(2)], marks=[Mark(id="s1", state="claimed", at=1)]))
    shutil.copyfile(tmp_path / "older.db", database)
    database.chmod(0o644)
    done = run("restore", database, "--site", shop)
    assert (done.exit_code, "what was there before" in done.output) == (0, False)
    assert database.stat().st_mode & 0o777 == 0o600
    assert "it was restored at" in reason(database), "and it is opened although it is older than what was there"


def test_a_copy_of_an_older_version_is_on_hold_too_once_it_is_restored(shop: Path, tmp_path: Path) -> None:
    older = tmp_path / "older.db"
    with closing(sqlite3.connect(older)) as copy:
        copy.executescript("PRAGMA journal_mode = WAL;" + "".join(migrations()[number] for number in (1, 2, 3)))
        copy.executescript(f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = 3;")
    done = json.loads(run("restore", older, "--site", shop, "--json").output)
    assert Path(done["aside"]).name.startswith("cuebird.before-")
    assert "it was restored at" in reason(shop / "data" / "cuebird.db")
    assert reason(Path(done["aside"])) == "", "what was there before is whole, and where it was is told beside it"


def test_a_restore_into_a_site_that_never_ran_makes_what_it_needs(shop: Path, tmp_path: Path) -> None:
    assert run("backup", shop, "--to", tmp_path / "backup.db").exit_code == 0
    (tmp_path / "staging").mkdir()
    done = run("restore", tmp_path / "backup.db", "--site", tmp_path / "staging")
    assert (done.exit_code, "the journal up to entry 1" in done.output) == (0, True)
    database = tmp_path / "staging" / "data" / "cuebird.db"
    assert database.parent.stat().st_mode & 0o777 == 0o700
    assert "it is a backup of" in reason(database)
    listed = json.loads(run("outbox", "list", "--site", tmp_path / "staging", "--json").output)
    assert [one["id"] for one in listed["waiting"]] == ["s1"]
    page = run("outbox", "list", "--site", tmp_path / "staging").output
    assert page.startswith("on hold, nothing goes out: it is a backup of")
    assert "1 x email of cart, decided 1970-01-01T00:00:01.000Z" in page
    assert run("outbox", "list", "--site", tmp_path / "staging", "--campaign", "other").output.endswith(
        "nothing waits\n"
    )
    wrong = run("outbox", "release", "--site", tmp_path / "staging", "--before", "noon")
    assert (wrong.exit_code, "neither how long ago" in wrong.output) == (2, True)
