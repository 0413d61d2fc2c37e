"""The files of `templates/` taken apart: front matter, bodies, layouts and pushes, every text with its place.

They are read here and nowhere else: what is checked, what is compiled and what is sent come of the same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final, Literal

import msgspec

from language.site.decode import Report
from language.site.later import LATER_TEMPLATES, not_yet
from language.site.yaml import Mapping as YamlMapping
from language.site.yaml import Scalar, Sequence, Value, YamlError, kind_of, load_yaml
from language.syntax.problems import SourceText, did_you_mean, nearest, one_of
from templating.sources import Body

Channel = Literal["email", "push"]

KINDS: Final[Mapping[str, Channel]] = {".push.yaml": "push", ".html": "email", ".txt": "email"}
FRONT_MATTER: Final = ("subject", "preheader", "from", "reply_to", "layout")

LAYOUTS: Final = "layouts/"
"""The folder of those, in `templates/`."""

TEMPLATE_BYTES_MAX: Final = 256 * 1024
PUSH_VALUES_MAX: Final = 200

_FRONT = re.compile(r"---[ \t]*\r?\n(.*?)^---[ \t]*(?:\r?\n|\Z)", re.DOTALL | re.MULTILINE)


class JinjaText(msgspec.Struct):
    """One text of Jinja, and where its characters stand in its file: from `start` on, or as a scalar of YAML."""

    file: str
    source: SourceText
    text: str
    start: int
    scalar: Scalar | None = None

    def tell(self, report: Report, within: int, message: str) -> None:
        """A problem at an offset of the text."""
        at = self.scalar.place_within(within) if self.scalar is not None else self.start + within
        report.add(self.source.problem(min(at, len(self.source.text)), message))

    def body(self) -> Body:
        return Body(self.file, self.text, self.source.place(self.start)[0] - 1)


class LetterFile(msgspec.Struct):
    """The HTML or the text of a letter, or a layout."""

    file: str
    """Relative to `templates/`."""
    body: JinjaText
    headers: dict[str, JinjaText] = {}
    layout: JinjaText | None = None
    """What its front matter says under `layout`."""

    @property
    def name(self) -> str:
        return self.file.removeprefix(LAYOUTS).rpartition(".")[0]


class PushFile(msgspec.Struct):
    file: str
    content: YamlMapping
    parts: tuple[JinjaText, ...]


class TemplateFiles(msgspec.Struct):
    """By file, relative to `templates/`, in the order of their names."""

    letters: dict[str, LetterFile] = {}
    layouts: dict[str, LetterFile] = {}
    pushes: dict[str, PushFile] = {}


def read_files(files: Mapping[str, tuple[str, bytes]], report: Report) -> TemplateFiles:
    """`files`: path below `templates/` -> (path to show, content). Problems go to the report."""
    found = TemplateFiles()
    for file, (shown, data) in sorted(files.items()):
        later = next((name for suffix, name in LATER_TEMPLATES.items() if file.endswith(suffix)), None)
        kinds = [suffix for suffix, channel in KINDS.items() if channel == "email" or not file.startswith(LAYOUTS)]
        suffix = next((suffix for suffix in kinds if file.endswith(suffix)), None)
        source = _source(shown, data, report)
        if later is not None:
            report.add(SourceText(shown, "").problem(0, not_yet(later)))
        elif suffix is None:
            message = f"no kind of template that is known; there are {one_of(kinds)}"
            report.add(SourceText(shown, "").problem(0, message, "advice"))
        elif source is not None and KINDS[suffix] == "push":
            push = _push(file, source, report)
            if push is not None:
                found.pushes[file] = push
        elif source is not None:
            into, keys = (found.layouts, ("layout",)) if file.startswith(LAYOUTS) else (found.letters, FRONT_MATTER)
            into[file] = _letter(file, source, keys, report)
    return found


def _source(shown: str, data: bytes, report: Report) -> SourceText | None:
    problem = None
    if len(data) > TEMPLATE_BYTES_MAX:
        problem = f"larger than {TEMPLATE_BYTES_MAX:,} bytes"
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        problem = f"not UTF-8: {error.reason}"
    if problem is not None:
        report.add(SourceText(shown, "").problem(0, problem))
        return None
    return SourceText(shown, text)


def _letter(file: str, source: SourceText, keys: tuple[str, ...], report: Report) -> LetterFile:
    text = source.text
    front = _FRONT.match(text)
    if front is None:
        if text.startswith("---"):
            report.add(source.problem(0, "the front matter has no second `---` line"))
        return LetterFile(file, JinjaText(file, source, text, 0))
    # Blank lines before it keep the places of the front matter those of the file.
    value = _yaml(source, re.sub(r"[^\n]", " ", text[: front.start(1)]) + front[1], report)
    headers = dict(_headers(file, source, front.start(1), value, keys, report))
    body = JinjaText(file, source, text[front.end() :], front.end())
    return LetterFile(file, body, headers, layout=headers.pop("layout", None))


def _headers(
    file: str, source: SourceText, at: int, value: Value | None, keys: tuple[str, ...], report: Report
) -> Iterator[tuple[str, JinjaText]]:
    if not isinstance(value, YamlMapping):
        if value is not None and not (isinstance(value, Scalar) and value.value is None):
            report.add(source.problem(at, f"the front matter is `key: value` lines, not {kind_of(value)}"))
        return
    for key, part in value.values.items():
        if key in FRONT_MATTER and key not in keys:
            report.at(value.keys[key], f"a layout has no `{key}`: that is for each letter to say")
        elif key not in keys:
            hint = did_you_mean(nearest(key, keys)) or f"; there {'are' if keys[1:] else 'is'} {one_of(keys)}"
            report.at(value.keys[key], f"the front matter has no key `{key}`{hint}")
        elif not isinstance(part, Scalar) or isinstance(part.value, bool | None):
            report.at(part, f"`{key}` is a text, not {kind_of(part)}; a text that begins with {{{{ needs quotes")
        else:
            yield key, _of_scalar(file, part)


def _push(file: str, source: SourceText, report: Report) -> PushFile | None:
    value = _yaml(source, source.text, report)
    if value is None:
        return None
    if not isinstance(value, YamlMapping):
        report.at(value, f"a push is `key: value` lines (title, body, url, image), not {kind_of(value)}")
        return None
    if value.size > PUSH_VALUES_MAX:
        report.at(value, f"more than {PUSH_VALUES_MAX} values in one push")
        return None
    parts = tuple(_of_scalar(file, one) for one in _scalars(value) if isinstance(one.value, str))
    return PushFile(file, value, parts)


def _of_scalar(file: str, scalar: Scalar) -> JinjaText:
    """Its text; of a number, as it is written."""
    written = scalar.source.text[scalar.start : scalar.end]
    text = scalar.value if isinstance(scalar.value, str) else written
    return JinjaText(file, scalar.source, text, scalar.start, scalar)


def _yaml(source: SourceText, text: str, report: Report) -> Value | None:
    try:
        return load_yaml(source.file, text)
    except YamlError as error:
        for problem in error.problems:
            report.add(problem)
        return None


def _scalars(value: Value) -> Iterator[Scalar]:
    match value:
        case Scalar():
            yield value
        case Sequence(items=items):
            for item in items:
                yield from _scalars(item)
        case YamlMapping(values=values):
            for part in values.values():
                yield from _scalars(part)


def offset_of(text: str, line: int, pattern: str = "") -> int:
    """Where in the text something stands, on that line or below; the line's first sign if it is not found."""
    starts = [0, *(found.end() for found in re.finditer(r"\n", text))]
    start = starts[min(line, len(starts)) - 1]
    found = re.compile(pattern).search(text, start) if pattern else None
    blank = re.compile(r"[ \t]*").match(text, start)
    assert blank is not None, "it matches nothing too"
    return found.end() - len(found[0].lstrip()) if found is not None else blank.end()
