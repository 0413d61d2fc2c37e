"""E-mail addresses: the one kind we are willing to mail, and nothing that a mail server could read as two.

Library parsers accept lists, groups, `%` and `!` routes, literals and quoted strings (`a@x.test, b@y.test` is two
recipients to `email.message`). Here an address is one addr-spec of RFC 5321 §4.1.2: a dot-atom of ASCII, and a domain name.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

import idna

LOCAL_CHARACTERS_MAX: Final = 64
DOMAIN_CHARACTERS_MAX: Final = 253
ADDRESS_CHARACTERS_MAX: Final = 254
"""RFC 5321 §4.5.3.1, and its erratum 1690 for the whole."""

# `%` and `!` are legal in an atom, but relays of old read them as routes, so they stay out.
_ATOM = r"[A-Za-z0-9#$&'*+/=?^_`{|}~-]+"
_LOCAL = re.compile(rf"{_ATOM}(?:\.{_ATOM})*", re.ASCII)
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = re.compile(rf"(?:{_LABEL}\.)+(?:[a-z]{{2,63}}|xn--[a-z0-9-]{{1,59}})", re.ASCII)


def valid_address(text: str) -> str | None:
    """The address as we write it (domain in lower case and ASCII, no space around it), or None if we will not mail it.

    None for: no dot in the domain, an IP literal or number, an international local part (we do not speak SMTPUTF8),
    a display name, a quoted part, a comment, anything with a control character, and whatever is too long.
    """
    return _valid_address(text) if len(text) <= 4 * ADDRESS_CHARACTERS_MAX else None


@lru_cache(maxsize=256)
def _valid_address(text: str) -> str | None:
    local, at, domain = text.strip(" ").rpartition("@")
    if not at or len(local) > LOCAL_CHARACTERS_MAX or not _LOCAL.fullmatch(local):
        return None
    ascii_domain = _ascii_domain(domain)
    if ascii_domain is None:
        return None
    address = f"{local}@{ascii_domain}"
    return address if len(address) <= ADDRESS_CHARACTERS_MAX else None


def domain_of(address: str) -> str:
    """The domain of an address that `valid_address` returned."""
    return address.rpartition("@")[2]


def _ascii_domain(domain: str) -> str | None:
    if not domain.isascii():
        try:
            domain = idna.encode(domain, uts46=True, std3_rules=True).decode("ascii")
        except UnicodeError:
            return None
    domain = domain.lower()
    return domain if len(domain) <= DOMAIN_CHARACTERS_MAX and _DOMAIN.fullmatch(domain) else None
