"""The Jinja environment of templates: what an author may write, and how much a rendering may use.

Jinja's sandbox keeps templates from reaching Python. It does not keep them from using all memory or time, and it prints
what is missing as nothing; so here, besides:

* a missing value fails when it is printed, looped over or calculated with; `if`, `==` and `default` may look at it;
* what is printed is text, a number or true/false: a list or null in a mail is a mistake;
* every rendering has a budget of loop turns and of characters, counted where they are made;
* only the filters, functions and methods listed here can be called.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

import jinja2
from jinja2 import nodes
from jinja2.runtime import ChainableUndefined, Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer
from markupsafe import Markup, escape

from delivery.filters import FILTERS

OUTPUT_CHARACTERS_MAX: Final = 512 * 1024
LOOP_TURNS_MAX: Final = 20_000
RANGE_MAX: Final = 1_000
NUMBER_MAX: Final = 10**15

_STANDARD_FILTERS: Final = frozenset(
    {"abs", "capitalize", "count", "d", "default", "dictsort", "e", "escape", "first", "float", "groupby", "int"}
    | {"items", "join", "last", "length", "list", "lower", "map", "max", "min", "reject", "rejectattr", "reverse"}
    | {"safe", "select", "selectattr", "sort", "string", "striptags", "sum", "title", "tojson", "trim", "truncate"}
    | {"unique", "upper", "urlencode", "wordcount"}
)
_METHODS: Final = frozenset(
    {"items", "keys", "values", "get", "upper", "lower", "strip", "title", "capitalize"}
    | {"startswith", "endswith", "split"}
)


class BudgetSpent(Exception):
    """The rendering would take more loop turns or characters than it may."""


class _Budget:
    __slots__ = ("characters", "turns")

    def __init__(self) -> None:
        self.turns = LOOP_TURNS_MAX
        # Intermediate texts count too, hence the factor.
        self.characters = 4 * OUTPUT_CHARACTERS_MAX

    def spend_turns(self, count: int) -> None:
        self.turns -= count
        if self.turns < 0:
            raise BudgetSpent(f"more than {LOOP_TURNS_MAX} loop turns")

    def spend_characters(self, count: int) -> None:
        self.characters -= count
        if self.characters < 0:
            raise BudgetSpent("more text than a message may have")


_budget: ContextVar[_Budget] = ContextVar("budget")


@contextmanager
def budget() -> Iterator[None]:
    """Around one rendering: what it makes is counted, and BudgetSpent stops it."""
    token = _budget.set(_Budget())
    try:
        yield
    finally:
        _budget.reset(token)


class Missing(ChainableUndefined):
    """A value that is not there. `{% if user.vip %}` and `{{ user.name | default("you") }}` work; printing it fails."""

    def _refuse(self) -> Any:
        raise jinja2.UndefinedError(
            f'{self._undefined_name or "a value"} is missing; give it a default: … | default("…")'
        )

    def __str__(self) -> str:
        return str(self._refuse())

    def __iter__(self) -> Iterator[Any]:
        return iter(self._refuse())

    def __len__(self) -> int:
        return int(self._refuse())

    def __bool__(self) -> bool:
        return False


def _printable(context: Context, value: Any) -> Any:
    """What `{{ … }}` prints. Takes the context, although it needs none, so that Jinja never calls it while compiling."""
    if isinstance(value, Missing):
        return str(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < NUMBER_MAX:
        return int(value)
    if not isinstance(value, (str, int, float)):
        kind = (
            "null" if value is None else "a list" if isinstance(value, (list, tuple)) else f"a {type(value).__name__}"
        )
        raise jinja2.UndefinedError(f"a message cannot show {kind}")
    if isinstance(value, str):
        _budget.get().spend_characters(len(value))
    return value


_printable.jinja_pass_arg = jinja2.utils._PassArg.context  # type: ignore[attr-defined]  # what @pass_context sets


def _counted(value: Any) -> Any:
    """The iterable of a `for`, its turns paid for beforehand."""
    if isinstance(value, Missing):
        return iter(value)
    items = value if isinstance(value, (list, tuple, dict, str, range)) else _listed(value)
    _budget.get().spend_turns(len(items))
    return items


def _listed(value: Any) -> list[Any]:
    items = []
    for item in value:
        items.append(item)
        if len(items) > LOOP_TURNS_MAX:
            raise BudgetSpent(f"more than {LOOP_TURNS_MAX} loop turns")
    return items


def _joined(first: Any, *rest: Any) -> str:
    """`a ~ b`, its characters paid for. As Jinja's own: escaped as soon as one of them is markup."""
    values = [first, *rest]
    marked = any(hasattr(value, "__html__") for value in values)
    texts: list[str] = [escape(value) if marked else str(value) for value in values]
    _budget.get().spend_characters(sum(map(len, texts)))
    return Markup("").join(texts) if marked else "".join(texts)


_REFUSED: Final = (nodes.Macro, nodes.CallBlock, nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)
"""A macro can call itself, and an include include itself: neither can be counted beforehand."""


class _Metered(NodeTransformer):
    """Puts the counters into a template's tree, and refuses what cannot be counted."""

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802
        if node.recursive:
            raise jinja2.TemplateSyntaxError("recursive loops are not used here", node.lineno)
        node.iter = nodes.Filter(node.iter, "_counted", [], [], None, None, lineno=node.lineno)
        return self.generic_visit(node)

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802
        first, *rest = node.nodes
        return self.generic_visit(nodes.Filter(first, "_joined", rest, [], None, None, lineno=node.lineno))

    def generic_visit(self, node: nodes.Node, *args: Any, **kwargs: Any) -> nodes.Node:
        if isinstance(node, _REFUSED):
            what = type(node).__name__.lower()
            raise jinja2.TemplateSyntaxError(f"{what} is not used here: a template is one file", node.lineno)
        return super().generic_visit(node, *args, **kwargs)


class TemplateEnvironment(ImmutableSandboxedEnvironment):
    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def __init__(self, *, html: bool) -> None:
        super().__init__(autoescape=html, undefined=Missing, finalize=_printable, trim_blocks=True, lstrip_blocks=True)
        standard = self.filters
        self.filters = {name: standard[name] for name in _STANDARD_FILTERS}
        self.filters |= FILTERS | {"_counted": _counted, "_joined": _joined}
        self.globals = {"range": _range}

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree = super()._parse(source, name, filename)
        _Metered().visit(tree)
        return tree

    def getattr(self, obj: Any, attribute: str) -> Any:
        # `cart.items` is the cart's items, not the method of Python's dict that has the same name.
        if isinstance(obj, dict) and attribute in obj:
            return obj[attribute]
        return super().getattr(obj, attribute)

    def is_safe_callable(self, obj: Any) -> bool:
        return obj is _range or getattr(obj, "__name__", "") in _METHODS

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        if operator == "**":
            raise jinja2.TemplateRuntimeError("** is not used here")
        if operator == "+" and isinstance(left, str) and isinstance(right, str):
            _budget.get().spend_characters(len(left) + len(right))
        elif not (_is_number(left) and _is_number(right)):
            # Texts and lists times a number, and old-style formatting, can make gigabytes in one step.
            if isinstance(left, Missing) or isinstance(right, Missing):
                str(left), str(right)
            raise jinja2.TemplateRuntimeError(f"{operator} takes numbers")
        result = super().call_binop(context, operator, left, right)
        if _is_number(result) and abs(result) > NUMBER_MAX**2:
            raise jinja2.TemplateRuntimeError("a number is too large")
        return result


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _range(*bounds: int) -> range:
    turns = range(*bounds)
    if len(turns) > RANGE_MAX:
        raise BudgetSpent(f"range() of more than {RANGE_MAX}")
    return turns
