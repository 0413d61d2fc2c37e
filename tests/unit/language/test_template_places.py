"""Where in a template a mistake is shown, and what front matter may be."""

from __future__ import annotations

import pytest

from language.load import read_site
from language.site.yaml import load_yaml, plain
from language.syntax.problems import SiteErrors

MAIL = "why: x\nentry: {event: a}\nsteps:\n  - send: {email: m, subject: Hello}\n"


def problems(template: str) -> list[str]:
    try:
        read_site({"campaigns/c.yaml": MAIL.encode(), "templates/m.html": template.encode()})
    except SiteErrors as wrong:
        return [f"{one.line}:{one.column}: {one.message}" for one in wrong.problems if one.file == "templates/m.html"]
    return []


def test_a_name_that_there_is_not_is_shown_where_it_stands_first() -> None:
    (told,) = problems("<p>\n{{ usr.name }}\n</p>\n{{ usr.name }}\n")
    assert told.startswith("2:4: there is no name `usr`")


@pytest.mark.parametrize("front", ["", "# nothing yet\n", "~\n", "null\n"])
def test_front_matter_may_be_empty(front: str) -> None:
    assert problems(f"---\n{front}---\n<p>Hi</p>\n") == []


@pytest.mark.parametrize(
    ("front", "kind"),
    [
        ("- subject\n", "a list"),
        ("subject\n", "the text `subject`"),
        ("7\n", "the number 7"),
        ("true\n", "true"),
        ("false\n", "false"),
    ],
)
def test_front_matter_that_is_no_lines_of_key_and_value_is_refused(front: str, kind: str) -> None:
    assert problems(f"---\n{front}---\n<p>Hi</p>\n") == [f"2:1: the front matter is `key: value` lines, not {kind}"]


@pytest.mark.parametrize(("text", "number"), [("010", 10), ("09", 9), ("-07", -7), ("+3", 3)])
def test_a_number_with_zeros_before_it_is_that_number_and_not_one_to_the_base_of_eight(text: str, number: int) -> None:
    assert plain(load_yaml("a.push.yaml", f"ttl: {text}")) == {"ttl": number}
