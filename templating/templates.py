"""The files of `templates/`, checked and compiled: front matter, bodies, pushes. What is wrong is said with file and line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

import jinja2
import msgspec

from templating.sandbox import TemplateEnvironment
from templating.yaml12 import YamlFault, load

TEMPLATE_BYTES_MAX: Final = 256 * 1024
PUSH_VALUES_MAX: Final = 200
SUFFIXES: Final = (".html", ".txt", ".push.yaml")

_EMAIL_KEYS: Final = frozenset({"subject", "preheader", "from", "reply_to"})

LINE_CHARACTERS_MAX: Final = 5_000
"""Of a line, as far as it is looked through for filters that there are not."""

_CODE: Final = re.compile(r"\{\{.*?\}\}|\{%.*?%\}")
_QUOTED: Final = re.compile(r"""'[^']*'|"[^"]*\"""")
_FILTER: Final = re.compile(r"\|\s*([A-Za-z_]\w*)")

_MEANT: Final = {
    "currency": "money",
    "format_currency": "money",
    "price": "money",
    "number_format": "round",
    "strftime": "date",
    "format_date": "date",
    "datetime": "date",
    "upcase": "upper",
    "downcase": "lower",
    "size": "length",
    "fallback": "default",
    "strip_html": "striptags",
    "url_encode": "urlencode",
}
"""What other template languages call a filter -> what it is called here."""

HTML: Final = TemplateEnvironment(html=True)
TEXT: Final = TemplateEnvironment(html=False)


class TemplateProblem(msgspec.Struct, frozen=True):
    """`file` relative to `templates/`, `line` and `column` from 1."""

    file: str
    line: int
    what: str
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.what}"


class TemplatesInvalid(Exception):
    """The templates of a site cannot be used; all that is wrong with them."""

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


def compiled(path: Path) -> tuple[dict[str, EmailTemplate], dict[str, Any]]:
    """(e-mails, pushes) of the directory by name; none if it does not exist. Raises TemplatesInvalid."""
    problems: list[TemplateProblem] = []
    texts = {
        file.relative_to(path).as_posix(): _text(file, problems)
        for file in sorted(path.rglob("*"))
        if file.is_file() and file.name.endswith(SUFFIXES)
    }
    return _compiled(texts, problems)


def compiled_sources(sources: Mapping[str, str]) -> tuple[dict[str, EmailTemplate], dict[str, Any]]:
    """As `compiled`, from the texts that a program was made of, by path relative to the site. Raises TemplatesInvalid."""
    below = "templates/"
    texts = {
        name.removeprefix(below): text
        for name, text in sorted(sources.items())
        if name.startswith(below) and name.endswith(SUFFIXES)
    }
    return _compiled(texts, [])


def _compiled(
    texts: Mapping[str, str], problems: list[TemplateProblem]
) -> tuple[dict[str, EmailTemplate], dict[str, Any]]:
    emails: dict[str, EmailTemplate] = {}
    pushes: dict[str, Any] = {}
    for file, text in texts.items():
        try:
            if file.endswith(".push.yaml"):
                pushes[file.removesuffix(".push.yaml")] = _push(text)
            elif file.endswith(".html"):
                name = file.removesuffix(".html")
                emails[name] = _email(text, texts.get(f"{name}.txt"))
            elif f"{file.removesuffix('.txt')}.html" not in texts:
                emails[file.removesuffix(".txt")] = _email(None, text)
        except _Fault as fault:
            beside = f"{file.removesuffix('.html')}.txt"
            own = {file: text, **({beside: texts[beside]} if beside in texts else {})}
            found = [one for name, source in own.items() for one in _unknown_filters(name, source)]
            problems += (fault.is_filter and found) or [TemplateProblem(file, fault.line, fault.what)]
    if problems:
        raise TemplatesInvalid(problems)
    return emails, pushes


def _unknown_filters(file: str, text: str) -> Iterator[TemplateProblem]:
    """Each use of a filter that there is not, in a file of which Jinja has told the first: it stops there."""
    for number, line in enumerate(text.split("\n"), start=1):
        for code in _CODE.finditer(line[:LINE_CHARACTERS_MAX]):
            bare = _QUOTED.sub(lambda quoted: " " * len(quoted[0]), code[0])
            for found in _FILTER.finditer(bare):
                if found[1] not in HTML.filters:
                    column = code.start() + found.start(1) + 1
                    yield TemplateProblem(file, number, f"there is no filter `{found[1]}`{_meant(found[1])}", column)


def _meant(name: str) -> str:
    known = [*(one for one in HTML.filters if not one.startswith("_")), *_MEANT]
    near = name if name in _MEANT else next(iter(get_close_matches(name, known, 1, 0.7)), None)
    return f"; did you mean `{_MEANT.get(near, near)}`?" if near else ""


class _Fault(Exception):
    def __init__(self, line: int, what: str) -> None:
        super().__init__(what)
        self.line = line
        self.what = what

    @property
    def is_filter(self) -> bool:
        """Whether it is a filter that there is not, and so one of perhaps many."""
        return self.what.startswith("No filter named")


def _text(file: Path, problems: list[TemplateProblem]) -> str:
    try:
        if file.stat().st_size > TEMPLATE_BYTES_MAX:
            problems.append(TemplateProblem(file.name, 1, f"larger than {TEMPLATE_BYTES_MAX} bytes"))
            return ""
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        problems.append(TemplateProblem(file.name, 1, "not UTF-8 text"))
        return ""


def _email(html: str | None, text: str | None) -> EmailTemplate:
    """From the `.html` and the `.txt` beside it, either of which may be missing; the HTML's front matter counts."""
    meta: dict[str, Any] = {}
    parts: list[jinja2.Template | None] = []
    for source, environment in ((text, TEXT), (html, HTML)):
        if source is None:
            parts.append(None)
            continue
        told, body, line = _front_matter(source)
        meta |= told
        parts.append(compile_source(environment, body, line))
    headers = {key: compile_source(TEXT, value, 1) for key, value in meta.items()}
    return EmailTemplate(headers, html=parts[1], text=parts[0])


def _front_matter(source: str) -> tuple[dict[str, Any], str, int]:
    """(what stands between the `---` lines, the body, number of the lines before the body)"""
    found = re.match(r"---[ \t]*\r?\n(.*?)^---[ \t]*(?:\r?\n|\Z)", source, re.DOTALL | re.MULTILINE)
    if found is None:
        if source.startswith("---\n"):
            raise _Fault(1, "the front matter has no second `---` line")
        return {}, source, 0
    meta = _yaml(found[1], before=1) or {}
    if not isinstance(meta, dict):
        raise _Fault(2, "the front matter must be `key: value` lines")
    for key, value in meta.items():
        if key not in _EMAIL_KEYS:
            raise _Fault(2, f"unknown key {key!r} in the front matter; there are {', '.join(sorted(_EMAIL_KEYS))}")
        if not isinstance(value, (str, int, float)) or isinstance(value, bool):
            raise _Fault(2, f"{key} must be text; put it in quotes if it begins with a brace")
    return {key: str(value) for key, value in meta.items()}, source[found.end() :], found[0].count("\n")


def _yaml(text: str, before: int = 0) -> Any:
    try:
        return load(text)
    except YamlFault as fault:
        hint = '; a value that begins with {{ needs quotes: "{{ … }}"' if "{{" in text else ""
        raise _Fault(fault.line + before, f"{fault.what}{hint}") from fault


def _push(source: str) -> Any:
    content = _yaml(source)
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise _Fault(1, "a push must be `key: value` lines: title, body, url, image, …")
    count = 0

    def filled(value: Any) -> Any:
        nonlocal count
        count += 1
        if count > PUSH_VALUES_MAX:
            raise _Fault(1, f"more than {PUSH_VALUES_MAX} values in one push")
        if isinstance(value, str):
            return compile_source(TEXT, value, 0)
        if isinstance(value, dict):
            return {str(key): filled(inner) for key, inner in value.items()}
        return [filled(inner) for inner in value] if isinstance(value, list) else value

    return filled(content)


def compile_source(environment: TemplateEnvironment, source: str, lines_before: int) -> jinja2.Template:
    try:
        return environment.from_string(source)
    except jinja2.TemplateSyntaxError as error:
        raise _Fault(error.lineno + lines_before, error.message or "not a template") from error
    except RecursionError:
        raise _Fault(1 + lines_before, "nested too deeply") from None
