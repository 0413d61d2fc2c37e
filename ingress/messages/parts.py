"""Splits JSON that no decoder takes as a whole, by its brackets, so that one bad part spoils none of the others.

A decoder stops at the first fault: a lone surrogate, a number that is none, nesting past its stack. What lies between
the commas of the outermost array or object can be told without decoding: brackets outside of texts, each closed by its
own kind. Linear in the bytes, whatever they are, and used only where a decoder has refused.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

import msgspec

BRACKETS_MAX: Final = 250_000
"""Objects and arrays in what is split, those in texts counted: each costs a step here. Past it nothing is split."""
MEMBERS_MAX: Final = 1_000
"""Of an object that is split: a frame, an envelope."""

_TEXT: Final = rb'"(?:[^"\\]++|\\.)*+"'
_FLAT: Final = rb'[^"\[\]{}]++|%b' % _TEXT
"""What holds no brackets but in texts."""
_RUN: Final = re.compile(
    rb'(?:%b|\[(?:%b)*+\]|\{(?:%b)*+\})*+([\[{]++|[\]}]++|"|\Z)' % (_FLAT, _FLAT, _FLAT), re.DOTALL
)
"""The next brackets of one direction, and all that lies before them: what holds no others is passed over at once. Else a
text without an end, or the end: it matches wherever it stands, for a search that fails begins again at each byte."""
_MARK: Final = re.compile(rb'(?:[^"\[\]{},]++|%b)*+([\[{,\]}])' % _TEXT, re.DOTALL)
"""The next bracket or comma, and all that lies before it."""
_KEY: Final = re.compile(rb"\s*(%b)\s*:\s*" % _TEXT, re.DOTALL)
_CLOSING: Final = bytes.maketrans(b"[{", b"]}")
_SPACE: Final = b" \t\r\n"

_decode_key = msgspec.json.Decoder(str).decode


class Parts(NamedTuple):
    """What lies between the outermost commas, without the spaces around it."""

    parts: list[bytes]
    whole: bool
    """It ends where `data` ends. If not, `parts` holds what was complete before the fault."""


class Members(NamedTuple):
    values: dict[str, bytes]
    """Of two equal keys the last counts, as for a decoder."""
    whole: bool


def split(data: bytes, parts_max: int | None = None) -> Parts:
    """Split the array or object that `data` begins with. It goes on to no more than one part past `parts_max`."""
    parts: list[bytes] = []
    if data.count(b"[") + data.count(b"{") > BRACKETS_MAX:
        return Parts(parts, False)
    begin = at = 1
    closing = data[:1].translate(_CLOSING)
    while mark := _MARK.match(data, at):
        found = mark[1]
        if found in b"[{":
            at = _end(data, mark.start(1))
            if at < 0:
                break
            continue
        at = mark.end()
        part = data[begin : at - 1].strip(_SPACE)
        if found != b"," and found != closing:
            break
        if part or parts or found == b",":
            parts.append(part)
        if found == closing:
            return Parts(parts, not data[at:].strip(_SPACE))
        if parts_max is not None and len(parts) > parts_max:
            break
        begin = at
    return Parts(parts, False)


def members(data: bytes) -> Members:
    """Split the object that `data` begins with into its keys and their raw values."""
    parts, whole = split(data, MEMBERS_MAX)
    values: dict[str, bytes] = {}
    for part in parts:
        key = _KEY.match(part)
        if key is None:
            whole = False
            continue
        try:
            values[_decode_key(key[1])] = part[key.end() :]
        except (msgspec.DecodeError, UnicodeError):
            # No key of ours is spelled with half a character.
            continue
    return Members(values, whole)


def _end(data: bytes, at: int) -> int:
    """Find where the value ends that is opened at `at`; -1 if a bracket is closed by another kind, or not at all."""
    opened = bytearray(data[at : at + 1].translate(_CLOSING))
    for run in _RUN.finditer(data, at + 1):
        brackets = run[1]
        if brackets in (b"", b'"'):
            break
        if brackets[0] in b"[{":
            opened += brackets.translate(_CLOSING)
            continue
        # What is left of the run closes something around this value.
        closed = brackets[: len(opened)]
        if opened[-len(closed) :][::-1] != closed:
            return -1
        del opened[-len(closed) :]
        if not opened:
            return run.start(1) + len(closed)
    return -1
