"""Who may speak for whom: what a page can do to a known user, through a real server, its engine and its store."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from actors.values.token import Tokens
from tests.acceptance.two_keys import BACK_END, LINKS, ORIGIN, WRITE, Page, Shop, open_shop, proof_of

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

BOB = "bob@shop.example"
ID = "bobs-cookie"
FROM_THE_PAGE = {"Authorization": f"Bearer {WRITE}", "Origin": ORIGIN}


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """The loop that the server runs on."""
    return "asyncio", {"use_uvloop": True}


async def a_token(shop: Shop) -> dict[str, str]:
    """A visitor's `id` and `token`, as a new browser gets them."""
    answer = await shop.http.post("/v1/visitor", headers=FROM_THE_PAGE)
    shop.http.cookies.clear()  # who asks next has a browser of his own
    given: dict[str, str] = answer.json()["visitor"]
    return given


async def bob_is_known(shop: Shop, *, name: str = ID, marketing: bool = True) -> None:
    """Bob has an address, and the visitor of that name turned out to be him: his back end says both."""
    traits = {"email": BOB, "first_name": "Bob", "consent": {"marketing": marketing}}
    await shop.server_says(
        {"type": "identify", "userId": "bob", "traits": traits}, {"type": "alias", "userId": "bob", "previousId": name}
    )


# --- attacks: somebody knows Bob's anonymous id, and has the write key that stands in the page -------------------------------


async def test_an_anonymous_id_is_no_password_to_the_user_behind_it(tmp_path: Path) -> None:
    async with open_shop(tmp_path) as shop:
        await bob_is_known(shop, marketing=False)
        before = await shop.traits("bob")
        mine = {
            "first_name": "PWNED http://evil.test",
            "consent": {"marketing": True},
            "time_zone": "Pacific/Kiritimati",
        }
        await shop.say(
            {"type": "identify", "anonymousId": ID, "traits": mine},
            {"type": "track", "anonymousId": ID, "event": "Product Added", "properties": {"name": "PWNED"}},
            {"type": "track", "anonymousId": ID, "event": "Order Completed", "properties": {"order_id": "PWNED"}},
        )
        assert await shop.traits("bob") == before
        assert await shop.letters(BOB) == []


async def test_a_page_cannot_undo_an_unsubscribe(tmp_path: Path) -> None:
    async with open_shop(tmp_path) as shop:
        await bob_is_known(shop)
        await shop.server_says({"type": "track", "userId": "bob", "event": "email_unsubscribed"})
        said = await shop.say(
            {"type": "track", "anonymousId": ID, "event": "email_subscribed"},
            {"type": "track", "userId": "bob", "event": "Email Subscribed"},
            proof=proof_of("bob"),
        )
        assert [one["code"] for one in said["rejected"]] == ["reserved_event", "reserved_event"]
        assert (await shop.traits("bob"))["consent"] == {"marketing": False}


async def test_whoever_says_hello_by_an_anonymous_id_does_not_get_the_users_pushes(tmp_path: Path) -> None:
    async with open_shop(tmp_path) as shop, shop.page(user={"anonymousId": ID}) as early:
        await bob_is_known(shop)
        async with shop.page(user={"anonymousId": ID}) as late:
            await shop.server_says({"type": "track", "userId": "bob", "event": "push_me"})
            await shop.settled()
            assert [await early.pushes(), await late.pushes()] == [[], []]


async def test_a_page_cannot_keep_a_real_order_out_of_its_campaign(tmp_path: Path) -> None:
    async with open_shop(tmp_path) as shop:
        await bob_is_known(shop)
        orders = [
            {"type": "track", "anonymousId": ID, "event": "Order Completed", "properties": {"order_id": f"no-{n}"}}
            for n in range(64)
        ]
        await shop.say(*orders)
        await shop.server_says(
            {"type": "track", "userId": "bob", "event": "Order Completed", "properties": {"order_id": "REAL"}}
        )
        assert [letter.subject for letter in await shop.letters(BOB)] == ["Receipt REAL"]


async def test_an_address_that_only_folds_to_that_of_the_proof_is_not_the_one_it_vouches_for(tmp_path: Path) -> None:
    async with open_shop(tmp_path) as shop:
        proof = proof_of("alice", email="alice@strasse.example")
        await shop.say(
            {"type": "identify", "userId": "alice", "traits": {"email": "alice@straße.example"}}, proof=proof
        )
        assert await shop.traits("alice") == {"unverified_email": "alice@straße.example"}
        await shop.say(
            {"type": "identify", "userId": "alice", "traits": {"email": "alice@STRASSE.example"}}, proof=proof
        )
        assert (await shop.traits("alice"))["email"] == "alice@STRASSE.example"


# --- the table of docs/security.md: each cell is tried ----------------------------------------------------------------------


class Voice:
    """One of the table's speakers, of a user who is known, has an address and whose visitor turned out to be him."""

    def __init__(self, shop: Shop, speaker: str, user: str) -> None:
        self.shop = shop
        self.user = user
        self.address = f"{user}@shop.example"
        self._speaker = speaker
        self._ids: dict[str, Any] = {}
        self._shown: dict[str, str] = {}

    async def is_known(self, *, marketing: bool = True) -> None:
        visitor = {"id": f"cookie-of-{self.user}", "token": ""}
        if self._speaker == "visitor token":
            visitor = await a_token(self.shop)
        traits = {"email": self.address, "first_name": "Known", "consent": {"marketing": marketing}}
        await self.shop.server_says(
            {"type": "identify", "userId": self.user, "traits": traits},
            {"type": "alias", "userId": self.user, "previousId": visitor["id"]},
        )
        named = self._speaker in ("server key", "proof")
        self._ids = {"userId": self.user} if named else {"anonymousId": visitor["id"]}
        self._shown = {"visitor": visitor["token"]} if visitor["token"] else {}
        if self._speaker == "proof":
            self._shown = {"proof": proof_of(self.user, email=f"new-{self.address}")}

    async def says(self, **message: Any) -> None:
        key = BACK_END if self._speaker == "server key" else WRITE
        said = await self.shop.say(self._ids | message, key=key, **self._shown)
        assert said["accepted"] == 1, said

    async def tells(self, event: str, **properties: Any) -> None:
        await self.says(type="track", event=event, properties=properties)

    async def identifies(self, **traits: Any) -> dict[str, Any]:
        await self.says(type="identify", traits=traits)
        return await self.shop.traits(self.user)

    async def entered(self, campaign: str) -> bool:
        rows = await self.shop.decisions(self.user)
        return any((row.campaign, row.decision) == (campaign, "entered") for row in rows)

    def opens(self) -> AbstractAsyncContextManager[Page]:
        token = BACK_END if self._speaker == "server key" else WRITE
        return self.shop.page(token=token, user=self._ids, **self._shown)


async def is_remembered(voice: Voice) -> bool:
    await voice.is_known()
    await voice.tells("Product Viewed", product_id="lamp")
    return "product_viewed" in await journal_of(voice.shop, voice.user)


async def enters_marketing(voice: Voice) -> bool:
    await voice.is_known()
    await voice.tells("Product Added", product_id="lamp")
    return await voice.entered("cart")


async def enters_transactional(voice: Voice) -> bool:
    await voice.is_known()
    await voice.tells("Order Completed", order_id="o1")
    entered = await voice.entered("receipt")
    assert entered is bool(await voice.shop.letters(voice.address))
    return entered


async def changes_traits(voice: Voice) -> bool:
    await voice.is_known()
    return bool((await voice.identifies(first_name="Changed"))["first_name"] == "Changed")


async def changes_the_address(voice: Voice) -> bool:
    await voice.is_known()
    return bool((await voice.identifies(email=f"new-{voice.address}"))["email"] != voice.address)


async def raises_consent(voice: Voice) -> bool:
    await voice.is_known(marketing=False)
    return bool((await voice.identifies(consent={"marketing": True}))["consent"]["marketing"])


async def lowers_consent(voice: Voice) -> bool:
    await voice.is_known()
    return not (await voice.identifies(consent={"marketing": False}))["consent"]["marketing"]


async def opens_pushes(voice: Voice) -> bool:
    await voice.is_known()
    async with voice.opens() as page:
        await voice.shop.server_says({"type": "track", "userId": voice.user, "event": "push_me"})
        await voice.shop.settled()
        return await page.pushes() == [f"secret of {voice.user}"]


async def brings_text(voice: Voice) -> bool:
    await voice.is_known()
    await voice.tells("Product Added", product_id="lamp", name="Words", cart_id="go to evil.example")
    return any(
        "Words" in letter.subject or "evil" in letter.subject for letter in await voice.shop.letters(voice.address)
    )


PROBES: dict[str, Callable[[Voice], Awaitable[bool]]] = {
    "is remembered as his behaviour": is_remembered,
    "enters marketing campaigns, under the consent that stands": enters_marketing,
    "enters transactional campaigns": enters_transactional,
    "changes traits": changes_traits,
    "changes the address": changes_the_address,
    "raises consent": raises_consent,
    "lowers consent": lowers_consent,
    "opens his pushes": opens_pushes,
    "brings text into a letter": brings_text,
}


def cells_of_the_page() -> dict[tuple[str, str], str]:
    """(speaker, what) -> yes or no, as docs/security.md says."""
    page = (Path(__file__).parents[2] / "docs" / "security.md").read_text()
    table = page[page.index("| | server key |") :].partition("\n\n")[0]
    head, _, *body = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    return {(speaker, row[0]): cell for row in body for speaker, cell in zip(head[1:], row[1:], strict=True)}


TRUSTING = "bare id, `trust_anonymous_ids: true`"
CELLS = cells_of_the_page()


def test_the_page_has_a_cell_for_each_speaker_and_each_thing() -> None:
    speakers = ("server key", "proof", "visitor token", "bare id", TRUSTING)
    assert set(CELLS) == {(speaker, what) for speaker in speakers for what in PROBES}
    assert set(CELLS.values()) == {"yes", "no"}


@pytest.mark.parametrize("speaker", dict.fromkeys(speaker for speaker, _ in CELLS))
async def test_each_speaker_may_do_what_the_page_says_and_nothing_else(speaker: str, tmp_path: Path) -> None:
    found = {}
    async with open_shop(tmp_path, "trust_anonymous_ids: true" if speaker == TRUSTING else "") as shop:
        for number, (what, probe) in enumerate(PROBES.items()):
            found[what] = "yes" if await probe(Voice(shop, speaker, f"user-{number}")) else "no"
    assert found == {what: CELLS[speaker, what] for what in PROBES}


@pytest.mark.parametrize("restarts", [False, True])
async def test_what_a_page_told_before_it_was_known_whose_it_is_counts_once_however_often_it_is_sent(
    restarts: bool, tmp_path: Path
) -> None:
    event = {"type": "track", "anonymousId": ID, "event": "Product Viewed", "messageId": "sent-again"}
    async with open_shop(tmp_path) as shop:
        assert (await shop.say(event))["accepted"] == 1
        await bob_is_known(shop)
        if not restarts:
            assert (await shop.say(event))["duplicates"] == 1
    async with open_shop(tmp_path) as shop:
        assert (await shop.say(event, event | {"messageId": "new"}))["duplicates"] == 1
        assert len(await journal_of(shop, f"~bare.{ID}")) == 1


# --- visitor tokens -------------------------------------------------------------------------------------------------------


async def test_a_returning_customer_who_has_not_signed_in_is_written_to_about_his_cart(tmp_path: Path) -> None:
    async with open_shop(tmp_path) as shop:
        async with shop.page() as first:
            visitor = first.welcome["visitor"]
            await bob_is_known(shop, name=visitor["id"])
        async with shop.page(visitor=visitor["token"]) as again:
            assert again.welcome["visitor"] == {"id": visitor["id"]}
            await again.says({"type": "track", "event": "Product Added", "properties": {"name": "Lamp"}})
        [letter] = await shop.letters(BOB)
        assert letter.subject.split() == ["Hey", "Bob:", "Lamp"]


@pytest.mark.parametrize("shows", ["token", "cookie", "proof"])
async def test_after_a_restart_a_page_gets_the_pushes_of_its_user(shows: str, tmp_path: Path) -> None:
    async with open_shop(tmp_path) as shop:
        visitor = await a_token(shop)
        await bob_is_known(shop, name=visitor["id"])
    hello: dict[str, dict[str, Any]] = {
        "token": {"visitor": visitor["token"]},
        "cookie": {"cookie": f"foo[1]=odd; cuebird_visitor={visitor['token']}"},
        "proof": {"proof": proof_of("bob"), "user": {"anonymousId": visitor["id"]}},
    }
    async with open_shop(tmp_path) as shop, shop.page(**hello[shows]) as page:
        await shop.server_says({"type": "track", "userId": "bob", "event": "push_me"})
        await shop.settled()
        assert await page.pushes() == ["secret of bob"]


async def test_a_page_that_only_knows_an_id_gets_its_own_pushes_before_and_after_a_restart(tmp_path: Path) -> None:
    yes = {"type": "identify", "traits": {"consent": {"marketing": True}}}
    async with open_shop(tmp_path) as shop, shop.page(user={"anonymousId": ID}) as page:
        await bob_is_known(shop)
        await page.says(yes, {"type": "track", "event": "push_me", "messageId": "first"})
        await shop.settled()
        assert await page.pushes() == [f"secret of ~bare.{ID}"]
    async with open_shop(tmp_path) as shop, shop.page(user={"anonymousId": ID}) as page:
        await page.says({"type": "track", "event": "push_me", "messageId": "second"})
        await shop.settled()
        assert await page.pushes() == [f"secret of ~bare.{ID}"]


async def test_the_stream_of_a_token_follows_to_the_user_and_one_of_a_bare_id_does_not(tmp_path: Path) -> None:
    async with open_shop(tmp_path) as shop, shop.page(user={"anonymousId": ID}) as bare, shop.page() as holder:
        await bob_is_known(shop)
        await shop.server_says({"type": "alias", "userId": "bob", "previousId": holder.welcome["visitor"]["id"]})
        await shop.server_says({"type": "track", "userId": "bob", "event": "push_me"})
        await shop.settled()
        assert [await bare.pushes(), await holder.pushes()] == [[], ["secret of bob"]]


async def test_nobody_takes_over_the_pushes_of_a_visitor_who_is_somebody_already(tmp_path: Path) -> None:
    async with open_shop(tmp_path) as shop, shop.page() as page:
        visitor = page.welcome["visitor"]["id"]
        await bob_is_known(shop, name=visitor)
        await shop.server_says({"type": "alias", "userId": "mallory", "previousId": visitor})
        await shop.server_says({"type": "track", "userId": "mallory", "event": "push_me"})
        await shop.settled()
        assert await page.pushes() == []


async def test_a_token_that_is_not_ours_counts_as_none_and_is_told(tmp_path: Path) -> None:
    async with open_shop(tmp_path) as shop:
        visitor = await a_token(shop)
        await bob_is_known(shop, name=visitor["id"])
        token = visitor["token"]
        wrong = [
            token[:-1] + ("A" if token[-1] != "A" else "B"),
            Tokens([b"somebody else's secret of 32 bytes and more"]).sign("visitor", visitor["id"].removeprefix("v.")),
            Tokens([LINKS.encode()]).sign("unsubscribe", visitor["id"].removeprefix("v.")),
            visitor["id"],
            "ä" * 36,
        ]
        event = {"type": "track", "anonymousId": visitor["id"], "event": "Product Viewed"}
        for bad in wrong:
            if bad.isascii():  # no header holds anything else
                assert (await shop.say(event, visitor=bad))["visitor"] == "unknown_token"
            async with shop.page(visitor=bad, user={"anonymousId": visitor["id"]}) as page:
                assert page.welcome["visitor"]["id"] != visitor["id"]
                await page.says(event | {"messageId": bad})
        assert await journal_of(shop, "bob") == ["", ""], "what made him known, and no more"
        assert len(await journal_of(shop, f"~bare.{visitor['id']}")) == 2 * len(wrong) - 1


async def test_a_token_in_an_address_is_not_looked_at(tmp_path: Path) -> None:
    async with open_shop(tmp_path) as shop:
        visitor = await a_token(shop)
        event = {"batch": [{"type": "track", "anonymousId": visitor["id"], "event": "Product Viewed"}]}
        await shop.http.post(f"/v1/batch?visitor={visitor['token']}", json=event, headers=FROM_THE_PAGE)
        assert await journal_of(shop, f"~{visitor['id']}") == []


@pytest.mark.parametrize("place", ["header", "body", "cookie"])
async def test_a_token_is_taken_where_a_page_can_put_it(place: str, tmp_path: Path) -> None:
    async with open_shop(tmp_path) as shop:
        visitor = await a_token(shop)
        token = visitor["token"]
        headers = {
            "header": {"X-Cuebird-Visitor": token},
            "cookie": {"Cookie": f"a=b; cuebird_visitor={token}"},
            "body": {},
        }
        batch = {"batch": [{"type": "track", "anonymousId": visitor["id"], "event": "Product Viewed"}]}
        body = batch | ({"visitor": token} if place == "body" else {})
        answer = await shop.http.post("/v1/events", json=body, headers=FROM_THE_PAGE | headers[place])
        assert "visitor" not in answer.json()
        assert await journal_of(shop, f"~{visitor['id']}") == ["product_viewed"]


async def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites_and_is_kept_for_a_year(tmp_path: Path) -> None:
    async with open_shop(tmp_path) as shop:
        first = await shop.http.post("/v1/visitor", headers=FROM_THE_PAGE)
        visitor = first.json()["visitor"]
        cookie = f"cuebird_visitor={visitor['token']}; Path=/; Max-Age=31536000; HttpOnly; SameSite=Lax"
        assert first.headers["set-cookie"] == cookie
        assert first.headers["access-control-allow-credentials"] == "true"
        again = await shop.http.post("/v1/visitor", headers=FROM_THE_PAGE)  # the client sends its cookies
        assert again.json()["visitor"] == {"id": visitor["id"]}, "and what no script may read, no answer tells"
        assert again.headers["set-cookie"] == cookie
        for headers in ({}, FROM_THE_PAGE | {"Origin": "https://evil.example"}):
            refused = await shop.http.post("/v1/visitor", headers=headers)
            assert refused.status_code in (401, 403)
            assert "set-cookie" not in refused.headers


async def test_an_event_stream_takes_the_token_from_the_cookie(tmp_path: Path) -> None:
    async with open_shop(tmp_path) as shop:
        visitor = await a_token(shop)
        await bob_is_known(shop, name=visitor["id"])
        headers = {"Origin": ORIGIN, "Cookie": f"cuebird_visitor={visitor['token']}"}
        address = f"/v1/sse?key={WRITE}&anonymousId={visitor['id']}"
        async with shop.http.stream("GET", address, headers=headers) as stream:
            lines = stream.aiter_lines()
            opened = await anext(line async for line in lines if line.startswith("data: "))
            assert json.loads(opened.removeprefix("data: "))["visitor"] == {"id": visitor["id"]}
            await shop.server_says({"type": "track", "userId": "bob", "event": "push_me"})
            pushed = await anext(line async for line in lines if line.startswith("data: "))
            assert json.loads(pushed.removeprefix("data: "))["data"] == {"title": "secret of bob"}


# --- somebody turns out to be a user ------------------------------------------------------------------------------------------


async def test_a_mere_claim_of_a_visitor_does_not_become_the_users_yes(tmp_path: Path) -> None:
    async with open_shop(tmp_path) as shop:
        claim = {"type": "identify", "traits": {"consent": {"marketing": True}, "first_name": "Claimed"}}
        for user, ids, shown in [("ann", {"anonymousId": "a-cookie"}, {}), ("bob", {}, await a_token(shop))]:
            named = {"anonymousId": shown["id"]} if shown else ids
            await shop.say(claim | named, visitor=shown.get("token", ""))
            await shop.server_says({"type": "alias", "userId": user, "previousId": named["anonymousId"]})
        assert await shop.traits("ann") == {}
        assert await shop.traits("bob") == {"consent": {"marketing": True}, "first_name": "Claimed"}


async def test_a_no_that_a_visitor_gave_is_kept_whoever_he_turns_out_to_be_until_that_user_says_yes(
    tmp_path: Path,
) -> None:
    async with open_shop(tmp_path) as shop:
        yes = {"type": "identify", "userId": "bob", "traits": {"consent": {"marketing": True}}}
        no = {"type": "identify", "anonymousId": ID, "traits": {"consent": {"marketing": False, "tracking": True}}}
        await shop.server_says(yes)
        await shop.say(no)
        await shop.server_says({"type": "alias", "userId": "bob", "previousId": ID})
        assert (await shop.traits("bob"))["consent"] == {"marketing": False}
        await shop.server_says(yes)
        assert (await shop.traits("bob"))["consent"] == {"marketing": True}


async def test_what_a_server_said_of_a_visitor_becomes_the_users_though_a_page_had_claimed_it_before(
    tmp_path: Path,
) -> None:
    async with open_shop(tmp_path) as shop:
        await shop.say({"type": "identify", "anonymousId": ID, "traits": {"first_name": "Claimed", "plan": "gold"}})
        await shop.server_says({"type": "identify", "anonymousId": ID, "traits": {"first_name": "Ann"}})
        await shop.server_says({"type": "alias", "userId": "ann", "previousId": ID})
        assert await shop.traits("ann") == {"first_name": "Ann"}


async def journal_of(shop: Shop, user: str) -> list[str]:
    return [entry.event.name async for batch in shop.app.store.history(user) for entry in batch]
