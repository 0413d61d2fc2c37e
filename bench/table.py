"""One figure beside its limit, and the table of all of them."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from rich import box
from rich.console import Console
from rich.table import Table


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    part: str
    """`a` to `j`, as in bench/README.md."""
    what: str
    disk: str = ""
    measured: str
    limit: str = ""
    """What it is measured against, in the same run."""
    ratio: float | None = None
    by_cpu: float | None = None
    """The same ratio from the processor time that the two servers used: for machines that others use too."""
    target: str = ""
    ok: bool | None = None
    """None: it is told for its own sake."""
    numbers: dict[str, float] = {}
    """What it was made of, for the file."""


def verdict(figure: Figure) -> str:
    return "" if figure.ok is None else "ok" if figure.ok else "missed"


def show(console: Console, figures: Sequence[Figure]) -> None:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("", "what", "disk"):
        table.add_column(name)
    for name in ("measured", "limit, same run", "ratio", "by CPU", "target"):
        table.add_column(name, justify="right")
    table.add_column("")
    last = ""
    for figure in figures:
        if last and figure.part != last:
            table.add_section()
        last = figure.part
        style = {True: "green", False: "bold red", None: "dim"}[figure.ok]
        table.add_row(
            f"({figure.part})",
            figure.what,
            figure.disk,
            figure.measured,
            figure.limit,
            _share(figure.ratio),
            _share(figure.by_cpu),
            figure.target,
            f"[{style}]{verdict(figure)}[/]",
            style="dim" if figure.ok is None else "",
        )
    console.print(table)


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def rate(value: float) -> str:
    return f"{value / 1000:,.1f}k/s" if value >= 1000 else f"{value:,.0f}/s"


def took(microseconds: float) -> str:
    return f"{microseconds:,.0f} µs" if microseconds < 10_000 else f"{microseconds / 1000:,.0f} ms"
