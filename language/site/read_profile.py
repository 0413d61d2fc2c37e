"""profile.yaml: what is remembered of a user, segments, aliases of events."""

from __future__ import annotations

from typing import Final

from actors.values.names import ALIASES, canonical, fold
from language.site.context import Context
from language.site.decode import decode
from language.site.fields import Texts
from language.site.shapes import CollectionFile, ProfileFile
from language.site.yaml import Scalar, Value
from language.syntax import ast
from language.syntax.resolve import SEGMENT
from language.syntax.vocabulary import NAMESPACES, WORDS

WEEK_SECONDS: Final = 604_800.0

DEFAULT_COLLECTIONS: Final[dict[str, ast.Collection]] = {
    "cart": ast.Bag(
        event="product_added", key="product_id", remove="product_removed", clear=("order_completed", "cart_cleared")
    ),
    "recent_views": ast.LastOf(event="product_viewed", keep=5, distinct="product_id"),
    "top_categories": ast.Tally(event="product_viewed", property="category", half_life=WEEK_SECONDS, keep=10),
    "spent": ast.SumOf(event="order_completed", property="total"),
}

_KINDS: Final = {
    "bag": frozenset({"key", "remove", "clear"}),
    "last": frozenset({"of", "distinct"}),
    "tally": frozenset({"of", "half_life", "keep"}),
    "sum": frozenset({"of"}),
}
"""Kind of collection -> what else may be said of it."""

_RESERVED: Final = WORDS | NAMESPACES | {"true", "false", "null", "data", "called", "activity"}


def default_profile() -> ast.Profile:
    """Of a site without profile.yaml."""
    return ast.Profile(remember=tuple(DEFAULT_COLLECTIONS.items()))


def read_profile(value: Value | None, context: Context) -> ast.Profile:
    """Fills `context.known` and `context.aliases`, which the campaigns are read by."""
    known = context.known
    known.collections = DEFAULT_COLLECTIONS
    if value is None or (isinstance(value, Scalar) and value.value is None):
        return default_profile()
    found = decode(value, ProfileFile, context.report, "profile.yaml")
    if found is None:
        return default_profile()
    aliases = _aliases(found, context)
    context.aliases = {**ALIASES, **aliases}
    remember = dict(DEFAULT_COLLECTIONS)
    for name, part in found.remember.items():
        collection = _collection(name, part.value, context)
        if collection is not None:
            remember[name] = collection
    known.collections = remember
    known.segments = frozenset(found.segments)
    segments = tuple((name, context.required(text, SEGMENT)) for name, text in found.segments.items())
    context.settle()
    _check_circles(found, dict(segments), context)
    critical = {canonical(str(scalar.value), context.aliases): None for scalar in (found.critical or Texts([])).items}
    return ast.Profile(
        remember=tuple(remember.items()),
        segments=segments,
        aliases=tuple(aliases.items()),
        critical=tuple(critical),
    )


def _aliases(found: ProfileFile, context: Context) -> dict[str, str]:
    aliases: dict[str, str] = {}
    for told, stands_for in found.aliases.items():
        sent, name = fold(told), canonical(stands_for.text)
        if not sent or not name:
            context.report.at(stands_for.value, "an alias is written `event as it is sent: event it stands for`")
        elif aliases.setdefault(sent, name) != name:
            context.report.at(stands_for.value, f"`{sent}` already stands for {aliases[sent]}")
    return aliases


def _check_circles(found: ProfileFile, segments: dict[str, ast.Expression], context: Context) -> None:
    """Segments that are defined by each other never come to an answer."""
    asked = {name: _segments_in(tree) & segments.keys() for name, tree in segments.items()}
    for name in segments:
        path = _way_back(name, asked)
        if path:
            place = found.segments[name].value
            context.report.at(place, f"the segment asks for itself: {' -> '.join([name, *path])}")


def _segments_in(node: object) -> set[str]:
    if isinstance(node, tuple):
        return set().union(*map(_segments_in, node))
    if isinstance(node, ast.Call) and node.function == "segment":
        return {str(argument.value) for argument in node.arguments if isinstance(argument, ast.Constant)}
    if isinstance(node, ast.Node):
        return set().union(*(_segments_in(getattr(node, field)) for field in node.__struct_fields__))
    return set()


def _way_back(start: str, asked: dict[str, set[str]]) -> list[str]:
    """Segments on a way from `start` back to it; empty if there is none."""
    ways = [[name] for name in sorted(asked[start])]
    seen: set[str] = set()
    while ways:
        way = ways.pop(0)
        if way[-1] == start:
            return way
        if way[-1] not in seen:
            seen.add(way[-1])
            ways += [[*way, name] for name in sorted(asked[way[-1]])]
    return []


def _collection(name: str, value: Value, context: Context) -> ast.Collection | None:
    report = context.report
    if name in _RESERVED or not name.isidentifier():
        report.at(value, f"`{name}` cannot be the name of a collection: choose another word")
        return None
    found = decode(value, CollectionFile, report, f"the collection `{name}`")
    if found is None:
        return None
    kinds = [kind for kind in _KINDS if getattr(found, kind) is not None]
    if len(kinds) != 1:
        report.at(value, "a collection is one of `bag`, `last`, `tally` and `sum`")
        return None
    (kind,) = kinds
    said = {field for field in found.__struct_fields__ if getattr(found, field) is not None} - {kind}
    for field in sorted(said - _KINDS[kind]):
        report.at(value, f"a `{kind}` has no `{field}`")
    needed = "key" if kind == "bag" else "of"
    if needed not in said:
        report.at(value, f"a `{kind}` needs `{needed}`")
        return None
    return _made(found, context)


def _made(found: CollectionFile, context: Context) -> ast.Collection:
    def event(name: str | None) -> str:
        return canonical(name or "", context.aliases)

    if found.bag is not None:
        return ast.Bag(
            event=event(found.bag),
            key=found.key or "",
            remove=None if found.remove is None else event(found.remove),
            clear=tuple(event(str(scalar.value)) for scalar in found.clear.items) if found.clear else (),
        )
    if found.last is not None:
        return ast.LastOf(event=event(found.of), keep=found.last, distinct=found.distinct)
    if found.tally is not None:
        return ast.Tally(
            event=event(found.of),
            property=found.tally,
            half_life=found.half_life.seconds if found.half_life else None,
            keep=found.keep or 10,
        )
    assert found.sum is not None, "one of the four kinds is there"
    return ast.SumOf(event=event(found.of), property=found.sum)
