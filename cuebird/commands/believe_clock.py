"""`cuebird believe-clock SITE`: tell the engine that runs that the machine's clock, which jumped, is right."""

from __future__ import annotations

from pathlib import Path

import click

from cuebird.changes.database_state import database, holder
from cuebird.control.client import NoAnswer, ask
from cuebird.control.order import Order, new_id


@click.command()
@click.argument("site", type=click.Path(path_type=Path), default=".")
@click.option("--db", type=click.Path(path_type=Path), help="Another database than the site's.")
def command(site: Path, db: Path | None) -> None:
    """A clock that jumped by more than an hour, or a start days after the journal's last stamp, is not believed for ten
    minutes: what only that makes due waits. This ends the wait: what the machine's clock makes due is done now."""
    try:
        path = database(site, db)
        pid = holder(path)
        if pid is None:
            raise click.ClickException(f"{path}: no engine runs; it would doubt its clock when it is started")
        answer = ask(path, pid, Order(id=new_id(), what="believe_clock"))
    except (NoAnswer, OSError) as error:
        raise click.ClickException(str(error)) from None
    if answer.taken:
        click.echo(f"process {pid} goes by the machine's clock again; what it makes due is done now")
    else:
        click.echo(f"process {pid} does not doubt the machine's clock: there is nothing to believe")
