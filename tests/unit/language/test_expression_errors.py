"""What an author reads who has mistyped: each message, to the letter, with its caret."""

from __future__ import annotations

import pytest

from language.syntax.expressions import parse_expression, parse_pattern
from language.syntax.problems import LanguageError

DURATIONS = "500ms, 30s, 10m, 2h, 30d, 2w, or joined as in 1h30m"


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("cart.value > 50 amd x", 17, "expected an operator or the end, came `amd`; did you mean `and`?"),
        ("cart.value >", 13, "it ends too soon: expected a value"),
        ("", 1, "it is empty: expected a value"),
        ("(a or b", 8, "it ends too soon: expected `)`"),
        ("a < b < c", 7, "`<` cannot follow a comparison: join comparisons by `and` or `or`"),
        ("5 organic", 3, "expected an operator or the end, came `organic`"),
        ("x > 30x", 5, f"`30x` is no number or duration: durations are written {DURATIONS}"),
        ("cuont(x)", 1, "there is no function `cuont`; did you mean `count`?"),
        ("recommend(3)", 1, "recommend() is not in this version"),
        ("count(cart.items)", 7, "`cart.items` is no event; len(…) counts what is in a list"),
        ("count(a.b)", 7, "count counts events; distinct(a.b) counts different values"),
        (
            "sum(order_completed)",
            5,
            "sum needs a property of the event, as in sum(order_completed.total)",
        ),
        ("last(x)", 6, "say which property behind the bracket, as in last(x).product_id"),
        ("len(x, y)", 1, "len(…) takes 1 argument, here are 2"),
        ("len(x, last 3d)", 8, "len(…) takes no window"),
        ("upper(x where y)", 15, "upper(…) takes no `where`"),
        ("segment(vip)", 1, 'segment takes one name in quotes, as in segment("vip")'),
        ("lookup(x, 50: 1h)", 1, "lookup is written lookup(x, 50: a, 500: b, else c)"),
        ("score(a: 1)", 1, "score is written score(E: 1, F: 5, half_life 2d)"),
        ("count(a, last 10m, last 5m)", 20, "this is said twice"),
        ("count(x where a = 1 last 10m)", 21, "expected `,` or `)`, came `last`"),
        ('a = "b', 5, "unexpected '\"': this text has no closing quote"),
        ("a && b", 3, "unexpected '&': write `and`"),
        ("a => 2", 4, "`=>` is written `>=`"),
        (
            "idle > $idle",
            8,
            "unexpected '$': `$name` is a value of the campaign's `experiment`, and stands only in its steps",
        ),
        ("a matches b", 11, '`matches` takes a regular expression in quotes, as in `matches "@shop.example$"`'),
        ('a matches "(x)*+"', 16, "a repeat that gives nothing back (`*+`) is not used here"),
    ],
)
def test_an_expression_that_means_nothing(text: str, column: int, message: str) -> None:
    with pytest.raises(LanguageError) as caught:
        parse_expression(text)
    problem = caught.value.problem("campaigns/a.yaml")
    assert (problem.message, problem.column) == (message, column)
    assert str(problem).splitlines()[0] == f"campaigns/a.yaml:1:{column}: {message}"
    if text:
        assert str(problem).splitlines()[1:] == [f"    {text}", "    " + " " * (column - 1) + "^"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "a then b",
            "it ends too soon: expected `then` or `within`; say in how long, as in `within 48h`, or write `in session`",
        ),
        ("a then b for 3h", "expected `then`, `where` or `within`, came `for`"),
        ("a then no b then c within 3h", "expected `within`, came `then`; what must not come is the last of a chain"),
        (
            "a then no activity within 2h",
            "`activity` is whatever the user does: it stands in `no activity for 30d` alone",
        ),
        ("no a", "it ends too soon: expected `for` or `where`; say for how long, as in `for 30d`"),
        ("no a within 3h", "expected `for` or `where`, came `within`"),
        ("no a for 0s", "a silence is longer than nothing"),
        ("no activity where x for 3d", "`no activity` takes no `where`: it is about whatever the user does"),
        ("a then b within 3", f"`3` is a duration without a unit: durations are written {DURATIONS}"),
        ("a then " * 16 + "a within 3h", "more than 16 events in one pattern"),
        (
            "called where plan = 1",
            '`called` stands alone: what the call must hold is a condition of the entry, `if: event.plan = "gold"`',
        ),
        ("all(a) within 3h", "all(…) takes two events or more: one alone is that event"),
        ("all() within 3h", "expected a name or a text in quotes, came `)`"),
        ("no activity for 30 days", f"expected the end, came `days`; durations are written {DURATIONS}"),
        (
            "Product Added",
            "expected `then`, `where` or the end, came `Added`; a name with spaces or signs in it is written in quotes: "
            '"Product Added"',
        ),
        ("a wehre x", "expected `then`, `where` or the end, came `wehre`; did you mean `where`?"),
        (
            "all(a, b)",
            "it ends too soon: expected `within`; say in how long, as in `within 48h`, or write `in session`",
        ),
        (
            "a then no b in session",
            "expected `within`, came `in session`; it ends `a then b` and `all(a, b)`; for what was not done by its end, wait for `when: no b since session`",
        ),
        ("a then all(b, c) within 3h", "expected `then`, `where` or `within`, came `(`"),
        ('left segment("x") for 3d', "expected the end, came `for`"),
        ("entered segment(vip)", "expected a text in quotes, came `vip`"),
    ],
)
def test_a_pattern_that_means_nothing(text: str, message: str) -> None:
    with pytest.raises(LanguageError) as caught:
        parse_pattern(text)
    assert str(caught.value) == message


def test_the_error_keeps_what_was_expected_and_what_came() -> None:
    with pytest.raises(LanguageError) as caught:
        parse_expression("cart.value > 50 amd x")
    error = caught.value
    assert (error.at, error.came, error.nearest, error.expected) == (16, "amd", "and", ("an operator", "the end"))


def test_of_a_long_line_only_the_part_around_the_place_is_shown() -> None:
    text = " or ".join(["x"] * 100) + " or ?"
    with pytest.raises(LanguageError) as caught:
        parse_expression(text)
    source, caret = caught.value.problem().excerpt.splitlines()
    assert len(source) < 120
    assert source[len(caret) - 1] == "?"
