"""`cuebird restore BACKUP --site SITE`: a backup in the database's place, ready to be served and sending nothing yet."""

from __future__ import annotations

import json
from pathlib import Path

import click
import msgspec

from cuebird.changes.database_state import database
from cuebird.transfer.backups import restore
from engine.clock import SystemClock
from persistence.interface import StoreError


@click.command()
@click.argument("backup", type=click.Path(path_type=Path))
@click.option("--site", type=click.Path(path_type=Path), default=".", show_default=True, help="The site's directory.")
@click.option("--db", type=click.Path(path_type=Path), help="Another database than the site's.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, and nothing else.")
def command(backup: Path, site: Path, db: Path | None, as_json: bool) -> None:
    """Put BACKUP, or any other copy, in the place of SITE's database, for its owner alone; what was there is kept beside it. One
    that was copied there by hand is made ready where it is. Its outbox is on hold: `cuebird outbox` decides."""
    try:
        done = restore(backup, database(site, db), SystemClock().now_ms())
    except StoreError as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"cannot restore {error.filename or backup}: {error.strerror}") from None
    if as_json:
        click.echo(json.dumps(msgspec.to_builtins(done), indent=2))
        return
    click.echo(f"{done.database}: the journal up to entry {done.journal_position:,} of {done.journal_ends_at}")
    if done.aside:
        click.echo(f"what was there before is {done.aside}")
    click.echo("its outbox is on hold: start it, and then say what may go out with `cuebird outbox`")
