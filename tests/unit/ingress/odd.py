"""Messages that nobody should send."""

from __future__ import annotations

import random

ODD = [
    b"NaN", b"-", b"01", b"1e400", b"9" * 30, b"9" * 6_000, b"-1e-400", b'"\\ud83d"', b'"\\uDEAD\\ud83d"', b'"\\uZZZZ"', b'"\\u00"',
    b'"\xff"', b'"\xed\xa0\xbd"', b'"\x01"', b'"\\u0000"', b"tru", b"null", b"[]", b"{}", b"true", b'"\\x"', b"{1:2}", b"[1,,2]", b"[1 2]", b"",
    b'{"a":1,"a":2}', b'{"__proto__":{}}', b'"' + b"x" * 9_000 + b'"', b"[" * 20 + b"]" * 20, b"[" * 3_000 + b"]" * 3_000,
    b'{"a":' * 1_500 + b"1" + b"}" * 1_500,
]  # fmt: skip
FIELDS = (b"type", b"event", b"userId", b"messageId", b"timestamp", b"properties", b"context", b"traits", b"sentAt")


def odd(rng: random.Random, user: bytes) -> bytes:
    """A message of which a field, a property or a name is something else, and whose brackets and quotes are closed."""
    told = {
        b"type": b'"track"',
        b"event": b'"Odd"',
        b"userId": b'"%b"' % user,
        b"messageId": b'"odd"',
        b"properties": b"{}",
    }
    for _ in range(rng.randrange(1, 3)):
        value = rng.choice(ODD)
        match rng.randrange(4):
            case 0:
                told[b"properties"] = b'{"n":%b}' % value
            case 1 if value[:1] == b'"':
                told[b"properties"] = b"{%b:1}" % value
            case 2:
                return value
            case _:
                told[rng.choice(FIELDS)] = value
    return b"{%b}" % b",".join(b'"%b":%b' % one for one in told.items())
