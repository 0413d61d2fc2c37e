"""A server to be measured, in a process of its own: `python -m bench.server bare|cuebird|public SITE [--profile FILE]`.

Says `{"port": …}` once it serves. With `--profile` it writes where its time went, from SIGUSR1 to its end.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
from pathlib import Path

import uvloop

from bench import bare
from bench.processes import pin
from bench.sampler import Sampler
from cuebird.serving.app import open_app
from cuebird.serving.dashboard import dashboard_routes
from cuebird.serving.recovered_engine import settle_memory
from cuebird.settings.config import load


async def _serve_cuebird(site: Path, dev: bool) -> None:
    """As `cuebird serve SITE --dev` does, or without `--dev`."""
    settings = load(site, {}, {"server.dev": dev, "server.port": 0}).settings
    async with open_app(settings, site, more_routes=dashboard_routes(dev=dev)) as app:
        _say(int(app.url.rpartition(":")[2]))
        await app.ended


async def _serve_bare(site: Path) -> None:
    settle_memory()
    await bare.until_ended(bare.bare_server(site), _say)


def _say(port: int) -> None:
    print(f'{{"port":{port}}}', flush=True)


async def _serve(what: str, site: Path, profile: Path | None) -> None:
    sampler = Sampler() if profile else None
    if sampler:
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, sampler.start)
    await (_serve_bare(site) if what == "bare" else _serve_cuebird(site, dev=what == "cuebird"))
    if sampler and profile:
        sampler.stop()
        profile.write_bytes(sampler.report())


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("bare", "cuebird", "public"))
    parser.add_argument("site", type=Path)
    parser.add_argument("--profile", type=Path)
    told = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    pin(0)
    uvloop.run(_serve(told.what, told.site, told.profile))


if __name__ == "__main__":
    main()
