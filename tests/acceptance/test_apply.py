"""A site that is changed: by an edit under a server that runs, by `cuebird apply`, and told by `cuebird history`."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import httpx2
import pytest
from click.testing import CliRunner, Result

from cuebird.cli import main
from tests.acceptance.kill.process import CUEBIRD, Process, launched, until

WHY = "Greet who signs up, for a hello opens the door."

CAMPAIGN = """\
why: {why}
status: {status}
purpose: transactional
entry: {{event: signed_up}}
steps:
  - wait: {{for: {wait}}}
  - send: {{push: {template}}}
"""


def make_site(path: Path) -> Path:
    (path / "campaigns").mkdir(parents=True)
    (path / "templates").mkdir()
    write(path)
    for name in ("hello", "good_day"):
        (path / "templates" / f"{name}.push.yaml").write_text(f"title: {name}\nbody: 'text'\n")
    return path


def write(site: Path, *, why: str = WHY, wait: str = "1h", template: str = "hello", status: str = "live") -> None:
    text = CAMPAIGN.format(why=why, wait=wait, template=template, status=status)
    new = site / "campaigns" / ".hello.new"
    new.write_text(text)
    new.replace(site / "campaigns" / "hello.yaml")


def answer(stdout: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(stdout)
    return found


# --- without a server ---


def typed(*arguments: str | Path) -> Result:
    """The command in this process, which costs a tenth of one of its own. A fault that it does not tell is raised here."""
    return CliRunner().invoke(main, [*map(str, arguments)], catch_exceptions=False, env={"NO_COLOR": "1"})


def answered(*arguments: str | Path) -> dict[str, Any]:
    return answer(typed(*arguments, "--json").stdout)


def test_a_new_site_is_planned_and_then_written_down(tmp_path: Path) -> None:
    site = make_site(tmp_path / "shop")
    plan = answered("apply", site)
    assert [(one["file"], one["kind"]) for one in plan["changes"]] == [
        ("campaigns/hello.yaml", "added"),
        ("templates/good_day.push.yaml", "added"),
        ("templates/hello.push.yaml", "added"),
    ]
    assert not plan["applied"]
    assert not (site / "data").exists()
    assert answered("apply", site, "--yes")["applied"]
    assert answered("apply", site)["changes"] == []


def test_another_behaviour_with_the_old_reason_is_refused_until_somebody_says_why(tmp_path: Path) -> None:
    site = make_site(tmp_path / "shop")
    typed("apply", site, "--yes")
    write(site, wait="2h")
    refused = typed("apply", site, "--yes")
    assert refused.exit_code == 1
    assert "campaign hello does something else now, but its `why` is still" in refused.stderr
    assert "-  - wait: {for: 1h}" in refused.stdout
    assert "- wait for: duration 1h" in refused.stdout
    assert typed("apply", site, "--yes", "--why", "An hour was too soon.").exit_code == 0
    write(site, wait="3h", why="Two hours were too soon as well.")
    assert typed("apply", site, "--yes").exit_code == 0
    told = answered("history", "hello", "--site", site)["changes"]
    assert [(one["kind"], one.get("said"), one["why"]) for one in told] == [
        ("added", None, WHY),
        ("changed", "An hour was too soon.", WHY),
        ("changed", None, "Two hours were too soon as well."),
    ]
    assert told[1]["before"] == told[0]["version"]
    assert all(one["who"] for one in told)


def test_pausing_needs_no_new_reason(tmp_path: Path) -> None:
    site = make_site(tmp_path / "shop")
    typed("apply", site, "--yes")
    write(site, status="paused")
    ran = typed("apply", site, "--yes")
    assert ran.exit_code == 0
    assert "+ status: paused" in ran.stdout


def test_a_site_with_mistakes_is_not_planned_at_all(tmp_path: Path) -> None:
    site = make_site(tmp_path / "shop")
    write(site, template="good_morning")
    ran = typed("apply", site, "--yes")
    assert ran.exit_code == 1
    assert "hello.yaml:7:" in ran.stdout


def test_a_campaign_that_nobody_knows_is_told_with_the_nearest_name(tmp_path: Path) -> None:
    site = make_site(tmp_path / "shop")
    typed("apply", site, "--yes")
    ran = typed("history", "helo", "--site", site)
    assert ran.exit_code == 1
    assert "did you mean `hello`?" in ran.stderr


def test_files_that_say_the_same_are_nothing_to_do(tmp_path: Path) -> None:
    site = make_site(tmp_path / "shop")
    typed("apply", site, "--yes")
    shutil.copytree(site, tmp_path / "copy")
    assert "nothing to do" in typed("apply", tmp_path / "copy").stdout


# --- under a server ---


def cuebird(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """The command as a process of its own, beside the server's."""
    return subprocess.run(
        [CUEBIRD, *map(str, arguments)], capture_output=True, text=True, timeout=60, env={**os.environ, "NO_COLOR": "1"}
    )


async def stats(http: httpx2.AsyncClient) -> dict[str, Any]:
    found: dict[str, Any] = (await http.get("/v1/stats")).json()
    return found


async def signed_up(http: httpx2.AsyncClient, user: str) -> None:
    answer = await http.post("/v1/events", json={"user_id": user, "event": "signed_up"})
    assert answer.json()["accepted"] == 1


@pytest.mark.slow
@pytest.mark.anyio
async def test_an_edit_is_taken_while_it_runs_and_a_bad_one_leaves_the_version_before(tmp_path: Path) -> None:
    site = make_site(tmp_path / "shop")
    async with launched("serve", site, "--dev", "--port", "0") as server:
        async with httpx2.AsyncClient(base_url=await server.ready()) as http:
            await signed_up(http, "ann")
            await _edits(site, server, http)
        assert await server.terminate() == 0, server.said


async def _edits(site: Path, server: Process, http: httpx2.AsyncClient) -> None:
    write(site, wait="0s", template="good_day", why="At once, for later nobody reads it.")
    await until(lambda: _news(http, taken=True), "the edit is taken")
    await signed_up(http, "bob")
    await until(lambda: _sent(http, 1), "who comes after the edit is greeted at once")

    write(site, wait="5m", why="At once, for later nobody reads it.")
    await until(lambda: _news(http, taken=False), "an edit without a reason is refused")
    assert "does something else now" in (await stats(http))["site"]["problems"][0]
    assert "the edited site is not taken" in server.said

    write(site, wait="five minutes", why="Broken.")
    await until(lambda: _problem(http, "hello.yaml:6"), "a mistake is refused with its place")
    await signed_up(http, "cyd")
    await until(lambda: _sent(http, 2), "the version before the mistake goes on")

    write(site, wait="2h", why="After two hours, for at once was too eager.", template="hello")
    os.kill(server.pid, signal.SIGHUP)
    await until(lambda: _news(http, taken=True), "it is mended")
    await signed_up(http, "dan")
    told = answer(cuebird("history", "hello", "--site", site, "--json").stdout)
    assert [one["kind"] for one in told["changes"]] == ["added", "changed", "changed"]
    assert told["changes"][2]["figures"]["sent"] == 2
    assert sum(told["now"]["active_runs"].values()) == 2, "ann waits in the first version, dan in the last"
    assert len(told["now"]["active_runs"]) == 2


@pytest.mark.slow
@pytest.mark.anyio
async def test_a_reason_given_to_apply_reaches_the_server_that_runs(tmp_path: Path) -> None:
    site = make_site(tmp_path / "shop")
    async with launched("serve", site, "--dev", "--port", "0") as server:
        async with httpx2.AsyncClient(base_url=await server.ready()) as http:
            write(site, wait="9h")
            await until(lambda: _news(http, taken=False), "the edit alone is refused")
            ran = cuebird("apply", site, "--yes", "--why", "People sleep.")
            assert ran.returncode == 0, ran.stderr
            assert f"process {server.pid} runs it" in ran.stdout
            assert (await stats(http))["site"]["taken"]
        assert await server.terminate() == 0, server.said
    assert (
        answer(cuebird("history", "hello", "--site", site, "--json").stdout)["changes"][-1]["said"] == "People sleep."
    )


async def _news(http: httpx2.AsyncClient, *, taken: bool) -> bool:
    site = (await stats(http))["site"]
    return site is not None and site["taken"] is taken


async def _problem(http: httpx2.AsyncClient, text: str) -> bool:
    return any(text in problem for problem in (await stats(http))["site"]["problems"])


async def _sent(http: httpx2.AsyncClient, count: int) -> bool:
    return bool((await stats(http))["sends"] == count)


@pytest.mark.slow
@pytest.mark.anyio
async def test_who_waits_in_the_old_version_is_moved_under_a_server_and_without_one(tmp_path: Path) -> None:
    site = make_site(tmp_path / "shop")
    at_once = {"ENGINE__SNAPSHOT_EVERY_MS": 50}
    async with launched("serve", site, "--dev", "--port", "0", settings=at_once) as server:
        async with httpx2.AsyncClient(base_url=await server.ready()) as http:
            await signed_up(http, "ann")
            write(site, template="good_day", why="Another word.")
            assert cuebird("apply", site, "--yes").returncode == 0
            await until(lambda: _planned(site, 1), "the snapshot of ann is on disk")
            assert "1 run of version" in cuebird("migrate", site, "hello", "--plan").stdout
            assert "moved 1 run" in cuebird("migrate", site, "hello", "--yes").stdout
        assert await server.terminate() == 0, server.said
    write(site, template="hello", why="And back to the first word.")
    cuebird("apply", site, "--yes")
    assert answer(cuebird("migrate", site, "hello", "--yes", "--json").stdout)["moved"] == 1
    assert "everybody who is in hello is in the version that counts" in cuebird("migrate", site, "hello").stdout
    assert "did you mean `hello`?" in cuebird("migrate", site, "helo").stderr


def _planned(site: Path, count: int) -> bool:
    return len(answer(cuebird("migrate", site, "hello", "--json").stdout)["runs"]) == count
