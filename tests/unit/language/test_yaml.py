"""YAML as the site's files mean it, and what cannot be done to its reader."""

from __future__ import annotations

from itertools import pairwise

import pytest

from language.site.yaml import Mapping, Scalar, YamlError, load_yaml, plain
from tests.unit.steps import steps


def read(text: str | bytes) -> object:
    return plain(load_yaml("f.yaml", text))


def problems(text: str | bytes) -> list[str]:
    with pytest.raises(YamlError) as caught:
        load_yaml("f.yaml", text)
    return [str(problem).splitlines()[0] for problem in caught.value.problems]


def test_only_true_and_false_are_booleans_and_no_is_norway() -> None:
    text = "[NO, no, yes, on, off, y, true, False, 12:30, 2026-01-05, 1_000, 30m, ~, null, '', '1']"
    told = [
        "NO",
        "no",
        "yes",
        "on",
        "off",
        "y",
        True,
        False,
        "12:30",
        "2026-01-05",
        "1_000",
        "30m",
        None,
        None,
        "",
        "1",
    ]
    assert read(text) == told


def test_numbers_are_those_of_the_core_schema() -> None:
    assert read("[1, -1, +1, 007, 0o17, 0x1F, 1.5, .5, 1., 1e3, 0b1]") == [
        1,
        -1,
        1,
        7,
        15,
        31,
        1.5,
        0.5,
        1.0,
        1000.0,
        "0b1",
    ]


def test_an_anchor_repeats_what_it_names() -> None:
    assert read("a: &x {b: 1}\nc: *x") == {"a": {"b": 1}, "c": {"b": 1}}


def test_a_key_that_looks_like_a_number_is_taken_as_it_is_written() -> None:
    assert read("1.50: a\ntrue: b\n0x1: c") == {"1.50": "a", "true": "b", "0x1": "c"}


def test_an_empty_file_is_null() -> None:
    assert read("") is None
    assert read("# nothing\n") is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3", "f.yaml:3:1: the key `a` is here twice; it was first on line 1"),
        ("a: [1, 2\nb: }", "f.yaml:2:2: no YAML: expected ',' or ']', but got ':' (while parsing a flow sequence)"),
        ("a: *x", "f.yaml:1:4: there is no anchor `&x` above"),
        ("a: &x [*x]", "f.yaml:1:8: `*x` stands within what it repeats"),
        ("a: 1\n---\nb: 2", "f.yaml:2:1: a second document: one file holds one document"),
        ("? [a]\n: 1", "f.yaml:1:3: a key is a name, not a list or mapping"),
        (
            "a: !!python/name:os.system x",
            "f.yaml:1:4: tags such as `tag:yaml.org,2002:python/name:os.system` are not used here",
        ),
        ("a: .inf", "f.yaml:1:4: `.inf` is no number that can be used here; if it is a text, put it in quotes"),
        ("a: \x00", "f.yaml:1:4: no YAML: the character 0 is not allowed"),
        (b"a: 1\nb: \xff", "f.yaml:2:4: not UTF-8: invalid start byte"),
        (
            "a: 1\n\tb: 2",
            "f.yaml:2:1: no YAML: found character '\\t' that cannot start any token (while scanning for the next token): indent with spaces",
        ),
        (
            "why: late: really",
            "f.yaml:1:10: no YAML: mapping values are not allowed here: a text with `: ` in it needs quotes, or this line begins too far to the right",
        ),
        ("[" * 100_000, "f.yaml:1:65: nested more than 64 deep"),
        ("? " * 5_000, "f.yaml:1:129: nested more than 64 deep"),
        (b"a" * 1_000_001, "f.yaml:1:1: larger than 1,000,000 bytes"),
    ],
)
def test_what_is_no_yaml_here_is_refused_with_its_place(text: str | bytes, message: str) -> None:
    assert problems(text) == [message]


def test_ten_lines_cannot_stand_for_a_billion_values() -> None:
    letters = "abcdefghij"
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]" for old, new in pairwise(letters)]

    def refused() -> None:
        (problem,) = problems("\n".join(lines))
        assert "more than 100,000 values" in problem

    assert steps(refused) < 2_000_000


def test_every_value_knows_its_place_even_within_quotes_and_folds() -> None:
    text = "a: \"x \\\"y\\\" > 5\"\nb: 'it''s > 5'\nc: >\n  foo\n  bar > 5\nd: foo\n   > 5\ne: >-\n  5\n"
    root = load_yaml("f.yaml", text)
    assert isinstance(root, Mapping)
    for name, value in root.values.items():
        assert isinstance(value, Scalar), name
        offset = value.place_within(str(value.value).index("5"))
        assert text[offset] == "5", name
