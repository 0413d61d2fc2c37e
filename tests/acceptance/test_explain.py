"""A served site is asked about a user, and about itself: over HTTP, and by the command that reads the database beside it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import httpx2
import pytest
from click.testing import CliRunner

from cuebird.cli import main
from cuebird.serving.app import open_app
from cuebird.settings.config import load
from tests.unit.ingress.site import SERVER, WRITE

CAMPAIGN = """
why: Carts that are left.
entry: {event: product_added, if: cart.value > 50}
steps: [{wait: {idle: 30m}}, {send: {push: cart_1}}]
"""
SETTINGS = f"""
[server]
port = 0
secret = "a secret of at least thirty-two bytes"
[[keys.server]]
name = "backend"
value = "{SERVER}"
[[keys.write]]
name = "page"
value = "{WRITE}"
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "campaigns").mkdir()
    (tmp_path / "campaigns" / "cart.yaml").write_text(CAMPAIGN)
    (tmp_path / "cuebird.toml").write_text(SETTINGS)
    return tmp_path


@pytest.mark.anyio
async def test_a_served_site_tells_why_over_http_and_on_the_command_line(site: Path) -> None:
    settings = load(site, {}).settings
    key = {"Authorization": f"Bearer {SERVER}"}
    async with (
        open_app(settings, site) as app,
        httpx2.AsyncClient(base_url=app.url, headers=key, timeout=10) as http,
    ):
        added = {"event": "product_added", "userId": "ann", "properties": {"product_id": "A", "price": 45}}
        assert (await http.post("/v1/events", json=added)).status_code == 200
        over_http = (await http.get("/v1/users/ann/explain?campaign=cart")).json()
        profile = (await http.get("/v1/users/ann")).json()
        refused = await http.get("/v1/users/ann", headers={"Authorization": f"Bearer {WRITE}"})
        arguments = ["explain", "ann", "cart", "--site", str(site), "--json"]
        told = await asyncio.to_thread(CliRunner().invoke, main, arguments)
        figures = (await http.get("/metrics")).text
    assert 'cuebird_inputs_total{how="taken"} 1.0' in figures
    assert 'cuebird_entries_refused_total{campaign="cart",reason="condition"} 1.0' in figures
    assert 'cuebird_outbox{state="pending"} 0.0' in figures
    assert 'cuebird_storage{state="good"} 1.0' in figures
    assert over_http["campaigns"][0]["says"] == "Not in it: its `if` did not hold: cart.value is 45, needs > 50."
    assert json.loads(told.output)["campaigns"][0]["says"] == over_http["campaigns"][0]["says"]
    assert profile["remembered"]["cart"]["value"] == 45
    assert profile["runs"] == []
    assert refused.status_code == 403


@pytest.mark.anyio
async def test_a_profile_shows_the_run_and_its_next_timer(site: Path) -> None:
    settings = load(site, {}).settings
    key = {"Authorization": f"Bearer {SERVER}"}
    async with (
        open_app(settings, site) as app,
        httpx2.AsyncClient(base_url=app.url, headers=key, timeout=10) as http,
    ):
        added = {"event": "product_added", "userId": "ann", "properties": {"product_id": "A", "price": 65}}
        assert (await http.post("/v1/events", json=added)).status_code == 200
        profile = (await http.get("/v1/users/ann")).json()
    (run,) = profile["runs"]
    assert (run["campaign"], run["step"]) == ("cart", "wait idle")
    assert run["next_timer"] == profile["next_timer"] is not None
    assert [row["decision"] for row in reversed(profile["decisions"])] == ["entered", "waiting"]
