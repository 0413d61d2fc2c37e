"""One connection of `cuebird.v1` as a state machine without I/O: text in, text out, events to the engine.

Rules it keeps:

* Nothing is said of an event before the engine's word on it (`committed`).
* `ok` is cumulative and in the order of the frames: everything up to its id is on disk or was answered by an `err`.
* What a session may resume from (`acked`) never passes a frame that was refused.
* A bad frame is answered and survived; too many of them, or sending past the credit, end the connection.
* A frame whose id cannot be told ends it too: it cannot be answered, and the next `ok` would say that it is on disk. Who
  comes back resumes from what is, and sends it again; a session to which that happens again and again is told to stay away.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, Final, Literal

from engine.submit import Receipt
from ingress.bounds.admission import OVERLOADED
from ingress.connections import frames
from ingress.connections.acks import Acks, PendingAck
from ingress.connections.context import ConnectionContext
from ingress.connections.event_frames import EventFrames, FrameRefused
from ingress.connections.feedback import PushFeedback
from ingress.connections.frames import CLOSES, TYPES, Ack, Auth, Ev, Frame, Hello, Ping, Pong
from ingress.connections.greeting import Greeted, greet, home_of, is_anonymous
from ingress.connections.resume import ResumeRecord
from ingress.connections.streams import Item, iso, push_frame
from ingress.messages.rejection import Rejected
from ingress.messages.wire import rejected
from ingress.principals.keys import Denied, ProofEnded
from ingress.principals.principal import Principal
from ingress.principals.proof_watch import ProofWatch, left_ms

State = Literal["new", "open", "draining"]

MINUTE_MS: Final = 60_000
OUT_OF_PLACE: Final[Mapping[State, tuple[str, str]]] = {
    "new": ("hello_expected", "the first frame must be a hello"),
    "open": ("already_open", "there was a hello already"),
    "draining": ("draining", "this server is about to restart: reconnect and send it again"),
}


class Session:
    """`wake` is called when there is output and nobody is in `receive`. `token`, `visitor`: what the handshake carried."""

    def __init__(
        self,
        world: ConnectionContext,
        now: int,
        *,
        token: str = "",
        visitor: str = "",
        origin: str | None = None,
        address: str = "",
        wake: Callable[[], None],
    ) -> None:
        self.state: State = "new"
        self.close: tuple[int, str] | None = None
        """(code, reason) once this side has ended the connection; what is outgoing still goes first."""
        self.speaker = Principal(source="client", trusted=False)
        self.acks = Acks(world.limits.credit_events)
        self.events = EventFrames(world, self.acks, address)
        self._world = world
        self._token = token
        self._visitor = visitor
        self._origin = origin
        self._wake = wake
        self._opened = now
        self._heard = now
        self._asked = now
        self._proof = ProofWatch()
        self._stream: int | None = None
        self._record: ResumeRecord | None = None
        self._data = b""
        self._bad: deque[int] = deque()
        self._feedback = PushFeedback()
        self._out: list[str] = []
        self._out_bytes = 0

    # --- in ---------------------------------------------------------------------------------------------------------

    def receive_text(self, data: bytes, now: int) -> None:
        """One text message, valid UTF-8. Never raises, whatever it holds."""
        if self.close is not None:
            return
        self._heard = now
        self._world.counts.frames_in += 1
        if data[:1] != b"{" and data.lstrip(frames.BLANK)[:1] == b"[":
            self._several(data, now)
        else:
            self._one(data, now)

    def receive_binary(self, now: int) -> None:
        """A binary message: none is known."""
        if self.close is None:
            self._heard = now
            self._world.counts.frames_in += 1
            self._unreadable(Rejected("binary_not_supported", "a frame is a JSON object as text"), None, now)

    def committed(self, pending: PendingAck, receipt: Receipt) -> None:
        """The engine's word on an `ev` frame."""
        if receipt.refused is not None:
            self._world.counts.refused["ws", receipt.refused] += 1
            receipt = self._world.admission.told(receipt)
        self.acks.settle(pending, receipt, self._world.limits.retry_ms)
        if self._record is not None:
            self._record.acked = max(self._record.acked, self.acks.acked)
        if self.acks.said_bytes + self._out_bytes > self._world.limits.send_queue_bytes_max:
            self._end(4101)
        if receipt.duplicates or receipt.too_old:
            self._world.counts.duplicates["ws"] += receipt.duplicates
            self._world.counts.too_old["ws"] += receipt.too_old
        self._world.admission.settled()
        self._wake()

    def unheard(self, now: int) -> None:
        """It was not read from until now: that is no silence of its own."""
        self._heard = now

    def push(self, item: Item) -> None:
        """A push for whom this page belongs to."""
        if self.close is None:
            self._world.counts.pushes["ws"] += 1
            self._send(push_frame(item))
            self._wake()

    def tick(self, now: int) -> None:
        """What time alone brings about; to be called every now and then."""
        limits = self._world.limits
        silent = now - self._heard
        if self.close is not None:
            return
        if self.state == "new" and now - self._opened >= limits.hello_wait_ms_max:
            self._end(4002)
        elif silent >= limits.silence_ms_max:
            self._end(4103)
        elif silent >= limits.ping_ms and now - self._asked >= limits.ping_ms:
            self._asked = now
            self._send(frames.PING)
        if left_ms(self.speaker, now) == 0:
            self._end(4201)
        elif (left := self._proof.expiring_in_ms(self.speaker, now)) is not None:
            self._send(frames.frame("token_expiring", in_ms=left))

    def drain(self) -> None:
        """The server is about to leave: the client is asked to go first; new events are refused."""
        if self.state == "open" and self.close is None:
            self.state = "draining"
            limits = self._world.limits
            self._send(frames.frame("drain", in_ms=limits.drain_ms, jitter_ms=limits.drain_jitter_ms))

    def finish(self) -> None:
        """The server leaves now."""
        self._end(4200)

    def look_again(self) -> None:
        """The site's keys were changed: who would not be let in now has to go."""
        if self.state == "new" or self.close is not None:
            return
        try:
            self._world.keys.still(self.speaker, self._origin)
        except ProofEnded:
            self._end(4201)
        except Denied as denied:
            self.refuse(4003 if denied.status == 403 else 4001, denied.message)

    def refuse(self, close: int, message: str) -> None:
        """This connection is not wanted: say why, and end it."""
        retry_ms = self._world.admission.told(OVERLOADED).retry_ms if 4100 <= close < 4200 else None
        self._send(frames.err(CLOSES[close], message, retry_ms=retry_ms))
        self._end(close)

    def gone(self, now: int) -> None:
        """The connection is no more. Words of the engine may still come; they count for who resumes the session."""
        self._leave_stream()
        if self._record is not None:
            self._world.sessions.leave(self._record, self._replaced, now)
        self.close = self.close or (1000, CLOSES[1000])
        self._out = []
        # There is nobody to be woken, and who wakes and who is woken hold each other.
        self._wake = _asleep

    # --- out --------------------------------------------------------------------------------------------------------

    def outgoing(self) -> list[str]:
        """The frames to send, in order; they are the caller's now."""
        said = self.acks.frames()
        out = self._out
        if out:
            said = out + said
            self._out = []
            self._out_bytes = 0
        self._world.counts.frames_out += len(said)
        return said

    # --- frames -----------------------------------------------------------------------------------------------------

    def _one(self, data: bytes, now: int) -> None:
        if self.close is not None:
            return
        self._data = data
        try:
            frame = frames.decode_frame(data)
        except frames.DECODE_ERRORS as error:
            self._awkward(rejected(error), now)
            return
        handler = self.TRANSITIONS[self.state].get(frame.__class__)
        if handler is not None:
            handler(self, frame, now)
        else:
            self._out_of_place(frame.id if isinstance(frame, Ev) else None)

    def _several(self, data: bytes, now: int) -> None:
        parts, fault = frames.several(data)
        for part in parts:
            self._one(bytes(part), now)
        if fault is not None:
            self._unreadable(fault, None, now)

    def _awkward(self, error: Rejected, now: int) -> None:
        """A frame that does not decode as it should: find out what it was meant to be."""
        try:
            head = frames.decode_head(self._data)
        except frames.DECODE_ERRORS as deeper:
            error = rejected(deeper)
            head, alone = frames.find_head(self._data, self._world.limits.batch_events_max)
            if not alone:
                self._unreadable(error, head.id, now)
                return
        if head.t is not None and head.t not in TYPES:
            # Perhaps a newer client: told, and not counted against it.
            self._refuse("unknown_type", f"t {head.t[:50]!r} is none of {', '.join(TYPES)}", head.id)
        elif head.t == "ev" and head.id is not None and head.e is not None:
            if self.state == "open":
                self._ev_by_parts(head.id, head, now)
            else:
                self._out_of_place(head.id)
        else:
            self._bad_frame(error, head.id, now)

    def _out_of_place(self, frame_id: int | None) -> None:
        code, text = OUT_OF_PLACE[self.state]
        retry_ms = self._world.limits.retry_ms if self.state == "draining" else None
        self._refuse(code, text, frame_id, retry_ms)

    def _hello(self, hello: Hello, now: int) -> None:
        world = self._world
        try:
            greeted = greet(world, hello, now, token=self._token, cookie=self._visitor, origin=self._origin)
        except Denied as denied:
            self.refuse(4003 if denied.status == 403 else 4001, denied.message)
            return
        except Rejected as error:
            self._send(frames.err(error.code, error.message))
            return
        self.speaker = greeted.speaker
        self.state = "open"
        owner = f"{self.speaker.key}\n{self.speaker.actor()}"
        self._record = world.sessions.open(hello.session, owner, self._replaced, now)
        self.events.begin(self.speaker, self._record.clock)
        self._at_home(partial(self._welcome, self._record, hello, greeted, now))

    def _at_home(self, then: Callable[[str], None]) -> None:
        """`then` with whose pushes this page receives, as soon as it is known who a visitor turned out to be."""
        name = self.speaker.actor()
        if not is_anonymous(name):
            then(name)
            return

        def owned(owner: str) -> None:
            if name != self.speaker.actor():
                self._at_home(then)  # it proved meanwhile that it is somebody else
            elif self.close is None:
                then(home_of(self.speaker, name, owner))
                self._wake()

        self._world.owner(name, owned)

    def _welcome(self, record: ResumeRecord, hello: Hello, greeted: Greeted, now: int, home: str) -> None:
        streams, limits = self._world.streams, self._world.limits
        missed: Sequence[Item] = ()
        recovered, offset = False, streams.offset
        if "push" in hello.want and home:
            follows = self.speaker.holds(self.speaker.actor())
            self._stream, attached = streams.attach(home, self.push, hello.since, follows=follows)
            recovered, offset, missed = attached.recovered, attached.offset, attached.missed
        welcome = frames.frame(
            "welcome",
            session=record.id,
            epoch=streams.epoch,
            ping_ms=limits.ping_ms,
            max_frame=limits.frame_bytes_max,
            max_batch=limits.batch_events_max,
            credit=limits.credit_events,
            acked=record.acked,
            recovered=recovered,
            offset=offset,
            time=iso(now),
            **({"visitor": greeted.visitor} if greeted.visitor else {}),
        )
        self._send(welcome)
        for item in missed:
            self.push(item)

    def _ev(self, ev: Ev, now: int) -> None:
        try:
            self.events.take(ev, self._data, self.speaker, self.committed, now)
        except (FrameRefused, Rejected) as refused:
            self._refuse_events(ev.id, refused)

    def _ev_by_parts(self, frame_id: int, head: frames.FrameHead, now: int) -> None:
        try:
            self.events.take_parts(frame_id, head, self._data, self.speaker, self.committed, now)
        except (FrameRefused, Rejected) as refused:
            self._refuse_events(frame_id, refused)

    def _refuse_events(self, frame_id: int, refused: FrameRefused | Rejected) -> None:
        if isinstance(refused, Rejected):
            self._refuse(refused.code, refused.message, frame_id)
            return
        self._refuse(refused.code, refused.message, frame_id, refused.retry_ms)
        if refused.close:
            self._end(refused.close)

    def _ack(self, ack: Ack, now: int) -> None:
        """What became of a push: an event, once for each push and status."""
        found = self._world.streams.find(self._stream, ack.offset) if self._stream is not None else None
        if found is None:
            self._send(frames.err("unknown_push", f"no push {ack.offset} is kept for this page"))
            return
        event = self._feedback.event(*found, ack.offset, ack.status)
        if event is not None:
            self._world.submit([event], _nothing_to_say)

    def _auth(self, auth: Auth, now: int) -> None:
        """A new proof; the stream of pushes moves to whom it names."""
        try:
            self.speaker = self._world.keys.proven(self.speaker, auth.token, now)
        except Denied as denied:
            self._send(frames.err(denied.code, denied.message))
            return
        self._proof.renewed()
        actor = self.speaker.actor()
        if self._stream is not None and actor:
            self._leave_stream()
            self._stream, _ = self._world.streams.attach(actor, self.push)

    def _ping(self, ping: Ping, now: int) -> None:
        self._send(frames.PONG)

    def _pong(self, pong: Pong, now: int) -> None:
        """It was heard: that is all a pong is for."""

    TRANSITIONS: ClassVar[Mapping[State, Mapping[type[Frame], Callable[[Any, Any, int], None]]]] = {
        "new": {Hello: _hello, Ping: _ping, Pong: _pong},
        "open": {Ev: _ev, Ack: _ack, Auth: _auth, Ping: _ping, Pong: _pong},
        "draining": {Ack: _ack, Auth: _auth, Ping: _ping, Pong: _pong},
    }
    """What is done with a frame in each state: `_hello` leads from new to open, `drain` from open to draining, and
    `_end` from anywhere to the end. A frame that is not there is answered from OUT_OF_PLACE."""

    # --- helpers ----------------------------------------------------------------------------------------------------

    def _refuse(self, code: str, text: str, frame_id: int | None, retry_ms: int | None = None) -> None:
        if frame_id is not None and self.state != "new":
            self.acks.refuse(frame_id)
        self._send(frames.err(code, text, frame_id=frame_id, retry_ms=retry_ms))

    def _unreadable(self, error: Rejected, frame_id: int | None, now: int) -> None:
        """A message in which there may be an `ev` whose id cannot be told."""
        if self._record is None:
            # Before the hello none counts.
            self._bad_frame(error, frame_id, now)
            return
        self._refuse(error.code, error.message, frame_id)
        self._record.unreadable += 1
        self._end(4104 if self._record.unreadable < self._world.limits.unreadable_frames_max else 4007)

    def _bad_frame(self, error: Rejected, frame_id: int | None, now: int) -> None:
        self._refuse(error.code, error.message, frame_id)
        self._bad.append(now)
        while self._bad[0] <= now - MINUTE_MS:
            self._bad.popleft()
        if len(self._bad) >= self._world.limits.bad_frames_per_minute_max:
            self._end(1008)

    def _replaced(self) -> None:
        self._end(4009)
        self._wake()

    def _leave_stream(self) -> None:
        if self._stream is not None:
            self._world.streams.detach(self._stream)
            self._stream = None

    def _send(self, text: str) -> None:
        if self.close is not None:
            return
        self._out.append(text)
        self._out_bytes += len(text)
        if self._out_bytes + self.acks.said_bytes > self._world.limits.send_queue_bytes_max:
            self._end(4101)

    def _end(self, code: int) -> None:
        if self.close is None:
            self.close = (code, CLOSES[code])
            self._world.counts.closes[code] += 1
            self._leave_stream()
            if code == 4101:
                # It does not read: what waits for it is only in the way.
                self._out = []
                self.acks.frames()


def _asleep() -> None:
    """The connection is gone."""


def _nothing_to_say(receipt: Receipt) -> None:
    """Receipts of pushes are not acknowledged: a client that lost one has lost a figure."""
