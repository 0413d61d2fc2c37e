"""`cuebird backup SITE --to FILE`: a whole copy of the database, while it is served or at rest."""

from __future__ import annotations

import json
from pathlib import Path

import click
import msgspec

from cuebird.changes.database_state import database
from cuebird.transfer.backups import back_up
from engine.clock import SystemClock
from persistence.interface import StoreError


@click.command()
@click.argument("site", type=click.Path(path_type=Path), default=".")
@click.option(
    "--to", type=click.Path(path_type=Path), required=True, help="A file, or a directory for one named by the time."
)
@click.option("--db", type=click.Path(path_type=Path), help="Another database than the site's.")
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, and nothing else.")
def command(site: Path, to: Path, db: Path | None, force: bool, as_json: bool) -> None:
    """Copy the database of SITE as it is now. The engine may be running, and its commits do not wait. The copy is checked and
    on disk when this ends, only its owner may read it, and a .json beside it says what it holds. Served, it sends nothing before
    `cuebird outbox release`."""
    try:
        target, manifest = back_up(database(site, db), to, SystemClock().now_ms(), force=force)
    except StoreError as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(
            f"cannot write {error.filename or to}: {error.strerror}" if error.strerror else str(error)
        ) from None
    if as_json:
        click.echo(json.dumps({"file": str(target), **msgspec.to_builtins(manifest)}, indent=2))
        return
    click.echo(
        f"{target}: {manifest.size_bytes:,} bytes, the journal up to entry {manifest.journal_position:,} "
        f"of {manifest.journal_ends_at}"
    )
