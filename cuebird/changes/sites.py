"""Opening a site for a command: either it is fine, or every problem is printed and the command ends with exit code 1."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import msgspec

from actors.model.program import Program
from language.compiler.compile import CompileError, compile_site
from language.load import Checked, check_site
from language.syntax.problems import Problem, SiteErrors
from templating.templates import TemplateProblem, TemplatesInvalid, compiled


def open_site(path: Path) -> tuple[Checked, Program]:
    """The site, its advice, and its program, all of one reading of its files. Raises SiteErrors with all that is wrong."""
    checked = check_site(path)
    try:
        compiled(checked.site.letters)
    except TemplatesInvalid as error:
        raise SiteErrors([_problem(path, one) for one in error.problems]) from None
    try:
        return checked, compile_site(checked.site)
    except CompileError as error:
        raise SiteErrors([Problem(file=str(path), line=1, column=1, message=str(error))]) from None


def _problem(path: Path, found: TemplateProblem) -> Problem:
    """What only the compiler of letters finds, which is little."""
    file = (path / "templates" / found.file).as_posix()
    return Problem(file=file, line=found.line, column=1, message=found.what)


def told(problems: tuple[Problem, ...]) -> list[dict[str, Any]]:
    """Problems as JSON has them."""
    found: list[dict[str, Any]] = msgspec.to_builtins(list(problems))
    return found


def refuse(error: SiteErrors, *, as_json: bool, to_stderr: bool = False, settings: tuple[str, ...] = ()) -> SystemExit:
    """Prints all problems, those of the settings too, and how many there are. Raise what it returns."""
    if as_json and not to_stderr:
        problems = [*told(error.problems), *({"message": problem} for problem in settings)]
        click.echo(json.dumps({"ok": False, "problems": problems}, indent=2))
    else:
        for problem in (*error.problems, *settings):
            click.echo(str(problem), err=to_stderr)
        click.echo(_counted(error.problems, len(settings)), err=to_stderr)
    return SystemExit(1)


def _counted(problems: tuple[Problem, ...], settings: int) -> str:
    advice = sum(problem.severity == "advice" for problem in problems)
    errors = len(problems) - advice + settings
    text = "1 error" if errors == 1 else f"{errors} errors"
    return f"{text}, {advice} of advice" if advice else text
