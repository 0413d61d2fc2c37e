"""The demo as a visitor and a shop owner use it: real server, real SQLite file, real SMTP."""

from __future__ import annotations

import asyncio
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from cuebird.cli import main
from cuebird.demo.pages import FOLLOWERS_MAX
from cuebird.demo.routes import IDLE_MS, OVER
from ingress.http.dashboard_pages import TEMPLATES
from language.syntax.durations import duration_ms
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
async def test_who_takes_an_unsubscription_back_gets_the_next_letter(tmp_path: Path) -> None:
    hand = Hand()
    async with running_demo(tmp_path, hand=hand) as demo, browsing(demo) as http:
        robin = Visitor(demo, http, "robin")
        await robin.sign_in()
        await robin.adds("lamp", "Dusk desk lamp", 89)
        hand.pass_minutes(31)
        leave = next(link for link in links((await robin.letter("your cart")).html) if "/u/" in link)
        done = await http.post(leave, data={"scope": "topic"})
        assert "no more e-mails about what is in your cart from Little Finch" in done.text
        again = await http.post(leave, data={"scope": "undo"})
        assert again.status_code == 200
        await robin.adds("throw", "Wool throw", 72)
        hand.pass_minutes(31)
        await demo.catcher.wait_for(2)
        assert [letter.subject for letter in robin.letters()] == ["Robin, your cart is still here"] * 2


@pytest.mark.anyio
async def test_an_address_that_leads_nowhere_is_a_page_to_a_browser_and_json_to_a_program(tmp_path: Path) -> None:
    async with running_demo(tmp_path) as demo, browsing(demo) as http:
        page = await http.get("/shp", headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
        assert (page.status_code, page.headers["Content-Type"]) == (404, "text/html; charset=utf-8")
        assert "There is no such page." in page.text
        assert "Little Finch" in page.text
        plain = await http.get("/shp")
        assert (plain.status_code, plain.json()["code"]) == (404, "not_found")
        assert plain.headers["Vary"] == page.headers["Vary"] == "Accept"


@pytest.mark.anyio
async def test_a_letter_leads_to_the_reasons_for_it(tmp_path: Path) -> None:
    hand = Hand()
    async with running_demo(tmp_path, hand=hand) as demo, browsing(demo) as http:
        robin = Visitor(demo, http, "robin")
        await robin.sign_in()
        await robin.adds("lamp", "Dusk desk lamp", 89)
        hand.pass_minutes(31)
        await robin.letter("your cart")
        (heading,) = (await http.get("/demo/letters")).json()
        assert heading["campaign"] == "cart_reminder"
        why = await http.get("/users/robin@example.test?campaign=cart_reminder")
        assert "Why, in cart_reminder" in why.text
        assert "sent the email cart_reminder" in why.text
        section = re.search(r'<section[^>]* id="why".*?</section>', why.text, re.DOTALL)
        assert section is not None
        rest = re.sub(r"<time.*?</time>", "", section[0])
        assert rest != section[0]
        assert not re.search(r"\d\d:\d\d", rest), "each time is one that the browser shows in its own zone"


def test_the_steps_of_the_guide_are_those_of_the_campaign() -> None:
    text = (TEMPLATES / "demo" / "site" / "campaigns" / "cart_reminder.yaml").read_text()
    waits = re.search(r"wait: \{idle: (\w+)\}", text)
    assert waits is not None
    assert duration_ms(waits[1]) == IDLE_MS
    assert f"if: cart.value > {OVER}\n" in text


@pytest.mark.anyio
async def test_the_pages_let_in_nothing_but_what_we_serve(tmp_path: Path) -> None:
    async with running_demo(tmp_path) as demo, browsing(demo) as http:
        for path in ("/", "/shop", "/inbox", "/users/nobody"):
            page = await http.get(path)
            assert page.status_code == (404 if path == "/users/nobody" else 200)
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


@asynccontextmanager
async def commanded(folder: Path, *more: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """`cuebird demo` as its own process, and what it has said when it serves."""
    program = "from cuebird.cli import main; main()"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program, "demo", "--port", "0", "--data", str(folder), *more),
        stdout=asyncio.subprocess.PIPE,
        env={"PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(WAIT_S):
            said = (await process.stdout.readuntil(b"Ctrl-C ends it.\n")).decode()
        yield process, said
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.slow
@pytest.mark.anyio
@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGINT])
async def test_the_command_names_its_addresses_and_says_that_it_stops(tmp_path: Path, by: signal.Signals) -> None:
    async with commanded(tmp_path) as (process, said):
        assert re.search(r"Shop +http://127\.0\.0\.1:\d+/shop\n", said)
        assert "say yes to letters" in said
        assert "--shoppers 0" in said
        process.send_signal(by)
        async with asyncio.timeout(WAIT_S):
            rest, _ = await process.communicate()
        assert process.returncode == 0
        assert re.fullmatch(r"\s*Stopping: [^\n]+\nStopped\.\n", rest.decode())


@pytest.mark.slow
@pytest.mark.anyio
async def test_a_second_demo_says_where_the_first_may_be_and_how_to_have_another(tmp_path: Path) -> None:
    async with commanded(tmp_path, "--shoppers", "0") as (_, said):
        port = int(re.findall(r"http://127\.0\.0\.1:(\d+)/shop", said)[0])
        found = await asyncio.to_thread(CliRunner().invoke, main, ["demo", "--port", str(port)])
        assert found.exit_code == 1
        assert f"http://127.0.0.1:{port}/shop" in found.output
        assert f"make demo PORT={port + 1}" in found.output


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
