"""A letter within its layout: one tree of Jinja, made before anything is counted or compiled.

A layout has `{% block NAME %}…{% endblock %}` where its letters may say something of their own; what a letter has outside
of its blocks goes where the layout's block `content` is. Nothing is inherited or included while a letter is rendered: the
tree is whole, so the sandbox counts it like any other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from jinja2 import nodes
from jinja2.visitor import NodeTransformer

CONTENT: Final = "content"

LAYOUTS_MAX: Final = 4
"""Around one letter, each within the next."""


def laid_out(trees: Sequence[nodes.Template]) -> nodes.Template:
    """Return one tree of a letter's own and those of its layouts, from the inside outwards. Takes all of them apart."""
    *inner, whole = trees
    for tree in reversed(inner):
        whole = _within(tree, whole)
    return _plain(whole) if inner else whole


def own_blocks(tree: nodes.Template) -> Iterable[nodes.Block]:
    """Those that stand by themselves, and not within a statement: with them a letter says what its layout leaves open."""
    return (node for node in tree.body if isinstance(node, nodes.Block))


def _within(inner: nodes.Template, layout: nodes.Template) -> nodes.Template:
    there = {block.name for block in layout.find_all(nodes.Block)} - {CONTENT}
    said = {block.name: block.body for block in own_blocks(inner) if block.name in there}
    rest = [node for node in inner.body if not (isinstance(node, nodes.Block) and node.name in said)]
    made = _Filled({**said, CONTENT: rest}).visit(layout)
    assert isinstance(made, nodes.Template)
    return made


class _Filled(NodeTransformer):
    """Puts what was said into the blocks, which may be filled again from further inside, and the rest where `content` was."""

    def __init__(self, said: Mapping[str, list[nodes.Node]]) -> None:
        self._said = said

    def visit_Block(self, block: nodes.Block) -> nodes.Node | list[nodes.Node]:  # noqa: N802
        if block.name == CONTENT:
            return self._said[CONTENT]
        if block.name not in self._said:
            return self.generic_visit(block)
        block.body = self._said[block.name]
        return block


class _Unwrapped(NodeTransformer):
    """A block that nobody fills any more is what it holds."""

    def visit_Block(self, block: nodes.Block) -> list[nodes.Node]:  # noqa: N802
        self.generic_visit(block)
        return block.body


def _plain(tree: nodes.Template) -> nodes.Template:
    made = _Unwrapped().visit(tree)
    assert isinstance(made, nodes.Template)
    return made
