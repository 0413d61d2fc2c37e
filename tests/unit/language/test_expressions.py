"""What an author's expression means, as a tree."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from language.syntax import ast
from language.syntax.expressions import CHARACTERS_MAX, parse_duration, parse_expression, parse_pattern
from language.syntax.problems import LanguageError


def bare(node: Any) -> Any:
    """A tree without positions, as plain values."""
    if isinstance(node, dict):
        return {name: bare(part) for name, part in node.items() if name not in ("at", "text") and part is not None}
    return [bare(part) for part in node] if isinstance(node, list | tuple) else node


def tree(text: str, **options: Any) -> Any:
    return bare(msgspec.to_builtins(parse_expression(text, **options)))


def shown(node: ast.Expression) -> str:
    """An expression with every bracket written out: what binds to what."""
    match node:
        case ast.Binary(operator=operator, left=left, right=right):
            return f"({shown(left)} {operator} {shown(right)})"
        case ast.Unary(operator=operator, operand=operand):
            return f"({operator} {shown(operand)})"
        case ast.Name(parts=parts):
            return ".".join(parts)
        case ast.Constant(value=value):
            return repr(value)
        case ast.ListOf(items=items):
            return f"[{', '.join(map(shown, items))}]"
        case ast.Did(event=event, where=where, window=window, negated=negated):
            parts_ = ["no" if negated else "did", event]
            parts_ += ["where", shown(where)] if where else []
            return " ".join([*parts_, window.kind] if window else parts_)
    return type(node).__name__


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("a or b and not c = 1 + 2 * -d", "(a or (b and (not (c = (1 + (2 * (- d)))))))"),
        ("a == b", "(a = b)"),
        ("a - b - c", "((a - b) - c)"),
        ("(a or b) and c", "((a or b) and c)"),
        ('x in ["a", 1, true, null]', "(x in ['a', 1, True, None])"),
        ("not a in b", "(not (a in b))"),
        ("time_spent > 30s", "(time_spent > 30)"),
        ("x > 1h30m and y < 500ms", "((x > 5400) and (y < 0.5))"),
        ("x = -5", "(x = -5)"),
        ("x = 1.5e3", "(x = 1500.0)"),
        ("did a and no b last 3d", "(did a and no b last)"),
        ("did a where x = 1 and y = 2 today", "did a where ((x = 1) and (y = 2)) today"),
        ("did a last 24h and cart.value > 3", "(did a last and (cart.value > 3))"),
        ('did "Checkout: step 2" ever', "did checkout:_step_2 ever"),
        ("did add_to_cart", "did product_added"),
        (
            "left > 3 and no = 4 and last = 5 and since = 6",
            "(((left > 3) and (no = 4)) and ((last = 5) and (since = 6)))",
        ),
        ("organic or order", "(organic or order)"),
        (r'x matches "^a\.b$"', r"(x matches '^a\\.b$')"),
        (r'x = "say \"hi\""', "(x = 'say \"hi\"')"),
    ],
)
def test_what_binds_to_what(text: str, meaning: str) -> None:
    assert shown(parse_expression(text)) == meaning


def test_a_count_over_a_rolling_window() -> None:
    assert tree('count(cta_clicked where cta = "buy", last 10m)') == {
        "type": "Aggregate",
        "function": "count",
        "event": "cta_clicked",
        "where": {
            "type": "Binary",
            "operator": "=",
            "left": {"type": "Name", "parts": ["cta"]},
            "right": {"type": "Constant", "value": "buy"},
        },
        "window": {"type": "Window", "kind": "last", "seconds": 600, "event": ""},
    }


@pytest.mark.parametrize(
    ("window", "kind", "event"),
    [
        ("since entry", "since_entry", ""),
        ("since session", "since_session", ""),
        ('since "session"', "since_event", "session"),
        ("since purchase", "since_event", "order_completed"),
        ("today", "today", ""),
    ],
)
def test_other_windows(window: str, kind: str, event: str) -> None:
    found = tree(f"sum(order_completed.total, {window})")["window"]
    assert (found["kind"], found["event"]) == (kind, event)


def test_min_of_values_and_min_over_events_are_told_apart_by_what_is_in_the_bracket() -> None:
    assert tree("min(a, b)")["type"] == "Call"
    assert tree("min(cart.value)")["type"] == "Call"
    assert tree("max(user.age)")["type"] == "Call"
    assert tree("min(price)")["type"] == "Call"
    assert tree("min(order_completed.total)")["type"] == "Aggregate"
    assert tree("max(order_completed.total where total > 3, last 3d)")["type"] == "Aggregate"
    assert tree("min(basket.value)")["type"] == "Aggregate"
    assert tree("min(basket.value)", collections=["basket"])["type"] == "Call"


def test_newest_oldest_most_frequent_and_score() -> None:
    assert tree("last(product_viewed where price > 3).product_id")["property"] == "product_id"
    assert tree("first(purchase).total") == {
        "type": "Pick",
        "which": "first",
        "event": "order_completed",
        "property": "total",
    }
    top = tree("top(product_viewed.category, last 3d, half_life 12h)")
    assert (top["property"], top["window"]["seconds"], top["half_life"]) == ("category", 259_200, 43_200)
    score = tree("score(product_viewed: 1, purchase: -5, half_life 2d)")
    assert score["weights"] == [["product_viewed", 1], ["order_completed", -5]]


def test_a_lookup_is_a_table_of_thresholds() -> None:
    found = tree("lookup(cart.value, 50: 1h, 500: 4h, else 24h)")
    steps = [[threshold["value"], result["value"]] for threshold, result in found["steps"]]
    assert steps == [[50, 3_600], [500, 14_400]]
    assert found["otherwise"]["value"] == 86_400


def test_a_node_knows_where_it_stands() -> None:
    made = parse_expression("now > 3 and crat.value > 5")
    assert isinstance(made, ast.Binary)
    assert isinstance(made.right, ast.Binary)
    assert made.right.left.at == 12


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("product_added", "EventPattern"),
        ("product_viewed where time_spent > 30s", "EventPattern"),
        ("all", "EventPattern"),
        ("left where then = 3", "EventPattern"),
        ("a then b then c within 48h", "ThenPattern"),
        ("a where x = 1 then no b where y = 2 within 2h", "ThenPattern"),
        ('all(a where p = "A", a where p = "B") within 48h', "AllPattern"),
        ("a then b where in = 3 in session", "SessionPattern"),
        ("a where new then b where x in [1] and new in\n session", "SessionPattern"),
        ("all(a where x in session.events, b) in session", "SessionPattern"),
        ("no activity for 30d", "SilencePattern"),
        ("no signed_in where x = 1 for 7d", "SilencePattern"),
        ('entered segment("vip")', "SegmentPattern"),
        ('left segment("vip")', "SegmentPattern"),
        ("called", "CalledPattern"),
    ],
)
def test_every_kind_of_pattern_is_read(text: str, kind: str) -> None:
    assert type(parse_pattern(text)).__name__ == kind


def test_a_pattern_keeps_its_text_and_its_canonical_event() -> None:
    made = parse_pattern("purchase   where total\n > 5")
    assert isinstance(made, ast.EventPattern)
    assert (made.event, made.text) == ("order_completed", "purchase where total > 5")


def test_a_chain_and_its_absence() -> None:
    chain = parse_pattern("a then b then c within 48h")
    assert isinstance(chain, ast.ThenPattern)
    assert ([step.event for step in chain.steps], chain.within, chain.absent) == (["a", "b", "c"], 172_800, None)
    absence = parse_pattern("cart_abandoned then no purchase within 24h")
    assert isinstance(absence, ast.ThenPattern)
    assert absence.absent is not None
    assert (absence.absent.event, absence.within) == ("order_completed", 86_400)


def test_a_hundred_alternatives_are_not_too_deep() -> None:
    made = parse_expression(" or ".join(f"x = {number}" for number in range(100)))
    assert shown(made).count("or") == 99


@pytest.mark.parametrize(("text", "seconds"), [("500ms", 0.5), ("30s", 30), ("1h30m", 5_400), ("2w", 1_209_600)])
def test_durations_are_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "30", "30 m", "30M", "m30", "1h-30m", "1000000w", "h"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(LanguageError, match="is no duration: write 500ms"):
        parse_duration(text)


def test_what_is_too_long_or_too_deep_is_refused() -> None:
    with pytest.raises(LanguageError, match="at most 10000 are read"):
        parse_expression("x" * (CHARACTERS_MAX + 1))
    with pytest.raises(LanguageError, match="nested more than 64 deep"):
        parse_expression("1" + " + 1" * 100)
    with pytest.raises(LanguageError, match="nested more than 64 deep"):
        parse_expression("not " * 2_000 + "x")
    with pytest.raises(LanguageError, match="it ends too soon"):
        parse_expression("(" * CHARACTERS_MAX)
