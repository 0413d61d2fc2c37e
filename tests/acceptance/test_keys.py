"""A key that was stolen, and another in its place, while everybody is connected: nothing is started again."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from pathlib import Path

import httpx2
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.acceptance.kill.process import CUEBIRD, SITE, launched, until

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

SECRET = "0123456789abcdef0123456789abcdef"  # a test's
EVENT = {"user_id": "ann", "event": "page_viewed"}


async def keys(site: Path, *words: str) -> str:
    """What `cuebird keys` prints."""
    command = [str(CUEBIRD), "keys", *words, "--site", str(site)]
    ran = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    said, error = await ran.communicate()
    assert ran.returncode == 0, error.decode()
    return said.decode().strip()


async def test_a_revoked_key_stops_working_everywhere_and_a_new_one_works_without_a_restart(tmp_path: Path) -> None:
    site = tmp_path / "site"
    shutil.copytree(SITE, site)
    settings: dict[str, str | int | Path] = {"SERVER__SECRET": SECRET, "STORE__PATH": tmp_path / "cuebird.db"}
    stolen, page_key = await keys(site, "new", "server"), await keys(site, "new", "write")
    async with launched("serve", site, "--port", "0", settings=settings) as server:
        url = await server.ready()
        async with httpx2.AsyncClient(base_url=url) as http, connect(f"ws{url[4:]}/v1/ws") as line:

            async def answer(key: str) -> int:
                status: int = (
                    await http.post("/v1/events", json=EVENT, headers={"Authorization": f"Bearer {key}"})
                ).status_code
                return status

            async def says(key: str, status: int) -> bool:
                return await answer(key) == status

            assert (await answer(stolen), await answer(page_key)) == (200, 200)
            await line.send(json.dumps({"t": "hello", "token": stolen}))
            assert '"welcome"' in str(await line.recv())
            async with http.stream("GET", f"/v1/sse?key={page_key}&anonymousId=v1") as stream:
                lines = stream.aiter_lines()
                assert (await anext(lines)).startswith("retry:")
                for name in ("server", "write"):
                    await keys(site, "revoke", name)
                assert '"unauthorized"' in str(await line.recv())
                with pytest.raises(ConnectionClosed) as closed:
                    await line.recv()
                assert closed.value.rcvd is not None
                assert closed.value.rcvd.code == 4001
                assert not [one async for one in lines if one.startswith("event: push")], "it ends"
            assert (await answer(stolen), await answer(page_key)) == (401, 401)
            other = await keys(site, "new", "server", "--name", "other")
            await until(lambda: says(other, 200), "the new key is let in")
        assert await server.terminate() == 0, server.said
    assert stolen not in server.said
    assert other not in server.said
