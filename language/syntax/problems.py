"""What is wrong with a site: where, what, and how to mend it. All of it is collected before anything is raised."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Literal

import msgspec

EXCERPT_CHARACTERS_MAX = 110

_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")

Severity = Literal["error", "advice"]


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to mend. `line` and `column` count from 1; `excerpt` is the line and a caret under the place, or empty."""

    file: str
    line: int
    column: int
    message: str
    excerpt: str = ""
    severity: Severity = "error"

    def __str__(self) -> str:
        """`file:line:column: message`, and beneath it the excerpt."""
        advice = "advice: " if self.severity == "advice" else ""
        head = f"{self.file}:{self.line}:{self.column}: {advice}{self.message}"
        return f"{head}\n{self.excerpt}" if self.excerpt else head


class SiteErrors(Exception):
    """The site has errors: `problems` holds all of them, and the advice, by file and line."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda one: (one.file, one.line, one.column, one.message)))
        super().__init__(self.problems)

    def __str__(self) -> str:
        return "\n".join(map(str, self.problems))


def errors_of(site: SiteErrors) -> list[str]:
    """What keeps the site from being used, as text, without the advice."""
    return [str(problem) for problem in site.problems if problem.severity == "error"]


class LanguageError(ValueError):
    """An expression, pattern or duration that means nothing.

    `at` is the offset in `text`; `expected` and `came` are there where the grammar was broken, `nearest` is the known
    name that was probably meant.
    """

    def __init__(
        self,
        message: str,
        text: str,
        at: int,
        *,
        expected: tuple[str, ...] = (),
        came: str | None = None,
        nearest: str | None = None,
    ) -> None:
        super().__init__(message, text, at)
        self.message = message
        self.text = text
        self.at = at
        self.expected = expected
        self.came = came
        self.nearest = nearest

    def __str__(self) -> str:
        return self.message + did_you_mean(self.nearest)

    def problem(self, file: str = "<expression>") -> Problem:
        """The error as a problem of a file that holds nothing but the text."""
        return SourceText(file, self.text).problem(self.at, str(self))


class SourceText:
    """The text of one file, for saying where in it something stands."""

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.text = text
        self._starts = [0, *(match.end() for match in _BREAK.finditer(text))]

    def place(self, offset: int) -> tuple[int, int]:
        """Line and column of an offset, from 1."""
        low, high = 0, len(self._starts)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self._starts[middle] <= offset else (low, middle)
        return low + 1, offset - self._starts[low] + 1

    def problem(self, offset: int, message: str, severity: Severity = "error") -> Problem:
        line, column = self.place(offset)
        return Problem(
            file=self.file,
            line=line,
            column=column,
            message=message,
            excerpt=self._excerpt(line, column),
            severity=severity,
        )

    def _excerpt(self, line: int, column: int) -> str:
        start = self._starts[line - 1]
        end = self._starts[line] if line < len(self._starts) else len(self.text)
        shown = self.text[start:end].rstrip("\n\r\x85\u2028\u2029")
        shown = "".join(character if character.isprintable() else " " for character in shown)
        if not shown.strip():
            return ""
        caret = column - 1
        if len(shown) > EXCERPT_CHARACTERS_MAX:
            cut = max(0, min(caret - EXCERPT_CHARACTERS_MAX // 2, len(shown) - EXCERPT_CHARACTERS_MAX))
            shown, caret = shown[cut : cut + EXCERPT_CHARACTERS_MAX], caret - cut
        return f"    {shown.rstrip()}\n    {' ' * caret}^"


def nearest(word: str, known: Iterable[str], alike: float = 0.6) -> str | None:
    """The known word that is most like `word`, if any is alike; `alike` is the least of difflib's ratio."""
    if len(word) > 100:
        return None
    candidates = sorted(known)
    swapped = (one for one in candidates if sorted(one) == sorted(word))
    return next(swapped, None) or next(iter(difflib.get_close_matches(word, candidates, n=1, cutoff=alike)), None)


def did_you_mean(found: str | None) -> str:
    return f"; did you mean `{found}`?" if found else ""


def one_of(words: Iterable[str]) -> str:
    """`a`, `b` or `c`."""
    quoted = [f"`{word}`" for word in words]
    return " or ".join([", ".join(quoted[:-1]), quoted[-1]]) if len(quoted) > 1 else "".join(quoted)
