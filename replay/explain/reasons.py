"""Rows of the ledger in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from actors.model.reasons import REASONS
from actors.model.turn import Decision, detail_of
from replay.explain import words
from replay.explain.model import ExplainedStep


def reason_text(reason: str | None) -> str:
    """Its words; itself if it is the campaign's own."""
    known = REASONS.get(reason or "")
    return reason or "" if known is None else known.explained


def in_words(row: Decision) -> ExplainedStep:
    """One row. Times of its own day are shown without their date."""
    return ExplainedStep(at=row.at, decision=row.decision, text=_text(row, detail_of(row)))


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
