"""`cuebird serve` as an operator has it: how it starts, refuses to start, and leaves."""

from __future__ import annotations

import json
import random
import shutil
import socket
from asyncio import TaskGroup
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import httpx2
import pytest

from tests.acceptance.kill.evidence import gather
from tests.acceptance.kill.post_office import post_office
from tests.acceptance.kill.process import SITE, launched, until
from tests.acceptance.kill.shoppers import Shoppers
from tests.acceptance.kill.teller import Teller

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

SECRET = "0123456789abcdef0123456789abcdef"  # a test's


async def test_sigterm_under_load_loses_nothing_and_every_client_is_asked_to_go(tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    database = tmp_path / "data" / "cuebird.db"
    tellers = [Teller(Shoppers(f"c{n}", f"{seed}/{n}")) for n in range(4)]
    async with post_office(random.Random(seed)) as office:
        settings = {"STORE__PATH": str(database), "SMTP__PORT": str(office.port)}
        async with launched("serve", SITE, "--dev", "--port", "0", settings=settings) as server, TaskGroup() as talks:
            url = await server.ready()
            for teller in tellers:
                talks.create_task(teller.talk(url))
            await until(lambda: all(len(teller.acked) > 150 for teller in tellers), "all are in full swing")
            assert await server.terminate() == 0, server.said
        assert [teller.closed for teller in tellers] == [4200] * 4
        assert all(any(frame["t"] == "drain" for frame in teller.heard) for teller in tellers)
        acked = {told for teller in tellers for told in teller.acked}
        evidence = await gather(database, [], office.letters)
        ours = [e.event.message_id for e in evidence.journal if e.event.source == "client" and e.event.kind != "alias"]
        assert sorted(ours) == sorted(acked), "what was taken was acknowledged, and what was acknowledged is on disk"
        async with launched("serve", SITE, "--dev", "--port", "0", settings=settings) as server, TaskGroup() as talks:
            url = await server.ready()
            before = sum(map(len, (teller.acked for teller in tellers)))
            for teller in tellers:
                talks.create_task(teller.talk(url))
            await until(lambda: sum(len(teller.acked) for teller in tellers) > before + 200, "it goes on")
            assert await server.terminate() == 0, server.said
        assert sum(teller.duplicates for teller in tellers) == 0


async def test_a_signal_right_after_the_address_was_told_ends_it_in_good_order(tmp_path: Path) -> None:
    async with launched("serve", SITE, "--dev", "--port", "0", settings=store(tmp_path)) as server:
        await server.ready()
        assert await server.terminate() == 0, server.said


async def test_port_0_takes_a_free_one_and_says_which(tmp_path: Path) -> None:
    async with launched("serve", SITE, "--dev", "--port", "0", settings=store(tmp_path)) as server:
        url = await server.ready()
        async with httpx2.AsyncClient(base_url=url) as http:
            for path in ("/livez", "/readyz", "/cuebird.js", "/"):
                assert (await http.get(path)).status_code == 200, path


async def test_a_second_engine_on_the_same_database_is_refused_and_told_who_has_it(tmp_path: Path) -> None:
    async with launched("serve", SITE, "--dev", "--port", "0", settings=store(tmp_path)) as first:
        url = await first.ready()
        async with launched("serve", SITE, "--dev", "--port", "0", settings=store(tmp_path)) as second:
            assert await second.ended() == 1
            assert f"already running, pid {first.pid}" in second.said
            assert "Traceback" not in second.said
        async with httpx2.AsyncClient(base_url=url) as http:
            answer = await http.post("/v1/events", json={"user_id": "ann", "event": "page_viewed"})
            assert answer.json()["accepted"] == 1


async def test_after_a_kill_the_lock_stands_in_nobodys_way(tmp_path: Path) -> None:
    for _ in range(2):
        async with launched("serve", SITE, "--dev", "--port", "0", settings=store(tmp_path)) as server:
            await server.ready()
            await server.kill()


async def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = await refusal("serve", SITE, "--dev", "--port", str(port), **store(tmp_path))
    assert "cannot serve: " in said
    assert "in use" in said.lower()
    assert str(port) in said


async def test_without_keys_nobody_could_send_so_it_does_not_start(tmp_path: Path) -> None:
    said = await refusal("serve", SITE, "--port", "0", **store(tmp_path))
    assert "`server.secret` needs at least 32 bytes" in said
    assert "there are no keys" in said
    assert not (tmp_path / "data").exists()
    said = await refusal("serve", SITE, "--port", "0", SERVER__SECRET=SECRET, **store(tmp_path))
    assert said.startswith("there are no keys")


async def test_development_mode_stays_on_this_machine(tmp_path: Path) -> None:
    said = await refusal("serve", SITE, "--dev", "--host", "0.0.0.0", "--port", "0", **store(tmp_path))
    assert "needs a loopback address" in said


async def test_with_a_key_it_serves_whoever_has_it_and_nobody_else(tmp_path: Path) -> None:
    site = tmp_path / "site"
    shutil.copytree(SITE, site)
    with (site / "cuebird.toml").open("a") as file:
        file.write('\n[[keys.server]]\nname = "shop"\nvalue = "sk_shop"\n')
    async with launched("serve", site, "--port", "0", settings={"SERVER__SECRET": SECRET, **store(tmp_path)}) as server:
        async with httpx2.AsyncClient(base_url=await server.ready()) as http:
            event = {"user_id": "ann", "event": "page_viewed"}
            assert (await http.post("/v1/events", json=event)).status_code == 401
            answer = await http.post("/v1/events", json=event, headers={"Authorization": "Bearer sk_shop"})
            assert answer.json()["accepted"] == 1
            assert (await http.get("/v1/stats")).status_code == 404, (
                "the dashboard is for development until one can sign in"
            )
        assert await server.terminate() == 0, server.said


def misspelt_exit(text: str) -> str:
    return text.replace("cart_id = entry.cart_id]", "cart_id = = entry.cart_id]")


def unknown_key(text: str) -> str:
    return text.replace("purpose:", "purpos:")


@pytest.mark.parametrize(
    ("spoil", "line", "column", "what"),
    [(misspelt_exit, 9, 42, "="), (unknown_key, 3, 1, "purpos")],
)
async def test_a_campaign_with_an_error_is_named_by_file_line_and_column(
    tmp_path: Path, spoil: Callable[[str], str], line: int, column: int, what: str
) -> None:
    site = tmp_path / "site"
    shutil.copytree(SITE, site)
    campaign = site / "campaigns" / "cart.yaml"
    campaign.write_text(spoil(campaign.read_text()))
    said = await refusal("serve", site, "--dev", "--port", "0", **store(tmp_path))
    assert f"campaigns/cart.yaml:{line}:{column}: " in said
    assert what in said


async def test_a_template_with_an_error_is_named_by_file_and_line(tmp_path: Path) -> None:
    site = tmp_path / "site"
    shutil.copytree(SITE, site)
    template = site / "templates" / "cart.txt"
    template.write_text(template.read_text() + "{% if %}\n")
    said = await refusal("serve", site, "--dev", "--port", "0", **store(tmp_path))
    assert "templates/cart.txt:5:1: " in said


async def test_a_site_that_is_not_there_is_named(tmp_path: Path) -> None:
    said = await refusal("serve", tmp_path / "nothing", "--dev")
    assert f"{tmp_path / 'nothing'}: there is no such directory" in said


async def test_a_database_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where the directory should be")
    said = await refusal("serve", SITE, "--dev", "--port", "0", **store(tmp_path))
    assert f"cannot serve: {tmp_path / 'data'}" in said


def store(folder: Path) -> dict[str, str]:
    return {"STORE__PATH": str(folder / "data" / "cuebird.db")}


async def refusal(*arguments: str | Path, **settings: str) -> str:
    """What it says when it does not start: exit code 1 and no stack trace."""
    async with launched(*arguments, settings=settings) as process:
        assert await process.ended() == 1, process.said
        assert "Traceback" not in process.said
        return process.said


async def test_each_line_of_the_log_is_one_record_that_says_what_runs_and_on_what(tmp_path: Path) -> None:
    settings = {"SMTP__FROM_ADDRESS": "letters@shop.example", "DELIVERY__TRACK_OPENS": "false", **store(tmp_path)}
    for users in (0, 1):
        ran = launched("serve", SITE, "--dev", "--port", "0", "--log-format", "json", settings=settings)
        async with ran as server, httpx2.AsyncClient(base_url=await server.ready()) as http:
            await http.post("/v1/events", json={"user_id": "ann", "event": "page_viewed"})
            assert await server.terminate() == 0, server.said
        told = [json.loads(line) for line in server.said.splitlines()]
        assert {tuple(one)[-4:] for one in told} == {("time", "level", "logger", "message")}
        begin, recovery = told[0], next(one for one in told if "replayed" in one)
        assert begin["version"] == version("cuebird")
        assert begin["database"] == str(tmp_path / "data" / "cuebird.db")
        assert (recovery["users"], recovery["position"] > 0) == (users, bool(users))
        assert next(one for one in told if "relay" in one)["message"].count("l…@shop.example") == 1
        assert any(one["message"] == "switched off: delivery.track_opens" for one in told)


async def test_what_keeps_it_from_starting_is_a_record_too(tmp_path: Path) -> None:
    async with launched("serve", SITE, "--dev", "--port", "0", settings=store(tmp_path)) as first:
        await first.ready()
        said = await refusal("serve", SITE, "--dev", "--port", "0", "--log-format", "json", **store(tmp_path))
    told = [json.loads(line) for line in said.splitlines()]
    assert told[-1]["level"] == "critical"
    assert f"already running, pid {first.pid}" in told[-1]["message"]
