"""Which Python `make` sets up with: whatever the machine has that is new enough, and clear words where there is none."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


class Machine:
    """A PATH with nothing on it but what a test puts there."""

    def __init__(self, folder: Path) -> None:
        self.bin = folder

    def has(self, name: str, script: str) -> str:
        path = self.bin / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return str(path)

    def has_this_python(self, name: str) -> str:
        return self.has(name, f'exec {sys.executable} "$@"')

    def has_python(self, name: str, version: tuple[int, int, int], *, venv: bool = True) -> str:
        """One that answers as that version does."""
        old = version < (3, 11, 0)
        told = ".".join(map(str, version))
        return self.has(
            name,
            f'case "$2" in *print*) echo {told} ;; *sys.exit*) exit {int(old)} ;; *ensurepip*) exit {int(not venv)} ;; esac',
        )

    def find(self, *wanted: str) -> subprocess.CompletedProcess[str]:
        command = ["/bin/sh", str(ROOT / ".ci/find-python"), *wanted]
        return subprocess.run(command, env={"PATH": str(self.bin)}, capture_output=True, text=True, check=False)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_machine_with_a_newer_python_alone_is_enough(machine: Machine) -> None:
    path = machine.has_python("python3.13", (3, 13, 0))
    found = machine.find()
    assert (found.returncode, found.stdout.strip()) == (0, path)


def test_plain_python3_is_taken_if_it_is_new_enough(machine: Machine) -> None:
    path = machine.has_this_python("python3")
    assert machine.find().stdout.strip() == path


def test_an_old_python_is_passed_over_for_a_newer_one(machine: Machine) -> None:
    machine.has_python("python3.11", (3, 10, 9))
    path = machine.has_python("python3.12", (3, 12, 1))
    assert machine.find().stdout.strip() == path


def test_a_name_that_leads_nowhere_is_passed_over(machine: Machine) -> None:
    machine.has("python3.11", "exit 127")
    path = machine.has_python("python3", (3, 11, 2))
    assert machine.find().stdout.strip() == path


def test_where_none_fits_it_says_which_it_looked_for_and_what_to_do(machine: Machine) -> None:
    machine.has_python("python3", (3, 9, 2))
    machine.has("python3.12", "exit 127")
    found = machine.find()
    assert found.returncode == 1
    assert found.stdout == ""
    for word in (
        "Python 3.11 or newer",
        "python3.11: not there",
        "does not start",
        "is 3.9.2",
        "make PYTHON=",
    ):
        assert word in found.stderr, found.stderr


def test_a_python_without_its_venv_module_is_told_with_the_package_that_has_it(machine: Machine) -> None:
    machine.has_python("python3.11", (3, 11, 2), venv=False)
    found = machine.find()
    assert found.returncode == 1
    assert "its venv module is missing (Debian and Ubuntu: apt install python3.11-venv)" in found.stderr


def test_who_names_a_python_gets_that_one_or_its_fault(machine: Machine) -> None:
    machine.has_python("python3.11", (3, 11, 2))
    path = machine.has_python("mine", (3, 12, 0))
    assert machine.find("mine").stdout.strip() == path
    assert "yours: not there" in machine.find("yours").stderr


def test_make_says_it_too(machine: Machine, tmp_path: Path) -> None:
    """Nothing half made is left: the next `make` tries again."""
    target = tmp_path / "venv"
    command = ["make", "setup", "PYTHON=python-of-nobody", f"VENV={target}"]
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | {"LC_ALL": "C"}, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "python-of-nobody: not there" in done.stderr
    assert not target.exists()
