"""The Jinja environment of templates: what an author may write, and how much a rendering may use.

Jinja's sandbox keeps templates from reaching Python. It does not keep them from using all memory or time, and it prints
what is missing as nothing; so here, besides:

* a missing value fails when it is printed, looped over or calculated with; `if`, `==` and `default` may look at it;
* what is printed is text, a number or true/false: a list or null in a mail is a mistake;
* every rendering has a budget of loop turns, of characters and of work (`templating/budget.py`), counted where they are made;
* only the filters, functions and methods listed here can be called.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import jinja2
from jinja2 import nodes, pass_context
from jinja2.filters import do_map
from jinja2.runtime import ChainableUndefined, Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import htmlsafe_json_dumps
from jinja2.visitor import NodeTransformer
from markupsafe import Markup, escape, soft_str

from templating.budget import NUMBER_MAX, BudgetSpent, current, listed, metered, pay, settled
from templating.filters import FILTERS

RANGE_MAX: Final = 1_000
NUMBER_SHOWN_MAX: Final = 10**15
STRIPPED_KINDS_MAX: Final = 100

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


_AT_ONCE: Final = frozenset({"count", "d", "default", "first", "last", "length"})
"""They look at no more than one item."""

_DEAR: Final = {"striptags": 16, "title": 12, "wordcount": 3, "urlencode": 2}
"""How many times more than others they take for a character."""

_WALKING_TESTS: Final = frozenset(
    {"==", "eq", "equalto", "!=", "ne", ">", "gt", "greaterthan", ">=", "ge", "<", "lt", "lessthan", "<=", "le"}
    | {"in", "lower", "upper"}
)


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
    if isinstance(value, float) and value.is_integer() and abs(value) < NUMBER_SHOWN_MAX:
        return int(value)
    if not isinstance(value, (str, int, float)):
        kind = (
            "null" if value is None else "a list" if isinstance(value, (list, tuple)) else f"a {type(value).__name__}"
        )
        raise jinja2.UndefinedError(f"a message cannot show {kind}")
    if isinstance(value, str):
        current().spend_characters(len(value))
    return value


_printable.jinja_pass_arg = jinja2.utils._PassArg.context  # type: ignore[attr-defined]  # what @pass_context sets


def _counted(value: Any, nodes_a_turn: int, characters_a_turn: int) -> Any:
    """The iterable of a `for`, its turns paid for beforehand with what the template itself has in each."""
    if isinstance(value, Missing):
        return iter(value)
    items = value if isinstance(value, (list, tuple, dict, str, range)) else listed(iter(value))
    turns, budget = len(items), current()
    budget.spend_turns(turns)
    budget.spend_work(turns * nodes_a_turn)
    budget.spend_characters(turns * characters_a_turn)
    return items


def _compared(value: Any) -> Any:
    """The right side of a comparison, paid for: no more of the left one is looked at."""
    current().look_at(value)
    return value


def _searched(value: Any) -> Any:
    """The right side of an `in`, paid for, unless it is looked up."""
    return value if isinstance(value, dict) else _compared(value)


def _copied(value: Any) -> Any:
    """What a slice is taken of, paid for."""
    if isinstance(value, (str, list, tuple)):
        current().spend_work(1 + (len(value) >> 4))
    return value


def _joined(first: Any, *rest: Any) -> str:
    """`a ~ b`, its characters paid for. As Jinja's own: escaped as soon as one of them is markup."""
    values = [first, *rest]
    budget = current()
    for value in values:
        budget.look_at(value)
    marked = any(hasattr(value, "__html__") for value in values)
    texts: list[str] = [escape(value) if marked else str(value) for value in values]
    budget.spend_characters(sum(map(len, texts)))
    return Markup("").join(texts) if marked else "".join(texts)


@pass_context
def _total(context: Context, items: Any, attribute: str | None = None, start: Any = 0) -> Any:
    """`sum`, of numbers: a sum of lists copies each of them as often as there are lists."""
    total = start
    for value in items if attribute is None else do_map(context, items, attribute=attribute):
        if not (_is_number(total) and _is_number(value)):
            raise jinja2.TemplateRuntimeError("sum takes numbers")
        total += value
    return total


def _as_json(value: Any, indent: int | None = None) -> Markup:
    if indent is not None:
        raise jinja2.TemplateRuntimeError("tojson takes no indent here: nobody reads it, and it can be gigabytes")
    return htmlsafe_json_dumps(value, sort_keys=True)


def _trimmed(value: Any, chars: str | None = None) -> str:
    if chars is not None and len(chars) > STRIPPED_KINDS_MAX:
        raise jinja2.TemplateRuntimeError(f"trim takes at most {STRIPPED_KINDS_MAX} characters")
    return soft_str(value).strip(chars)


_OWN: Final = FILTERS | {"sum": _total, "tojson": _as_json, "trim": _trimmed}


_REFUSED: Final = (nodes.Macro, nodes.CallBlock, nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)
"""A macro can call itself, and an include include itself: neither can be counted beforehand."""


_COUNTERS: Final = {
    "_counted": _counted,
    "_joined": _joined,
    "_compared": _compared,
    "_searched": _searched,
    "_copied": _copied,
}


class _Metered(NodeTransformer):
    """Puts the counters into a template's tree."""

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802
        size = [nodes.Const(number) for number in _size(node)]
        node.iter = nodes.Filter(node.iter, "_counted", size, [], None, None, lineno=node.lineno)
        return self.generic_visit(node)

    def visit_Compare(self, node: nodes.Compare) -> nodes.Node:  # noqa: N802
        for operand in node.ops:
            if not isinstance(operand.expr, nodes.Const):
                counter = "_searched" if operand.op in ("in", "notin") else "_compared"
                operand.expr = nodes.Filter(operand.expr, counter, [], [], None, None, lineno=node.lineno)
        return self.generic_visit(node)

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Node:  # noqa: N802
        if isinstance(node.arg, nodes.Slice):
            node.node = nodes.Filter(node.node, "_copied", [], [], None, None, lineno=node.lineno)
        return self.generic_visit(node)

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802
        first, *rest = node.nodes
        return self.generic_visit(nodes.Filter(first, "_joined", rest, [], None, None, lineno=node.lineno))


def refusals(tree: nodes.Template) -> Iterator[tuple[int, str]]:
    """Yield (line, what) of the statements that are not used here."""
    for node in tree.find_all((*_REFUSED, nodes.For)):
        if not isinstance(node, nodes.For):
            what = type(node).__name__.lower()
            yield (
                node.lineno,
                f"{what} is not used here: a template is one file, and what letters share is their `layout:`",
            )
        elif node.recursive:
            yield node.lineno, "recursive loops are not used here"


def _metered(tree: nodes.Template) -> nodes.Template:
    for line, what in refusals(tree):
        raise jinja2.TemplateSyntaxError(what, line)
    _Metered().visit(tree)
    return tree


def _size(loop: nodes.For) -> tuple[int, int]:
    """Of what a turn of the loop has in the template: its nodes, and the characters that it prints as they are."""
    count = characters = 0
    for node in loop.find_all(nodes.Node):
        count += 1
        if isinstance(node, nodes.TemplateData):
            characters += len(node.data)
    return count, characters


def _filters(standard: Mapping[str, Any]) -> dict[str, Any]:
    found = {name: standard[name] for name in _STANDARD_FILTERS} | _OWN
    return {
        name: function if name in _AT_ONCE else metered(function, _value_at(function), _DEAR.get(name, 0))
        for name, function in found.items()
    }


def _tests(standard: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: metered(function, _value_at(function)) if name in _WALKING_TESTS else function
        for name, function in standard.items()
    }


def _value_at(function: Callable[..., Any]) -> int:
    """Where the value stands among the arguments: behind the context, if a filter takes one."""
    return int(hasattr(function, "jinja_pass_arg"))


class TemplateEnvironment(ImmutableSandboxedEnvironment):
    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def __init__(self, *, html: bool) -> None:
        super().__init__(autoescape=html, undefined=Missing, finalize=_printable, trim_blocks=True, lstrip_blocks=True)
        self.filters = _filters(self.filters) | _COUNTERS
        self.tests = _tests(self.tests)
        self.globals = {"range": _range}

    def parsed(self, source: str) -> nodes.Template:
        """Return the tree of a text, not counted yet: for `made`. Raises TemplateSyntaxError."""
        return super()._parse(source, None, None)

    def made(self, tree: nodes.Template) -> jinja2.Template:
        """Return the template of a tree. Raises TemplateSyntaxError for what is not used here."""
        return self.from_string(_metered(tree))

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        return _metered(super()._parse(source, name, filename))

    def getattr(self, obj: Any, attribute: str) -> Any:
        # `cart.items` is the cart's items, not the method of Python's dict that has the same name.
        if isinstance(obj, dict) and attribute in obj:
            return obj[attribute]
        return super().getattr(obj, attribute)

    def is_safe_callable(self, obj: Any) -> bool:
        return obj is _range or getattr(obj, "__name__", "") in _METHODS

    def call(self, context: Context, obj: Any, /, *args: Any, **named: Any) -> Any:
        owner = getattr(obj, "__self__", None)
        pay(current(), owner if isinstance(owner, str) else None, args, named)
        if args and isinstance(args[0], str) and len(args[0]) > STRIPPED_KINDS_MAX and obj.__name__ == "strip":
            return _trimmed("", *args)  # refuses it
        return settled(super().call(context, obj, *args, **named))

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        if operator == "**":
            raise jinja2.TemplateRuntimeError("** is not used here")
        if operator == "+" and isinstance(left, str) and isinstance(right, str):
            current().spend_characters(len(left) + len(right))
        elif not (_is_number(left) and _is_number(right)):
            # Texts and lists times a number, and old-style formatting, can make gigabytes in one step.
            if isinstance(left, Missing) or isinstance(right, Missing):
                str(left), str(right)
            raise jinja2.TemplateRuntimeError(f"{operator} takes numbers")
        result = super().call_binop(context, operator, left, right)
        if _is_number(result) and abs(result) > NUMBER_MAX:
            raise jinja2.TemplateRuntimeError("a number is too large")
        return result


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _range(*bounds: int) -> range:
    turns = range(*bounds)
    if len(turns) > RANGE_MAX:
        raise BudgetSpent(f"range() of more than {RANGE_MAX}")
    return turns
