"""What an author reads of a policy or an experiment that cannot be used, to the letter."""

from __future__ import annotations

import pytest

from language.syntax import ast
from tests.unit.language.test_site_errors import DURATIONS, GOOD, of_campaign, problems, site


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("caps: [{limit: 0, per: 24h}]", ["1:16: `limit` is a number from 1 to 1000, not 0"]),
        ("caps: [{limit: 1, per: week}]", [f"1:24: `per` is `day` or a duration, not the text `week`: write {DURATIONS}"]),
        ("caps: [{limit: 1, per: 0s}]", [f"1:24: `per` is `day` or a duration, not the text `0s`: write {DURATIONS}"]),
        ("caps: [{limit: 1, per: 99w}]", ["1:7: a cap counts over a year at the most"]),
        ("caps: [{limit: 1, per: day, chanel: email}]", ["1:29: an item of `caps` has no key `chanel`; did you mean `channel`?"]),
        ("caps: [{limit: 1, per: day, channel: webhook}]", ["1:38: `channel` is `email` or `push`, not the text `webhook`"]),
        ("caps: {limit: 1, per: day}", ["1:7: `caps` is a list, not a mapping; each begins with `- `"]),
        ("cooldown: 12h", ["1:11: expected `cooldown`, a mapping with topic …; came the text `12h`"]),
        ("cooldown: {topic: soon}", [f"1:19: expected a duration, came the text `soon`: write {DURATIONS}"]),
        ("fatigue: {after_ignored: 5}", ["1:10: `fatigue` needs `factor`"]),
        ("fatigue: {after_ignored: 5, factor: 2}", ["1:37: `factor` is a number above 0 and at most 1: 0.5 halves the caps"]),
        ("fatigue: {after_ignored: 0, factor: half}", ["1:26: `after_ignored` is a number from 1 to 100, not 0", "1:37: expected a number, came the text `half`"]),
        ("quiet_hours: {from: '22:00'}", ["1:14: `quiet_hours` needs `to`"]),
        ("quiet_hours: {from: 22, to: '8'}", ['1:21: expected a time of day from "00:00" to "23:59", came the number 22', '1:29: expected a time of day from "00:00" to "23:59", came the text `8`']),
        ("quiet_hours: {from: '22:00', to: '22:00'}", ["1:14: quiet hours that end when they begin are all day or never"]),
        ("quiet_hours: {from: '22:00', to: '08:00', then: wait}", ["1:49: `then` is `hold` or `skip`, not the text `wait`"]),
        ("on_cap: hodl", ["1:9: `on_cap` is `hold` or `skip`, not the text `hodl`; did you mean `hold`?"]),
        ("deduplicate: 12h", ["1:14: `deduplicate` is at least `lateness`, or what comes late could be taken twice"]),
        ("default_campaign: d", ["1:19: there is no campaign `d`"]),
        ("unknown: resend", ["1:1: the policy for unknown outcomes: not in this version of Cuebird"]),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_policy(text: str, told: list[str]) -> None:
    assert problems({"campaigns/c.yaml": GOOD, "policy.yaml": text}) == [f"policy.yaml:{line}" for line in told]


def of_cap(cap: str) -> list[str]:
    """Problems of a campaign whose cap begins in column 6 of line 1, and then of one whose send has it."""
    rest = "why: x\nentry: {event: a}\n"
    of_send = of_campaign(f"steps: [{{send: {{push: p, cap: {cap}}}}}]\n{rest}")
    return [*of_campaign(f"cap: {cap}\nsteps: [{{exit: done}}]\n{rest}"), *of_send]


@pytest.mark.parametrize(
    ("cap", "told"),
    [
        ("{limit: 0, per: 24h}", ["1:14: `limit` is a number from 1 to 100, not 0", "1:39: `limit` is a number from 1 to 100, not 0"]),
        ("{limit: 1, per: week}", [f"1:22: `per` is `day` or a duration, not the text `week`: write {DURATIONS}", f"1:47: `per` is `day` or a duration, not the text `week`: write {DURATIONS}"]),
        ("{limit: 1, per: 99w}", ["1:6: a cap counts over a year at the most", "1:31: a cap counts over a year at the most"]),
        ("{limit: 1}", ["1:6: `cap` needs `per`", "1:31: `cap` needs `per`"]),
    ],
)  # fmt: skip
def test_what_is_wrong_with_the_cap_of_a_campaign_or_a_send(cap: str, told: list[str]) -> None:
    assert of_cap(cap) == told


@pytest.mark.parametrize(
    ("text", "days"),
    [("", 7), ("lateness: 48h", 7), ("lateness: 10d", 10), ("deduplicate: 30d", 30), ("deduplicate: 24h", 1)],
)
def test_an_event_is_known_for_a_week_and_for_as_long_as_it_may_be_late(text: str, days: int) -> None:
    assert site({"campaigns/c.yaml": GOOD, "policy.yaml": text}).site.policy.deduplicate == days * 86_400


def of_experiment(variants: str, steps: str = "[{wait: {for: $idle}}, {exit: done}]") -> list[str]:
    """Problems of a campaign whose variants begin in column 27 of line 1, and whose steps in column 8 of line 2."""
    return of_campaign(
        f"experiment: {{id: delay, variants: {variants}}}\nsteps: {steps}\nwhy: x\nentry: {{event: a}}\n"
    )


@pytest.mark.parametrize(
    ("variants", "told"),
    [
        ("[a, b]", ["1:35: `variants` is a mapping, not a list"]),
        ("{}", ["1:35: an experiment needs variants, as in {a: {weight: 50}, b: {weight: 50}}"]),
        ("{a: 50, b: 50}", ["1:39: a variant is {weight: 50, name: value}, not the number 50", "1:46: a variant is {weight: 50, name: value}, not the number 50"]),
        ("{a: {idle: 1h}, b: {weight: 1, idle: 2h}}", ["1:39: the variant `a` needs `weight`, a number"]),
        ("{a: {weight: 1, idle: 1h}, b: {weight: 1}}", ["1:62: the variant `b` has no value for `idle`"]),
        ("{a: {weight: 1, idle: 1h}, b: {weight: 1, idle: {x: 1}}}", ["1:83: `idle` is a text, a number or a list of them, not a mapping", "1:62: the variant `b` has no value for `idle`"]),
        ("{a: {weight: 1, idle: 1h}, b: {weight: 1, idle: 2x}}", [f"1:83: `2x` is no number or duration: durations are written {DURATIONS}"]),
        ("{a: {weight: 1, idle: 1h, 'x y': 1}, b: {weight: 1, idle: 2h}}", ["1:61: `x y` cannot be written as `$x y`: choose one word of letters and digits"]),
        ("{a: {weight: 1, idle: 1h}, holdout: {weight: 1, idle: 2h}}", ["1:62: `holdout` cannot be the name of a variant: choose another word"]),
    ],
)  # fmt: skip
def test_what_is_wrong_with_an_experiment(variants: str, told: list[str]) -> None:
    assert sorted(of_experiment(variants)) == sorted(told)


TWO = "{a: {weight: 1, idle: 1h}, b: {weight: 1, idle: 2h}}"


@pytest.mark.parametrize(
    ("steps", "told"),
    [
        ("[{wait: {for: $idel}}]", ["2:22: no variant has a value for `$idel`; did you mean `idle`?"]),
        ("[{wait: {for: 'lookup(cart.vlaue, 50: $idle, else 3h)'}}]", ["2:30: `cart.vlaue` does not exist; did you mean `value`?"]),
        ("[{wait: {for: 'lookup(5, 50: $idle, else cart.vlaue)'}}]", ["2:49: `cart.vlaue` does not exist; did you mean `value`?"]),
        ("[{wait: {for: '$idle $idle'}}]", ["2:29: expected an operator or the end, came `1h`", "2:29: expected an operator or the end, came `2h`"]),
    ],
)  # fmt: skip
def test_what_is_wrong_behind_a_value_of_an_experiment_keeps_its_place(steps: str, told: list[str]) -> None:
    assert of_experiment(TWO, steps) == told


ONLY_IN_STEPS = "is a value of the experiment and stands only in `steps`"
AT_ENTRY = (
    f"{ONLY_IN_STEPS}: which variant a user has is decided at the entry. Let in whom any variant wants, and make the first step "
    "a branch on it: {branch: [{when: …, do: […]}]}"
)


@pytest.mark.parametrize(
    ("rest", "told"),
    [
        ("entry: {event: a, if: 'event.price > $least'}", [f"4:38: `$least` {AT_ENTRY}"]),
        ("entry: {event: 'a where price > $least and price < $least'}", [f"4:33: `$least` {AT_ENTRY}", f"4:52: `$least` {AT_ENTRY}"]),
        ("entry: {event: a, re_entry: after $idle}", [f"4:35: `$idle` {AT_ENTRY}"]),
        ("entry: {event: a}\ngoal: {event: b, within: $idle}", [f"5:26: `$idle` {ONLY_IN_STEPS}"]),
        ("entry: {event: a}\nexit_when: [b, 'c where price > $least']", [f"5:33: `$least` {ONLY_IN_STEPS}"]),
        ("entry: {event: a}\ncap: {limit: $least, per: $idle}", [f"5:14: `$least` {ONLY_IN_STEPS}", f"5:27: `$idle` {ONLY_IN_STEPS}"]),
    ],
)  # fmt: skip
def test_a_value_of_an_experiment_outside_the_steps_is_told_where_it_may_stand(rest: str, told: list[str]) -> None:
    variants = "{a: {weight: 1, least: 5, idle: 1h}, b: {weight: 1, least: 9, idle: 2h}}"
    steps = "[{wait: {for: $idle}}, {branch: [{when: 'entry.price > $least', do: [{exit: much}]}]}]"
    assert (
        of_campaign(f"experiment: {{id: e, variants: {variants}}}\nsteps: {steps}\nwhy: It costs $least\n{rest}\n")
        == told
    )


def test_each_variant_has_the_steps_with_its_own_values() -> None:
    text = """\
        why: x
        entry: {event: a}
        experiment:
          id: tone
          variants:
            kind: {weight: 70, idle: 30m, mail: soft, least: 5, of: [b, c]}
            curt: {weight: 30, idle: 1h30m, mail: hard, least: 10.5, of: [b]}
        steps:
          - wait: {idle: $idle, of: $of}
          - branch: [{when: 'cart.value > $least * 2', do: [{send: {email: mail_$mail, subject: '$mail, costs $'}}]}]
        """
    (campaign,) = site({"campaigns/c.yaml": text}).site.campaigns
    assert campaign.experiment is not None
    kind, curt = campaign.experiment.ways
    assert (kind.name, kind.weight, curt.name, curt.weight) == ("kind", 70, "curt", 30)
    assert campaign.steps == kind.steps
    waits, branches = zip(*(way.steps for way in (kind, curt)), strict=True)
    assert [(wait.duration, wait.of) for wait in waits if isinstance(wait, ast.WaitIdle)] == [
        (ast.Constant(value=1800), ("b", "c")),
        (ast.Constant(value=5400), ("b",)),
    ]
    sends = [branch.cases[0][1][0] for branch in branches if isinstance(branch, ast.Branch)]
    assert [(send.template, send.subject) for send in sends if isinstance(send, ast.SendStep)] == [
        ("mail_soft", "soft, costs $"),
        ("mail_hard", "hard, costs $"),
    ]
