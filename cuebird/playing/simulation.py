"""A site in virtual time, for tests in Python: the same actors as live, no clock, no disk, no mail."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Final

import msgspec

from actors.actor import Actor
from actors.model.event import ANONYMOUS, FEEDBACK_IF_MACHINE, FEEDBACK_ONLY, HUMAN_FEEDBACK, Event, Kind
from actors.model.feedback import feedback
from actors.model.turn import Decision, Send
from actors.values.address import valid_address
from actors.values.names import canonical
from actors.values.token import Tokens
from cuebird.changes.sites import open_site
from cuebird.settings.config import load
from delivery.render import Templates
from language.compiler.compile import compile_site
from language.site.links import is_link, no_such_link
from language.site.scenarios import START
from language.syntax.durations import UNITS, duration_ms, instant_ms
from replay.ledger import row
from replay.simulate import Simulator

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FEEDBACK: Final = FEEDBACK_ONLY | FEEDBACK_IF_MACHINE | HUMAN_FEEDBACK
_WORDS: Final = {"millisecond": "ms", "second": "s", "minute": "m", "hour": "h", "day": "d", "week": "w"}
_SPOKEN: Final = re.compile(rf"({'|'.join(_WORDS)})s?\b|\s+|,|\band\b")


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """A message that the campaigns decided to send."""

    to: str
    """E-mail address; of a push the user's name."""
    user: str
    campaign: str
    template: str
    channel: str
    at: datetime
    """In UTC."""
    context: dict[str, Any]
    """What the template sees: user, entry, run, data, and the collections it looks at."""
    send: Send
    """As delivery gets it."""


class Rendered(msgspec.Struct, frozen=True, kw_only=True):
    """A message as its reader gets it."""

    subject: str = ""
    html: str = ""
    text: str = ""
    targets: tuple[str, ...] = ()
    """Where the tracked links of a mail lead."""
    content: dict[str, Any] = {}
    """Of a push: what the page is handed."""


class Simulation:
    """A site at a moment of virtual time. What users do comes in by `track` and its like; `advance` lets time run.

        sim = Simulation("shop/")
        sim.track("ann", "product_added", price=60)
        sim.advance("1 week")
        assert sim.sent(to="ann@example.test")

    Each user is known from the first event on, as in a scenario: `ann` has the address ann@example.test and has said yes
    to marketing, until `identify` tells otherwise. With `known=False` only what `identify` tells is known.

    Inputs come at `now`. Once `advance` has let the timers of a moment ring, what is told next comes a millisecond later.

    Raises language.syntax.problems.SiteErrors, with every problem, if the site cannot be used.
    """

    def __init__(
        self,
        site: str | Path,
        *,
        start: str | datetime = START,
        campaigns: Sequence[str] | None = None,
        known: bool = True,
    ) -> None:
        """`campaigns`: only these; default: all of the site. `start` in UTC unless it says otherwise; a Monday by default."""
        self._path = Path(site)
        checked, program = open_site(self._path)
        if campaigns is not None:
            missing = set(campaigns) - {campaign.id for campaign in checked.site.campaigns}
            if missing:
                raise ValueError(f"{site} has no campaign {', '.join(sorted(missing))}")
            program = compile_site(checked.site, only=tuple(campaigns))
        self._simulator = Simulator(program, start=_moment(start))
        self._aliases = program.aliases
        self._letters = checked.site.letters
        self._links = {one.name: one.links for one in checked.site.templates or () if one.channel == "email"}
        self._known = known
        self._met: set[str] = set()
        self._rung = False
        self._count = 0

    @property
    def now(self) -> datetime:
        """The moment that the simulation has reached, in UTC."""
        return _datetime(self._simulator.now)

    # --- what happens ---------------------------------------------------------------------------------------------

    def track(
        self,
        user: str,
        event: str,
        properties: Mapping[str, Any] | None = None,
        /,
        *,
        late_by: str | timedelta = "0s",
        message_id: str = "",
        **more: Any,
    ) -> bool:
        """The user did something. `~visitor-7` is an anonymous visitor. False: it was told before (same `message_id`).

        Properties are written as keywords; one that is called like an argument goes into the mapping. `late_by`: it
        happened so much earlier than we hear of it.
        """
        name = canonical(event, self._aliases)
        if not name:
            raise ValueError("an event needs a name")
        self._meet(user)
        return self._take(
            user, "track", {**(properties or {}), **more}, name=name, late_by=late_by, message_id=message_id
        )

    def identify(self, user: str, traits: Mapping[str, Any] | None = None, /, **more: Any) -> None:
        """A server tells what is known of the user: email, consent={"marketing": False}, time_zone, plan …"""
        self._meet(user)
        self._take(user, "identify", {**(traits or {}), **more})

    def alias(self, user: str, anonymous: str) -> None:
        """The visitor (`visitor-7`) turns out to be the user: memory, runs and timers move.

        ValueError if it would join nobody: said of a visitor, from a known user, from the user himself, or from no name.
        """
        visitor = self._visitor(user, anonymous)
        self._meet(user)
        self._take(user, "alias", {"from": visitor})

    def _visitor(self, user: str, anonymous: str) -> str:
        name = anonymous.removeprefix(ANONYMOUS)
        if not name:
            raise ValueError("an alias is from a visitor: name one, such as visitor-7")
        if user.startswith(ANONYMOUS):
            raise ValueError(
                f"an alias is of a user: who the visitor {user} is, nobody knows yet; alias('ann', {name!r})"
            )
        is_user = name == user or name in self._met
        if anonymous == name and is_user and ANONYMOUS + name not in self._simulator.actors:
            who = "the user whose alias it is" if name == user else "a user, and nobody takes over what another did"
            raise ValueError(f"an alias is from a visitor, and {name} is {who}; a visitor's name begins with ~")
        return ANONYMOUS + name

    def feedback(self, sent: Sent, name: str, /, **properties: str | bool) -> bool:
        """What became of a message: `email_opened`, `email_clicked`, `email_bounced` with permanent=True and address=…

        ValueError for a click on a `link` that the letter has not.
        """
        name = canonical(name, self._aliases)
        if name not in _FEEDBACK:
            raise ValueError(f"{name} is no feedback about a message; there is {', '.join(sorted(_FEEDBACK))}")
        link, names = properties.get("link"), self._links.get(sent.template)
        if link is not None and names is not None and not is_link(str(link), names):
            raise ValueError(no_such_link(str(link), names))
        self._count += 1
        event = feedback(name, sent.send, self._next(), part=str(self._count), **properties)
        return self._simulator.take(event, event.occurred)

    # --- time -----------------------------------------------------------------------------------------------------

    def advance(self, duration: str | timedelta) -> list[Sent]:
        """Lets so much time pass, `"30m"` or `"1 week"`; what is due at its very end has rung. Returns what was sent."""
        return self._run(self._simulator.now + _duration(duration))

    def advance_to(self, moment: str | datetime) -> list[Sent]:
        """Lets time run to `"2026-01-06T09:00:00Z"`. Time does not run back: ValueError."""
        until = _moment(moment)
        if until < self._simulator.now:
            raise ValueError(f"it is {self.now.isoformat()} already, later than {_datetime(until).isoformat()}")
        return self._run(until)

    def _run(self, until: int) -> list[Sent]:
        before = len(self._simulator.sends)
        self._simulator.run(until)
        self._rung = True
        return [_sent(send) for send in self._simulator.sends[before:]]

    # --- what came of it ------------------------------------------------------------------------------------------

    def sent(
        self,
        *,
        to: str | None = None,
        user: str | None = None,
        campaign: str | None = None,
        template: str | None = None,
        channel: str | None = None,
    ) -> list[Sent]:
        """What was sent so far, in order, as far as it matches all that is asked for."""
        asked = {"to": to, "user": user, "campaign": campaign, "template": template, "channel": channel}
        fits: Callable[[Send], bool] = partial(_fits, asked=asked)
        return [_sent(send) for send in self._simulator.sends if fits(send)]

    def ledger(
        self, *, user: str | None = None, campaign: str | None = None, decision: str | None = None
    ) -> list[dict[str, Any]]:
        """The rows of all that was decided, `not_entered` included, as `cuebird simulate --json` prints them."""
        fits: Callable[[Decision], bool] = partial(
            _fits, asked={"user": user, "campaign": campaign, "decision": decision}
        )
        return [row(decision) for decision in self._simulator.decisions if fits(decision)]

    def user(self, name: str) -> Actor:
        """The actor: traits, memory, runs. Raises KeyError for somebody who was never heard of."""
        return self._simulator.actors[name]

    def render(self, sent: Sent) -> Rendered:
        """The message itself, from the site's templates. Raises delivery.render.RenderError."""
        if sent.channel == "push":
            return Rendered(content=self._templates.push(sent.send))
        mail = self._templates.email(sent.send)
        return Rendered(
            subject=mail.subject, html=mail.html, text=mail.text, targets=tuple(one.url for one in mail.targets)
        )

    @cached_property
    def _templates(self) -> Templates:
        settings = load(self._path).settings.delivery
        return Templates.of(
            self._letters, settings, Tokens([b"links of a simulation lead nowhere, so this is no secret"])
        )

    # --- how it gets in -------------------------------------------------------------------------------------------

    def _meet(self, user: str) -> None:
        if not user:
            raise ValueError("a user needs a name")
        if user in self._met or user.startswith(ANONYMOUS):
            return
        self._met.add(user)
        if self._known:
            address = f"{user}@example.test"
            traits: dict[str, Any] = {"consent": {"marketing": True}}
            self._take(user, "identify", traits | ({"email": address} if valid_address(address) else {}))

    def _take(
        self,
        user: str,
        kind: Kind,
        body: Mapping[str, Any],
        name: str = "",
        late_by: str | timedelta = "0s",
        message_id: str = "",
    ) -> bool:
        self._count += 1
        at = self._next()
        event = Event(
            user=user,
            kind=kind,
            name=name,
            message_id=message_id or f"simulation-{self._count}",
            occurred=at - _duration(late_by),
            body=_encoded(body),
            source="engine" if name in _FEEDBACK else "server",
        )
        return self._simulator.take(event, at)

    def _next(self) -> int:
        """When the next input comes: never at a moment whose timers have rung."""
        at = self._simulator.now + self._rung
        self._rung = False
        return at


def _fits(found: Send | Decision, asked: Mapping[str, str | None]) -> bool:
    return all(wanted is None or getattr(found, field) == wanted for field, wanted in asked.items())


def _sent(send: Send) -> Sent:
    return Sent(
        to=send.to,
        user=send.user,
        campaign=send.campaign,
        template=send.template,
        channel=send.channel,
        at=_datetime(send.at),
        context=msgspec.json.decode(send.context),
        send=send,
    )


def _encoded(body: Mapping[str, Any]) -> bytes:
    try:
        return msgspec.json.encode(body)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"properties are what JSON can hold: {error}") from None


def _datetime(moment: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=moment)


def _moment(told: str | datetime) -> int:
    """Milliseconds since the epoch; without a zone it is UTC. Raises ValueError."""
    moment = instant_ms(told.isoformat() if isinstance(told, datetime) else told)
    if moment is None:
        raise ValueError(f"{told!r} is no time: write one as 2026-01-05T10:00:00Z")
    return moment


def _duration(told: str | timedelta) -> int:
    """Milliseconds. Raises ValueError."""
    if isinstance(told, timedelta):
        span: int | None = told // timedelta(milliseconds=1)
    else:
        span = duration_ms(_SPOKEN.sub(lambda word: _WORDS[word[1]] if word[1] else "", told))
    if span is None or span < 0:
        raise ValueError(f"{told!r} is no duration: write 30m, 1h30m, 2 days or 1 week ({', '.join(UNITS)})")
    return span
