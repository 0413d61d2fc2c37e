"""What `matches` finds is what `re` finds, in steps that grow with the text alone, whatever expression and text meet."""

from __future__ import annotations

import random
import re
from typing import Final

import pytest

from actors.values.automaton import MOVES_KEPT_MAX, Automaton, finder
from actors.values.regex import RegexRefused, program
from actors.values.values import TEXT_MATCHED_MAX
from tests.unit.steps import steps

TRIES: Final = 2_000

STEPS_A_CHARACTER_MAX: Final = 3_000
"""Calls of functions where nothing that is kept helps: a tenth of a millisecond or so."""

ATOMS: Final = (
    *(
        "a",
        "b",
        "_",
        "é",
        "ſ",
        "K",
        "İ",
        " ",
        "-",
        "\\.",
        ".",
        "\\n",
        "\\d",
        "\\w",
        "\\W",
        "\\s",
        "\\S",
        "\\D",
        "\\x41",
    ),
    *("[ab]", "[^a]", "[a-c_]", "[]a]", "[^]]", "[\\w.]", "\\u00e9", "\\N{BULLET}", "{", "}", "]", "{}", "{a}", "{1"),
    *("^", "$", "\\b", "\\B", "\\A", "\\Z"),
)
TEXTS: Final = (
    "a",
    "b",
    "c",
    "A",
    "B",
    "_",
    "é",
    "É",
    "ſ",
    "s",
    "S",
    "K",
    "k",
    "ı",
    "i",
    "İ",
    "1",
    "٣",
    " ",
    "-",
    ".",
    "•",
    "\n",
    "{",
    "}",
    "]",
    ",",
)


def expression(random_: random.Random, depth: int = 0) -> str:
    made = ""
    for _ in range(random_.randint(0, 4)):
        atom = random_.choice(ATOMS)
        if depth < 3 and random_.random() < 0.3:
            atom = random_.choice(("(", "(?:")) + expression(random_, depth + 1) + ")"
        if random_.random() < 0.4:
            atom += random_.choice(("*", "+", "?", "{2}", "{,2}", "{1,3}", "{2,}", "{,}")) + random_.choice(
                ("", "", "?")
            )
        made += atom
    return made + ("|" + expression(random_, depth + 1) if random_.random() < 0.15 else "")


def text(random_: random.Random) -> str:
    return "".join(random_.choice(TEXTS) for _ in range(random_.choice((0, 1, 2, 5, 12))))


def test_it_finds_what_re_finds() -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    random_ = random.Random(seed)
    done = 0
    while done < TRIES:
        pattern = random_.choice(("", "", "(?i)")) + expression(random_)
        try:
            automaton = Automaton(pattern)
        except RegexRefused:
            continue  # what `compile` does not take either, or too long
        # `re` takes time exponential in the text for a repetition of a repetition: there the text is short.
        longest = 4 if re.search(r"[*+}?]\)+[*+{]", pattern) else 12
        for value in (text(random_)[:longest] for _ in range(5)):
            assert automaton.finds(value) == (re.search(pattern, value) is not None), (pattern, value)
        done += 1


@pytest.mark.parametrize(
    ("pattern", "values"),
    [
        ("@shop.example$", ["a@shop.example", "a@shop.example\n", "a@shop.example\n\n", "a@shop-example", "a@shop.examples"]),
        (r"^[^@]+@(?:www\.)?shop\.(example|test)$", ["a@shop.test", "a@www.shop.example", "@shop.test", "a@b@shop.test"]),
        (r"^\d{4}-\d{2}$", ["2026-11", "2026-1", "x2026-11", "٢٠٢٦-11"]),
        ("(?i)gold|silver", ["GOLD", "a sILver b", "bronze"]),
        ("(?i)straße|ﬀ|K", ["STRASSE", "straẞe", "ff", "k"]),
        (r"\bgold\b", ["gold", "a gold b", "golden", "marigold", "gold_"]),
        (r"\B", ["", "a", "ab", "-"]),
        (r"^$|^\Z|^\n$", ["", "\n", "\n\n", "a"]),
        (r"(a*)*b|(a|aa)+$|(|x)*y", ["aaa", "aab", "y", "z", ""]),
        ("[]*+]+", ["*", "]", "a"]),
        (r"a{,}b{}c{1", ["b{}c{1", "aab{}c{1", "bc"]),
        ("", ["", "a"]),
    ],
)  # fmt: skip
def test_ordinary_ones_are_taken_and_find_what_re_finds(pattern: str, values: list[str]) -> None:
    for value in values:
        found = re.search(pattern, value) is not None
        assert Automaton(pattern).finds(value) == finder(pattern)(value) == found, value


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("((x{9}){9}){9}", "too large"),
        ("((((){99}){99}){99}){99}", "too large"),
        ("[a-z]{251}", "too large"),
        (r"(a)\1", "references to groups"),
        ("(?=a)b", r"only \(…\) and"),
        ("(?P<n>a)", r"only \(…\) and"),
        ("(?>a)", r"only \(…\) and"),
        ("a*+a", "gives nothing back"),
        ("(a", "no regular expression"),
        ("a**", "no regular expression"),
        ("a" * 201, "at most 200 characters"),
        ("(" * 30 + "a" + ")" * 30, "too deeply nested"),
    ],
)
def test_those_that_an_automaton_cannot_look_for_are_refused(pattern: str, why: str) -> None:
    with pytest.raises(RegexRefused, match=why):
        program(pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        "^[a-z]*?a{0,60}[a-z]{3,}.*[a-z]{2}x$",
        "(a+)+$",
        "(a|aa)*b",
        r"\w*\w*!",
        "^.*.*.*!$",
        "a?" * 60 + "a" * 60,
        "(?:[a-z]?){60}(?:[a-y]?){60}!",
        "(.*){50}x",
        r"(?:\b|\B|a)*x",
        "|".join(f"[{chr(97 + n)}-z]a{{{n}}}" for n in range(18)),
    ],
)
@pytest.mark.parametrize("texts", ["one letter", "two letters", "ever new letters"])
def test_the_worst_that_are_taken_come_to_an_end_in_a_few_milliseconds(pattern: str, texts: str) -> None:
    finds = finder(pattern)
    random_ = random.Random(pattern)
    letters = {"one letter": "a", "two letters": "ab", "ever new letters": "".join(map(chr, range(0x4E00, 0x6E00)))}
    values = ["".join(random_.choice(letters[texts]) for _ in range(TEXT_MATCHED_MAX)) for _ in range(3)]

    def found() -> None:
        for value in values:
            finds(value)

    assert steps(found) < STEPS_A_CHARACTER_MAX * TEXT_MATCHED_MAX * len(values)


def test_what_is_kept_is_bounded_and_forgetting_it_changes_nothing() -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    random_ = random.Random(seed)
    pattern = r"(?:\w[a-m]?\b|x{2,7}.){1,9}\d$"
    automaton = Automaton(pattern)
    for _ in range(300):
        value = "".join(chr(random_.randrange(33, 3000)) for _ in range(30)) + random_.choice(("7", "x"))
        assert automaton.finds(value) == (re.search(pattern, value) is not None), value
        assert sum(map(len, automaton._moves)) <= MOVES_KEPT_MAX
