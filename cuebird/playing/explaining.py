"""An explanation on paper: for the one who runs the shop, in colour where there is any."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec
from rich.console import Console
from rich.text import Text

from replay.explain import words
from replay.explain.model import CampaignView, Explanation, Part, RunView, SendView
from replay.ledger import iso

_MARKS: Final = {"true": ("✓", "green"), "false": ("✗", "red"), "pending": ("…", "yellow")}

INDENT: Final = 2
STEPS_SHOWN_MAX: Final = 30


def printed(explanation: Explanation, console: Console, *, whole: bool) -> None:
    """`whole`: every part of it; else a sentence and what would make it fire for each campaign."""
    now = explanation.at
    console.print(Text.assemble((explanation.user, "bold"), f", at {iso(now)[:19].replace('T', ' ')} UTC"))
    for note in explanation.notes:
        console.print(Text(note, "yellow"))
    for view in explanation.campaigns:
        console.print()
        for line in _whole(view, now) if whole else _short(view):
            line.print(console)


class ExplainedLine(msgspec.Struct, frozen=True):
    """One line, so deep; what does not fit goes on beneath it, as deep."""

    depth: int
    text: Text

    def print(self, console: Console) -> None:
        indent = self.depth * INDENT
        for piece in self.text.wrap(console, max(20, console.width - indent)):
            piece.rstrip()
            console.print(Text(" " * indent).append_text(piece))


def _short(view: CampaignView) -> Iterator[ExplainedLine]:
    yield _title(view)
    yield _line(1, view.says)
    for witness in view.witnesses:
        yield _line(1, f"→ {witness.text}", "cyan")


def _title(view: CampaignView) -> ExplainedLine:
    status = "" if view.status == "live" else f" ({view.status})"
    return ExplainedLine(0, Text.assemble((view.campaign, "bold"), status, "  ", (view.why.strip(), "dim")))


def _whole(view: CampaignView, now: int) -> Iterator[ExplainedLine]:
    yield _title(view)
    yield _line(1, view.says)
    if view.entry:
        yield from _section("How one comes in" + (" (any of them)" if len(view.entry) > 1 else ""))
        yield from _parts(view.entry, 2, now)
    if view.rules:
        yield from _section("The rules, if that came now")
        yield from _parts(view.rules, 2, now)
    for run in view.runs:
        yield from _run(run, now)
    if view.sends:
        yield from _section("Its messages, if they were due now")
        yield from _sends(view.sends, now)
    if view.refused:
        yield from _section("Refused lately")
        for step in view.refused:
            yield _line(2, f"{words.moment(step.at, now)}  {step.text}")
    yield from _section("What would make it fire")
    if not view.witnesses:
        yield _line(2, "nothing short was found", "dim")
    for witness in view.witnesses:
        yield _line(2, f"→ {witness.text}", "cyan")


def _section(title: str) -> Iterator[ExplainedLine]:
    yield _line(1, title, "bold")


def _run(run: RunView, now: int) -> Iterator[ExplainedLine]:
    key = f", {run.key}" if run.key else ""
    variant = f", variant {run.variant}" if run.variant else ""
    kind = "In it since" if run.active else "Was in it from"
    yield from _section(f"{kind} {words.moment(run.entered, now)}{key}{variant}")
    if run.active:
        yield _line(2, run.now)
    for step in run.happened[-STEPS_SHOWN_MAX:]:
        yield _line(2, f"{words.moment(step.at, now)}  {step.text}", "dim")
    for title, parts in (("waits for", run.wait), ("ends if", run.exits), ("goal", run.goal)):
        if parts:
            yield _line(2, title)
            yield from _parts(parts, 3, now)
    if run.sends:
        yield _line(2, "messages to come, if they were due now")
        yield from _sends(run.sends, now, 3)


def _sends(sends: Iterable[SendView], now: int, depth: int = 2) -> Iterator[ExplainedLine]:
    for send in sends:
        yield _marked(depth, send.state, f"{send.step} by {send.channel}", _until(send.state, send.until, now))
        yield from _parts([check for check in send.checks if check.state != "true"], depth + 1, now)
        fine = [check.text for check in send.checks if check.state == "true"]
        if fine:
            yield _line(depth + 1, f"✓ {words.joined(fine)}", "dim")


def _parts(parts: Iterable[Part], depth: int, now: int) -> Iterator[ExplainedLine]:
    for part in parts:
        yield _marked(depth, part.state, part.text, _until(part.state, part.until, now), part.saw)
        if part.nearest:
            yield _line(depth + 1, f"nearest: {part.nearest}", "dim")
        for partial in part.partials:
            taken = words.joined(list(partial.taken))
            text = f"begun: {taken}; waits for {partial.waits_for} until {words.moment(partial.until, now)}"
            yield _line(depth + 1, text, "dim")
        yield from _parts(part.parts, depth + 1, now)


def _until(state: str, until: int, now: int) -> str:
    if not until:
        return ""
    return f"{'pending' if state == 'pending' else state} until {words.moment(until, now)}"


def _marked(depth: int, state: str, text: str, until: str, saw: str = "") -> ExplainedLine:
    mark, colour = _MARKS[state]
    line = Text.assemble((mark, colour), " ", text)
    if until:
        line.append(f"  {until}", colour)
    if saw:
        line.append(f"  {saw}", "dim")
    return ExplainedLine(depth, line)


def _line(depth: int, text: str, style: str = "") -> ExplainedLine:
    return ExplainedLine(depth, Text(text, style))
