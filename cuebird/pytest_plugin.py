"""pytest runs the scenarios of a site: `pytest --cuebird-site shop`, or `cuebird_site = shop` in pytest's settings.

Each scenario is a test of its own, and the fixture `simulation` is a fresh `cuebird.Simulation` of that site. Loaded by every
pytest of an environment that has Cuebird, so nothing of ours is imported before a site is named.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from actors.model.program import Program
    from cuebird.playing.simulation import Simulation
    from language.site.scenarios import Scenario
    from replay.run_scenario import Outcome

OPTION = "--cuebird-site"
SETTING = "cuebird_site"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("cuebird")
    group.addoption(OPTION, metavar="DIR", default=None, help="A Cuebird site: its scenarios are run as tests.")
    parser.addini(SETTING, f"The same as {OPTION}, relative to the root directory.", default="")


def pytest_configure(config: pytest.Config) -> None:
    """The scenarios are collected also when other paths were given."""
    site = _site(config)
    if site is None:
        return
    if not site.is_dir():
        raise pytest.UsageError(f"{OPTION}: there is no directory {site}")
    scenarios = (site / "scenarios").resolve()
    asked = [(config.invocation_params.dir / argument.split("::")[0]).resolve() for argument in config.args]
    covered = any(path in (scenarios, *scenarios.parents) or scenarios in path.parents for path in asked)
    if scenarios.is_dir() and not covered:
        config.args.append(str(scenarios))


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    site = _site(parent.config)
    if site is None or file_path.suffix != ".yaml" or file_path.parent != (site / "scenarios").resolve():
        return None
    made: pytest.Collector = ScenarioItems.from_parent(parent, path=file_path)
    return made


@pytest.fixture
def simulation(pytestconfig: pytest.Config) -> Simulation:
    """The site of `--cuebird-site` at the beginning of virtual time."""
    from cuebird.playing.simulation import Simulation

    site = _site(pytestconfig)
    if site is None:
        pytest.fail(f"the fixture `simulation` needs a site: pytest {OPTION} DIR, or {SETTING} in pytest's settings")
    return Simulation(site)


def _site(config: pytest.Config) -> Path | None:
    told = config.getoption(OPTION)
    if told:
        return Path(config.invocation_params.dir, told)
    setting = config.getini(SETTING)
    return Path(config.rootpath, setting) if setting else None


class ScenarioItems(pytest.File):
    """A file of scenarios. What is wrong with the site stops its collection, with every problem."""

    def collect(self) -> Iterator[ScenarioItem]:
        from language.syntax.problems import SiteErrors

        try:
            scenarios, program_of = _loaded(self.path.parent.parent)
        except SiteErrors as error:
            raise self.CollectError("\n".join(str(problem) for problem in error.problems)) from None
        for scenario in scenarios:
            if Path(scenario.file).resolve() == self.path:
                yield ScenarioItem.from_parent(self, name=scenario.name, scenario=scenario, program_of=program_of)


class ScenarioFailed(Exception):
    """What was expected and what came; the text is the report."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome)
        self.outcome = outcome

    def __str__(self) -> str:
        return "\n\n".join(map(str, (*self.outcome.differences, *self.outcome.scenario.advice)))


class ScenarioItem(pytest.Item):
    def __init__(self, *, scenario: Scenario, program_of: Callable[..., Program], **more: Any) -> None:
        super().__init__(**more)
        self._scenario = scenario
        self._program_of = program_of

    def runtest(self) -> None:
        from replay.run_scenario import run_scenario

        outcome = run_scenario(self._scenario, self._program_of)
        if not outcome.passed:
            raise ScenarioFailed(outcome)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        if not isinstance(excinfo.value, ScenarioFailed):
            return super().repr_failure(excinfo, style)
        return f"{self._scenario.file}:{self._scenario.line}\n{excinfo.value}"

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, self._scenario.line - 1, self.name


@lru_cache(maxsize=4)
def _loaded(site: Path) -> tuple[list[Scenario], Callable[..., Program]]:
    """(scenarios, program of some of the campaigns). Raises SiteErrors."""
    from cuebird.changes.sites import open_site
    from language.compiler.compile import compile_site
    from language.site.scenarios import load_scenarios

    checked, _ = open_site(site)

    @lru_cache(maxsize=256)
    def program(only: tuple[str, ...] | None) -> Program:
        return compile_site(checked.site, only=only)

    def program_of(only: Sequence[str] | None) -> Program:
        return program(None if only is None else tuple(only))

    return load_scenarios(site, checked.site), program_of
