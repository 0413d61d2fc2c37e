"""The browser client: its size, and its behaviour under node (the cases are in test_sdk_client.mjs) and with a real server."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import shutil
import subprocess
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

from tests.acceptance.kill.evidence import gather
from tests.acceptance.kill.process import SITE, launched

ROOT = Path(__file__).parent.parent.parent
CLIENT = ROOT / "sdk" / "cuebird.js"
CASES = Path(__file__).parent / "test_sdk_client.mjs"

BYTES_MAX = 5750


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


@pytest.mark.slow
@pytest.mark.anyio
async def test_all_that_a_page_tells_is_stored_but_what_it_is_told_was_not(tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed: the browser client cannot be run here")
    database = tmp_path / "cuebird.db"
    async with launched("serve", SITE, "--dev", "--port", "0", settings={"STORE__PATH": database}) as server:
        # Up to node 21 its WebSocket is to be asked for.
        command = [node, "--experimental-websocket", str(CASES.with_name("test_sdk_server.mjs")), await server.ready()]
        async with asyncio.timeout(30):
            page = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=PIPE)
            said, wrong = await page.communicate()
        assert page.returncode == 0, wrong.decode()
        assert await server.terminate() == 0, server.said
    assert [(row["event"], row["code"]) for row in json.loads(said)] == [("Too Long", "too_long")]
    journal = (await gather(database, [], [])).journal
    assert [entry.event.name for entry in journal if entry.event.source == "client"] == [
        "good_one",
        "bad_one",
        "order_completed",
    ]


def test_a_page_loads_less_than_six_kilobytes() -> None:
    assert len(gzip.compress(CLIENT.read_bytes(), 9)) < BYTES_MAX


def test_the_client_needs_nothing_but_itself() -> None:
    assert not re.search(r"^\s*import\b|\bimport\(", CLIENT.read_text(), re.MULTILINE)
