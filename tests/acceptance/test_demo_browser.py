"""The demo in a real browser: what a visitor does with mouse and keyboard, and what they then see."""

from __future__ import annotations

from pathlib import Path

import pytest

from cuebird.demo.run import open_demo
from cuebird.demo.settings import DemoSettings
from tests.acceptance.chromium import Page, chromium
from tests.acceptance.kill.process import ROOT
from tests.acceptance.shop import Hand, Visitor, browsing, links, running_demo

SLOW = 60.0
QUICK = 900.0
"""Half an hour in two seconds: time enough to see the countdown."""

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


async def sign_in(page: Page, *, letters: str) -> None:
    await page.says(click("#account"))
    await page.says(click(f"#letters-{letters}"))
    await page.says(click("#sign-in-form button.primary"))
    await page.until("document.getElementById('account').textContent === 'Sign out Robin'")


def steps_done(count: int) -> str:
    return f"document.querySelectorAll('.guide .done').length === {count}"


@pytest.mark.slow
@pytest.mark.anyio
async def test_what_the_readme_says_to_do_brings_the_letter_and_the_page_tells_of_each_step(tmp_path: Path) -> None:
    readme = " ".join((ROOT / "README.md").read_text().split())
    said = (
        "sign in and say yes to letters, put more than $50 into the cart, leave it for 30 seconds, and read the letter"
    )
    assert said in readme
    async with running_demo(tmp_path / "data", speed=QUICK) as demo, chromium(tmp_path / "profile") as page:
        await page.look(1280)
        await page.go(f"{demo.base}/shop")
        await page.until(CONNECTED)
        assert await page.says(steps_done(0))
        await sign_in(page, letters="yes")
        await page.until(steps_done(1))
        await page.says(click("[data-id=lamp] [data-do=add]"))
        await page.until(steps_done(2))
        await page.until("/A reminder in 0:0[12]/.test(document.querySelector('.countdown').textContent)")
        await page.until("document.querySelector('.toast.letter:last-child p')?.textContent.includes('your cart')")
        await page.until(steps_done(3))
        assert await page.says("document.querySelector('a[href=\"/inbox\"] .badge').textContent") == "2", (
            "and the welcome"
        )
        await page.says(click(".toast.letter:last-child a.primary"))
        await page.until("document.getElementById('subject')?.textContent === 'Robin, your cart is still here'")
        await page.until(steps_done(4))
        await page.says(click("#why"))
        await page.until("document.getElementById('w')?.textContent === 'Why, in cart_reminder'")
        await page.until(steps_done(5))
        assert "sent the email cart_reminder" in await page.says("document.getElementById('why').textContent")
        assert page.complaints == []


@pytest.mark.slow
@pytest.mark.anyio
async def test_who_said_no_is_told_that_no_letter_comes_and_can_say_yes(tmp_path: Path) -> None:
    hint = "document.getElementById('cart-hint').textContent"
    async with running_demo(tmp_path / "data", speed=SLOW) as demo, chromium(tmp_path / "profile") as page:
        await page.go(f"{demo.base}/shop")
        await page.until(CONNECTED)
        await sign_in(page, letters="no")
        assert "without a yes" in await page.says("document.querySelector('.guide .word').textContent")
        await page.says(click("[data-id=lamp] [data-do=add]"))
        await page.says(click("#open-cart"))
        assert "none comes" in await page.says(hint)
        await page.says(click("#cart-yes"))
        assert "If you leave this for 30 seconds, a reminder goes to robin@example.test" in await page.says(hint)
        assert await page.says(
            "document.getElementById('consent').checked && document.getElementById('cart-yes').hidden"
        )
        await page.until("!Object.keys(localStorage).some((key) => key.startsWith('cuebird.q.'))")
        actor = await demo.engine.user("robin@example.test")
        assert actor is not None
        assert actor.traits["consent"] == {"marketing": True}


@pytest.mark.slow
@pytest.mark.anyio
async def test_the_buttons_of_the_unsubscribe_page_work_in_a_browser(tmp_path: Path) -> None:
    hand = Hand()
    async with (
        running_demo(tmp_path / "data", hand=hand) as demo,
        browsing(demo) as http,
        chromium(tmp_path / "profile") as page,
    ):
        robin = Visitor(demo, http, "robin")
        await robin.sign_in()
        await robin.adds("lamp", "Dusk desk lamp", 89)
        hand.pass_minutes(31)
        leave = next(link for link in links((await robin.letter("your cart")).html) if "/u/" in link)
        for width, scheme in ((1280, "light"), (400, "dark")):
            await page.look(width, scheme=scheme)
            await page.go(leave)
            for button, title in (("topic", "Done."), ("all", "Done."), ("undo", "You are subscribed again.")):
                await page.says(click(f"[value={button}]"))
                await page.until(f"document.querySelector('h1')?.textContent === '{title}'")
                await page.until("document.readyState === 'complete'")
                seen = await page.says("[document.documentElement.scrollWidth, innerWidth]")
                assert seen[0] <= seen[1], (button, width, seen)
            actor = await demo.engine.user(robin.email)
            assert actor is not None
            assert (actor.traits["consent"], actor.unsubscribed) == ({"marketing": True}, ())
        assert page.complaints == []


@pytest.mark.slow
@pytest.mark.anyio
async def test_a_card_leaves_by_itself_and_with_the_purchase_and_never_lies_over_the_button(tmp_path: Path) -> None:
    async with running_demo(tmp_path / "data", speed=SLOW) as demo, chromium(tmp_path / "profile") as page:
        await page.look(400)
        await page.go(f"{demo.base}/shop")
        await page.until(CONNECTED)
        await _look_at_three(page)
        over = await page.says(
            """(() => {
              const [card, add] = [".toast", "#product-add"].map((it) => document.querySelector(it).getBoundingClientRect());
              return card.bottom > add.top && card.top < add.bottom && card.right > add.left && card.left < add.right;
            })()"""
        )
        assert not over
        await page.says(
            "document.querySelector('.toast').getAnimations({subtree: true}).forEach((one) => one.finish())"
        )
        await page.until("!document.querySelector('.toast')")
        await page.says("localStorage.clear()")
        await page.go(f"{demo.base}/shop?visitor=2")
        await page.until(CONNECTED)
        await _look_at_three(page)
        await page.says(click("#product-add"))
        assert not await page.says("document.querySelector('.toast.push')")


@pytest.mark.slow
@pytest.mark.anyio
async def test_all_times_of_a_page_are_those_of_the_browsers_zone(tmp_path: Path) -> None:
    hand = Hand()
    async with (
        running_demo(tmp_path / "data", hand=hand) as demo,
        browsing(demo) as http,
        chromium(tmp_path / "profile") as page,
    ):
        robin = Visitor(demo, http, "robin")
        await robin.sign_in()
        await robin.adds("lamp", "Dusk desk lamp", 89)
        await robin.known_for("product_added")
        await page.call("Emulation.setTimezoneOverride", timezoneId="America/New_York")
        await page.go(f"{demo.base}/users/robin@example.test?campaign=cart_reminder")
        await page.until("document.getElementById('clock').textContent !== ''")
        assert "EST" in await page.says("document.getElementById('clock').textContent")
        times = await page.says("[...document.querySelectorAll('main time')].map((one) => one.textContent)")
        assert len(times) > 4
        assert not [shown for shown in times if "03:" not in shown], "the clock stands at 08:00 UTC"
        await page.go(f"{demo.base}/")
        await page.until("document.querySelectorAll('#decisions time').length > 0")
        assert "03:" in await page.says("document.querySelector('#decisions time').textContent")


@pytest.mark.slow
@pytest.mark.anyio
async def test_a_new_demo_does_not_believe_what_the_browser_kept_of_an_old_one(tmp_path: Path) -> None:
    async with chromium(tmp_path / "profile") as page:
        async with running_demo(tmp_path / "one", speed=SLOW) as demo:
            port = int(demo.base.rpartition(":")[2])
            await page.go(f"{demo.base}/shop")
            await page.until(CONNECTED)
            await sign_in(page, letters="yes")
            await page.says(click("[data-id=lamp] [data-do=add]"))
            await page.says("localStorage.setItem('other', 'stays')")
            await page.go("about:blank")
        told = DemoSettings(data=tmp_path / "two", port=port, speed=SLOW, shoppers=0)
        async with open_demo(told) as demo:
            await page.go(f"{demo.base}/shop")
            await page.until(CONNECTED)
            assert await page.says("document.getElementById('account').textContent") == "Sign in"
            assert await page.says("document.getElementById('cart-count').textContent") == "0"
            assert await page.says("localStorage.getItem('other')") == "stays"


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
        assert await page.says("document.activeElement.id") == "name"
        await page.says("document.getElementById('email').focus()")
        await page.press("Enter")
        assert await page.says("document.getElementById('sign-in').open"), (
            "whether we may write is answered, not assumed"
        )
        await page.says("document.getElementById('email').focus()")
        await page.press("Tab")
        await page.press(" ")
        assert await page.says("document.querySelector('[name=letters]:checked').value") == "yes"
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
        walked = [f"/users/{demo.catcher.messages[0].to}{query}" for query in ("", "?campaign=welcome")]
        for width in (1280, 400):
            for scheme in ("light", "dark"):
                await page.look(width, scheme=scheme)
                for path in ("/shop", "/inbox", "/", "/users/ada", *walked):
                    await page.go(f"{demo.base}{path}")
                    await page.until("document.querySelector('.guide li')")
                    seen = await page.says("[document.documentElement.scrollWidth, innerWidth]")
                    assert seen[0] <= seen[1], (path, width, seen)
                    ground = await page.says("getComputedStyle(document.body).backgroundColor")
                    assert ground == {"light": "rgb(247, 245, 240)", "dark": "rgb(17, 23, 26)"}[scheme]
        await page.go(f"{demo.base}/")
        await page.until("document.querySelectorAll('#decisions li').length > 0")
        assert [one for one in page.complaints if "404" not in one] == []


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
