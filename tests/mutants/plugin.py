"""What pytest does for the mutants, in the copy of the tree: tell which test enters which function, and run what is asked for.

`MUTANTS_MAP=folder` notes for each test how long it took and what it entered. `MUTANTS_TESTS=file` runs the tests that the file
names, in its order, within bounds of memory, and spends no time on making a counterexample small.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter
from types import CodeType, FrameType

import pytest
from hypothesis import Phase, settings

BYTES_MAX = 6 << 30
"""A mutant that gathers without end is stopped here, before the machine is full."""


def pytest_configure(config: pytest.Config) -> None:
    if "MUTANTS_MAP" in os.environ:
        config.pluginmanager.register(Map(Path(os.environ["MUTANTS_MAP"])))
    if "MUTANTS_TESTS" in os.environ:
        resource.setrlimit(resource.RLIMIT_AS, (BYTES_MAX, BYTES_MAX))
        settings.register_profile("mutants", phases=[Phase.explicit, Phase.generate], database=None, deadline=None)
        settings.load_profile("mutants")
        config.pluginmanager.register(Picked(Path(os.environ["MUTANTS_TESTS"]).read_text().splitlines()))


class Map:
    def __init__(self, folder: Path) -> None:
        self.file = folder / f"{os.environ.get('PYTEST_XDIST_WORKER', 'alone')}.json"
        self.functions: dict[tuple[str, int], int] = {}
        self.tests: dict[str, tuple[float, list[int]]] = {}
        self.failed: set[str] = set()
        self.root = f"{Path.cwd()}{os.sep}"

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        entered: set[CodeType] = set()

        def note(frame: FrameType, what: str, _: object) -> None:
            if what == "call":
                entered.add(frame.f_code)

        began = perf_counter()
        threading.setprofile(note)
        sys.setprofile(note)
        try:
            return (yield)
        finally:
            sys.setprofile(None)
            threading.setprofile(None)
            self.tests[item.nodeid] = perf_counter() - began, self._numbered(entered)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed.add(report.nodeid)

    def pytest_sessionfinish(self) -> None:
        tests = {test: told for test, told in self.tests.items() if test not in self.failed}
        self.file.write_text(json.dumps({"functions": list(self.functions), "tests": tests}))

    def _numbered(self, entered: set[CodeType]) -> list[int]:
        ours = [code for code in entered if code.co_filename.startswith(self.root)]
        places = {(code.co_filename.removeprefix(self.root), code.co_firstlineno) for code in ours}
        return [self.functions.setdefault(place, len(self.functions)) for place in places]


class Picked:
    def __init__(self, tests: list[str]) -> None:
        self.place = {test: at for at, test in enumerate(tests)}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = sorted((one for one in items if one.nodeid in self.place), key=lambda one: self.place[one.nodeid])
