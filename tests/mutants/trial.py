"""One mutant before the tests that could notice it, in a copy of the tree: the checkout itself is never changed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.mutants.mutate import Mutant

ROOT: Final = Path(__file__).parent.parent.parent
NOT_COPIED: Final = shutil.ignore_patterns(".venv", ".git", ".hypothesis", ".*_cache", "results", "mutants-map")
PYTEST: Final = (
    sys.executable,
    "-m",
    "pytest",
    "-p",
    "tests.mutants.plugin",
    "-p",
    "no:cacheprovider",
    "-m",
    "not slow",
)
TEST_SECONDS_MAX: Final = 30
"""Of one test; the slowest takes two. Who takes longer hangs, and what makes a test hang is noticed."""
TRIAL_SECONDS_MIN: Final = 120
SLOWER: Final = 6
"""How much longer than when they were mapped tests may take, all together."""


@dataclass(frozen=True)
class Map:
    """Which tests enter what, and how long each takes."""

    seconds: dict[str, float]
    of_function: dict[tuple[str, int], set[str]]
    of_file: dict[str, set[str]]

    def tests_for(self, mutant: Mutant) -> list[str]:
        """Those that enter the function, the fastest first, then the others that enter its file: what one test
        computed, another may have found in a cache when the map was made."""
        near = self.of_function.get((mutant.path, mutant.function), set())
        far = self.of_file.get(mutant.path, set()) - near
        return [test for some in (near, far) for test in sorted(some, key=lambda one: (self.seconds[one], one))]


def copied(tree: Path, folder: Path) -> Path:
    return Path(shutil.copytree(tree, folder, ignore=NOT_COPIED))


def mapped(tree: Path, workers: int) -> Map:
    """Run the quick suite once, unchanged. Who fails is asked no more: it would notice every mutant."""
    notes = tree / "mutants-map"
    notes.mkdir()
    command = [*PYTEST, "-n", str(workers), "--dist", "worksteal", "--tb=line"]
    subprocess.run(command, cwd=tree, env={**_environment(tree), "MUTANTS_MAP": str(notes)}, stdout=subprocess.DEVNULL)
    made = Map({}, defaultdict(set), defaultdict(set))
    for file in notes.glob("gw*.json"):
        told = json.loads(file.read_text())
        places = [(path, line) for path, line in told["functions"]]
        for test, (seconds, entered) in told["tests"].items():
            made.seconds[test] = seconds
            for number in entered:
                made.of_function[places[number]].add(test)
                made.of_file[places[number][0]].add(test)
    if not made.seconds:
        raise SystemExit("no test passes without a mutant: see `make quick`")
    return made


def noticed(tree: Path, mutant: Mutant, made: Map) -> str | None:
    """The first test that fails on the mutant, or why it could not even run; None if all pass."""
    tests = made.tests_for(mutant)
    if not tests:
        return None
    file = tree / mutant.path
    source = file.read_text()
    try:
        file.write_text(mutant.applied(source))
        _forget_compiled(file)
        return _run(tree, tests, TRIAL_SECONDS_MIN + SLOWER * sum(made.seconds[test] for test in tests))
    finally:
        file.write_text(source)


def _run(tree: Path, tests: list[str], seconds_max: float) -> str | None:
    asked = tree / "mutants-tests"
    asked.write_text("\n".join(tests))
    files = sorted({test.partition("::")[0] for test in tests})
    command = [*PYTEST, "-n", "0", "-x", "--tb=no", "-rfE", f"--timeout={TEST_SECONDS_MAX}", *files]
    environment = {**_environment(tree), "MUTANTS_TESTS": str(asked), "PYTHONDONTWRITEBYTECODE": "1"}
    pytest = subprocess.Popen(
        command,
        cwd=tree,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        said, _ = pytest.communicate(timeout=seconds_max)
    except subprocess.TimeoutExpired:
        os.killpg(pytest.pid, signal.SIGKILL)
        pytest.communicate()
        return f"hangs for {seconds_max:.0f} s"
    if pytest.returncode == 5:
        raise RuntimeError(f"pytest found none of the tests it was asked for:\n{said}")
    if pytest.returncode == 0:
        return None
    failed = [line.split()[1] for line in said.splitlines() if line.startswith(("FAILED ", "ERROR "))]
    return failed[0] if failed else f"pytest ends with {pytest.returncode}"


def _forget_compiled(file: Path) -> None:
    """A mutant is often as long and as old, in whole seconds, as what it came from: Python would not see the change."""
    for compiled in (file.parent / "__pycache__").glob(f"{file.stem}.*.pyc"):
        compiled.unlink()


def _environment(tree: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "MUTANTS_"))}
    return {**kept, "PYTHONPATH": str(tree)}
