"""A mail as bytes: headers and two parts, made once and deterministic for a given send and date."""

from __future__ import annotations

import binascii
import datetime
import re
from email.utils import format_datetime
from hashlib import sha256

from actors.model.turn import Send
from actors.values.address import domain_of
from delivery.headers import mailbox_header, text_header, whole_header
from delivery.render import EmailMessage
from delivery.settings import DeliverySettings, SmtpSettings

_LINE_END = re.compile(r"\r\n|\r|\n")
_NOT_A_LABEL = re.compile(r"[^A-Za-z0-9-]+")
_LEADING_DOT = re.compile(rb"(?m)^\.")
# The encoder writes a blank at the end of a full line as three characters, past the 76 that RFC 2045 allows.
_OVERLONG = re.compile(rb"(?m)^(.{74,75})(=20|=09)$")


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
        mailbox_header("From", name, address),
        mailbox_header("To", "", send.to),
        text_header("Subject", message.subject),
        whole_header("Date", format_datetime(date)),
        whole_header("Message-ID", message_id(send.id, domain)),
        # Nobody has this id: it is the root under which a mail client shows the mails of one run together.
        whole_header("References", f"<{thread}@{domain}>"),
        whole_header("Auto-Submitted", "auto-generated"),
        whole_header("Feedback-ID", ":".join(map(_label, (send.campaign, send.topic, send.purpose, settings.sender)))),
        whole_header("MIME-Version", "1.0"),
    ]
    if message.reply_to:
        headers.append(mailbox_header("Reply-To", "", message.reply_to))
    if message.unsubscribe_url:
        headers += [
            whole_header("List-Unsubscribe", f"<{message.unsubscribe_url}>"),
            whole_header("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
            whole_header("List-ID", f"<{_label(send.topic)}.{domain}>"),
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
    # The encoder ends its soft lines as it finds the first line ended, and passes a lone CR through: so it is given LF
    # alone, also where there is but one line, and all are made CRLF after.
    encoded = binascii.b2a_qp(_LINE_END.sub("\n", text).encode("utf-8", "replace"))
    return head.encode("ascii") + _OVERLONG.sub(rb"\1=\n\2", encoded).replace(b"\n", b"\r\n")


def _label(text: str) -> str:
    return _NOT_A_LABEL.sub("-", text).strip("-")[:63] or "none"
