"""What a template can make of a visitor's values costs a bounded amount of memory and of the event loop, or is no letter."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from delivery.render import RenderError
from templating import budget
from tests.unit.delivery.making import a_send, templates
from tests.unit.steps import steps

WORK: Final = 20_000
"""A tenth of what a rendering may use, so that this takes a tenth of the time."""

STEPS_A_UNIT_MAX: Final = 8
"""Calls of functions, about a tenth of a microsecond each, that a unit of work may stand for."""

MEMORY_BYTES_MAX: Final = 32 * 1024 * 1024

CONTEXT: dict[str, Any] = {
    "user": {"name": "Ann"},
    "s": "ab c<" * 20_000,
    "lt": "<" * 100_000,
    "tags": "<>" * 50_000,
    "smile": "😀" * 20_000,
    "n": list(range(1500)),
    "w": [f"word{n}" for n in range(1500)],
    "o": [{"a": n, "b": "x" * 10} for n in range(1000)],
    "d": {str(n): n for n in range(1500)},
    "d2": {str(n): n for n in range(1500)},
    "q": [["x" * 20] * 10] * 200,
}

TOWER = "{% set a = [s] %}" + "{% set a = [a, a, a, a, a, a, a, a, a, a] %}" * 20

TIRED = "more work"
REFUSED = [
    ("{{ s.split('c') | join(s) }}", TIRED),
    ("{{ user | tojson(indent=100000000) }}", "takes no indent"),
    ("{{ n | tojson }}" * 300, TIRED),
    ("{{ q | sum(start=[]) }}", "sum takes numbers"),
    ("{{ s.strip(s) }}", "at most 100"),
    ("{{ s | trim(chars=s) }}", "at most 100"),
    ("{{ s | replace('a', s) }}", "too long"),
    ("{{ w | select('in', w) | list | length }}", TIRED),
    ("{{ o | map(attribute=s) | list | length }}", TIRED),
    ("{{ o | selectattr('b', 'in', w) | list | length }}", TIRED),
    ("{% set a = smile %}" + "{% set a = a | urlencode %}" * 30, TIRED),
    ("{% set a = lt | e %}" + "{% set a = a | string | urlencode %}" * 30, TIRED),
    ("{% set a = s %}" + "{% set a = a ~ a %}" * 30, "more text"),
    (TOWER + "{{ a | string | length }}", TIRED),
    (TOWER + "{{ a | tojson | length }}", TIRED),
    (TOWER + "{{ a | join }}", TIRED),
    (TOWER + "{{ a ~ '' }}", TIRED),
    (TOWER + "{% if [1] == a %}{% endif %}", TIRED),
    ("{% for a in n %}{% for b in n %}{% endfor %}{% endfor %}", "loop turns"),
    ("{{ '<a ' | safe }}" * 20, "without their"),
    ("{% for a in range(900) %}{% for b in range(15) %}{{ '<b>' | safe }}{% endfor %}{% endfor %}", "tags"),
    ("{% macro a() %}{% endmacro %}", "not used here"),
    *((f"{{{{ s | {name} }}}}", "there is no filter") for name in ("format", "center", "indent", "wordwrap", "xmlattr", "batch(2)", "pprint")),
    *((f"{{{{ s.{name} }}}}", "not safely callable") for name in ("replace('a', s)", "center(99999)", "join(w)", "format(s)", "encode()", "zfill(99999)")),
    *((f"{{% for a in range(1000) %}}{inner}{{% endfor %}}", why) for inner, why in [
        ("{{ n | map('string') | list | length }}", TIRED),
        ("{{ w | map('upper') | join | length }}", TIRED),
        ("{{ o | sort(attribute='a') | length }}", TIRED),
        ("{{ o | groupby('a') | length }}", TIRED),
        ("{{ w | unique | list | length }}", TIRED),
        ("{{ n | sum }}{{ n | max }}", TIRED),
        ("{{ d | dictsort | length }}", TIRED),
        ("{{ d.items() | list | length }}", TIRED),
        ("{{ n | reverse | list | length }}", TIRED),
        ("{% if w == n | list %}{% endif %}", TIRED),
        ("{% if d == d2 %}{% endif %}", TIRED),
        ("{% if lt in s %}{% endif %}", TIRED),
        ("{% if 'zz' in w %}{% endif %}", TIRED),
        ("{% if w is eq w %}{% endif %}", TIRED),
        ("{% set b = s[::-1] %}", TIRED),
        ("{{ s.split('c') | length }}", TIRED),
        ("{{ s.upper() | length }}", TIRED),
        ("{{ s | title | length }}", TIRED),
        ("{{ s | wordcount }}", TIRED),
        ("{{ s | truncate(50) }}", TIRED),
        ("{{ tags | striptags }}", TIRED),
        ("{% filter upper %}{{ s }}{% endfilter %}", "more "),
        ("y" * 100_000, "more text"),
        ("{% if a %}{% endif %}" * 1000, TIRED),
        ("{{ a }}" * 1000, TIRED),
    ]),
]  # fmt: skip


def memory_bytes(work: Callable[[], Any]) -> int:
    """The most that it had at a time."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("written", "why"), REFUSED, ids=[written[:60] for written, _ in REFUSED])
def test_a_template_that_would_take_for_ever_or_all_memory_is_refused_before_it_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: str, why: str
) -> None:
    if why == TIRED:
        monkeypatch.setattr(budget, "WORK_MAX", WORK)
    html = f"---\nsubject: s\n---\n{written}"
    if why in ("there is no filter", "not used here"):
        with pytest.raises(Exception, match=why):
            templates(tmp_path, cart_1_html=html)
        return
    made, send = templates(tmp_path, cart_1_html=html), a_send(context=CONTEXT)

    def refused() -> None:
        with pytest.raises(RenderError, match=why):
            made.email(send)

    assert steps(refused) < STEPS_A_UNIT_MAX * budget.WORK_MAX
    if not written.startswith("{% for"):
        assert memory_bytes(refused) < MEMORY_BYTES_MAX


def test_a_letter_that_lists_a_thousand_things_is_within_its_budget(tmp_path: Path) -> None:
    row = (
        "<p>{{ item.name | title }}: {{ item.price | money }}{% if item.price > 20 %}!{% endif %} {{ loop.index }}</p>"
    )
    made = templates(tmp_path, cart_1_html=f"---\nsubject: s\n---\n{{% for item in o %}}{row}{{% endfor %}}")
    things = [{"name": f"a thing called {n}", "price": n / 10} for n in range(1000)]
    assert made.email(a_send(context={"o": things})).html.count("<p>") == 1000


def test_sums_trims_and_json_are_what_they_are_in_jinja(tmp_path: Path) -> None:
    written = "{{ o | sum(attribute='a') }} {{ [1, 2.5] | sum(start=1) }} {{ ' a ' | trim }}{{ 'xax' | trim('x') }} {{ [1, 'a'] | tojson }}"
    made = templates(tmp_path, cart_1_txt=f"---\nsubject: s\n---\n{written}")
    assert made.email(a_send(context=CONTEXT, purpose="transactional")).text.strip() == '499500 4.5 aa [1, "a"]'
