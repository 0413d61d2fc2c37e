"""`cuebird`: finds its commands by file name, so that starting one imports no other."""

from __future__ import annotations

import importlib
import pkgutil

import click

from cuebird import commands


class Commands(click.Group):
    """A command is a module of `cuebird.commands`; `send_test.py` is `cuebird send-test`, `import_.py` is `cuebird import`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_said(module.name) for module in pkgutil.iter_modules(commands.__path__))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        names = {_said(module.name): module.name for module in pkgutil.iter_modules(commands.__path__)}
        if cmd_name not in names:
            return None
        module = importlib.import_module(f"cuebird.commands.{names[cmd_name]}")
        command = module.command
        assert isinstance(command, click.Command)
        return command


def _said(module: str) -> str:
    """What a module's command is called; one whose name is a word of Python has a `_` behind it."""
    return module.removesuffix("_").replace("_", "-")


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="cuebird", prog_name="cuebird")
def main() -> None:
    """Behavioural triggers: events in, the right message out, once."""
