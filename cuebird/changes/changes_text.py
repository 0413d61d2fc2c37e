"""Changes of a site as a person reads them: in `apply` before they are made, in `history` after."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rich.console import Console
from rich.text import Text

from actors.model.campaign_change import CampaignChange
from replay.ledger import iso

_KINDS = {
    "added": "is new",
    "changed": "does something else",
    "status": "is for others than before",
    "reworded": "does what it did; only its text is another",
    "removed": "is gone; runs that are in it finish in their version",
}

_FILES = {"added": "is new", "changed": "is changed", "removed": "is gone"}


def lines(change: CampaignChange, active: Mapping[str, int] | None = None) -> Iterator[Text]:
    """`active`: runs in it now, by version."""
    yield _head(change)
    if change.why and change.campaign:
        yield Text(f"  why: {change.why}")
    if change.said:
        yield Text(f"  said of the change: {change.said}")
    if change.is_unexplained and not change.said:
        yield Text("  nobody said why: its `why` is the old one", "bold red")
    if change.figures:
        yield Text(f"  before it: {figures(change.figures)}")
    if active is not None and change.kind != "added" and change.campaign:
        yield Text(f"  {_affected(change, active)}")
    if change.kind in ("changed", "status"):
        for line in change.meaning:
            yield Text(f"    {line}", _colour(line))
    if change.diff and change.kind != "added":  # what is new is in its file, all of it
        for line in change.diff.splitlines():
            yield Text(f"  {line}", _colour(line))


def show(console: Console, told: Iterator[Text]) -> None:
    for line in told:
        console.print(line, soft_wrap=True)


def console() -> Console:
    """Colour only for a terminal, and not where NO_COLOR is set."""
    return Console(highlight=False, soft_wrap=True)


def figures(found: Mapping[str, float]) -> str:
    """`12 entered, 9 sent, 3 clicked, 2 goals worth 180.00`."""
    told = [f"{found.get(name, 0):,.0f} {name}" for name in ("entered", "sent", "clicked")]
    goals = found.get("goals", 0)
    worth = f" worth {found['value']:,.2f}" if found.get("value") else ""
    return ", ".join([*told, f"{goals:,.0f} {'goal' if goals == 1 else 'goals'}{worth}"])


def day(at: int) -> str:
    return iso(at)[:19].replace("T", " ") + " UTC"


def _head(change: CampaignChange) -> Text:
    if not change.campaign:
        return Text(f"{change.file} {_FILES.get(change.kind, change.kind)}", "bold")
    versions = " -> ".join(version for version in (change.before, change.version) if version)
    status = f", {change.status}" if change.status and change.status != "live" else ""
    return Text(f"{change.campaign} {_KINDS[change.kind]} ({versions}{status})", "bold")


def _affected(change: CampaignChange, active: Mapping[str, int]) -> str:
    if not active:
        return "nobody is in it now"
    total = sum(active.values())
    split = ", ".join(f"{count:,} in {version}" for version, count in sorted(active.items()))
    end = "end at their next move" if change.status == "archived" else "finish in the version they entered with"
    return f"{total:,} {'run is' if total == 1 else 'runs are'} in it now ({split}); they {end}"


def _colour(line: str) -> str:
    if line.startswith("+") and not line.startswith("+++"):
        return "green"
    return "red" if line.startswith("-") and not line.startswith("---") else "dim"
