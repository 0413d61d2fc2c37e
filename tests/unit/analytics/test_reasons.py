"""Ledger rows in a shop owner's words."""

from __future__ import annotations

from typing import get_args

import pytest

from actors.model.reasons import SKIPPED
from actors.model.turn import Decision, DecisionKind, goal_value
from analytics.figures import Figures
from analytics.reasons import sentence, tone
from cuebird.playing.campaign_counts import CampaignCounts
from replay.backtest.side import Side


def row(decision: DecisionKind, **more: object) -> Decision:
    fields = {"at": 0, "user": "ann", "turn": 1, "index": 0, "campaign": "c", "version": "v", "decision": decision}
    return Decision(**{**fields, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", get_args(DecisionKind))
def test_every_kind_of_decision_has_words(kind: DecisionKind) -> None:
    assert sentence(row(kind))


@pytest.mark.parametrize(
    ("decision", "words"),
    [
        (row("sent", channel="email", template="cart"), "Sends the e-mail “cart”"),
        (
            row("skipped", reason="no_consent", channel="email", template="cart"),
            "Did not send the e-mail “cart”: they have not said yes to such letters",
        ),
        (row("exited", reason="exit_when", detail=b'{"pattern":"signed_out"}'), "Left: signed_out"),
        (row("exited", reason="cart emptied"), "Left: cart emptied"),
        (row("exited", reason="goal"), "Left: it reached its goal"),
        (row("goal", detail=b'{"pattern":"order_completed","value":89}'), "Goal reached: order completed, worth 89.00"),
        (row("waiting", step="wait idle 30m"), "Waits: idle 30m"),
        (row("waiting", step="wait"), "Waits"),
        (row("waiting", step="wait idle", detail=b'{"until":1800000}'), "Waits: idle, looks again in 30 min"),
        (row("waiting", step="wait for", detail=b'{"until":172800000}'), "Waits: for, looks again in 2 days"),
        (row("waiting", step="wait for", detail=b'{"until":900}'), "Waits: for, looks again in 900 ms"),
        (row("branched", step="branch", detail=b'{"case":1}'), "Chose way 1 of “branch”"),
        (row("entered", detail=b'{"key":"c7"}'), "Came into the campaign: c7"),
        (row("not_entered", reason="condition"), "Did not enter: its condition did not hold"),
        (row("entered", detail=b"not json"), "Came into the campaign"),
    ],
)
def test_a_decision_reads_as_a_sentence(decision: Decision, words: str) -> None:
    assert sentence(decision) == words


def test_a_reason_that_is_new_to_us_is_shown_as_it_is() -> None:
    assert sentence(row("skipped", reason="moon_phase")).endswith("moon phase")


def test_what_was_not_sent_stands_out() -> None:
    assert [tone(row(kind)) for kind in ("sent", "goal", "skipped", "waiting")] == ["good", "good", "stop", ""]


@pytest.mark.parametrize(("detail", "value"), [(b'{"value":12.5}', 12.5), (b'{"value":true}', 0), (b"[]", 0)])
def test_only_a_number_is_worth_something(detail: bytes, value: float) -> None:
    assert goal_value(row("goal", detail=detail)) == value


def test_the_reasons_are_those_of_the_language() -> None:
    assert set(SKIPPED) == {
        *("no_consent", "suppressed", "no_address", "audience", "holdout", "capped", "cooldown", "quiet_hours"),
        *("expired", "render_error", "shadow", "unproven"),
    }


def test_whoever_counts_goals_counts_the_same_worth() -> None:
    """The dashboard, a simulation and a backtest: what is no number is worth nothing to any of them."""
    rows = [
        row("goal", turn=turn, run=f"r{turn}", detail=detail)
        for turn, detail in enumerate(
            [b'{"value":12.5}', b'{"value":true}', b'{"value":"7"}', b'{"value":null}', b"{}"]
        )
    ]
    figures, counts, side = Figures(), CampaignCounts(), Side(0)
    figures.count(rows)
    counts.count(rows)
    side.see(rows)
    (shown,) = figures.campaigns()
    total = side.total("c")
    assert [(shown.goals, shown.value), (counts.of("c").goals, counts.of("c").value), (total.goals, total.value)] == [
        (5, 12.5)
    ] * 3


@pytest.mark.parametrize("reason", ["joined", "archived", "goal", "unsubscribed"])
def test_why_somebody_left_is_said_in_words(reason: str) -> None:
    assert sentence(row("exited", reason=reason)) != f"Left: {reason}"


def test_the_campaigns_own_word_for_an_exit_stands_for_itself() -> None:
    assert sentence(row("exited", reason="lost_interest")) == "Left: lost interest"
