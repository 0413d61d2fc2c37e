"""Ledger rows in the words of somebody who runs a shop."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

from actors.model.reasons import ENDED, NOT_ENTERED, SKIPPED, ReasonWords
from actors.model.turn import Decision, detail_of, goal_value

Tone = Literal["", "good", "stop"]


def sentence(decision: Decision) -> str:
    """What was decided and why, in one sentence without a full stop: `Left: order_completed`."""
    return _SAYINGS[decision.decision](decision, detail_of(decision))


def tone(decision: Decision) -> Tone:
    """Whether a shop owner would be glad (`good`), should look (`stop`), or neither."""
    if decision.decision in ("sent", "goal"):
        return "good"
    return "stop" if decision.decision == "skipped" else ""


def words(reason: str | None, table: Mapping[str, ReasonWords]) -> str:
    """The plain words of a reason; itself if it is the campaign's own."""
    known = table.get(reason or "")
    return (reason or "").replace("_", " ") if known is None else known.shop


def _message(decision: Decision) -> str:
    channel = {"email": "e-mail", "push": "message in the page"}.get(decision.channel or "", "message")
    return f"{channel} “{decision.template}”" if decision.template else channel


def _for(reason: str | None) -> str:
    return f": {reason.replace('_', ' ')}" if reason else ""


def _exited(decision: Decision, detail: dict[str, Any]) -> str:
    reason = decision.reason or ""
    if reason == "exit_when":
        return f"Left: {detail.get('pattern', words(reason, ENDED))}"
    return f"Left: {words(reason, ENDED)}" if reason else "Left"


def _entered(decision: Decision, detail: dict[str, Any]) -> str:
    return f"Came into the campaign{_for(detail.get('key'))}"


def _waiting(decision: Decision, detail: dict[str, Any]) -> str:
    until = detail.get("until")
    again = f", looks again in {_spoken(until - decision.at)}" if isinstance(until, int) else ""
    what = decision.step.removeprefix("wait").strip()
    return f"Waits{_for(what or None)}{again}"


def _spoken(ms: int) -> str:
    """Rounded to its largest unit: `30 min`."""
    for unit, size in (("days", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1000)):
        if ms >= 2 * size:
            return f"{round(ms / size)} {unit}"
    return f"{max(0, ms)} ms"


def _goal(decision: Decision, detail: dict[str, Any]) -> str:
    worth = goal_value(decision)
    return f"Goal reached{_for(detail.get('pattern'))}{f', worth {worth:,.2f}' if worth else ''}"


def _skipped(decision: Decision, _: dict[str, Any]) -> str:
    return f"Did not send the {_message(decision)}: {words(decision.reason, SKIPPED)}"


_SAYINGS: Final[dict[str, Callable[[Decision, dict[str, Any]], str]]] = {
    "entered": _entered,
    "not_entered": lambda d, x: f"Did not enter: {words(d.reason, NOT_ENTERED)}",
    "waiting": _waiting,
    "matched": lambda d, x: "What it waited for has come",
    "timed_out": lambda d, x: "What it waited for did not come in time",
    "branched": lambda d, x: f"Chose way {x['case']} of “{d.step}”" if "case" in x else "Chose a way",
    "assigned": lambda d, x: f"Was given the variant{_for(d.variant)}",
    "sent": lambda d, x: f"Sends the {_message(d)}",
    "held": lambda d, x: f"Holds the {_message(d)}: {words(d.reason, SKIPPED)}",
    "skipped": _skipped,
    "set": lambda d, x: f"Noted {', '.join(map(str, x)) or 'a trait'}",
    "emitted": lambda d, x: f"Said “{x.get('event', 'an event')}”",
    "goal": _goal,
    "exited": _exited,
    "finished": lambda d, x: "Came to the end",
}
