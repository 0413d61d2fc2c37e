"""The small changes that `make mutants` tries, and the table of those that may live."""

from __future__ import annotations

from textwrap import dedent

import pytest

from tests.mutants.equivalent import reasons
from tests.mutants.mutate import mutants_of
from tests.mutants.trial import ROOT, Map


def changed(source: str) -> list[str]:
    return [one.lines(source)[1] for one in mutants_of("a.py", source)]


@pytest.mark.parametrize(
    ("line", "mutants"),
    [
        ("a = b < c <= d", ["a = b <= c <= d", "a = b < c < d"]),
        ("a = b == c", ["a = b != c"]),
        ("a = b and c or d", ["a = ((b and c) and d)", "a = (b or c) or d"]),
        ("a = b + c * d", ["a = (b - c * d)", "a = b + (c // d)"]),
        ("a = b if c else d", ["a = b if not (c) else d"]),
        ("a = [b for c in d if e]", ["a = [b for c in d if not (e)]"]),
        ("a = not b", ["a = b"]),
        ("a = b[0]", ["a = b[1]"]),
        ("a = min(b)", ["a = max(b)"]),
        ("a.b = c", ["pass"]),
        ("a += b", ["pass"]),
        ("a()", ["pass"]),
        ('a = "é" < b', ["a = 'é' <= b"]),
    ],
)
def test_one_thing_is_changed_in_each(line: str, mutants: list[str]) -> None:
    assert sorted(changed(line)) == sorted(mutants)


def test_what_a_function_returns_is_changed() -> None:
    assert changed("def f():\n    return a") == ["return None"]
    assert changed("def f():\n    return True") == ["return False"]
    assert changed("def f():\n    return None") == []


def test_what_no_test_should_hold_is_left_alone() -> None:
    source = """
    A_MAX: Final[1] = 32
    class B:
        b_max: int = 32
    @cache(32)
    def f(a: Literal[1]) -> Literal[2]:
        assert a < 1, f"{a + 1}"
    """
    assert changed(dedent(source)) == []


def test_the_tests_that_enter_the_function_come_first_and_of_them_the_fastest() -> None:
    [mutant] = mutants_of("a.py", "@cache\ndef f():\n    return a")
    assert mutant.function == 1
    made = Map(
        seconds={"slow": 3, "fast": 1, "other": 0.1, "elsewhere": 0.1},
        of_function={("a.py", 1): {"slow", "fast"}, ("b.py", 1): {"elsewhere"}},
        of_file={"a.py": {"slow", "fast", "other"}, "b.py": {"elsewhere"}},
    )
    assert made.tests_for(mutant) == ["fast", "slow", "other"]


def test_each_mutant_that_may_live_is_still_one_and_says_why() -> None:
    known = reasons()
    for path in {path for path, _, _ in known}:
        source = (ROOT / path).read_text()
        made = {one.lines(source) for one in mutants_of(path, source)}
        gone = [(old, new) for file, old, new in known if file == path and (old, new) not in made]
        assert gone == [], f"{path} has no such mutants any more"
    assert all(len(why) > 10 for why in known.values())
