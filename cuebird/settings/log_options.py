"""`--log-format` and `--log-level`, of the commands that serve."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, get_args, get_type_hints

import click

from cuebird.settings.logs import LogSettings

F = TypeVar("F", bound=Callable[..., Any])

_KINDS = get_type_hints(LogSettings)


def log_options(command: F) -> F:
    """Both options, as `log_format` and `log_level`; None if they were not given."""
    formats = click.option(
        "--log-format", type=click.Choice(get_args(_KINDS["format"])), help="One line, or one JSON object, a record."
    )
    levels = click.option("--log-level", type=click.Choice(get_args(_KINDS["level"])), help="The least that is told.")
    return formats(levels(command))
