"""What `check` says of a user's busiest day is true: it can happen, it is proved, or the sentence says that it is not."""

from __future__ import annotations

import msgspec
import pytest

from actors.model.event import Event
from actors.sending.frequency import DAY_MS
from cuebird.playing.busy_day import sentences
from language.check.bounds import bound
from language.compiler.compile import compile_site
from language.load import read_site
from language.syntax.ast import Site
from replay.busiest_day import START, busiest_day
from replay.simulate import Simulator


def site(campaign: str, policy: str = "", **more: str) -> Site:
    files = {"campaigns/c.yaml": f"why: x\n{campaign}", "policy.yaml": policy, **more}
    return read_site({name: text.encode() for name, text in files.items()}).site


def said(found: Site) -> list[str]:
    return sentences(busiest_day(found, compile_site(found)), found)


ONE = "entry: {event: asked, re_entry: once}\nsteps: [{send: {email: m}}]\n"
REMINDER = """\
entry: {event: product_added, re_entry: after 24h}
steps: [{wait: {idle: 30m}}, {send: {email: reminder}}]
"""
BIG = """\
entry: {event: order_completed, re_entry: once}
steps:
  - branch:
      - when: entry.total > 100 and user.vip
        do: [{send: {email: a}}, {send: {email: b}}]
      - when: count(product_viewed) >= 2
        do: [{send: {email: c}}]
"""


def test_a_run_that_began_yesterday_and_one_of_today_are_two_messages_and_check_does_not_say_one() -> None:
    found = site(REMINDER)
    assert said(found)[0] == "A user can get at least 1 message in a day, and at most 2 in a day of 24 hours."
    # She is busy all through the day of her cart, and leaves the next day's alone.
    simulator = Simulator(compile_site(found), START)
    traits = msgspec.json.encode({"email": "ann@example.test", "consent": {"marketing": True}})
    simulator.take(Event(user="ann", kind="identify", message_id="m", body=traits), START)
    first = START + 600_000
    simulator.take(Event(user="ann", name="product_added", message_id="a"), first)
    for number in range(1, 59):
        simulator.take(Event(user="ann", name="page_viewed", message_id=f"v{number}"), first + number * 1_450_000)
    simulator.take(Event(user="ann", name="product_added", message_id="b"), first + DAY_MS)
    simulator.run(START + 2 * DAY_MS)
    assert len([send for send in simulator.sends if send.at // DAY_MS == START // DAY_MS + 1]) == 2


@pytest.mark.parametrize(
    ("campaign", "policy", "first_line"),
    [
        (ONE, "", "A user gets at most 1 message in a day: caps and `re_entry` let no more through."),
        (ONE, "caps: [{limit: 1, per: day}]", "A user gets at most 1 message in a day: the caps let no more through."),
        (ONE, "caps: [{limit: 1, per: 24h}]", "A user gets at most 1 message in a day: the caps let no more through."),
        (f"purpose: transactional\n{ONE}", "caps: [{limit: 5, per: day}]", "A user gets at most 1 message in a day: caps and `re_entry` let no more through."),
        (BIG, "", "A user gets at most 2 messages in a day: caps and `re_entry` let no more through."),
        (REMINDER, "caps: [{limit: 1, per: day}]", "A user gets at most 1 message in a day: the caps let no more through."),
        ("entry: asked\n".replace("asked", '{event: asked, if: \'event.price > "50"\', re_entry: once}') + "steps: [{send: {email: m}}]\n", "", "A user gets at most 1 message in a day: caps and `re_entry` let no more through."),
        ("entry: {event: asked, re_entry: after 8h}\nsteps: [{send: {push: m}}]\n", "", "A user can get at least 3 messages in a day, and at most 4 in a day of 24 hours."),
        ("entry: {event: asked, key: id}\nsteps: [{wait: {for: 1h}}, {send: {email: m}}]\n", "", "No cap and no `re_entry` limits how many messages a user gets in a day: each `asked` brings one more of c. Found: 5 messages in one day."),
        ("status: draft\nentry: {event: asked}\nsteps: [{send: {email: m}}]\n", "", "No campaign sends a message."),
    ],
)  # fmt: skip
def test_the_sentence_is_proved_or_says_at_least(campaign: str, policy: str, first_line: str) -> None:
    assert said(site(campaign, policy))[0] == first_line


@pytest.mark.parametrize(
    ("campaign", "first_line"),
    [
        ("cap: {limit: 1, per: 24h}\nsteps: [{send: {push: r}}]", "A user gets at most 1 message in a day of 24 hours"),
        ("cap: {limit: 10, per: day}\nsteps: [{send: {push: r}}]", "A user gets at most 10 messages in a day"),
        ("steps: [{send: {push: r, cap: {limit: 10, per: day}}}]", "A user gets at most 10 messages in a day"),
        ("steps: [{send: {push: r, cap: {limit: 6, per: day}}}, {send: {push: s, cap: {limit: 7, per: day}}}]", "A user gets at most 13 messages in a day"),
        ("steps: [{send: {push: r, cap: {limit: 10, per: day}}}, {send: {push: s}}]", "No cap and no `re_entry` limits how many messages a user gets in a day"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("purpose", ["marketing", "transactional"])
def test_the_cap_of_a_campaign_or_of_each_of_its_sends_ends_how_many_a_day_brings(
    campaign: str, first_line: str, purpose: str
) -> None:
    found = site(f"purpose: {purpose}\nentry: {{event: paid}}\n{campaign}\n")
    assert said(found)[0].partition(":")[0] == first_line


def test_a_letter_that_prints_what_nobody_told_is_named_as_the_reason() -> None:
    letter = "---\nsubject: Hello {{ user.first_name }}\n---\nhi"
    assert said(site(ONE, **{"templates/m.html": letter})) == [
        "No message was found that a user could get; that there is none is not proved.",
        "  no message of c was found; tried: asked",
        "    0s  c, send m: skipped: render_error: `user.first_name` has no value, and no default in the template",
    ]


def test_a_condition_that_could_not_be_met_is_told() -> None:
    campaign = "entry: {event: asked, if: event.price < event.limit}\nsteps: [{send: {email: m}}]\n"
    assert said(site(campaign)) == [
        "No message was found that a user could get; that there is none is not proved.",
        "  no message of c was found; tried: asked",
        "    0s  c: not entered: condition (its `if` did not hold)",
        "    no event was found for which this holds: event.price < event.limit",
    ]


def test_what_sends_nothing_is_told_beside_what_sends() -> None:
    never = 'why: x\nentry: {event: asked, if: user.email matches "@staff.example"}\nsteps: [{send: {email: m}}]\n'
    lines = said(site(ONE, **{"campaigns/never.yaml": never}))
    assert lines[0] == "A user can get at least 1 message in a day; that there is no busier day is not proved."
    assert lines[-3:] == [
        "  no message of never was found; tried: asked",
        "    0s  never: not entered: condition (its `if` did not hold)",
        '    no event was found for which this holds: user.email matches "@staff.example"',
    ]


@pytest.mark.parametrize(
    ("campaign", "policy", "hours", "most"),
    [
        (REMINDER, "", 24, 2),
        (REMINDER, "", 25, 3),
        (REMINDER, "caps: [{limit: 3, per: 20h}]", 25, 3),
        (REMINDER, "caps: [{limit: 1, per: 24h, topic: c}]", 24, 2),
        (REMINDER.replace("after 24h", "always"), "", 24, None),
        (REMINDER.replace("re_entry", "key: id, re_entry"), "", 24, None),
        (REMINDER.replace("re_entry", "concurrency: parallel, re_entry"), "", 24, None),
        (f"purpose: transactional\n{REMINDER}", "caps: [{limit: 1, per: day}]", 24, 2),
        (BIG, "caps: [{limit: 9, per: day}]", 24, 2),
    ],
)
def test_what_caps_and_re_entry_prove(campaign: str, policy: str, hours: int, most: int | None) -> None:
    assert bound(site(campaign, policy), hours * 3_600_000) == most


def test_a_letter_that_asks_for_a_context_is_found_by_an_event_that_has_it() -> None:
    entry = """{event: 'page_viewed where context.page.path = "/x"', if: 'event.context.campaign.name = "autumn"'}"""
    found = said(site(f"entry: {entry}\nsteps: [{{send: {{push: a}}}}]"))
    assert "each `page_viewed` brings one more" in found[0]


@pytest.mark.parametrize(
    ("condition", "events"),
    [
        ("did looked", ["looked", "asked"]),
        ("recent_views", ["product_viewed", "asked"]),
        ("cart.items", ["product_added", "asked"]),
        ("max(order_completed.total) > 70", ["order_completed", "asked"]),
    ],
)
def test_what_has_to_come_before_is_found_and_nothing_is_told_that_is_not_needed(
    condition: str, events: list[str]
) -> None:
    """Another campaign is tried first and finds the same event by itself: one of the two is left."""
    other = f"why: x\npriority: 90\nentry: {{event: {events[0]}, re_entry: once}}\nsteps: [{{send: {{email: m}}}}]\n"
    asked = f"entry: {{event: asked, if: {condition}, re_entry: once}}\nsteps: [{{send: {{email: m}}}}]\n"
    found = site(asked, **{"campaigns/other.yaml": other})
    busiest = busiest_day(found, compile_site(found))
    assert (busiest.sent, busiest.most) == (2, 2)
    assert [one.event for one in busiest.inputs] == ["", *events]
