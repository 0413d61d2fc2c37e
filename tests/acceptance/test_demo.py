"""The demo as a visitor and a shop owner use it: real server, real SQLite file, real SMTP."""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from cuebird.demo.pages import FOLLOWERS_MAX
from ingress.dashboard_pages import TEMPLATES
from tests.acceptance.shop import WAIT_S, Hand, Visitor, browsing, links, overview_when, running_demo


@pytest.mark.anyio
async def test_a_cart_left_alone_brings_one_letter_whose_link_leads_back_and_is_counted(tmp_path: Path) -> None:
    hand = Hand()
    async with running_demo(tmp_path, hand=hand) as demo, browsing(demo) as http:
        robin = Visitor(demo, http, "robin")
        await robin.adds("lamp", "Dusk desk lamp", 89)
        await robin.sign_in()
        await robin.adds("mug", "Speckled mug", 18)
        hand.pass_minutes(31)
        letter = await robin.letter("your cart")
        for shown in ("Dusk desk lamp", "$89.00", f"{demo.base}/demo/img/mug.svg", "$107.00", "Robin"):
            assert shown in letter.html
        assert letter.header("List-Unsubscribe-Post") == "List-Unsubscribe=One-Click"
        # Who follows a link in the instant of the delivery is a machine.
        await robin.known_for("email_delivered")
        hand.pass_minutes(1)
        back = next(link for link in links(letter.html) if "/c/" in link)
        answer = await http.get(back)
        assert (answer.status_code, answer.headers["Location"]) == (302, f"{demo.base}/shop?product=lamp")
        shown_now = await overview_when(http, lambda seen: any(each["clicked"] for each in seen["campaigns"]))
        (cart,) = [each for each in shown_now["campaigns"] if each["campaign"] == "cart_reminder"]
        assert (cart["entered"], cart["sent"], cart["clicked"]) == (1, 1, 1)
        assert len(robin.letters()) == 1


@pytest.mark.anyio
async def test_buying_first_means_a_receipt_and_no_reminder(tmp_path: Path) -> None:
    hand = Hand()
    async with running_demo(tmp_path, hand=hand) as demo, browsing(demo) as http:
        buyer, leaver = Visitor(demo, http, "buyer"), Visitor(demo, http, "leaver")
        await buyer.sign_in()
        await buyer.adds("lamp", "Dusk desk lamp", 89)
        bought = {"product_id": "lamp", "name": "Dusk desk lamp", "price": 89, "quantity": 1}
        await buyer.does("Order Completed", order_id="o1", cart_id="c1", total=89, products=[bought])
        hand.pass_minutes(5)
        await leaver.sign_in()
        await leaver.adds("lamp", "Dusk desk lamp", 89)
        hand.pass_minutes(31)
        # The other cart was filled later: when its letter is there, the buyer's would have been.
        await leaver.letter("your cart")
        await buyer.letter("Your order o1")
        assert [letter.subject for letter in buyer.letters()] == ["Your order o1"]


@pytest.mark.anyio
async def test_who_unsubscribes_in_the_letter_gets_no_other(tmp_path: Path) -> None:
    hand = Hand()
    async with running_demo(tmp_path, hand=hand) as demo, browsing(demo) as http:
        robin, other = Visitor(demo, http, "robin"), Visitor(demo, http, "other")
        await robin.sign_in()
        await robin.adds("lamp", "Dusk desk lamp", 89)
        hand.pass_minutes(31)
        letter = await robin.letter("your cart")
        leave = next(link for link in links(letter.html) if "/u/" in link)
        answer = await http.post(leave, data={"List-Unsubscribe": "One-Click"})
        assert answer.status_code == 200
        await other.sign_in()
        await robin.adds("throw", "Wool throw", 72)
        hand.pass_minutes(5)
        await other.adds("throw", "Wool throw", 72)
        hand.pass_minutes(31)
        await other.letter("your cart")
        assert len(robin.letters()) == 1


@pytest.mark.anyio
async def test_the_pages_let_in_nothing_but_what_we_serve(tmp_path: Path) -> None:
    async with running_demo(tmp_path) as demo, browsing(demo) as http:
        for path in ("/", "/shop", "/inbox", "/users/nobody"):
            page = await http.get(path)
            assert page.status_code == 200
            assert page.headers["Content-Security-Policy"].startswith("default-src 'self';")
            assert "Development mode" in page.text
            assert not re.search(r"<script(?![^>]* src=)|<style|\sstyle=|\son[a-z]+=", page.text), path
            for asset in re.findall(r'(?:src|href)="(/[^"#?]+\.(?:js|css|svg))"', page.text):
                found = await http.get(asset)
                assert found.status_code == 200, asset
                again = await http.get(asset, headers={"If-None-Match": found.headers["ETag"]})
                assert again.status_code == 304
        assert (await http.get("/cuebird.js")).headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.anyio
@pytest.mark.parametrize("path", ["/ui/base.html", "/ui/..%2fdemo%2fsite%2fpolicy.yaml", "/demo/nothing.js"])
async def test_a_file_that_is_no_asset_is_not_served(tmp_path: Path, path: str) -> None:
    async with running_demo(tmp_path) as demo, browsing(demo) as http:
        assert (await http.get(path)).status_code == 404


@pytest.mark.anyio
async def test_a_letter_in_the_inbox_may_run_nothing(tmp_path: Path) -> None:
    async with running_demo(tmp_path) as demo, browsing(demo) as http:
        robin = Visitor(demo, http, "robin")
        await robin.sign_in(marketing=False)
        await robin.does("Signed Up")
        letter = await robin.letter("Welcome")
        (heading,) = (await http.get("/demo/letters")).json()
        assert (heading["subject"], heading["to"]) == (letter.subject, robin.email)
        whole = (await http.get(f"/demo/letters/{heading['id']}")).json()
        assert whole["sender"] == "Little Finch <hello@littlefinch.example>"
        assert "Your account is ready" in whole["text"]
        assert ["To", robin.email] in whole["headers"]
        html = await http.get(f"/demo/letters/{heading['id']}/html")
        policy = html.headers["Content-Security-Policy"]
        assert policy.startswith("sandbox ")
        assert "allow-scripts" not in policy
        assert "default-src 'none'" in policy
        assert (await http.get("/demo/letters/99")).status_code == 404


@pytest.mark.anyio
async def test_an_open_inbox_hears_of_a_letter_and_misses_none_after_a_broken_line(tmp_path: Path) -> None:
    async with running_demo(tmp_path) as demo, browsing(demo) as http:
        robin = Visitor(demo, http, "robin")
        await robin.sign_in()
        await robin.does("Signed Up")
        async with asyncio.timeout(20), http.stream("GET", "/demo/letters/stream?after=0") as stream:
            lines = [line async for line in _until(stream.aiter_lines(), "data: ")]
        assert "id: 1" in lines
        await robin.does("Order Completed", order_id="o1", total=5, products=[])
        headers = {"Last-Event-ID": "1"}
        async with asyncio.timeout(20), http.stream("GET", "/demo/letters/stream", headers=headers) as stream:
            lines = [line async for line in _until(stream.aiter_lines(), "data: ")]
        assert "Your order o1" in lines[-1]


@pytest.mark.anyio
@pytest.mark.parametrize(("path", "watchers_max"), [("/v1/stats/stream", 50), ("/demo/letters/stream", FOLLOWERS_MAX)])
async def test_so_many_may_watch_and_no_more(tmp_path: Path, path: str, watchers_max: int) -> None:
    # Kept, because a reader of lines that is dropped closes its stream.
    reading: list[AsyncIterator[str]] = []
    async with (
        running_demo(tmp_path) as demo,
        browsing(demo) as http,
        AsyncExitStack() as watchers,
        asyncio.timeout(WAIT_S),
    ):
        for _ in range(watchers_max):
            stream = await watchers.enter_async_context(http.stream("GET", path))
            assert (stream.status_code, stream.headers["Content-Type"]) == (200, "text/event-stream; charset=utf-8")
            reading.append(stream.aiter_lines())
            assert await anext(reading[-1]) == "retry: 2000"
        refused = await http.get(path)
        assert (refused.status_code, refused.json()["code"]) == (503, "too_many_watchers")


@pytest.mark.anyio
async def test_synthetic_shoppers_shop_and_some_get_letters(tmp_path: Path) -> None:
    async with running_demo(tmp_path, shoppers=12) as demo, browsing(demo) as http:
        await demo.catcher.wait_for(3)
        seen = await overview_when(http, lambda seen: seen["events"] > 50 and len(seen["campaigns"]) >= 3)
        assert seen["live_actors"] > 3
        assert all(letter.to.endswith("@example.test") for letter in demo.catcher.messages)


@pytest.mark.anyio
async def test_a_demo_with_a_data_directory_goes_on_where_it_was(tmp_path: Path) -> None:
    async with running_demo(tmp_path) as demo, browsing(demo) as http:
        robin = Visitor(demo, http, "robin")
        await robin.sign_in()
        await robin.does("Signed Up")
        await robin.letter("Welcome")
    async with running_demo(tmp_path) as demo, browsing(demo) as http:
        seen = (await http.get("/v1/stats")).json()
        assert [(each["campaign"], each["sent"]) for each in seen["campaigns"]] == [("welcome", 1)]
        page = await http.get("/users/robin@example.test")
        assert "Sends the e-mail “welcome”" in page.text
        assert "signed_up" in page.text


@pytest.mark.slow
def test_the_command_names_its_addresses_and_ends_in_good_order(tmp_path: Path) -> None:
    program = "from cuebird.cli import main; main()"
    command = [sys.executable, "-c", program, "demo", "--port", "0", "--data", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={"PYTHONUNBUFFERED": "1"}) as process:
        assert process.stdout is not None
        said = ""
        while "Ctrl-C" not in said:
            line = process.stdout.readline()
            assert line, f"it ended after saying {said!r}"
            said += line
        assert re.search(r"Shop +http://127\.0\.0\.1:\d+/shop\n", said)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


def test_every_campaign_of_the_demo_has_scenarios() -> None:
    site = TEMPLATES / "demo" / "site"
    assert {path.stem for path in (site / "campaigns").iterdir()} == {
        path.stem for path in (site / "scenarios").iterdir()
    }


async def _until(lines: AsyncIterator[str], start: str) -> AsyncIterator[str]:
    """Lines up to the first that begins so."""
    async for line in lines:
        yield line
        if line.startswith(start):
            return
