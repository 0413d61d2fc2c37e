"""Which layouts stand around a letter, and whether each says what the other needs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from jinja2 import nodes

from language.letters.files import LAYOUTS, LetterFile, offset_of
from language.site.decode import Report
from language.syntax.problems import did_you_mean, nearest, one_of
from templating.layouts import CONTENT, LAYOUTS_MAX, own_blocks

Chain = tuple[LetterFile, ...]
"""A letter's file, and then its layouts from the inside outwards."""


class Layouts:
    """The layouts of a site, by file. Problems go to the report, each once."""

    def __init__(self, files: Mapping[str, LetterFile], report: Report) -> None:
        self._files = files
        self._report = report

    def chain(self, letter: LetterFile) -> Chain | None:
        """None, if it cannot be laid out."""
        found = [letter]
        while (said := found[-1].layout) is not None:
            suffix = letter.file.rpartition(".")[2]
            file = f"{LAYOUTS}{said.text}.{suffix}"
            if file not in self._files:
                said.tell(self._report, 0, f"there is no templates/{file}{self._hint(said.text, suffix)}")
                return None
            if any(one.file == file for one in found):
                self._round([one for one in found if one.file.startswith(LAYOUTS)], file)
                return None
            if len(found) > LAYOUTS_MAX:
                said.tell(self._report, 0, f"more than {LAYOUTS_MAX} layouts around one another")
                return None
            found.append(self._files[file])
        return tuple(found)

    def _hint(self, told: str, suffix: str) -> str:
        names = [one.name for one in self._files.values() if one.file.endswith(f".{suffix}")]
        there = f"; there is {one_of(names)}" if names else "; write it, with {% block content %}{% endblock %} in it"
        return did_you_mean(nearest(told, names)) or there

    def _round(self, found: Sequence[LetterFile], file: str) -> None:
        """The same sentence, wherever a letter came into the circle."""
        files = [one.file for one in found]
        circle = list(found[files.index(file) :])
        first = min(range(len(circle)), key=lambda at: circle[at].file)
        circle = [*circle[first:], *circle[:first]]
        names = [f"templates/{one.file}" for one in circle]
        what = (
            f"{names[0]} lays out itself: take out its `layout:`"
            if len(names) == 1
            else f"layouts go round in a circle, {' -> '.join([*names, names[0]])}: take out one `layout:`"
        )
        assert circle[0].layout is not None, "it goes on to the next"
        circle[0].layout.tell(self._report, 0, what)


def check_layout(layout: LetterFile, tree: nodes.Template, report: Report) -> None:
    """Whether it has a place for its letters."""
    blocks = list(tree.find_all(nodes.Block))
    content = next((block for block in blocks if block.name == CONTENT), None)
    if content is None:
        what = "a layout has `{% block content %}{% endblock %}` where the text of its letters goes"
        layout.body.tell(report, 0, what)
        return
    around = next((one for one in blocks if one is not content and content in one.find_all(nodes.Block)), None)
    if around is not None:
        what = f"`content` stands within the block `{around.name}`, so a letter that fills that would be lost: take it out of there"
        _tell(layout, content, report, what)


def check_blocks(chain: Chain, trees: Sequence[nodes.Template], report: Report) -> None:
    """Whether the first of the chain fills blocks that its layouts have, and all that they need."""
    inner, tree = chain[0], trees[0]
    assert inner.layout is not None, "it has layouts"
    there = {block.name: block for outer in trees[1:] for block in outer.find_all(nodes.Block)}
    own = list(own_blocks(tree))
    for block in tree.find_all(nodes.Block):
        name = block.name
        if name not in there and not inner.file.startswith(LAYOUTS):
            known = sorted(there.keys() - {CONTENT})
            hint = did_you_mean(nearest(name, known)) or (f"; there is {one_of(known)}" if known else "")
            _tell(inner, block, report, f"its layout has no block `{name}`{hint}")
        elif name in there and name != CONTENT and block not in own:
            _tell(inner, block, report, f"the block `{name}` stands within another statement: let it stand by itself")
    if not inner.file.startswith(LAYOUTS):
        for name in sorted(_needed(there.values()) - _filled(trees)):
            inner.layout.tell(
                report, 0, f"its layout needs the block `{name}`: write {{% block {name} %}}…{{% endblock %}}"
            )


def _needed(blocks: Iterable[nodes.Block]) -> set[str]:
    return {block.name for block in blocks if block.required}


def _filled(trees: Sequence[nodes.Template]) -> set[str]:
    return {block.name for tree in trees[:-1] for block in own_blocks(tree) if not block.required}


def _tell(letter: LetterFile, block: nodes.Block, report: Report, what: str) -> None:
    at = offset_of(letter.body.text, block.lineno, rf"\b{re.escape(block.name)}\b")
    letter.body.tell(report, at, what)
