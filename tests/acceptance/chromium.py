"""A headless Chromium, driven over its DevTools protocol: what a person does, and what the page then shows."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

WAIT_S = 20.0
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--remote-debugging-port=0",
]
KEYS = {" ": 32, "Tab": 9, "Enter": 13, "Escape": 27, "ArrowRight": 39}


class Page:
    """One tab. `complaints` are the page's uncaught errors and what its console or its content policy said is wrong."""

    def __init__(self, line: ClientConnection) -> None:
        self.complaints: list[str] = []
        self._line = line
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._reader = asyncio.create_task(self._read())

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        number = next(self._numbers)
        self._answers[number] = asyncio.get_running_loop().create_future()
        await self._line.send(json.dumps({"id": number, "method": method, "params": params}))
        async with asyncio.timeout(WAIT_S):
            answer = await self._answers[number]
        assert "error" not in answer, answer
        result: dict[str, Any] = answer["result"]
        return result

    async def look(self, width: int, height: int = 900, *, scheme: str = "light") -> None:
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        await self.call("Emulation.setDeviceMetricsOverride", **metrics)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        await self.call("Emulation.setEmulatedMedia", features=features)

    async def go(self, url: str) -> None:
        """Returns when the page and its scripts are there."""
        await self.call("Page.navigate", url=url)
        await self.until(f"location.href.startsWith({json.dumps(url)}) && document.readyState === 'complete'")

    async def says(self, script: str) -> Any:
        """The value of the expression, awaited."""
        answer = await self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    async def until(self, script: str) -> None:
        """Waits for the expression to become true, looking at each frame that the page draws."""
        wait = (
            f"new Promise((done) => {{ const look = () => ({script}) ? done(true) : setTimeout(look, 10); look(); }})"
        )
        async with asyncio.timeout(WAIT_S):
            while True:
                try:
                    await self.says(wait)
                    return
                except AssertionError as gone:
                    # The page was left while it was looked at: look at the next one.
                    if "navigated" not in str(gone) and "context" not in str(gone):
                        raise

    async def press(self, key: str) -> None:
        for kind in ("rawKeyDown", "char", "keyUp"):
            if kind != "char" or key == "Enter":
                text = {"text": "\r"} if kind == "char" else {}
                await self.call(
                    "Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=KEYS[key], **text
                )

    async def close(self) -> None:
        self._reader.cancel()
        await asyncio.gather(self._reader, return_exceptions=True)

    async def _read(self) -> None:
        async for text in self._line:
            told = json.loads(text)
            if "id" in told:
                self._answers.pop(told["id"]).set_result(told)
            elif told["method"] == "Runtime.exceptionThrown":
                self.complaints.append(json.dumps(told["params"]["exceptionDetails"])[:500])
            elif told["method"] == "Log.entryAdded" and told["params"]["entry"]["level"] == "error":
                self.complaints.append(told["params"]["entry"]["text"])


@asynccontextmanager
async def chromium(profile: Path, *more: str) -> AsyncIterator[Page]:
    """A browser with one empty tab, and `more` flags. Skips the test where there is none."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no Chromium on this machine: the pages cannot be looked at")
    flags = [*FLAGS, *more, f"--user-data-dir={profile}", "about:blank"]
    process = await asyncio.create_subprocess_exec(
        program, *flags, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(WAIT_S):
            browser = await _address(process)
        async with connect(browser, max_size=None, ping_interval=None, compression=None) as control:
            target = await _tab(control)
            address = f"{browser.split('/devtools')[0]}/devtools/page/{target}"
            async with connect(address, max_size=None, ping_interval=None, compression=None) as line:
                page = Page(line)
                for domain in ("Page", "Runtime", "Log"):
                    await page.call(f"{domain}.enable")
                yield page
                await page.close()
    finally:
        process.terminate()
        await process.communicate()


async def _address(process: asyncio.subprocess.Process) -> str:
    assert process.stderr is not None
    said = ""
    async for line in process.stderr:
        said += line.decode(errors="replace")
        if found := re.search(r"DevTools listening on (ws://\S+)", said):
            return found[1]
    raise AssertionError(f"the browser did not start:\n{said}")


async def _tab(control: ClientConnection) -> str:
    await control.send(json.dumps({"id": 1, "method": "Target.createTarget", "params": {"url": "about:blank"}}))
    async for text in control:
        told = json.loads(text)
        if told.get("id") == 1:
            target: str = told["result"]["targetId"]
            return target
    raise AssertionError("the browser went away")
