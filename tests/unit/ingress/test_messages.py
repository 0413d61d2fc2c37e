"""What a client sends, and the event or the refusal that comes of it."""

from __future__ import annotations

import json
import random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.model.event import Event
from ingress.bounds.limits import IngressLimits
from ingress.messages.messages import Normalizer
from ingress.messages.rejection import Rejected
from ingress.messages.taking import RESERVED
from ingress.principals.principal import Principal
from tests.unit.ingress.odd import odd

NOW = 1_795_320_000_000  # 2026-11-22T04:00:00Z
DAY = 86_400_000
BROWSER = Principal(source="client", trusted=False)
ANN = Principal(source="client", trusted=False, proven="ann", email="ann@example.test")


def taken(message: Any, **more: Any) -> list[Event]:
    raw = message if isinstance(message, bytes | str) else json.dumps(message)
    return Normalizer().message(raw, received_at=NOW, **more)


def one(message: Any, **more: Any) -> Event:
    (event,) = taken(message, **more)
    return event


def refused(message: Any, **more: Any) -> Rejected:
    with pytest.raises(Rejected) as info:
        taken(message, **more)
    assert info.value.message
    return info.value


def track(**fields: Any) -> dict[str, Any]:
    return {"type": "track", "event": "Product Viewed", "userId": "u1", "messageId": "m1"} | fields


# --- who it is about ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ids", "user"),
    [
        ({"userId": "u1"}, "u1"),
        ({"userId": 12345}, "12345"),
        ({"userId": 12345.0}, "12345"),
        ({"userId": "u1", "anonymousId": "a1"}, "u1"),
        ({"userId": "", "anonymousId": "a1"}, "~a1"),
        ({"userId": None, "anonymousId": "a1"}, "~a1"),
        ({"userId": None, "anonymousId": "~a1"}, "~~a1"),
        ({"userId": "josé 😀"}, "josé 😀"),
    ],
)
def test_a_message_names_its_user_by_either_id(ids: dict[str, Any], user: str) -> None:
    assert one(track(userId=None) | ids).user == user


@pytest.mark.parametrize(
    ("ids", "user"),
    [({"user_id": "u1"}, "u1"), ({"uid": 7}, "7"), ({"anonymous_id": "a1"}, "~a1"), ({"client_id": "c1"}, "~c1")],
)
def test_a_message_with_a_type_may_spell_its_ids_as_hand_written_ones_do(ids: dict[str, Any], user: str) -> None:
    message = {"type": "identify", "traits": {"plan": "gold"}} | ids
    assert [(event.user, event.kind, event.body) for event in taken(message)] == [
        (user, "identify", b'{"plan":"gold"}')
    ]
    batch = Normalizer().batch(msgspec.json.encode({"batch": [message, track()]}), received_at=NOW)
    assert [event.user for event in batch.events] == [user, one(track()).user]


@pytest.mark.parametrize("neighbour", [{}, {"event": "loose"}, {"type": "track"}])
def test_whose_a_pages_message_is_does_not_depend_on_what_comes_with_it(neighbour: dict[str, Any]) -> None:
    page = Principal(source="client", trusted=False, anonymous="me")
    message = {"type": "track", "event": "a", "client_id": "other"}
    batch = Normalizer().batch(
        msgspec.json.encode([message, *filter(None, [neighbour])]), received_at=NOW, speaker=page
    )
    assert batch.events[0].user == "~me"


@pytest.mark.parametrize("kind", [["track"], {"a": 1}, 7, True])
def test_a_type_that_is_no_text_is_refused_or_a_property(kind: Any) -> None:
    assert refused({"type": kind, "userId": "u1"}).code in ("type_error", "no_event", "unknown_type")
    assert one({"type": kind, "event": "a", "userId": "u1"}).name == "a"


@pytest.mark.parametrize(
    ("told", "meant"), [("trck", "track"), ("trak", "track"), ("Tracks", "track"), ("indentify", "identify")]
)
def test_a_type_that_is_misspelt_is_refused_and_told_the_one_that_was_meant(told: str, meant: str) -> None:
    for message in (
        {"type": told, "event": "a", "userId": "u1"},
        {"type": told, "event": "a", "user_id": "u1", "properties": {"price": 5}},
        {"type": told, "event": "a", "anonymousId": "v1", "traits": {}},
    ):
        error = refused(message)
        assert (error.code, error.field) == ("unknown_type", "type")
        assert error.message.endswith(f"; did you mean {meant!r}?")


def test_a_type_that_is_a_property_stays_one() -> None:
    for message in (
        {"type": "card", "event": "payment", "userId": "u1"},
        {"type": "rack", "event": "rack_sold", "user_id": "u1"},
    ):
        assert json.loads(one(message).body) == {"type": message["type"]}


def test_a_property_that_is_called_like_an_id_names_nobody() -> None:
    assert refused({"type": "track", "event": "x", "properties": {"user_id": "u1"}}).code == "no_id"


@pytest.mark.parametrize(
    ("ids", "code", "field"),
    [
        ({}, "no_id", "userId"),
        ({"userId": ""}, "no_id", "userId"),
        ({"userId": "~a1"}, "invalid_user_id", "userId"),
        ({"userId": "u\u0000"}, "bad_string", "userId"),
        ({"userId": "u\n"}, "bad_string", "userId"),
        ({"userId": "u\u2028"}, "bad_string", "userId"),
        ({"anonymousId": "a\u0007"}, "bad_string", "anonymousId"),
        ({"userId": "u" * 257}, "too_long", "userId"),
        ({"anonymousId": "a" * 257}, "too_long", "anonymousId"),
        ({"userId": True}, "type_error", "userId"),
        ({"userId": {"id": 1}}, "type_error", "userId"),
        ({"userId": ["u1"]}, "type_error", "userId"),
    ],
)
def test_an_id_that_cannot_be_one_is_refused_by_name(ids: dict[str, Any], code: str, field: str) -> None:
    error = refused(track(userId=None) | ids)
    assert (error.code, error.field) == (code, field)


def test_an_identify_with_both_ids_joins_them_first() -> None:
    alias, identify = taken(
        {"type": "identify", "userId": "u1", "anonymousId": "a1", "messageId": "m", "traits": {"plan": "gold"}}
    )
    assert (alias.kind, alias.user, json.loads(alias.body)) == ("alias", "u1", {"from": "~a1"})
    assert (identify.kind, identify.user, json.loads(identify.body)) == ("identify", "u1", {"plan": "gold"})
    assert alias.message_id != identify.message_id, "else the second would be a duplicate of the first"


def test_an_alias_names_the_visitor_it_was() -> None:
    alias = one({"type": "alias", "userId": "u1", "previousId": "a1"})
    assert (alias.kind, alias.user, alias.name, json.loads(alias.body)) == ("alias", "u1", "", {"from": "~a1"})


def test_an_alias_without_a_past_or_without_a_user_is_refused() -> None:
    assert refused({"type": "alias", "userId": "u1"}).code == "no_previous_id"
    assert refused({"type": "alias", "previousId": "a1"}).code == "no_id"


# --- who may say it -----------------------------------------------------------------------------------------------


def test_a_browser_without_proof_speaks_for_its_visitor_only() -> None:
    batch = Normalizer().batch(json.dumps([track(anonymousId="a1"), track()]), received_at=NOW, speaker=BROWSER)
    assert [event.user for event in batch.events] == ["~a1", "~unproven.u1"]
    assert batch.unproven == 2
    assert {event.source for event in batch.events} == {"bare"}


def test_a_browser_with_proof_speaks_for_that_user_and_no_other() -> None:
    assert one(track(userId="ann"), speaker=ANN).user == "ann"
    assert one(track(userId="bob", anonymousId="a1"), speaker=ANN).user == "~a1"


def test_an_event_says_what_it_rests_on() -> None:
    holder = msgspec.structs.replace(ANN, visitor="v.1")
    told = [track(userId="ann"), track(anonymousId="v.1"), track(anonymousId="v.2"), track(anonymousId="bare.x")]
    batch = Normalizer().batch(json.dumps(told), received_at=NOW, speaker=holder)
    assert [(event.user, event.source) for event in batch.events] == [
        ("ann", "client"),
        ("~v.1", "visitor"),
        ("~bare.v.2", "bare"),
        ("~bare.bare.x", "bare"),
    ]
    assert one(track(userId=None, anonymousId="v.2"), speaker=Principal()).user == "~v.2", "a back end is believed"


@pytest.mark.parametrize("previous", ["v.2", "~v.2"])
def test_a_proof_joins_no_visitor_whose_token_the_page_does_not_hold(previous: str) -> None:
    event = one({"type": "alias", "userId": "ann", "previousId": previous}, speaker=ANN)
    assert json.loads(event.body) == {"from": "~bare.v.2"}


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_no_browser_may_tell_what_became_of_our_messages(name: str) -> None:
    assert refused(track(userId="ann", event=name), speaker=ANN).code == "reserved_event"
    assert one(track(userId="ann", event=name)).name == name


def test_a_browser_without_proof_joins_nobody() -> None:
    event = one({"type": "identify", "userId": "u1", "anonymousId": "a1", "traits": {"x": 1}}, speaker=BROWSER)
    assert (event.kind, event.user) == ("identify", "~a1")
    assert refused({"type": "alias", "userId": "u1", "previousId": "a1"}, speaker=BROWSER).code == "unproven"


@pytest.mark.parametrize(
    ("speaker", "address", "expected"),
    [
        (BROWSER, "victim@example.test", {"unverified_email": "victim@example.test"}),
        (ANN, "victim@example.test", {"unverified_email": "victim@example.test"}),
        (ANN, "Ann@example.test", {"email": "Ann@example.test"}),
        (Principal(), "ann@example.test", {"email": "ann@example.test"}),
        (Principal(source="client"), "dev@example.test", {"email": "dev@example.test"}),
    ],
)
def test_only_a_server_or_a_proof_sets_an_address(speaker: Principal, address: str, expected: dict[str, str]) -> None:
    event = one({"type": "identify", "userId": "ann", "traits": {"email": address}}, speaker=speaker)
    assert json.loads(event.body) == expected


def test_an_address_cannot_be_smuggled_in() -> None:
    escaped = r'{"type":"identify","anonymousId":"a","traits":{"\u0065mail":"v@example.test"}}'
    twice = '{"type":"identify","anonymousId":"a","traits":{"email":"v@example.test","email":"w@example.test"}}'
    context = '{"type":"identify","anonymousId":"a","context":{"traits":{"email":"v@example.test"}}}'
    for raw in (escaped, twice, context):
        assert set(json.loads(one(raw, speaker=BROWSER).body)) == {"unverified_email"}


def test_a_browser_may_not_report_feedback_on_our_mails() -> None:
    assert refused(track(event="Email Bounced", anonymousId="a"), speaker=BROWSER).code == "reserved_event"
    assert one(track(event="Email Bounced")).name == "email_bounced"


# --- what happened ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "name", "body"),
    [
        (track(event="Product Added", properties={"price": 1}), "product_added", {"price": 1}),
        (track(event="add_to_cart"), "product_added", {}),
        (track(properties=None), "product_viewed", {}),
        ({"type": "page", "userId": "u", "name": "Home", "properties": {"url": "/"}}, "page_viewed", {"name": "Home", "url": "/"}),
        ({"type": "page", "userId": "u", "name": "Home", "properties": {"name": "own"}}, "page_viewed", {"name": "own"}),
        ({"type": "page", "userId": "u", "name": "Home", "category": "Docs", "properties": { }}, "page_viewed", {"name": "Home", "category": "Docs"}),
        ({"type": "screen", "userId": "u"}, "screen_viewed", {}),
        ({"type": "group", "userId": "u", "groupId": "g1", "traits": {"seats": 3}}, "", {"group_id": "g1", "seats": 3}),
        ({"type": "identify", "userId": "u", "traits": {"a": 1}, "context": {"traits": {"a": 2, "b": 3}}}, "", {"a": 1, "b": 3}),
    ],
)  # fmt: skip
def test_each_kind_of_message_has_its_name_and_body(message: dict[str, Any], name: str, body: dict[str, Any]) -> None:
    event = one(message)
    assert (event.kind, event.name, json.loads(event.body)) == (message["type"], name, body)


def test_names_go_through_the_aliases_of_the_site() -> None:
    normalizer = Normalizer(aliases={"in_den_korb": "product_added"})
    (event,) = normalizer.message(json.dumps(track(event="In den Korb")), received_at=NOW)
    assert event.name == "product_added"


@pytest.mark.parametrize(
    ("message", "code", "field"),
    [
        (track(event=None), "no_event", "event"),
        (track(event=""), "no_event", "event"),
        (track(event="---"), "no_event", "event"),
        (track(event="x" * 10_000), "too_long", "event"),
        (track(event="a\u0000b"), "bad_string", "event"),
        (track(event=5), "type_error", "event"),
        ({"type": "delete", "userId": "u"}, "unknown_type", "type"),
        (track(properties=[1]), "type_error", "properties"),
        (track(properties="x"), "type_error", "properties"),
        (track(properties=5), "type_error", "properties"),
        (track(context=[1]), "type_error", "context"),
        ({"type": "identify", "userId": "u", "traits": "x"}, "type_error", "traits"),
        (track(messageId="m" * 257), "too_long", "messageId"),
        (track(messageId=[]), "type_error", "messageId"),
        (track(timestamp=True), "type_error", "timestamp"),
        (track(timestamp="NaN"), "invalid_timestamp", "timestamp"),
        (track(timestamp="yesterday"), "invalid_timestamp", "timestamp"),
        (track(sentAt="soon", timestamp=NOW), "invalid_timestamp", "sentAt"),
    ],
)
def test_a_message_that_says_nothing_is_refused_by_field(message: dict[str, Any], code: str, field: str) -> None:
    error = refused(message)
    assert (error.code, error.field) == (code, field)


def test_the_names_that_are_remembered_are_bounded() -> None:
    normalizer = Normalizer()
    for i in range(5_000):
        normalizer.name(f"Event {i}")
    assert len(normalizer._names) <= 4096


# --- JSON that would hurt later -----------------------------------------------------------------------------------


def nested(depth: int) -> str:
    return '{"a":' * depth + "1" + "}" * depth


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        ("", "invalid_json"),
        ("{", "invalid_json"),
        ("[" * 50_000, "too_deep"),
        ('{"a":' + "[" * 50_000, "too_deep"),
        ('{"type":"track","event":"x","userId":"u","properties":' + nested(16) + "}", "too_deep"),
        ('{"type":"track","event":"x","userId":"u","properties":' + nested(1_100) + "}", "too_deep"),
        ('{"type":"track","event":"x","userId":"u","properties":' + nested(500) + "}", "too_deep"),
        ('{"type":"track","event":"x","userId":"u","context":' + nested(16) + "}", "too_deep"),
        ('{"event":"x","userId":"u","a":' + nested(16) + "}", "too_deep"),
        ('{"type":"track","event":"x","userId":"u","properties":{"a":NaN}}', "invalid_json"),
        ('{"type":"track","event":"x","userId":"u","properties":{"a":Infinity}}', "invalid_json"),
        ('{"type":"track","event":"x","userId":"u","properties":{"a":1e400}}', "out_of_range"),
        ('{"type":"track","event":"x","userId":"u","properties":{"a":-1.5E+400}}', "out_of_range"),
        ('{"type":"track","event":"x","userId":"u","properties":{"a": [1e999]}}', "out_of_range"),
        ('{"type":"track","event":"x","userId":"u","properties":{"a":9223372036854775808}}', "out_of_range"),
        ('{"type":"track","event":"x","userId":"u","properties":{"a":[[18446744073709551616]]}}', "out_of_range"),
        ('{"type":"track","event":"x","userId":"u","properties":{"a":' + "9" * 5_000 + "}}", "out_of_range"),
        ('{"type":"track","event":"x","userId":"u","properties":{"a":' + "9" * 60_000 + "}}", "out_of_range"),
        ('{"type":"track","event":"x","userId":"u\\ud800xxxxxxxxxxxx"}', "bad_string"),
        ('{"type":"track","event":"x\\udc00","userId":"u"}', "bad_string"),
        ('{"type":"track","event":"x","userId":"u","messageId":"\\ud83d"}', "bad_string"),
        ('{"event":"x","client_id":"u\\ud83d"}', "bad_string"),
        ('{"type":"track","event":"x","userId":"u","properties":{"a\\u0000":1}}', "bad_string"),
        ('{"type":"track","event":"x","userId":"u","properties":{"a":1}} x', "invalid_json"),
        ("\ufeff{}", "invalid_json"),
        (b'{"type":"track","event":"x","userId":"u","properties":{"a":"\xff"}}', "invalid_json"),
        (b'{"type":"track","event":"x","userId":"u","properties":{"a":"\xc0\xaf"}}', "invalid_json"),
        ("[1]", "type_error"),
        ('"text"', "type_error"),
    ],
    ids=lambda value: str(value)[:60],
)  # fmt: skip
def test_json_that_would_hurt_later_is_refused_at_the_door(raw: str | bytes, code: str) -> None:
    assert refused(raw).code == code


@pytest.mark.parametrize(
    "value",
    [
        "-9223372036854775808",
        "9223372036854775807",
        "1e308",
        "1e-400",
        "-0",
        '"12345678901234567890"',
        '"3e400"',
        nested(14),
    ],
)
def test_what_is_just_within_the_limits_is_taken_as_it_is(value: str) -> None:
    event = one('{"type":"track","event":"x","userId":"u","properties":{"a":' + value + "}}")
    assert event.body == b'{"a":' + value.encode() + b"}"
    msgspec.json.decode(event.body)


@settings(deadline=None)
@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text()
        | st.sampled_from(["e400", "[{", "\u0000", '"', "1e999"]),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=30,
    )
)
def test_whatever_is_taken_can_be_decoded_and_stored(value: object) -> None:
    try:
        events = taken(track(properties={"a": value}, context={"b": value}))
    except Rejected:
        return
    for event in events:
        again = msgspec.json.decode(event.body)
        msgspec.msgpack.encode(again)
        msgspec.json.decode(event.context)


@settings(deadline=None)
@given(st.binary() | st.text().map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes_are_an_event_or_a_refusal(raw: bytes) -> None:
    try:
        batch = Normalizer().batch(raw, received_at=NOW)
    except Rejected:
        return
    assert len(batch.events) >= batch.messages


def test_depth_cannot_hide_behind_brackets_in_texts() -> None:
    inner = "1"
    for _ in range(40):
        inner = '{"x":"}","a":' + inner + ',"z":"{"}'
    message = '{"type":"track","event":"x","userId":"u","properties":' + inner + "}"
    for raw in (message, f"[{message}]"):
        batch = Normalizer().batch(raw, received_at=NOW)
        assert [r.code for r in batch.rejected] == ["too_deep"]


# --- half an emoji ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        ("caf\\ud83d", "caf\ufffd"),
        ("\\uDE00!", "\ufffd!"),
        ("\\ud83d\\ud83d\\ude00", "\ufffd😀"),
        ("\\\\ud83d", "\\ud83d"),
        ("\\\\\\ud83d\\n", "\\\ufffd\n"),
        ("\\ud83d\\ude00", "😀"),
        ("\\u00e9", "é"),
    ],
)
def test_half_an_emoji_becomes_the_sign_for_what_cannot_be_read(raw: str, value: str) -> None:
    properties = f'"properties":{{"{raw}":"{raw}"}}'
    for ids in ('"type":"track","event":"x","userId":"u"', '"event":"x","user_id":"u"'):
        message = f"{{{ids},{properties}}}"
        assert json.loads(one(message).body) == {value: value}
        for body in (message, f"[{message}]", f'{{"batch":[{message}],"context":{{"a":"{raw}"}}}}'):
            (event,) = Normalizer().batch(body, received_at=NOW).events
            assert json.loads(event.body) == {value: value}


# --- how large ----------------------------------------------------------------------------------------------------

SMALL = IngressLimits(message_bytes_max=1_000, value_bytes_max=100, properties_max=20)


def sized(size: int) -> dict[str, str]:
    """Properties of so many bytes as JSON, in texts of at most 80."""
    made: dict[str, str] = {}
    while size - len(msgspec.json.encode(made)) > 100:
        made[f"p{len(made):02}"] = "x" * 80
    made["last"] = ""
    made["last"] = "x" * (size - len(msgspec.json.encode(made)))
    assert len(msgspec.json.encode(made)) == size
    return made


@pytest.mark.parametrize("wrap", [lambda m: m, lambda m: [m], lambda m: {"batch": [track(), m, track()]}])
@pytest.mark.parametrize("make", [track, lambda **f: {"event": "x", "user_id": "u"} | f], ids=["segment", "loose"])
@pytest.mark.parametrize(
    ("fields", "code", "field"),
    [
        ({"properties": sized(900)}, None, ""),
        ({"properties": sized(1_001)}, "too_large", "properties"),
        ({"properties": sized(500), "context": sized(501)}, "too_large", "properties"),
        ({"properties": {"a": "x" * 100}}, None, ""),
        ({"properties": {"a": "x" * 101}}, "too_long", "properties.a"),
        ({"properties": {"a": "é" * 50}}, None, ""),
        ({"properties": {"a": "é" * 51}}, "too_long", "properties.a"),
        ({"properties": {"a": [{"b": "x" * 101}]}}, "too_long", "properties.a.b"),
        ({"context": {"page": {"url": "x" * 101}}}, "too_long", "context.page.url"),
        ({"properties": {"k" * 101: 1}}, "too_long", "properties"),
        ({"properties": {f"{i}": 1 for i in range(20)}}, None, ""),
        ({"properties": {f"{i}": 1 for i in range(21)}}, "too_large", "properties"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_message_past_a_size_is_rejected_by_field(
    wrap: Any, make: Any, fields: dict[str, Any], code: str | None, field: str
) -> None:
    batch = Normalizer(limits=SMALL).batch(msgspec.json.encode(wrap(make(**fields))), received_at=NOW)
    assert [r.code for r in batch.rejected] == ([code] if code else [])
    if code == "too_long":
        assert batch.rejected[0].field == field
    if code:
        assert "at most" in batch.rejected[0].message or "longer than" in batch.rejected[0].message


def test_traits_have_a_size_wherever_they_stand() -> None:
    for message in (
        {"type": "identify", "userId": "u", "traits": sized(1_001)},
        {"type": "identify", "userId": "u", "context": {"traits": sized(990)}},
        {"type": "group", "userId": "u", "groupId": "g", "traits": sized(1_000)},
        {"user_id": "u", "traits": sized(1_001)},
        {"user_id": "u", "event": "flat"} | sized(990),
    ):
        batch = Normalizer(limits=SMALL).batch(msgspec.json.encode(message), received_at=NOW)
        assert [(r.index, r.code) for r in batch.rejected] == [(0, "too_large")], message


def test_nobody_is_joined_by_a_message_that_is_refused() -> None:
    message = {"type": "identify", "userId": "u", "anonymousId": "a", "traits": sized(1_001)}
    batch = Normalizer(limits=SMALL).batch(msgspec.json.encode([track(), message]), received_at=NOW)
    assert ([event.kind for event in batch.events], batch.messages) == (["track"], 1)


def test_a_name_of_a_page_is_a_text_too() -> None:
    page = {"type": "page", "userId": "u", "name": "x" * 101}
    batch = Normalizer(limits=SMALL).batch(msgspec.json.encode(page), received_at=NOW)
    assert [(r.code, r.field) for r in batch.rejected] == [("too_long", "properties.name")]


def test_the_context_of_an_envelope_counts_for_each_of_its_messages() -> None:
    body = {"batch": [track(properties=sized(300)), track(properties=sized(700))], "context": sized(400)}
    batch = Normalizer(limits=SMALL).batch(msgspec.json.encode(body), received_at=NOW)
    assert ([r.index for r in batch.rejected], batch.messages) == ([1], 1)


def test_a_small_body_with_a_context_cannot_become_a_large_one() -> None:
    limits = IngressLimits(inflated_bytes_max=50_000)
    body = {"batch": [track()] * 100, "context": sized(501)}
    with pytest.raises(Rejected, match="counts for each of 100 messages, 50,100 bytes"):
        Normalizer(limits=limits).batch(msgspec.json.encode(body), received_at=NOW)


# --- when ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("times", "occurred"),
    [
        ({}, 0),
        ({"timestamp": ""}, 0),
        ({"timestamp": NOW - 5_000}, NOW - 5_000),
        ({"timestamp": (NOW - 5_000) / 1000}, NOW - 5_000),
        ({"timestamp": str(NOW - 5_000)}, NOW - 5_000),
        ({"timestamp": "2026-11-22T03:59:55.311Z"}, NOW - 4_689),
        ({"timestamp": "2026-11-22T03:59:55.311459+00:00"}, NOW - 4_689),
        ({"timestamp": "2026-11-22T04:59:55+01:00"}, NOW - 5_000),
        ({"timestamp": "2026-11-22T03:59:55"}, NOW - 5_000),
        ({"originalTimestamp": "2026-11-22T03:59:55Z"}, NOW - 5_000),
        # A back end's clock is right: what it says of sending moves nothing.
        ({"timestamp": NOW - 3_600_000 - 5_000, "sentAt": NOW - 3_600_000}, NOW - 3_605_000),
        ({"timestamp": NOW + 60_000}, NOW),
        ({"timestamp": "2099-01-01T00:00:00Z"}, NOW),
        ({"timestamp": NOW - DAY}, NOW - DAY),
        ({"timestamp": 1e300}, NOW),
        ({"timestamp": "9999-12-31T23:59:59-12:00"}, NOW),
    ],
)
def test_when_it_happened_is_told_by_the_client_within_reason(times: dict[str, Any], occurred: int) -> None:
    assert one(track(**times)).occurred == occurred
    (event,) = Normalizer().batch(json.dumps(track(**times)), received_at=NOW).events
    assert event.occurred == occurred


@pytest.mark.parametrize(
    ("times", "late"),
    [
        ({"timestamp": NOW - DAY - 1}, "24.0"),
        ({"timestamp": "1970-01-01T00:00:00Z"}, "498,700.0"),
        ({"timestamp": 0}, "498,700.0"),
        ({"timestamp": -1e300}, "498,700.0"),
        ({"timestamp": "0001-01-01T00:00:00+12:00"}, "498,700.0"),
    ],
)
def test_what_happened_too_long_ago_is_rejected_alone(times: dict[str, Any], late: str) -> None:
    known = {"type": "identify", "userId": "u1", "anonymousId": "a1", "messageId": "i1"}
    batch = Normalizer().batch(json.dumps([track(), track(**times), known | times, track()]), received_at=NOW)
    assert (len(batch.events), batch.messages) == (2, 2)
    assert [(bad.index, bad.code, bad.field) for bad in batch.rejected] == [
        (1, "too_old", "timestamp"),
        (2, "too_old", "timestamp"),
    ]
    assert f"{late} hours before it came, and at most 24.0 hours are taken" in batch.rejected[0].message


@pytest.mark.parametrize("ago", [1, DAY + 1, 4_000 * DAY])
def test_the_past_is_taken_from_a_back_end_at_the_time_that_it_says(ago: int) -> None:
    told = track(timestamp=NOW - ago, sentAt=NOW - 5, historical=True)
    known = {"type": "identify", "userId": "u1", "anonymousId": "a1", "timestamp": NOW - ago, "historical": True}
    by_hand = {"user_id": "u1", "event": "a", "ts": NOW - ago, "historical": True}
    batch = Normalizer().batch(json.dumps([told, known, by_hand, track()]), received_at=NOW)
    assert batch.rejected == []
    assert [(event.occurred, event.historical) for event in batch.events] == [(NOW - ago, True)] * 4 + [(0, False)]


def test_a_page_may_not_tell_of_the_past() -> None:
    told = [
        track(timestamp=NOW - DAY - 1, historical=True, userId=None, anonymousId="a1"),
        track(userId=None, anonymousId="a1"),
    ]
    batch = Normalizer().batch(json.dumps(told), received_at=NOW, speaker=Principal(source="client", trusted=False))
    assert [(bad.index, bad.code, bad.field) for bad in batch.rejected] == [(0, "forbidden_historical", "historical")]
    assert batch.messages == 1


def test_the_past_without_a_time_is_rejected() -> None:
    batch = Normalizer().batch(json.dumps(track(historical=True)), received_at=NOW)
    assert [(bad.code, bad.field) for bad in batch.rejected] == [("invalid_timestamp", "timestamp")]


def test_what_is_too_old_is_told_how_the_past_is_sent() -> None:
    (bad,) = Normalizer().batch(json.dumps(track(timestamp=0)), received_at=NOW).rejected
    assert '"historical": true' in bad.message


def test_what_was_recorded_is_read_however_long_ago_it_happened() -> None:
    assert one(track(timestamp=NOW - 100 * DAY)).occurred == NOW - 100 * DAY
    assert one(track(timestamp="1969-01-01T00:00:00Z")).occurred == 1


def test_the_envelope_tells_when_it_was_sent() -> None:
    body = {"batch": [track(timestamp=NOW - 5_000 - 60_000)], "sentAt": NOW - 60_000}
    batch = Normalizer().batch(json.dumps(body), received_at=NOW, speaker=BROWSER)
    assert batch.events[0].occurred == NOW - 5_000


def test_a_wrong_clock_does_not_make_young_what_is_too_old() -> None:
    message = track(timestamp=NOW - DAY - 6_001 - 60_000, sentAt=NOW - 60_000)
    batch = Normalizer().batch(json.dumps(message), received_at=NOW, speaker=BROWSER)
    assert [bad.code for bad in batch.rejected] == ["too_old"]


# --- which message it is ------------------------------------------------------------------------------------------


def test_a_blind_retry_of_a_message_without_id_is_the_same_event() -> None:
    message = track(messageId=None, timestamp=NOW - 5)
    assert one(message).message_id == one(message | {"sentAt": NOW}).message_id
    assert one(message).message_id != one(message | {"event": "Product Added"}).message_id
    assert one(message).message_id != one(message | {"timestamp": NOW - 6}).message_id


def test_two_equal_messages_of_one_batch_are_two_events() -> None:
    flat = {"event": "product_view", "user_id": "u1", "product_id": "1"}
    first, second = Normalizer().batch(json.dumps([flat, flat]), received_at=NOW).events
    assert first.message_id != second.message_id


def test_the_same_flat_message_a_minute_later_is_a_new_event() -> None:
    raw = '{"event":"product_view","user_id":"u1"}'
    (now,) = Normalizer().message(raw, received_at=NOW)
    (soon,) = Normalizer().message(raw, received_at=NOW + 59_999)
    (later,) = Normalizer().message(raw, received_at=NOW + 60_000)
    assert now.message_id == soon.message_id != later.message_id


# --- shapes people write ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "user", "name", "body"),
    [
        (
            {"user_id": "12345", "product_id": "98765", "event": "add_to_cart"},
            "12345", "product_added", {"product_id": "98765"},
        ),
        (
            {"event": "product_view", "productId": "12345", "timestamp": NOW - 5, "anonymousId": "a"},
            "~a", "product_viewed", {"product_id": "12345"},
        ),
        (
            {"event": "Product Viewed", "userId": "u", "properties": {"productId": 1}, "extra": 2},
            "u", "product_viewed", {"productId": 1, "extra": 2},
        ),
        ({"event": "payment", "type": "card", "uid": 7}, "7", "payment", {"type": "card"}),
        ({"type": "TRACK", "event": "x", "userId": "u"}, "u", "x", {}),
        (
            {"event_name": "purchase", "user_id": "u", "params": {"transaction_id": "t1", "value": 20}},
            "u", "order_completed", {"transaction_id": "t1", "value": 20, "order_id": "t1", "total": 20},
        ),
    ],
)  # fmt: skip
def test_json_as_people_write_it_is_understood(
    message: dict[str, Any], user: str, name: str, body: dict[str, Any]
) -> None:
    event = one(message)
    assert (event.user, event.name, json.loads(event.body)) == (user, name, body)


def test_flat_traits_identify() -> None:
    event = one({"user_id": "u", "traits": {"plan": "gold"}})
    assert (event.kind, event.user, json.loads(event.body)) == ("identify", "u", {"plan": "gold"})


def test_ga4_items_become_products() -> None:
    item = {
        "item_id": "p1",
        "item_name": "Shirt",
        "item_category": "a",
        "item_category2": "b",
        "price": 5,
        "quantity": 2,
    }
    body = json.loads(one(track(event="add_to_cart", properties={"currency": "EUR", "items": [item]})).body)
    product = {"product_id": "p1", "name": "Shirt", "category": "a/b", "price": 5, "quantity": 2}
    assert body["products"] == [product]
    assert body | product == body, "a single item is laid out flat too"
    order = json.loads(one(track(event="purchase", properties={"items": [item, item]})).body)
    assert order["total"] == 20
    assert "product_id" not in order


# --- batches ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrap", [lambda m: m, lambda m: {"batch": m}], ids=["array", "batch"])
@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (track(userId=None), "no_id"),
        (track(userId=True), "type_error"),
        (track(properties=[]), "type_error"),
        ({"event": "x"}, "no_id"),
        ("text", "type_error"),
        (None, "type_error"),
        (track(properties={"a": 2**63}), "out_of_range"),
        (track(properties={"a": "}{[" * 60}), None),
    ],
)
def test_one_bad_message_does_not_spoil_its_batch(wrap: Any, bad: Any, code: str | None) -> None:
    messages = [track(messageId="a"), bad, track(messageId="c")]
    batch = Normalizer().batch(json.dumps(wrap(messages)), received_at=NOW)
    assert [event.message_id for event in batch.events if event.message_id in "ac"] == ["a", "c"]
    assert [(r.index, r.code) for r in batch.rejected] == ([(1, code)] if code else [])


@settings(deadline=None)
@given(st.randoms(use_true_random=False), st.integers(0, 3), st.sampled_from([b"[%b]", b'{"batch":[%b]}']))
def test_of_a_batch_with_any_bad_message_all_others_are_taken_and_it_is_named(
    rng: random.Random, at: int, wrap: bytes
) -> None:
    messages = [msgspec.json.encode(track(messageId=f"good{number}")) for number in range(3)]
    messages.insert(at, odd(rng, b"u1"))
    batch = Normalizer().batch(wrap % b",".join(messages), received_at=NOW)
    assert [event.message_id for event in batch.events if event.message_id.startswith("good")] == [
        "good0",
        "good1",
        "good2",
    ]
    assert {row.index for row in batch.rejected} <= {at}
    assert batch.messages + len(batch.rejected) == 4
    for event in batch.events:
        msgspec.msgpack.encode(msgspec.json.decode(event.body))
        (event.body + event.context).decode()


def test_the_envelope_context_lies_under_each_messages_own() -> None:
    body = {"batch": [track(), track(context={"ip": "2"})], "context": {"ip": "1", "timezone": "UTC"}}
    asking = Normalizer(keeps_ip=True)
    contexts = [json.loads(e.context) for e in asking.batch(json.dumps(body), received_at=NOW).events]
    assert contexts == [{"ip": "1", "timezone": "UTC"}, {"ip": "2", "timezone": "UTC"}]


def test_an_address_is_not_kept_unless_the_site_asks_for_it() -> None:
    own = {"ip": "203.0.113.7", "locale": "de", "page": {"url": "https://shop.example/?ip=1"}}
    body = {"batch": [track(context=own), track(), track(context={"note": '"ip"'})], "context": {"ip": "203.0.113.8"}}
    normalizer = Normalizer()
    contexts = [json.loads(e.context) for e in normalizer.batch(json.dumps(body), received_at=NOW).events]
    assert contexts == [{"locale": "de", "page": own["page"]}, {}, {"note": '"ip"'}]
    normalizer.follow(normalizer.aliases, normalizer.lateness_ms, keeps_ip=True)
    kept = normalizer.batch(json.dumps(body), received_at=NOW).events
    assert [json.loads(e.context)["ip"] for e in kept] == ["203.0.113.7", "203.0.113.8", "203.0.113.8"]


def test_a_batch_that_is_too_long_is_refused_as_a_whole() -> None:
    with pytest.raises(Rejected, match="3 messages"):
        Normalizer().batch(json.dumps([track()] * 3), received_at=NOW, messages_max=2)
