"""Advice: what is allowed and probably not meant, to the letter, with its place."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from textwrap import dedent

import pytest

from language.check.advise import advise_catalogue
from language.load import Checked, read_site


def site(files: Mapping[str, str]) -> Checked:
    return read_site({name: dedent(text).encode() for name, text in files.items()})


def advice(campaign: str, **others: str) -> list[str]:
    """Of campaigns/c.yaml and other files of the site, by path with `/` written as `__`."""
    files = {"campaigns/c.yaml": campaign} | {f"{name.replace('__', '/')}.yaml": text for name, text in others.items()}
    return [str(one).splitlines()[0].removeprefix("campaigns/c.yaml:") for one in site(files).advice]


def of_steps(steps: str) -> list[str]:
    """Of steps that begin on line 3 and column 8."""
    return advice(f"why: x\nentry: {{event: signed_up}}\nsteps: {steps}\n")


STAYS = "and the wait has no `up_to`: whoever comes here stays for ever"


@pytest.mark.parametrize(
    ("steps", "told"),
    [
        ("[{exit: x}, {exit: y}]", ["3:20: advice: this step is never reached: the step before it ends the run"]),
        ("[{branch: [{when: idle > 1h, do: [{exit: x}]}, {else: [{exit: y}]}]}, {send: {push: a}}]", ["3:78: advice: this step is never reached: the step before it ends the run"]),
        ("[{split: {id: s, variants: {a: {weight: 1, do: [{exit: x}]}, b: {weight: 1, do: [{exit: y}]}}}}, {exit: z}]", ["3:105: advice: this step is never reached: the step before it ends the run"]),
        ("[{branch: [{when: false, do: []}]}]", ["3:26: advice: this can never hold"]),
        ("[{branch: [{when: spent > 5 and spent < 3, do: []}]}]", ["3:26: advice: this can never hold: `> 5` and `< 3` exclude each other"]),
        ("[{branch: [{when: spent > 5, do: []}, {when: spent > 7, do: []}]}]", ["3:53: advice: this case is never reached: whenever it holds, one before it does"]),
        ("[{branch: [{when: true, do: []}, {else: [{send: {push: a}}]}]}]", ["3:49: advice: this step is never reached: one of the cases before it always holds"]),
        ("[{wait: {until: x, up_to: 1h, as: came}}, {branch: [{when: came, do: []}, {when: not came, do: []}, {else: [{exit: y}]}]}]", ["3:116: advice: this step is never reached: one of the cases before it always holds"]),
        ("[{wait: {when: hour(now) = 24}}]", [f"3:23: advice: this can never hold: it is a whole number from 0 to 23, never `= 24`; {STAYS}"]),
        ("[{wait: {when: hour(now) = 24, up_to: 1h}}]", ["3:23: advice: this can never hold: it is a whole number from 0 to 23, never `= 24`"]),
        ("[{wait: {until: push_clicked}}]", [f"3:9: advice: nothing sends `push_clicked`, for no campaign sends a push, {STAYS}"]),
        ("[{wait: {until: email_opened then email_clicked within 1h}}]", [f"3:9: advice: nothing sends `email_opened`, for no campaign sends an e-mail, {STAYS}"]),
        ("[{send: {push: a}}, {wait: {until: push_clicked}}]", []),
        ("[{wait: {until: push_clicked, up_to: 1h}}]", []),
        ("[{wait: {until: 'x where a = 1 and a = 2'}}]", [f"3:9: advice: `x` with this condition never comes, {STAYS}", "3:33: advice: this can never hold: `= 1` and `= 2` exclude each other"]),
        ("[{wait: {until: [push_clicked, page_viewed]}}]", []),
        ("[{split: {id: s, variants: {a: {weight: 1, do: []}}}}]", ["3:35: advice: a split with one variant compares nothing"]),
    ],
)  # fmt: skip
def test_advice_on_steps(steps: str, told: list[str]) -> None:
    assert of_steps(steps) == told


@pytest.mark.parametrize(
    ("condition", "told"),
    [
        ("event.context.page.url = 1", ""),
        ("user.context.locale = 1 and event.context.campaign.source = 2", ""),
        ("user.context.local = 1", "2:34: advice: no library is known to send `context.local`; did you mean `locale`?"),
        ("event.context.page.uri = 1", "2:34: advice: no library is known to send `context.page.uri`; did you mean `url`?"),
        ("event.context.campaign.zzz = 1", "2:34: advice: no library is known to send `context.campaign.zzz`; `campaign` has `content`, `medium`, `name`, `source` or `term`"),
        ("event.context.locale.x = 1", "2:34: advice: no library is known to send `context.locale.x`; `locale` has no parts"),
        ("did b where context.utm = 1", "2:46: advice: no library is known to send `context.utm`; there are `active`, `app`, `campaign`, `device`, `groupId`, `ip`, `library`, `locale`, `location`, `network`, `os`, `page`, `referrer`, `screen`, `timezone`, `userAgent` or `userAgentData`"),
    ],
)  # fmt: skip
def test_advice_on_parts_of_a_context_that_nobody_sends(condition: str, told: str) -> None:
    found = advice(f"why: x\nentry: {{event: page_viewed, if: '{condition}'}}\nsteps: [{{exit: x}}]\n")
    assert [one for one in found if "context" in one] == ([told] if told else [])


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("{event: a, if: 'event.x > 5 and event.x < 3'}", ["1:24: advice: this can never hold: `> 5` and `< 3` exclude each other"]),
        ("{event: a, if: 'user.plan = \"gold\"', audience: 'user.plan = \"free\"'}", ["1:56: advice: nobody is let in: `if` and `audience` exclude each other (`= \"gold\"` and `= \"free\"` exclude each other)"]),
        ("{event: 'a where price > 50', if: event.price < 20}", ["1:42: advice: nobody is let in: this and the entry's `where` exclude each other (`> 50` and `< 20` exclude each other)"]),
        ("{event: ['a where price > 50', b], if: event.price < 20}", []),
        ("{event: 'a where spent > 50', if: spent < 20}", []),
        ("{event: 'a where p = 1 and p = 2 then b within 3h'}", ["1:25: advice: this can never hold: `= 1` and `= 2` exclude each other"]),
        ("{event: 'no a where p = 1 and p = 2 for 3h'}", ["1:28: advice: this can never hold: `= 1` and `= 2` exclude each other"]),
    ],
)  # fmt: skip
def test_advice_on_entries(entry: str, told: list[str]) -> None:
    assert advice(f"entry: {entry}\nwhy: x\nsteps: [{{exit: x}}]\n") == told


def test_a_segment_that_nobody_can_be_in() -> None:
    told = advice(
        "why: x\nentry: {event: a}\nsteps: [{wait: {until: 'entered segment(\"odd\")'}}]\n",
        profile="segments: {odd: spent > 5 and spent < 3}",
    )
    assert told == [
        f'3:9: advice: nobody can be in the segment "odd", {STAYS}',
        "profile.yaml:1:17: advice: this can never hold in the segment `odd`: `> 5` and `< 3` exclude each other",
    ]


@pytest.mark.parametrize(
    ("rest", "told"),
    [
        ("goal: {event: b, continue: true}\n", ["1:1: advice: the run goes on after the goal, and no exit ends it then"]),
        ("goal: {event: b, continue: true}\nexit_when: b\n", []),
        ("goal: {event: b, within: 1d}\n", ["4:15: advice: the goal ends a run only within 1d, and it may still send 2d after the entry: name the goal's event in `exit_when` too"]),
        ("goal: {event: b, within: 2d}\n", []),
        ("goal: {event: b, within: 1d}\nexit_when: b\n", []),
    ],
)  # fmt: skip
def test_advice_on_goals(rest: str, told: list[str]) -> None:
    campaign = "why: x\nentry: {event: a}\nsteps: [{wait: {for: 2d}}, {send: {email: m}}, {wait: {for: 9d}}]\n"
    assert advice(campaign + rest) == told


def test_a_value_that_no_step_looks_at() -> None:
    told = advice(
        "why: x\nentry: {event: a}\nsteps: [{wait: {for: $x}}]\n"
        "experiment: {id: e, variants: {a: {weight: 1, x: 1h, y: 2h}, b: {weight: 1, x: 2h, y: 3h}}}\n"
    )
    assert told == ["4:87: advice: no step looks at `$y`"]


def test_a_value_that_the_template_needs_and_the_send_does_not_give() -> None:
    template = """\
        ---
        subject: "{{ data.subject_line }}"
        ---
        {{ data.code }} {{ data.word | default("!") }} {% if data.extra %}{{ data.extra }}{% endif %} {{ data.more.of_it }} {{ unsubscribe_url }}
        """
    campaign = "why: x\nentry: {event: a}\nsteps:\n  - send: {email: m, data: {codes: '1', more: spent}}\n"
    found = site({"campaigns/c.yaml": campaign, "templates/m.html": template}).advice
    assert [str(one).splitlines()[0] for one in found] == [
        "campaigns/c.yaml:4:19: advice: templates/m.html looks at `data.code`, which this send does not give, so it is "
        "skipped; did you mean `codes`?",
        "campaigns/c.yaml:4:19: advice: templates/m.html looks at `data.subject_line`, which this send does not give, "
        "so it is skipped",
    ]


OTHER = "why: x\nentry: {event: order_completed}\nsteps: [{send: {email: m}}]\n"


@pytest.mark.parametrize(
    ("policy", "told"),
    [
        ("", True),
        ("caps: [{limit: 1, per: day, channel: push}]", True),
        ("caps: [{limit: 1, per: day, topic: c}]", True),
        ("caps: [{limit: 1, per: day, channel: email}]", False),
        ("caps: [{limit: 5, per: 7d}]", False),
    ],
)
def test_two_campaigns_on_one_event_without_a_cap(policy: str, told: bool) -> None:
    found = advice(
        OTHER, campaigns__d=OTHER, campaigns__e=OTHER.replace("why", "purpose: transactional\nwhy"), policy=policy
    )
    assert (
        found
        == [
            "2:16: advice: `order_completed` also enters `d`, and no cap in policy.yaml keeps a user from an e-mail of each: "
            "write caps: [{limit: 1, per: 24h, channel: email}] there"
        ]
        * told
    )


@pytest.mark.parametrize(("topic", "told"), [("news", True), ("deals", False)])
def test_two_campaigns_of_one_topic_with_a_cap_hold_each_other_back(topic: str, told: bool) -> None:
    same = OTHER.replace("why", "topic: deals\nwhy")
    policy = f"caps: [{{limit: 1, per: 24h, topic: {topic}}}]"
    assert bool(advice(same, campaigns__d=same, policy=policy)) is told


def test_a_name_that_no_wait_of_the_campaign_makes_and_the_template_needs() -> None:
    template = "---\nsubject: x\n---\n{{ run.came }} {{ run.cane }} {{ run.sent }} {{ run.word | default('!') }} {{ unsubscribe_url }}\n"
    campaign = "why: x\nentry: {event: a}\nsteps:\n  - wait: {until: b, up_to: 1h, as: came}\n  - send: {email: m}\n"
    found = site({"campaigns/c.yaml": campaign, "templates/m.html": template}).advice
    assert [str(one).splitlines()[0] for one in found] == [
        "campaigns/c.yaml:5:19: advice: templates/m.html looks at `run.cane`, which this campaign's runs have not, so it is "
        "skipped; did you mean `came`?"
    ]


def unseen(campaign: str, seen: Collection[str], profile: str = "") -> list[str]:
    checked = site({"campaigns/c.yaml": campaign, "profile.yaml": profile})
    found = advise_catalogue(checked.site, checked.places, seen)
    return [str(problem).splitlines()[0] for problem in found]


def test_events_that_were_never_seen_are_told_once_a_campaign() -> None:
    campaign = """\
        why: x
        entry: {event: cart_abandonned then no order_completed within 1h, if: 'count(cart_abandonned) > 1 and no refunded'}
        exit_when: [score_known, email_clicked, called]
        steps:
          - emit: {event: score_known}
          - wait: {until: [rated where stars > 3]}
        """
    assert unseen(campaign, {"order_completed", "page_viewed", "cart_abandoned"}, "segments: {s: did gifted}") == [
        "campaigns/c.yaml:2:16: advice: no event `cart_abandonned` was ever seen; did you mean `cart_abandoned`?",
        "campaigns/c.yaml:6:20: advice: no event `rated` was ever seen",
        "campaigns/c.yaml:2:103: advice: no event `refunded` was ever seen",
        f"campaigns/c.yaml:6:5: advice: nothing that it waits for was ever seen, {STAYS}",
        "profile.yaml:1:15: advice: no event `gifted` was ever seen",
    ]


def test_a_site_whose_events_were_all_seen_gets_no_advice() -> None:
    assert unseen(OTHER, {"order_completed"}) == []
