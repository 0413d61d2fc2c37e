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

from cuebird.serving.app import open_app
from cuebird.serving.dashboard import dashboard_routes
from cuebird.settings.config import ConfigError, Settings, load, require_servable
from cuebird.settings.log_options import log_options
from cuebird.settings.logs import set_up
from language.syntax.problems import SiteErrors
from persistence.interface import StorageFailed, StorageLost, StoreError
from templating.templates import TemplatesInvalid

EXIT_STORAGE = 74
"""EX_IOERR of sysexits.h: the disk failed; start again, recovery reads it."""

log = logging.getLogger(__name__)


@click.command()
@click.argument("site", type=click.Path(path_type=Path), default=".")
@click.option("--host", help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), help="0 takes any free port.")
@click.option("--dev", is_flag=True, default=None, help="Believe everybody; on a loopback address only.")
@click.option(
    "--accept-loss",
    is_flag=True,
    help="Go on with a database that has lost the end of its journal; its messages wait for `cuebird outbox release`.",
)
@click.option(
    "--no-send",
    is_flag=True,
    help="Everything is decided and nothing goes out: messages wait for `cuebird outbox`, after this too.",
)
@log_options
def command(
    site: Path,
    host: str | None,
    port: int | None,
    dev: bool | None,
    accept_loss: bool,
    no_send: bool,
    log_format: str | None,
    log_level: str | None,
) -> None:
    """Serve SITE until SIGTERM or Ctrl-C; what was taken is on disk then. Edits of its files count by `cuebird apply`; with
    --dev, or `reload = "watch"` under [site], as they are made. If the files have errors, do not say why, or wait for `cuebird
    apply`, the site that counted last is served, from the database."""
    flags = {
        "server.host": host,
        "server.port": port,
        "server.dev": dev,
        "log.format": log_format,
        "log.level": log_level,
    }
    try:
        settings = load(site, os.environ, flags).settings
        require_servable(settings)
    except ConfigError as error:
        for problem in error.problems:
            click.echo(problem, err=True)
        raise SystemExit(1) from None
    set_up(settings.log)
    try:
        uvloop.run(_serve(settings, site, accept_loss=accept_loss, no_send=no_send))
    except (SiteErrors, TemplatesInvalid) as error:
        for wrong in error.problems:
            log.critical("%s", wrong)
        raise SystemExit(1) from None
    except StorageLost as error:
        log.critical("%s", error)
        raise SystemExit(EXIT_STORAGE) from None
    except StorageFailed as error:
        log.critical("the disk failed (%s): start again, nothing acknowledged is lost", error)
        raise SystemExit(EXIT_STORAGE) from None
    except StoreError as error:
        log.critical("%s", error)
        raise SystemExit(1) from None
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        hint = (
            " Another --port, or `port` under [server] in cuebird.toml, is free."
            if error.errno == errno.EADDRINUSE
            else ""
        )
        log.critical("cannot serve: %s%s.%s", place, error.strerror or error, hint)
        raise SystemExit(1) from None
    except Exception:
        log.critical("it ended by a fault of its own", exc_info=True)
        raise SystemExit(1) from None


async def _serve(settings: Settings, site: Path, *, accept_loss: bool, no_send: bool) -> None:
    more = dashboard_routes(dev=settings.server.dev)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until it means something, and after: it must not end the server
    async with open_app(settings, site, more_routes=more, accept_loss=accept_loss, no_send=no_send) as app:
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, app.reload.soon)
        await app.ended
    log.info("cuebird has ended: what was taken is on disk")
