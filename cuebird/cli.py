"""`cuebird`: finds its commands by file name, so that starting one imports no other."""

from __future__ import annotations

import importlib
import pkgutil

import click

from cuebird import commands


class Commands(click.Group):
    """A command is a module of `cuebird.commands`; `send_test.py` is `cuebird send-test`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(module.name.replace("_", "-") for module in pkgutil.iter_modules(commands.__path__))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        module = importlib.import_module(f"cuebird.commands.{cmd_name.replace('-', '_')}")
        command = module.command
        assert isinstance(command, click.Command)
        return command


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="cuebird", prog_name="cuebird")
def main() -> None:
    """Behavioural triggers: events in, the right message out, once."""
