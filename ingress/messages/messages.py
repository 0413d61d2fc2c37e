"""JSON -> Event, or a rejection with its reason: the one function of every way in.

A message takes the short way (typed decode, raw parts untouched) if it is a Segment message; hand-written and older
shapes are made into one first (`loose.py`). Whatever passes can be decoded and stored by everyone after us.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, TypeVar

import msgspec

from actors.model.event import Event, Source
from actors.values.names import ALIASES, canonical
from ingress.bounds.limits import IngressLimits
from ingress.messages import parts, scan
from ingress.messages.clocks import ClientClock, Clocks
from ingress.messages.departures import Departure
from ingress.messages.identifiers import CONTROL
from ingress.messages.rejection import Rejected
from ingress.messages.sizes import Sizes
from ingress.messages.taking import Batch, Taking
from ingress.messages.wire import Envelope, Instant, RawEnvelope, Wire, rejected
from ingress.principals.principal import SERVER, Principal

NAME_CHARACTERS_MAX: Final = 200
NAMES_CACHED_MAX: Final = 4096
LATENESS_MS: Final = 86_400_000

_Message = TypeVar("_Message")

_decode_envelope = msgspec.json.Decoder(Envelope).decode
_decode_wires = msgspec.json.Decoder(list[Wire]).decode
_decode_raws = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_raw_envelope = msgspec.json.Decoder(RawEnvelope).decode
_decode_instant = msgspec.json.Decoder(Instant).decode

_DECODE_ERRORS = (msgspec.DecodeError, UnicodeError, RecursionError)


class Normalizer:
    """Makes events of messages for one site. Keeps no state but a cache of names and what is known of the clocks of clients
    that have no connection, so it may serve all.

    `aliases`: folded name -> canonical name, the defaults of actors/values/names.py included. `lateness_ms`: what happened longer
    before it comes is rejected as `too_old`; not so by `message` and `typed`, which read what has been recorded. `keeps_ip`: what a
    message's context says of an address is passed on, for the site asks for it.
    """

    def __init__(
        self,
        aliases: Mapping[str, str] = ALIASES,
        lateness_ms: int = LATENESS_MS,
        limits: IngressLimits = IngressLimits(),  # noqa: B008 - it is frozen
        keeps_ip: bool = False,
    ) -> None:
        self.aliases = aliases
        self.lateness_ms = lateness_ms
        self.keeps_ip = keeps_ip
        self.sizes = Sizes(limits)
        self.clocks = Clocks()
        self._names: dict[str, str] = {}

    def follow(self, aliases: Mapping[str, str], lateness_ms: int, keeps_ip: bool = False) -> None:
        """The site was changed: what comes from here on is named by it."""
        self.aliases = aliases
        self.lateness_ms = lateness_ms
        self.keeps_ip = keeps_ip
        self._names.clear()

    def message(
        self,
        raw: bytes | str,
        *,
        received_at: int,
        source: Source = "server",
        speaker: Principal | None = None,
    ) -> list[Event]:
        """The events of one message as JSON (two of an identify with both ids), however long ago. Raises Rejected."""
        data = scan.utf8(raw)
        checked = not scan.suspicious(data)
        taking = self._recorded(received_at, speaker or Principal(source=source), checked, data)
        if taking.departure is not None:
            taking.departure.of_raws([data])
        taking.raw(data)
        return taking.events

    def typed(self, wire: Wire, raw: bytes, *, received_at: int) -> list[Event]:
        """As `message`, of one by a server that was decoded already from `raw`, or from its `scan.well_formed`. Raises
        Rejected."""
        data = scan.utf8(raw)
        checked = not scan.suspicious(data)
        whole = data if checked else scan.well_formed(data)
        taking = self._recorded(received_at, SERVER, checked, data)
        taking.mended = whole is not data
        taking.typed(wire, whole)
        return taking.events

    def batch(
        self,
        raw: bytes | str,
        *,
        received_at: int,
        speaker: Principal = SERVER,
        address: str = "",
        kind: str | None = None,
        messages_max: int = 10_000,
    ) -> Batch:
        """A request's body: one message, an array, or `{"batch": [...]}`; `kind` is the type of those that tell none, `address`
        that of a client that gives no id.

        Raises Rejected only if the body as a whole is no JSON object or array, or holds too many messages.
        """
        # Half a character in a text is told where it stands, by the message that holds it.
        data = (raw.encode("utf-8", "surrogatepass") if isinstance(raw, str) else raw).lstrip()
        if data[:1] not in (b"{", b"["):
            scan.decode(scan.utf8(data))
            raise Rejected("invalid_json", "the body must be a JSON object or array")
        plain = scan.plain(data, self.sizes.plain_bytes_max)
        departure = _departure(received_at, None, speaker, self.clocks, address)
        taking = self._taking(received_at, departure, speaker, not scan.suspicious(data), plain, kind)
        if b'"ip"' not in data:
            taking.keeps_ip = True  # none has one: one look at a long body costs less than one at each message
        if data[:1] == b"[":
            _take_array(taking, data, messages_max)
        else:
            _take_object(taking, data, messages_max)
        return taking.batch()

    def wires(
        self,
        wires: Sequence[Wire],
        *,
        received_at: int,
        sent_at: int | None,
        speaker: Principal,
        checked: bool,
        plain: bool,
        clock: ClientClock,
    ) -> Batch | None:
        """Messages that a frame's decoder has typed; `checked`, `plain`: what `scan` says of the whole frame;
        `clock`: what is known of that of its connection.

        None if one of them is no Segment message: then its raw text is needed, see `raws`.
        """
        departure = _departure(received_at, sent_at, speaker, clock)
        taking = self._taking(received_at, departure, speaker, checked, plain)
        return taking.batch() if taking.wires(wires) else None

    def raws(
        self,
        raws: Sequence[msgspec.Raw],
        *,
        received_at: int,
        sent_at: int | None,
        speaker: Principal,
        checked: bool,
        plain: bool,
        clock: ClientClock,
    ) -> Batch:
        """Messages as they came: a bad one is rejected by itself."""
        departure = _departure(received_at, sent_at, speaker, clock)
        taking = self._taking(received_at, departure, speaker, checked, plain)
        taking.raws(raws)
        return taking.batch()

    def name(self, told: str) -> str:
        """The canonical name. Raises Rejected."""
        known = self._names.get(told)
        if known is not None:
            return known
        if len(told) > NAME_CHARACTERS_MAX:
            raise Rejected(
                "too_long", f"event has {len(told)} characters, at most {NAME_CHARACTERS_MAX} are taken", "event"
            )
        if CONTROL.search(told):
            raise Rejected("bad_string", "event holds control characters", "event")
        name = canonical(told, self.aliases)
        if not name:
            raise Rejected("no_event", "event must name what happened", "event")
        if len(self._names) >= NAMES_CACHED_MAX:
            self._names.clear()
        self._names[told] = name
        return name

    def _taking(
        self,
        received: int,
        departure: Departure | None,
        speaker: Principal,
        checked: bool,
        plain: bool,
        kind: str | None = None,
    ) -> Taking:
        earliest = received - self.lateness_ms
        taking = Taking(
            self._names, self.name, earliest, received, departure, speaker, kind, checked, plain, self.sizes
        )
        taking.keeps_ip = self.keeps_ip
        return taking

    def _recorded(self, received: int, speaker: Principal, checked: bool, data: bytes) -> Taking:
        plain = scan.plain(data, self.sizes.plain_bytes_max)
        departure = _departure(received, None, speaker, self.clocks)
        return Taking(self._names, self.name, 0, received, departure, speaker, None, checked, plain, self.sizes)


def _departure(
    received: int, sent: int | None, speaker: Principal, of: ClientClock | Clocks, address: str = ""
) -> Departure | None:
    """None: a back end's clock is believed."""
    return None if speaker.source == "server" else Departure(received, sent, speaker, of, address)


def _take_array(taking: Taking, data: bytes, messages_max: int) -> None:
    try:
        wires = _decode_wires(scan.utf8(data))
    except (Rejected, *_DECODE_ERRORS):
        wires = None
    if wires is None or not taking.wires(_limited(wires, messages_max)):
        taking.raws(_raws(data, messages_max))


def _take_object(taking: Taking, data: bytes, messages_max: int) -> None:
    try:
        body = _decode_envelope(scan.utf8(data))
    except (Rejected, *_DECODE_ERRORS):
        _take_awkward(taking, data, messages_max)
        return
    if body.batch is None:
        taking.raws([data])
        return
    taking.share(body.sent_at, body.context, len(_limited(body.batch, messages_max)))
    if not taking.wires(body.batch):
        taking.raws(_decode_raw_envelope(data).batch or [])


def _take_awkward(taking: Taking, data: bytes, messages_max: int) -> None:
    """Something in the body is not as it should be; if it is a message, the others are still good."""
    try:
        body = _decode_raw_envelope(data)
    except _DECODE_ERRORS as error:
        body = _raw_envelope(data, messages_max, rejected(error))
    if body.batch is None:
        taking.raws([data])
        return
    taking.share(body.sent_at, body.context, len(_limited(body.batch, messages_max)))
    taking.raws(body.batch)


def _raw_envelope(data: bytes, messages_max: int, because: Rejected) -> RawEnvelope:
    """The envelope of a body that no decoder takes. Raises `because` if it cannot be told where its messages end."""
    told, whole = parts.members(data)
    batch = told.get("batch", b"null")
    if batch == b"null":
        # A message by itself: it is the body, and may only be cut in one of its texts.
        if whole and scan.well_formed(data) is not data:
            return RawEnvelope()
        raise because
    messages, complete = parts.split(batch, messages_max)
    _limited(messages, messages_max)
    if not (whole and complete and batch[:1] == b"["):
        raise because
    try:
        sent_at = _decode_instant(told.get("sentAt", b"null"))
    except _DECODE_ERRORS as error:
        raise rejected(error) from None
    context = msgspec.Raw(scan.well_formed(told.get("context", b"")))
    return RawEnvelope(batch=[msgspec.Raw(message) for message in messages], sent_at=sent_at, context=context)


def _raws(data: bytes, messages_max: int) -> Sequence[msgspec.Raw | bytes]:
    """The messages of an array, undecoded. Raises Rejected if it cannot be told where they end."""
    try:
        return _limited(_decode_raws(data), messages_max)
    except _DECODE_ERRORS as error:
        messages, whole = parts.split(data, messages_max)
        _limited(messages, messages_max)
        if not whole:
            raise rejected(error) from None
        return messages


def _limited(messages: list[_Message], messages_max: int) -> list[_Message]:
    if len(messages) > messages_max:
        raise Rejected("too_long", f"{len(messages)} messages in one batch, at most {messages_max} are taken", "batch")
    return messages
