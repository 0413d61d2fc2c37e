"""`cuebird import events FILE`: what users did in the past, into a server that runs."""

from __future__ import annotations

import itertools
import json
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Final
from urllib.parse import urlsplit

import click
import msgspec

from cuebird.playing.progress import Bar
from cuebird.playing.recordings import Unreadable, lines_of
from cuebird.transfer.importing import EventsRoute, Imported, ImportStopped, Refused, send_all

REFUSED_SHOWN_MAX: Final = 20
KEY_VARIABLE: Final = "CUEBIRD_SERVER_KEY"


@click.group()
def command() -> None:
    """Bring in what was known before."""


@command.command()
@click.argument("file")
@click.option("--to", "url", default="http://127.0.0.1:8700", show_default=True, help="Where the server is reached.")
@click.option("--rate", type=click.IntRange(1), default=2000, show_default=True, help="Events a second at most.")
@click.option("--from-line", type=click.IntRange(1), default=1, help="Go on at that line of FILE.")
@click.option(
    "--refused", "kept", type=click.Path(path_type=Path), help="Where every refused line goes, as JSON lines."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object, and nothing else.")
def events(file: str, url: str, rate: int, from_line: int, kept: Path | None, as_json: bool) -> None:
    """Send the past events of FILE (Segment messages, one a line, plain or gzip; - is stdin), each as `historical`: all is
    remembered as of its own time, no campaign starts and nothing is sent. It may be broken off and run again: what was taken is
    known by its messageId. The server's key is read from CUEBIRD_SERVER_KEY; a server with --dev needs none.

    Exit code 1 if a line was refused, or the server stopped answering."""
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        raise click.BadParameter(f"{url!r} is no address such as https://t.shop.example", param_hint="--to")
    key = os.environ.get(KEY_VARIABLE, "")
    imported, shown = Imported(), 0
    with ExitStack() as stack:
        opened = stack.enter_context(_opened(file))
        out = None if kept is None else stack.enter_context(kept.open("wb"))
        total = None if file == "-" else os.stat(file).st_size
        bar = stack.enter_context(Bar("events", total))
        door = stack.enter_context(EventsRoute(url, key))

        def refuse(one: Refused) -> None:
            nonlocal shown
            shown += 1
            if out is not None:
                out.write(msgspec.json.encode(one) + b"\n")
            elif shown <= REFUSED_SHOWN_MAX and not as_json:
                click.echo(f"line {one.line}: {one.code}: {one.message}", err=True)

        try:
            lines = itertools.dropwhile(lambda line: line[0] < from_line, lines_of(opened))
            for imported in send_all(lines, door, rate, refuse):
                bar.reach(imported.lines if total is None else min(opened.tell(), total), total)
        except (ImportStopped, Unreadable) as error:
            _report(imported, as_json)
            again = (
                f"; run it again, or from there: --from-line {error.line + 1}"
                if isinstance(error, ImportStopped)
                else ""
            )
            key_hint = (
                f" (the server key goes into {KEY_VARIABLE})" if not key and isinstance(error, ImportStopped) else ""
            )
            raise click.ClickException(f"{error}{key_hint}{again}") from None
    _report(imported, as_json)
    if imported.refused:
        if shown > REFUSED_SHOWN_MAX and kept is None and not as_json:
            click.echo(f"and {shown - REFUSED_SHOWN_MAX:,} other lines: --refused FILE has them all", err=True)
        sys.exit(1)


def _opened(file: str) -> IO[bytes]:
    try:
        return sys.stdin.buffer if file == "-" else Path(file).open("rb")
    except OSError as error:
        raise click.UsageError(f"{file} cannot be read: {error.strerror}") from None


def _report(imported: Imported, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(vars(imported)))
    else:
        click.echo(", ".join(_parts(imported)))


def _parts(imported: Imported) -> Iterator[str]:
    yield f"{imported.lines:,} lines: {imported.taken:,} taken"
    yield f"{imported.duplicates:,} known already"
    yield f"{imported.refused:,} refused"
    if imported.forgotten:
        yield f"{imported.forgotten:,} not taken, for more of their user were told than ids are kept"
    if imported.quarantined:
        yield f"{imported.quarantined:,} in quarantine (`cuebird quarantine`)"
