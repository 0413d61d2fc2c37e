"""Where a run stands, what moves it, which checks stand before its messages, what has happened."""

from __future__ import annotations

from persistence.interface import JournalEntry
from replay.explain.model import Part, RunView
from tests.unit.explain.story import Story, after, event, part_of, site_of

CART = """
topic: cart
entry: {event: product_added, key: cart_id, re_entry: after 24h}
exit_when: [order_completed where cart_id = entry.cart_id]
goal: {event: order_completed, within: 7d, value: total}
steps:
  - wait: {idle: 30m}
  - send: {email: cart_1}
  - wait: {until: [email_clicked], up_to: 24h, as: clicked}
  - branch:
      - when: clicked
        do: [{exit: engaged}]
      - else: [{send: {email: cart_2}}]
"""
ANN = event("0s", "identify", email="ann@example.test", consent={"marketing": True})
ADDED = event("1m", "product_added", product_id="A", price=60, cart_id="c1")


def run_of(*entries: JournalEntry, at: str, campaign: str = CART, policy: str = "") -> RunView:
    (run,) = Story(site_of(campaign, policy=policy), *entries).at(at).runs
    return run


def texts(run: RunView) -> list[str]:
    return [step.text for step in run.happened]


def test_an_idle_wait_tells_how_long_it_has_been_quiet_and_when_it_ends() -> None:
    run = run_of(ANN, ADDED, event("10m", "page_viewed"), at="22m")
    (wait,) = run.wait
    assert (wait.text, wait.state, wait.until) == ("wait idle 30m", "pending", after("40m"))
    assert wait.saw == "quiet for 12m of 30m, since 10:10"
    assert (run.now, run.wake, run.key) == ("waits in `wait idle 30m` until 10:40", after("40m"), "c1")


def test_what_happened_in_a_run_is_told_in_order() -> None:
    run = run_of(ANN, ADDED, at="2d")
    assert not run.active
    assert run.wake == 0
    assert texts(run) == [
        "entered, key c1",
        "wait idle: until 10:31",
        "sent the email cart_1",
        "wait until: until 2026-01-06 10:31",
        "wait until: time was up",
        "sent the email cart_2",
        "finished",
    ]
    assert run.now.startswith("finished, at ")


def test_a_wait_for_a_click_tells_that_none_has_come_since_it_began_and_when_time_is_up() -> None:
    run = run_of(ANN, ADDED, at="1h")
    click, time = run.wait
    assert (click.text, click.state) == ("email_clicked", "false")
    assert click.saw == "email_clicked has not come since the wait began"
    assert (time.text, time.state, time.until) == ("time is up", "pending", after("31m") + 86_400_000)


def test_an_exit_pattern_shows_why_another_order_did_not_end_the_run() -> None:
    bought = event("5m", "order_completed", cart_id="c2", total=9)
    run = run_of(
        ANN,
        ADDED,
        bought,
        at="10m",
        campaign=CART.replace("goal: {event: order_completed, within: 7d, value: total}\n", ""),
    )
    (exit_part,) = run.exits
    assert exit_part.state == "false"
    where = part_of(exit_part.parts, "cart_id = entry.cart_id")
    assert where.saw == 'cart_id is "c2", needs = entry.cart_id, which is "c1"'


def test_a_wait_for_a_condition_explains_the_condition() -> None:
    campaign = "entry: {event: product_added}\nsteps: [{wait: {when: 'count(product_viewed) >= 3', up_to: 1d}}, {send: {email: x}}]"
    story = (ANN, ADDED, event("2m", "product_viewed"), event("3m", "product_viewed"))
    condition, time = run_of(*story, at="10m", campaign=campaign).wait
    assert (condition.state, condition.saw) == ("false", "2 of 3 product_viewed from the entry on")
    assert time.until == after("1m") + 86_400_000


# --- messages ---------------------------------------------------------------------------------------------------------

POLICY = """
caps: [{limit: 1, per: 24h, topic: cart}]
cooldown: {topic: 12h}
quiet_hours: {from: "22:00", to: "08:00", tz: user, then: hold}
"""
AT_ONCE = "topic: cart\nentry: {event: product_added}\nsteps: [{send: {email: x}}]"


def checks(*entries: JournalEntry, at: str) -> dict[str, Part]:
    (send,) = Story(site_of(AT_ONCE, policy=POLICY), *entries).at(at).sends
    return {part.text: part for part in send.checks}


def test_every_check_that_fails_is_told_not_only_the_first() -> None:
    found = checks(ADDED, at="13h")
    assert {text: part.state for text, part in found.items()} == {
        "consent": "false",
        "address": "false",
        "suppression": "true",
        "cap 1 per 1d of cart": "true",
        "cooldown 12h of a topic": "true",
        "quiet hours 22:00 to 08:00": "pending",
    }
    assert found["consent"].saw == "user.consent.marketing is not known; the policy wants a yes"
    assert found["address"].saw == "user.email is not known"
    assert found["quiet hours 22:00 to 08:00"].until == after("22h")


def test_a_full_cap_is_pending_until_it_is_free() -> None:
    found = checks(ANN, ADDED, at="1h")
    cap, cooldown = found["cap 1 per 1d of cart"], found["cooldown 12h of a topic"]
    assert (cap.state, cap.until) == ("pending", after("1m") + 86_400_000)
    assert cap.saw == "the last went 59m ago, at 10:01; free again at 2026-01-06 10:01"
    assert (cooldown.state, cooldown.until) == ("pending", after("12h1m"))


def test_a_full_cap_of_the_send_itself_is_told_with_when_it_is_free_and_holds_nothing_back() -> None:
    text = "topic: cart\nentry: {event: product_added}\nsteps: [{send: {email: x, cap: {limit: 1, per: 24h}}}]"
    (send,) = Story(site_of(text), ANN, ADDED).at("1h").sends
    cap = next(part for part in send.checks if part.text == "cap 1 per 1d of the send")
    assert (cap.state, cap.until) == ("false", after("1m") + 86_400_000)
    assert cap.saw == "the last was decided 59m ago, at 10:01; free again at 2026-01-06 10:01"
    assert send.state == "false"


def test_a_row_that_was_capped_says_by_which_cap() -> None:
    text = "cap: {limit: 1, per: day}\nentry: {event: product_added}\nsteps: [{send: {email: x}}, {send: {email: y}}]"
    assert texts(run_of(ANN, ADDED, at="1h", campaign=text)) == [
        "entered",
        "sent the email x",
        "send y skipped: a cap was full (campaign: 1 per day)",
        "finished",
    ]
    left = event("30s", "identify", consent={"marketing": False})
    without = text.replace("cap:", "purpose: transactional\ncap:").replace(
        "{email: y}", "{email: y, purpose: marketing}"
    )
    assert texts(run_of(ANN, left, ADDED, at="1h", campaign=without))[2] == (
        "send y skipped: no consent; also a cap was full (campaign: 1 per day)"
    )


def test_a_message_that_only_time_stands_against_is_pending_until_the_last_of_its_checks() -> None:
    (send,) = (
        Story(
            site_of(AT_ONCE, policy=POLICY),
            ANN,
            ADDED,
        )
        .at("1h")
        .sends
    )
    assert (send.state, send.until) == ("pending", after("1m") + 86_400_000)


def test_a_message_that_is_held_says_since_when_and_until_when() -> None:
    run = run_of(ANN, event("12h10m", "product_added", product_id="A"), at="13h", campaign=AT_ONCE, policy=POLICY)
    assert run.now == "holds `send x` since 22:10; tries again at 2026-01-06 08:00"


def test_who_is_held_out_is_told_so() -> None:
    campaign = "entry: {event: product_added}\nholdout: 100%\nsteps: [{send: {email: x}}]"
    (send,) = Story(site_of(campaign), ANN).at("1m").sends
    assert part_of(send.checks, "holdout").state == "false"


def test_a_sum_in_a_run_tells_of_how_many_events_it_is_the_event_that_began_the_run_included() -> None:
    campaign = "entry: {event: product_added}\nsteps: [{wait: {when: 'sum(product_added.price) > 90', up_to: 1d}}, {send: {email: x}}]"
    first, second = (event(at, "product_added", price=40) for at in ("0s", "2m"))
    condition, _ = run_of(ANN, first, second, at="10m", campaign=campaign).wait
    assert condition.saw == "sum(product_added.price) is 80, needs > 90, of 2 events from the entry on"


def test_a_goal_that_was_reached_while_the_run_goes_on_is_told() -> None:
    campaign = "entry: {event: asked}\ngoal: {event: bought, within: 7d, continue: true}\nsteps: [{wait: {for: 1d}}, {send: {email: x}}]"
    asked, bought = event("0s", "asked"), event("2m", "bought")
    (before,) = run_of(ANN, asked, bought, at="1m", campaign=campaign).goal
    (after_it,) = run_of(ANN, asked, bought, at="10m", campaign=campaign).goal
    assert (before.text, before.state) == ("bought", "false")
    assert after_it == Part(text="goal", state="true", saw="it was reached")
