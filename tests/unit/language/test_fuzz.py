"""Any text at all: the parsers answer, with a result or with their own error, and soon."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Final

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from language.load import read_site
from language.site.yaml import YamlError, load_yaml, plain
from language.syntax.expressions import parse_expression, parse_pattern
from language.syntax.problems import LanguageError, Problem, SiteErrors
from tests.unit.steps import steps

STEPS_MAX: Final = 4_000_000
"""Of a text of 10,000 characters or less: half a second or so, and twice the most that a crowded condition takes."""

WORDS: Final = [
    "a",
    "cart.value",
    "user.x",
    "event",
    "now",
    "true",
    "null",
    "and",
    "or",
    "not",
    "in",
    "contains",
    "starts_with",
    "matches",
    "did",
    "no",
    "count",
    "sum",
    "min",
    "last",
    "first",
    "top",
    "score",
    "segment",
    "lookup",
    "where",
    "then",
    "within",
    "for",
    "all",
    "entered",
    "left",
    "called",
    "today",
    "ever",
    "since",
    "entry",
    "else",
    "half_life",
    "30m",
    "1h30m",
    "5",
    "1.5",
    '"x"',
    '"(a+)+"',
    "(",
    ")",
    "[",
    "]",
    ",",
    ":",
    ".",
    "+",
    "-",
    "*",
    "/",
    "%",
    "=",
    "==",
    "!=",
    "<",
    "<=",
    ">",
    ">=",
    "$",
    "?",
    "activity",
]

CROWDED: Final = [
    " and ".join(f"x != {number}" for number in range(350)),
    " or ".join(f"(x = {number} and y = {number})" for number in range(150)),
    " and ".join(f"(x = {number} or y = {number})" for number in range(150)),
    " and ".join(f"x{number} > 1 and x{number} < 1" for number in range(150)),
    "not (" * 30 + "x > 1" + ")" * 30,
]

KEYS: Final = [
    "campaign",
    "why",
    "entry",
    "event",
    "if",
    "steps",
    "wait",
    "for",
    "until",
    "send",
    "email",
    "data",
    "branch",
    "when",
    "do",
    "else",
    "set",
    "emit",
    "exit",
    "goal",
    "remember",
    "segments",
    "aliases",
    "bag",
    "last",
    "of",
    "idle",
    "as",
    "up_to",
    "consent",
    "caps",
    "holdout",
]

SCRAPS: Final = [
    "a: ",
    "b: ",
    "- ",
    "{ ",
    "} ",
    "[ ",
    "] ",
    ", ",
    "&x ",
    "*x ",
    "'",
    '"',
    ": ",
    "\n",
    "  ",
    "? ",
    "! ",
    "!!int ",
    "> ",
    "# ",
    "%",
    "---\n",
    "...\n",
    "~",
    "1",
    "true",
    "null",
    "why: x\n",
    "steps:\n",
    "\t",
    "\u2028",
]

language = st.lists(st.sampled_from(WORDS), max_size=40).map(" ".join) | st.text(max_size=200)
yaml_text = st.lists(st.sampled_from(SCRAPS), max_size=60).map("".join) | st.text(max_size=200)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(WORDS) | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=5), inner, max_size=5)
    ),
    max_leaves=20,
)


def refused(parse: Callable[[], object]) -> tuple[Problem, ...]:
    """What is wrong with it, nothing if it is fine. Any other exception is a bug, and slowness too."""
    found: tuple[Problem, ...] = ()

    def parsed() -> None:
        nonlocal found
        try:
            parse()
        except LanguageError as error:
            found = (error.problem(),)
        except (YamlError, SiteErrors) as error:
            found = error.problems

    assert steps(parsed) < STEPS_MAX
    return found


def check(problems: tuple[Problem, ...]) -> None:
    for problem in problems:
        assert problem.message
        assert problem.line >= 1
        assert problem.column >= 1


@pytest.mark.slow
@settings(deadline=None, max_examples=200)
@given(language)
@example("- " * 4_000)
@example("not " * 2_000)
@example("(" * 10_000)
@example("1" * 9_999)
@example('"' + "\\" * 9_998)
def test_any_text_is_an_expression_or_an_error(text: str) -> None:
    check(refused(lambda: parse_expression(text)))
    check(refused(lambda: parse_pattern(text)))


@pytest.mark.slow
@settings(deadline=None, max_examples=200)
@given(yaml_text)
def test_any_text_is_yaml_or_an_error(text: str) -> None:
    check(refused(lambda: plain(load_yaml("f.yaml", text))))


@pytest.mark.slow
@settings(deadline=None, max_examples=100)
@given(st.binary(max_size=300))
def test_any_bytes_are_yaml_or_an_error(data: bytes) -> None:
    check(refused(lambda: load_yaml("f.yaml", data)))


@pytest.mark.slow
@settings(deadline=None, max_examples=150)
@given(values, values, values)
def test_any_files_are_a_site_or_a_list_of_problems(campaign: object, profile: object, policy: object) -> None:
    files = {
        "campaigns/c.yaml": campaign,
        "profile.yaml": profile,
        "policy.yaml": policy,
        "templates/t.html": "{{ x }}",
    }
    check(refused(lambda: read_site({name: json.dumps(value).encode() for name, value in files.items()})))


@pytest.mark.slow
@settings(deadline=None, max_examples=150)
@given(st.lists(st.dictionaries(st.sampled_from(KEYS), values, min_size=1, max_size=2), max_size=5), language)
def test_any_steps_are_a_campaign_or_a_list_of_problems(steps: object, condition: str) -> None:
    campaign = {"why": "x", "entry": {"event": "a", "if": condition}, "steps": steps}
    check(refused(lambda: read_site({"campaigns/c.yaml": json.dumps(campaign).encode()})))


@pytest.mark.parametrize("condition", CROWDED)
def test_a_crowded_condition_is_advised_on_at_once(condition: str) -> None:
    campaign = {"why": "x", "entry": {"event": f"a where {condition}"}, "steps": [{"exit": "x"}]}
    assert refused(lambda: read_site({"campaigns/c.yaml": json.dumps(campaign).encode()})) == ()
