"""Is this JSON safe to keep as raw bytes?

Properties travel undecoded to the journal, and whoever decodes them later must never fail: so what a decoder or a
64-bit column would choke on is found at the door. `suspicious` and `plain` look at a whole frame with a few passes
in C and err on the safe side; only what they doubt is decoded and walked by `examine`.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from ingress.messages.rejection import Rejected

DEPTH_MAX: Final = 16
"""Objects and arrays within each other, the message itself counted."""

INT_MIN: Final = -(2**63)
INT_MAX: Final = 2**63 - 1

_DIGITS = bytes.maketrans(b"123456789E", b"000000000e")
_LONG_NUMBER = b"0" * 19
_HUGE_EXPONENT = b"0e000"
_BEFORE_NUMBER = b":,[ \t\r\n"
_MINUS = ord("-")
_INSIDE_ID = frozenset(bytes([byte]) for byte in b'abcdefghijklmnopqrstuvwxyz_"')
_HIGH = rb"\\u[dD][89abAB][\da-fA-F]{2}"
_LOW = rb"\\u[dD][c-fC-F][\da-fA-F]{2}"
_LONE = re.compile(rb"%b(?!%b)|(?<!%b)%b" % (_HIGH, _LOW, _HIGH, _LOW))
_decode = msgspec.json.Decoder().decode


def suspicious(data: bytes) -> bool:
    """False: no number beyond 64 bits or beyond a double, no escaped code unit.

    True says nothing: such an escape may be harmless, and a long number may be one in a text.
    """
    # One byte is looked for a hundred times faster than two, and most frames hold none.
    if b"\\" in data and b"\\u" in data:
        return True
    digits = data.translate(_DIGITS, b"+")
    return _has_number(digits, _LONG_NUMBER) or _has_number(digits, _HUGE_EXPONENT)


def plain(data: bytes, bytes_max: int) -> bool:
    """True: too short for anything in it to be past a limit, and too few brackets to nest beyond DEPTH_MAX. Those in
    texts count too: a text can close and open what it likes, so nothing but their number is proof."""
    return len(data) <= bytes_max and data.count(b"{") + data.count(b"[") <= DEPTH_MAX


def utf8(raw: bytes | str) -> bytes:
    """UTF-8, checked: no decoder looks at the bytes of a text that it passes over. Raises Rejected."""
    try:
        if isinstance(raw, str):
            return raw.encode()
        raw.decode()
    except UnicodeError as error:
        raise Rejected("invalid_json", f"not valid UTF-8: {error}") from None
    return raw


def well_formed(data: bytes) -> bytes:
    """`data` with U+FFFD for every surrogate that is escaped by itself, as a browser's TextEncoder has it; `data`
    itself if there is none. They are what is left of an emoji that was cut in two, and no decoder takes them."""
    # No JSON holds NUL: it stands for escaped backslashes meanwhile, after which `\\ud83d` would be no escape.
    if (b"\\ud" not in data and b"\\uD" not in data) or b"\0" in data:
        return data
    escapes = data.replace(rb"\\", b"\0\0")
    mended = _LONE.sub(rb"\\ufffd", escapes)
    return data if mended == escapes else mended.replace(b"\0\0", rb"\\")


def _has_number(digits: bytes, sign: bytes) -> bool:
    """Is one of the places where `sign` stands perhaps in a number, not in an id in quotes (3e128 in a UUID)?"""
    at = digits.find(sign)
    while at >= 0:
        if digits[at - 1 : at] not in _INSIDE_ID:
            before = digits[max(0, at - 400) : at].rstrip(b"0.")[-2:]
            if (
                len(before) < 2
                or before[-1] in _BEFORE_NUMBER
                or (before[-1] == _MINUS and before[-2] in _BEFORE_NUMBER)
            ):
                return True
        at = digits.find(sign, at + len(sign))
    return False


def examine(data: bytes, field: str, depth: int = 1) -> None:
    """Decode and walk `data`, which sits at that `depth`; raises Rejected with what is wrong and where."""
    walk(decode(data, field), field, depth)


def decode(data: bytes | str, field: str = "") -> object:
    """Any JSON value. Raises Rejected instead of the decoder's several errors."""
    try:
        return _decode(data)
    except RecursionError:
        raise too_deep(field) from None
    except msgspec.ValidationError:
        # The untyped decoder validates nothing but numbers.
        raise Rejected("out_of_range", f"{field or 'the message'} holds a number that fits no 64 bits", field) from None
    except (msgspec.DecodeError, UnicodeError) as error:
        raise Rejected("invalid_json", f"{field or 'the message'} is not valid JSON: {error}", field) from None


def walk(value: object, field: str, depth: int = 1, text_bytes_max: int = INT_MAX) -> None:
    """Refuse integers beyond 64 bits, nesting beyond DEPTH_MAX, NUL in keys, texts and keys longer than
    `text_bytes_max`. Not recursive: depth is the attack."""
    level = [(value, field)]
    while level:
        deeper: list[tuple[object, str]] = []
        for item, path in level:
            if isinstance(item, dict):
                for key in item:
                    if "\x00" in key:
                        raise Rejected("bad_string", f"a key in {path or 'the message'} holds a NUL character", path)
                    if _longer(key, text_bytes_max):
                        raise too_long(f"a name in {path}", path, text_bytes_max)
                deeper.extend((child, f"{path}.{key}" if path else key) for key, child in item.items())
            elif isinstance(item, list):
                deeper.extend((child, path) for child in item)
            elif isinstance(item, str):
                if _longer(item, text_bytes_max):
                    raise too_long(path, path, text_bytes_max)
                continue
            elif isinstance(item, int) and not INT_MIN <= item <= INT_MAX:
                raise Rejected("out_of_range", f"{path[:200]} is beyond 64 bits; send it as text", path[:200])
            else:
                continue
            if depth > DEPTH_MAX:
                raise too_deep(path)
        level = deeper
        depth += 1


def _longer(text: str, bytes_max: int) -> bool:
    # A character has at most four bytes.
    return len(text) * 4 > bytes_max and len(text.encode()) > bytes_max


def too_long(what: str, field: str, bytes_max: int) -> Rejected:
    said = f"{what[:200]} is longer than {bytes_max:,} bytes: send less of it, or where it can be found"
    return Rejected("too_long", said, field[:200])


def too_deep(field: str) -> Rejected:
    return Rejected("too_deep", f"nested more than {DEPTH_MAX} deep", field[:200])
