"""Every scenario of every site that we keep: those of the language's boundaries, and those of the sites that we ship."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final

import pytest

from actors.model.program import Program
from language.compiler.compile import compile_site
from language.load import load_site
from language.site.scenarios import Scenario, load_scenarios
from language.syntax.ast import Site
from replay.run_scenario import run_scenario

ROOT: Final = Path(__file__).parents[1]

SITES: Final = tuple(
    folder.parent
    for below in ("tests/sites", "templates")
    for folder in sorted((ROOT / below).rglob("scenarios"))
    if (folder.parent / "campaigns").is_dir()
)


@lru_cache
def site_of(path: Path) -> Site:
    return load_site(path)


@lru_cache
def program_of(path: Path, only: tuple[str, ...] | None) -> Program:
    return compile_site(site_of(path), only=only)


def scenarios() -> list[tuple[Path, Scenario]]:
    return [(path, scenario) for path in SITES for scenario in load_scenarios(path, site_of(path))]


def named(value: object) -> str:
    return (
        value.name
        if isinstance(value, Scenario)
        else value.relative_to(ROOT).as_posix()
        if isinstance(value, Path)
        else ""
    )


@pytest.mark.parametrize(("path", "scenario"), scenarios(), ids=named)
def test_scenario(path: Path, scenario: Scenario) -> None:
    def program(only: Sequence[str] | None) -> Program:
        return program_of(path, None if only is None else tuple(only))

    outcome = run_scenario(scenario, program)
    differences = "\n".join(map(str, outcome.differences))
    assert outcome.passed, f"{scenario.file}:{scenario.line}\n{differences}"


def test_the_sites_of_the_language_are_among_them() -> None:
    found = {path.relative_to(ROOT).as_posix() for path in SITES}
    assert {"tests/sites/language", "tests/sites/second/patterns", "templates/demo/site"} <= found
