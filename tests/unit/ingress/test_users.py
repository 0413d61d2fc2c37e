"""Questions about users over HTTP: who may ask, what is answered, what is refused."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette

from ingress.http.users import Unanswerable, UserQuestions, user_routes
from ingress.principals.keys import KeyRing
from tests.unit.ingress.site import KEYS, NOW, SERVER, SHOP, WRITE

Asked = list[tuple[str, str | None, int | None]]


def client(keys: KeyRing = KEYS) -> tuple[httpx2.AsyncClient, Asked]:
    """A client of the routes, and what they ask."""
    asked: Asked = []

    async def profile(user: str) -> dict[str, Any] | None:
        return {"user": user} if user.startswith("ann") else None

    async def explain(user: str, campaign: str | None, at: int | None) -> dict[str, Any] | None:
        asked.append((user, campaign, at))
        if campaign == "crat":
            raise Unanswerable("there is no campaign crat; there is cart")
        return await profile(user)

    app = Starlette(routes=user_routes(UserQuestions(profile, explain), keys, lambda: NOW))
    transport = httpx2.ASGITransport(app=app)
    return httpx2.AsyncClient(transport=transport, base_url="http://shop.example"), asked


BEARER = {"Authorization": f"Bearer {SERVER}"}


@pytest.mark.anyio
async def test_a_server_key_may_ask() -> None:
    http, asked = client()
    answer = await http.get("/v1/users/ann", headers=BEARER)
    assert (answer.status_code, answer.json(), answer.headers["cache-control"]) == (200, {"user": "ann"}, "no-store")
    answer = await http.get("/v1/users/ann/explain?campaign=cart&at=2026-01-05T10:00:00Z", headers=BEARER)
    assert answer.status_code == 200
    assert asked == [("ann", "cart", 1_767_607_200_000)]


@pytest.mark.anyio
async def test_an_id_may_hold_what_a_path_has() -> None:
    http, asked = client()
    await http.get("/v1/users/ann%2Fb%40x/explain", headers=BEARER)
    assert asked == [("ann/b@x", None, None)]


@pytest.mark.anyio
@pytest.mark.parametrize("path", ["/v1/users/ann", "/v1/users/ann/explain"])
@pytest.mark.parametrize(
    ("headers", "status"),
    [({}, 401), ({"Authorization": "Bearer sk_wrong"}, 401), ({"X-Write-Key": WRITE, "Origin": SHOP}, 403)],
)
async def test_nobody_else_may(path: str, headers: dict[str, str], status: int) -> None:
    http, asked = client()
    answer = await http.get(path, headers=headers)
    assert (answer.status_code, answer.json()["success"], asked) == (status, False, [])


@pytest.mark.anyio
async def test_in_development_everybody_may() -> None:
    http, _ = client(KeyRing(dev=True))
    assert (await http.get("/v1/users/ann/explain")).status_code == 200


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/v1/users/bob", 404, "unknown_user"),
        ("/v1/users/bob/explain", 404, "unknown_user"),
        ("/v1/users/ann/explain?campaign=crat", 404, "not_found"),
        ("/v1/users/ann/explain?at=soon", 400, "invalid_timestamp"),
        (f"/v1/users/{'a' * 300}/explain", 404, "unknown_user"),
        ("/v1/users/ann%00", 404, "unknown_user"),
        ("/v1/users/ann%07/explain", 404, "unknown_user"),
    ],
)
async def test_what_cannot_be_answered_says_why(path: str, status: int, code: str) -> None:
    http, _ = client()
    answer = await http.get(path, headers=BEARER)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
