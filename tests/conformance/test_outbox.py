from __future__ import annotations

from typing import get_args

import pytest

from persistence.interface import UNSETTLED, Commit, Link, Mark, Outboxed, SendState, StoredProgram, Suppression
from tests.conformance.conftest import Keeper
from tests.conformance.rows import decision, entry, send

pytestmark = pytest.mark.anyio

STATES: tuple[SendState, ...] = get_args(SendState)

WAYS: dict[SendState, list[SendState]] = {
    "pending": [],
    "claimed": ["claimed"],
    "at_dot": ["claimed", "at_dot"],
    "sent": ["claimed", "at_dot", "sent"],
    "retry": ["claimed", "retry"],
    "failed": ["failed"],
    "unknown": ["claimed", "at_dot", "unknown"],
}
"""How a send comes into each state."""

ARROWS = {
    "pending": "claimed failed",
    "claimed": "at_dot retry failed",
    "at_dot": "sent retry failed unknown",
    "retry": "claimed failed",
    "unknown": "retry",
    "sent": "",
    "failed": "",
}


def marks(*states: SendState, at: int = 2_000, name: str = "s1") -> list[Mark]:
    return [Mark(id=name, state=state, at=at, boot="boot1" if state == "claimed" else "") for state in states]


async def stored(keeper: Keeper, name: str = "s1") -> Outboxed:
    return (await keeper.store.sends([name]))[name]


async def test_a_new_send_waits_from_the_moment_it_was_decided(keeper: Keeper) -> None:
    both = [send("s1", subject='Ü "quoted" \\ 🛒'), send("s2", subject=None)]
    await keeper.store.commit(Commit(sends=both))
    await keeper.reopen()
    expected = [Outboxed(send=each, state="pending", attempts=0, due=each.at, boot="", reply="") for each in both]
    assert await keeper.store.sends(["s2", "s1", "none"]) == {"s1": expected[0], "s2": expected[1]}
    assert await keeper.store.in_state("pending") == expected


async def test_the_same_send_again_changes_nothing(keeper: Keeper) -> None:
    await keeper.store.commit(Commit(sends=[send()], marks=marks("claimed", "at_dot", "sent")))
    await keeper.store.commit(Commit(sends=[send(at=9_000), send("s2")]))
    assert (await stored(keeper)).state == "sent"
    assert (await stored(keeper)).send == send()
    assert (await keeper.store.counts())["outbox"] == 2


@pytest.mark.parametrize("source", STATES)
async def test_a_send_moves_only_along_the_arrows(keeper: Keeper, source: SendState) -> None:
    for target in STATES:
        name = f"to {target}"
        await keeper.store.commit(Commit(sends=[send(name)], marks=marks(*WAYS[source], name=name)))
        before = await stored(keeper, name)
        assert before.state == source
        await keeper.store.commit(
            Commit(marks=[Mark(id=name, state=target, at=3_000, boot="boot2", due=4_000, reply="r")])
        )
        after = await stored(keeper, name)
        if target in ARROWS[source].split():
            assert after.state == target
        else:
            assert after == before


async def test_several_marks_of_one_send_are_taken_in_order(keeper: Keeper) -> None:
    await keeper.store.commit(
        Commit(sends=[send()], marks=[*marks("claimed", "retry", "claimed"), *marks("sent"), *marks("at_dot")])
    )
    assert (await stored(keeper)).state == "at_dot"
    assert (await stored(keeper)).attempts == 2


async def test_a_claim_counts_an_attempt_and_names_who_claims(keeper: Keeper) -> None:
    await keeper.store.commit(Commit(sends=[send()], marks=marks("claimed")))
    claimed = await stored(keeper)
    assert (claimed.attempts, claimed.boot, claimed.reply) == (1, "boot1", "")
    await keeper.store.commit(Commit(marks=[Mark(id="s1", state="retry", at=3_000, due=9_000, reply="451 later")]))
    assert await stored(keeper) == Outboxed(
        send=send(), state="retry", attempts=1, due=9_000, boot="boot1", reply="451 later"
    )
    await keeper.store.commit(Commit(marks=[Mark(id="s1", state="claimed", at=9_000, boot="boot2")]))
    assert await stored(keeper) == Outboxed(
        send=send(), state="claimed", attempts=2, due=9_000, boot="boot2", reply="451 later"
    )


async def test_a_retry_without_a_due_time_is_due_at_once(keeper: Keeper) -> None:
    await keeper.store.commit(Commit(sends=[send()], marks=[*marks("claimed"), Mark(id="s1", state="retry", at=7_000)]))
    assert (await stored(keeper)).due == 7_000


async def test_a_long_reply_is_cut(keeper: Keeper) -> None:
    reply = "550 ü\n" + "x" * 9_999
    await keeper.store.commit(Commit(sends=[send()], marks=[Mark(id="s1", state="failed", at=1, reply=reply)]))
    assert (await stored(keeper)).reply == reply[:500]


async def test_a_nul_in_a_text_spoils_no_commit(keeper: Keeper) -> None:
    """It may come back as U+FFFD; what stands behind it is not lost."""
    reply = "550 a\x00b\x00\x00\\u0000 end"
    await keeper.store.commit(
        Commit(
            sends=[send(subject="\x00Hi")], marks=[Mark(id="s1", state="failed", at=1, reply=reply)], entries=[entry(1)]
        )
    )
    row = await stored(keeper)
    assert row.reply.replace("\x00", "\ufffd") == reply.replace("\x00", "\ufffd")
    assert (row.send.subject or "").replace("\x00", "\ufffd") == "\ufffdHi"


async def test_what_is_due_comes_oldest_first_and_no_more_than_asked_for(keeper: Keeper) -> None:
    await keeper.store.commit(
        Commit(
            sends=[
                send("late", at=5_000),
                send("b", at=3_000),
                send("a", at=2_000),
                send("gone", at=1),
                send("r", at=1),
            ],
            marks=[
                *marks("claimed", name="gone"),
                *marks("claimed", name="r"),
                Mark(id="r", state="retry", at=2, due=2_500),
            ],
        )
    )
    assert [each.send.id for each in await keeper.store.due_sends(3_000, 10)] == ["a", "r", "b"]
    assert [each.send.id for each in await keeper.store.due_sends(3_000, 2)] == ["a", "r"]
    assert await keeper.store.due_sends(1_999, 10) == []
    assert await keeper.store.next_send_due() == 2_000


async def test_nothing_is_due_when_nothing_waits(keeper: Keeper) -> None:
    assert await keeper.store.next_send_due() is None
    await keeper.store.commit(Commit(sends=[send()], marks=marks("claimed")))
    assert await keeper.store.next_send_due() is None
    assert await keeper.store.due_sends(10**15, 10) == []


async def test_sends_in_a_state_come_oldest_first(keeper: Keeper) -> None:
    names = ["c", "a", "b"]
    await keeper.store.commit(Commit(sends=[send(name, at=100 - n) for n, name in enumerate(names)]))
    assert [each.send.id for each in await keeper.store.in_state("pending")] == ["b", "a", "c"]
    assert [each.send.id for each in await keeper.store.in_state("pending", 1)] == ["b"]
    assert await keeper.store.in_state("sent") == []


async def test_an_address_is_suppressed_however_it_is_written(keeper: Keeper) -> None:
    bounced = Suppression("Ann@Example.test", "bounced", 5)
    complained = Suppression("ann@example.test", "complained", 6, topic="news")
    await keeper.store.commit(Commit(suppressions=[bounced, complained]))
    await keeper.store.commit(Commit(suppressions=[Suppression("ANN@example.test", "again", 9)]))
    await keeper.reopen()
    asked = ["ann@EXAMPLE.test", "bob@example.test", "Ann@Example.test"]
    assert await keeper.store.suppressed(asked) == {asked[0]: [bounced, complained], asked[2]: [bounced, complained]}


async def test_a_link_leads_where_its_last_rendering_says(keeper: Keeper) -> None:
    await keeper.store.commit(
        Commit(links=[Link("s1", 0, "https://shop.example/a", "a"), Link("s1", 1, "https://b.example/", "1")])
    )
    await keeper.store.commit(Commit(links=[Link("s1", 0, "https://shop.example/c?d=ü", "c & ü")]))
    assert await keeper.store.link("s1", 0) == Link("s1", 0, "https://shop.example/c?d=ü", "c & ü")
    assert await keeper.store.link("s1", 1) == Link("s1", 1, "https://b.example/", "1")
    assert await keeper.store.link("s1", 2) is None
    assert await keeper.store.link("other", 0) is None


async def test_a_program_is_kept_as_it_was_first_given(keeper: Keeper) -> None:
    source = b'{"site": "\xc3\xbc \\u0000"}'
    await keeper.store.commit(Commit(programs=[StoredProgram("h1", source, 5), StoredProgram("h2", b"{}", 6)]))
    await keeper.store.commit(Commit(programs=[StoredProgram("h1", b"other", 7)]))
    await keeper.reopen()
    assert await keeper.store.programs(["h1", "h3"]) == {"h1": source}


async def test_counts_name_every_table_and_every_state(keeper: Keeper) -> None:
    empty = await keeper.store.counts()
    assert set(empty.values()) == {0}
    await keeper.store.commit(
        Commit(
            entries=[entry(1), entry(2)],
            decisions=[decision()],
            sends=[send("s1"), send("s2"), send("s3")],
            marks=marks("claimed", name="s3"),
        )
    )
    assert await keeper.store.counts() == empty | {
        "journal": 2,
        "ledger": 1,
        "outbox": 3,
        "outbox.pending": 2,
        "outbox.claimed": 1,
    }
    assert {f"outbox.{state}" for state in STATES} <= set(empty)


async def test_what_is_not_settled_is_counted_by_state(keeper: Keeper) -> None:
    assert await keeper.store.unsettled() == dict.fromkeys(UNSETTLED, 0)
    await keeper.store.commit(
        Commit(
            sends=[send("s1"), send("s2"), send("s3"), send("s4")],
            marks=[
                *marks("claimed", name="s2"),
                *marks("claimed", "at_dot", "sent", name="s3"),
                *marks("failed", name="s4"),
            ],
        )
    )
    assert await keeper.store.unsettled() == dict.fromkeys(UNSETTLED, 0) | {"pending": 1, "claimed": 1}
