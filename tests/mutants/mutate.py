"""Every small change that could be made to a file: mutants, each one a span of bytes and what would stand there.

Left alone is what no test could or should hold: annotations, decorators (the size of a cache), assertions (they say what is
never so), f-strings, and the number of a named limit by one (`X_MAX = 32`, `x_max: int = 32`: the number is a choice; what
is done at it, `> X_MAX`, is not).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import unified_diff
from typing import Final

COMPARED: Final[dict[type[ast.cmpop], type[ast.cmpop]]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
REVERSED: Final = (ast.Eq, ast.NotEq, ast.Is, ast.IsNot, ast.In, ast.NotIn)
"""Comparisons of which the mutant is the negation already."""
CALCULATED: Final[dict[type[ast.operator], type[ast.operator]]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
}
EXTREMES: Final = {"min": "max", "max": "min"}
LEFT_ALONE: Final = ("annotation", "returns", "decorator_list", "type_params")


@dataclass(frozen=True)
class Mutant:
    path: str
    line: int
    function: int
    """First line of the function around it, its decorators included, as a code object tells it; 0 if there is none."""
    start: int
    end: int
    """The span, in bytes of the source."""
    new: str

    def applied(self, source: str) -> str:
        raw = source.encode()
        return (raw[: self.start] + self.new.encode() + raw[self.end :]).decode()

    def lines(self, source: str) -> tuple[str, str]:
        """What stood there and what stands there now, in whole lines, blanks made one."""
        changes = [one for one in self.diff(source).splitlines()[3:] if one[0] in "+-"]
        old, new = (" ".join(" ".join(one[1:] for one in changes if one[0] == sign).split()) for sign in "-+")
        return old, new

    def diff(self, source: str) -> str:
        lines, mutated = source.splitlines(), self.applied(source).splitlines()
        return "\n".join(unified_diff(lines, mutated, self.path, self.path, n=2, lineterm=""))


def mutants_of(path: str, source: str) -> list[Mutant]:
    """All mutants of a file, in the order of their places; the same each time."""
    starts = [0]
    for line in source.encode().splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    found = [
        Mutant(
            path,
            node.lineno,
            function,
            starts[node.lineno - 1] + node.col_offset,
            starts[(node.end_lineno or node.lineno) - 1] + (node.end_col_offset or 0),
            new,
        )
        for node, function, new in _walk(ast.parse(source), 0, named=False)
    ]
    return sorted(found, key=lambda one: (one.start, one.end, one.new))


def _walk(node: ast.AST, function: int, *, named: bool) -> Iterator[tuple[ast.stmt | ast.expr, int, str]]:
    if isinstance(node, ast.Assert | ast.JoinedStr):
        return
    if isinstance(node, ast.stmt):
        named = named or (isinstance(node, ast.Assign | ast.AnnAssign) and _names_a_limit(node))
        yield from ((node, function, new) for new in _statement(node))
    elif isinstance(node, ast.expr) and not (named and isinstance(node, ast.Constant)):
        yield from ((node, function, new) for new in _expression(node))
    test = getattr(node, "test", None)
    for condition in getattr(node, "ifs", [test] if test is not None else []):
        if not (isinstance(condition, ast.Compare) and isinstance(condition.ops[0], REVERSED)):
            yield condition, function, f"not ({ast.unparse(condition)})"
    inside = function
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        inside = min([node.lineno, *(one.lineno for one in node.decorator_list)])
    for field, value in ast.iter_fields(node):
        if field not in LEFT_ALONE:
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    # Defaults of arguments are made where the function is, not in it.
                    yield from _walk(child, function if field == "args" else inside, named=named)


def _names_a_limit(node: ast.Assign | ast.AnnAssign) -> bool:
    target = node.targets[0] if isinstance(node, ast.Assign) else node.target
    return isinstance(target, ast.Name) and (target.id.isupper() or target.id.endswith("_max"))


def _statement(node: ast.stmt) -> Iterator[str]:
    match node:
        case ast.Return(value=ast.Constant(value=bool() as said)):
            yield f"return {not said}"
        case ast.Return(value=ast.expr() as value) if not isinstance(value, ast.Constant):
            yield "return None"
        case ast.Expr(value=ast.Call() | ast.Await()) | ast.AugAssign() | ast.Delete() | ast.Raise() | ast.Continue():
            yield "pass"
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            yield "pass"


def _expression(node: ast.expr) -> Iterator[str]:
    match node:
        case ast.Compare():
            for at, operator in enumerate(node.ops):
                operators = [*node.ops[:at], COMPARED[type(operator)](), *node.ops[at + 1 :]]
                yield ast.unparse(ast.Compare(node.left, operators, node.comparators))
        case ast.BoolOp():
            other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
            yield f"({ast.unparse(ast.BoolOp(other, node.values))})"
        case ast.BinOp() if type(node.op) in CALCULATED:
            yield f"({ast.unparse(ast.BinOp(node.left, CALCULATED[type(node.op)](), node.right))})"
        case ast.UnaryOp(op=ast.Not()):
            yield ast.unparse(node.operand)
        case ast.Constant(value=int() as number) if not isinstance(number, bool):
            yield str(number + 1)
        case ast.Name() if node.id in EXTREMES and isinstance(node.ctx, ast.Load):
            yield EXTREMES[node.id]
