"""The import table of the design (ARCHITECTURE.md), held by a test."""

from __future__ import annotations

import ast
from functools import cache
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
