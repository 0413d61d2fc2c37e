"""The README's quick start, run as it is printed: what a newcomer copies works."""

from __future__ import annotations

import asyncio
import re
import shlex
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import msgspec
import pytest

from tests.acceptance.kill.process import CUEBIRD, ROOT, WAIT_S, launched

PRINTED = ".venv/bin/cuebird"
"""How the README calls it; the test runs the one that belongs to this Python."""
ENDS = frozenset({"check", "test", "simulate", "config"})
"""Subcommands that end by themselves and write nothing."""
FILTERS = frozenset({"echo", "cat", "head"})
"""What may stand in a pipe with them."""
ELSEWHERE = frozenset({"make test", "make"})
"""`make test` is what runs this."""


def section(title: str) -> str:
    text = (ROOT / "README.md").read_text()
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)
    assert found is not None, f"the README has no section {title!r}"
    return found[1]


def blocks(language: str) -> list[str]:
    """The fenced blocks of the quick start in that language."""
    fenced = re.finditer(r"^```(\w*)\n(.*?)^```$", section("Quick start"), re.DOTALL | re.MULTILINE)
    return [block[2] for block in fenced if block[1] == language]


def commands(text: str) -> list[str]:
    """A command a line; `\\` at the end of one goes on in the next, and what follows a `#` is for people."""
    joined = text.replace("\\\n", " ")
    return [line for line in map(str.strip, joined.splitlines()) if line and not line.startswith("#")]


SHELL = [command for block in blocks("sh") for command in commands(block)]
REQUESTS = [command for block in blocks("") for command in commands(block) if command.startswith("curl ")]


class NotKnown(AssertionError):
    """The README says to run something that this test has not learnt to run."""


@pytest.mark.slow
@pytest.mark.anyio
@pytest.mark.parametrize("command", SHELL)
async def test_a_command_of_the_quick_start_works(command: str, tmp_path: Path) -> None:
    words = shlex.split(command, comments=True)
    if " ".join(words) in ELSEWHERE:
        return
    if words == ["make", "demo"]:
        async with serving(["demo", "--port", "0", "--data", str(tmp_path)], tmp_path) as http:
            for path in ("/shop", "/inbox", "/"):
                assert (await http.get(path)).status_code == 200, path
    elif words[:2] == [PRINTED, "serve"]:
        async with serving(on_any_port(words[1:]), tmp_path) as http:
            assert (await http.get("/readyz")).status_code == 200
            for request in REQUESTS:
                await answered(http, request)
    else:
        await ended_well(command)


@pytest.mark.parametrize(
    "command", ["rm -rf /", "make everything", ".venv/bin/cuebird erase shop", "echo a | sh", "ls; ls"]
)
def test_a_command_that_is_not_known_fails(command: str) -> None:
    with pytest.raises(NotKnown):
        runnable(command)


def test_the_quick_start_is_there_and_names_no_command_that_is_not() -> None:
    assert SHELL[:2] == ["make demo", "make test"], "the two commands come first"
    told = set(re.findall(r"cuebird ([a-z]+)\b(?= |$)", "\n".join(SHELL)))
    assert told <= {path.stem for path in (ROOT / "cuebird" / "commands").glob("[a-z]*.py")}
    assert {"check", "test", "simulate", "serve"} <= told
    assert REQUESTS, "it shows how to send an event from anywhere"


@pytest.mark.slow
@pytest.mark.anyio
async def test_the_campaign_and_its_scenario_of_the_quick_start_are_true(tmp_path: Path) -> None:
    for block in blocks("yaml"):
        kind, name = block.split("\n", 1)[0].split(":", 1)
        folder = tmp_path / f"{kind}s"
        folder.mkdir(exist_ok=True)
        (folder / f"{name.strip().replace(' ', '_')}.yaml").write_text(block)
    assert {path.name for path in tmp_path.iterdir()} == {"campaigns", "scenarios"}
    for subcommand in ("check", "test"):
        async with launched(subcommand, tmp_path) as process:
            assert await process.ended() == 0, process.said


@asynccontextmanager
async def serving(arguments: list[str], folder: Path) -> AsyncIterator[httpx2.AsyncClient]:
    """A command that serves until it is asked to end; its database is kept out of the repository."""
    where = [str(ROOT / word) if (ROOT / word).is_dir() else word for word in arguments]
    async with launched(*where, settings={"STORE__PATH": folder / "data" / "cuebird.db"}) as process:
        url = await process.ready()
        async with httpx2.AsyncClient(base_url=url, timeout=WAIT_S) as http:
            yield http
        assert await process.terminate() == 0, process.said


def on_any_port(words: list[str]) -> list[str]:
    """The printed port may be taken on this machine."""
    at = words.index("--port") if "--port" in words else len(words)
    return [*words[:at], *words[at + 2 :], "--port", "0"]


async def answered(http: httpx2.AsyncClient, command: str) -> None:
    """The `curl` of the README, spoken by our own client: curl may not be there."""
    curl, url, flag, body = shlex.split(command)
    assert (curl, flag) == ("curl", "-d"), NotKnown(command)
    answer = await http.post(httpx2.URL(url).path, content=body)
    assert answer.status_code == 200, answer.text
    assert answer.json()["accepted"] == len(_messages(body)), answer.text


def _messages(body: str) -> list[object]:
    told = msgspec.json.decode(body)
    return told if isinstance(told, list) else told.get("batch", [told])


def runnable(command: str) -> str:
    """The line for a shell. Raises NotKnown unless it is a pipe of what ends by itself and writes nothing."""
    lexer = shlex.shlex(command, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    pipe: list[list[str]] = [[]]
    for word in lexer:
        if word == "|":
            pipe.append([])
        elif set(word) <= set(";&|<>()"):
            raise NotKnown(command)
        else:
            pipe[-1].append(word)
    for words in pipe:
        ours = words[:1] == [PRINTED] and len(words) > 1 and words[1] in ENDS
        if not ours and words[:1] not in [[name] for name in FILTERS]:
            raise NotKnown(command)
    return command.replace(PRINTED, shlex.quote(str(CUEBIRD)))


async def ended_well(command: str) -> None:
    process = await asyncio.create_subprocess_shell(
        f"set -e; {runnable(command)}",
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(WAIT_S):
        said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
    assert said.strip(), "it says nothing"
