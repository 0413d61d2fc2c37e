"""Tests of the campaigns (language.md §11): scenarios/*.yaml to timed events and what is expected of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, get_args

import msgspec
from msgspec import Meta

from actors.model.event import ANONYMOUS, Event, Kind
from actors.model.turn import DecisionKind
from actors.values.names import ALIASES, canonical
from language.site.decode import Report, decode
from language.site.fields import Duration, Texts, WholeMapping
from language.site.links import is_link, no_such_link
from language.site.yaml import Mapping as YamlMapping
from language.site.yaml import Scalar, Sequence, Value, YamlError, kind_of, load_yaml, plain
from language.syntax import ast
from language.syntax.ast import Site
from language.syntax.durations import FORMS, duration_ms, instant_ms
from language.syntax.events import FEEDBACK, WELL_KNOWN, events_of
from language.syntax.problems import Problem, SiteErrors, did_you_mean, nearest, one_of
from language.syntax.walk import steps_of

START: Final = "2026-01-05T10:00:00Z"
"""A Monday."""

USER: Final = "ann"
TRAITS: Final[Mapping[str, Any]] = {"email": "ann@example.test", "consent": {"marketing": True}}

AFTERWARDS_MS: Final = 30 * 86_400_000
"""How long time runs after the last event if the scenario does not say until when."""

DECISIONS: Final[tuple[str, ...]] = get_args(DecisionKind)
ROW_FIELDS: Final = frozenset(
    {
        "at",
        "user",
        "campaign",
        "version",
        "run",
        "step",
        "reason",
        "channel",
        "template",
        "variant",
        "message",
        "detail",
    }
)

_BESIDE: Final = frozenset({"user", "anonymous", "message_id", "late_by", "context"})
"""What may stand beside an event's name."""

_encode = msgspec.json.Encoder().encode


class Timed(msgspec.Struct, frozen=True):
    """An event, and when it comes, in ms since the epoch."""

    at: int
    event: Event


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """One scenario, ready to run. Times are in ms since the epoch, those of `expect` in ms since `start`."""

    name: str
    file: str
    line: int
    campaigns: tuple[str, ...] | None
    """None: all of the site."""
    start: int
    inputs: tuple[Timed, ...]
    """In the order in which they come; the first says what is known of the user."""
    until: int
    expect: tuple[tuple[str, tuple[dict[str, Any], ...]], ...]
    """(decision, its rows)"""
    advice: tuple[Problem, ...] = ()
    """What is allowed and probably not meant."""


class _Events(WholeMapping):
    schema: ClassVar[dict[str, Any]] = {
        "type": "object",
        "description": "Moment: event, or a list of events. An event is a name, or {name: {properties}}.",
        "patternProperties": {"^[0-9]": {"type": ["string", "object", "array"]}},
        "additionalProperties": False,
    }


class _Expect(WholeMapping):
    schema: ClassVar[dict[str, Any]] = {
        "type": "object",
        "description": "Decision: exactly its rows, in order; a row matches if every field given matches.",
        "properties": {
            decision: {
                "type": "array",
                "items": {"type": "object", "properties": {field: {} for field in sorted(ROW_FIELDS)}},
            }
            for decision in DECISIONS
        },
        "additionalProperties": False,
    }


class ScenarioFile(msgspec.Struct):
    """A test of campaigns: what happens, and what is expected of it."""

    scenario: Annotated[str, Meta(description="What it shows, as a sentence.")]
    events: _Events
    expect: _Expect
    campaigns: Annotated[Texts | None, Meta(description="Only these; default: all of the site.")] = None
    start: Annotated[str | None, Meta(description=f"Default: {START}.")] = None
    user: Annotated[WholeMapping | None, Meta(description="Traits known since time 0; `id` is who it is.")] = None
    until: Annotated[Duration | None, Meta(description="Default: until nothing is due, at most 30 days.")] = None


def load_scenarios(path: Path, site: Site) -> list[Scenario]:
    """Those of a site's directory, by file and place in it. Raises SiteErrors with all that is wrong with them."""
    report = Report()
    found: list[Scenario] = []
    for file in sorted((path / "scenarios").glob("*.yaml")):
        try:
            value = load_yaml(file.as_posix(), file.read_bytes())
        except OSError as error:
            report.add(Problem(file=str(file), line=1, column=1, message=f"cannot be read: {error.strerror}"))
        except YamlError as error:
            for problem in error.problems:
                report.add(problem)
        else:
            found += read_scenarios(value, site, report)
    if report.failed:
        raise SiteErrors(report.problems)
    return found


def read_scenarios(value: Value, site: Site, report: Report) -> list[Scenario]:
    """The one scenario, or the list of them, in a file."""
    parts = value.items if isinstance(value, Sequence) else [value]
    reader = _Reader(site, report)
    return [made for part in parts if (made := reader.scenario(part)) is not None]


class _Reader:
    def __init__(self, site: Site, report: Report) -> None:
        self._report = report
        self._aliases = {**ALIASES, **dict(site.profile.aliases)}
        self._ids = [campaign.id for campaign in site.campaigns]
        self._site = site
        self._events = events_of(site) | WELL_KNOWN
        self._advice: list[Problem] = []
        self._users: set[str] = set()
        self._visitors: set[str] = set()
        """Who does something in the scenario at hand, visitors without their `~`."""

    def scenario(self, value: Value) -> Scenario | None:
        self._advice = []
        found = decode(value, ScenarioFile, self._report, "a scenario")
        if found is None:
            return None
        start = instant_ms(found.start or START)
        if start is None:
            self._report.at(value, f"`start` is a time such as {START}, not `{found.start}`")
            return None
        for scalar in found.campaigns.items if found.campaigns else ():
            self._check_campaign(scalar)
        user, known = self._user(found.user.value if found.user else None, start)
        inputs = [Timed(start, known), *self._inputs(found.events.value, start, user)]
        last = inputs[-1].at
        until = last + AFTERWARDS_MS if found.until is None else start + round(found.until.seconds * 1000)
        if until < last:
            self._report.at(found.events.value, "an event comes after `until`")
        return Scenario(
            name=found.scenario,
            file=value.source.file,
            line=value.line,
            campaigns=tuple(str(scalar.value) for scalar in found.campaigns.items) if found.campaigns else None,
            start=start,
            inputs=tuple(inputs),
            until=until,
            expect=self._expect(found.expect.value),
            advice=tuple(self._advice),
        )

    def _check_campaign(self, scalar: Scalar) -> None:
        if scalar.value not in self._ids:
            hint = did_you_mean(nearest(str(scalar.value), self._ids))
            self._report.at(scalar, f"there is no campaign `{scalar.value}`{hint}")

    def _user(self, value: Value | None, start: int) -> tuple[str, Event]:
        """Who it is about, and the identify by which a server told what is known of him."""
        traits = dict(TRAITS) if value is None else dict(plain(value))
        user = traits.pop("id", USER)
        if not isinstance(user, str) or not user or user.startswith(ANONYMOUS):
            assert value is not None, "the default user has a name"
            self._report.at(value, "`id` is a text, and does not begin with ~")
            user = USER
        known = Event(
            user=user,
            kind="identify",
            message_id="scenario-known",
            occurred=start,
            body=_encode(traits),
            source="server",
        )
        return user, known

    # --- events ---------------------------------------------------------------------------------------------------

    def _inputs(self, events: Value, start: int, user: str) -> list[Timed]:
        """In order of time, and at one moment in the order in which they are written."""
        assert isinstance(events, YamlMapping)
        found: list[Timed] = []
        self._users, self._visitors = {user, *_named("user", events)}, set(_named("anonymous", events))
        for moment, value in events.values.items():
            offset = duration_ms(moment)
            if offset is None:
                self._report.at(events.keys[moment], f"`{moment}` is no moment: write {FORMS}")
                continue
            for part in value.items if isinstance(value, Sequence) else [value]:
                event = self._event(part, start + offset, user, f"scenario-{moment}-{len(found)}")
                if event is not None:
                    found.append(Timed(start + offset, event))
        return sorted(found, key=lambda timed: timed.at)

    def _event(self, value: Value, at: int, user: str, message_id: str) -> Event | None:
        if isinstance(value, Scalar) and isinstance(value.value, str):
            return self._made(value.value, {}, value, user, at, message_id, at)
        if not isinstance(value, YamlMapping):
            self._report.at(value, f"an event is a name, or {{name: {{properties}}}}, not {kind_of(value)}")
            return None
        names = [name for name in value.values if name not in _BESIDE]
        if len(names) != 1:
            self._report.at(value, f"an event is {{name: {{properties}}}}, beside it at most {one_of(sorted(_BESIDE))}")
            return None
        body = plain(value.values[names[0]])
        if body is None:
            body = {}
        if not isinstance(body, dict):
            self._report.at(value.values[names[0]], "properties are a mapping")
            return None
        beside = {
            name: self._beside(name, part) for name, part in value.values.items() if name in _BESIDE - {"context"}
        }
        if "user" in beside and "anonymous" in beside:
            self._report.at(value, "an event is of a `user` or of an `anonymous` visitor")
        who = beside.get("user", user) if "anonymous" not in beside else ANONYMOUS + str(beside["anonymous"])
        late = duration_ms(str(beside["late_by"])) if "late_by" in beside else 0
        if late is None:
            self._report.at(value.values["late_by"], f"`late_by` is a duration: write {FORMS}")
        told = str(beside.get("message_id", message_id))
        made = self._made(names[0], body, value, str(who), at, told, max(1, at - (late or 0)))
        context = value.values.get("context")
        return made if made is None or context is None else self._with_context(made, context)

    def _with_context(self, event: Event, value: Value) -> Event:
        """As a browser tells it beside the properties: page, campaign, locale …"""
        context = plain(value)
        if not isinstance(context, dict):
            self._report.at(value, f"`context` is a mapping, not {kind_of(value)}")
            return event
        return msgspec.structs.replace(event, context=_encode(context))

    def _beside(self, name: str, value: Value) -> str:
        found = value.value if isinstance(value, Scalar) else None
        if not isinstance(found, str | int) or isinstance(found, bool):
            self._report.at(value, f"`{name}` is a text, not {kind_of(value)}")
        return str(found)

    def _made(
        self, told: str, body: Mapping[str, Any], value: Value, user: str, at: int, message_id: str, occurred: int
    ) -> Event | None:
        kind: Kind = "identify" if told == "identify" else "alias" if told == "alias" else "track"
        if kind == "alias":
            visitor = self._visitor(body, value, user)
            if visitor is None:
                return None
            body = {"from": visitor}
        name = canonical(told, self._aliases) if kind == "track" else ""
        if kind == "track" and not name:
            self._report.at(value, "an event needs a name")
            return None
        if kind == "track":
            self._check_event(name, value)
        if name == "email_clicked":
            self._check_link(body, value)
        return Event(
            user=user,
            kind=kind,
            name=name,
            message_id=message_id,
            occurred=occurred,
            body=_encode(body),
            source="engine" if name in FEEDBACK else "server",
        )

    def _visitor(self, body: Mapping[str, Any], value: Value, user: str) -> str | None:
        """Whom an alias of the user is from. None, and a problem at its place, if that joins nobody."""
        told = body.get("from")
        name = str(told).removeprefix(ANONYMOUS) if isinstance(told, str | int) and not isinstance(told, bool) else ""
        if not name or len(body) != 1:
            self._report.at(value, "an alias is written {alias: {from: visitor-7}}")
            return None
        assert isinstance(value, YamlMapping), "with a `from` it is a mapping"
        if user.startswith(ANONYMOUS):
            whose = value.values.get("anonymous") or value.values.get("user") or value
            self._report.at(
                whose,
                f"an alias is of a user: who the visitor `{user.removeprefix(ANONYMOUS)}` is, nobody knows yet; "
                f"write {{alias: {{from: {name}}}, user: ann}}",
            )
            return None
        if told == name and name in self._users and name not in self._visitors:
            said = value.values["alias"]
            place = said.values["from"] if isinstance(said, YamlMapping) else said
            who = "the user whose alias it is" if name == user else "a user, and nobody takes over what another did"
            self._report.at(
                place,
                f"an alias is from a visitor, and `{name}` is {who}; a visitor's events say `anonymous: visitor-7`",
            )
            return None
        return ANONYMOUS + name

    def _check_event(self, name: str, value: Value) -> None:
        """Advice on one that changes nothing: in a scenario that is likelier a slip than meant."""
        if name not in self._events:
            hint = did_you_mean(nearest(name, self._events, 0.8)) or "; it counts as activity, and for nothing else"
            self._advice.append(value.problem(f"nothing on this site looks at `{name}`{hint}", "advice"))

    def _check_link(self, body: Mapping[str, Any], value: Value) -> None:
        """Nobody can click on a link that is in no letter, so what such a scenario shows would never come."""
        told, letters = body.get("link"), self._letters(body.get("template"), body.get("campaign"))
        if told is None or letters is None:
            return
        names = {name for letter in letters for name in letter.links}
        if not is_link(str(told), names):
            self._report.at(value, no_such_link(str(told), names))

    def _letters(self, template: object, campaign: object) -> list[ast.TemplateInfo] | None:
        """Those that a click may be about; None if the site has no templates."""
        if self._site.templates is None:
            return None
        sent = {
            step.template
            for one in self._site.campaigns
            if campaign is None or one.id == campaign
            for step in steps_of(one)
            if isinstance(step, ast.SendStep) and step.channel == "email"
        }
        wanted = sent if template is None else {template}
        return [one for one in self._site.templates if one.channel == "email" and one.name in wanted]

    # --- expectations ---------------------------------------------------------------------------------------------

    def _expect(self, expect: Value) -> tuple[tuple[str, tuple[dict[str, Any], ...]], ...]:
        assert isinstance(expect, YamlMapping)
        found = []
        for decision, rows in expect.values.items():
            if decision not in DECISIONS:
                hint = did_you_mean(nearest(decision, DECISIONS)) or f"; there is {one_of(DECISIONS)}"
                self._report.at(expect.keys[decision], f"there is no decision `{decision}`{hint}")
            elif not isinstance(rows, Sequence):
                self._report.at(rows, f"`{decision}` is a list of rows ([] for none), not {kind_of(rows)}")
            else:
                found.append((decision, tuple(self._row(row) for row in rows.items)))
        return tuple(found)

    def _row(self, value: Value) -> dict[str, Any]:
        if not isinstance(value, YamlMapping):
            self._report.at(value, f"a row is {{field: value}}, not {kind_of(value)}")
            return {}
        self._check_fields(value, ROW_FIELDS)
        row: dict[str, Any] = plain(value)
        if "at" in row:
            at = duration_ms(str(row["at"]))
            if at is None:
                self._report.at(value.values["at"], f"`at` is a duration since the start: write {FORMS}")
            row["at"] = at
        if "campaign" in row and isinstance(value.values["campaign"], Scalar):
            self._check_campaign(value.values["campaign"])
        return row

    def _check_fields(self, value: YamlMapping, known: Collection[str]) -> None:
        for name, key in value.keys.items():
            if name not in known:
                there = one_of(sorted(known)).replace(" or ", " and ")
                rest = f"; there are {there}, and what else was decided is in `detail`, as in {{detail: {{{name}: …}}}}"
                self._report.at(key, f"a row has no field `{name}`{did_you_mean(nearest(name, known)) or rest}")


def _named(who: str, events: YamlMapping) -> Iterator[str]:
    """The names under `user` or `anonymous` of all events."""
    for value in events.values.values():
        for part in value.items if isinstance(value, Sequence) else [value]:
            name = part.values.get(who) if isinstance(part, YamlMapping) else None
            if isinstance(name, Scalar):
                yield str(name.value)
