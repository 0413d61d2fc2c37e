"""Mistakes that people bring along from elsewhere: each message has the way out, to the letter."""

from __future__ import annotations

from pathlib import Path

import pytest

from cuebird.changes.sites import open_site
from cuebird.settings.config import ConfigError, load
from language.load import read_site
from language.syntax.problems import SiteErrors

WHY = "why: x\n"
STEPS = "steps: [{exit: x}]\n"


def problems(campaign: str) -> list[str]:
    with pytest.raises(SiteErrors) as caught:
        read_site({"campaigns/c.yaml": campaign.encode()})
    return [one.message for one in caught.value.problems]


def of_entry(event: str = "a", condition: str | None = None) -> list[str]:
    text = f"{WHY}{STEPS}entry:\n  event: {event}\n" + (f"  if: {condition}\n" if condition is not None else "")
    return problems(text)


@pytest.mark.parametrize(
    ("condition", "told"),
    [
        ("user.tier = VIP", 'there is no name `VIP`; a text is written in quotes: "VIP"'),
        ("user.plan = card", 'there is no name `card`; did you mean `cart`?; a text is written in quotes: "card"'),
        ("user.country in [NO, DE]", 'there is no name `NO`; a text is written in quotes: "NO"'),
        ("prise > 50", "there is no name `prise`; bare names are properties only inside `where`: write event.prise"),
        ("NOT did x", "expected an operator, `.`, `(` or the end, came `did`; write `not`: the words of the language are in small letters"),
        ("NOT did order_completed last 30d", "expected an operator, `.`, `(` or the end, came `did`; write `not`: the words of the language are in small letters"),
        ("cart.value > 5 AND signed_in", "expected an operator or the end, came `AND`; write `and`: the words of the language are in small letters"),
        ("cart.value > $50", "unexpected '$': write 50, an amount has no sign here"),
        ("cart.value > €1,250.50", "unexpected '€': write 1250.50, an amount has no sign here"),
        ("count(x) last 10m > 2", "expected the end, came `last`; the window stands within the brackets: count(x, last 10m)"),
        ("sum(order_completed.total) today > 2", "expected the end, came `today`; the window stands within the brackets: sum(order_completed.total, today)"),
        ("hour(now) >= 9am", "`9am` is no number: hours are written 0 to 23, as in hour(now) >= 9"),
        ("hour(now) < 8pm", "`8pm` is no number: hours are written 0 to 23, as in hour(now) >= 20"),
    ],
)  # fmt: skip
def test_a_condition_as_it_is_written_elsewhere(condition: str, told: str) -> None:
    assert told in of_entry(condition=condition)


@pytest.mark.parametrize(
    ("pattern", "told"),
    [
        ("a and b within 48h", "expected `then`, `where` or the end, came `and`; events in any order are written all(a, b) within 48h, and in this order a then b within 48h"),
        ("a and b within 48h and not c", "expected `then`, `where` or the end, came `and`; events in any order are written all(a, b) within 48h, and in this order a then b within 48h"),
        ("a or b", "expected `then`, `where` or the end, came `or`; several patterns, any of which will do, are a list: [a, b]"),
        ("all(a, b) within 48h then no c within 24h", "expected the end, came `then`; all(…) stands alone: enter on it, write exit_when: [c], and begin `steps` with {wait: {for: 24h}}"),
        ("all(a, b) within 48h then c within 24h", "expected the end, came `then`; all(…) stands alone: enter on it, and begin `steps` with {wait: {until: …, up_to: 24h}}"),
        ("inactive for 30d", "expected `then`, `where` or the end, came `for`; write `no activity for 30d`"),
        ("a THEN b within 3h", "expected `then`, `where` or the end, came `THEN`; write `then`: the words of the language are in small letters"),
        ("Product Added", 'expected `then`, `where` or the end, came `Added`; a name with spaces or signs in it is written in quotes: "Product Added"'),
    ],
)  # fmt: skip
def test_a_pattern_as_it_is_written_elsewhere(pattern: str, told: str) -> None:
    assert of_entry(pattern) == [told]


@pytest.mark.parametrize(
    ("campaign", "told"),
    [
        (f"{WHY}{STEPS}entry: {{event: a}}\nstatus: active\n", ["`status` is `draft`, `shadow`, `canary`, `live`, `paused` or `archived`, not the text `active`; did you mean `live`?"]),
        (f"{WHY}{STEPS}entry: {{event: a}}\nstatus: disabled\n", ["`status` is `draft`, `shadow`, `canary`, `live`, `paused` or `archived`, not the text `disabled`; did you mean `paused`?"]),
        (f"{WHY}trigger: a\nactions: [{{exit: x}}]\n", ["a campaign needs `entry`", "a campaign needs `steps`", "a campaign has no key `trigger`; write `entry: {event: …}`", "a campaign has no key `actions`; write `steps`, a list"]),
        (f"{WHY}entry: {{event: a}}\nsteps:\n  - wait: {{until: b, timeout: 48h}}\n", ["`wait` has no key `timeout`; write `up_to`"]),
        (f"{WHY}entry: {{event: a}}\nsteps:\n  wait: {{for: 3h}}\n", ["`steps` is a list, not a mapping; each begins with `- `"]),
        (f"{WHY}entry: {{event: a}}\nsteps: []\n", ["`steps` is empty: a campaign does at least one thing"]),
        (f"{WHY}{STEPS}entry: {{event: a, if: user.country in [NO, SE]}}\n", ["no YAML: expected ',' or '}', but got '[' (while parsing a flow mapping): within { } an expression with [ ] in it needs quotes: 'a in [\"x\", \"y\"]'"]),
        (f"{WHY}entry: {{event: a}}\nsteps: [{{wait: {{at: 9am}}}}]\n", ['expected a time of day from "00:00" to "23:59", came the text `9am`: write "09:00"']),
        (f"{WHY}entry: {{event: a}}\nsteps: [{{wait: {{at: 1pm}}}}]\n", ['expected a time of day from "00:00" to "23:59", came the text `1pm`: write "13:00"']),
        (f"{WHY}entry: {{event: a}}\nsteps: [{{wait: {{at: 13pm}}}}]\n", ['expected a time of day from "00:00" to "23:59", came the text `13pm`']),
        (f"{WHY}entry: {{event: a}}\nsteps: [{{wait: {{at: 12:30 pm}}}}]\n", ['expected a time of day from "00:00" to "23:59", came the text `12:30 pm`: write "12:30"']),
    ],
)  # fmt: skip
def test_a_file_as_it_is_written_elsewhere(campaign: str, told: list[str]) -> None:
    assert problems(campaign) == told


def test_a_setting_has_one_of_some_values_and_is_told_which(tmp_path: Path) -> None:
    (tmp_path / "cuebird.toml").write_text('[smtp]\nsecurity = "ssl"\n[delivery]\nunknown_marketing = "hlod"\n')
    with pytest.raises(ConfigError) as caught:
        load(tmp_path)
    assert caught.value.problems == (
        "cuebird.toml:2: `smtp.security` is 'none', 'starttls' or 'tls', not 'ssl'; did you mean 'tls'?",
        "cuebird.toml:4: `delivery.unknown_marketing` is 'hold' or 'resend', not 'hlod'; did you mean 'hold'?",
    )


def test_every_filter_that_there_is_not_is_told_with_its_place_and_the_one_that_is_meant(tmp_path: Path) -> None:
    files = {
        "campaigns/c.yaml": f"{WHY}entry: {{event: a}}\npurpose: transactional\nsteps: [{{send: {{email: m}}}}]\n",
        "templates/m.html": "---\nsubject: '{{ user.name | upcase }}'\n---\n<p>{{ entry.total | currency }}</p>\n"
        "{% if user.vip %}{{ entry.total | curency }}{% endif %}\n<p>{{ user.id | shout }}</p>\n",
        "templates/m.txt": "{{ entry.price | format_currency }}\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    with pytest.raises(SiteErrors) as caught:
        open_site(tmp_path)
    assert [f"{Path(one.file).name}:{one.line}:{one.column}: {one.message}" for one in caught.value.problems] == [
        "m.html:2:26: there is no filter `upcase`; did you mean `upper`?",
        "m.html:4:21: there is no filter `currency`; did you mean `money`?",
        "m.html:5:35: there is no filter `curency`; did you mean `money`?",
        "m.html:6:17: there is no filter `shout`",
        "m.txt:1:18: there is no filter `format_currency`; did you mean `money`?",
    ]
