"""`cuebird demo`: a shop, its inbox and the dashboard around a real engine, on one loopback port."""

from __future__ import annotations

import asyncio
import logging
import tempfile
from pathlib import Path

import click
import msgspec

from cuebird.demo.pages import spoken
from cuebird.demo.run import DemoSettings, open_demo
from cuebird.log_options import log_options
from cuebird.logs import LogSettings, set_up
from persistence.interface import StorageFailed, StoreRefused

EXIT_STORAGE = 74
"""EX_IOERR of sysexits.h: the disk failed, start again and recovery reads it."""

log = logging.getLogger(__name__)


@click.command(name="demo")
@click.option("--port", default=8700, show_default=True, type=click.IntRange(0, 65535), help="0 takes any free port.")
@click.option(
    "--speed",
    default=60.0,
    show_default=True,
    type=click.FloatRange(0.1, 3600),
    help="60: a minute of campaigns a second.",
)
@click.option("--shoppers", default=0, show_default=True, type=click.IntRange(0, 500), help="Synthetic visitors.")
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep the database here; otherwise it is temporary.",
)
@log_options
def command(
    port: int, speed: float, shoppers: int, data: Path | None, log_format: str | None, log_level: str | None
) -> None:
    """Shop, inbox and dashboard on one local port; nothing to set up, nothing leaves this machine."""
    told = {"format": log_format or "text", "level": log_level or "warning"}
    set_up(msgspec.convert(told, LogSettings))
    try:
        if data is not None:
            asyncio.run(_serve(DemoSettings(data=data, port=port, speed=speed, shoppers=shoppers)))
            return
        with tempfile.TemporaryDirectory(prefix="cuebird-demo-") as folder:
            asyncio.run(_serve(DemoSettings(data=Path(folder), port=port, speed=speed, shoppers=shoppers)))
    except KeyboardInterrupt:
        return
    except OSError as error:
        raise click.ClickException(
            f"cannot listen on port {port}: {error.strerror}. Try `.venv/bin/cuebird demo --port 0`."
        ) from None
    except StoreRefused as error:
        raise click.ClickException(str(error)) from None
    except StorageFailed as error:
        log.critical("the disk failed (%s): start again, nothing acknowledged is lost", error)
        raise SystemExit(EXIT_STORAGE) from None


async def _serve(settings: DemoSettings) -> None:
    async with open_demo(settings) as demo:
        click.echo(f"Cuebird demo, {settings.speed:g} times as fast as life. Everything stays on this machine.\n")
        for name, path in (("Shop", "/shop"), ("Inbox", "/inbox"), ("Dashboard", "/")):
            click.echo(f"  {name:<10} {demo.base}{path}")
        wait = spoken(1800 / settings.speed)
        click.echo(
            f"\nSign in with a yes to reminders, put more than $50 in the cart and leave it: the letter comes in {wait}."
        )
        click.echo("Ctrl-C ends it.")
        await demo.ended
