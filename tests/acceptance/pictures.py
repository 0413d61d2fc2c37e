"""Takes the pictures of the README, in a real browser: the demo as it is, with nothing arranged but what a visitor does.

make pictures        (a minute; needs a Chromium; not run by any test)
"""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.acceptance.chromium import Page, chromium
from tests.acceptance.kill.process import ROOT
from tests.acceptance.shop import running_demo

WIDE = (1280, 800)
DOCS = ROOT / "docs"

# Letters name the system's own font. Linux without a desktop answers with DejaVu, which no reader of mail has; they are
# shown in what stands for Arial here.
FONTS = """<?xml version="1.0"?>
<fontconfig>
  <include ignore_missing="yes">/etc/fonts/fonts.conf</include>
  <match><edit name="family" mode="prepend" binding="strong"><string>Liberation Sans</string></edit></match>
</fontconfig>
"""


@asynccontextmanager
async def looking(folder: Path) -> AsyncIterator[Page]:
    """A browser of the README's size, without the bars that some systems draw."""
    fonts = folder / "fonts.conf"
    fonts.write_text(FONTS)
    os.environ["FONTCONFIG_FILE"] = str(fonts)
    async with chromium(folder / "profile", "--hide-scrollbars") as page:
        await page.look(*WIDE)
        yield page


async def take(page: Page, name: str) -> None:
    """Write docs/{name}.png of what the page shows when it has come to rest."""
    await page.says("document.fonts.ready.then(() => Promise.all(document.getAnimations().map((one) => one.ready)))")
    shot = await page.call("Page.captureScreenshot", format="png", optimizeForSpeed=False)
    (DOCS / f"{name}.png").write_bytes(base64.b64decode(shot["data"]))
    print(f"docs/{name}.png")


async def pictures() -> None:
    with TemporaryDirectory(prefix="cuebird-pictures-") as given:
        folder = Path(given)
        async with running_demo(folder / "data", speed=60, shoppers=8) as demo, looking(folder) as page:
            await page.go(f"{demo.base}/shop")
            await page.until("document.getElementById('line').textContent.startsWith('Connected')")
            for selector in ("#account", "#letters-yes", "#sign-in-form button.primary"):
                await page.says(f"document.querySelector('{selector}').click()")
            for product in ("fern", "lamp", "mug"):
                await page.says(f"document.querySelector('[data-id={product}] [data-do=add]').click()")
            # Not in the way of what is shown.
            await page.until("document.querySelector('.toast')")
            await page.says("document.querySelectorAll('.toast').forEach((card) => card.remove())")
            await page.until(_count("0:2"))
            await take(page, "demo")
            await page.go(f"{demo.base}/inbox")
            # No wait of a page is longer than twenty seconds.
            for left in ("0:1", "0:0"):
                await page.until(_count(left))
            await page.until("document.querySelectorAll('.guide .done').length === 3")
            await page.says("document.querySelector('#letters li button').click()")
            await page.until("document.getElementById('subject').textContent.includes('your cart')")
            await page.until("document.querySelectorAll('.guide .done').length === 4")
            # The frame of the letter is another document: its pictures are there when it has loaded.
            await page.says("new Promise((done) => setTimeout(done, 1000))")
            await take(page, "inbox")
            await page.says("document.getElementById('why').click()")
            await page.until("document.querySelectorAll('.guide .done').length === 5")
            await take(page, "why")


def _count(text: str) -> str:
    return f"document.querySelector('.countdown').textContent.includes('{text}')"


if __name__ == "__main__":
    asyncio.run(pictures())
