"""The outbox on hold: every keeper lets out what was released, and nothing else. And how a copy is told from its original."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import pytest

from persistence.interface import Commit, Hold, Mark
from persistence.sqlite import SqliteStore
from tests.conformance.conftest import Keeper
from tests.conformance.rows import entry, every, send

pytestmark = pytest.mark.anyio

LATE = 10**13


async def due(keeper: Keeper) -> list[str]:
    return [row.send.id for row in await keeper.store.due_sends(LATE, 10)]


async def test_nothing_is_due_while_the_outbox_is_on_hold_but_what_was_released(keeper: Keeper) -> None:
    await keeper.store.commit(Commit(sends=[send("s1", at=3), send("s2", at=2), send("s3", at=1)]))
    assert await due(keeper) == ["s3", "s2", "s1"]
    await keeper.store.put_on_hold(Hold(5, "a copy"))
    await keeper.store.put_on_hold(Hold(6, "and once more"))
    assert await keeper.store.hold() == Hold(5, "a copy")
    assert (await due(keeper), await keeper.store.next_send_due()) == ([], None)
    await keeper.store.release(["s1"])
    await keeper.store.release([])
    assert (await due(keeper), await keeper.store.next_send_due()) == (["s1"], 3)
    await keeper.store.release(None)
    assert await keeper.store.hold() is None
    assert (await due(keeper), await keeper.store.next_send_due()) == (["s3", "s2", "s1"], 1)


async def test_what_was_released_in_one_hold_is_not_released_in_the_next(keeper: Keeper) -> None:
    await keeper.store.commit(Commit(sends=[send("s1")]))
    await keeper.store.put_on_hold(Hold(5, "a copy"))
    await keeper.store.release(["s1"])
    await keeper.store.release(None)
    await keeper.store.put_on_hold(Hold(6, "a copy of it"))
    assert await due(keeper) == []


async def test_what_waits_is_read_on_hold_or_not(keeper: Keeper) -> None:
    await keeper.store.commit(Commit(sends=[send(f"s{number}", at=1_000 + number // 2) for number in range(6)]))
    await keeper.store.commit(Commit(marks=[Mark(id="s3", state="failed", at=1)]))
    await keeper.store.put_on_hold(Hold(5, "a copy"))
    assert [row.send.id for row in await every(keeper.store.waiting())] == ["s0", "s1", "s2", "s4", "s5"]


async def test_what_waits_can_be_settled_while_it_is_read_and_each_send_is_seen_once(keeper: Keeper) -> None:
    await keeper.store.commit(Commit(sends=[send(f"s{number:04}", at=1_000 + number // 3) for number in range(2_500)]))
    found: list[str] = []
    async for batch in keeper.store.waiting():
        assert batch
        found += [row.send.id for row in batch]
        await keeper.store.commit(Commit(marks=[Mark(id=row.send.id, state="failed", at=1) for row in batch]))
    assert found == [f"s{number:04}" for number in range(2_500)]


async def test_a_hold_outlives_the_process(keeper: Keeper) -> None:
    await keeper.store.commit(Commit(sends=[send("s1"), send("s2")]))
    await keeper.store.put_on_hold(Hold(5, "a copy"))
    await keeper.store.release(["s2"])
    await keeper.reopen()
    assert await keeper.store.hold() == Hold(5, "a copy")
    assert await due(keeper) == ["s2"]


# --- which is the original ----------------------------------------------------------------------------------------


async def begun(path: Path) -> None:
    store = SqliteStore(path, machine="one")
    await store.open()
    await store.commit(Commit(entries=[entry(1)], sends=[send("s1")]))
    await store.close()


async def why(path: Path, machine: str = "one") -> str:
    """Why it is on hold once it was opened, "" if it is not."""
    store = SqliteStore(path, machine=machine, accept_loss=True)
    await store.open()
    hold = await store.hold()
    await store.close()
    return hold.reason if hold else ""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "cuebird.db"


async def test_a_database_that_is_opened_again_or_renamed_with_its_directory_is_the_original(path: Path) -> None:
    await begun(path)
    assert await why(path) == ""
    moved = path.parent.rename(path.parent.with_name("elsewhere")) / path.name
    assert await why(moved) == ""
    assert await why(moved) == ""


async def test_a_directory_that_is_copied_is_on_hold_and_its_original_is_not(path: Path) -> None:
    await begun(path)
    shutil.copytree(path.parent, path.parent.with_name("staging"))
    assert "its directory was copied" in await why(path.parent.with_name("staging") / path.name)
    assert await why(path) == ""


async def test_a_database_that_is_copied_alone_is_on_hold(path: Path, tmp_path: Path) -> None:
    await begun(path)
    copy = tmp_path / "copy.db"
    shutil.copy2(path, copy)
    assert "is not beside it" in await why(copy)


async def test_another_database_in_the_place_of_one_is_on_hold(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "other" / "cuebird.db"
    await begun(path)
    await begun(other)
    shutil.copyfile(other, path)
    assert "another database was here before" in await why(path)


async def test_a_volume_that_comes_to_another_machine_is_on_hold_unless_nobody_knows_the_machine(path: Path) -> None:
    await begun(path)
    assert await why(path, machine="") == ""
    assert "another machine" in await why(path, machine="two")


@pytest.mark.parametrize("what", ["an event", "a message alone"])
async def test_an_older_copy_that_is_put_back_over_the_file_is_on_hold(path: Path, tmp_path: Path, what: str) -> None:
    await begun(path)
    shutil.copyfile(path, tmp_path / "before.db")
    store = SqliteStore(path, machine="one")
    await store.open()
    if what == "an event":
        await store.commit(Commit(entries=[entry(2)]))
    else:
        await store.commit(Commit(marks=[Mark(id="s1", state="claimed", at=1)]))
    await store.close()
    shutil.copyfile(tmp_path / "before.db", path)
    assert "it is older than what was here" in await why(path)


async def test_a_copy_stays_on_hold_however_often_it_is_opened(path: Path, tmp_path: Path) -> None:
    await begun(path)
    copy = tmp_path / "copy.db"
    shutil.copy2(path, copy)
    first = await why(copy)
    assert await why(copy) == first != ""
    store = SqliteStore(copy, machine="one")
    await store.open()
    await store.release(None)
    await store.close()
    assert await why(copy) == "", "a word of the operator's ends it: this is its place now"


async def test_a_start_that_ends_between_the_file_and_the_database_is_no_copy(path: Path) -> None:
    await begun(path)
    place = path.with_name("cuebird.db.place")
    first_start = msgspec.json.encode({**msgspec.json.decode(place.read_bytes()), "id": "of the start that ended"})
    path.unlink()
    path.with_name("cuebird.db.head").unlink()
    place.write_bytes(first_start)
    assert await why(path) == ""
