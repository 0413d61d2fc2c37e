"""The import table of the design (ARCHITECTURE.md), held by a test."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

OURS = (
    "actors",
    "templating",
    "language",
    "replay",
    "engine",
    "persistence",
    "ingress",
    "delivery",
    "analytics",
    "cuebird",
    "tests",
    "bench",
)

MAY_IMPORT: dict[str, tuple[str, ...]] = {
    "actors": (),
    "templating": ("actors.values",),
    "language": ("actors", "templating"),
    "replay": ("actors", "language", "persistence.interface", "persistence.program_periods"),
    "engine": ("actors", "persistence.interface", "persistence.program_periods"),
    "persistence": ("actors",),
    "ingress": ("actors", "engine.submit", "analytics"),
    "delivery": ("actors", "templating", "persistence.interface", "engine.submit"),
    "analytics": ("actors", "persistence.interface"),
}
"""Beside itself. `cuebird`, `tests` and `bench` may import everything; nothing imports `tests` or `bench`."""

IMPURE = {
    "asyncio",
    "time",
    "random",
    "uuid",
    "os",
    "logging",
    "sqlite3",
    "socket",
    "threading",
    "subprocess",
    "secrets",
}

CLOCK_READERS = {"engine/clock.py"}

FOR_TYPES_ALONE = {
    ("actors.model.scope", "actors.model.program"),
    ("language.compiler.code", "language.compiler.compile"),
    ("language.syntax.calls", "language.syntax.build"),
}
"""Who looks back at whoever imports it, under TYPE_CHECKING. These may become fewer, not more."""


def modules_of(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


@cache
def nodes_of(path: Path) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(ast.parse(path.read_text())))


def imports_of(path: Path) -> list[str]:
    names = []
    for node in nodes_of(path):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return names


@pytest.mark.parametrize("folder", MAY_IMPORT)
def test_each_folder_imports_only_what_the_table_allows(folder: str) -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in modules_of(folder)
        for name in imports_of(path)
        if name.split(".")[0] in OURS
        and not any(name == allowed or name.startswith(allowed + ".") for allowed in (folder, *MAY_IMPORT[folder]))
    ]
    assert wrong == []


def name_of(path: Path) -> str:
    """`engine/intake.py` is `engine.intake`, and `engine/__init__.py` is `engine`."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@cache
def looks() -> frozenset[tuple[Path, Path]]:
    """Which file imports which, wherever in it and for whatever purpose."""
    paths = {name_of(path): path for folder in (*MAY_IMPORT, "cuebird") for path in modules_of(folder)}
    return frozenset(
        (path, found)
        for path in paths.values()
        for name in imports_of(path)
        if (found := paths.get(name) or paths.get(name.rpartition(".")[0])) and found != path
    )


def test_no_files_import_each_other_in_a_circle() -> None:
    """CycleError names the files, each imported by the next."""
    graph: defaultdict[str, set[str]] = defaultdict(set)
    for path, found in looks():
        if (edge := (name_of(path), name_of(found))) not in FOR_TYPES_ALONE:
            graph[edge[0]].add(edge[1])
    assert len(graph) > 200
    TopologicalSorter(graph).prepare()


def test_no_folders_import_each_other_in_a_circle() -> None:
    """A folder is the files that lie in it itself; those of `cuebird/` are its entrances, and nothing below needs them."""
    graph: defaultdict[str, set[str]] = defaultdict(set)
    for path, found in looks():
        if path.parent != found.parent:
            graph[str(path.parent.relative_to(ROOT))].add(str(found.parent.relative_to(ROOT)))
    assert len(graph) > 25
    TopologicalSorter(graph).prepare()


def test_an_actor_can_do_no_io_and_read_no_clock() -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in modules_of("actors")
        for name in imports_of(path)
        if name.split(".")[0] in IMPURE
    ]
    wrong += [
        f"{path.relative_to(ROOT)}:{node.lineno} reads a clock"
        for path in modules_of("actors")
        for node in nodes_of(path)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id in {"datetime", "date"}
        and node.attr in {"now", "utcnow", "today"}
    ]
    assert wrong == []


def test_only_the_clock_reads_the_time() -> None:
    """Everything else is given `now_ms`; `perf_counter` and `monotonic` measure durations and decide nothing."""
    wrong = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for folder in MAY_IMPORT
        for path in modules_of(folder)
        if str(path.relative_to(ROOT)) not in CLOCK_READERS
        for node in nodes_of(path)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and (node.value.id, node.attr)
        in {("time", "time"), ("time", "time_ns"), ("datetime", "now"), ("datetime", "utcnow")}
    ]
    assert wrong == []


def test_nobody_imports_the_tests_or_the_bench() -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for folder in (*MAY_IMPORT, "cuebird")
        for path in modules_of(folder)
        for name in imports_of(path)
        if name.split(".")[0] in {"tests", "bench"}
    ]
    assert wrong == []


def test_only_the_demo_has_an_inbox_of_its_own() -> None:
    """Nobody who serves a site loads a server of mail."""
    found = {
        str(path.relative_to(ROOT))
        for folder in (*MAY_IMPORT, "cuebird")
        for path in modules_of(folder)
        if any(name.split(".")[0] == "aiosmtpd" for name in imports_of(path))
    }
    assert found == {"cuebird/demo/catcher.py"}


def test_the_table_of_the_architecture_is_this_one() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    table = dict(re.findall(r"^\| `(\w+)/` \|.*\| ([^|]+) \|$", text, re.MULTILINE))
    told = {folder: tuple(re.findall(r"`([\w.]+)`", may)) for folder, may in table.items() if folder in MAY_IMPORT}
    assert told == MAY_IMPORT
    assert table["actors"] == "nothing of ours"
    assert table["cuebird"] == "everything"


def test_the_rooms_stand_on_each_other_in_the_order_of_the_table() -> None:
    """CycleError names the rooms."""
    TopologicalSorter(
        {folder: {allowed.split(".")[0] for allowed in may} for folder, may in MAY_IMPORT.items()}
    ).prepare()
