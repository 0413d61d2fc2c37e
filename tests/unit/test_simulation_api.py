"""The Python API and the pytest plugin, as a shop's own tests use them."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cuebird import Simulation
from language.syntax.problems import SiteErrors

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parents[2]

CAMPAIGN = """\
why: One reminder for a cart that is left.
entry: {event: product_added, if: event.price > 50}
exit_when: [order_completed]
steps:
  - wait: {idle: 30m}
  - send: {email: reminder, data: {left: event.name}}
"""
OTHER = """\
why: A word in the page.
purpose: transactional
entry: {event: product_viewed}
steps: [{send: {push: nudge}}]
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    site = tmp_path / "shop"
    for folder in ("campaigns", "templates", "scenarios"):
        (site / folder).mkdir(parents=True)
    (site / "campaigns" / "reminder.yaml").write_text(CAMPAIGN.replace("event.name", "entry.name"))
    (site / "campaigns" / "nudge.yaml").write_text(OTHER)
    (site / "templates" / "reminder.txt").write_text(
        "---\nsubject: 'You left {{ data.left }}'\n---\nHello {{ user.id }}\n"
    )
    (site / "templates" / "nudge.push.yaml").write_text("title: Still {{ entry.name }}?\n")
    (site / "profile.yaml").write_text("aliases: {in_the_bag: product_added}\n")
    return site


@pytest.fixture
def sim(shop: Path) -> Simulation:
    return Simulation(shop)


# --- what happens -------------------------------------------------------------------------------------------------


def test_a_cart_left_for_a_week_brings_one_mail(sim: Simulation) -> None:
    sim.track("ann", "product_added", price=60, name="Lamp")
    sim.advance("1 week")
    (mail,) = sim.sent(to="ann@example.test")
    assert (mail.template, mail.campaign, mail.channel) == ("reminder", "reminder", "email")
    assert mail.at == datetime(2026, 1, 5, 10, 30, tzinfo=UTC)
    assert mail.context["data"] == {"left": "Lamp"}
    assert sim.now == datetime(2026, 1, 12, 10, tzinfo=UTC)


def test_event_names_are_understood_as_live(sim: Simulation) -> None:
    for name in ("Product Added", "add_to_cart", "In the bag"):
        sim.track(f"user of {name}", name, price=60)
    assert len(sim.ledger(decision="entered")) == 3


def test_what_is_told_after_a_wait_is_later_than_what_rang(sim: Simulation) -> None:
    sim.track("ann", "product_added", price=60, name="Lamp")
    assert [mail.template for mail in sim.advance("30m")] == ["reminder"]
    sim.track("ann", "order_completed")
    assert [row["decision"] for row in sim.ledger(user="ann")][-1] == "finished"


def test_buying_before_the_time_is_up_means_no_mail(sim: Simulation) -> None:
    sim.track("ann", "product_added", price=60)
    assert sim.advance(timedelta(minutes=29, seconds=59, milliseconds=998)) == []
    sim.track("ann", "order_completed")
    assert sim.advance("1 day") == []
    assert [row["reason"] for row in sim.ledger(decision="exited")] == ["exit_when"]


def test_everybody_is_known_unless_the_test_says_otherwise(shop: Path) -> None:
    sim = Simulation(shop, known=False)
    sim.track("ann", "product_added", price=60)
    sim.identify("bob", email="bob@shop.example", consent={"marketing": True})
    sim.track("bob", "product_added", price=60, name="Lamp")
    sim.advance("1h")
    assert [mail.to for mail in sim.sent(channel="email")] == ["bob@shop.example"]
    assert [row["reason"] for row in sim.ledger(user="ann", decision="skipped")] == ["no_consent"]


def test_a_no_to_marketing_is_heard(sim: Simulation) -> None:
    sim.identify("ann", consent={"marketing": False})
    sim.track("ann", "product_added", price=60)
    assert sim.advance("1h") == []
    assert sim.user("ann").traits["email"] == "ann@example.test"


def test_a_visitor_who_signs_in_keeps_the_cart(sim: Simulation) -> None:
    sim.track("~visitor-7", "product_added", price=60, name="Lamp")
    sim.advance("10m")
    sim.alias("ann", "visitor-7")
    sim.advance("1h")
    assert [mail.user for mail in sim.sent(template="reminder")] == ["ann"]


@pytest.mark.parametrize(
    ("user", "anonymous", "told"),
    [
        ("~v3", "v7", "an alias is of a user: who the visitor ~v3 is, nobody knows yet; alias('ann', 'v7')"),
        ("ann", "bob", "an alias is from a visitor, and bob is a user, and nobody takes over what another did; a visitor's name begins with ~"),
        ("ann", "ann", "an alias is from a visitor, and ann is the user whose alias it is; a visitor's name begins with ~"),
        ("ann", "", "an alias is from a visitor: name one, such as visitor-7"),
        ("ann", "~", "an alias is from a visitor: name one, such as visitor-7"),
    ],
)  # fmt: skip
def test_an_alias_that_would_join_nobody_is_refused(sim: Simulation, user: str, anonymous: str, told: str) -> None:
    sim.track("bob", "product_added", price=60)
    with pytest.raises(ValueError, match=f"^{re.escape(told)}$"):
        sim.alias(user, anonymous)


def test_a_visitor_may_be_called_as_a_user_is(sim: Simulation) -> None:
    sim.track("~ann", "product_added", price=60, name="Lamp")
    sim.alias("ann", "ann")
    sim.advance("1h")
    assert [mail.user for mail in sim.sent(template="reminder")] == ["ann"]


def test_the_same_message_twice_counts_once(sim: Simulation) -> None:
    assert sim.track("ann", "product_added", price=60, message_id="m1")
    assert not sim.track("ann", "product_added", price=60, message_id="m1")


def test_a_late_order_still_ends_the_wait(sim: Simulation) -> None:
    sim.track("ann", "product_added", price=60)
    sim.advance("20m")
    sim.track("ann", "order_completed", late_by="10m")
    assert sim.advance("1 day") == []


def test_properties_called_like_arguments_go_into_the_mapping(sim: Simulation) -> None:
    sim.track("ann", "product_viewed", {"late_by": "x", "message_id": "y"}, name="Lamp")
    (push,) = sim.sent(channel="push")
    assert push.context["entry"] == {"late_by": "x", "message_id": "y", "name": "Lamp"}


def test_what_became_of_a_mail_comes_back(sim: Simulation) -> None:
    sim.track("ann", "product_added", price=60, name="Lamp")
    (mail,) = sim.advance("1h")
    sim.feedback(mail, "email_bounced", permanent=True, address="ann@example.test")
    sim.track("ann", "product_added", price=60)
    assert sim.advance("1h") == []
    assert [row["reason"] for row in sim.ledger(decision="skipped")] == ["suppressed"]
    with pytest.raises(ValueError, match="email_clickt is no feedback"):
        sim.feedback(mail, "email_clickt")
    with pytest.raises(
        ValueError, match='no letter has a link `offer`, that is data-link="offer" or id="offer" in its <a>'
    ):
        sim.feedback(mail, "email_clicked", link="offer")


# --- what came of it ----------------------------------------------------------------------------------------------


def test_mails_and_pushes_can_be_read(sim: Simulation) -> None:
    sim.track("ann", "product_added", price=60, name="Lamp")
    sim.track("ann", "product_viewed", name="Mug")
    sim.advance("1h")
    mail, push = sim.render(sim.sent(channel="email")[0]), sim.render(sim.sent(channel="push")[0])
    assert mail.subject == "You left Lamp"
    assert mail.text.startswith("Hello ann\n")
    assert push.content == {"title": "Still Mug?"}


def test_the_ledger_says_why_not(sim: Simulation) -> None:
    sim.track("ann", "product_added", price=50)
    (refused,) = sim.ledger(campaign="reminder")
    assert (refused["decision"], refused["reason"], refused["at"]) == (
        "not_entered",
        "condition",
        "2026-01-05T10:00:00.000Z",
    )


def test_only_some_campaigns_can_be_looked_at(shop: Path) -> None:
    sim = Simulation(shop, campaigns=["reminder"], start="2026-07-01T08:00:00+02:00")
    sim.track("ann", "product_viewed")
    assert sim.sent() == []
    assert sim.now == datetime(2026, 7, 1, 6, tzinfo=UTC)
    with pytest.raises(ValueError, match="has no campaign remainder"):
        Simulation(shop, campaigns=["remainder"])


# --- mistakes -----------------------------------------------------------------------------------------------------


def test_mistakes_are_told(shop: Path, sim: Simulation) -> None:
    with pytest.raises(ValueError, match="'soon' is no duration: write 30m"):
        sim.advance("soon")
    with pytest.raises(ValueError, match="'tomorrow' is no time"):
        sim.advance_to("tomorrow")
    with pytest.raises(ValueError, match="already"):
        sim.advance_to("2020-01-01")
    with pytest.raises(ValueError, match="what JSON can hold"):
        sim.track("ann", "product_added", price=object())
    with pytest.raises(ValueError, match="a user needs a name"):
        sim.track("", "product_added")
    (shop / "campaigns" / "reminder.yaml").write_text("why: x\n")
    with pytest.raises(SiteErrors, match="entry"):
        Simulation(shop)


@pytest.mark.parametrize(
    ("told", "meant"),
    [
        ("1 week", timedelta(weeks=1)),
        ("2 days", timedelta(days=2)),
        ("1 hour and 30 minutes", timedelta(minutes=90)),
        ("1h30m", timedelta(minutes=90)),
        ("500ms", timedelta(milliseconds=500)),
        ("3 weeks, 1 day, 5 seconds", timedelta(weeks=3, days=1, seconds=5)),
    ],
)
def test_durations_may_be_spoken(sim: Simulation, told: str, meant: timedelta) -> None:
    before = sim.now
    sim.advance(told)
    assert sim.now - before == meant


@pytest.mark.slow
def test_importing_cuebird_is_cheap() -> None:
    code = "import sys, cuebird; assert not {'actors', 'engine', 'msgspec', 'lark'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


# --- the plugin ---------------------------------------------------------------------------------------------------

SCENARIOS = """\
- scenario: a cart that is left
  events: {0s: {product_added: {price: 60, name: Lamp}}}
  expect: {sent: [{at: 30m}]}
- scenario: a cart that is bought, wrongly expected
  events: {0s: {product_added: {price: 60, name: Lamp}}, 5m: order_completed}
  expect: {sent: [{at: 30m}]}
"""


def test_each_scenario_is_a_test(pytester: pytest.Pytester, shop: Path) -> None:
    (shop / "scenarios" / "carts.yaml").write_text(SCENARIOS)
    result = pytester.runpytest_inprocess("--cuebird-site", shop, shop, "-v")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*a cart that is left PASSED*", "*carts.yaml:4", "sent: expected 1 row, came no rows"])


def test_one_scenario_can_be_chosen_and_other_tests_run_beside(pytester: pytest.Pytester, shop: Path) -> None:
    (shop / "scenarios" / "carts.yaml").write_text(SCENARIOS)
    pytester.makepyfile("def test_of_the_shop(simulation): assert simulation.sent() == []")
    pytester.makeini(f"[pytest]\ncuebird_site = {shop}\n")
    pytester.runpytest_inprocess("-k", "left or of_the").assert_outcomes(passed=2, deselected=1)


def test_a_site_with_mistakes_fails_with_all_of_them(pytester: pytest.Pytester, shop: Path) -> None:
    (shop / "scenarios" / "carts.yaml").write_text(SCENARIOS)
    (shop / "campaigns" / "reminder.yaml").write_text(CAMPAIGN.replace("idle: 30m", "idel: 30m").replace("why", "whi"))
    result = pytester.runpytest_inprocess("--cuebird-site", shop, shop)
    result.assert_outcomes(errors=1)
    text = result.stdout.str()
    assert "reminder.yaml:1:1" in text
    assert "did you mean `why`?" in text
    assert "did you mean `idle`?" in text
    assert "Traceback" not in text


def test_without_a_site_pytest_is_as_it_was(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(simulation): ...")
    pytester.path.joinpath("scenarios").mkdir()
    pytester.path.joinpath("scenarios", "a.yaml").write_text("- not ours")
    result = pytester.runpytest_inprocess()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*needs a site: pytest --cuebird-site DIR*"])


def test_a_site_that_is_not_there_is_a_usage_error(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest_inprocess("--cuebird-site", "nowhere")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*there is no directory*nowhere*"])


@pytest.mark.slow
def test_the_example_passes() -> None:
    command = [sys.executable, "-m", "pytest", "examples", "--cuebird-site", "templates/site", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "passed" in done.stdout
