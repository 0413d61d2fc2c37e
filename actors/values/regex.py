"""The regular expressions of `matches`, read: a program for the automaton that looks for them (`actors/values/automaton.py`).

They are those of Python's `re` without what an automaton cannot do: references back, looking around, possessive repeats.
What is short and large (`((x{9}){9}){9}`) is refused too.
"""

from __future__ import annotations

import re
from typing import Final, Literal

import msgspec

CHARACTERS_MAX: Final = 200
INSTRUCTIONS_MAX: Final = 250
"""Of a program: a character of the expression is about one, and all that a repeat repeats is written out as often."""

DEPTH_MAX: Final = 10

Place = Literal["^", "$", "A", "Z", "b", "B"]
"""Of what matches between two characters: as in `re`, `A` and the like without their backslash."""

_QUANTIFIER = re.compile(r"[*+?]|\{(\d*)(?:(,)(\d*))?(?<!\{)\}")
_CLASS = re.compile(r"\[\^?\]?(?:[^\]\\]|\\.)*\]", re.DOTALL)
_ESCAPED = re.compile(r"\\(?:x..|u.{4}|U.{8}|N\{[^}]*\}|.)", re.DOTALL)
_PLACES: Final[dict[str, Place]] = {"^": "^", "$": "$", "\\A": "A", "\\Z": "Z", "\\b": "b", "\\B": "B"}


class RegexRefused(ValueError):
    """Why, as a sentence; `at` is the offset in the expression."""

    def __init__(self, why: str, at: int) -> None:
        super().__init__(why)
        self.why = why
        self.at = at


class Character(msgspec.Struct, frozen=True):
    """Go on with the next instruction if the character is one of `source`: itself an expression for one character."""

    source: str


class At(msgspec.Struct, frozen=True):
    """Go on with the next instruction if this is the place."""

    place: Place


class Fork(msgspec.Struct, frozen=True):
    """Go on with each of these instructions."""

    to: tuple[int, ...]


class RegexMatch(msgspec.Struct, frozen=True):
    """The end."""


Instruction = Character | At | Fork | RegexMatch


class _Sequence(msgspec.Struct, frozen=True):
    parts: tuple[_Node, ...]


class _Choice(msgspec.Struct, frozen=True):
    branches: tuple[_Node, ...]


class _Repeat(msgspec.Struct, frozen=True):
    node: _Node
    fewest: int
    most: int | None


_Node = Character | At | _Sequence | _Choice | _Repeat


def program(pattern: str) -> tuple[Instruction, ...]:
    """Return the instructions of an expression. Raises RegexRefused for what is none, is too long, or is not used here."""
    if len(pattern) > CHARACTERS_MAX:
        raise RegexRefused(f"a pattern has at most {CHARACTERS_MAX} characters, this has {len(pattern)}", 0)
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise RegexRefused(f"no regular expression: {error}", getattr(error, "pos", None) or 0) from None
    writer = _Writer()
    writer.write(_Reader(pattern).read())
    return (*writer.program, RegexMatch())


class _Reader:
    """One pass from left to right. `compile` has accepted the expression, so its brackets are closed."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.at = 0
        self.flags = ""

    def read(self) -> _Node:
        if self.pattern.startswith("(?i)"):
            self.at, self.flags = 4, "(?i)"
        return self._choice(depth=0)

    def _choice(self, depth: int) -> _Node:
        """Up to the closing bracket or the end."""
        if depth > DEPTH_MAX:
            raise RegexRefused("too deeply nested", self.at)
        branches: list[list[_Node]] = [[]]
        while self.at < len(self.pattern) and self.pattern[self.at] != ")":
            if self.pattern[self.at] == "|":
                branches.append([])
                self.at += 1
            else:
                branches[-1].append(self._item(depth))
        sequences = tuple(_Sequence(tuple(parts)) for parts in branches)
        return _Choice(sequences) if len(sequences) > 1 else sequences[0]

    def _item(self, depth: int) -> _Node:
        node = self._group(depth) if self.pattern[self.at] == "(" else self._atom()
        quantifier = _QUANTIFIER.match(self.pattern, self.at)
        if quantifier is None:
            return node
        self.at = quantifier.end()
        if self.pattern.startswith("+", self.at):
            raise RegexRefused("a repeat that gives nothing back (`*+`) is not used here", self.at)
        if self.pattern.startswith("?", self.at):
            self.at += 1  # as few as possible: that finds no more and no less
        return _Repeat(node, *_bounds(quantifier))

    def _atom(self) -> _Node:
        match self.pattern[self.at]:
            case "[":
                found = _CLASS.match(self.pattern, self.at)
            case "\\":
                found = _ESCAPED.match(self.pattern, self.at)
            case _:
                found = None
        source = found[0] if found else self.pattern[self.at]
        if source[0] == "\\" and source[1].isdigit():
            raise RegexRefused("references to groups are not used here", self.at)
        self.at += len(source)
        if source in _PLACES:
            return At(_PLACES[source])
        return Character(self.flags + (source if found or source == "." else re.escape(source)))

    def _group(self, depth: int) -> _Node:
        start = self.at
        self.at += 1
        if self.pattern.startswith("?", self.at):
            if not self.pattern.startswith("?:", self.at):
                raise RegexRefused("of groups only (…) and (?:…) are used here", start)
            self.at += 2
        node = self._choice(depth + 1)
        self.at += 1
        return node


def _bounds(quantifier: re.Match[str]) -> tuple[int, int | None]:
    match quantifier[0]:
        case "*":
            return 0, None
        case "+":
            return 1, None
        case "?":
            return 0, 1
    fewest = int(quantifier[1] or 0)
    if not quantifier[2]:
        return fewest, fewest
    return fewest, int(quantifier[3]) if quantifier[3] else None


class _Writer:
    def __init__(self) -> None:
        self.program: list[Instruction] = []
        self._steps = 0
        """Repeats of nothing take time as well."""

    def write(self, node: _Node) -> None:
        self._steps += 1
        if len(self.program) >= INSTRUCTIONS_MAX or self._steps > 4 * INSTRUCTIONS_MAX:
            raise RegexRefused(f"too large: what repeats repeat adds up to more than {INSTRUCTIONS_MAX} characters", 0)
        match node:
            case _Sequence(parts):
                for part in parts:
                    self.write(part)
            case _Choice(branches):
                self._write_choice(branches)
            case _Repeat(repeated, fewest, most):
                self._write_repeat(repeated, fewest, most)
            case _:
                self.program.append(node)

    def _write_choice(self, branches: tuple[_Node, ...]) -> None:
        fork, starts, ends = self._later(), [], []
        for branch in branches:
            starts.append(len(self.program))
            self.write(branch)
            ends.append(self._later())
        self.program[fork] = Fork(tuple(starts))
        for end in ends:
            self.program[end] = Fork((len(self.program),))

    def _write_repeat(self, node: _Node, fewest: int, most: int | None) -> None:
        start = len(self.program)
        for _ in range(fewest):
            start = len(self.program)
            self.write(node)
        if most is None and fewest:
            self.program.append(Fork((start, len(self.program) + 1)))
            return
        forks = []
        for _ in range(1 if most is None else most - fewest):
            forks.append(self._later())
            self.write(node)
        if most is None:
            self.program.append(Fork((forks[0],)))
        for fork in forks:
            self.program[fork] = Fork((fork + 1, len(self.program)))

    def _later(self) -> int:
        """The place of an instruction that is not known yet."""
        self.program.append(Fork(()))
        return len(self.program) - 1
