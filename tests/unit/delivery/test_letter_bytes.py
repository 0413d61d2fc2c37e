"""A letter is CRLF throughout, whatever its template is made of: receivers refuse a bare LF, and split a line over 998."""

from __future__ import annotations

import random
import re
from email import message_from_bytes, policy
from pathlib import Path
from typing import Final

import pytest

from cuebird.demo.catcher import Catcher, Caught
from delivery.email import dotted, mime
from delivery.render import EmailMessage
from delivery.settings import SmtpSettings
from tests.unit.delivery.making import NOW, SETTINGS, a_send, templates
from tests.unit.delivery.world import running

FROM = SmtpSettings(from_address="news@shop.example", from_name="Köhler, Shop & Co")
LETTERS: Final = 120
PIECES: Final = (
    *("a", "Grüße", "日本", "=", "=3D", " ", "  ", "\t", ".", "..", "\n.", "\r", "\n", "\r\n", "\n\r", " \n", "\t\r\n"),
    *(
        "\ud83d",
        "\udc00",
        "\x00",
        "\x0b",
        "\x0c",
        "\x85",
        "\u2028",
        "\ufeff",
        "From ",
        "--=_",
        "😀",
        "x" * 75,
        "x" * 76,
    ),
)

_FIELD = re.compile(rb"[!-9;-~]+: ?[ -~\t]*(?:\r\n[ \t][ -~\t]*[!-~][ -~\t]*)*\r\n")
_HEAD = re.compile(rb"(?:[!-9;-~]+:[ -~\t]*\r\n(?:[ \t][ -~\t]*\r\n)*)+\r\n")
_QUOTED = re.compile(rb"(?:(?:[!-<>-~ \t]|=[0-9A-F]{2})*(?:=|(?<![ \t]))\r\n)*(?:[!-<>-~ \t]|=[0-9A-F]{2})*(?<![ \t])")


def text(random_: random.Random) -> str:
    longest = random_.choice((0, 1, 3, 20, 300))
    pieces = [random_.choice(PIECES) for _ in range(random_.randint(0, longest))]
    return "".join(pieces) + random_.choice(("", "", "\n", ".", "x" * 10_000, "é" * 5_000))


def normal(text: str) -> str:
    """What a reader sees: one kind of line end, and a question mark for half a character."""
    return re.sub(r"\r\n?", "\n", text).encode("utf-8", "replace").decode()


def well_formed(raw: bytes) -> dict[str, bytes]:
    """The decoded parts by their type. Asserts the grammar of RFC 5322 and of quoted-printable (RFC 2045) by the byte."""
    assert b"\r" not in raw.replace(b"\r\n", b""), raw
    assert b"\n" not in raw.replace(b"\r\n", b""), raw
    assert dotted(raw).endswith(b"\r\n")
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    head = _HEAD.match(raw)
    assert head is not None, raw[:2000]
    boundary = re.search(rb'boundary="([^"]+)"\r\n\r\n', head[0])
    if boundary is None:
        pieces = [raw]
    else:
        first, *pieces, last = raw[head.end() :].split(b"--" + boundary[1])
        assert (first, last) == (b"", b"--\r\n")
        assert all(piece.startswith(b"\r\n") and piece.endswith(b"\r\n") for piece in pieces)
        pieces = [piece[2:-2] for piece in pieces]
    return dict(map(decoded, pieces))


def decoded(part: bytes) -> tuple[str, bytes]:
    head = _HEAD.match(part)
    assert head is not None
    body = part[head.end() :]
    assert _QUOTED.fullmatch(body), body
    assert max(map(len, body.split(b"\r\n"))) <= 76
    plain = re.sub(rb"=([0-9A-F]{2})", lambda found: bytes([int(found[1], 16)]), body.replace(b"=\r\n", b""))
    kind = re.search(rb"Content-Type: (text/[a-z]+);", head[0])
    assert kind is not None
    return kind[1].decode(), plain


def test_any_text_is_a_letter_of_whole_lines_and_reads_as_it_was_written() -> None:
    seed = random.randrange(1 << 32)
    for number in range(LETTERS):
        print(f"seed {seed} letter {number}")
        random_ = random.Random(f"{seed} {number}")
        message = EmailMessage(
            subject="Your cart",
            text=text(random_),
            html=random_.choice(("", text(random_))),
            unsubscribe_url="https://t.shop.example/u/x",
        )
        parts = well_formed(mime(message, a_send(), FROM, SETTINGS, NOW))
        assert parts["text/plain"].decode().replace("\r\n", "\n") == normal(message.text)
        assert parts.get("text/html", b"").decode().replace("\r\n", "\n") == normal(message.html)


def test_any_subject_and_name_are_headers_of_short_whole_lines(tmp_path: Path) -> None:
    seed = random.randrange(1 << 32)
    front = (
        '---\nsubject: "{{ s }}."\nfrom: "{{ n }} <news@shop.example>"\nreply_to: "{{ n }} <help@shop.example>"\n---\n'
    )
    made = templates(tmp_path, cart_1_html=front + "<p>Hi</p>")
    for number in range(LETTERS):
        print(f"seed {seed} letter {number}")
        random_ = random.Random(f"{seed} {number}")
        name = re.sub("[<>\ud83d\udc00]", "", text(random_))
        send = a_send(context={"s": re.sub("[\ud83d\udc00]", "", text(random_)), "n": name})
        message = made.email(send)
        raw = mime(message, send, FROM, SETTINGS, NOW)
        well_formed(raw)
        mail = message_from_bytes(raw, policy=policy.default)
        assert mail["Subject"] == message.subject
        assert [one.addr_spec for one in mail["From"].addresses] == ["news@shop.example"]
        assert [one.addr_spec for one in mail["Reply-To"].addresses] == ["help@shop.example"]


@pytest.mark.parametrize(
    "name",
    [
        "=?utf-8?q?eve=40evil=2Etest=2C?=",
        "=?utf-8?b?ZXZlQGV2aWwudGVzdCw=?= ü",
        'eve@evil.test, "x',
        "a\\",
        "Ü, eve@evil.test",
    ],
)
def test_a_visitors_name_is_one_name_in_from_however_much_it_looks_like_mail(tmp_path: Path, name: str) -> None:
    front = "---\nsubject: Hi\nfrom: '{{ n }} <news@shop.example>'\n---\n"
    made = templates(tmp_path, cart_1_html=front + "<p>Hi</p>")
    send = a_send(context={"n": name})
    sender = message_from_bytes(mime(made.email(send), send, FROM, SETTINGS, NOW), policy=policy.default)["From"]
    assert [(one.display_name, one.addr_spec) for one in sender.addresses] == [(name, "news@shop.example")]


def test_half_a_character_in_a_template_is_a_question_mark_and_not_a_lost_letter(tmp_path: Path) -> None:
    front = "---\nsubject: 'Hi {{ \"\\ud83d\" }}'\nfrom: '{{ \"\\ud83d\" }} Shop <news@shop.example>'\n---\n"
    made = templates(tmp_path, cart_1_html=front + '<p>{{ "\\ud83d" }}</p>')
    raw = mime(made.email(a_send()), a_send(), FROM, SETTINGS, NOW)
    assert b"<p>?</p>" in well_formed(raw)["text/html"]
    mail = message_from_bytes(raw, policy=policy.default)
    assert (mail["Subject"], mail["From"]) == ("Hi ?", "? Shop <news@shop.example>")


@pytest.mark.parametrize(
    "body", ["x" * 200, "é" * 90, "." * 300, "a " * 100], ids=["long", "accents", "dots", "spaces"]
)
def test_a_letter_of_one_line_crosses_the_wire_in_lines_of_mail(body: str) -> None:
    message = EmailMessage(subject="Hi", text=body, html=body)
    wire = dotted(mime(message, a_send(), FROM, SETTINGS, NOW))
    assert re.fullmatch(rb"(?:[^\r\n]{0,998}\r\n)+", wire)
    assert not re.search(rb"(?m)^\.(?!\.)", wire)


@pytest.mark.anyio
async def test_a_receipt_of_one_long_line_is_taken_by_a_server_that_refuses_long_lines(tmp_path: Path) -> None:
    came: list[Caught] = []
    catcher = Catcher(lambda: NOW, on_message=came.append)
    await catcher.start()
    try:
        async with running(tmp_path, catcher.port) as world:
            await world.decide(a_send(context={"data": {"big": "x" * 30_000}}))
            row = await world.state(a_send(), "sent")
    finally:
        await catcher.stop()
    assert row.reply.startswith("250")
    assert b"x" * 70 + b"=\r\n" in came[0].raw
    well_formed(came[0].raw)


def test_half_a_character_in_a_push_is_a_question_mark_and_not_the_end_of_the_dispatcher(tmp_path: Path) -> None:
    made = templates(tmp_path, nudge_push="title: 'Hi {{ \"\\ud83d\" }}'")
    assert made.push(a_send(template="nudge", channel="push")) == {"title": "Hi ?"}
