"""A connection of cuebird.v1: what comes, and what is answered."""

from __future__ import annotations

import gc
import json
import random
import weakref
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingress.bounds.limits import IngressLimits
from tests.unit.ingress.odd import odd
from tests.unit.ingress.site import BINARY, NOW, SERVER, SHOP, WRITE, Page, Site, ev, proof, push, track


def opened(site: Site | None = None, **hello: Any) -> Page:
    page = (site or Site()).connect()
    page.hello(**hello)
    return page


# --- hello --------------------------------------------------------------------------------------------------------


def test_a_welcome_tells_the_client_all_it_needs() -> None:
    assert Site().connect().hello() == {
        "t": "welcome", "session": "s_1", "epoch": "e7", "ping_ms": 25_000, "max_frame": 262_144, "max_batch": 500,
        "credit": 1000, "acked": 0, "recovered": False, "offset": 0, "time": "2026-11-22T04:00:00.000Z",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("hello", "origin", "close", "code"),
    [
        ({}, SHOP, 4001, "unauthorized"),
        ({"token": "wk_wrong"}, SHOP, 4001, "unauthorized"),
        ({"token": WRITE}, "https://evil.example", 4003, "forbidden"),
        ({"token": WRITE}, "https://shop.example.evil.example", 4003, "forbidden"),
        ({"token": WRITE}, "https://shop.example:8443", 4003, "forbidden"),
        ({"token": WRITE}, "null", 4003, "forbidden"),
        ({"token": WRITE}, None, 4003, "forbidden"),
        ({"token": proof("ann", expires_ms=NOW - 1)}, SHOP, 4001, "unauthorized"),
        ({"token": proof("ann", secret="x" * 40)}, SHOP, 4001, "unauthorized"),
        ({"token": proof("ann", aud="other")}, SHOP, 4001, "unauthorized"),
        ({"token": WRITE, "proof": "a.b.c"}, SHOP, 4001, "unauthorized"),
    ],
)
def test_who_may_not_come_in_is_told_why(hello: dict[str, Any], origin: str | None, close: int, code: str) -> None:
    page = Site().connect(origin=origin)
    (answer,) = page.say({"t": "hello"} | hello)
    assert (answer["t"], answer["code"], page.close) == ("err", code, close)
    assert page.say(ev(1)) == []


def test_the_handshake_may_carry_the_token() -> None:
    page = Site().connect(token=SERVER, origin=None)
    assert page.say({"t": "hello"})[0]["t"] == "welcome"


def test_a_hello_is_waited_for_five_seconds() -> None:
    page = Site().connect()
    assert page.pass_time(4_999) == []
    assert page.close is None
    page.pass_time(1)
    assert page.close == 4002


# --- events and their acknowledgements ----------------------------------------------------------------------------


def test_an_event_is_acknowledged_after_its_commit_and_not_before() -> None:
    site = Site(hold=True)
    page = opened(site)
    assert page.say(ev(18)) == []
    woken = page.woken
    site.engine.commit()
    assert page.woken > woken, "the shell must be told that there is something to send"
    assert page.hear() == [{"t": "ok", "id": 18, "n": 1, "dup": 0, "credit": 1000}]
    assert site.engine.names == ["product_viewed"]


def test_acknowledgements_are_cumulative_and_in_order() -> None:
    site = Site(hold=True)
    page = opened(site)
    page.say(ev(1), ev(2), ev(3))
    site.engine.commit(1)
    assert page.hear() == [], "the first is not stored yet"
    site.engine.commit(0)
    assert page.hear() == [{"t": "ok", "id": 2, "n": 2, "dup": 0, "credit": 999}]
    site.engine.commit()
    assert page.hear() == [{"t": "ok", "id": 3, "n": 1, "dup": 0, "credit": 1000}]


def test_a_repeated_event_is_acknowledged_as_a_duplicate() -> None:
    page = opened()
    page.say(ev(1))
    assert page.say(ev(2, track(1))) == [{"t": "ok", "id": 2, "n": 0, "dup": 1, "credit": 1000}]


def test_an_event_of_which_nobody_knows_whether_it_came_before_is_told_as_too_old() -> None:
    site = Site()
    page = opened(site)
    site.engine.forgotten = {"m1", "i1", "i1:alias"}
    who = {"type": "identify", "userId": "ann", "anonymousId": "a1", "messageId": "i1"}
    (answer,) = page.say(ev(1, track(1), track(2), track(2)))
    assert (answer["id"], answer["n"], answer["dup"], answer["too_old"]) == (1, 1, 1, 1)
    assert site.world.counts.too_old["ws"] == 1
    (answer,) = page.say(ev(2, who, track(3)))
    assert (answer["n"], answer["dup"], answer["too_old"]) == (1, 0, 1), "an identify is two events and one message"
    assert "too_old" not in page.say(ev(3, track(4)))[0]


@pytest.mark.parametrize(
    ("messages", "n", "rejected"),
    [
        ([track(1), {"type": "track", "userId": "u"}, track(3)], 2, [(1, "no_event")]),
        ([{"type": "track", "userId": "u"}], 0, [(0, "no_event")]),
        ([track(1), {"event": "x", "user_id": "u"}], 2, []),
        ([track(1), {"event": "x", "user_id": True}], 1, [(1, "type_error")]),
        ([track(1), track(2, properties=3), 5], 1, [(1, "type_error"), (2, "type_error")]),
        ([track(1), track(2, properties={"a": 2**64})], 1, [(1, "out_of_range")]),
        ([], 0, []),
        ([{"type": "identify", "userId": "u", "anonymousId": "a", "messageId": "m"}], 1, []),
    ],
)
def test_bad_messages_are_listed_and_the_good_ones_stored(
    messages: list[Any], n: int, rejected: list[tuple[int, str]]
) -> None:
    (ok,) = opened().say({"t": "ev", "id": 7, "e": messages})
    assert (ok["t"], ok["id"], ok["n"]) == ("ok", 7, n)
    assert [(r["i"], r["code"]) for r in ok.get("rejected", [])] == rejected


def test_events_may_leave_out_who_they_are_about() -> None:
    page = opened(user={"userId": "ann", "anonymousId": "a1"})
    page.say(ev(1, track(1, userId=None)))
    assert page.site.engine.events[0].user == "ann"


def test_the_envelope_tells_the_clients_clock() -> None:
    page = opened(token=WRITE)
    page.say(ev(1, track(1, timestamp=NOW - 70_000), sentAt=NOW - 60_000))
    assert page.site.engine.events[0].occurred == NOW - 10_000


def test_a_batch_that_is_too_large_is_refused_and_the_connection_stays() -> None:
    page = opened()
    (answer,) = page.say(ev(1, *[track(i) for i in range(501)]))
    assert (answer["code"], answer["id"], page.close) == ("batch_too_large", 1, None)


def test_a_client_that_sends_past_its_credit_is_told_and_closed() -> None:
    page = opened(Site(hold=True, limits=IngressLimits(credit_events=3)))
    assert page.say(ev(1, track(1), track(2)), ev(2, track(3))) == []
    (answer,) = page.say(ev(3, track(4)))
    assert (answer["t"], answer["code"], answer["id"], page.close) == ("err", "over_credit", 3, 4102)
    assert len(page.site.engine.events) == 3


def test_credit_returns_with_the_acknowledgement() -> None:
    page = opened(Site(hold=True, limits=IngressLimits(credit_events=2)))
    for number in range(1, 20, 2):
        page.say(ev(number, track(number)), ev(number + 1, track(number + 1)))
        page.site.engine.commit()
        assert page.hear()[-1]["credit"] == 2


def test_a_refusal_says_when_to_try_again_and_is_never_covered_by_an_ok() -> None:
    page = opened()
    page.say(ev(1))
    page.site.engine.refuse = "overloaded"
    (answer,) = page.say(ev(2))
    assert (answer["code"], answer["id"], answer["retry_ms"]) == ("overloaded", 2, 3_000)
    page.site.engine.refuse = None
    assert page.say(ev(3))[0]["id"] == 3
    page.session.gone(NOW)
    again = page.site.connect()
    assert again.hello(session="s_1")["acked"] == 1, "whoever missed the err must send frame 2 again"


def test_the_order_of_answers_keeps_an_err_before_the_ok_that_covers_its_id() -> None:
    site = Site(hold=True)
    page = opened(site)
    page.say(ev(1))
    site.engine.refuse = "storage_full"
    page.session.receive_text(msgspec.json.encode(ev(2)), NOW)
    site.engine.refuse = None
    page.session.receive_text(msgspec.json.encode(ev(3)), NOW)
    site.engine.commit()
    assert [(f["t"], f["id"]) for f in page.hear()] == [("err", 2), ("ok", 3)]


# --- frames at fault ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("null", "type_error"),
        ("5", "type_error"),
        ('"text"', "type_error"),
        ("{}", "type_error"),
        ('{"t":5}', "type_error"),
        ('{"t":"warp"}', "unknown_type"),
        ('{"t":"ev"}', "type_error"),
        ('{"t":"ev","id":1}', "type_error"),
        ('{"t":"ev","e":[]}', "type_error"),
        ('{"t":"ev","id":"1","e":[]}', "type_error"),
        ('{"t":"ev","id":true,"e":[]}', "type_error"),
        ('{"t":"ev","id":1,"e":{}}', "type_error"),
        ('{"t":"ev","id":0,"e":[]}', "bad_id"),
        ('{"t":"ev","id":1,"e":[],"sentAt":"soon"}', "invalid_timestamp"),
        ('{"t":"ack","offset":1,"status":"eaten"}', "type_error"),
        ('{"t":"ack","offset":1}', "unknown_push"),
        ('{"t":"hello"}', "already_open"),
        ('{"t":"auth"}', "type_error"),
        ('{"t":"ev","id":1,"e":[{"a":1}]', "invalid_json"),
        ('{"t":"ev","id":1,"e":[{"a":"x}]}', "invalid_json"),
        ('{"t":"ev","id":"1","e":[{"a":"\\ud83d"}]}', "type_error"),
        ('{"t":"ev","id":1,"e":[],"sentAt":[]}', "type_error"),
        ("\ufeff{}", "invalid_json"),
        ("[[]]", "type_error"),
    ],
    ids=lambda value: "binary" if value is BINARY else repr(value)[:40],
)
def test_a_bad_frame_is_answered_with_its_fault_and_survived(frame: object, code: str) -> None:
    page = opened()
    (answer,) = page.say(frame)
    assert (answer["t"], answer["code"]) == ("err", code)
    assert answer["message"]
    assert page.close is None
    assert page.say(ev(50))[0]["t"] == "ok"


def test_twenty_bad_frames_in_a_minute_end_the_connection() -> None:
    page = opened()
    for _ in range(19):
        page.say("null")
    page.site.clock.now += 60_000
    page.say("null")
    assert page.close is None, "the first nineteen are forgotten"
    for _ in range(19):
        page.say("null")
    assert page.close == 1008


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[" * 100_000,
        "hello",
        'x{"t":"ev","id":2,"e":[]}',
        '{"t":"ev","e":[{"n":"x}],"id":2}',
        '{"t":"ev","e":[{"n":1}',
        '{"t":"ping"} {"t":"ev","id":2,"e":[]}',
        '{"t":"ev","id":2,"e":[]} {"t":"ev","id":3,"e":[]}',
        '[{"t":"ping"},{"t":"ev","id":2,"e":[{"n":"x}]}]',
        '[[{"t":"ev","id":2,"e":[]}',
        BINARY,
    ],
    ids=lambda value: "binary" if value is BINARY else repr(value)[:40],
)
def test_no_ok_passes_a_frame_that_could_not_be_answered(text: object) -> None:
    page = opened()
    page.say(ev(1))
    assert [answer["t"] for answer in page.say(text)][-1] == "err"
    assert page.close == 4104, "a code that means: come back, and send again what was not acknowledged"
    assert page.say(ev(4)) == []
    page.session.gone(NOW)
    assert page.site.connect().hello(session="s_1")["acked"] == 1


def test_a_session_that_cannot_be_read_again_and_again_is_told_to_stay_away() -> None:
    site = Site()
    closes = []
    for number in range(3):
        page = site.connect()
        page.hello(session="s_1")
        page.say(ev(2 * number + 1), '{"t":"ev","e":[')
        closes.append(page.close)
        page.session.gone(NOW)
    assert closes == [4104, 4104, 4007]


TORN = track(2, properties={"n": "HALF"})


@pytest.mark.parametrize("half", ["caf\\ud83d", "\\udc00", "\\ud83d\\ud83d", "\\\\\\udbff\\\\"])
def test_half_an_emoji_costs_no_message_of_its_frame(half: str) -> None:
    page = opened()
    frame = msgspec.json.encode(ev(1, track(1), TORN, track(3))).decode().replace("HALF", half)
    for text in (
        frame,
        f'[{{"t":"ping"}},{frame.replace(chr(34) + "id" + chr(34) + ":1", chr(34) + "id" + chr(34) + ":2")}]',
    ):
        answers = page.say(text)
        assert [(a["t"], a.get("n", 0) + a.get("dup", 0)) for a in answers if a["t"] != "pong"] == [("ok", 3)]
    torn = page.site.engine.events[1]
    assert msgspec.json.decode(torn.body)["n"] == json.loads(f'"{half}"').encode("utf-16", "surrogatepass").decode(
        "utf-16", "replace"
    )


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        ('{"a":' + "[" * 2_000 + "]" * 2_000 + "}", "too_deep"),
        ("[" * 2_000 + "]" * 2_000, "too_deep"),
        ('{"a":NaN}', "invalid_json"),
        ('{"a":1,}', "invalid_json"),
        ("tru", "invalid_json"),
        ("", "invalid_json"),
        ('{"type":"track","event":"x","userId":"u\\ud83d"}', "bad_string"),
        ('{"event":"x\\ud83d","user_id":"u"}', "bad_string"),
    ],
    ids=lambda value: value[:30],
)
def test_a_message_that_no_decoder_takes_is_rejected_by_its_index(bad: str, code: str) -> None:
    page = opened()
    good = [msgspec.json.encode(track(number)).decode() for number in range(99)]
    (ok,) = page.say('{"t":"ev","id":1,"e":[' + ",".join([*good[:42], bad, *good[42:]]) + "]}")
    assert (ok["t"], ok["n"], [(r["i"], r["code"]) for r in ok["rejected"]]) == ("ok", 99, [(42, code)])
    assert len(page.site.engine.events) == 99


@settings(deadline=None)
@given(st.randoms(use_true_random=False), st.integers(0, 3))
def test_of_a_frame_with_any_bad_message_all_others_are_stored_and_it_is_named(rng: random.Random, at: int) -> None:
    page = opened()
    messages = [msgspec.json.encode(track(number)) for number in range(3)]
    messages.insert(at, odd(rng, b"u1"))
    text = b'{"t":"ev","id":1,"e":[%b]}' % b",".join(messages)
    (ok,) = page.say(text.decode(errors="replace"))
    assert [e.message_id for e in page.site.engine.events if e.message_id in ("m0", "m1", "m2")] == ["m0", "m1", "m2"]
    assert {row["i"] for row in ok.get("rejected", [])} <= {at}
    assert ok["n"] + ok["dup"] + len(ok.get("rejected", [])) == 4


@pytest.mark.parametrize(
    "frame",
    [
        '{"t":"ev","id":2,"e":[{"a":"x}]}',
        '{"t":"ev","id":2,"e":5}',
        '{"t":"ev","id":2,"e":[],"sentAt":"soon"}',
        '{"t":"from_the_future","id":2}',
        msgspec.json.encode({"t": "ev", "id": 2, "e": [{}] * 501}).decode(),
    ],
    ids=lambda value: value[:40],
)
def test_a_session_is_not_resumed_behind_a_frame_that_was_refused(frame: str) -> None:
    page = opened()
    answers = page.say(ev(1), frame, ev(3))
    assert [(a["t"], a["id"]) for a in answers] == [("err", 2), ("ok", 3)]
    page.session.gone(NOW)
    assert page.site.connect().hello(session="s_1")["acked"] == 1, "who missed the err is to hear it again"


def test_an_unknown_type_is_no_offence() -> None:
    page = opened()
    for _ in range(50):
        page.say('{"t":"from_the_future"}')
    assert page.close is None


def test_frames_may_come_in_an_array_each_answered_for_itself() -> None:
    page = opened()
    answers = page.say('[{"t":"ping"},{"t":"warp"},5,' + msgspec.json.encode(ev(1)).decode() + "]")
    assert [(a["t"], a.get("code")) for a in answers] == [
        ("pong", None), ("err", "unknown_type"), ("err", "type_error"), ("ok", None),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("state", "frame", "answer"),
    [
        ("new", {"t": "ping"}, "pong"),
        ("new", {"t": "pong"}, None),
        ("new", ev(1), "hello_expected"),
        ("new", {"t": "ev", "id": 1, "e": [5]}, "hello_expected"),
        ("new", {"t": "ack", "offset": 1}, "hello_expected"),
        ("new", {"t": "auth", "token": "x"}, "hello_expected"),
        ("open", {"t": "ping"}, "pong"),
        ("open", {"t": "pong"}, None),
        ("open", {"t": "hello"}, "already_open"),
        ("open", ev(1), "ok"),
        ("draining", {"t": "ping"}, "pong"),
        ("draining", ev(1), "draining"),
        ("draining", {"t": "ev", "id": 1, "e": [5]}, "draining"),
        ("draining", {"t": "ack", "offset": 1}, "unknown_push"),
    ],
)
def test_each_frame_has_its_place(state: str, frame: dict[str, Any], answer: str | None) -> None:
    page = Site().connect() if state == "new" else opened()
    if state == "draining":
        page.session.drain()
        page.hear()
    answers = [a.get("code") or a["t"] for a in page.say(frame)]
    assert answers == ([answer] if answer else [])
    assert page.close is None


frames_at_random = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.sampled_from(["t", "id", "e", "sentAt", "type", "userId", "event", "token"]) | st.text(), inner),
    max_leaves=20,
) | st.fixed_dictionaries(
    {"t": st.sampled_from(["hello", "ev", "ack", "auth", "ping", "pong", "x"]), "id": st.integers(0, 5), "e": st.lists(st.integers() | st.dictionaries(st.text(), st.text()))}
)  # fmt: skip


@pytest.mark.slow
@settings(deadline=None)
@given(
    st.lists(st.just(BINARY) | st.text() | frames_at_random.map(lambda f: msgspec.json.encode(f).decode()), max_size=30)
)
def test_any_bytes_get_a_coded_answer_and_never_an_exception(messages: list[object]) -> None:
    page = opened()
    for message in messages:
        for answer in page.say(message):
            assert answer["t"] in {"err", "ok", "pong", "welcome"}
            assert answer["t"] != "err" or (answer["code"] and answer["message"])


# --- who is speaking ----------------------------------------------------------------------------------------------


def test_a_page_that_signs_in_proves_it_without_reconnecting() -> None:
    page = opened(token=WRITE, user={"userId": "ann", "anonymousId": "a1"})
    page.say(ev(1, track(1, userId="ann", anonymousId="a1")))
    page.say({"t": "auth", "token": proof("ann")})
    page.say(ev(2, track(2, userId="ann", anonymousId="a1")))
    assert [event.user for event in page.site.engine.events] == ["~a1", "ann"]
    page.site.streams.publish("ann", push())
    assert [frame["t"] for frame in page.hear()] == ["push"]


def test_a_bad_proof_is_told_and_changes_nothing() -> None:
    page = opened(token=WRITE, user={"anonymousId": "a1"})
    (answer,) = page.say({"t": "auth", "token": "x.y.z"})
    assert (answer["code"], page.close) == ("unauthorized", None)


def test_the_end_of_a_proof_is_announced_and_then_kept() -> None:
    page = opened(token=proof("ann", expires_ms=NOW + 90_000))
    page.say({"t": "pong"})
    page.pass_time(20_000)
    page.say({"t": "pong"})
    assert page.pass_time(15_000) == [{"t": "token_expiring", "in_ms": 55_000}]
    assert page.pass_time(1_000) == []
    page.say({"t": "pong"})
    page.pass_time(54_000)
    assert page.close == 4201


def test_a_page_without_proof_hears_only_its_visitors_pushes() -> None:
    page = opened(token=WRITE, user={"userId": "ann", "anonymousId": "a1"})
    page.site.streams.publish("ann", push(1))
    page.site.streams.publish("~a1", push(2))
    assert [frame["id"] for frame in page.hear()] == ["send-2"]


# --- pushes -------------------------------------------------------------------------------------------------------


def test_a_push_reaches_the_page_as_a_frame() -> None:
    page = opened(user={"userId": "ann"})
    reached = page.site.streams.publish("ann", push(1, expires=NOW + 3_600_000, variant="v2", kind="banner"))
    assert reached == 1
    assert page.hear() == [
        {
            "t": "push", "offset": 1, "id": "send-1", "kind": "banner", "data": {"title": "Still thinking?"},
            "exp": "2026-11-22T05:00:00.000Z", "ab": "v2",
        }
    ]  # fmt: skip


def test_what_became_of_a_push_is_an_event_once() -> None:
    page = opened(user={"userId": "ann"})
    page.site.streams.publish("ann", push())
    page.hear()
    assert page.say(*[{"t": "ack", "offset": 1, "status": s} for s in ("delivered", "seen", "seen", "clicked")]) == []
    assert page.site.engine.names == ["push_delivered", "push_seen", "push_clicked"]
    seen = page.site.engine.events[1]
    assert (seen.user, seen.source, seen.kind) == ("ann", "engine", "track")
    assert msgspec.json.decode(seen.body) == {"message": "send-1", "channel": "push", "campaign": "cart"}


def test_nobody_reports_on_a_push_to_another() -> None:
    page = opened(token=WRITE, user={"anonymousId": "a1"})
    page.site.streams.publish("ann", push())
    assert page.say({"t": "ack", "offset": 1, "status": "seen"})[0]["code"] == "unknown_push"


def test_a_page_that_does_not_read_is_dropped_with_all_that_waited() -> None:
    page = opened(Site(limits=IngressLimits(send_queue_bytes_max=10_000)), user={"userId": "ann"})
    for number in range(1_000):
        page.site.streams.publish("ann", push(number))
    assert page.close == 4101
    assert page.hear() == []
    assert page.site.streams.statistics()["streams"] == 0


def test_a_client_that_sends_much_and_reads_nothing_is_dropped() -> None:
    site = Site(limits=IngressLimits(send_queue_bytes_max=10_000))
    page = opened(site)
    site.engine.refuse = "overloaded"
    for number in range(1, 1_000):
        page.session.receive_text(msgspec.json.encode(ev(number)), NOW)
    assert page.close == 4101
    assert page.hear() == []


def test_a_page_that_comes_back_hears_what_it_missed() -> None:
    site = Site()
    for number in range(1, 4):
        site.streams.publish("ann", push(number))
    page = site.connect()
    welcome, *missed = page.say(
        {"t": "hello", "token": SERVER, "user": {"userId": "ann"}, "since": {"epoch": "e7", "offset": 1}}
    )
    assert (welcome["recovered"], welcome["offset"], [m["offset"] for m in missed]) == (True, 3, [2, 3])


# --- sessions that go on ------------------------------------------------------------------------------------------


def test_a_session_is_resumed_within_two_minutes() -> None:
    site = Site(hold=True)
    page = opened(site)
    page.say(ev(1), ev(2))
    site.engine.commit(0)
    page.session.gone(site.clock.now)
    site.engine.commit()
    site.clock.now += 120_000
    welcome = site.connect().hello(session="s_1")
    assert (welcome["session"], welcome["acked"]) == ("s_1", 2), "the second was stored after the page had gone"


@pytest.mark.parametrize("why", ["late", "unknown", "another key"])
def test_a_session_that_cannot_be_resumed_begins_anew(why: str) -> None:
    site = Site()
    page = opened(site)
    page.say(ev(1))
    page.session.gone(site.clock.now)
    site.clock.now += 120_001 if why == "late" else 0
    token = WRITE if why == "another key" else SERVER
    welcome = site.connect().hello(session="s_x" if why == "unknown" else "s_1", token=token)
    assert (welcome["session"], welcome["acked"]) == ("s_2", 0)


def test_the_same_session_elsewhere_replaces_the_first() -> None:
    site = Site()
    first = opened(site)
    second = site.connect()
    second.hello(session="s_1")
    assert (first.close, second.close) == (4009, None)
    first.session.gone(site.clock.now)
    assert second.say(ev(1))[0]["t"] == "ok"
    second.session.gone(site.clock.now)
    assert site.connect().hello(session="s_1")["acked"] == 1


# --- time ---------------------------------------------------------------------------------------------------------


def test_a_silent_client_is_asked_and_then_given_up() -> None:
    page = opened()
    assert page.pass_time(24_999) == []
    assert page.pass_time(1) == [{"t": "ping"}]
    assert page.pass_time(1_000) == [], "asked once a period"
    page.say({"t": "pong"})
    assert page.pass_time(24_999) == []
    page.pass_time(75_000)
    assert page.close == 4103


def test_a_draining_server_asks_its_clients_to_go_and_refuses_what_is_new() -> None:
    site = Site(hold=True)
    page = opened(site)
    page.say(ev(1))
    page.session.drain()
    assert page.hear() == [{"t": "drain", "in_ms": 3_000, "jitter_ms": 5_000}]
    (answer,) = page.say(ev(2))
    assert (answer["code"], answer["id"], answer["retry_ms"]) == ("draining", 2, 2_000)
    site.engine.commit()
    assert [frame["t"] for frame in page.hear()] == ["ok"]
    page.session.finish()
    assert page.close == 4200


def test_what_a_session_counts_is_what_came() -> None:
    page = opened(token=WRITE)
    page.say(ev(1, track(1), track(1), {"type": "track"}), "{")
    counts = page.site.world.counts
    assert (counts.received["ws"], counts.unproven["ws"], counts.duplicates["ws"]) == (2, 2, 1)
    assert counts.rejected["ws", "no_event"] == 1


def test_who_names_users_without_proof_is_told_what_follows_once() -> None:
    page = opened(token=WRITE)
    (first,) = page.say(ev(1, track(1), track(2), {"type": "alias", "userId": "u1", "previousId": "a1"}))
    (second,) = page.say(ev(2, track(3)))
    (proven,) = page.say(ev(3, track(4, userId=None, anonymousId="a1")))
    assert (first["n"], first["unproven"], [bad["code"] for bad in first["rejected"]]) == (2, 2, ["unproven"])
    assert "cuebird keys new proof" in " ".join(first["warnings"])
    assert (second["unproven"], "warnings" in second) == (1, False)
    assert proven == {"t": "ok", "id": 3, "n": 1, "dup": 0, "credit": 1000}


def test_a_server_that_speaks_for_anybody_hears_nothing_of_proofs() -> None:
    assert opened().say(ev(1)) == [{"t": "ok", "id": 1, "n": 1, "dup": 0, "credit": 1000}]


def test_who_is_gone_is_freed_at_once_and_not_when_the_collector_comes_by() -> None:
    page = opened()
    page.say(ev(1), ev(1), {"t": "ack", "offset": 7, "status": "seen"})
    gone = weakref.ref(page.session)
    gc.disable()
    try:
        page.session.gone(NOW)
        del page.session
        assert gone() is None
    finally:
        gc.enable()
