"""A site that is edited while it is served: looked at completely, then taken between two events, or left alone.

The files are looked at twice a second, and at once when asked (SIGHUP to `cuebird serve`). An edit is whole when two looks in a row saw the same files, so
that half an edit is not taken for a whole one. Where edits are watched for it is taken then; elsewhere it is only said that the files differ from what
runs, and `cuebird apply` takes it. What is wrong with it is written to the log and shown in the dashboard, and the version that runs goes on.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Final

import msgspec

from analytics.figures import Figures
from cuebird.changes.last_good import Start
from cuebird.changes.proposal import owner, propose, told_figures
from cuebird.serving.ways_out import WaysOut
from engine.clock import Clock
from engine.engine import Engine
from engine.site_swap import SiteChange
from ingress.messages.messages import Normalizer
from language import versions
from language.load import site_files
from language.syntax import ast
from language.syntax.problems import SiteErrors, errors_of
from persistence.interface import StorageFull
from replay.backtest.reach import furthest
from templating.templates import TemplatesInvalid

log = logging.getLogger(__name__)

LOOK_EVERY_S: Final = 0.5

WAITS: Final = (
    "the site's files are not what runs: `cuebird apply SITE --plan` shows how they differ, `cuebird apply SITE` puts them "
    "in its place"
)

Print = tuple[tuple[str, int, int, int], ...]
"""Of every file: its path, when it was changed, its size, its inode."""


class News(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the last edit of the site's files."""

    at: int
    taken: bool
    campaigns: tuple[str, ...] = ()
    """Those that were changed."""
    problems: tuple[str, ...] = ()
    """Why it was not taken: the version before it runs on."""
    waits: bool = False
    """Nobody asked yet for it to be taken: it waits for `cuebird apply`."""


class Reload:
    """`start`: what runs, and what the files were beside it. `watches`: whether an edit is taken without being asked for.
    With the program change the templates of `ways_out`, and how `normalizer` reads what comes in."""

    def __init__(
        self,
        path: Path,
        start: Start,
        engine: Engine,
        ways_out: WaysOut,
        normalizer: Normalizer,
        figures: Figures,
        clock: Clock,
        *,
        watches: bool,
        look_every_s: float = LOOK_EVERY_S,
    ) -> None:
        self.news: News | None = None
        self.differs = start.differs
        """The files are not what runs."""
        self.unchanged = asyncio.Lock()
        """Held while the site is changed; who holds it meanwhile keeps it as it is."""
        self.refused = 0
        """Edits that were refused since the start, one that the start refused among them."""
        self._path = path
        self._running = start.site
        self._engine = engine
        self._watches = watches
        self._ways_out = ways_out
        self._normalizer = normalizer
        self._figures = figures
        self._clock = clock
        self._look_every_s = look_every_s
        self._woken = asyncio.Event()
        self._seen = fingerprint(path)
        if start.problems:
            self.news = self._refuse(list(start.problems))
        elif start.differs:
            self.news = self._wait([])

    async def run(self) -> None:
        """Until cancelled."""
        before = self._seen
        while True:
            at_once = await self._asked()
            now = await asyncio.to_thread(fingerprint, self._path)
            if at_once or (now != self._seen and now == before):
                await (self.look() if self._watches else self.compare())
            before = now

    @property
    def site(self) -> ast.Site:
        """That runs."""
        return self._running

    def soon(self) -> None:
        """The files are to be looked at now: somebody says that they are whole."""
        self._woken.set()

    async def look(self, why: str = "", who: str = "", shown: str = "") -> News:
        """The files as they are now, taken or refused. `why`: what is said of the changes; `shown`: hash of the program that
        whoever asks has seen, and no other is taken; "" if nobody was shown any."""
        async with self.unchanged:
            self._seen = await asyncio.to_thread(fingerprint, self._path)
            self.news = await self._looked(why, who, shown)
        return self.news

    async def _looked(self, why: str, who: str, shown: str) -> News:
        try:
            return await self._take(why, who, shown)
        except SiteErrors as error:
            return self._refuse(errors_of(error))
        except TemplatesInvalid as error:
            return self._refuse([str(problem) for problem in error.problems])
        except StorageFull as error:
            self._seen = ()  # it is looked at again
            return self._refuse([str(error)])
        except Exception as error:
            # Whatever an edit can do, the version that runs must go on.
            log.exception("the edited site could not be taken")
            return self._refuse([f"{type(error).__name__}: {error}"])

    async def compare(self) -> None:
        """Whether the files as they are now differ from what runs. Nothing is taken."""
        async with self.unchanged:
            self._seen = await asyncio.to_thread(fingerprint, self._path)
            await self._compared()

    async def _compared(self) -> None:
        try:
            proposal = await asyncio.to_thread(propose, self._path, self._running)
        except SiteErrors as error:
            self.news = self._wait(errors_of(error))
        except Exception as error:
            log.exception("the edited site could not be read")
            self.news = self._wait([f"{type(error).__name__}: {error}"])
        else:
            if proposal.program.hash != self._engine.program.hash:
                self.news = self._wait(proposal.objections)
            elif self.differs:
                log.info("the site's files are again what runs")
                self.differs, self.news = False, None

    async def _asked(self) -> bool:
        """Waits for the next look; whether somebody asked for it."""
        try:
            async with asyncio.timeout(self._look_every_s):
                await self._woken.wait()
        except TimeoutError:
            return False
        self._woken.clear()
        return True

    async def _take(self, why: str, who: str, shown: str) -> News:
        proposal = await asyncio.to_thread(propose, self._path, self._running, why=why)
        if shown and proposal.program.hash != shown:
            return self._refuse(["the files have changed since they were shown: say `cuebird apply` again"])
        if proposal.objections:
            return self._refuse(proposal.objections)
        templates = await asyncio.to_thread(self._ways_out.templates_of, proposal.site)
        found = versions.with_figures(proposal.changes, told_figures(self._figures))
        change = SiteChange(who=who or owner(site_files(self._path)), of=tuple(found))
        # Before the program: what the new version sends at once must find its templates.
        before = self._ways_out.use(templates)
        try:
            began = await self._engine.swap(proposal.program, proposal.source, change)
        except BaseException:
            self._ways_out.use(before)
            raise
        self._running, self.differs = proposal.site, False
        self._follow()
        names = tuple(dict.fromkeys(change.campaign or change.file for change in found))
        if began:
            log.info("the site was changed by %s: %s", change.who, ", ".join(names) or "nothing that matters")
        return News(at=self._clock.now_ms(), taken=True, campaigns=names)

    def _follow(self) -> None:
        """Another site counts: events are read, and the journal is kept, as it needs them."""
        program = self._engine.program
        self._normalizer.follow(program.aliases, program.policy.lateness, program.keeps_ip)
        self._engine.retention.looks_back_ms = furthest(self._running)[0]

    def _refuse(self, problems: list[str]) -> News:
        self.differs = True
        self.refused += 1
        for problem in problems:
            log.error("the edited site is not taken, the version before it runs on: %s", problem)
        return News(at=self._clock.now_ms(), taken=False, problems=tuple(problems))

    def _wait(self, problems: list[str]) -> News:
        self.differs = True
        told = (WAITS, *problems)
        log.warning("%s", "\n".join(told))
        return News(at=self._clock.now_ms(), taken=False, problems=told, waits=True)


def fingerprint(path: Path) -> Print:
    """Changes when any file of the site does. What cannot be looked at is left out."""
    found = []
    for file in site_files(path):
        try:
            stat = file.stat()
        except OSError:
            continue
        found.append((str(file), stat.st_mtime_ns, stat.st_size, stat.st_ino))
    return tuple(found)
