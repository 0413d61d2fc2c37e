"""The templates of a site, compiled: what the language has read of them, made ready to be rendered."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import jinja2
import msgspec
from jinja2 import nodes

from templating.layouts import laid_out
from templating.sandbox import TemplateEnvironment
from templating.sources import Body, LetterSource, TemplateSources

HTML: Final = TemplateEnvironment(html=True)
TEXT: Final = TemplateEnvironment(html=False)

T = TypeVar("T")


class TemplateProblem(msgspec.Struct, frozen=True):
    """`file` relative to `templates/`, `line` from 1."""

    file: str
    line: int
    what: str

    def __str__(self) -> str:
        return f"templates/{self.file}:{self.line}: {self.what}"


class TemplatesInvalid(Exception):
    """The templates of a site cannot be used; what is wrong with them, the first of each."""

    def __init__(self, problems: list[TemplateProblem]) -> None:
        super().__init__(problems)
        self.problems = problems

    def __str__(self) -> str:
        return "\n".join(map(str, self.problems))


class EmailTemplate(msgspec.Struct, frozen=True):
    """`headers`: subject, preheader, from, reply_to, as far as the front matter has them."""

    headers: dict[str, jinja2.Template]
    html: jinja2.Template | None
    text: jinja2.Template | None


def compiled(sources: TemplateSources) -> tuple[dict[str, EmailTemplate], dict[str, Any]]:
    """(e-mails, pushes) by name. Raises TemplatesInvalid for what this version's sandbox refuses."""
    problems: list[TemplateProblem] = []
    emails: dict[str, EmailTemplate] = {}
    pushes: dict[str, Any] = {}
    for name, letter in sources.letters.items():
        with _noted(problems):
            emails[name] = _email(letter)
    for name, push in sources.pushes.items():
        with _noted(problems):
            pushes[name] = _filled(push.file, push.content)
    if problems:
        raise TemplatesInvalid(list(dict.fromkeys(problems)))
    return emails, pushes


class _Fault(Exception):
    def __init__(self, file: str, line: int, what: str) -> None:
        super().__init__(what)
        self.problem = TemplateProblem(file, line, what)


@contextmanager
def _noted(problems: list[TemplateProblem]) -> Iterator[None]:
    try:
        yield
    except _Fault as fault:
        problems.append(fault.problem)


def _email(letter: LetterSource) -> EmailTemplate:
    return EmailTemplate(
        {key: _compile(TEXT, [body]) for key, body in letter.headers.items()},
        html=_compile(HTML, letter.html) if letter.html else None,
        text=_compile(TEXT, letter.text) if letter.text else None,
    )


def _filled(file: str, value: Any) -> Any:
    """The value with its texts compiled."""
    if isinstance(value, str):
        return _compile(TEXT, [Body(file, value)])
    if isinstance(value, dict):
        return {key: _filled(file, inner) for key, inner in value.items()}
    return [_filled(file, inner) for inner in value] if isinstance(value, list) else value


def _compile(environment: TemplateEnvironment, bodies: Sequence[Body]) -> jinja2.Template:
    *inner, outermost = bodies
    # Jinja drops the line end at the end of a template: what is put into a layout keeps it.
    trees = [_tree(environment, body, f"{body.text}\n") for body in inner]
    trees.append(_tree(environment, outermost, outermost.text))
    return _guarded(bodies[0], lambda: environment.made(laid_out(trees)))


def _tree(environment: TemplateEnvironment, body: Body, text: str) -> nodes.Template:
    return _guarded(body, lambda: environment.parsed(text))


def _guarded(body: Body, make: Callable[[], T]) -> T:
    try:
        return make()
    except jinja2.TemplateSyntaxError as error:
        raise _Fault(body.file, error.lineno + body.lines_before, error.message or "not a template") from error
    except (
        RecursionError,
        SyntaxError,
    ):  # Python takes no more than twenty loops within one another, and a hundred blocks
        raise _Fault(body.file, 1 + body.lines_before, "nested too deep") from None
