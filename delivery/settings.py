"""What an operator may set about the ways out. Frozen; `cuebird/settings/config.py` nests them; units are last in the names."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit

import msgspec

from actors.values.address import domain_of, valid_address
from templating.locales import DEFAULT, is_known

Security = Literal["none", "starttls", "tls"]
WhenUnknown = Literal["hold", "resend"]


class SmtpSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The relay that takes our mail."""

    host: str = "127.0.0.1"
    port: int = 25
    security: Security = "starttls"
    """`starttls` and `tls` never fall back to clear text; `none` is clear text, for a relay on this machine."""
    username: str = ""
    password: str = ""
    ca_file: str = ""
    """PEM file of the authorities to trust instead of the system's; for a relay with a certificate of its own."""
    helo_name: str = ""
    """What we call ourselves in EHLO; empty: the domain of `from_address`."""
    from_address: str = ""
    from_name: str = ""
    return_path: str = ""
    """MAIL FROM, where bounces go; empty: `from_address`."""
    connections_max: int = 4
    """Messages in flight at once. There are 4 round trips a message: rate = connections / (4 x round trip)."""
    connection_messages_max: int = 100
    """A connection is replaced after so many messages; many servers cut it there."""
    idle_s_max: float = 20.0
    """A connection idle for longer is asked with NOOP before it is used, and closed after three times as long."""
    connect_s_max: float = 30.0
    command_s_max: float = 300.0
    """RFC 5321 §4.5.3.2: 5 minutes for the greeting, MAIL, RCPT; used for EHLO, AUTH and DATA too."""
    body_s_max: float = 180.0
    dot_s_max: float = 600.0
    """RFC 5321 §4.5.3.2.6: less than 10 minutes makes doubts out of slow servers."""

    def __post_init__(self) -> None:
        for name, address in (("from_address", self.from_address), ("return_path", self.return_path)):
            if address and valid_address(address) != address:
                raise ValueError(f"{name} {address!r} is not one plain address, such as news@shop.example")
        for name, text in (("host", self.host), ("helo_name", self.helo_name), ("from_name", self.from_name)):
            if not text.isprintable():
                raise ValueError(f"{name} {text!r} holds a character that cannot be printed")
        if self.connections_max < 1 or self.connection_messages_max < 1:
            raise ValueError("connections_max and connection_messages_max must be at least 1")


class DeliverySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How messages are made and what is done when it is not known whether one arrived."""

    public_url: str = "http://127.0.0.1:8700"
    """Where the recipients reach us: the base of tracked links, pixels and the unsubscribe page. No slash at the end."""
    site_url: str = ""
    """Base for relative links and pictures in templates; empty: `public_url`."""
    sender: str = "cuebird"
    """The last part of Feedback-ID: who we are to a mailbox provider; 5 to 15 letters and digits."""
    currency: str = "USD"
    """ISO 4217 code for the `money` filter when the template names none."""
    locale: str = "en"
    """How money, numbers and dates are written to a user whose `locale` is not known, such as `de` or `en-GB`."""
    utm: bool = True
    """Add utm_source, utm_medium, utm_campaign and utm_content to links, where they are not set already."""
    track_opens: bool = True
    track_clicks: bool = True
    unknown_marketing: WhenUnknown = "hold"
    unknown_transactional: WhenUnknown = "resend"
    """What happens to a mail of which nobody knows whether it arrived (design §4.9). `resend`: once more, same Message-ID."""
    claims_max: int = 256
    """Rows read from the outbox at once."""
    only_to: tuple[str, ...] = ()
    """Staging: addresses (`me@shop.example`) and domains (`@shop.example`) that get mail. All other mail settles as failed, with the reason. Empty: everybody."""

    def may_mail(self, address: str) -> bool:
        """Whether `only_to` lets it. Upper and lower case are the same."""
        found = address.lower()
        allowed = {entry.lower() for entry in self.only_to}
        return not allowed or found in allowed or f"@{domain_of(found)}" in allowed

    def __post_init__(self) -> None:
        for name, url in (("public_url", self.public_url), ("site_url", self.site_url)):
            parts = urlsplit(url)
            if url and (parts.scheme not in ("http", "https") or not parts.netloc or url.endswith("/")):
                raise ValueError(f"{name} {url!r} must be like https://t.shop.example, without a slash at the end")
        if not self.public_url or not self.public_url.isascii() or not self.public_url.isprintable():
            raise ValueError("public_url must be set, in ASCII: it is in every link of a mail")
        if self.locale != DEFAULT and not is_known(
            self.locale
        ):  # the default is not looked up: that takes a tenth of a second
            raise ValueError(f"locale {self.locale!r} is none that is known, such as de, en-GB or pt-BR")
        for entry in self.only_to:
            address = f"any{entry}" if entry.startswith("@") else entry
            if valid_address(address) is None:
                raise ValueError(f"only_to {entry!r} is neither an address nor a domain, such as @shop.example")
        if self.claims_max < 1:
            raise ValueError("claims_max must be at least 1")
