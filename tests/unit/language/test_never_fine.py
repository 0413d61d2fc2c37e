"""What says something else than it means is never called fine: advice with the way out, or an error."""

from __future__ import annotations

from textwrap import dedent

import pytest

from language.check.advise_properties import advise_given
from language.load import Checked, read_site
from language.site.decode import Report
from language.site.links import FILLED, NUMBERED, link_names
from language.site.scenarios import read_scenarios
from language.site.yaml import load_yaml

LETTER = """\
---
subject: s
---
<a href="/r" data-link="report" id="r">a</a> <a {% if big %}id="big"{% else %}id="small"{% endif %} href="/b">b</a>
{% for item in data.lines %}<a id="item-{{ item.id }}" href="{{ item.url }}">c</a>{% endfor %}
<a href="/plain">d</a> <a name="no-link">e</a> <a href="{{ unsubscribe_url }}" id="off">f</a>
"""


def site(campaign: str, letter: str = LETTER, **more: str) -> Checked:
    files = {"campaigns/c.yaml": campaign, "templates/m.html": letter.replace("big %", "user.big %")}
    files |= {f"{name}.yaml": text for name, text in more.items()}
    return read_site({name: dedent(text).encode() for name, text in files.items()})


def first_lines(checked: Checked) -> list[str]:
    return [str(one).splitlines()[0].removeprefix("campaigns/c.yaml:") for one in checked.advice]


def of_if(condition: str) -> list[str]:
    campaign = f"entry: {{event: product_added, if: '\n{condition}'}}\nwhy: x\nsteps: [{{send: {{email: m, data: {{lines: cart.items}}}}}}]\n"
    return first_lines(site(campaign))


def of_scenario(events: str, campaign: str = "", expect: str = "{}") -> tuple[list[str], list[str]]:
    """(errors, advice) of a scenario, as their messages."""
    checked = site(campaign or CAMPAIGN)
    report = Report()
    found = read_scenarios(
        load_yaml("scenarios/s.yaml", f"{{scenario: x, events: {{0s: {events}}}, expect: {expect}}}"),
        checked.site,
        report,
    )
    advice = [one for scenario in found for one in scenario.advice]
    advice += advise_given(checked.site, checked.places, found)
    return [one.message for one in report.problems], [one.message for one in advice]


CAMPAIGN = """\
why: x
entry: {event: order_completed, key: order_id}
goal: {event: order_refunded, value: total}
steps:
  - send: {email: m, data: {lines: cart.items}}
  - wait: {until: 'email_clicked where link = "report"', up_to: 48h}
"""

QUOTED = "is a text; a number is written without quotes:"
NUMBER = "is a text, and what it is compared with is a number:"


@pytest.mark.parametrize(
    ("condition", "advice"),
    [
        ('event.price > "50"', [f'2:15: advice: "50" {QUOTED} 50']),
        ('cart.value > "100"', [f'2:14: advice: "100" {QUOTED} 100']),
        ('"9.50" <= event.price', [f'2:1: advice: "9.50" {QUOTED} 9.5']),
        ('count(product_viewed) = "3"', [f'2:25: advice: "3" {QUOTED} 3']),
        ('did product_viewed where price >= "5" last 3d', [f'2:35: advice: "5" {QUOTED} 5']),
        ('cart.value > "a lot"', [f'2:14: advice: "a lot" {NUMBER} this can never hold']),
        ('spent != "none"', [f'2:10: advice: "none" {NUMBER} this always holds']),
        ('event.size > "M"', []),
        ('event.product_id = "100"', []),
        ('did product_viewed where spent = "none" last 3d', []),
        ("cart.value > 100", []),
        (
            "did product_viewed where category = Lamps last 3d",
            ['2:37: advice: `Lamps` is read as a property of the event; a text is written in quotes: "Lamps"'],
        ),
        ("did product_viewed where price < old_price last 3d", []),
    ],
)
def test_a_number_that_is_compared_with_a_text(condition: str, advice: list[str]) -> None:
    assert of_if(condition) == advice


@pytest.mark.parametrize(
    ("old", "new", "advice"),
    [
        ("key: order_id", "key: order.id", ["2:38: advice: `order.id` is taken for one property with a dot in its name, and what lies within a property cannot be the `key`: send it as a property of its own"]),
        ("key: order_id", "key: oder_id", ["2:38: advice: no source is known to send a property `oder_id`; did you mean `order_id`?"]),
        ("value: total", "value: totel", ["3:38: advice: no source is known to send a property `totel`; did you mean `total`?"]),
        ("value: total", "value: order.total", ["3:38: advice: `order.total` is taken for one property with a dot in its name, and what lies within a property cannot be the `value`: send it as a property of its own"]),
        ("order_refunded, value: total", "email_clicked, value: total", ["3:37: advice: `email_clicked` has no property `total`; there is `address`, `campaign`, `channel`, `link`, `machine`, `message`, `permanent`, `reason`, `reply`, `run`, `template`, `topic` or `url`"]),
        ('"report"', '"reprot"', ['6:47: advice: no letter has a link `reprot`, that is data-link="reprot" or id="reprot" in its <a>; did you mean `report`?']),
        ('"report"', '"item-7"', []),
        ("why", "why", []),
    ],
)  # fmt: skip
def test_a_name_that_nothing_will_ever_have(old: str, new: str, advice: list[str]) -> None:
    assert old in CAMPAIGN
    assert first_lines(site(CAMPAIGN.replace(old, new))) == advice


def test_a_goal_whose_value_no_scenario_tells() -> None:
    campaign = CAMPAIGN.replace("value: total", "value: margin")
    assert of_scenario("{order_refunded: {total: 3, reason: x}}", campaign) == (
        [],
        ["no scenario tells `margin` of `order_refunded`; it has `reason` or `total`"],
    )
    assert of_scenario("{order_refunded: {total: 3, margin: 1}}", campaign) == ([], [])


def test_a_scenario_with_an_event_that_nothing_looks_at() -> None:
    assert of_scenario("[order_refundet, {page_viewed: {}}, product_added]") == (
        [],
        ["nothing on this site looks at `order_refundet`; did you mean `order_refunded`?"],
    )
    assert of_scenario("[drone_landed]") == (
        [],
        ["nothing on this site looks at `drone_landed`; it counts as activity, and for nothing else"],
    )


def test_a_scenario_with_a_row_field_that_no_row_has_is_told_which_there_are() -> None:
    assert of_scenario("order_completed", expect="{goal: [{value: 3}]}")[0] == [
        "a row has no field `value`; there are `at`, `campaign`, `channel`, `detail`, `message`, `reason`, `run`, `step`, "
        "`template`, `user`, `variant` and `version`, and what else was decided is in `detail`, as in {detail: {value: …}}"
    ]


@pytest.mark.parametrize("link", ["report", "big", "small", "item-7", "0", "3", "off"])
def test_a_scenario_may_click_on_any_link_that_a_letter_has(link: str) -> None:
    assert of_scenario(f'{{email_clicked: {{link: "{link}"}}}}') == ([], [])


@pytest.mark.parametrize("about", ["", ", template: m", ", campaign: c"])
@pytest.mark.parametrize("link", ["reprot", "r", "no-link", "item", "x1"])
def test_a_scenario_that_clicks_on_a_link_that_no_letter_has_is_an_error(link: str, about: str) -> None:
    ((told,), _) = of_scenario(f"{{email_clicked: {{link: {link}{about}}}}}")
    assert told.startswith(f'no letter has a link `{link}`, that is data-link="{link}" or id="{link}" in its <a>; ')


def test_links_that_a_value_brings_along_may_have_any_name() -> None:
    letter = "---\nsubject: s\n---\n{{ data.html | safe }} {{ unsubscribe_url }}"
    assert first_lines(site(CAMPAIGN.replace("lines:", "html:").replace('"report"', '"what"'), letter)) == []


def test_a_marketing_letter_without_a_link_to_unsubscribe() -> None:
    letter = LETTER.replace("{{ unsubscribe_url }}", "/out")
    told = (
        "5:5: advice: the letter `m` is marketing and has no link to unsubscribe, so a bare one is put under it: "
        'write <a href="{{ unsubscribe_url }}">Unsubscribe</a> where it shall stand'
    )
    assert first_lines(site(CAMPAIGN, letter)) == [told]
    assert first_lines(site(f"purpose: transactional\n{CAMPAIGN}", letter)) == []


@pytest.mark.parametrize(
    "part", ["{{", "{%", "<a ", "<a '", '<a "', "<a href='x' ", "<!--", "<a id=", "{{ x }}", "<a href=/ id=x>"]
)
def test_no_letter_takes_long_to_be_looked_through(part: str) -> None:
    """Nothing here is slower than the text is long: else these would take minutes."""
    assert link_names(part * (250_000 // len(part))) <= {FILLED, "x", NUMBERED}


@pytest.mark.parametrize(
    ("condition", "advice"),
    [
        (
            "sum(product_viewed.price, last 30d) > 100",
            "2:1: advice: `sum` over `last 30d` looks at the newest 256 product_viewed of a user and falls short for who brings more: "
            "take a shorter window, or `ever`, which is exact",
        ),
        (
            "count(product_viewed, last 30d) > cart.quantity",
            "2:1: advice: `count` over `last 30d` looks at the newest 256 product_viewed of a user and falls short for who brings more: "
            "take a shorter window, compare it with a number (`count(…) > 300`), or take `ever`, which is exact",
        ),
        (
            "count(product_viewed, last 30d) + 1 > cart.quantity",
            "2:1: advice: `count` over `last 30d` looks at the newest 256 product_viewed of a user and falls short for who brings more: "
            "take a shorter window, compare it with a number (`count(…) > 300`), or take `ever`, which is exact",
        ),
        (
            "sum(product_viewed.price where price > user.floor, ever) > 3",
            "2:1: advice: `sum` over `ever` looks at the newest 256 product_viewed of a user and falls short for who brings more: "
            "take a shorter window",
        ),
    ],
)
def test_a_sum_that_falls_short_for_who_does_much_is_said_to(condition: str, advice: str) -> None:
    assert of_if(condition) == [advice]


@pytest.mark.parametrize(
    "condition",
    [
        "count(product_viewed, last 30d) > 300",
        "sum(product_viewed.price) > 100",
        "sum(product_viewed.price, last 1h) > 100",
        "sum(order_completed.total, last 30d) > 100",
        "distinct(product_viewed.product_id, last 30d) >= 3",
    ],
)
def test_a_sum_that_is_exact_gets_no_advice(condition: str) -> None:
    assert of_if(condition) == []
