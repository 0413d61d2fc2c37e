"""Which regular expressions a `matches` may have: those that end soon, whatever text they meet."""

from __future__ import annotations

import re
import time

import pytest

from actors.values import TEXT_MATCHED_MAX
from engine.language.regex import RegexRefused, check_regex


@pytest.mark.parametrize(
    "pattern",
    [
        "@shop.example$",
        r"^[^@]+@(?:www\.)?shop\.(example|test)$",
        r"^\d{4}-\d{2}$",
        "(?i)gold|silver",
        r"^\w+@\w+\.\w+$",
        "a{2,5}",
        "[]*+]+",
    ],
)
def test_ordinary_ones_are_taken(pattern: str) -> None:
    check_regex(pattern)


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("(a+)+", "a repeat within a repeat"),
        ("(a|aa)*b", "a repeat within a repeat"),
        ("((x{9}){9}){9}", "a repeat within a repeat"),
        (".*.*.*.*x", "could take too long"),
        ("a?" * 30 + "a" * 30, "could take too long"),
        ("^a|.*.*.*b", "could take too long"),
        (r"(a)\1", "references to groups"),
        ("(?=a)b", r"only \(…\) and"),
        ("(?P<n>a)", r"only \(…\) and"),
        ("(a", "no regular expression"),
        ("a" * 201, "at most 200 characters"),
        ("(" * 30 + "a" + ")" * 30, "too deeply nested"),
    ],
)
def test_those_that_could_take_for_ever_are_refused(pattern: str, why: str) -> None:
    with pytest.raises(RegexRefused, match=why):
        check_regex(pattern)


@pytest.mark.parametrize("pattern", [r"\w*\w*!", r"^.*.*.*!$", r"a?a?a?a?a?a?\w*!"])
def test_the_worst_that_are_taken_come_to_an_end(pattern: str) -> None:
    check_regex(pattern)
    before = time.process_time()
    re.search(pattern, "a" * min(TEXT_MATCHED_MAX, 200))
    assert time.process_time() - before < 1.0
