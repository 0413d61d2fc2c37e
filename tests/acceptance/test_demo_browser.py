"""The demo in a real browser: what a visitor does with mouse and keyboard, and what they then see."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.chromium import Page, chromium
from tests.acceptance.shop import Visitor, browsing, running_demo

SLOW = 60.0

CONNECTED = "document.getElementById('line').textContent.startsWith('Connected')"

# As behind a proxy that lets no WebSocket through.
NO_WEBSOCKET = """
window.WebSocket = class {
  constructor() { setTimeout(() => this.onclose?.({ code: 1006 })); }
  send() {}
  close() {}
};
"""


def click(selector: str) -> str:
    return f"document.querySelector({selector!r}).click()"


async def _look_at_three(page: Page) -> None:
    for product in ("lamp", "fern", "clock"):
        await page.says(click(f"[data-id={product}] .picture"))
        await page.until("[...document.querySelectorAll('#told .when')].every((cell) => cell.textContent)")
    await page.until("document.querySelector('.toast h2')?.textContent === 'Still thinking?'")


@pytest.mark.slow
@pytest.mark.anyio
async def test_a_visitor_who_looks_at_three_things_is_asked_in_the_page_within_50_ms(tmp_path: Path) -> None:
    async with running_demo(tmp_path / "data", speed=SLOW) as demo, chromium(tmp_path / "profile") as page:
        await page.look(1280)
        waits: list[int] = []
        # Three visitors, of whom one must be asked in time: a machine that is busy with something else is no fault here.
        while len(waits) < 3 and min(waits, default=51) > 50:
            await page.go(f"{demo.base}/shop")
            await page.says("localStorage.clear()")
            await page.go(f"{demo.base}/shop?visitor={len(waits)}")
            await page.until(CONNECTED)
            await _look_at_three(page)
            waits.append(int((await page.says("document.querySelector('#told .came .when').textContent")).split()[1]))
        assert min(waits) <= 50, waits
        assert await page.says("document.querySelector('.toast').closest('dialog').id") == "product"
        await page.says(click(".toast .primary"))
        await page.until("!document.querySelector('.toast')")
        assert page.complaints == []


@pytest.mark.slow
@pytest.mark.anyio
async def test_sign_in_and_cart_work_by_keyboard_alone(tmp_path: Path) -> None:
    async with running_demo(tmp_path / "data", speed=SLOW) as demo, chromium(tmp_path / "profile") as page:
        await page.look(1280)
        await page.go(f"{demo.base}/shop")
        await page.until(CONNECTED)
        await page.press("Tab")
        assert await page.says("document.activeElement.className") == "skip"
        await page.says("document.getElementById('account').focus()")
        await page.press("Enter")
        assert await page.says("document.getElementById('sign-in').open")
        await page.says("document.getElementById('email').focus()")
        await page.press("Enter")
        await page.until("document.getElementById('account').textContent === 'Sign out Robin'")
        await page.says("document.querySelector('[data-id=lamp] [data-do=add]').focus()")
        await page.press("Enter")
        await page.press("Tab")
        outline = await page.says("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid", "the focus can be seen"
        await page.says("document.getElementById('open-cart').focus()")
        await page.press("Enter")
        assert await page.says("document.getElementById('cart-total').textContent") == "$89"
        await page.press("Escape")
        assert not await page.says("document.getElementById('cart').open")
        assert page.complaints == []


@pytest.mark.slow
@pytest.mark.anyio
async def test_the_cart_and_the_visitor_outlive_the_page(tmp_path: Path) -> None:
    async with running_demo(tmp_path / "data", speed=SLOW) as demo, chromium(tmp_path / "profile") as page:
        await page.go(f"{demo.base}/shop")
        await page.until(CONNECTED)
        await page.says(click("[data-id=mug] [data-do=add]"))
        who = await page.says("JSON.parse(localStorage.getItem('cuebird.me')).anonymousId")
        await page.go(f"{demo.base}/shop?cart=1")
        await page.until("document.getElementById('cart').open")
        assert await page.says("document.getElementById('cart-count').textContent") == "1"
        assert await page.says("JSON.parse(localStorage.getItem('cuebird.me')).anonymousId") == who
        await page.until(CONNECTED)
        await page.until("!Object.keys(localStorage).some((key) => key.startsWith('cuebird.q.'))")
        history = [entry async for batch in demo.store.history(f"~{who}") for entry in batch]
        assert [entry.event.name for entry in history if entry.event.name == "product_added"] == ["product_added"]


@pytest.mark.slow
@pytest.mark.anyio
async def test_the_inbox_shows_a_letter_as_it_comes(tmp_path: Path) -> None:
    async with (
        running_demo(tmp_path / "data", speed=SLOW) as demo,
        browsing(demo) as http,
        chromium(tmp_path / "profile") as page,
    ):
        await page.look(1280)
        await page.go(f"{demo.base}/inbox")
        robin = Visitor(demo, http, "robin")
        await robin.sign_in()
        await robin.does("Signed Up")
        await page.until("document.getElementById('subject').textContent === 'Welcome to Little Finch'")
        await page.says("document.getElementById('tab-html').focus()")
        await page.press("ArrowRight")
        assert await page.says("!document.getElementById('panel-text').hidden")
        assert "Your account is ready" in await page.says("document.getElementById('text').textContent")
        await page.press("ArrowRight")
        assert "message-id" in (await page.says("document.getElementById('headers').textContent")).lower()
        assert page.complaints == []


@pytest.mark.slow
@pytest.mark.anyio
async def test_every_page_fits_wide_and_narrow_in_light_and_dark(tmp_path: Path) -> None:
    async with running_demo(tmp_path / "data", shoppers=6) as demo, chromium(tmp_path / "profile") as page:
        await demo.catcher.wait_for(1)
        for width in (1280, 400):
            for scheme in ("light", "dark"):
                await page.look(width, scheme=scheme)
                for path in ("/shop", "/inbox", "/"):
                    await page.go(f"{demo.base}{path}")
                    await page.until("document.getElementById('clock').textContent !== ''")
                    seen = await page.says("[document.documentElement.scrollWidth, innerWidth]")
                    assert seen[0] <= seen[1], (path, width, seen)
                    ground = await page.says("getComputedStyle(document.body).backgroundColor")
                    assert ground == {"light": "rgb(247, 245, 240)", "dark": "rgb(17, 23, 26)"}[scheme]
        await page.until("document.querySelectorAll('#decisions li').length > 0")
        assert page.complaints == []


@pytest.mark.slow
@pytest.mark.anyio
async def test_a_visitor_behind_a_proxy_without_websockets_is_heard_and_asked_all_the_same(tmp_path: Path) -> None:
    async with running_demo(tmp_path / "data", speed=SLOW) as demo, chromium(tmp_path / "profile") as page:
        await page.call("Page.addScriptToEvaluateOnNewDocument", source=NO_WEBSOCKET)
        await page.go(f"{demo.base}/shop")
        await page.until(CONNECTED)
        await _look_at_three(page)
        who = await page.says("JSON.parse(localStorage.getItem('cuebird.me')).anonymousId")
        await page.until("!Object.keys(localStorage).some((key) => key.startsWith('cuebird.q.'))")
        seen = [entry.event.name async for batch in demo.store.history(f"~{who}") for entry in batch]
        assert seen.count("product_viewed") == 3
        assert page.complaints == []
