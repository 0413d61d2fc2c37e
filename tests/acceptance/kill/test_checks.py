"""The checks of the kill test find what they are for: each planted fault is told, and a life without fault tells nothing."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from actors.model.event import Event
from actors.model.turn import Decision, DecisionKind, Send
from delivery.email import message_id
from persistence.interface import JournalEntry, Outboxed
from tests.acceptance.kill.checks import DOMAIN, DOUBTED, all_faults
from tests.acceptance.kill.evidence import Evidence
from tests.acceptance.kill.post_office import Letter

T0 = 1_700_000_000_000
WAIT = "wait for 2s"


def row(
    index: int, decision: DecisionKind, at: int = T0, *, turn: int = 1, run: str = "r1", **more: object
) -> Decision:
    detail = msgspec.json.encode(more.pop("detail", {}))
    plain = Decision(
        at=at,
        user="ann",
        turn=turn,
        index=index,
        campaign="cart",
        version="v",
        run=run,
        decision=decision,
        detail=detail,
    )
    return msgspec.structs.replace(plain, **more)


def outboxed(number: int, purpose: str, **more: object) -> Outboxed:
    send = Send(
        id=f"send{number}",
        user="ann",
        campaign="cart",
        version="v",
        run="r1",
        step="send",
        channel="email",
        template="cart",
        purpose=purpose,  # type: ignore[arg-type]
        topic="cart",
        to="ann@kill.example",
        at=T0,
        expires=T0 + 1,
        context=b"{}",
    )
    plain = Outboxed(send=send, state="sent", attempts=1, due=T0, boot="b", reply="250 taken")
    return msgspec.structs.replace(plain, **more)


def letter(number: int, subject: str | None = None) -> Letter:
    return Letter(message_id(f"send{number}", DOMAIN), "ann@kill.example", subject or f"Cart {number}")


def entry(seq: int, message: str) -> JournalEntry:
    return JournalEntry(seq, T0 + seq, Event(user="ann", name="product_added", message_id=message))


def added(message: str, cart: str) -> dict[str, object]:
    return {"messageId": message, "event": "product_added", "properties": {"cart_id": cart}}


LEDGER = [
    row(0, "entered", detail={"key": "k1"}),
    row(1, "waiting", step=WAIT, detail={"until": T0 + 2_000}),
    row(0, "sent", T0 + 2_000, turn=2, step="send cart", message="send1"),
    row(1, "finished", T0 + 2_000, turn=2),
    row(0, "entered", turn=3, run="r2", detail={"key": "k2"}),
    row(1, "sent", turn=3, run="r2", step="send cart", message="send2"),
    row(2, "waiting", turn=3, run="r2", step=WAIT, detail={"until": T0 + 2_000}),
    row(0, "exited", T0 + 1_000, turn=4, run="r2", step=WAIT, reason="exit_when"),
]

GOOD = Evidence(
    acked=[added("m1", "k1"), added("m2", "k2")],
    journal=[entry(1, "m1"), entry(2, "m2"), entry(3, "told after the kill")],
    ledger=LEDGER,
    outbox=[outboxed(1, "marketing"), outboxed(2, "transactional", reply=f"{DOUBTED}250 taken")],
    letters=[letter(1), letter(2), letter(2)],
)


def test_a_life_without_fault_tells_nothing() -> None:
    assert all_faults(GOOD) == []


def lacks(name: str, place: int) -> Callable[[], Evidence]:
    return lambda: msgspec.structs.replace(GOOD, **{name: [r for n, r in enumerate(getattr(GOOD, name)) if n != place]})


def has(name: str, place: int, *rows: object) -> Callable[[], Evidence]:
    """With these rows in the place of that one."""
    before: list[object] = getattr(GOOD, name)
    return lambda: msgspec.structs.replace(GOOD, **{name: [*before[:place], *rows, *before[place + 1 :]]})


@pytest.mark.parametrize(
    ("planted", "told"),
    [
        (lacks("journal", 2), None),
        (has("journal", 1, entry(2, "other")), "m2 is lost"),
        (has("journal", 2, entry(3, "m2")), "m2 is there 2 times"),
        (lacks("journal", 1), "entry 3 of"),
        (has("journal", 2, entry(3, "x"), JournalEntry(4, T0, entry(4, "y").event)), "entry 4 of"),
        (has("ledger", 4, row(0, "entered", turn=3, run="r2", detail={"key": "k1"})), "cart began 2 times for k1"),
        (has("acked", 1, added("m2", "k3")), "cart did not begin for k3"),
        (has("ledger", 2, LEDGER[2], row(0, "sent", T0 + 2_000, turn=7, step="send cart", message="send1")), "sent 2 times"),
        (has("ledger", 3, LEDGER[3], row(1, "exited", T0 + 2_000, turn=5)), "does not go from its entry to one end"),
        (has("ledger", 3, LEDGER[3], LEDGER[3]), "rows have the key"),
        (lacks("ledger", 0), "does not go from its entry to one end"),
        (lacks("ledger", 3), "does not go from its entry to one end"),
        (lacks("ledger", 7), "still waits at 'wait for 2s'"),
        (has("ledger", 2, row(0, "sent", T0 + 2_001, turn=2, step="send cart", message="send1")), "fired at"),
        (has("ledger", 7, row(0, "exited", T0 + 2_001, turn=4, run="r2", step=WAIT, reason="exit_when")), "ended it"),
        (lacks("outbox", 0), "send1 was decided and is not in the outbox"),
        (has("outbox", 0, outboxed(1, "marketing"), outboxed(3, "marketing")), "send3 is in the outbox and was never decided"),
        (has("outbox", 0, outboxed(1, "marketing", state="retry")), "send1 (cart) is retry"),
        (has("ledger", 5, row(1, "skipped", turn=3, run="r2", step="send", reason="capped")), "was skipped: capped"),
        (has("letters", 0, letter(1), letter(1)), "arrived 2 times"),
        (lacks("letters", 0), "arrived 0 times"),
        (has("letters", 2, letter(2), letter(2)), "arrived 3 times"),
        (has("outbox", 1, outboxed(2, "transactional")), "arrived 2 times"),
        (has("outbox", 1, outboxed(2, "marketing", reply=f"{DOUBTED}250 taken")), "arrived 2 times"),
        (has("outbox", 1, outboxed(2, "marketing", state="unknown")), "arrived 2 times"),
        (has("letters", 0, letter(1), letter(9)), "the outbox does not know it"),
        (has("letters", 0, letter(1, "Cart 2")), "came in 2 messages"),
    ],
)  # fmt: skip
def test_a_planted_fault_is_told(planted: Callable[[], Evidence], told: str | None) -> None:
    faults = all_faults(planted())
    assert faults == [] if told is None else any(told in fault for fault in faults)


@pytest.mark.parametrize(("user", "fine"), [("~device", True), ("ann", False)])
def test_only_who_is_not_known_yet_may_be_skipped(user: str, fine: bool) -> None:
    skipped = row(1, "skipped", turn=3, run="r2", step="send cart", user=user, reason="no_consent")
    evidence = msgspec.structs.replace(has("ledger", 5, skipped)(), outbox=GOOD.outbox[:1], letters=[letter(1)])
    assert (all_faults(evidence) == []) is fine


@pytest.mark.parametrize(("arrived", "fine"), [(0, True), (1, True), (2, False)])
def test_a_held_mail_may_have_arrived_or_not(arrived: int, fine: bool) -> None:
    held = has("outbox", 1, outboxed(2, "marketing", state="unknown"))()
    assert (all_faults(msgspec.structs.replace(held, letters=[letter(1)] + [letter(2)] * arrived)) == []) is fine
