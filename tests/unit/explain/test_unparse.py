"""A condition is shown as the author could have written it: read again, it means the same."""

from __future__ import annotations

import pytest

from language.compiler.memory import plain
from language.syntax.expressions import parse_expression, parse_pattern
from language.syntax.unparse import expression_text, pattern_text

EXPRESSIONS = [
    "cart.value > 50 and count(product_clicked, last 10m) >= 3",
    'not segment("staff") or user.plan in ["gold", "silver"]',
    "(a or b) and not (c and d)",
    "(user.a + user.b) * 2 - user.c / (3 - user.d) % 5",
    "user.a - (user.b - user.c)",
    "-(user.a + 1) < 0.001 or user.b = 12.3456789",
    "idle > 30m and session.duration < 1h30m",
    "now - user.first_seen < 7d",
    'did "Checkout: step 2" where step = 2 last 24h',
    "no order_completed since entry",
    'count(product_added, since session) > 2 and did b since "session"',
    "sum(order_completed.total, after entry) > 50",
    "did order_completed since cart_viewed and did product_viewed today",
    "distinct(product_viewed.product_id where price > 5, today) > 3",
    "sum(order_completed.total, ever) = null",
    'last(product_viewed where price > 5).name starts_with "A"',
    'top(product_viewed.category, last 7d, half_life 3d) = "shoes"',
    "score(product_viewed: 1, order_completed: 5.5, half_life 2d) > 3",
    'lookup(cart.value, 50: 1, 500: 4, else 24) >= 4 or "a" in user.tags',
    "hour(now) >= 9 and weekday(now) in [1, 2] and round(user.x, 2) = 1.5",
    "(count(a) > 2) = true",
    "-user.x = 5 and (not a) = true",
]

PATTERNS = [
    "product_viewed where time_spent > 30s",
    "a then b then c within 48h",
    "a then no b where x = entry.x within 2h",
    'all(a where product_id = "A", b) within 1d12h',
    "a then b where x > 1 in session",
    "all(a, b) in session",
    "no activity for 30d",
    'entered segment("vip")',
    "called",
]


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_an_expression_read_again_means_the_same(text: str) -> None:
    tree = parse_expression(text)
    assert plain(parse_expression(expression_text(tree))) == plain(tree)


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_what_was_shown_is_shown_again_alike(text: str) -> None:
    shown = expression_text(parse_expression(text))
    assert expression_text(parse_expression(shown)) == shown


@pytest.mark.parametrize("text", PATTERNS)
def test_a_pattern_is_shown_as_it_was_written(text: str) -> None:
    assert pattern_text(parse_pattern(text)) == text
