"""Rows of the ledger in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from actors.model.turn import Decision
from replay.explain import words
from replay.explain.model import ExplainedStep

REASONS: Final[Mapping[str, str]] = {
    "paused": "the campaign is paused",
    "condition": "its `if` did not hold",
    "audience": "not of its audience",
    "re_entry": "it was entered too recently",
    "concurrency": "there was a run already",
    "canary": "not among the users let in so far",
    "unproven": "only a page said it, without proof that it was the user",
    "no_consent": "no consent",
    "suppressed": "the address is suppressed",
    "no_address": "no usable address",
    "holdout": "held out, to measure what the campaign is worth",
    "capped": "a cap was full",
    "cooldown": "too soon after the last of its topic",
    "quiet_hours": "quiet hours",
    "expired": "too late to be worth sending",
    "render_error": "the template lacked a value",
    "shadow": "the campaign is in shadow: it decides and sends nothing",
    "goal": "its goal was reached",
    "exit_when": "an exit pattern matched",
    "unsubscribed": "the user unsubscribed",
    "erased": "the user was erased",
    "archived": "the campaign was archived",
    "joined": "the same person had an older run",
}

_detail = msgspec.json.Decoder(dict[str, Any]).decode


def reason_text(reason: str | None) -> str:
    return REASONS.get(reason or "", reason or "")


def in_words(row: Decision) -> ExplainedStep:
    """One row. Times of its own day are shown without their date."""
    return ExplainedStep(at=row.at, decision=row.decision, text=_text(row, _detail(row.detail)))


def _objection(reason: str | None, detail: Mapping[str, Any]) -> str:
    """With the cap that was full, if it was one of the campaign or of the send."""
    return reason_text(reason) + (f" ({detail['cap']})" if reason == "capped" and "cap" in detail else "")


def _text(row: Decision, detail: Mapping[str, Any]) -> str:
    until = detail.get("until")
    until_text = f" until {words.moment(until, row.at)}" if isinstance(until, int) else ""
    match row.decision:
        case "entered":
            return "entered" + (f", key {detail['key']}" if "key" in detail else "")
        case "not_entered":
            return f"not entered: {reason_text(row.reason)}"
        case "waiting":
            return f"{row.step}:{until_text or ' with no end of its own'}"
        case "matched":
            return f"{row.step}: it came"
        case "timed_out":
            return f"{row.step}: time was up"
        case "branched":
            return f"branch: case {detail.get('case')}"
        case "assigned":
            return f"assigned {row.variant} in {detail.get('experiment')}"
        case "sent":
            return f"sent the {row.channel} {row.template}"
        case "held" | "skipped":
            also = [_objection(one, detail) for one in detail.get("also", ()) if one != row.reason]
            more = f"; also {words.joined(also)}" if also else ""
            return f"{row.step} {row.decision}{until_text}: {_objection(row.reason, detail)}{more}"
        case "set":
            return f"set {words.joined([f'{name} to {words.value(value)}' for name, value in detail.items()])}"
        case "emitted":
            return f"told itself {detail['event']}" if "event" in detail else "an emit too many"
        case "goal":
            worth = f", worth {words.value(detail['value'])}" if "value" in detail else ""
            return f"goal reached: {detail.get('pattern', '')}{worth}"
        case "exited":
            pattern = f" ({detail['pattern']})" if "pattern" in detail else ""
            return f"exited: {reason_text(row.reason)}{pattern}"
        case "finished":
            return "finished"
