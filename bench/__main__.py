"""`python -m bench`: the canonical workload, every figure beside its limit measured in the same run."""

from __future__ import annotations

import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter

import click
import msgspec
from rich.console import Console
from rich.markup import escape

from bench import disk
from bench.machine import Machine, load_average, machine
from bench.parts import PARTS
from bench.processes import ChildFailed
from bench.sampler import Profile
from bench.setting import Bench, Mode
from bench.table import Figure, show
from bench.ways_in import WAYS_IN, ways_in

RESULTS = Path(__file__).parent / "results"
ALL = (*WAYS_IN, *PARTS)


def _parts(context: click.Context, parameter: click.Parameter, told: str) -> str:
    wrong = [part for part in told.split(",") if part not in ALL]
    if wrong:
        raise click.BadParameter(f"{', '.join(wrong)} is none of {', '.join(ALL)}")
    return told


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--only", default=",".join(ALL), callback=_parts, help="Some of the parts.")
@click.option("--quick", is_flag=True, help="Shorter and smaller: for a look, not for publishing.")
@click.option("--fsync-ms", default=1.0, help="What the second disk adds to each flush; 0: measure this disk alone.")
@click.option("--profile", is_flag=True, help="Where the server's time goes in (a), (b), (c): top 30 by own time.")
def main(only: str, quick: bool, fsync_ms: float, profile: bool) -> None:
    """Measure, print one table, write bench/results/DATE.json."""
    # Output that is no terminal is wide enough for a row a line.
    console = Console(highlight=False, width=None if Console().is_terminal else 170)
    RESULTS.mkdir(exist_ok=True)
    # On the disk of the checkout: /tmp is memory on many machines, and there a flush costs nothing.
    folder = Path(tempfile.mkdtemp(prefix="run-", dir=RESULTS))
    try:
        bench = Bench(folder=folder, modes=_modes(folder, fsync_ms), quick=quick, profile=profile)
        load = load_average()
        figures, took = _measure(console, bench, only.split(","))
        on = machine(load, {mode.name: _flush_us(folder, mode) for mode in bench.modes})
    except disk.NoCompiler as error:
        raise click.ClickException(f"{error}, or run with --fsync-ms 0") from None
    except ChildFailed as error:
        raise click.ClickException(str(error)) from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    show(console, figures)
    _tell(console, on, bench.notes, took)
    for part, found in bench.profiles.items():
        _show_profile(console, part, found)
    _write(console, on, figures, bench)


def _modes(folder: Path, fsync_ms: float) -> list[Mode]:
    modes = [Mode("as it is", {})]
    if fsync_ms:
        library = disk.slow_library(folder)
        modes.append(Mode(f"+{fsync_ms:g} ms", disk.slowed(library, fsync_ms)))
    return modes


def _flush_us(folder: Path, mode: Mode) -> float:
    """The least of several: others on the machine can only lengthen it."""
    return min(disk.measure(folder, 0.2, mode.environment).fdatasync_us for _ in range(3))


def _measure(console: Console, bench: Bench, parts: list[str]) -> tuple[list[Figure], float]:
    figures: list[Figure] = []
    started = perf_counter()
    with console.status("") as status:
        if events := "".join(part for part in WAYS_IN if part in parts):
            status.update(f"({events}) events over WebSockets")
            figures.extend(ways_in(bench, events))
        for part in PARTS:
            if part in parts:
                status.update(str(PARTS[part].__doc__))
                figures.extend(PARTS[part](bench))
    # Stable: within a part the order stays, one disk after the other.
    return sorted(figures, key=lambda figure: figure.part), perf_counter() - started


def _tell(console: Console, on: Machine, notes: list[str], took: float) -> None:
    flushes = ", ".join(f"{name} {us:,.0f} µs" for name, us in on.fdatasync_us.items())
    libraries = ", ".join(f"{name} {told}" for name, told in on.libraries.items())
    console.print(
        f"{on.processor}, {on.cores} cores (server on one, load generator on the other), load average {on.load:.2f} at the "
        f"start; fdatasync p50: {flushes}; Python {on.python}, SQLite {on.sqlite}, {libraries}. Took {took:.0f} s."
    )
    for note in notes:
        console.print(f"[yellow]note[/] {escape(note)}")


def _show_profile(console: Console, part: str, found: Profile) -> None:
    folders = ", ".join(f"{name} {share:.0%}" for name, share in found.folders.items() if share >= 0.01)
    console.print(f"\n({part}) {found.seconds:.1f} s of CPU, {found.other_threads:.0%} in SQLite's threads; {folders}")
    for line in found.lines:
        console.print(f"{line.own:6.1%} own {line.total:6.1%} with calls  {escape(line.function)}")


def _write(console: Console, on: Machine, figures: list[Figure], bench: Bench) -> None:
    now = datetime.now(UTC)
    path = RESULTS / f"{now:%Y-%m-%dT%H%M%SZ}.json"
    content = {
        "at": now.isoformat(timespec="seconds"),
        "quick": bench.quick,
        "machine": on,
        "figures": figures,
        "notes": bench.notes,
        "profiles": bench.profiles,
    }
    path.write_bytes(msgspec.json.format(msgspec.json.encode(content), indent=2))
    console.print(f"written to {path.relative_to(RESULTS.parent.parent)}")


if __name__ == "__main__":
    main()
