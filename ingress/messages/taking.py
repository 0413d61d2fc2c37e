"""One batch of messages on its way to being events: who speaks, when it came, and what came of it so far."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from typing import Final, NamedTuple

import msgspec

from actors.model.event import ANONYMOUS, FEEDBACK_IF_MACHINE, FEEDBACK_ONLY, HUMAN_FEEDBACK, Event, Kind, Source
from actors.values.address import valid_address
from ingress.messages import commerce, loose, scan
from ingress.messages.departures import Departure
from ingress.messages.identifiers import ID_CHARACTERS_MAX, identifier, user_identifier
from ingress.messages.instants import milliseconds, occurred, told_at
from ingress.messages.raw_objects import decoded, merged, raw_object, under, with_fields, without_field
from ingress.messages.rejection import Rejected, Rejection, rejection
from ingress.messages.sizes import Sizes
from ingress.messages.wire import NONE, Instant, Wire, rejected, told_apart
from ingress.principals.principal import OURS_BEGIN, Principal

KINDS: Final[frozenset[str]] = frozenset({"track", "page", "screen", "identify", "group", "alias"})

HOUR_MS: Final = 3_600_000
REPEAT_MS: Final = 60_000
"""Two equal messages without an id and without a time are one if they come within the same span of this length."""

RESERVED: Final = FEEDBACK_ONLY | FEEDBACK_IF_MACHINE | HUMAN_FEEDBACK | {"email_subscribed"}
"""Feedback about our own messages, and who wants them. A browser may not claim it: its receipts come in by `ack` frames and
links, a yes by `consent` with proof."""

UNPROVEN: Final = ANONYMOUS + "unproven."
"""Begins the actor of an event that names a user without proof, and no anonymous id."""

_PAGES: Final[Mapping[str, str]] = {"page": "page_viewed", "screen": "screen_viewed"}

_decode_wire = msgspec.json.Decoder(Wire).decode
_encode = msgspec.json.Encoder().encode


class Batch(NamedTuple):
    """What came of a batch. A message makes one event, an identify with both ids two (the alias first)."""

    events: list[Event]
    rejected: list[Rejection]
    messages: int
    """How many messages were taken; the events may be more."""
    unproven: int = 0
    """Messages that named a user without proof: taken as anonymous, or an alias and rejected."""

    @property
    def taken_unproven(self) -> int:
        return self.unproven and self.unproven - sum(one.code == "unproven" for one in self.rejected)


class Taking:
    """Collects the events of one batch in order."""

    __slots__ = (
        "checked",
        "context",
        "departure",
        "earliest",
        "events",
        "keeps_ip",
        "kind",
        "mended",
        "messages",
        "name",
        "names",
        "plain",
        "received",
        "refusals",
        "sizes",
        "speaker",
        "trusted",
        "unproven",
    )

    def __init__(
        self,
        names: dict[str, str],
        name: Callable[[str], str],
        earliest: int,
        received: int,
        departure: Departure | None,
        speaker: Principal,
        kind: str | None,
        checked: bool,
        plain: bool,
        sizes: Sizes,
    ) -> None:
        self.names = names
        self.name = name
        self.earliest = earliest
        """What happened before is too old to be taken."""
        self.received = received
        self.departure = departure
        """When it left, by the clock of who sends it; None: that clock is believed."""
        self.speaker = speaker
        self.trusted: Source | None = speaker.source if speaker.trusted else None
        """What all its messages rest on, if it is one thing."""
        self.kind = kind
        self.checked = checked
        """Nothing in the whole of it is `suspicious`."""
        self.plain = plain
        """The whole of it is: no message is past a limit."""
        self.sizes = sizes
        self.mended = False
        """The message that is being taken holds U+FFFD where it held half a character."""
        self.keeps_ip = True
        """Whether what the context says of an address is taken."""
        self.context = b""
        self.events: list[Event] = []
        self.refusals: list[Rejection] = []
        self.messages = 0
        self.unproven = 0

    def batch(self) -> Batch:
        return Batch(self.events, self.refusals, self.messages, self.unproven)

    def share(self, sent: Instant, context: msgspec.Raw, messages: int) -> None:
        """What the envelope says of all its messages. Raises Rejected."""
        moment = told_at(sent, "sentAt")
        if moment is not None and self.departure is not None:
            self.departure.sent = moment
        self.context = raw_object(context, "context", b"")
        if self.context:
            self.sizes.share(self.context, messages)
            scan.examine(self.context, "context", depth=2)

    # --- messages in their several forms --------------------------------------------------------------------------

    def wires(self, wires: Sequence[Wire]) -> bool:
        """Typed messages. False, with nothing taken, if one is no Segment message, or may name its user in another spelling:
        give their raw text to `raws`."""
        for wire in wires:
            if wire.type not in KINDS and (wire.type is not None or self.kind is None):
                return False
            if wire.user_id is None and wire.anonymous_id is None and self._names_nobody(wire):
                return False
        if self.departure is not None:
            self.departure.of_wires(wires)
        take = self.take
        for index, wire in enumerate(wires):
            try:
                take(wire, index)
            except Rejected as error:
                self.refusals.append(rejection(index, error))
        return True

    def raws(self, raws: Sequence[msgspec.Raw | bytes]) -> None:
        """Each message by itself, as it came."""
        if self.departure is not None:
            self.departure.of_raws(raws)
        for index, raw in enumerate(raws):
            try:
                self.raw(scan.utf8(bytes(raw)), index)
            except Rejected as error:
                self.refusals.append(rejection(index, error))

    def raw(self, data: bytes, index: int = 0) -> None:
        """One message as it came. Raises Rejected."""
        whole = data if self.checked else scan.well_formed(data)
        self.mended = whole is not data
        try:
            wire = _decode_wire(whole)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            if isinstance(error, msgspec.ValidationError):
                self.loose(whole, index, rejected(error))
                return
            raise rejected(error) from None
        self.typed(wire, whole, index)

    def typed(self, wire: Wire, data: bytes, index: int = 0) -> None:
        """The same, decoded from `data`. Raises Rejected."""
        if self.mended:
            told_apart(wire)
        is_segment = wire.type in KINDS or (wire.type is None and self.kind is not None)
        if is_segment and not (self._names_nobody(wire) and loose.names_somebody(data)):
            self.take(wire, index)
        else:
            self.loose(data, index, None)

    def _names_nobody(self, wire: Wire) -> bool:
        """Whether neither the message nor who speaks says whose it is: then another spelling of its ids may."""
        return wire.user_id is None and wire.anonymous_id is None and not self.speaker.actor()

    def loose(self, data: bytes, index: int, because: Rejected | None) -> None:
        """A message in another shape, or (`because`) one whose types are wrong. Raises Rejected."""
        # In this shape whatever has no meaning is a property.
        self.sizes.weigh(len(data), "")
        message = scan.decode(data)
        if not isinstance(message, dict):
            raise because or Rejected("type_error", "a message must be a JSON object")
        scan.walk(message, "")
        kind = message.get("type")
        if because is not None and isinstance(kind, str) and kind in KINDS:
            raise because
        try:
            wire = _decode_wire(_encode(loose.segment(message, KINDS)))
        except msgspec.ValidationError as error:
            raise rejected(error) from None
        if self.mended:
            told_apart(wire)
        self.take(wire, index, checked=True)

    # --- one message ----------------------------------------------------------------------------------------------

    def take(self, wire: Wire, index: int, checked: bool = False) -> None:
        """One typed message. Raises Rejected."""
        if not (checked or self.checked):
            _examine(wire, self.sizes)
        if wire.historical and not self.speaker.trusted:
            raise Rejected(
                "forbidden_historical",
                "only a server key may tell of the past: send it from your back end",
                "historical",
            )
        kind = wire.type or self.kind
        if kind == "track":
            told = wire.event
            if told is None:
                raise Rejected("no_event", "a track must name its event", "event")
            name = self.names.get(told) or self.name(told)
            body = bytes(wire.properties)
            if body[:1] != b"{":
                body = raw_object(body, "properties")
            if name in RESERVED and not self.speaker.trusted:
                raise Rejected("reserved_event", f"{name} is feedback that only the engine may report", "event")
            if name in commerce.MAPPED and commerce.needs_mapping(name, body):
                body = _unified(name, body)
            self._event("track", name, self._actor(wire), body, wire, index)
        elif kind == "page" or kind == "screen":
            body = raw_object(wire.properties, "properties")
            body = with_fields(body, {"name": wire.name, "category": wire.category})
            page: Kind = "page" if kind == "page" else "screen"
            self._event(page, _PAGES[page], self._actor(wire), body, wire, index)
        elif kind == "identify":
            self._identify(wire, index)
        elif kind == "group":
            body = with_fields(
                raw_object(wire.traits, "traits"), {"group_id": identifier(wire.group_id, "groupId") or None}
            )
            self._event("group", "", self._actor(wire), self._vouched(body), wire, index)
        elif kind == "alias":
            self._alias(wire, index)
        else:
            known = ", ".join(sorted(KINDS))
            near = loose.meant(str(kind), KINDS)
            hint = f"; did you mean {near!r}?" if near else ""
            raise Rejected("unknown_type", f"type {str(kind)[:50]!r} is none of {known}{hint}", "type")
        self.messages += 1

    def _identify(self, wire: Wire, index: int) -> None:
        body = raw_object(wire.traits, "traits")
        context = bytes(wire.context)
        if b'"traits"' in context:
            body = under(body, context)
        body = self._vouched(body)
        actor = self._actor(wire)
        anonymous = identifier(wire.anonymous_id, "anonymousId") or self.speaker.anonymous
        before = len(self.events)
        try:
            if anonymous and not actor.startswith(ANONYMOUS):
                self._event("alias", "", actor, _encode({"from": self.speaker.visitor_actor(anonymous)}), wire, index)
            self._event("identify", "", actor, body, wire, index)
        except Rejected:
            # Nobody is joined by a message that is refused.
            del self.events[before:]
            raise

    def _alias(self, wire: Wire, index: int) -> None:
        previous = identifier(wire.previous_id, "previousId") or identifier(wire.anonymous_id, "anonymousId")
        if not previous:
            raise Rejected("no_previous_id", "an alias must say from whom: previousId", "previousId")
        user = user_identifier(wire.user_id) or self.speaker.user
        if not user:
            raise Rejected("no_id", "an alias must say to whom: userId", "userId")
        if not self.speaker.may_speak_for(user):
            self.unproven += 1
            raise Rejected("unproven", "an alias to a user needs proof that this is him", "userId")
        visitor = self.speaker.visitor_actor(previous.removeprefix(ANONYMOUS))
        self._event("alias", "", user, _encode({"from": visitor}), wire, index)

    def _actor(self, wire: Wire) -> str:
        """Whose event it is. Raises Rejected."""
        user = wire.user_id
        if user is not None and user != "":
            if (
                not isinstance(user, str)
                or len(user) > ID_CHARACTERS_MAX
                or not user.isprintable()
                or user[0] == ANONYMOUS
            ):
                user = user_identifier(user)
            if self.speaker.trusted or user == self.speaker.proven:
                return user
            self.unproven += 1
            anonymous = identifier(wire.anonymous_id, "anonymousId") or self.speaker.anonymous
            return self.speaker.visitor_actor(anonymous) if anonymous else UNPROVEN + user
        anonymous = identifier(wire.anonymous_id, "anonymousId")
        if anonymous:
            # Looked at closely only if it may be one of ours: once for every message.
            return self.speaker.visitor_actor(anonymous) if anonymous[0] in OURS_BEGIN else ANONYMOUS + anonymous
        actor = self.speaker.actor()
        if not actor:
            raise Rejected("no_id", "a message must name its user: userId or anonymousId", "userId")
        return actor

    def _event(self, kind: Kind, name: str, actor: str, body: bytes, wire: Wire, index: int) -> None:
        context = self.context
        if wire.context is not NONE:
            context = raw_object(wire.context, "context", context)
            if self.context and context is not self.context:
                context = merged(self.context, context)
        if not self.keeps_ip and b'"ip"' in context:
            context = without_field(context, "ip")
        if not self.plain:
            # `scan.plain`, written out: once for every event of a batch.
            if len(body) + len(context) > self.sizes.plain_bytes_max:
                self.sizes.look_into(body, context, "properties" if name else "traits")
            if body.count(b"{") + body.count(b"[") >= scan.DEPTH_MAX:
                scan.examine(body, "properties" if name else "traits", depth=2)
            if context and context.count(b"{") + context.count(b"[") >= scan.DEPTH_MAX:
                scan.examine(context, "context", depth=2)
        told = wire.timestamp
        if told is None or told == "":
            told = wire.original_timestamp
        if told is None or told == "":
            if wire.historical:
                raise Rejected(
                    "invalid_timestamp", "a historical message has to say when it happened: timestamp", "timestamp"
                )
            moment = 0
        elif wire.historical:
            # As its sender knows it: it was written down long before it was sent.
            moment = occurred(self.received, milliseconds(told, "timestamp"))
        else:
            if wire.sent_at is not None and wire.sent_at != "":
                milliseconds(wire.sent_at, "sentAt")  # nonsense is told to who sends it
            moment = milliseconds(told, "timestamp")
            if self.departure is not None:
                moment = self.departure.moved(moment, wire)
            moment = occurred(self.received, moment)
            if moment < self.earliest:
                raise self._too_old(moment)
        message_id = wire.message_id
        if not isinstance(message_id, str) or len(message_id) > ID_CHARACTERS_MAX or not message_id.isprintable():
            message_id = identifier(message_id, "messageId")
        if not message_id:
            when = told if moment else self.received // REPEAT_MS
            message_id = _hash(f"{kind}\n{name}\n{actor}\n{when}\n{index}\n".encode(), body, context)
        elif kind == "alias":
            # Its identify bears the same id, and both go to the same user.
            message_id += ":alias"
        self.events.append(
            Event(
                user=actor,
                kind=kind,
                name=name,
                message_id=message_id,
                occurred=moment,
                body=body,
                context=context,
                source=self.trusted or self.speaker.source_for(actor),
                historical=bool(wire.historical),
            )
        )

    def _too_old(self, moment: int) -> Rejected:
        late, most = (self.received - moment) / HOUR_MS, (self.received - self.earliest) / HOUR_MS
        return Rejected(
            "too_old",
            f"it happened {late:,.1f} hours before it came, and at most {most:,.1f} hours are taken. Is the timestamp right? "
            'What belongs to the past is sent with a server key and `"historical": true`: it is remembered and starts nothing. '
            "`lateness` in policy.yaml allows more",
            "timestamp",
        )

    def _vouched(self, traits: bytes) -> bytes:
        """An address that only a browser vouches for is set as `unverified_email`: else anybody could mail anybody."""
        if self.speaker.trusted or not (b'"email"' in traits or b"\\" in traits):
            return traits
        told = decoded(traits, "traits")
        address = told.get("email")
        if address is None or (isinstance(address, str) and _same_address(address, self.speaker.email)):
            return traits
        del told["email"]
        return _encode(told | {"unverified_email": address})


# --- leaves -------------------------------------------------------------------------------------------------------


def _same_address(told: str, vouched: str) -> bool:
    """Whether a letter to either goes to one place: as we write them, in ASCII, for letters that only fold into one another (ß
    and ss) may be of two domains."""
    address, known = valid_address(told), valid_address(vouched)
    return address is not None and known is not None and address.lower() == known.lower()


def _unified(name: str, body: bytes) -> bytes:
    return _encode(commerce.unify(name, decoded(body, "properties")))


def _examine(wire: Wire, sizes: Sizes) -> None:
    """Look closely at the raw parts of a message of a suspicious frame. Raises Rejected."""
    for raw, field in ((wire.properties, "properties"), (wire.traits, "traits"), (wire.context, "context")):
        data = bytes(raw)
        if data and scan.suspicious(data):
            sizes.weigh(len(data), field)
            scan.examine(data, field, depth=2)


def _hash(head: bytes, body: bytes, context: bytes) -> str:
    digest = blake2b(head, digest_size=16)
    digest.update(body)
    digest.update(context)
    return digest.hexdigest()
