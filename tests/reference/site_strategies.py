"""Random sites: each kind of construct can be switched on, so that a failure shrinks to something one can read."""

from __future__ import annotations

import msgspec
from hypothesis import strategies as st

from language.syntax import ast
from tests.reference.expression_strategies import (
    TOPICS,
    Features,
    Where,
    conditions,
    constant,
    events,
    name,
    numbers,
    optional_where,
    spans,
)
from tests.reference.telling import pattern_text

PURPOSES = ("marketing", "marketing", "transactional")

REMEMBERED: tuple[tuple[str, ast.Collection], ...] = (
    ("cart", ast.Bag(event="a", key="k", remove="b", clear=("c",))),
    ("spent", ast.SumOf(event="b", property="n")),
    ("lately", ast.LastOf(event="a", keep=3, distinct="k")),
    ("kinds", ast.Tally(event="c", property="k", keep=2)),
)


@st.composite
def event_patterns(draw: st.DrawFn, where: Where, features: Features) -> ast.EventPattern:
    return ast.EventPattern(event=draw(events), where=draw(optional_where(where, features)))


@st.composite
def patterns(draw: st.DrawFn, where: Where, features: Features) -> ast.Pattern:
    kinds = ["event", "event"]
    if "chains" in features:
        kinds += ["then", "then", "all"]
        if "session" in features:
            kinds += ["in session", "in session"]
    if "absence" in features:
        kinds += ["then no", "silence"]
    if "segment patterns" in features:
        kinds += ["segment", "segment"]
    one = event_patterns(where, features)
    pattern: ast.Pattern
    match draw(st.sampled_from(kinds)):
        case "then":
            longer = () if "late" in features else draw(st.sampled_from(((), (draw(one),))))
            steps = (draw(one), draw(one), *longer)
            pattern = ast.ThenPattern(steps=steps, within=draw(spans))
        case "all":
            parts = tuple(draw(st.lists(one, min_size=2, max_size=3)))
            pattern = ast.AllPattern(patterns=parts, within=draw(spans))
        case "in session":
            parts = tuple(draw(st.lists(one, min_size=2, max_size=3)))
            pattern = ast.SessionPattern(steps=parts, ordered=draw(st.booleans()))
        case "then no":
            plain = event_patterns("segment", features)
            pattern = ast.ThenPattern(steps=(draw(one),), absent=draw(plain), within=draw(spans))
        case "silence":
            about = draw(st.one_of(st.just("activity"), events))
            condition = None if about == "activity" else draw(optional_where(where, features))
            pattern = ast.SilencePattern(event=about, where=condition, seconds=draw(spans))
        case "segment":
            pattern = ast.SegmentPattern(segment="s", entered=draw(st.booleans()))
        case _:
            pattern = draw(one)
    return _with_text(pattern)


def _with_text(pattern: ast.Pattern) -> ast.Pattern:
    """A pattern knows how it was written, for the reasons in the ledger."""
    return msgspec.structs.replace(pattern, text=pattern_text(pattern))


@st.composite
def durations(draw: st.DrawFn) -> ast.Expression:
    kind = draw(st.integers(0, 5))
    if kind == 0:
        return constant(0)
    if kind == 1:
        return ast.Lookup(subject=name("entry", "n"), steps=((constant(2), constant(60.0)),), otherwise=constant(600.0))
    return constant(draw(spans))


@st.composite
def steps(draw: st.DrawFn, features: Features, depth: int) -> tuple[ast.AnyStep, ...]:
    return tuple(draw(st.lists(step(features, depth), min_size=0 if depth < 1 else 1, max_size=3)))


@st.composite
def step(draw: st.DrawFn, features: Features, depth: int) -> ast.AnyStep:
    kinds = ["for", "send", "send", "idle"]
    for kind in ("until", "when", "at", "set", "emit"):
        if kind in features:
            kinds += [kind]
    if "when" in features:
        kinds += ["when", "when"]
    if "branch" in features and depth:
        kinds += ["branch", "split", "exit"]
    up_to = st.one_of(st.none(), durations())
    as_name = st.sampled_from((None, "came"))
    match draw(st.sampled_from(kinds)):
        case "for":
            return ast.WaitFor(duration=draw(durations()))
        case "idle":
            of = draw(st.sets(events, max_size=2)) if "until" in features else set()
            return ast.WaitIdle(duration=draw(durations()), of=tuple(sorted(of)))
        case "until":
            found = tuple(draw(st.lists(patterns("run", features), min_size=1, max_size=2)))
            return ast.WaitUntil(patterns=found, up_to=draw(up_to), name=draw(as_name))
        case "when":
            return ast.WaitWhen(condition=draw(conditions("run", features)), up_to=draw(up_to), name=draw(as_name))
        case "at":
            days = draw(st.sampled_from(((), (1, 3), (7,))))
            zone = draw(st.sampled_from(("user", "Europe/Berlin")))
            return ast.WaitAt(minute=draw(st.sampled_from((150, 540, 1380))), days=days, time_zone=zone)
        case "set":
            level: ast.Expression = ast.Binary(operator="+", left=name("user", "level"), right=constant(1))
            return ast.SetTraits(traits=(("level", draw(st.sampled_from((level, constant(2))))),))
        case "emit":
            return ast.Emit(event=draw(events), properties=(("n", constant(draw(numbers))), ("k", name("entry", "k"))))
        case "branch":
            cases = [
                (draw(conditions("run", features)), draw(steps(features, depth - 1)))
                for _ in range(draw(st.integers(1, 2)))
            ]
            return ast.Branch(cases=tuple(cases), otherwise=draw(steps(features, depth - 1)))
        case "split":
            ways = tuple(
                ast.Way(name=one, weight=draw(st.sampled_from((1.0, 3.0))), steps=draw(steps(features, depth - 1)))
                for one in ("red", "blue")
            )
            return ast.Split(id=draw(st.sampled_from(("colour", "tone"))), ways=ways)
        case "exit":
            return ast.Exit(reason="done")
        case _:
            return draw(sends(features))


@st.composite
def sends(draw: st.DrawFn, features: Features) -> ast.SendStep:
    policy = "policy" in features
    return ast.SendStep(
        channel=draw(st.sampled_from(("email", "push"))),
        template=draw(st.sampled_from(("hello", "again"))),
        expires=constant(draw(spans)) if policy and draw(st.booleans()) else None,
        topic=draw(st.sampled_from((None, *TOPICS))) if policy else None,
        purpose=draw(st.sampled_from((None, None, "transactional"))) if policy else None,
        cap=draw(own_caps()) if policy else None,
    )


@st.composite
def own_caps(draw: st.DrawFn) -> ast.Cap | None:
    """Mostly none."""
    if draw(st.integers(0, 3)):
        return None
    return ast.Cap(limit=draw(st.sampled_from((1, 2))), seconds=draw(st.sampled_from((None, 600.0, 3600.0, 86_400.0))))


@st.composite
def entries(draw: st.DrawFn, features: Features) -> ast.Entry:
    rules = "entry rules" in features
    found = draw(st.lists(patterns("entry", features), min_size=1, max_size=2 if rules else 1))
    return ast.Entry(
        patterns=tuple(found),
        key=draw(st.sampled_from((None, "k", "n"))) if rules else None,
        condition=draw(st.one_of(st.none(), conditions("entry", features))) if "if" in features else None,
        audience=draw(st.one_of(st.none(), st.none(), conditions("segment", features))) if rules else None,
        re_entry=draw(st.sampled_from(("always", "once", "after"))) if rules else "always",
        re_entry_after=draw(spans),
        concurrency=draw(st.sampled_from(("one_per_key", "one_per_user", "parallel"))) if rules else "one_per_key",
    )


@st.composite
def goals(draw: st.DrawFn, features: Features) -> ast.Goal:
    return ast.Goal(
        patterns=(draw(patterns("run", features)),),
        within=draw(st.one_of(st.none(), spans)),
        value=draw(st.sampled_from((None, "n"))),
        go_on=draw(st.booleans()),
    )


@st.composite
def campaigns(draw: st.DrawFn, number: int, features: Features) -> ast.Campaign:
    rules, policy = "entry rules" in features, "policy" in features
    ends = "ends" in features
    plain = draw(steps(features, 1))
    experiment = None
    if "branch" in features and draw(st.integers(0, 3)) == 0:
        ways = tuple(
            ast.Way(name=one, weight=1.0, steps=(ast.WaitFor(duration=constant(span)), *plain))
            for one, span in (("short", 60.0), ("long", 600.0))
        )
        experiment, plain = ast.Experiment(id=f"c{number}/delay", ways=ways), ways[0].steps
    return ast.Campaign(
        id=f"c{number}",
        why="random",
        file=f"campaigns/c{number}.yaml",
        status=draw(st.sampled_from(("live", "live", "live", "shadow", "paused", "canary"))) if rules else "live",
        canary=50.0,
        purpose=draw(st.sampled_from(PURPOSES[::2] if "speech" in features else PURPOSES)) if policy else "marketing",
        topic=draw(st.sampled_from(TOPICS)) if policy else f"c{number}",
        priority=draw(st.sampled_from((50, 50, 60))),
        entry=draw(entries(features)),
        exits=tuple(draw(st.lists(patterns("run", features), max_size=2))) if ends else (),
        goal=draw(st.one_of(st.none(), goals(features))) if ends else None,
        holdout=draw(st.sampled_from((0.0, 0.0, 40.0))) if policy else 0.0,
        experiment=experiment,
        steps=plain,
        cap=draw(own_caps()) if policy else None,
    )


@st.composite
def policies(draw: st.DrawFn, features: Features) -> ast.Policy:
    default = "c1" if "unmatched" in features else None
    if "policy" not in features:
        return ast.Policy(marketing_consent="opt_out", default_campaign=default)
    caps = st.builds(
        ast.Cap,
        limit=st.sampled_from((1, 2, 3)),
        seconds=st.sampled_from((None, 600.0, 3600.0, 86_400.0)),
        topic=st.sampled_from((None, None, *TOPICS)),
        channel=st.sampled_from((None, None, "email")),
    )
    quiet = st.builds(
        ast.QuietHours,
        start=st.sampled_from((22 * 60, 60, 9 * 60)),
        end=st.sampled_from((8 * 60, 150, 12 * 60)),
        time_zone=st.sampled_from(("user", "Europe/Berlin")),
        then=st.sampled_from(("hold", "skip")),
    )
    return ast.Policy(
        marketing_consent=draw(st.sampled_from(("opt_out", "opt_out", "opt_in"))),
        tracking_consent="opt_out",
        expires=draw(st.sampled_from((3600.0, 86_400.0, 3 * 86_400.0))),
        time_zone=draw(st.sampled_from(("UTC", "America/New_York"))),
        caps=tuple(draw(st.lists(caps, max_size=2))),
        cooldown=draw(st.sampled_from((0.0, 0.0, 600.0, 3600.0))),
        fatigue_after=draw(st.sampled_from((0, 0, 2))),
        fatigue_factor=0.5,
        quiet_hours=draw(st.one_of(st.none(), quiet)),
        on_cap=draw(st.sampled_from(("hold", "skip"))),
    )


@st.composite
def sites(draw: st.DrawFn, features: Features) -> ast.Site:
    """A site with up to three campaigns, made of the constructs that are switched on."""
    segments: tuple[tuple[str, ast.Expression], ...] = ()
    if features & {"segments", "segment patterns"}:
        segments = (("s", draw(conditions("segment", features - {"segments"}))),)
    count = draw(st.integers(1, 3))
    return ast.Site(
        path="random",
        campaigns=tuple(draw(campaigns(number, features)) for number in range(1, count + 1)),
        profile=ast.Profile(remember=REMEMBERED, segments=segments),
        policy=draw(policies(features)),
        templates=None,
        sources=(),
    )
