"""A mail as bytes: headers and two parts, made once and deterministic for a given send and date.

Written out here instead of with `email.message`: a generator that folds `List-Unsubscribe` at 78 characters breaks the
URL for mail clients that do not unfold (so those lines stay whole, RFC 5322 allows 998), while one that may fill 998 makes
encoded words and quoted-printable lines longer than RFC 2047 and RFC 2045 allow.
"""

from __future__ import annotations

import binascii
import datetime
import re
from email.headerregistry import Address
from email.policy import SMTP
from email.utils import format_datetime
from hashlib import sha256
from typing import Final

from actors.address import domain_of
from actors.turn import Send
from delivery.render import EmailMessage
from delivery.settings import DeliverySettings, SmtpSettings

LINE_CHARACTERS_MAX: Final = 998

_LINE_END = re.compile(r"\r\n|\r|\n")
_NOT_A_LABEL = re.compile(r"[^A-Za-z0-9-]+")
_LEADING_DOT = re.compile(rb"(?m)^\.")


def message_id(send: str, domain: str) -> str:
    """The same on every attempt: some receivers drop what they have had already."""
    return f"<{sha256(b'cuebird message ' + send.encode()).hexdigest()[:32]}@{domain}>"


def mime(message: EmailMessage, send: Send, smtp: SmtpSettings, settings: DeliverySettings, date_ms: int) -> bytes:
    """The whole mail, 7-bit, lines ending in CRLF. ValueError if a header holds a line end."""
    name, address = message.sender or (smtp.from_name, smtp.from_address)
    if not address:
        raise ValueError("nobody to send it from: set smtp.from_address, or `from:` in the template")
    domain = domain_of(address)
    thread = sha256(b"cuebird run " + send.run.encode()).hexdigest()[:32]
    date = datetime.datetime.fromtimestamp(date_ms / 1000, datetime.UTC)
    headers = [
        _folded("From", str(Address(name, addr_spec=address))),
        _folded("To", send.to),
        _folded("Subject", message.subject),
        _whole("Date", format_datetime(date)),
        _whole("Message-ID", message_id(send.id, domain)),
        # Nobody has this id: it is the root under which a mail client shows the mails of one run together.
        _whole("References", f"<{thread}@{domain}>"),
        _whole("Auto-Submitted", "auto-generated"),
        _whole("Feedback-ID", ":".join(map(_label, (send.campaign, send.topic, send.purpose, settings.sender)))),
        _whole("MIME-Version", "1.0"),
    ]
    if message.reply_to:
        headers.append(_folded("Reply-To", message.reply_to))
    if message.unsubscribe_url:
        headers += [
            _whole("List-Unsubscribe", f"<{message.unsubscribe_url}>"),
            _whole("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
            _whole("List-ID", f"<{_label(send.topic)}.{domain}>"),
        ]
    return "".join(headers).encode("ascii") + _body(message, send)


def dotted(raw: bytes) -> bytes:
    """The mail as it crosses the wire after DATA, without the final dot (RFC 5321 §4.5.2)."""
    stuffed = _LEADING_DOT.sub(b"..", raw)
    return stuffed if stuffed.endswith(b"\r\n") else stuffed + b"\r\n"


def _body(message: EmailMessage, send: Send) -> bytes:
    text = _part("text/plain", message.text)
    if not message.html:
        return text
    # Quoted-printable never has `=_`, so no part can hold the boundary.
    boundary = f"=_{send.id}".encode("ascii")
    parts = [b"--" + boundary + b"\r\n" + part + b"\r\n" for part in (text, _part("text/html", message.html))]
    head = b'Content-Type: multipart/alternative; boundary="' + boundary + b'"\r\n\r\n'
    return head + b"".join(parts) + b"--" + boundary + b"--\r\n"


def _part(kind: str, text: str) -> bytes:
    head = f"Content-Type: {kind}; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    # A lone CR would pass through the encoder and be a line end to some servers only.
    data = _LINE_END.sub("\r\n", text).encode("utf-8", "replace")
    return head.encode("ascii") + binascii.b2a_qp(data)


def _folded(name: str, value: str) -> str:
    """For what people write: encoded words where it is not ASCII, lines of at most 78 characters."""
    _, header = SMTP.header_store_parse(name, value)
    return str(header.fold(policy=SMTP))


def _whole(name: str, value: str) -> str:
    """For what programs read: one line."""
    line = f"{name}: {value}"
    if len(line) > LINE_CHARACTERS_MAX or not line.isascii() or not line.isprintable():
        raise ValueError(f"header {name} is too long or holds what a header may not: {value[:100]!r}")
    return f"{line}\r\n"


def _label(text: str) -> str:
    return _NOT_A_LABEL.sub("-", text).strip("-")[:63] or "none"
