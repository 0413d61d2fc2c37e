"""What the templates of a site look at: the names in their texts, found without rendering them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

import jinja2
import msgspec
from jinja2 import nodes
from jinja2.meta import find_undeclared_variables

from language.letters.files import Channel, JinjaText, LetterFile, PushFile, TemplateFiles, offset_of, read_files
from language.letters.layouts import Chain, Layouts, check_blocks, check_layout
from language.site.context import Context
from language.site.links import link_names
from language.site.yaml import plain
from language.syntax.ast import Bag, TemplateInfo
from language.syntax.habits import FILTERS
from language.syntax.problems import did_you_mean, nearest, one_of
from language.syntax.vocabulary import BAG_PARTS, LATER
from templating.layouts import laid_out
from templating.sandbox import refusals
from templating.sources import Body, LetterSource, PushSource, TemplateSources
from templating.templates import HTML

NAMES: Final = frozenset({"user", "entry", "run", "data", "unsubscribe_url", "user_name", "currency"})
"""What every template sees, beside the collections."""

PRINTED_ROOTS: Final = ("user", "entry", "data")
"""Objects whose values are known when a send is decided."""

FUNCTIONS: Final = {"range"}
"""Functions that a template may call."""

Key = tuple[Channel, str]


class _Whatever(dict[str, Any]):
    """Has every filter and test: those that there are not are told one by one, each at its place."""

    def get(self, key: str, default: Any = None) -> Any:
        return str


_PARSER = jinja2.Environment()  # noqa: S701  # parses and never renders: nothing to escape
_PARSER.filters = _Whatever()
_PARSER.tests = _Whatever()


class SiteTemplates(msgspec.Struct):
    """By (channel, name): what it looks at, and whether it has a subject."""

    sources: TemplateSources
    infos: dict[Key, TemplateInfo] = {}
    subjects: set[Key] = set()
    data: dict[Key, set[str]] = {}
    """Values of the send that it cannot do without: `data.x` with no default, and asked for nowhere whether it is there."""
    run: dict[Key, set[str]] = {}
    """Values of the run that it cannot do without, likewise."""
    layouts: frozenset[str] = frozenset()
    """Files relative to `templates/`."""


def read_templates(files: Mapping[str, tuple[str, bytes]], context: Context) -> SiteTemplates:
    """`files`: path below `templates/` -> (path to show, content). Problems go to the report."""
    return _Reader(read_files(files, context.report), context).read()


class _Text(msgspec.Struct, frozen=True):
    """A text that can be read, and the names that are not its own."""

    tree: nodes.Template
    names: set[str]


class _Seen(msgspec.Struct):
    """What one template looks at, in all its files."""

    names: set[str] = set()
    data: set[str] = set()
    run: set[str] = set()
    printed: set[tuple[str, str]] = set()
    contexts: set[tuple[str, tuple[str, ...]]] = set()
    links: set[str] = set()

    def look(self, text: _Text) -> None:
        tree = text.tree
        self.names |= text.names
        self.data |= _needed(tree, "data")
        self.run |= _needed(tree, "run")
        self.printed |= _printed(tree)
        self.contexts |= set(_contexts(tree))

    def info(self, key: Key) -> TemplateInfo:
        return TemplateInfo(
            name=key[1],
            channel=key[0],
            names=frozenset(self.names),
            printed=frozenset(self.printed),
            contexts=frozenset(self.contexts),
            links=frozenset(self.links),
        )


class _Reader:
    """Reads the templates of one site."""

    def __init__(self, files: TemplateFiles, context: Context) -> None:
        self._files = files
        self._context = context
        self._layouts = Layouts(files.layouts, context.report)
        self._trees: dict[str, nodes.Template | None] = {}
        self._seen: dict[Key, _Seen] = {}
        self._subjects: set[Key] = set()
        self._letters: dict[str, LetterSource] = {}
        self._pushes: dict[str, PushSource] = {}

    def read(self) -> SiteTemplates:
        for layout in self._files.layouts.values():
            self._layout(layout)
        for letter in self._files.letters.values():
            self._letter(letter)
        for push in self._files.pushes.values():
            self._push(push)
        return SiteTemplates(
            sources=TemplateSources(letters=self._letters, pushes=self._pushes),
            infos={key: seen.info(key) for key, seen in self._seen.items()},
            subjects=self._subjects,
            data={key: seen.data for key, seen in self._seen.items()},
            run={key: seen.run for key, seen in self._seen.items()},
            layouts=frozenset(self._files.layouts),
        )

    def _layout(self, layout: LetterFile) -> None:
        chain = self._layouts.chain(layout)
        text = self._checked(layout.body, self._set_around(chain))
        if text is not None:
            check_layout(layout, text.tree, self._context.report)
            self._check_blocks(chain)

    def _letter(self, letter: LetterFile) -> None:
        name, suffix = letter.name, letter.file.rpartition(".")[2]
        key: Key = ("email", name)
        seen = self._seen.setdefault(key, _Seen())
        chain = self._layouts.chain(letter)
        texts = [self._checked(part) for part in letter.headers.values()]
        own = self._checked(letter.body, self._set_around(chain))
        if "subject" in letter.headers:
            self._subjects.add(key)
        if chain is None or not self._check_blocks(chain):
            return
        texts.append(self._laid_out(chain, own) if own is not None and len(chain) > 1 else own)
        for text in texts:
            if text is not None:
                seen.look(text)
        if suffix == "html":
            seen.links |= {link for one in chain for link in link_names(one.body.text)}
        self._hand_over(name, suffix, letter, tuple(one.body.body() for one in chain))

    def _laid_out(self, chain: Chain, own: _Text) -> _Text | None:
        """The letter and its layouts, which can be read each by itself, as one text."""
        letter, report = chain[0].body, self._context.report
        try:
            tree = laid_out([_PARSER.parse(one.body.text) for one in chain])
            names = find_undeclared_variables(tree)
        except RecursionError:
            letter.tell(report, 0, "nested too deep")
            return None
        for name in sorted(names & own.names & (self._set_around(chain) or set())):
            at = offset_of(letter.text, 1, rf"\b{re.escape(name)}\b")
            letter.tell(report, at, f"`{name}` is not set here: its layout sets it further down, or only sometimes")
        return _Text(tree, names)

    def _hand_over(self, name: str, suffix: str, letter: LetterFile, bodies: tuple[Body, ...]) -> None:
        """Of a letter of two files the front matter of the HTML, which is read first, counts."""
        before = self._letters.get(name, LetterSource())
        headers = {key: part.body() for key, part in letter.headers.items()} | before.headers
        html, text = (bodies, before.text) if suffix == "html" else (before.html, bodies)
        self._letters[name] = LetterSource(headers=headers, html=html, text=text)

    def _push(self, push: PushFile) -> None:
        name = push.file.removesuffix(".push.yaml")
        seen = self._seen.setdefault(("push", name), _Seen())
        for part in push.parts:
            text = self._checked(part)
            if text is not None:
                seen.look(text)
        self._pushes[name] = PushSource(push.file, plain(push.content))

    def _check_blocks(self, chain: Chain | None) -> bool:
        """Whether the letter and its layouts can be put into one another, as far as they can be read."""
        if chain is None or len(chain) == 1:
            return chain is not None
        trees = [self._tree(one) for one in chain]
        read = [tree for tree in trees if tree is not None]
        if len(read) < len(trees):
            return False
        check_blocks(chain, read, self._context.report)
        return True

    def _tree(self, letter: LetterFile) -> nodes.Template | None:
        """Of one file, to be looked at only. None: what is wrong with it is told where it is checked."""
        if letter.file not in self._trees:
            self._trees[letter.file] = _parsed(letter.body)
        return self._trees[letter.file]

    def _set_around(self, chain: Chain | None) -> set[str] | None:
        """Names that the layouts of a letter set, and it may use; None: its layouts are not known."""
        if chain is None:
            return None
        trees = [self._tree(one) for one in chain[1:]]
        sets = [one for tree in trees if tree is not None for one in tree.find_all((nodes.Assign, nodes.AssignBlock))]
        return {name.name for one in sets for name in one.find_all(nodes.Name) if name.ctx == "store"}

    def _checked(self, part: JinjaText, given: Collection[str] | None = ()) -> _Text | None:
        """A text, when what is wrong with it is in the report. `given`: names that are set around it; None: any may be."""
        report = self._context.report
        try:
            tree = _PARSER.parse(part.text)
            names = find_undeclared_variables(tree)
        except jinja2.TemplateSyntaxError as error:
            part.tell(report, offset_of(part.text, error.lineno), f"no template: {error.message}")
            return None
        except RecursionError:
            part.tell(report, 0, "nested too deep")
            return None
        self._check_names(part, tree, names - set(names if given is None else given))
        if self._context.renders:
            for line, name, what in _unrendered(tree):
                part.tell(report, offset_of(part.text, line, name), what)
        return _Text(tree, names)

    def _check_names(self, part: JinjaText, tree: nodes.Template, names: set[str]) -> None:
        report = self._context.report
        known = NAMES | FUNCTIONS | self._context.known.collections.keys()
        called = {call.node.name for call in tree.find_all(nodes.Call) if isinstance(call.node, nodes.Name)}
        for name in sorted(names - known):
            line = min((node.lineno for node in tree.find_all(nodes.Name) if node.name == name), default=1)
            what = "function" if name in called else "name"
            candidates = FUNCTIONS if name in called else known - FUNCTIONS
            hint = did_you_mean(nearest(name, candidates)) or _hint(name, name in called)
            message = LATER.get(name) or f"there is no {what} `{name}`{hint}"
            part.tell(report, offset_of(part.text, line, rf"\b{re.escape(name)}\b"), message)
        own = {node.name for node in tree.find_all(nodes.Name) if node.ctx == "store"}
        for bag in sorted(names - own):
            if isinstance(self._context.known.collections.get(bag), Bag):
                for name, line in sorted(_parts_of(tree, bag).items()):
                    if name not in BAG_PARTS:
                        hint = did_you_mean(nearest(name, BAG_PARTS)) or f"; there is {one_of(BAG_PARTS)}"
                        at = offset_of(part.text, line, rf"\b{re.escape(name)}\b")
                        part.tell(report, at, f"`{bag}.{name}` does not exist{hint}")


def _hint(name: str, called: bool) -> str:
    if called:
        return f"; there is {one_of(sorted(FUNCTIONS))}"
    return f": values of the send are `data.{name}`, traits `user.{name}`, the entry event's properties `entry.{name}`"


def _parsed(part: JinjaText) -> nodes.Template | None:
    try:
        return _PARSER.parse(part.text)
    except (jinja2.TemplateSyntaxError, RecursionError):
        return None


def _unrendered(tree: nodes.Template) -> Iterator[tuple[int, str, str]]:
    """(line, pattern of what stands there, what is wrong) of all that this version's sandbox refuses."""
    for line, what in refusals(tree):
        yield line, "", what
    for node in tree.find_all(nodes.Filter):
        if node.name not in HTML.filters:
            place = rf"(?<=\|)\s*\b{re.escape(node.name)}\b"
            yield node.lineno, place, f"there is no filter `{node.name}`{_filter_meant(node.name)}"
    for test in tree.find_all(nodes.Test):
        if test.name not in HTML.tests:
            hint = did_you_mean(nearest(test.name, HTML.tests))
            yield test.lineno, rf"\b{re.escape(test.name)}\b", f"there is no test `{test.name}`{hint}"


def _filter_meant(name: str) -> str:
    known = [*(one for one in HTML.filters if not one.startswith("_")), *FILTERS]
    near = name if name in FILTERS else nearest(name, known, 0.7)
    return did_you_mean(FILTERS.get(near, near) if near else None)


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
