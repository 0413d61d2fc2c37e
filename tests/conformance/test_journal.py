from __future__ import annotations

import pytest

from actors.model.event import Event
from persistence.interface import Commit, JoinedName, JournalEntry, JournalHead
from tests.conformance.conftest import Keeper
from tests.conformance.rows import entry, every, store_blocks

pytestmark = pytest.mark.anyio


async def test_an_empty_store_begins_before_the_first_entry(keeper: Keeper) -> None:
    assert await keeper.reopen() == JournalHead(seq=0, at=0, replay_from=0)


async def test_an_event_comes_back_with_every_field(keeper: Keeper) -> None:
    full = JournalEntry(
        1,
        1_700_000_000_000,
        Event(
            user="~visitor 7 ü 🛒",
            kind="page",
            name="page_viewed",
            message_id='quo"te\\u0000 \\ slash \t',
            occurred=1_699_999_999_999,
            body=b'{"a": 1}',
            context=b'{"ip":"192.0.2.1"}',
            source="client",
        ),
    )
    operator = JournalEntry(2, 1_700_000_000_001, Event(user="", kind="program", body=b'{"hash":"h"}'))
    await keeper.store.commit(Commit(entries=[full, operator]))
    assert await every(keeper.store.tail(0)) == [full, operator]


@pytest.mark.parametrize(
    "body",
    [
        b'{"n": 9223372036854775808, "m": 123456789012345678901234567890, "f": 1e400, "d": 0.1000000000000000055}',
        b'{"half": "\\ud800", "nul": "\\u0000", "k\\u0000ey": "\\\\u0000"}',
        b'{ "spaced" : [ 1 , 2 ] ,\n "same": 1, "same": 2, "-0": -0.0, "big": 1E5 }',
        '{"ü": "日本 🛒 \u2028"}'.encode(),
        b'{"raw": "\x00 \xff\xfe"}',
        b"not JSON at all ]]}, 1",
        b'{"deep": ' + b"[" * 5_000 + b"]" * 5_000 + b"}",
        b'{"long": "' + b"x" * 100_000 + b'"}',
        b"",
    ],
    ids=["numbers", "escapes", "spaces", "unicode", "bytes", "no-json", "deep", "long", "empty"],
)
async def test_a_body_comes_back_byte_for_byte_whatever_is_in_it(keeper: Keeper, body: bytes) -> None:
    entries = [entry(1, body=b"{}"), entry(2, body=body, context=body), entry(3, body=b'{"next":1}')]
    await keeper.store.commit(Commit(entries=entries))
    assert await every(keeper.store.tail(0)) == entries


async def test_what_was_committed_is_there_after_reopening(keeper: Keeper) -> None:
    await keeper.store.commit(Commit(entries=[entry(1), entry(2, at=5_000)]))
    assert await keeper.reopen() == JournalHead(seq=2, at=5_000, replay_from=0)
    await keeper.store.commit(Commit(entries=[entry(3)]))
    assert [each.seq for each in await every(keeper.store.tail(0))] == [1, 2, 3]


async def test_the_tail_begins_after_one_place_and_ends_at_another(keeper: Keeper) -> None:
    await keeper.store.commit(Commit(entries=[entry(seq) for seq in range(1, 11)]))
    assert [each.seq for each in await every(keeper.store.tail(3, 6))] == [4, 5, 6]
    assert [each.seq for each in await every(keeper.store.tail(8))] == [9, 10]
    assert await every(keeper.store.tail(10)) == []
    assert await every(keeper.store.tail(4, 4)) == []


async def test_a_long_journal_comes_in_order_and_in_batches(keeper: Keeper) -> None:
    for first in range(1, 6_001, 1_000):
        await keeper.store.commit(Commit(entries=[entry(seq, f"u{seq % 3}") for seq in range(first, first + 1_000)]))
    batches = [batch async for batch in keeper.store.tail(0)]
    assert len(batches) > 1
    assert [each.seq for batch in batches for each in batch] == list(range(1, 6_001))
    assert [each.seq for each in await every(keeper.store.history("u1"))] == list(range(1, 6_001, 3))


async def test_every_part_of_the_journal_can_be_read_however_it_was_committed(keeper: Keeper) -> None:
    journal = await store_blocks(keeper.store, [1, 3, 2, 7, 1, 1, 5])
    await keeper.reopen()
    for after in range(len(journal) + 2):
        for until in [*range(len(journal) + 2), None]:
            found = await every(keeper.store.tail(after, until))
            assert found == journal[after:until], (after, until)


async def test_the_changes_by_operators_are_a_history_of_their_own(keeper: Keeper) -> None:
    changes = [JournalEntry(seq, seq, Event(user="", kind="program", body=b'{"hash":"%d"}' % seq)) for seq in (1, 5, 6)]
    await keeper.store.commit(Commit(entries=[changes[0]]))
    await keeper.store.commit(Commit(entries=[entry(seq) for seq in (2, 3, 4)]))
    await keeper.store.commit(Commit(entries=[*changes[1:], entry(7)]))
    assert await every(keeper.store.history("")) == changes


async def test_a_history_is_not_taken_in_by_names_that_look_alike(keeper: Keeper) -> None:
    users = ["ann", "anna", "an", "Ann", "nn", "product_added", "a\x00n", "\ufffd", "ü" * 200]
    journal = await store_blocks(keeper.store, [4, 1, 13, 9], users)
    for user in users:
        assert await every(keeper.store.history(user)) == [each for each in journal if each.event.user == user]


async def test_the_history_of_a_user_holds_only_theirs(keeper: Keeper) -> None:
    await keeper.store.commit(Commit(entries=[entry(1, "ann"), entry(2, "bob"), entry(3, "ann")]))
    assert [each.seq for each in await every(keeper.store.history("ann"))] == [1, 3]
    assert await every(keeper.store.history("nobody")) == []


@pytest.mark.parametrize("places", [[2], [1, 3], [1, 1], [2, 1]], ids=str)
async def test_a_journal_with_a_gap_or_a_place_twice_is_refused_whole(keeper: Keeper, places: list[int]) -> None:
    with pytest.raises(AssertionError, match="is next in the journal"):
        await keeper.store.commit(Commit(entries=[entry(seq) for seq in places], names=[JoinedName("~a", "ann")]))
    assert (await keeper.store.counts())["journal"] == 0
    assert (await keeper.store.counts())["names"] == 0
    await keeper.store.commit(Commit(entries=[entry(1)]))


async def test_an_entry_cannot_be_written_again(keeper: Keeper) -> None:
    await keeper.store.commit(Commit(entries=[entry(1)]))
    with pytest.raises(AssertionError):
        await keeper.store.commit(Commit(entries=[entry(1)]))
    await keeper.reopen()
    with pytest.raises(AssertionError):
        await keeper.store.commit(Commit(entries=[entry(1)]))
