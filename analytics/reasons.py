"""Ledger rows in the words of somebody who runs a shop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Literal

import msgspec

from actors.model.turn import Decision

Tone = Literal["", "good", "stop"]

SKIPPED: Final = {
    "no_consent": "they have not said yes to such letters",
    "unproven": "only a page said what it answers, without proof that it was them",
    "suppressed": "the address bounced or complained before",
    "no_address": "no address is known",
    "audience": "they are no longer in the audience",
    "holdout": "they are in the group that gets nothing, for comparison",
    "capped": "they had enough messages lately",
    "cooldown": "they had one of these a short while ago",
    "quiet_hours": "it is the middle of their night",
    "expired": "it came too late to be worth sending",
    "render_error": "the template could not be filled in",
    "shadow": "the campaign runs in shadow: it decides and sends nothing",
}
"""The closed list of language.md §6."""

NOT_ENTERED: Final = {
    "paused": "the campaign is paused",
    "condition": "its condition did not hold",
    "audience": "they are not in its audience",
    "re_entry": "they were in it too recently",
    "concurrency": "they are in it already",
    "canary": "they are not among the share that tries it first",
    "unproven": "only a page said it, without proof that it was them",
}

EXITED: Final = {
    "goal": "it reached its goal",
    "unsubscribed": "they unsubscribed",
    "erased": "their data was erased",
    "archived": "the campaign was archived",
}


def sentence(decision: Decision) -> str:
    """What was decided and why, in one sentence without a full stop: `Left: order_completed`."""
    return _SAYINGS[decision.decision](decision, _detail(decision))


def tone(decision: Decision) -> Tone:
    """Whether a shop owner would be glad (`good`), should look (`stop`), or neither."""
    if decision.decision in ("sent", "goal"):
        return "good"
    return "stop" if decision.decision == "skipped" else ""


def value_of(decision: Decision) -> float:
    """What a goal was worth, 0 if it tells no value."""
    value = _detail(decision).get("value")
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0.0


def words(reason: str, table: dict[str, str]) -> str:
    """The plain words of a reason, itself if there are none."""
    return table.get(reason, reason.replace("_", " "))


def _detail(decision: Decision) -> dict[str, Any]:
    try:
        detail = msgspec.json.decode(decision.detail)
    except msgspec.MsgspecError:
        return {}
    return detail if isinstance(detail, dict) else {}


def _message(decision: Decision) -> str:
    channel = {"email": "e-mail", "push": "message in the page"}.get(decision.channel or "", "message")
    return f"{channel} “{decision.template}”" if decision.template else channel


def _for(reason: str | None) -> str:
    return f": {reason.replace('_', ' ')}" if reason else ""


def _exited(decision: Decision, detail: dict[str, Any]) -> str:
    reason = decision.reason or ""
    if reason == "exit_when":
        return f"Left: {detail.get('pattern', 'an exit condition came true')}"
    return f"Left: {words(reason, EXITED)}" if reason else "Left"


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
    worth = value_of(decision)
    return f"Goal reached{_for(detail.get('pattern'))}{f', worth {worth:,.2f}' if worth else ''}"


def _skipped(decision: Decision, _: dict[str, Any]) -> str:
    return f"Did not send the {_message(decision)}: {words(decision.reason or '', SKIPPED)}"


_SAYINGS: Final[dict[str, Callable[[Decision, dict[str, Any]], str]]] = {
    "entered": _entered,
    "not_entered": lambda d, x: f"Did not enter: {words(d.reason or '', NOT_ENTERED)}",
    "waiting": _waiting,
    "matched": lambda d, x: "What it waited for has come",
    "timed_out": lambda d, x: "What it waited for did not come in time",
    "branched": lambda d, x: f"Chose way {x['case']} of “{d.step}”" if "case" in x else "Chose a way",
    "assigned": lambda d, x: f"Was given the variant{_for(d.variant)}",
    "sent": lambda d, x: f"Sends the {_message(d)}",
    "held": lambda d, x: f"Holds the {_message(d)}: {words(d.reason or '', SKIPPED)}",
    "skipped": _skipped,
    "set": lambda d, x: f"Noted {', '.join(map(str, x)) or 'a trait'}",
    "emitted": lambda d, x: f"Said “{x.get('event', 'an event')}”",
    "goal": _goal,
    "exited": _exited,
    "finished": lambda d, x: "Came to the end",
}
