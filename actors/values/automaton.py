"""Looking for a regular expression in time that grows with the text alone, whatever both are.

Python's `re` tries one way after another, and there can be more ways than seconds: `^[a-z]*?a{0,60}[a-z]{3,}.*[a-z]{2}x$`
takes it ten for 300 letters. Here all ways are gone at once (Thompson's algorithm): a state is the set of instructions that
may come next, and what a character makes of a state is kept, so that a text costs a look-up a character.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Final

from actors.values.regex import At, Character, Fork, RegexMatch, program

MOVES_KEPT_MAX: Final = 1000
"""What characters make of states; past it all are forgotten, and made again."""

_FOUND: Final = -1
_LAST_NEWLINE: Final = "\n$"
"""A newline with nothing behind it: `$` is before it too."""
_END: Final = ""
_NOTHING, _WORD, _OTHER = range(3)
"""What came before: nothing, or a character of that kind."""

Places = tuple[bool, bool, bool, bool]
"""Whether this is the start, the end, where `$` is, and a boundary of a word."""


def finder(pattern: str) -> Callable[[str], bool]:
    """Return what tells whether the expression is found in a text. Raises RegexRefused."""
    forks = sum(isinstance(one, Fork) and len(one.to) > 1 for one in program(pattern))
    if forks > 1:
        return Automaton(pattern).finds
    # With one repeat or choice there are no more ways than pairs of places in the text, and `re` tries one in nanoseconds.
    search = re.compile(pattern).search
    return lambda text: search(text) is not None


class Automaton:
    """`pattern` is one that `program` takes. It keeps what it has worked out; what it finds depends on the text alone."""

    def __init__(self, pattern: str) -> None:
        self._program = program(pattern)
        self._end = 1 << (len(self._program) - 1)
        self._tests: dict[Callable[[str], object], int] = {}
        for index, instruction in enumerate(self._program):
            if isinstance(instruction, Character):
                test = _test(instruction.source)
                self._tests[test] = self._tests.get(test, 0) | 1 << index
        self._reached: dict[Places, dict[int, int]] = {}
        self._states: list[tuple[int, int]] = []
        """The instructions that may come next, as bits, and what came before."""
        self._ids: dict[tuple[int, int], int] = {}
        self._moves: list[dict[str, int]] = []
        """Of each state, what each symbol makes of it."""
        self._accepting: dict[str, int] = {}
        self._kept = 0
        self._forget()

    def finds(self, text: str) -> bool:
        """Return whether the expression is found anywhere in the text, as `re.search` would find it."""
        if not text:
            return self._move(0, _END) == _FOUND
        last = len(text) - 1
        state = 0
        moves = self._moves
        for index, character in enumerate(text):
            symbol = _LAST_NEWLINE if index == last and character == "\n" else character
            found = moves[state].get(symbol)
            state = self._move(state, symbol) if found is None else found
            if state == _FOUND:
                return True
        found = moves[state].get(_END)
        return (self._move(state, _END) if found is None else found) == _FOUND

    def _forget(self) -> None:
        self._states.clear()
        self._ids.clear()
        self._moves.clear()
        self._accepting.clear()
        self._kept = 0
        self._id(1, _NOTHING)

    def _move(self, state: int, symbol: str) -> int:
        """What the symbol makes of the state, worked out and kept."""
        if self._kept >= MOVES_KEPT_MAX:
            bits, before = self._states[state]
            self._forget()
            state = self._id(bits, before)
        self._kept += 1
        to = self._moves[state][symbol] = self._moved(*self._states[state], symbol)
        return to

    def _moved(self, bits: int, before: int, symbol: str) -> int:
        kind = _OTHER if symbol == _END else _kind(symbol[0])
        boundary = (before == _WORD) != (kind == _WORD)
        places = (before == _NOTHING, symbol == _END, symbol in (_END, _LAST_NEWLINE), boundary)
        active = 0
        reached = self._reached.setdefault(places, {})
        for bit in _bits(bits):
            found = reached.get(bit)
            if found is None:
                found = reached[bit] = self._reach(bit, places)
            active |= found
        if active & self._end:
            return _FOUND
        if symbol == _END:
            return 0
        # It may begin anywhere: the first instruction is always one that may come next.
        return self._id((active & self._accept(symbol[0])) << 1 | 1, kind)

    def _id(self, bits: int, before: int) -> int:
        key = bits, before
        found = self._ids.get(key)
        if found is None:
            found = self._ids[key] = len(self._states)
            self._states.append(key)
            self._moves.append({})
        return found

    def _accept(self, character: str) -> int:
        """The instructions that go on with that character, as bits."""
        found = self._accepting.get(character)
        if found is None:
            found = self._accepting[character] = sum(bits for test, bits in self._tests.items() if test(character))
        return found

    def _reach(self, bit: int, places: Places) -> int:
        """The instructions that wait for a character, and the end, as far as they are come to from one in that place."""
        waiting, seen, found = [bit.bit_length() - 1], set[int](), 0
        while waiting:
            index = waiting.pop()
            if index in seen:
                continue
            seen.add(index)
            match self._program[index]:
                case Fork(to):
                    waiting += to
                case At(place):
                    if _holds(place, places):
                        waiting.append(index + 1)
                case Character() | RegexMatch():
                    found |= 1 << index
        return found


def _holds(place: str, places: Places) -> bool:
    start, end, before_end, boundary = places
    match place:
        case "^" | "A":
            return start
        case "$":
            return before_end
        case "Z":
            return end
        case "b":
            return boundary
        case _:
            return not boundary and not (start and end)


def _bits(bits: int) -> Iterator[int]:
    while bits:
        bit = bits & -bits
        yield bit
        bits ^= bit


def _kind(character: str) -> int:
    return _WORD if character.isalnum() or character == "_" else _OTHER


@lru_cache(maxsize=256)
def _test(source: str) -> Callable[[str], object]:
    return re.compile(source).fullmatch
