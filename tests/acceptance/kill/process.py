"""`cuebird serve`, or another command that serves, as a process of its own: started, heard, ended one way or the other."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

ROOT = Path(__file__).parents[3]
SITE = ROOT / "tests" / "sites" / "kill"
CUEBIRD = Path(sys.executable).with_name("cuebird")
WAIT_S = 20.0

_SERVES = re.compile(r"(?:cuebird serves .+ at|  Shop) +(http://[\w.:]+)")
"""How `serve` and `demo` name their address."""


class Process:
    """Use `launched`. `said` is what it wrote so far."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.said = ""
        self._process = process
        self._url = asyncio.get_running_loop().create_future()
        self._listening = asyncio.create_task(self._listen())

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def runs(self) -> bool:
        return self._process.returncode is None

    async def ready(self) -> str:
        """Where it serves. AssertionError with what it said if it ends instead."""
        async with asyncio.timeout(WAIT_S):
            url: str = await self._url
            return url

    async def ended(self) -> int:
        """Its exit code."""
        async with asyncio.timeout(WAIT_S):
            code = await self._process.wait()
            await self._listening
            return code

    async def terminate(self) -> int:
        self._process.send_signal(signal.SIGTERM)
        return await self.ended()

    async def kill(self) -> None:
        """AssertionError with what it said if it had ended by itself."""
        assert self._process.returncode is None, f"it ended by itself: {self.said}"
        self._process.kill()
        await self.ended()

    async def _listen(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            self.said += line.decode()
            found = _SERVES.search(line.decode())
            if found and not self._url.done():
                self._url.set_result(found[1])
        if not self._url.done():
            self._url.set_exception(AssertionError(f"it ended before it served: {self.said}"))
            self._url.exception()  # who did not ask need not hear of it


@asynccontextmanager
async def launched(
    *arguments: str | Path,
    settings: Mapping[str, str | int | Path] | None = None,
    files_max: int | None = None,
    program: Path = CUEBIRD,
) -> AsyncIterator[Process]:
    """`cuebird` with these arguments; `settings` as environment variables without their `CUEBIRD_`. Killed at the end.
    `files_max`: how many files it may have open; `program`: another `cuebird` than this environment's."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("CUEBIRD_")}
    ours = {f"CUEBIRD_{name}": str(value) for name, value in (settings or {}).items()}
    command = [str(program), *map(str, arguments)]
    if files_max is not None:
        command = ["/bin/sh", "-c", f'ulimit -n {files_max}; exec "$@"', "sh", *command]
    process = Process(
        await asyncio.create_subprocess_exec(
            *command, env=inherited | ours, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
    )
    try:
        yield process
    finally:
        if process.runs:
            await process.kill()


async def until(holds: Callable[[], bool | Awaitable[bool]], what: str, wait_s: float = WAIT_S) -> None:
    """Waits for a named thing."""
    try:
        async with asyncio.timeout(wait_s):
            while not (held if isinstance(held := holds(), bool) else await held):
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"still not after {wait_s} s: {what}") from None
