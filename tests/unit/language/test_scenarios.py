"""Scenarios: what an author may write in one, and what he reads when it fails."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from language.compiler.compile import compile_site
from language.load import read_site
from language.site.decode import Report
from language.site.scenarios import Scenario, load_scenarios, read_scenarios
from language.site.yaml import load_yaml
from language.syntax.ast import Site
from language.syntax.problems import SiteErrors
from replay.run_scenario import Outcome, run_scenario

CAMPAIGNS = {
    "campaigns/reminder.yaml": b"""
why: One reminder for a cart that is left.
entry: {event: product_added}
exit_when: [order_completed]
steps:
  - wait: {idle: 30m}
  - send: {email: reminder}
""",
    "campaigns/receipt.yaml": b"""
why: A receipt is owed.
purpose: transactional
entry: {event: order_completed}
steps: [{send: {email: receipt}}]
""",
}


@pytest.fixture(scope="module")
def site() -> Site:
    return read_site(CAMPAIGNS).site


def scenarios(text: str, site: Site) -> list[Scenario]:
    report = Report()
    found = read_scenarios(load_yaml("scenarios/s.yaml", text), site, report)
    if report.failed:
        raise SiteErrors(report.problems)
    return found


def run(text: str, site: Site) -> Outcome:
    (scenario,) = scenarios(text, site)
    return run_scenario(scenario, lambda only: compile_site(site, only=only))


def test_a_scenario_passes_if_exactly_these_rows_came(site: Site) -> None:
    text = "{scenario: x, events: {0s: product_added}, expect: {entered: [{at: 0s}], sent: [{at: 30m, template: reminder}]}}"
    assert run(text, site).passed


def test_a_failure_shows_expected_and_actual_side_by_side_and_marks_what_differs(site: Site) -> None:
    text = """
scenario: x
campaigns: [reminder]
events: {0s: product_added}
expect:
  sent: [{at: 31m, template: reminder}, {at: 3h}]
  entered: []
"""
    outcome = run(text, site)
    sent, entered = map(str, outcome.differences)
    assert sent == (
        "sent: expected 2 rows, came 1 row\n"
        "    expected                    actual\n"
        "  ! at 31m  template reminder   at 30m  template reminder  campaign reminder  step send reminder  user ann\n"
        "                                ^^^^^^\n"
        "  ! at 3h                       -"
    )
    assert entered == (
        "entered: expected no rows, came 1 row\n"
        "    expected   actual\n"
        "  ! -          at 0s  campaign reminder  user ann"
    )


def test_ann_is_known_and_consents_unless_it_is_said_otherwise(site: Site) -> None:
    (scenario,) = scenarios("{scenario: x, events: {0s: a}, expect: {}}", site)
    known = scenario.inputs[0]
    assert (known.event.user, known.event.kind, known.event.source) == ("ann", "identify", "server")
    assert msgspec.json.decode(known.event.body) == {"email": "ann@example.test", "consent": {"marketing": True}}
    (scenario,) = scenarios("{scenario: x, user: {id: bob, plan: gold}, events: {0s: a}, expect: {}}", site)
    assert (scenario.inputs[0].event.user, msgspec.json.decode(scenario.inputs[0].event.body)) == (
        "bob",
        {"plan": "gold"},
    )


def test_without_an_address_nothing_is_sent(site: Site) -> None:
    text = "{scenario: x, user: {consent: {marketing: true}}, events: {0s: product_added}, expect: {sent: [], skipped: [{reason: no_address}]}}"
    assert run(text, site).passed


def test_events_come_in_order_of_time_and_at_one_moment_in_the_order_written(site: Site) -> None:
    text = "{scenario: x, events: {10m: [b, {c: {x: 1}}], 0s: a}, expect: {}}"
    (scenario,) = scenarios(text, site)
    assert [(timed.at - scenario.start, timed.event.name) for timed in scenario.inputs[1:]] == [
        (0, "a"),
        (600_000, "b"),
        (600_000, "c"),
    ]


def test_whose_event_it_is_and_when_it_happened_stand_beside_its_name(site: Site) -> None:
    text = """
scenario: x
start: 2026-03-01T00:00:00Z
events:
  1h:
    - {Product Added: {price: 5.5}, anonymous: visitor-7, message_id: m1, late_by: 10m}
    - {email_opened: {template: t}, user: bob}
    - {identify: {plan: gold}}
    - {alias: {from: visitor-7}}
expect: {}
"""
    (scenario,) = scenarios(text, site)
    added, opened, identify, alias = (timed.event for timed in scenario.inputs[1:])
    assert (added.user, added.name, added.message_id, added.body) == (
        "~visitor-7",
        "product_added",
        "m1",
        b'{"price":5.5}',
    )
    assert added.occurred == scenario.start + 50 * 60_000
    assert (opened.user, opened.source) == ("bob", "engine")
    assert (identify.user, identify.kind, identify.source) == ("ann", "identify", "server")
    assert (alias.user, alias.kind, alias.body) == ("ann", "alias", b'{"from":"~visitor-7"}')


def test_a_visitor_who_turns_out_to_be_ann_keeps_the_cart_and_its_timer(site: Site) -> None:
    text = """
scenario: x
events: {0s: {product_added: {}, anonymous: visitor-7}, 10m: {alias: {from: visitor-7}}}
expect: {entered: [{user: visitor-7}], sent: [{user: ann, at: 30m}]}
"""
    assert run(text, site).passed


def test_the_same_message_twice_is_one_event(site: Site) -> None:
    told = "{order_completed: {}, message_id: m1}"
    assert run(
        f"{{scenario: x, events: {{0s: [{told}, {told}]}}, expect: {{sent: [{{template: receipt}}]}}}}", site
    ).passed


def test_until_ends_the_scenario_and_a_timer_due_then_still_fires(site: Site) -> None:
    event = "events: {0s: product_added}"
    assert run(f"{{scenario: x, {event}, until: 29m59s999ms, expect: {{sent: []}}}}", site).passed
    assert run(f"{{scenario: x, {event}, until: 30m, expect: {{sent: [{{at: 30m}}]}}}}", site).passed


def test_only_the_campaigns_named_take_part(site: Site) -> None:
    text = "{scenario: x, campaigns: [reminder], events: {0s: order_completed}, expect: {sent: [], entered: []}}"
    assert run(text, site).passed


def test_a_detail_matches_if_what_is_given_of_it_does(site: Site) -> None:
    def outcome(until: str) -> Outcome:
        detail = f"{{until: {until}}}"
        return run(f"{{scenario: x, events: {{0s: product_added}}, expect: {{waiting: [{{detail: {detail}}}]}}}}", site)

    due = 1_767_607_200_000 + 30 * 60_000
    assert outcome(str(due)).passed
    assert not outcome(str(due + 1)).passed


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{events: {}, expect: {}}", "1:1: a scenario needs `scenario`"),
        ("{scenario: x, evnts: {}, events: {}, expect: {}}", "1:15: a scenario has no key `evnts`; did you mean `events`?"),
        ("{scenario: x, events: {soon: a}, expect: {}}", "1:24: `soon` is no moment: write 500ms, 30s, 10m, 2h, 30d, 2w, or joined as in 1h30m"),
        ("{scenario: x, events: {0s: {a: {}, b: {}}}, expect: {}}", "1:28: an event is {name: {properties}}, beside it at most `anonymous`, `context`, `late_by`, `message_id` or `user`"),
        ("{scenario: x, events: {0s: {alias: {}}}, expect: {}}", "1:28: an alias is written {alias: {from: visitor-7}}"),
        ("{scenario: x, events: {0s: {alias: {from: ''}}}, expect: {}}", "1:28: an alias is written {alias: {from: visitor-7}}"),
        ("{scenario: x, events: {0s: {alias: {from: true}}}, expect: {}}", "1:28: an alias is written {alias: {from: visitor-7}}"),
        ("{scenario: x, events: {0s: {alias: {from: v7}, anonymous: v3}}, expect: {}}", "1:59: an alias is of a user: who the visitor `v3` is, nobody knows yet; write {alias: {from: v7}, user: ann}"),
        ("{scenario: x, events: {0s: {alias: {from: v7}, user: ~v7}}, expect: {}}", "1:54: an alias is of a user: who the visitor `v7` is, nobody knows yet; write {alias: {from: v7}, user: ann}"),
        ("{scenario: x, events: {0s: {a: {}, user: bob}, 1s: {alias: {from: bob}}}, expect: {}}", "1:67: an alias is from a visitor, and `bob` is a user, and nobody takes over what another did; a visitor's events say `anonymous: visitor-7`"),
        ("{scenario: x, events: {0s: {alias: {from: ann}}}, expect: {}}", "1:43: an alias is from a visitor, and `ann` is the user whose alias it is; a visitor's events say `anonymous: visitor-7`"),
        ("{scenario: x, events: {0s: a}, expect: {snet: []}}", "1:41: there is no decision `snet`; did you mean `sent`?"),
        ("{scenario: x, events: {0s: a}, expect: {sent: 3}}", "1:47: `sent` is a list of rows ([] for none), not the number 3"),
        ("{scenario: x, events: {0s: a}, expect: {sent: [{templte: x}]}}", "1:49: a row has no field `templte`; did you mean `template`?"),
        ("{scenario: x, events: {0s: a}, expect: {sent: [{campaign: recept}]}}", "1:59: there is no campaign `recept`; did you mean `receipt`?"),
        ("{scenario: x, campaigns: [remindr], events: {0s: a}, expect: {}}", "1:27: there is no campaign `remindr`; did you mean `reminder`?"),
        ("{scenario: x, start: noon, events: {0s: a}, expect: {}}", "1:1: `start` is a time such as 2026-01-05T10:00:00Z, not `noon`"),
        ("{scenario: x, until: 1h, events: {2h: a}, expect: {}}", "1:34: an event comes after `until`"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_scenario(text: str, told: str, site: Site) -> None:
    with pytest.raises(SiteErrors) as caught:
        scenarios(text, site)
    assert str(caught.value).splitlines()[0] == f"scenarios/s.yaml:{told}"


def test_a_visitor_may_be_called_as_a_user_is(site: Site) -> None:
    text = """
scenario: x
campaigns: [receipt]
events:
  0s: {order_completed: {}, anonymous: ann}
  1s: [{order_completed: {}, user: bob}, {alias: {from: ann}}, {alias: {from: ~bob}}]
expect: {entered: [{user: ann, at: 0s}, {user: bob}]}
"""
    assert run(text, site).passed


def test_scenarios_are_found_in_their_directory_by_file_and_place(tmp_path: Path, site: Site) -> None:
    (tmp_path / "scenarios").mkdir()
    one: dict[str, Any] = {"events": {"0s": "a"}, "expect": {}}
    files = {
        "b.yaml": one | {"scenario": "third"},
        "a.yaml": [one | {"scenario": "first"}, one | {"scenario": "second"}],
    }
    for name, content in files.items():
        (tmp_path / "scenarios" / name).write_bytes(msgspec.json.encode(content))
    assert [scenario.name for scenario in load_scenarios(tmp_path, site)] == ["first", "second", "third"]


POLITE = {
    "campaigns/hello.yaml": b"""
why: Says hello, and asks what it was like.
entry: {event: signed_up, if: 'not (event.plan = "none")'}
exit_when: signed_out
steps:
  - wait: {for: 10h}
  - send: {email: hello}
""",
    "templates/hello.html": b"---\nsubject: Hello {{ user.first_name }}\n---\n<a href='{{ unsubscribe_url }}'>out</a>\n",
    "policy.yaml": b'quiet_hours: {from: "20:00", to: "08:00"}\n',
}
NAMED = "user: {id: ann, email: ann@example.test, first_name: Ann, consent: {marketing: true}}"


@pytest.mark.parametrize(
    ("events", "user", "expected", "why"),
    [
        ("{0s: signed_up}", NAMED, "{at: 10h}", ["10h  hello, send hello: held by quiet_hours until 22h"]),
        ("{0s: signed_up}", "user: {id: ann, email: ann@example.test, consent: {marketing: true}}", "{}", ["10h  hello, send hello: skipped: render_error: `user.first_name` has no value, and no default in the template"]),
        ("{0s: signed_up}", "user: {id: ann, email: ann@example.test, first_name: Ann}", "{template: hello}", ["10h  hello, send hello: skipped: no_consent (no consent to marketing)"]),
        ("{0s: {signed_up: {plan: none}}}", NAMED, "{campaign: hello}", ["0s  hello: not entered: condition (its `if` did not hold)"]),
        ("{0s: signed_up, 1h: signed_out}", NAMED, "{}", ["1h  hello, wait for: left: exit_when (signed_out)"]),
        ("{0s: page_viewed}", NAMED, "{campaign: hello}", ["hello: nothing that came matched its entry"]),
        ("{0s: signed_up}\nuntil: 9h", NAMED, "{}", ["0s  hello, wait for: waits until 10h"]),
    ],
)  # fmt: skip
def test_a_message_that_was_expected_and_did_not_come_says_why(
    events: str, user: str, expected: str, why: list[str]
) -> None:
    text = f"scenario: x\n{user}\nevents: {events}\nexpect: {{sent: [{expected}]}}\n"
    (difference,) = run(text, read_site(POLITE).site).differences
    assert list(difference.why) == why
    assert str(difference).endswith(f"  why: {why[0]}")


def test_more_messages_than_expected_need_no_reason(site: Site) -> None:
    (difference,) = run("{scenario: x, events: {0s: product_added}, expect: {sent: []}}", site).differences
    assert difference.why == ()
