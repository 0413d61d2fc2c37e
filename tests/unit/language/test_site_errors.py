"""What an author reads of a site that cannot be used: every problem of every file, to the letter, with its place."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent

import pytest

from language.load import Checked, load_site, read_site
from language.syntax.problems import SiteErrors

GOOD = "why: x\nentry: {event: product_added}\nsteps: [{exit: done}]\n"
DURATIONS = "500ms, 30s, 10m, 2h, 30d, 2w, or joined as in 1h30m"


def site(files: Mapping[str, str]) -> Checked:
    return read_site({name: dedent(text).encode() for name, text in files.items()})


def problems(files: Mapping[str, str]) -> list[str]:
    """Each as its first line."""
    with pytest.raises(SiteErrors) as caught:
        site(files)
    return [str(problem).splitlines()[0] for problem in caught.value.problems]


def of_campaign(text: str, **others: str) -> list[str]:
    """Problems of campaigns/c.yaml, without the file's name."""
    told = problems({"campaigns/c.yaml": text, **others})
    return [line.removeprefix("campaigns/c.yaml:") for line in told]


def of_steps(steps: str) -> list[str]:
    """Problems of steps that begin on line 1 and column 8."""
    return of_campaign(f"steps: {steps}\nwhy: x\nentry: {{event: product_added}}\n")


def of_if(condition: str) -> list[str]:
    """Problems of an `if` that begins in column 1 of line 2."""
    return of_campaign(f"entry: {{event: product_added, if: '\n{condition}'}}\nwhy: x\nsteps: [{{exit: x}}]\n")


def test_a_problem_is_shown_with_its_line_and_a_caret() -> None:
    text = """\
        why: Carts.
        entry:
          event: product_added
          if: 'crat.value > 50'
        steps: [{exit: done}]
        """
    with pytest.raises(SiteErrors) as caught:
        site({"campaigns/c.yaml": text})
    assert str(caught.value) == (
        "campaigns/c.yaml:4:8: there is no name `crat.value`; did you mean `cart`?\n"
        "      if: 'crat.value > 50'\n"
        "           ^"
    )


def test_all_problems_of_all_files_are_told_at_once() -> None:
    told = problems(
        {
            "campaigns/a.yaml": "whi: x\nstatus: canary\npriority: 300\nentry: {event: 'a b'}\nsteps: []\n",
            "campaigns/b.yaml": "why: x\nwhy: y\n",
            "policy.yaml": "expires: 1 day\ntime_zone: Mars/Olympus\ncaps: [{limit: 1}]\n",
            "profile.yaml": "segmnts: {}\n",
        }
    )
    assert told == [
        "campaigns/a.yaml:1:1: `steps` is empty: a campaign does at least one thing",
        "campaigns/a.yaml:1:1: a campaign has no key `whi`; did you mean `why`?",
        "campaigns/a.yaml:1:1: a campaign needs `why`",
        "campaigns/a.yaml:2:9: `canary` needs its part of the users, as in `canary 5%`, came `canary`",
        "campaigns/a.yaml:3:11: `priority` is a number from 0 to 100, not 300",
        "campaigns/a.yaml:4:19: expected `then`, `where` or the end, came `b`",
        "campaigns/b.yaml:2:1: the key `why` is here twice; it was first on line 1",
        f"policy.yaml:1:10: expected a duration, came the text `1 day`: write {DURATIONS}",
        "policy.yaml:2:12: there is no time zone `Mars/Olympus`: write one as Europe/Berlin",
        "policy.yaml:3:8: an item of `caps` needs `per`",
        "profile.yaml:1:1: profile.yaml has no key `segmnts`; did you mean `segments`?",
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("why: x\nsteps: [{exit: x}]\n", ["1:1: a campaign needs `entry`"]),
        ("why: x\nentry: {}\nsteps: [{exit: x}]\n", ["2:8: `entry` needs `event`"]),
        ("why:\nentry: {event: a}\nsteps: [{exit: x}]\n", ["1:5: a campaign needs `why`"]),
        ("why: x\nentry: {event: a}\n", ["1:1: a campaign needs `steps`"]),
        ("[]", ["1:1: expected a campaign, a mapping with why, entry, steps, campaign …; came a list"]),
        ("campaign: d\n" + GOOD, ["1:11: the campaign is called `d`, its file c.yaml: they are the same"]),
        (GOOD + "status: lve\n", ["4:9: `status` is `draft`, `shadow`, `canary`, `live`, `paused` or `archived`, not the text `lve`; did you mean `live`?"]),
        (GOOD + "status: canary 500%\n", ["4:9: `canary` needs its part of the users, as in `canary 5%`, came `canary 500%`"]),
        (GOOD + "holdout: 5\n", ["4:10: expected a percentage from 0% to 100%, as in `5%`, came the number 5"]),
        (GOOD + "experiment: {id: x}\n", ["4:13: `experiment` needs `variants`"]),
        (GOOD + "goal: {event: a, within: soon}\n", [f"4:26: expected a duration, came the text `soon`: write {DURATIONS}"]),
        (GOOD + "goal: {event: a, continue: yes}\n", ["4:28: `continue` is true or false, not the text `yes`"]),
        (
            "why: x\nentry: {event: a, if: count(b, last 1h) > 2}\nsteps: [{exit: x}]\n",
            [
                "2:30: it ends too soon: expected `:`, `,`, `)` or `where`; within { } or [ ] a `,` ends a value, so put the whole expression into quotes",
                "2:32: `entry` has no key `last 1h) > 2`",
            ],
        ),
        (
            "why: x\nentry: {event: a, if: b = \"c, d\"}\nsteps: [{exit: x}]\n",
            [
                "2:27: unexpected '\"': this text has no closing quote; within { } or [ ] a `,` ends a value, so put the whole expression into quotes",
                "2:31: `entry` has no key `d\"`",
            ],
        ),
        (GOOD + "exit_when: [a, b then c]\n", ["4:24: it ends too soon: expected `then` or `within`; say in how long, as in `within 48h`, or write `in session`"]),
        (GOOD + "exit_when: a where x = user.context\n", ["4:24: `user.context` needs a part behind it, as in `user.context.locale`"]),
        (GOOD + "exit_when: entered segment(\"vpi\")\n", ['4:28: there is no segment "vpi"; profile.yaml names none']),
        (GOOD + "exit_when: order_completed where cart = entri.id and x = run.snet\n", ["4:58: `run.snet` does not exist; did you mean `sent`?"]),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_campaign(text: str, told: list[str]) -> None:
    assert of_campaign(text) == told


@pytest.mark.parametrize(
    ("re_entry", "told"),
    [
        ("afer 24h", "`re_entry` is `once`, `always` or `after 24h`, not `afer 24h`; did you mean `after`?"),
        ("after a while", f"`a while` is no duration: write {DURATIONS}"),
        ("after", f"`` is no duration: write {DURATIONS}"),
    ],
)
def test_what_is_wrong_with_a_re_entry(re_entry: str, told: str) -> None:
    assert of_campaign(f"entry: {{event: a, re_entry: {re_entry}}}\nwhy: x\nsteps: [{{exit: x}}]\n") == [
        f"1:29: {told}"
    ]


@pytest.mark.parametrize(
    ("steps", "told"),
    [
        ("[{sned: {email: a}}]", ["1:10: a step has no key `sned`; did you mean `send`?"]),
        ("[{}]", ["1:9: a step is one of `wait`, `send`, `branch`, `split`, `set`, `emit` or `exit`"]),
        ("[{exit: x, set: {a: 1}}]", ["1:9: a step is one of `wait`, `send`, `branch`, `split`, `set`, `emit` or `exit`"]),
        ("[{split: {id: x}}]", ["1:17: `split` needs `variants`"]),
        ("[{split: {id: x, variants: {}}}]", ["1:35: a split needs variants, as in {a: {weight: 50}, b: {weight: 50}}"]),
        ("[{split: {id: x, variants: {a: {do: []}, b: {weight: 1, do: []}}}}]", ["1:39: `a` needs `weight`"]),
        ("[{split: {id: x, variants: {a: {weight: -1, do: []}, b: {weight: 1, do: []}}}}]", ["1:39: the weight of `a` is a number from 0 to 1000000000"]),
        ("[{split: {id: x, variants: {a: {weight: 0, do: []}, b: {weight: 0, do: []}}}}]", ["1:35: every variant of a split has the weight 0: nobody could be in one"]),
        ("[{split: {id: x, variants: {a: {weight: 1, do: []}, holdout: {weight: 1, do: []}}}}]", ["1:60: `holdout` cannot be the name of a variant: choose another word"]),
        ("[{wait: {}}]", ["1:9: a wait is one of `for`, `idle`, `until`, `when` and `at`"]),
        ("[{wait: {for: 30}}]", [f"1:22: expected a duration, came the number 30: write {DURATIONS}"]),
        ("[{wait: {for: '30'}}]", [f"1:22: `30` is no duration: write {DURATIONS}"]),
        ("[{wait: {for: '\"x\"'}}]", [f'1:22: `"x"` is no duration: write {DURATIONS}']),
        ("[{wait: {for: 3x}}]", [f"1:22: `3x` is no number or duration: durations are written {DURATIONS}"]),
        ("[{wait: {for: 3h, up_to: 4h}}]", ["1:9: a wait `for` has no `up_to`"]),
        ("[{wait: {for: $idle}}]", ["1:22: unexpected '$': `$name` is a value of the campaign's `experiment`, and stands only in its steps"]),
        ("[{wait: {at: 9}}]", ['1:21: expected a time of day from "00:00" to "23:59", came the number 9']),
        ("[{wait: {at: '24:00'}}]", ['1:21: expected a time of day from "00:00" to "23:59", came the text `24:00`']),
        ("[{wait: {at: '09:00', days: [mon, tuse]}}]", ["1:42: a day is `mon`, `tue`, `wed`, `thu`, `fri`, `sat` or `sun`, not the text `tuse`; did you mean `tue`?"]),
        ("[{wait: {at: '09:00', tz: Mars}}]", ["1:34: there is no time zone `Mars`: write `user`, or one as Europe/Berlin"]),
        ("[{wait: {at: '09:00', up_to: 3h}}]", ["1:9: a wait `at` has no `up_to`"]),
        ("[{wait: {at: '09:00', days: []}}]", ["1:36: expected at least one of `mon`, `tue`, `wed`, `thu`, `fri`, `sat` or `sun`, came an empty list"]),
        ("[{wait: {for: 3h, days: mon}}]", ["1:9: a wait `for` has no `days`"]),
        ("[{wait: {until: a, as: cart}}]", ["1:31: `cart` cannot be a name here: choose a word that means nothing yet"]),
        ("[{send: {}}]", ["1:9: a send is one of `email` and `push`"]),
        ("[{send: {webhook: x}}]", ["1:17: webhook sends: not in this version of Cuebird"]),
        ("[{send: {email: a, data: {x: cart.vlaue}}}]", ["1:37: `cart.vlaue` does not exist; did you mean `value`?"]),
        ("[{send: {email: a, data: {x: [1, usr.x]}}}]", ["1:41: there is no name `usr.x`; did you mean `user`?"]),
        ("[{send: {email: a, data: {x: {y: 1}}}}]", ["1:37: expected an expression, came a mapping"]),
        ("[{send: {email: a, data: {x: Hello}}}]", ["1:37: there is no name `Hello`; bare names are properties only inside `where`; text is written in double quotes, as in \"text\""]),
        ("[{branch: []}]", ["1:9: a branch needs a case with `when` and `do`"]),
        ("[{branch: [{else: []}, {when: now > 1, do: []}]}]", ["1:9: `else` is the last case of a branch"]),
        ("[{branch: [{when: now > 1}]}]", ["1:9: a branch needs a case with `when` and `do`", "1:9: case 1 of the branch is neither `when` with `do`, nor `else`"]),
        ("[{emit: {properties: {}}}]", ["1:16: `emit` needs `event`"]),
        ("[{set: {}}]", ["1:9: `set` needs a trait, as in {set: {plan: '\"gold\"'}}"]),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_step(steps: str, told: list[str]) -> None:
    assert of_steps(steps) == told


@pytest.mark.parametrize(
    ("condition", "told"),
    [
        (
            "price > 3",
            ["2:1: there is no name `price`; bare names are properties only inside `where`: write event.price"],
        ),
        ("run.sent > 3", ["2:1: `run.sent` means nothing in `if`"]),
        ("user and now > 1", ["2:1: `user` needs a name behind it, as in `user.email`"]),
        ("session.length > 3", ["2:1: `session.length` does not exist; there is `duration` or `events`"]),
        ("spent.total > 3", ["2:1: `spent` has no parts"]),
        ("cart.items.price > 3", ["2:1: `cart.items.price` does not exist; did you mean `items`?"]),
        ('now > 1 and segment("vpi")', ['2:21: there is no segment "vpi"; profile.yaml names none']),
        ("did a since entry", ["2:7: `since entry` means something only in a run, not in `if`"]),
        ("count(a where x = usr.y and run.z = 1) > 1", ["2:29: `run.z` means nothing in `if`"]),
    ],
)
def test_a_name_that_means_nothing(condition: str, told: list[str]) -> None:
    assert of_if(condition) == told


def test_a_name_made_by_a_wait_is_known_to_its_campaign_and_no_other() -> None:
    waits = "why: x\nentry: {event: a}\nsteps: [{wait: {until: b, up_to: 1h, as: came}}, {branch: [{when: came, do: []}]}]\n"
    site({"campaigns/c.yaml": waits})
    told = problems({"campaigns/c.yaml": waits, "campaigns/d.yaml": waits.replace("as: came", "as: cam")})
    assert told == ["campaigns/d.yaml:3:66: there is no name `came`; did you mean `cam`?"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("remember: {cart: {bag: a}}", ["1:18: a `bag` needs `key`"]),
        ("remember: {x: {last: 5}}", ["1:15: a `last` needs `of`"]),
        ("remember: {x: {last: 500, of: a}}", ["1:15: a collection is one of `bag`, `last`, `tally` and `sum`", "1:22: `last` is a number from 1 to 100, not 500"]),
        ("remember: {x: {sum: a, of: b, keep: 3}}", ["1:15: a `sum` has no `keep`"]),
        ("remember: {user: {sum: a, of: b}}", ["1:18: `user` cannot be the name of a collection: choose another word"]),
        ('segments: {a: segment("b"), b: segment("a")}', ["1:15: the segment asks for itself: a -> b -> a", "1:32: the segment asks for itself: b -> a -> b"]),
        ("critical: [order_completed, 5]", ["1:29: expected a text, came the number 5"]),
        ("segments: {a: entry.x = 1}", ["1:15: `entry.x` means nothing in a segment"]),
        ("aliases: {Bought: order_completed, bought: product_added}", ["1:44: `bought` already stands for order_completed"]),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_profile(text: str, told: list[str]) -> None:
    assert problems({"campaigns/c.yaml": GOOD, "profile.yaml": text}) == [f"profile.yaml:{line}" for line in told]


def test_events_that_are_critical_are_kept_in_canonical_form() -> None:
    found = site(
        {"campaigns/c.yaml": GOOD, "profile.yaml": "critical: [Purchase, order completed, Payment Failed]"}
    ).site
    assert found.profile.critical == ("order_completed", "payment_failed")


def test_nulls_that_say_nothing_are_fine() -> None:
    policy = "quiet_hours: null\ncaps: null\ntime_zone:\n"
    assert (
        site({"campaigns/c.yaml": GOOD + "goal: null\nholdout:\n", "policy.yaml": policy}).site.policy.time_zone
        == "UTC"
    )


# --- templates ----------------------------------------------------------------------------------------------------

MAIL = "why: x\nentry: {event: a}\nsteps:\n  - send: {email: cart_1}\n"
TEMPLATE = "---\nsubject: Hello\n---\n<p>Hi</p>\n"


def test_a_missing_template_is_told_where_it_is_named() -> None:
    told = problems({"campaigns/c.yaml": MAIL, "templates/cart_2.html": TEMPLATE})
    assert told == ["campaigns/c.yaml:4:19: there is no templates/cart_1.html; did you mean `cart_2`?"]


def test_a_site_without_templates_can_be_tested_all_the_same() -> None:
    assert site({"campaigns/c.yaml": MAIL}).site.templates is None


def test_a_mail_without_a_subject_is_refused() -> None:
    told = problems({"campaigns/c.yaml": MAIL, "templates/cart_1.html": "<p>Hi</p>"})
    assert told == [
        "campaigns/c.yaml:4:19: templates/cart_1.html has no `subject:` between `---` lines, and the send gives none"
    ]
    given = MAIL.replace("cart_1}", "cart_1, subject: Hello}")
    site({"campaigns/c.yaml": given, "templates/cart_1.html": "<p>Hi</p>"})


@pytest.mark.parametrize(
    ("file", "text", "told"),
    [
        ("cart_1.html", TEMPLATE + "{{ usr.name }}", ["5:4: there is no name `usr`; did you mean `user`?"]),
        ("cart_1.html", "---\nsubject: '{{ nmae }}'\n---\n", ["2:14: there is no name `nmae`: values of the send are `data.nmae`, traits `user.nmae`, the entry event's properties `entry.nmae`"]),
        ("cart_1.html", TEMPLATE + "{% if user.x %}", ["5:1: no template: Unexpected end of template. Jinja was looking for the following tags: 'elif' or 'else' or 'endif'. The innermost block that needs to be closed is 'if'."]),
        ("cart_1.html", TEMPLATE + "{{ rnage(3) }}", ["5:4: there is no function `rnage`; did you mean `range`?"]),
        ("cart_1.html", TEMPLATE + "{{ recommend(3) }}", ["5:4: recommend() is not in this version"]),
        ("cart_1.html", "---\nsubjct: x\nsubject: y\n---\n", ["2:1: the front matter has no key `subjct`; did you mean `subject`?"]),
        ("cart_1.html", "---\nsubject: x\n", ["1:1: the front matter has no second `---` line"]),
        ("p.push.yaml", "[]", ["1:1: a push is `key: value` lines (title, body, url, image), not a list"]),
        ("p.push.yaml", "title: x\nbody: 'a {{ nmae }}'", ["2:13: there is no name `nmae`: values of the send are `data.nmae`, traits `user.nmae`, the entry event's properties `entry.nmae`"]),
        ("x.mjml", "", ["1:1: MJML templates: not in this version of Cuebird"]),
        ("x.webhook.json", "{}", ["1:1: webhook templates: not in this version of Cuebird"]),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_template(file: str, text: str, told: list[str]) -> None:
    files = {"campaigns/c.yaml": MAIL, "templates/cart_1.html": TEMPLATE, f"templates/{file}": text}
    ours = [line for line in problems(files) if line.startswith(f"templates/{file}:")]
    assert ours == [f"templates/{file}:{line}" for line in told]


def test_what_a_template_looks_at_is_known_to_the_compiler() -> None:
    text = TEMPLATE + "{% for item in recent_views %}{{ item.name | money }}{% endfor %}{{ cart.value }}{{ user_name }}"
    found = site({"campaigns/c.yaml": MAIL, "templates/cart_1.html": text, "templates/cart_1.txt": "{{ spent }}"}).site
    assert found.templates is not None
    (info,) = found.templates
    assert info.names == {"recent_views", "cart", "user_name", "spent"}


# --- advice -------------------------------------------------------------------------------------------------------


def test_what_is_allowed_but_not_meant_is_advice() -> None:
    text = """\
        why: x
        entry: {event: a}
        goal: {event: order_completed, continue: true}
        steps:
          - branch:
              - when: false
                do: [{exit: x}, {exit: y}]
        """
    told = [str(problem).splitlines()[0] for problem in site({"campaigns/c.yaml": text}).advice]
    assert told == [
        "campaigns/c.yaml:1:1: advice: the run goes on after the goal, and no exit ends it then",
        "campaigns/c.yaml:6:15: advice: this can never hold",
        "campaigns/c.yaml:7:25: advice: this step is never reached: the step before it ends the run",
    ]


# --- the directory ------------------------------------------------------------------------------------------------


def test_a_directory_that_is_no_site_is_told(tmp_path: Path) -> None:
    with pytest.raises(SiteErrors, match="there is no such directory"):
        load_site(tmp_path / "nowhere")
    with pytest.raises(SiteErrors, match="there is no campaign: write one as"):
        load_site(tmp_path)


def test_the_smallest_site_is_one_file_with_why_entry_and_a_step(tmp_path: Path) -> None:
    (tmp_path / "campaigns").mkdir()
    (tmp_path / "campaigns" / "hello.yaml").write_text(
        "why: To say hello.\nentry: {event: signed_up}\nsteps: [{send: {email: hello}}]\n"
    )
    (tmp_path / "campaigns" / "notes.txt").write_text("not a campaign")
    found = load_site(tmp_path)
    (campaign,) = found.campaigns
    assert (campaign.id, campaign.topic, campaign.priority, campaign.status) == ("hello", "hello", 50, "live")
    assert [name for name, _ in found.profile.remember] == ["cart", "recent_views", "top_categories", "spent"]
    assert [name for name, _ in found.sources] == ["campaigns/hello.yaml"]


def test_a_site_is_read_again_from_its_sources(tmp_path: Path) -> None:
    (tmp_path / "campaigns").mkdir()
    (tmp_path / "campaigns" / "c.yaml").write_text(MAIL)
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "cart_1.html").write_text(TEMPLATE)
    found = load_site(tmp_path)
    again = read_site({name: text.encode() for name, text in found.sources}, str(tmp_path)).site
    assert again == found


def test_a_part_that_no_cart_has_is_found_in_a_template() -> None:
    template = "---\nsubject: x\n---\n{{ cart.itms }} {{ cart.value }}\n"
    told = problems({"campaigns/c.yaml": MAIL, "templates/cart_1.html": template})
    assert told == ["templates/cart_1.html:4:9: `cart.itms` does not exist; did you mean `items`?"]
    site(
        {
            "campaigns/c.yaml": MAIL,
            "templates/cart_1.html": template.replace("{{ cart.itms }}", "{% set cart = user %}"),
        }
    )


def of_letter(text: str) -> list[str]:
    """Problems of a letter, without the file's name."""
    sending = "why: x\nentry: {event: product_added}\nsteps: [{send: {email: m, subject: s}}]\n"
    told = problems({"campaigns/c.yaml": sending, "templates/m.html": text})
    return [line.removeprefix("templates/m.html:") for line in told if line.startswith("templates/m.html:")]


def test_one_in_the_morning_is_an_hour_too() -> None:
    assert of_steps("[{wait: {at: 1am}}]")[0].endswith('came the text `1am`: write "01:00"')


def test_front_matter_that_is_no_mapping_is_told_and_empty_front_matter_is_none() -> None:
    assert of_letter("---\njust words\n---\n{{ nme }}")[0] == (
        "2:1: the front matter is `key: value` lines, not the text `just words`"
    )
    assert [line[:4] for line in of_letter("---\n\n---\n{{ nme }}")] == ["4:4:"]


def test_a_name_that_nobody_knows_is_told_where_it_first_stands() -> None:
    assert [line[:4] for line in of_letter("---\nsubject: s\n---\nx\n{{ nme }}\n\n{{ nme }}")] == ["5:4:"]
