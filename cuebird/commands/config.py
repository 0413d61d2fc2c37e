"""`cuebird config SITE`: the settings as they will be used, where each comes from, secrets hidden."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import click

from cuebird.settings.config import ConfigError, Loaded, load, shown


@click.command()
@click.argument("site", type=click.Path(path_type=Path), default=".")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, and nothing else.")
def command(site: Path, as_json: bool) -> None:
    """Print the settings of SITE: defaults, cuebird.toml, environment. Secrets are hidden."""
    try:
        loaded = load(site, os.environ)
    except ConfigError as error:
        for problem in error.problems:
            click.echo(problem, err=True)
        raise SystemExit(1) from None
    if as_json:
        click.echo(json.dumps(shown(loaded.settings), indent=2))
        return
    click.echo("\n".join(lines(loaded)))


def lines(loaded: Loaded) -> Iterator[str]:
    """As TOML; what is not a default says where it was set."""
    for section, values in shown(loaded.settings).items():
        yield f"[{section}]"
        for name, value in values.items():
            origin = loaded.origins.get(f"{section}.{name}")
            yield f"{name} = {_toml(value)}" + (f"  # {origin}" if origin else "")
        yield ""


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name} = {_toml(one)}" for name, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_toml(one) for one in value) + "]"
    return json.dumps(value)
