"""The browser client: its size, and its behaviour under node (the cases are in test_sdk_client.mjs)."""

from __future__ import annotations

import gzip
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
CLIENT = ROOT / "sdk" / "cuebird.js"
CASES = Path(__file__).parent / "test_sdk_client.mjs"

BYTES_MAX = 5000


def cases() -> list[str]:
    return re.findall(r'^test\("(.*)", async', CASES.read_text(), re.MULTILINE)


@pytest.fixture(scope="module")
def tap() -> str:
    """What node's test runner says of all cases: one run for all, because starting node costs more than they do."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed: the browser client cannot be run here")
    command = [node, "--test", "--test-reporter=tap", str(CASES)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False).stdout


@pytest.mark.slow
@pytest.mark.parametrize("case", cases())
def test_the_browser_client(tap: str, case: str) -> None:
    said = re.search(rf"^\s*(ok|not ok) \d+ - {re.escape(case)}$", tap, re.MULTILINE)
    assert said is not None, tap
    assert said[1] == "ok", tap[said.start() : said.start() + 2000]


def test_a_page_loads_less_than_five_kilobytes() -> None:
    assert len(gzip.compress(CLIENT.read_bytes(), 9)) < BYTES_MAX


def test_the_client_needs_nothing_but_itself() -> None:
    assert not re.search(r"^\s*import\b|\bimport\(", CLIENT.read_text(), re.MULTILINE)
