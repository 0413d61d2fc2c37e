"""What the templates of a site look at: the names in their texts, found without rendering them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal, cast

import jinja2
import msgspec
from jinja2 import nodes
from jinja2.meta import find_undeclared_variables

from language.site.context import Context
from language.site.later import LATER_TEMPLATES, not_yet
from language.site.links import link_names
from language.site.yaml import Mapping as YamlMapping
from language.site.yaml import Scalar, Sequence, Value, YamlError, kind_of, load_yaml
from language.syntax.ast import Bag, TemplateInfo
from language.syntax.problems import SourceText, did_you_mean, nearest, one_of
from language.syntax.vocabulary import BAG_PARTS, LATER

KINDS: Final[Mapping[str, Literal["email", "push"]]] = {".push.yaml": "push", ".html": "email", ".txt": "email"}
FRONT_MATTER: Final = ("subject", "preheader", "from", "reply_to")
NAMES: Final = frozenset({"user", "entry", "run", "data", "unsubscribe_url", "user_name", "currency"})
"""What every template sees, beside the collections."""

PRINTED_ROOTS: Final = ("user", "entry", "data")
"""Objects whose values are known when a send is decided."""

FUNCTIONS: Final = {"range"}
"""Functions that a template may call."""

TEMPLATE_BYTES_MAX: Final = 256 * 1024

_FRONT = re.compile(r"---[ \t]*\r?\n(.*?)^---[ \t]*(?:\r?\n|\Z)", re.DOTALL | re.MULTILINE)


class _Whatever(dict[str, Any]):
    """Has every filter and test: which there are, delivery knows, and `check` asks it."""

    def get(self, key: str, default: Any = None) -> Any:
        return str


_PARSER = jinja2.Environment()  # noqa: S701  # parses and never renders: nothing to escape
_PARSER.filters = _Whatever()
_PARSER.tests = _Whatever()


class SiteTemplates(msgspec.Struct):
    """By (channel, name): what it looks at, and whether it has a subject."""

    infos: dict[tuple[str, str], TemplateInfo] = {}
    subjects: set[tuple[str, str]] = set()
    data: dict[tuple[str, str], set[str]] = {}
    """Values of the send that it cannot do without: `data.x` with no default, and asked for nowhere whether it is there."""
    run: dict[tuple[str, str], set[str]] = {}
    """Values of the run that it cannot do without, likewise."""


def read_templates(files: Mapping[str, tuple[str, bytes]], context: Context) -> SiteTemplates:
    """`files`: path below `templates/` -> (path to show, content). Problems go to the report."""
    found = SiteTemplates()
    for file, (shown, data) in sorted(files.items()):
        later = next((name for suffix, name in LATER_TEMPLATES.items() if file.endswith(suffix)), None)
        suffix = next((suffix for suffix in KINDS if file.endswith(suffix)), None)
        source = _source(shown, data, context)
        if later is not None:
            context.report.add(SourceText(shown, "").problem(0, not_yet(later)))
        elif suffix is None:
            message = f"no kind of template that is known; there are {one_of(KINDS)}"
            context.report.add(SourceText(shown, "").problem(0, message, "advice"))
        elif source is not None:
            _Reader(source, context, found).read(KINDS[suffix], file.removesuffix(suffix))
    return found


def _source(shown: str, data: bytes, context: Context) -> SourceText | None:
    problem = None
    if len(data) > TEMPLATE_BYTES_MAX:
        problem = f"larger than {TEMPLATE_BYTES_MAX:,} bytes"
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        problem = f"not UTF-8: {error.reason}"
    if problem is not None:
        context.report.add(SourceText(shown, "").problem(0, problem))
        return None
    return SourceText(shown, text)


class _Reader:
    """Reads one template's file."""

    def __init__(self, source: SourceText, context: Context, found: SiteTemplates) -> None:
        self._source = source
        self._context = context
        self._found = found
        self._names: set[str] = set()
        self._data: set[str] = set()
        self._run: set[str] = set()
        self._printed: set[tuple[str, str]] = set()
        self._contexts: set[tuple[str, tuple[str, ...]]] = set()
        self._links: frozenset[str] = frozenset()

    def read(self, channel: Literal["email", "push"], name: str) -> None:
        key = (channel, name)
        if channel == "push":
            self._push()
        elif self._email():
            self._found.subjects.add(key)
        known = self._found.infos.get(key)
        names = frozenset(self._names | (known.names if known else frozenset()))
        printed = frozenset(self._printed | (known.printed if known else frozenset()))
        links = self._links | (known.links if known else frozenset())
        contexts = frozenset(self._contexts | (known.contexts if known else frozenset()))
        self._found.infos[key] = TemplateInfo(
            name=name, channel=channel, names=names, printed=printed, contexts=contexts, links=links
        )
        self._found.data.setdefault(key, set()).update(self._data)
        self._found.run.setdefault(key, set()).update(self._run)

    def _email(self) -> bool:
        """Whether it has a subject."""
        text = self._source.text
        front = _FRONT.match(text)
        if self._source.file.endswith(".html"):
            self._links = link_names(text[front.end() if front else 0 :])
        if front is None:
            if text.startswith("---"):
                self._tell(0, "the front matter has no second `---` line")
            self._jinja(text, 0)
            return False
        # Blank lines before it keep the places of the front matter those of the file.
        value = self._yaml(re.sub(r"[^\n]", " ", text[: front.start(1)]) + front[1])
        self._jinja(text[front.end() :], front.end())
        if not isinstance(value, YamlMapping):
            if value is not None and not (isinstance(value, Scalar) and value.value is None):
                self._tell(front.start(1), f"the front matter is `key: value` lines, not {kind_of(value)}")
            return False
        for key, part in value.values.items():
            if key not in FRONT_MATTER:
                hint = did_you_mean(nearest(key, FRONT_MATTER)) or f"; there are {one_of(FRONT_MATTER)}"
                self._tell(value.keys[key].start, f"the front matter has no key `{key}`{hint}")
            elif not isinstance(part, Scalar) or isinstance(part.value, bool | None):
                self._tell(
                    part.start, f"`{key}` is a text, not {kind_of(part)}; a text that begins with {{{{ needs quotes"
                )
            else:
                self._scalar(part)
        return "subject" in value.values

    def _push(self) -> None:
        value = self._yaml(self._source.text)
        if value is None:
            return
        if not isinstance(value, YamlMapping):
            self._tell(value.start, f"a push is `key: value` lines (title, body, url, image), not {kind_of(value)}")
            return
        for scalar in _scalars(value):
            self._scalar(scalar)

    def _yaml(self, text: str) -> Value | None:
        try:
            return load_yaml(self._source.file, text)
        except YamlError as error:
            for problem in error.problems:
                self._context.report.add(problem)
            return None

    def _scalar(self, scalar: Scalar) -> None:
        if isinstance(scalar.value, str):
            self._jinja(scalar.value, scalar.start, scalar)

    def _jinja(self, text: str, start: int, scalar: Scalar | None = None) -> None:
        """The names of one Jinja2 text, which begins at `start` of the file."""

        def place(line: int, word: str) -> int:
            within = _offset(text, line, word)
            return scalar.place_within(within) if scalar is not None else start + within

        try:
            tree = _PARSER.parse(text)
            names = find_undeclared_variables(tree)
        except jinja2.TemplateSyntaxError as error:
            self._tell(place(error.lineno, ""), f"no template: {error.message}")
            return
        except RecursionError:
            self._tell(start, "nested too deep")
            return
        self._names |= names
        self._data |= _needed(tree, "data")
        self._run |= _needed(tree, "run")
        self._printed |= _printed(tree)
        self._contexts |= set(_contexts(tree))
        known = NAMES | FUNCTIONS | self._context.known.collections.keys()
        called = {call.node.name for call in tree.find_all(nodes.Call) if isinstance(call.node, nodes.Name)}
        for name in sorted(names - known):
            line = min((node.lineno for node in tree.find_all(nodes.Name) if node.name == name), default=1)
            what = "function" if name in called else "name"
            candidates = FUNCTIONS if name in called else known - FUNCTIONS
            hint = did_you_mean(nearest(name, candidates)) or self._hint(name, name in called)
            self._tell(place(line, name), LATER.get(name) or f"there is no {what} `{name}`{hint}")
        own = {node.name for node in tree.find_all(nodes.Name) if node.ctx == "store"}
        for bag in sorted(names - own):
            if isinstance(self._context.known.collections.get(bag), Bag):
                for part, line in sorted(_parts_of(tree, bag).items()):
                    if part not in BAG_PARTS:
                        hint = did_you_mean(nearest(part, BAG_PARTS)) or f"; there is {one_of(BAG_PARTS)}"
                        self._tell(place(line, part), f"`{bag}.{part}` does not exist{hint}")

    def _hint(self, name: str, called: bool) -> str:
        if called:
            return f"; there is {one_of(sorted(FUNCTIONS))}"
        return (
            f": values of the send are `data.{name}`, traits `user.{name}`, the entry event's properties `entry.{name}`"
        )

    def _tell(self, at: int, message: str) -> None:
        self._context.report.add(self._source.problem(min(at, len(self._source.text)), message))


def _needed(tree: nodes.Template, name: str) -> set[str]:
    """`data.x` that is looked at without a default, and not only where the template has asked for it."""
    asking: list[nodes.Node] = [
        *(node.test for node in tree.find_all(nodes.If)),
        *(node.test for node in tree.find_all(nodes.CondExpr)),
        *(node for node in tree.find_all(nodes.Test) if node.name in ("defined", "undefined")),
        *(node for node in tree.find_all(nodes.Filter) if node.name in ("default", "d")),
    ]
    return _parts_of(tree, name).keys() - {part for node in asking for part in _parts_of(node, name)}


def _printed(tree: nodes.Template) -> set[tuple[str, str]]:
    """`{{ user.x }}` and its like as they stand, outside of all that may leave them out: without a value rendering fails."""
    own = {node.name for node in tree.find_all(nodes.Name) if node.ctx == "store"}
    shown = (one for node in tree.body if isinstance(node, nodes.Output) for one in node.nodes)
    return {
        (one.node.name, one.attr)
        for one in shown
        if isinstance(one, nodes.Getattr)
        and isinstance(one.node, nodes.Name)
        and one.node.name in PRINTED_ROOTS
        and one.node.name not in own
    }


def _contexts(node: nodes.Node) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Each `user.context.page.url` and its like, as far as its parts are written there."""
    chain = _chain(node)
    if len(chain) > 2 and chain[0] in ("user", "entry") and chain[1] == "context":
        yield chain[0], chain[2:]
        return
    for part in node.iter_child_nodes():
        yield from _contexts(part)


def _chain(node: nodes.Node) -> tuple[str, ...]:
    """`("user", "context")` of `user.context` or `user["context"]`; empty of what is no such path."""
    match node:
        case nodes.Name(name=name):
            return (name,)
        case nodes.Getattr(node=inner, attr=part) | nodes.Getitem(node=inner, arg=nodes.Const(value=str() as part)):
            before = _chain(inner)
            return (*before, part) if before else ()
    return ()


def _parts_of(node: nodes.Node, name: str) -> dict[str, int]:
    """Each `x` of `name.x`, and a line on which it stands."""
    found = [*node.find_all(nodes.Getattr), *([node] if isinstance(node, nodes.Getattr) else ())]
    return {one.attr: one.lineno for one in found if isinstance(one.node, nodes.Name) and one.node.name == name}


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


def _offset(text: str, line: int, word: str) -> int:
    """Where in the text a word stands, on that line or below; the line's first sign if it is not found."""
    starts = [0, *(found.end() for found in re.finditer(r"\n", text))]
    start = starts[min(line, len(starts)) - 1]
    if word:
        found = re.compile(rf"\b{re.escape(word)}\b").search(text, start)
        if found is not None:
            return found.start()
    return start + cast("re.Match[str]", re.compile(r"[ \t]*").match(text, start)).end() - start
