"""`cuebird demo`: a shop, its inbox and the dashboard around a real engine, on one loopback port."""

from __future__ import annotations

import asyncio
import errno
import logging
import tempfile
from pathlib import Path

import click
import msgspec

from cuebird.demo.pages import spoken
from cuebird.demo.run import HOST, RunningDemo, open_demo
from cuebird.demo.settings import SHOPPERS, DemoSettings
from cuebird.settings.log_options import log_options
from cuebird.settings.logs import LogSettings, set_up
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
@click.option(
    "--shoppers",
    default=SHOPPERS,
    show_default=True,
    type=click.IntRange(0, 500),
    help="Synthetic visitors; 0 leaves the shop to you.",
)
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
        raise click.ClickException(_not_listening(port, error)) from None
    except StoreRefused as error:
        raise click.ClickException(str(error)) from None
    except StorageFailed as error:
        log.critical("the disk failed (%s): start again, nothing acknowledged is lost", error)
        raise SystemExit(EXIT_STORAGE) from None


def _not_listening(port: int, error: OSError) -> str:
    if error.errno != errno.EADDRINUSE:
        return f"cannot listen on port {port}: {error.strerror}"
    return (
        f"port {port} is taken, perhaps by a demo that runs already: look at http://{HOST}:{port}/shop.\n"
        f"Another port: `make demo PORT={port + 1 if port < 65535 else 8701}`, or `cuebird demo --port 0` for any that is free."
    )


async def _serve(settings: DemoSettings) -> None:
    async with open_demo(settings) as demo:
        click.echo(f"Cuebird demo, {settings.speed:g} times as fast as life. Everything stays on this machine.\n")
        for name, path in (("Shop", "/shop"), ("Inbox", "/inbox"), ("Dashboard", "/")):
            click.echo(f"  {name:<10} {demo.base}{path}")
        wait = spoken(1800 / settings.speed)
        click.echo(
            "\nIn the shop: sign in and say yes to letters, put more than $50 into the cart, and leave it:"
            f" the letter comes in {wait}."
        )
        if settings.shoppers:
            click.echo(
                f"{settings.shoppers} made-up shoppers are about (`--shoppers 0` sends them home). Ctrl-C ends it."
            )
        else:
            click.echo("Ctrl-C ends it.")
        await _stopping(demo)
        await demo.ended
    click.echo("Stopped.")


async def _stopping(demo: RunningDemo) -> None:
    """Says at once that a signal has been heard; returns when one was, or the server has ended by itself."""
    heard = asyncio.create_task(demo.stopping.wait())
    await asyncio.wait([heard, demo.ended], return_when=asyncio.FIRST_COMPLETED)
    if not heard.done():
        heard.cancel()
        return
    click.echo("\nStopping: what was taken is written to disk. Ctrl-C once more ends it at once.")
