"""Is this JSON safe to keep as raw bytes?

Properties travel undecoded to the journal, and whoever decodes them later must never fail: so what a decoder or a
64-bit column would choke on is found at the door. `suspicious` and `shallow` look at a whole frame with a few passes
in C and err on the safe side; only what they doubt is decoded and walked by `examine`.
"""

from __future__ import annotations

from typing import Final

import msgspec

from ingress.rejection import Rejected

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


def shallow(data: bytes, depth: int = 1) -> bool:
    """True: too few brackets to nest beyond DEPTH_MAX, if `data` sits at that `depth`. Those in texts count too: a
    text can close and open what it likes, so nothing but their number is proof."""
    return data.count(b"{") + data.count(b"[") <= DEPTH_MAX + 1 - depth


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


def walk(value: object, field: str, depth: int = 1) -> None:
    """Refuse integers beyond 64 bits, nesting beyond DEPTH_MAX, NUL in keys. Not recursive: depth is the attack."""
    level = [(value, field)]
    while level:
        deeper: list[tuple[object, str]] = []
        for item, path in level:
            if isinstance(item, dict):
                for key in item:
                    if "\x00" in key:
                        raise Rejected("bad_string", f"a key in {path or 'the message'} holds a NUL character", path)
                deeper.extend((child, f"{path}.{key}" if path else key) for key, child in item.items())
            elif isinstance(item, list):
                deeper.extend((child, path) for child in item)
            elif isinstance(item, int) and not INT_MIN <= item <= INT_MAX:
                raise Rejected("out_of_range", f"{path[:200]} is beyond 64 bits; send it as text", path[:200])
            else:
                continue
            if depth > DEPTH_MAX:
                raise too_deep(path)
        level = deeper
        depth += 1


def too_deep(field: str) -> Rejected:
    return Rejected("too_deep", f"nested more than {DEPTH_MAX} deep", field[:200])
