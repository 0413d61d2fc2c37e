"""Explaining from a real database while the engine runs on it: now, in the past, and under the site of that time."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import msgspec
import pytest

from actors.model.event import Event
from actors.model.turn import Decision
from cuebird.changes.proposal import compile_source
from language.load import read_site
from persistence.interface import Commit, JoinedName, Mark, Outboxed, SendState, StoreRefused
from persistence.reader import ReadingStore, reading
from persistence.sqlite import SqliteStore
from replay.explain.explain import NoSuchCampaign, explain, explained
from replay.explain.fate import fate
from replay.explain.fold import fold
from replay.explain.recall import KnownPrograms, known_site, recall
from tests.conformance.rows import send
from tests.unit.engine.town import MINUTE, START, Town, event

HOUR = 60 * MINUTE


def site(value: int, status: str = "live") -> KnownPrograms:
    campaign = f"""
why: carts over {value}
status: {status}
entry: {{event: product_added, if: cart.value > {value}}}
exit_when: [order_completed]
steps:
  - wait: {{idle: 30m}}
  - send: {{email: cart_1}}
"""
    return known_site(read_site({"campaigns/cart.yaml": campaign.encode()}).site)


def town(path: Path, known: KnownPrograms) -> Town:
    source = msgspec.json.encode(known.site.sources)
    return Town(SqliteStore(path), program=known.program, source=source, compile_program=compile_source)


def added(user: str, price: int) -> Event:
    return event(user, "product_added", product_id=f"p{price}", price=price)


def alias(user: str, name: str) -> Event:
    return event(user, kind="alias", **{"from": name})


@pytest.mark.anyio
async def test_an_explanation_is_read_beside_the_running_engine(tmp_path: Path) -> None:
    path, known = tmp_path / "x.db", site(50)
    async with town(path, known) as place:
        await place.take(added("ann", 45))
        await place.pass_time(MINUTE)
        async with reading(path) as store:
            found = await explain(store, known, "ann", START + MINUTE)
        assert found is not None
        assert found.campaigns[0].says == "Not in it: its `if` did not hold: cart.value is 45, needs > 50."
        await place.take(added("ann", 10))
        async with reading(path) as store:
            found = await explain(store, known, "ann", START + MINUTE)
        assert found is not None
        assert found.campaigns[0].says == "In it since 08:01: waits in `wait idle 30m` until 08:31."


@pytest.mark.anyio
async def test_a_moment_of_the_past_is_explained_as_it_was(tmp_path: Path) -> None:
    path, known = tmp_path / "x.db", site(50)
    async with town(path, known) as place:
        await place.take(added("ann", 45))
        await place.pass_time(HOUR)
        await place.take(added("ann", 20))
        await place.pass_time(HOUR)
        async with reading(path) as store:
            before = await explain(store, known, "ann", START + MINUTE, past=True)
            after = await explain(store, known, "ann", START + HOUR + MINUTE, past=True)
        assert before is not None
        assert after is not None
        assert before.campaigns[0].says.startswith("Not in it: its `if` did not hold: cart.value is 45")
        assert before.campaigns[0].runs == ()
        assert after.campaigns[0].says.startswith("In it since 09:00")


@pytest.mark.anyio
async def test_the_past_is_explained_by_the_site_that_counted_then(tmp_path: Path) -> None:
    path, old, new = tmp_path / "x.db", site(40), site(50)
    async with town(path, old) as place:
        await place.take(added("ann", 45))
        await place.take(event("ann", "order_completed"))
        await place.pass_time(HOUR)
        place.program = new.program
        place.options["source"] = msgspec.json.encode(new.site.sources)
        await place.restart()
        await place.take(added("ann", 45))
        await place.pass_time(HOUR)
        async with reading(path) as store:
            then = await explain(store, new, "ann", START + MINUTE, past=True)
            now = await explain(store, new, "ann", START + 2 * HOUR)
            without_files = await explain(store, None, "ann", START + 2 * HOUR)
    assert then is not None
    assert now is not None
    assert [part.text for part in then.campaigns[0].rules if part.text.startswith("if")] == ["if: cart.value > 40"]
    assert [part.text for part in now.campaigns[0].rules if part.text.startswith("if")] == ["if: cart.value > 50"]
    assert now.campaigns[0].says.startswith("Not in it: its `if` did not hold: cart.value is 45, needs > 50.")
    assert without_files == now


@pytest.mark.anyio
async def test_a_visitor_who_turned_out_to_be_somebody_is_one_story(tmp_path: Path) -> None:
    path, known = tmp_path / "x.db", site(50)
    async with town(path, known) as place:
        await place.take(added("~v1", 30))
        await place.pass_time(MINUTE)
        await place.take(alias("ann", "~v1"))
        await place.take(added("~v1", 40))
        await place.pass_time(MINUTE)
        async with reading(path) as store:
            as_user = await explain(store, known, "ann", START + 2 * MINUTE)
            as_visitor = await explain(store, known, "~v1", START + 2 * MINUTE)
            before = await explain(store, known, "~v1", START, past=True)
    assert as_user is not None
    assert before is not None
    assert as_user.campaigns[0].says.startswith("In it since 08:01")
    assert as_visitor == as_user
    assert before.user == "~v1"
    assert before.campaigns[0].says.startswith("Not in it: its `if` did not hold: cart.value is 30")


@pytest.mark.anyio
async def test_the_journal_taken_again_decides_what_the_ledger_says(tmp_path: Path) -> None:
    path, known = tmp_path / "x.db", site(50)
    async with town(path, known) as place:
        await place.take(event("ann", kind="identify", email="ann@example.test", consent={"marketing": True}))
        await place.take(added("~v1", 60), alias("ann", "~v1"))
        await place.pass_time(HOUR)
        await place.restart()
        await place.take(added("ann", 60))
        await place.pass_time(10 * MINUTE)
        await place.take(event("ann", "order_completed"))
        ledger = await place.ledger()
        async with reading(path) as store:
            recalled = await recall(store, "ann", known)
    assert recalled is not None
    decided = [row for row in fold(recalled, START + 2 * HOUR).decisions if row.decision != "not_entered"]
    assert sorted(map(_row, decided)) == sorted(map(_row, ledger))
    assert {row.decision for row in ledger} >= {"entered", "sent", "exited"}


def _row(row: Decision) -> bytes:
    return msgspec.json.encode(row)


@pytest.mark.anyio
async def test_who_was_never_heard_of_is_not_explained_but_those_called_alike_are_named(tmp_path: Path) -> None:
    path, known = tmp_path / "x.db", site(50)
    async with town(path, known) as place:
        await place.take(added("annette", 60))
        async with reading(path) as store:
            assert await explain(store, known, "annete", START) is None
            assert await store.users_like("annete") == ["annette"]


@pytest.mark.anyio
async def test_a_campaign_that_does_not_exist_names_those_that_do(tmp_path: Path) -> None:
    path, known = tmp_path / "x.db", site(50)
    async with town(path, known) as place:
        await place.take(added("ann", 60))
        async with reading(path) as store:
            recalled = await recall(store, "ann", known)
    assert recalled is not None
    with pytest.raises(NoSuchCampaign, match="there is no campaign crat; there is cart"):
        explained(recalled, START, "crat")


# --- the second reader ------------------------------------------------------------------------------------------------


async def filled(path: Path) -> SqliteStore:
    store = SqliteStore(path)
    await store.open()
    await store.commit(Commit(names=[JoinedName("~v1", "ann")]))
    return store


async def seen(store: ReadingStore) -> dict[str, str]:
    return await store.resolve(["~v1", "~v2"])


@pytest.mark.anyio
async def test_a_reader_sees_what_is_committed_while_it_reads(tmp_path: Path) -> None:
    writer = await filled(tmp_path / "x.db")
    async with reading(tmp_path / "x.db") as store:
        assert await seen(store) == {"~v1": "ann"}
        await writer.commit(Commit(names=[JoinedName("~v2", "bob")]))
        assert await seen(store) == {"~v1": "ann", "~v2": "bob"}
    await writer.commit(Commit(names=[JoinedName("~v3", "bob")]))
    await writer.close()


@pytest.mark.anyio
async def test_a_reader_leaves_the_files_as_they_are_whether_an_engine_runs_or_died(tmp_path: Path) -> None:
    """A checkpoint is the writer's alone; a reader that closes last must not make one."""
    writer = await filled(tmp_path / "x.db")
    died = tmp_path / "died.db"
    for suffix in ("", "-wal"):
        (tmp_path / f"died.db{suffix}").write_bytes((tmp_path / f"x.db{suffix}").read_bytes())
        (tmp_path / f"died.db{suffix}").chmod(0o600)
    before = died.read_bytes(), (tmp_path / "died.db-wal").read_bytes()
    assert len(before[1]) > 0
    async with reading(died) as store:
        assert await seen(store) == {"~v1": "ann"}
    assert (died.read_bytes(), (tmp_path / "died.db-wal").read_bytes()) == before
    await writer.close()
    async with reading(tmp_path / "x.db") as store:
        assert await seen(store) == {"~v1": "ann"}


@pytest.mark.anyio
async def test_what_is_no_database_of_ours_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreRefused, match="there is no database"):
        async with reading(tmp_path / "none.db"):
            pass
    other = tmp_path / "other.db"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE t (x)")
    connection.close()
    other.chmod(0o600)
    with pytest.raises(StoreRefused):
        async with reading(other):
            pass
    assert not (tmp_path / "none.db").exists()


@pytest.mark.anyio
async def test_what_became_of_a_message_is_told_with_what_the_relay_said(tmp_path: Path) -> None:
    path, known = tmp_path / "x.db", site(50)
    async with town(path, known) as place:
        await place.take(event("ann", kind="identify", email="ann@example.test", consent={"marketing": True}))
        await place.take(added("ann", 65))
        await place.pass_time(HOUR)
        assert await _sent_line(path, known, START + HOUR) == "sent the email cart_1; waits in the outbox"
        async with reading(path) as store:
            (sent,) = [row for row in await store.ledger(user="ann") if row.decision == "sent"]
        assert sent.message is not None
        claimed = Mark(id=sent.message, state="claimed", at=START + HOUR)
        later = Mark(id=sent.message, state="retry", at=START + HOUR, due=START + 2 * HOUR, reply="451 try later")
        await place.engine.write([claimed, later])
        assert (
            await _sent_line(path, known, START + HOUR)
            == "sent the email cart_1; waits for the next try at 10:00, after one: 451 try later"
        )
        assert await _sent_line(path, known, START + HOUR, past=True) == "sent the email cart_1"


async def _sent_line(path: Path, known: KnownPrograms, now: int, past: bool = False) -> str:
    async with reading(path) as store:
        found = await explain(store, known, "ann", now, past=past)
    assert found is not None
    (run,) = found.campaigns[0].runs
    return next(step.text for step in run.happened if step.decision == "sent")


@pytest.mark.parametrize(
    ("state", "reply", "told"),
    [
        ("at_dot", "", "is being handed over"),
        ("sent", "250 2.0.0 Ok", "accepted: 250 2.0.0 Ok"),
        ("failed", "550 5.1.1 no such user", "not delivered: 550 5.1.1 no such user"),
        ("unknown", "closed at dot", "in doubt, nobody can know whether it arrived: closed at dot"),
    ],
)
def test_every_state_of_a_message_has_its_words(state: SendState, reply: str, told: str) -> None:
    found = Outboxed(send=send("m1"), state=state, attempts=2, due=START, boot="", reply=reply)
    assert fate(found, START) == told


@pytest.mark.anyio
async def test_of_a_journal_that_was_cut_only_what_came_after_the_snapshot_is_taken_again(tmp_path: Path) -> None:
    known = site(50)
    async with town(tmp_path / "x.db", known) as place:
        for price in (20, 21, 22):
            await place.take(added("ann", price))
        await place.engine.snapshot()
        await place.take(added("ann", 23))
        first = (await place.journal())[0]
        await place.disk.cut(first.seq, first.at + 1)
        found = await recall(place.disk, "ann", known)
    assert found is not None
    assert (found.complete, found.start is not None) == (False, True)
    assert [msgspec.json.decode(entry.event.body)["price"] for entry in found.entries] == [23]


@pytest.mark.anyio
async def test_who_is_in_a_campaign_that_was_archived_is_told_that_the_run_ends(tmp_path: Path) -> None:
    path, known = tmp_path / "x.db", site(50)
    async with town(path, known) as place:
        await place.take(added("ann", 60))
    archived = site(50, "archived")
    async with town(path, archived) as place:
        found = await explain(place.disk, archived, "ann", START + MINUTE)
    assert found is not None
    (run,) = found.campaigns[0].runs
    assert (run.active, run.now) == (True, "its version of the campaign is not kept any more: it ends at its next move")
