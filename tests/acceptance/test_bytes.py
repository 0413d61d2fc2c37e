"""One user of whom the largest things are told that pack well: the server stays small, and starts again.

With the public key the ways in hold most of it back; with a server's key all of it reaches the user's actor.
"""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest

from tests.acceptance.kill.process import launched
from tests.unit.ingress.site import SERVER, WRITE

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

MEMORY_BYTES_MAX = 64_000_000
DISK_BYTES_MAX = 64_000_000

CAMPAIGN = """
why: Carts that are left.
entry: {event: product_added, if: 'distinct(product_added.a, last 1d) >= 0 and cart.quantity > 0', re_entry: always,
        key: product_id, concurrency: one_per_key}
exit_when: [order_completed]
steps: [{wait: {idle: 30m}}, {send: {push: cart_1}}]
"""
SETTINGS = f"""
[server]
port = 0
secret = "a secret of at least thirty-two bytes"
[engine]
snapshot_every_ms = 300
[[keys.write]]
name = "page"
value = "{WRITE}"
[[keys.server]]
name = "backend"
value = "{SERVER}"
"""

A_MEGABYTE = "a" * 1_000_000
LONG = "a" * 7_000


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "campaigns").mkdir()
    (tmp_path / "campaigns" / "cart.yaml").write_text(CAMPAIGN)
    (tmp_path / "cuebird.toml").write_text(SETTINGS)
    return tmp_path


def one(number: int, kind: str, of: str, value: dict[str, Any]) -> dict[str, Any]:
    named = {"event": "product_added"} if kind == "track" else {}
    return {"type": kind, "anonymousId": "fat", "messageId": f"{kind}{of}{number}", of: value, **named}


STREAMS = {
    "traits": [[one(n, "identify", "traits", {f"t{n}": A_MEGABYTE})] for n in range(30)],
    "consents of the size that is let in": [
        [one(n, "identify", "traits", {"consent": {f"k{n}": LONG}}) for n in range(m * 30, m * 30 + 30)]
        for m in range(10)
    ],
    "carts of the size that is let in": [
        [
            one(n, "track", "properties", {"product_id": f"{n}{LONG}", "a": LONG, "b": LONG})
            for n in range(m * 30, m * 30 + 30)
        ]
        for m in range(30)
    ],
}


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize("key", [WRITE, SERVER], ids=["public key", "server key"])
async def test_one_user_at_full_speed_moves_memory_and_disk_by_little(site: Path, stream: str, key: str) -> None:
    async with launched("serve", site) as server:
        url = await server.ready()
        before = (_memory(server.pid), _disk(site))
        most = 0
        async with _visiting(url) as http:
            for batch in STREAMS[stream]:
                body = gzip.compress(msgspec.json.encode({"batch": batch}), 1)
                headers = {"Content-Encoding": "gzip", "Authorization": f"Bearer {key}"}
                answer = await http.post("/v1/batch", content=body, headers=headers)
                assert answer.status_code in (200, 400, 413, 429), answer.text
                most = max(most, _memory(server.pid))
        grown = (most - before[0], _disk(site) - before[1])
        print(f"{stream}, {key[:2]}: memory +{grown[0] / 1e6:.0f} MB, disk +{grown[1] / 1e6:.0f} MB")
        assert grown[0] <= MEMORY_BYTES_MAX, grown
        assert grown[1] <= DISK_BYTES_MAX, grown
        await server.kill()
    async with launched("serve", site) as server:
        async with _visiting(await server.ready()) as http:
            told = {"event": "product_added", "anonymousId": "fat"}
            answer = await http.post("/v1/events", json=told, headers={"Authorization": f"Bearer {SERVER}"})
            assert answer.json()["accepted"] == 1
        assert _memory(server.pid) - before[0] <= MEMORY_BYTES_MAX
        assert await server.terminate() == 0, server.said


def _visiting(url: str) -> httpx2.AsyncClient:
    # Nothing is encrypted here: the certificates of the world need not be read.
    return httpx2.AsyncClient(base_url=url, timeout=20, verify=False)


def _memory(pid: int) -> int:
    """Resident, in bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) * 1024


def _disk(site: Path) -> int:
    return sum(path.stat().st_size for path in (site / "data").iterdir())
