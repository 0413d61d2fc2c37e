"""The bytes of a mail, parsed back as a mail client would."""

from __future__ import annotations

from email import message_from_bytes, policy
from email.message import EmailMessage as Parsed
from pathlib import Path
from typing import Any

import pytest

from delivery.email import dotted, message_id, mime
from delivery.render import EmailMessage
from delivery.settings import SmtpSettings
from tests.unit.delivery.making import NOW, SETTINGS, a_send, templates

SMTP = SmtpSettings(from_address="news@shop.example", from_name="Köhler, Shop & Co")
MESSAGE = EmailMessage(
    subject="Ann, your cart is waiting",
    html="<p>Hi</p>",
    text="Hi\n",
    unsubscribe_url="https://t.shop.example/u/" + "x" * 36,
)


def built(message: EmailMessage = MESSAGE, **changes: Any) -> bytes:
    return mime(message, a_send(**changes), SMTP, SETTINGS, NOW)


def parsed(raw: bytes) -> Parsed[Any, Any]:
    return message_from_bytes(raw, policy=policy.default)


def replaced(**changes: Any) -> EmailMessage:
    import msgspec

    return msgspec.structs.replace(MESSAGE, **changes)


def test_a_marketing_mail_has_exactly_these_headers() -> None:
    mail = parsed(built())
    assert [name for name, _ in mail.items()] == [
        "From", "To", "Subject", "Date", "Message-ID", "References", "Auto-Submitted", "Feedback-ID", "MIME-Version",
        "List-Unsubscribe", "List-Unsubscribe-Post", "List-ID", "Content-Type",
    ]  # fmt: skip
    assert mail["From"] == '"Köhler, Shop & Co" <news@shop.example>'
    assert mail["To"] == "ann@example.test"
    assert mail["Date"] == "Mon, 05 Jan 2026 10:00:00 +0000"
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert mail["List-ID"] == "<cart.shop.example>"
    assert mail["Feedback-ID"] == "abandoned-cart:cart:marketing:cuebird"
    assert mail["Auto-Submitted"] == "auto-generated"


def test_a_transactional_mail_offers_no_unsubscribe() -> None:
    mail = parsed(built(replaced(unsubscribe_url=""), purpose="transactional"))
    assert not [name for name in mail if name.startswith("List-")]


def test_the_unsubscribe_header_is_one_line_however_long_the_address() -> None:
    url = "https://" + "t" * 200 + ".example/u/" + "x" * 36
    raw = built(replaced(unsubscribe_url=url))
    assert f"\r\nList-Unsubscribe: <{url}>\r\n".encode() in raw


def test_the_same_mail_is_the_same_bytes_and_its_id_depends_on_the_send_alone() -> None:
    assert built() == built()
    assert parsed(built())["Message-ID"] == message_id(a_send().id, "shop.example")
    assert parsed(built(number=2))["Message-ID"] != parsed(built())["Message-ID"]
    assert parsed(built(number=2))["References"] == parsed(built())["References"]


def test_text_comes_first_and_html_last() -> None:
    mail = parsed(built())
    assert mail.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]


@pytest.mark.parametrize(
    "text",
    [
        "Grüße aus Köln — 100 €\n",
        ".\n..\n.leading dots\n",
        "x" * 5000 + "\n",
        "ends with a space \n\ttab \n",
        "From the start of a line\n",
        "=3D is not =\n",
        "日本語" * 200 + "\n",
        "no line end",
        "",
    ],
)
def test_what_was_written_is_what_is_read_and_no_line_is_too_long(text: str) -> None:
    raw = built(replaced(text=text, html=f"<p>{text}</p>"))
    plain = next(part for part in parsed(raw).walk() if part.get_content_type() == "text/plain")
    content = plain.get_payload(decode=True)
    assert isinstance(content, bytes)
    assert content.decode().replace("\r\n", "\n") == text
    assert raw.isascii()
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    body_lines = raw.split(b"\r\n\r\n", 1)[1].split(b"\r\n")
    assert max(map(len, body_lines)) <= 76 + 2
    assert b"\r" not in raw.replace(b"\r\n", b"")
    assert b"\n" not in raw.replace(b"\r\n", b"")


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
def test_every_kind_of_line_end_becomes_the_one_that_mail_has(end: str) -> None:
    raw = built(replaced(html="", text=f"a{end}b{end}"))
    assert raw.endswith(b"\r\n\r\na\r\nb\r\n")


def test_dots_at_line_starts_are_doubled_on_the_wire() -> None:
    assert dotted(b"a\r\n.\r\n..b\r\nc") == b"a\r\n..\r\n...b\r\nc\r\n"


def test_a_long_subject_in_another_script_keeps_to_short_encoded_words() -> None:
    subject = "Überraschung für Jürgen: " * 9
    raw = built(replaced(subject=subject.strip()))
    assert parsed(raw)["Subject"] == subject.strip()
    head = raw.split(b"\r\n\r\n", 1)[0]
    subject_lines = head.split(b"Subject: ", 1)[1].split(b"\r\nDate")[0].split(b"\r\n")
    assert max(map(len, subject_lines)) <= 78


@pytest.mark.parametrize("evil", ["a\r\nBcc: eve@evil.test", "a\nBcc: x", "a\rBcc: x"])
@pytest.mark.parametrize("field", ["subject", "reply_to", "unsubscribe_url"])
def test_a_line_end_never_gets_into_a_header(field: str, evil: str) -> None:
    with pytest.raises(ValueError):
        built(replaced(**{field: evil}))


def test_odd_names_of_campaigns_and_topics_stay_within_their_headers() -> None:
    mail = parsed(built(campaign="Ärger: 1\r\nX: y", topic="cart > reminders"))
    assert mail["Feedback-ID"] == "rger-1-X-y:cart-reminders:marketing:cuebird"
    assert mail["List-ID"] == "<cart-reminders.shop.example>"
    assert "X" not in mail


def test_a_template_with_everything_arrives_whole(tmp_path: Path) -> None:
    front = '---\nsubject: "{{ user_name }} 🎁"\nfrom: Ann Lee <ann@shop.example>\nreply_to: help@shop.example\n---\n'
    made = templates(tmp_path, cart_1_html=front + '<p>ö</p><a href="https://shop.example/">x</a>')
    send = a_send(context={"user": {"name": "Jörg"}})
    mail = parsed(mime(made.email(send), send, SMTP, SETTINGS, NOW))
    assert mail["Subject"] == "Jörg 🎁"
    assert mail["From"] == "Ann Lee <ann@shop.example>"
    assert mail["Reply-To"] == "help@shop.example"
    assert mail["Message-ID"].endswith("@shop.example>")
