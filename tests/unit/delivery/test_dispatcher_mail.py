"""Each mail once: what the mail server does at each stage, and what becomes of the mail."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest

from delivery.email import message_id
from delivery.outcomes import SmtpFault
from delivery.smtp import SmtpConnection
from persistence.interface import Commit, Mark, Suppression
from persistence.memory import MemoryStore
from tests.unit.delivery.making import HOUR, NOW, a_send
from tests.unit.delivery.scripted import Scripted
from tests.unit.delivery.world import IMPATIENT, World, running

pytestmark = pytest.mark.anyio
MINUTE = 60_000


async def sent_after(world: World, minutes: float, number: int = 1) -> None:
    """Lets time pass until the retry is due and waits for the mail to be sent."""
    world.clock.advance(int(minutes * MINUTE))
    await world.state(a_send(number), "sent")


async def test_a_mail_is_sent_once_with_every_step_on_disk_before_the_next(tmp_path: Path) -> None:
    async with Scripted() as server, running(tmp_path, server.port) as world:
        await world.decide(a_send())
        row = await world.state(a_send(), "sent")
        assert world.commits == [("claimed",), ("at_dot",), ("sent",)]
        assert (row.reply, row.attempts, row.boot) == ("250 2.0.0 queued", 1, "boot-2")
        assert len(server.accepted) == 1
        assert server.rcpts == ["RCPT TO:<ann@example.test>"]
        assert b"Subject: Your cart\r\n" in server.accepted[0]
        target = await world.store.link(a_send().id, 0)
        assert target is not None
        assert target.url.startswith("https://shop.example/cart?")
        told = await world.event("email_delivered")
        assert told | {"message_id": ""} == {
            "name": "email_delivered", "user": "ann", "message_id": "", "message": a_send().id, "channel": "email",
            "campaign": "abandoned_cart", "run": "0011223344556677", "template": "cart_1", "topic": "cart",
        }  # fmt: skip
        assert world.dispatcher.delivered_at(a_send().id) == NOW


@pytest.mark.parametrize(
    ("stage", "fault"),
    [
        *((stage, fault) for stage in ("connect", "ehlo", "mail", "rcpt", "data") for fault in ("close", "hang")),
        ("body", "close"),
        ("body", "stall"),
    ],
)
async def test_a_line_that_breaks_before_the_dot_costs_a_retry_and_nothing_else(
    tmp_path: Path, stage: str, fault: str
) -> None:
    async with Scripted({stage: [fault]}) as server, running(tmp_path, server.port, smtp=IMPATIENT) as world:
        # More than the kernel buffers, so that a server that stops reading is noticed.
        await world.decide(a_send(context={"data": {"big": "x" * 450_000}} if fault == "stall" else {}))
        row = await world.state(a_send(), "retry")
        assert server.accepted == []
        assert row.due > NOW
        assert (await world.event("email_deferred"))["message"] == a_send().id
        await sent_after(world, 2)
        assert len(server.accepted) == 1


@pytest.mark.parametrize("fault", ["accept, close", "accept, hang", "close", "hang", "raw:garbage\r\n", "raw:250 ok", "raw:999 what\r\n", "334 what"])  # fmt: skip
async def test_without_an_answer_to_the_dot_nobody_knows_and_marketing_is_not_sent_again(
    tmp_path: Path, fault: str
) -> None:
    async with Scripted({"dot": [fault]}) as server, running(tmp_path, server.port, smtp=IMPATIENT) as world:
        await world.decide(a_send())
        row = await world.state(a_send(), "unknown")
        world.clock.advance(12 * HOUR)
        await world.decide(a_send(2))
        await world.state(a_send(2), "sent")
        assert (await world.row(a_send())).state == "unknown"
        assert "dot" in row.reply
        assert world.dispatcher.counts["doubtful"] == 1
        assert [b"X" for mail in server.accepted if message_id(a_send().id, "shop.example").encode() in mail] == [
            b"X"
        ] * fault.startswith("accept")


async def test_a_receipt_in_doubt_is_sent_once_more_with_the_same_message_id(tmp_path: Path) -> None:
    async with Scripted({"dot": ["accept, close"] * 5}) as server, running(tmp_path, server.port) as world:
        await world.decide(a_send(purpose="transactional"))
        await world.state(a_send(), "retry")
        world.clock.advance(MINUTE)
        await world.state(a_send(), "unknown")
        world.clock.advance(20 * HOUR)
        assert len(server.accepted) == 2
        assert len({message_from_bytes(mail)["Message-ID"] for mail in server.accepted}) == 1
        assert world.dispatcher.counts["doubtful"] == 2


@pytest.mark.parametrize(("purpose", "policy", "state"), [("marketing", "resend", "retry"), ("transactional", "hold", "unknown")])  # fmt: skip
async def test_the_policy_for_doubt_can_be_turned_round(tmp_path: Path, purpose: str, policy: str, state: str) -> None:
    settings: dict[str, Any] = {f"unknown_{purpose}": policy}
    async with Scripted({"dot": ["close"]}) as server, running(tmp_path, server.port, **settings) as world:
        await world.decide(a_send(purpose=purpose))
        await world.state(a_send(), state)


async def test_after_a_crash_a_mail_at_its_dot_is_in_doubt_and_a_claimed_one_is_sent(tmp_path: Path) -> None:
    store = MemoryStore()
    await store.open()
    await store.commit(Commit(sends=[a_send(1), a_send(2), a_send(3, purpose="transactional")]))
    for number, states in ((1, ("claimed",)), (2, ("claimed", "at_dot")), (3, ("claimed", "at_dot"))):
        for state in states:
            await store.commit(Commit(marks=[Mark(id=a_send(number).id, state=state, at=NOW, boot="boot-1")]))  # type: ignore[arg-type]
    async with Scripted() as server, running(tmp_path, server.port, store=store) as world:
        await world.state(a_send(1), "sent")
        await world.state(a_send(2), "unknown")
        assert (await world.row(a_send(3))).state == "retry"
        assert len(server.accepted) == 1
        await sent_after(world, 1, number=3)
        assert len(server.accepted) == 2


async def test_greylisting_for_four_hours_ends_in_one_delivery(tmp_path: Path) -> None:
    plan = {"rcpt": ["451 4.7.1 greylisted"] * 5}
    async with Scripted(plan) as server, running(tmp_path, server.port) as world:
        await world.decide(a_send())
        dues = []
        for attempt in range(1, 6):
            await world.event("email_deferred", attempt)
            row = await world.state(a_send(), "retry")
            dues.append(row.due - world.clock.now_ms())
            world.clock.move_to(row.due - 1)
            world.clock.advance(1)
        await world.state(a_send(), "sent")
        schedule = [1, 5, 15, 60, 180]
        assert all(m * MINUTE <= due <= 1.2 * m * MINUTE for m, due in zip(schedule, dues, strict=True)), dues
        assert len(server.accepted) == 1
        assert world.clock.now_ms() - NOW >= 4 * HOUR


async def test_a_mail_is_given_up_when_the_next_attempt_would_come_after_it_expires(tmp_path: Path) -> None:
    async with Scripted({"rcpt": ["451 later"] * 9}) as server, running(tmp_path, server.port) as world:
        await world.decide(a_send(expires=NOW + 2 * MINUTE))
        await world.state(a_send(), "retry")
        world.clock.advance(90_000)
        row = await world.state(a_send(), "failed")
        assert row.reply.startswith("expired after 2 attempts; refused at rcpt: 451 later")
        assert (await world.event("email_failed"))["reason"] == row.reply


@pytest.mark.parametrize(
    ("stage", "reply", "event", "suppressed"),
    [
        ("rcpt", "550 5.1.1 no such user", "email_bounced", True),
        ("rcpt", "550 user unknown", "email_bounced", True),
        ("rcpt", "553 5.1.3 bad address", "email_bounced", True),
        ("dot", "550 5.1.1 no such user", "email_bounced", True),
        ("dot", "550 spam", "email_bounced", False),
        ("rcpt", "552 5.2.2 mailbox full", "email_bounced", False),
        ("dot", "552 5.3.4 too big", "email_bounced", False),
        ("rcpt", "550 5.7.1 blocked", "email_failed", False),
        ("dot", "550 5.7.26 unauthenticated", "email_failed", False),
        ("data", "554 no", "email_bounced", False),
    ],
)
async def test_a_refusal_is_final_and_only_an_address_that_does_not_exist_is_suppressed(
    tmp_path: Path, stage: str, reply: str, event: str, suppressed: bool
) -> None:
    async with Scripted({stage: [reply]}) as server, running(tmp_path, server.port) as world:
        await world.decide(a_send())
        row = await world.state(a_send(), "failed")
        assert reply in row.reply
        told = await world.event(event)
        assert told.get("permanent", False) == suppressed
        assert bool(await world.store.suppressed(["ann@example.test"])) == suppressed
        await world.decide(a_send(2), a_send(3, to="bob@example.test"))
        await world.state(a_send(3), "sent")
        await world.state(a_send(2), "failed" if suppressed else "sent")


@pytest.mark.parametrize("stage", ["connect", "ehlo", "mail", "rcpt", "data", "dot"])
async def test_replies_may_come_byte_by_byte(tmp_path: Path, stage: str) -> None:
    async with Scripted({stage: ["bytewise"]}) as server, running(tmp_path, server.port) as world:
        await world.decide(a_send())
        await world.state(a_send(), "sent")
        assert len(server.accepted) == 1


@pytest.mark.parametrize("stage", ["ehlo", "mail", "rcpt", "data"])
@pytest.mark.parametrize("fault", ["raw:" + "250-x\r\n" * 20_000 + "250 ok\r\n", "raw:hello\r\n", "raw:250", "200 what", "raw:" + "x" * 100_000])  # fmt: skip
async def test_what_is_no_reply_before_the_dot_costs_a_retry(tmp_path: Path, stage: str, fault: str) -> None:
    async with Scripted({stage: [fault]}) as server, running(tmp_path, server.port, smtp=IMPATIENT) as world:
        await world.decide(a_send())
        await world.state(a_send(), "retry")
        await sent_after(world, 2)
        assert len(server.accepted) == 1


async def test_an_answer_nobody_asked_for_is_not_taken_for_the_answer_to_the_dot(tmp_path: Path) -> None:
    plan = {"data": ["raw:354 go on\r\n250 queued\r\n"]}
    async with Scripted(plan) as server, running(tmp_path, server.port) as world:
        await world.decide(a_send())
        row = await world.state(a_send(), "retry")
        assert "more than it was asked" in row.reply
        assert server.accepted == []


async def test_a_server_that_dribbles_holds_up_no_other_mail(tmp_path: Path) -> None:
    async with Scripted({"rcpt": ["hang"]}) as server, running(tmp_path, server.port, smtp=IMPATIENT) as world:
        await world.decide(*(a_send(number) for number in range(1, 30)))
        stuck = await world.state(a_send(1), "retry")
        assert "timeout at rcpt" in stuck.reply
        for number in range(2, 30):
            await world.state(a_send(number), "sent")


@pytest.mark.parametrize(
    ("plan", "why"),
    [
        ({"connect": ["421 too many"] * 2}, "421 too many"),
        ({"mail": ["421 closing", "421 closing"]}, "421 closing"),
        ({"mail": ["550 5.7.1 who are you"] * 2}, "550 5.7.1 who are you"),
        ({"connect": ["554 go away"] * 2}, "554 go away"),
    ],
)
async def test_when_the_relay_is_to_blame_it_rests_and_no_mail_is_lost(
    tmp_path: Path, plan: dict[str, list[str]], why: str
) -> None:
    smtp = {"connections_max": 1}
    async with Scripted(plan) as server, running(tmp_path, server.port, smtp=smtp) as world:
        await world.decide(a_send(1), a_send(2))
        row = await world.state(a_send(1), "retry")
        assert why in row.reply
        assert (await world.row(a_send(2))).state == "pending"
        world.clock.advance(5_000)
        await world.event("email_deferred", 2)
        world.clock.advance(10_000)
        await world.state(a_send(1), "sent")
        await world.state(a_send(2), "sent")
        assert len(server.accepted) == 2


async def test_when_nobody_listens_the_mail_waits(tmp_path: Path) -> None:
    async with Scripted() as server:
        port = server.port
    async with running(tmp_path, port) as world:
        await world.decide(a_send())
        row = await world.state(a_send(), "retry")
        assert row.reply.startswith("closed at connect")
        assert row.due == NOW + 5_000


async def test_an_unsubscribe_or_purchase_stops_a_mail_up_to_the_dot(tmp_path: Path) -> None:
    async with Scripted() as server, running(tmp_path, server.port) as world:

        async def meanwhile(marks: Sequence[Mark]) -> None:
            if marks[0].state == "claimed":
                world.reasons[a_send().id] = "no_consent"

        world.before_write = meanwhile
        await world.decide(a_send())
        row = await world.state(a_send(), "failed")
        assert row.reply == "no_consent"
        assert server.log[-1] == "data"
        assert server.accepted == []
        assert (await world.event("email_failed"))["reason"] == "no_consent"


async def test_what_may_not_go_out_is_not_even_claimed(tmp_path: Path) -> None:
    async with Scripted() as server, running(tmp_path, server.port) as world:
        world.reasons[a_send(1).id] = "exited"
        await world.store.commit(Commit(suppressions=[
            Suppression("bob@example.test", "complaint", NOW), Suppression("eve@example.test", "x", NOW, topic="cart")
        ]))  # fmt: skip
        await world.decide(
            a_send(1),
            a_send(2, expires=NOW - 1),
            a_send(3, to="bob@example.test"),
            a_send(4, to="eve@example.test"),
            a_send(5, to="eve@example.test", topic="orders"),
            a_send(6, template="gone"),
        )
        reasons = [(await world.state(a_send(n), "failed")).reply for n in (1, 2, 3, 4, 6)]
        assert reasons[:4] == ["exited", "expired", "suppressed", "suppressed"]
        assert reasons[4].startswith("render_error: template 'gone'")
        await world.state(a_send(5), "sent")
        assert len(server.accepted) == 1
        assert world.commits.count(("claimed",)) == 1


async def test_a_connection_carries_many_mails_and_is_replaced_after_its_share(tmp_path: Path) -> None:
    smtp = {"connections_max": 1, "connection_messages_max": 3}
    async with Scripted() as server, running(tmp_path, server.port, smtp=smtp) as world:
        await world.decide(*(a_send(number) for number in range(1, 8)))
        for number in range(1, 8):
            await world.state(a_send(number), "sent")
        assert server.connections == 3
        assert server.log.count("quit") == 2


async def test_an_idle_connection_that_the_server_closed_is_no_fault(tmp_path: Path) -> None:
    smtp = {"connections_max": 1}
    async with Scripted({"mail": ["", "close"]}) as server, running(tmp_path, server.port, smtp=smtp) as world:
        await world.decide(a_send(1))
        await world.state(a_send(1), "sent")
        await world.decide(a_send(2))
        row = await world.state(a_send(2), "sent")
        assert row.attempts == 1
        assert server.connections == 2
        assert "email_deferred" not in world.names()


async def test_a_connection_idle_for_long_is_asked_before_it_is_used(tmp_path: Path) -> None:
    smtp = {"connections_max": 1, "idle_s_max": 0.0}
    plan = {"noop": ["250 fine", "close"]}
    async with Scripted(plan) as server, running(tmp_path, server.port, smtp=smtp | {"idle_s_max": -1.0}) as world:
        for number in (1, 2, 3):
            await world.decide(a_send(number))
            await world.state(a_send(number), "sent")
        assert server.log.count("noop") + server.connections >= 3
        assert len(server.accepted) == 3


async def test_after_a_refused_recipient_the_connection_goes_on(tmp_path: Path) -> None:
    smtp = {"connections_max": 1}
    async with Scripted({"rcpt": ["550 5.1.1 no"]}) as server, running(tmp_path, server.port, smtp=smtp) as world:
        await world.decide(a_send(1), a_send(2, to="bob@example.test"))
        await world.state(a_send(1), "failed")
        await world.state(a_send(2), "sent")
        assert server.connections == 1
        assert "rset" in server.log


@pytest.mark.parametrize("full_at", ["claimed", "at_dot", "sent"])
async def test_with_the_disk_full_a_mail_waits_and_is_still_sent_once(tmp_path: Path, full_at: str) -> None:
    async with Scripted() as server, running(tmp_path, server.port) as world:

        async def fills(marks: Sequence[Mark]) -> None:
            if marks[0].state == full_at and not seen:
                seen.append(full_at)
                world.full = 1

        seen: list[str] = []
        world.before_write = fills
        await world.decide(a_send())
        await world.until(lambda: world.dispatcher.counts["storage_full"])
        assert server.accepted == [] or full_at == "sent"
        if full_at == "at_dot":
            await world.state(a_send(), "retry")
        world.clock.advance(1000)
        await world.state(a_send(), "sent")
        assert len(server.accepted) == 1


async def test_feedback_the_engine_refuses_for_now_is_told_again(tmp_path: Path) -> None:
    async with Scripted() as server, running(tmp_path, server.port) as world:
        world.refuse = 2
        await world.decide(a_send())
        await world.event("email_delivered")
        assert world.names() == ["email_delivered"]


@pytest.mark.slow
async def test_a_thousand_mails_each_arrive_once(tmp_path: Path) -> None:
    async with Scripted() as server, running(tmp_path, server.port) as world:
        for start in range(0, 1000, 100):
            await world.decide(*(a_send(start + n, to=f"u{start + n}@example.test") for n in range(1, 101)))
        for number in range(1, 1001):
            await world.state(a_send(number), "sent")
        assert sorted(server.rcpts) == sorted(f"RCPT TO:<u{n}@example.test>" for n in range(1, 1001))
        assert server.connections <= 4 + 1000 // 100


async def test_stopping_lets_what_is_in_flight_arrive_and_starts_nothing_more(tmp_path: Path) -> None:
    async with Scripted() as server, running(tmp_path, server.port, smtp={"connections_max": 1}) as world:
        await world.decide(a_send(1), a_send(2))
        await server.reached("mail")
        await world.dispatcher.stop()
        assert (await world.row(a_send(1))).state == "sent"
        assert (await world.row(a_send(2))).state == "pending"


async def test_a_staging_copy_settles_what_it_may_not_mail_with_the_reason(tmp_path: Path) -> None:
    async with Scripted() as server, running(tmp_path, server.port, only_to=("@shop.example",)) as world:
        await world.decide(a_send(1), a_send(2, to="ann@shop.example"))
        await world.state(a_send(2), "sent")
        row = await world.state(a_send(1), "failed")
        assert row.reply.startswith("only_to: the address is not among those that get mail here")
        assert (await world.event("email_failed"))["reason"] == row.reply
        assert server.rcpts == ["RCPT TO:<ann@shop.example>"]


async def test_a_connection_that_closes_while_we_write_down_that_we_are_at_the_dot_leaves_no_doubt(
    tmp_path: Path,
) -> None:
    """The dot was not sent, so the mail was not delivered."""
    async with Scripted() as server, running(tmp_path, server.port) as world:
        connection = SmtpConnection(world.smtp, None)
        await connection.open()

        async def until_it_is_closed() -> None:
            for task in server.open:
                task.cancel()
            async with asyncio.timeout(5):
                while connection.is_open:
                    await asyncio.sleep(0)

        with pytest.raises(SmtpFault) as caught:
            await connection.send("news@shop.example", "ann@example.test", b"Subject: x\r\n\r\n", until_it_is_closed)
        assert (caught.value.stage, caught.value.kind) == ("body", "closed")
