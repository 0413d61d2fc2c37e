"""`cuebird serve SITE`: the engine with all its ways in and out."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import signal
from pathlib import Path

import click
import uvloop

from cuebird.app import open_app
from cuebird.config import ConfigError, Settings, load, require_servable
from cuebird.dashboard import dashboard_routes
from delivery.templates import TemplatesInvalid
from engine.language.problems import SiteErrors
from persistence.interface import StorageFailed, StorageLost, StoreError

EXIT_STORAGE = 74
"""EX_IOERR of sysexits.h: the disk failed; start again, recovery reads it."""


@click.command()
@click.argument("site", type=click.Path(path_type=Path), default=".")
@click.option("--host", help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), help="0 takes any free port.")
@click.option("--dev", is_flag=True, default=None, help="Believe everybody; on a loopback address only.")
@click.option(
    "--accept-loss", is_flag=True, help="Go on with a database that has lost the end of its journal: a restored backup."
)
def command(site: Path, host: str | None, port: int | None, dev: bool | None, accept_loss: bool) -> None:
    """Serve SITE until SIGTERM or Ctrl-C; what was taken is on disk then. Edits of its files count by `cuebird apply`; with
    --dev, or `reload = "watch"` under [site], as they are made. If the files have errors, do not say why, or wait for `cuebird
    apply`, the site that counted last is served, from the database."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("uvicorn").setLevel(logging.WARNING)  # a line a connection says nothing at a thousand a second
    try:
        loaded = load(site, os.environ, {"server.host": host, "server.port": port, "server.dev": dev})
        require_servable(loaded.settings)
        uvloop.run(_serve(loaded.settings, site, accept_loss))
    except (ConfigError, SiteErrors, TemplatesInvalid) as error:
        raise SystemExit(_refused(error)) from None
    except StorageLost as error:
        click.echo(str(error), err=True)
        raise SystemExit(EXIT_STORAGE) from None
    except StorageFailed as error:
        click.echo(f"the disk failed ({error}): start again, nothing acknowledged is lost", err=True)
        raise SystemExit(EXIT_STORAGE) from None
    except StoreError as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        hint = (
            " Another --port, or `port` under [server] in cuebird.toml, is free."
            if error.errno == errno.EADDRINUSE
            else ""
        )
        raise click.ClickException(f"cannot serve: {place}{error.strerror or error}.{hint}") from None


def _refused(error: ConfigError | SiteErrors | TemplatesInvalid) -> int:
    for problem in error.problems:
        click.echo(str(problem), err=True)
    return 1


async def _serve(settings: Settings, site: Path, accept_loss: bool) -> None:
    more = dashboard_routes(dev=settings.server.dev)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until it means something, and after: it must not end the server
    async with open_app(settings, site, more_routes=more, accept_loss=accept_loss) as app:
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, app.reload.soon)
        click.echo(f"cuebird serves {site} at {app.url}", err=True)
        if settings.server.dev:
            click.echo(f"development mode: everybody is believed. The dashboard is at {app.url}/", err=True)
        await app.ended
