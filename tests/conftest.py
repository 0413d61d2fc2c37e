"""Shared fixtures. Async tests run on asyncio through anyio's plugin: mark them `@pytest.mark.anyio`."""

from __future__ import annotations

import os
import subprocess

import pytest

WORKERS_MAX = 9
"""More would only wait for the longest test."""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def only_slow_tests_start_processes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """`make quick` is quick because the tests that start processes are marked; this keeps the marks true."""

    def refuse(*arguments: object, **more: object) -> None:
        raise AssertionError("a test that starts a process is marked `slow`")

    if request.node.get_closest_marker("slow") is None:
        monkeypatch.setattr(subprocess, "Popen", refuse)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: a third of their time tests wait for a server, a timeout or the disk."""
    return min((os.cpu_count() or 1) + 1, WORKERS_MAX)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of several workers, one begins with who may take longest, so that none is alone with it at the end."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        items.sort(key=_patience, reverse=True)


def _patience(item: pytest.Item) -> float:
    """How long the test may take by its own mark; 0 if it is as patient as all."""
    mark = item.get_closest_marker("timeout")
    return float(mark.args[0]) if mark is not None else 0.0
