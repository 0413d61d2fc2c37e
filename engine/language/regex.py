"""Which regular expressions `matches` takes: those that always come to an end soon, whatever text they meet.

Python's matcher tries every way to divide a text among the repeats and choices of an expression. So no repeat may
stand within a repeat, and the number of ways, multiplied over the whole expression, is bounded.
"""

from __future__ import annotations

import re
from typing import Final

CHARACTERS_MAX: Final = 200
WAYS_MAX: Final = 3
"""How many times a text's length may be multiplied with itself. Searching anywhere (no `^` in front) counts once."""

CHOICES_MAX: Final = 64
"""Ways that optional parts, bounded repeats and alternatives may add up to by multiplication."""

_QUANTIFIER = re.compile(r"\*|\+|\?|\{(\d{0,4})(,?)(\d{0,4})\}")
_CLASS = re.compile(r"\[\^?\]?(?:[^\]\\]|\\.)*\]", re.DOTALL)


class RegexRefused(ValueError):
    """Why, as a sentence; `at` is the offset in the expression."""

    def __init__(self, why: str, at: int) -> None:
        super().__init__(why)
        self.why = why
        self.at = at


def check_regex(pattern: str) -> None:
    """Raises RegexRefused for what is no regular expression, is too long, or could take too long."""
    if len(pattern) > CHARACTERS_MAX:
        raise RegexRefused(f"a pattern has at most {CHARACTERS_MAX} characters, this has {len(pattern)}", 0)
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise RegexRefused(f"no regular expression: {error}", getattr(error, "pos", None) or 0) from None
    _Walk(pattern).check()


class _Walk:
    """One pass from left to right. `compile` has accepted the expression, so its brackets are closed."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.at = 0
        self.choices = 1
        self.unbounded = 0
        self.alternatives = 1
        """At the top: `^a|b` searches anywhere for b."""

    def check(self) -> None:
        if self.pattern.startswith("(?i)"):
            self.at = 4
        anchored = self.pattern.startswith("^", self.at)
        self._alternatives(depth=0)
        if not anchored or self.alternatives > 1:
            self.unbounded += 1
        if self.unbounded > WAYS_MAX:
            raise RegexRefused(
                "could take too long: at most three `*` or `+`, two if it does not begin with `^`", self.at
            )
        if self.choices > CHOICES_MAX:
            raise RegexRefused("could take too long: fewer optional parts and alternatives, please", self.at)

    def _alternatives(self, depth: int) -> bool:
        """Up to the closing bracket or the end; whether it holds an alternative or a repeat."""
        if depth > 10:
            raise RegexRefused("too deeply nested", self.at)
        varies, branches = False, 1
        while self.at < len(self.pattern) and self.pattern[self.at] != ")":
            if self.pattern[self.at] == "|":
                branches += 1
                self.at += 1
            else:
                varies = self._item(depth) or varies
        self.choices *= branches
        if depth == 0:
            self.alternatives = branches
        return varies or branches > 1

    def _item(self, depth: int) -> bool:
        start = self.at
        varies = self._atom(depth)
        quantifier = _QUANTIFIER.match(self.pattern, self.at)
        if quantifier is None:
            return varies
        self.at = quantifier.end()
        if self.pattern.startswith(("?", "+"), self.at):
            self.at += 1
        fewest, most = _bounds(quantifier)
        if varies and most != 1:
            raise RegexRefused("a repeat within a repeat could take for ever", start)
        if most is None:
            self.unbounded += 1
        else:
            self.choices *= most - fewest + 1
        return (fewest, most) != (1, 1)

    def _atom(self, depth: int) -> bool:
        character = self.pattern[self.at]
        if character == "\\":
            if self.pattern[self.at + 1 : self.at + 2].isdigit():
                raise RegexRefused("references to groups are not used here", self.at)
            self.at += 2
        elif character == "[":
            found = _CLASS.match(self.pattern, self.at)
            assert found is not None, f"an open class in {self.pattern!r}, which compiled"
            self.at = found.end()
        elif character == "(":
            return self._group(depth)
        else:
            self.at += 1
        return False

    def _group(self, depth: int) -> bool:
        start = self.at
        self.at += 1
        if self.pattern.startswith("?", self.at):
            if not self.pattern.startswith("?:", self.at):
                raise RegexRefused("of groups only (…) and (?:…) are used here", start)
            self.at += 2
        varies = self._alternatives(depth + 1)
        self.at += 1
        return varies


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
