"""The outbox, worked off: claims what is due, hands it over, writes down each step before the next one happens.

    pending -> claimed -> at_dot -> sent | retry | failed | unknown          (design §4.9)

* `claimed` is on disk before a connection is used, `at_dot` before the final dot is. A process that dies leaves rows that say
  how far they got: `claimed` is simply taken again, `at_dot` is in doubt and becomes `unknown`.
* Whether a mail may still go out is asked before the claim and again right before the dot: that is the last moment at which
  an unsubscribe or a bounce can stop it.
* Nothing is retried in a loop: a retry is a row with a due time.
* While the outbox is on hold nothing is started but what an operator has released: the store leaves the rest out of what is due.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol

from actors.model.turn import Send
from delivery.email import mime
from delivery.feedback import Feedback
from delivery.outcomes import Failed, Outcome, Reply, SmtpFault, Stage, Unknown, outcome, relay_delay
from delivery.pool import Pool
from delivery.push import Publish, PushMessage, push
from delivery.render import RenderError, Templates
from delivery.settings import DeliverySettings, SmtpSettings
from delivery.settling import Settling, Write, remember
from engine.submit import Submit
from persistence.interface import Hold, Link, Mark, Outboxed, StorageFull, Store, StoreError

log = logging.getLogger(__name__)

Recheck = Callable[[Send], Awaitable[str | None]]
"""Why a send may no longer go out (no_consent, suppressed, expired, quiet_hours), None if it may."""

QUIET: Final = "quiet_hours"
QUIET_LOOK_MS: Final = 15 * 60_000
"""How often a mail that was decided before quiet hours and delayed into them is looked at until they end."""

ONLY_TO: Final = "only_to: the address is not among those that get mail here ([delivery] only_to)"

STORAGE_RESTS_MS: Final = 1_000


class NowClock(Protocol):
    def now_ms(self) -> int: ...

    async def sleep_until(self, ms: int | None, wake: asyncio.Event) -> None:
        """Returns at `ms` (None: never) or when `wake` is set, or sooner; clears `wake`."""


class Withdrawn(Exception):
    """A mail was stopped right before its dot; `reason` says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Dispatcher:
    """`counts` has what became of messages since the start, by outcome."""

    def __init__(
        self,
        *,
        store: Store,
        write: Write,
        submit: Submit,
        recheck: Recheck,
        publish: Publish,
        templates: Templates,
        smtp: SmtpSettings,
        settings: DeliverySettings,
        clock: NowClock,
        boot: str,
    ) -> None:
        self.templates = templates
        """May be replaced at any time: what is rendered next uses the new ones."""
        self._store = store
        self._write = write
        self._recheck = recheck
        self._publish = publish
        self._smtp = smtp
        self._settings = settings
        self._clock = clock
        self._boot = boot
        self._feedback = Feedback(submit, clock.now_ms)
        self._settling = Settling(write, self._feedback, settings, clock.now_ms)
        self.counts = self._settling.counts
        self.hold: Hold | None = None
        """Why nothing goes out; `run` reads it from the store."""
        self._pool = Pool(smtp)
        self._woken = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._pushed: list[Send] = []
        self._queue: deque[Outboxed] = deque()
        self._held: set[str] = set()
        """Ids in the queue or in flight."""
        self._let_go: set[str] = set()
        """Ids that left `_held` since the last query began: the query may still have seen them as due."""
        self._at_dot: set[str] = set()
        self._mailing = 0
        self._relay_faults = 0
        self._relay_rests_until = 0
        self._storage_rests_until = 0
        self._published: OrderedDict[str, int] = OrderedDict()
        """Pushes that this process has published: it publishes none twice."""
        self._stopping = False
        self._failure: BaseException | None = None

    @property
    def only_to(self) -> tuple[str, ...]:
        """Who gets mail; empty: everybody."""
        return self._settings.only_to

    def wake(self, sends: Sequence[Send] = ()) -> None:
        """Sends have been committed. Pushes among `sends` go out at once, without a look into the outbox."""
        pushes = [send for send in sends if send.channel == "push" and send.id not in self._held]
        self._held.update(send.id for send in pushes)
        self._pushed += pushes
        self._woken.set()

    def delivered_at(self, send: str) -> int | None:
        """When a mail was accepted, of the last ten thousand."""
        return self._settling.delivered_at.get(send)

    async def run(self) -> None:
        """Until cancelled. Raises what the store raised if it failed."""
        try:
            self.hold = await self._store.hold()
            await self._recover()
            while self._failure is None:
                self._start_pushes()
                until = await self._start_mails()
                await self._clock.sleep_until(until, self._woken)
            raise self._failure
        finally:
            for task in self._tasks:
                task.cancel()
            self._pool.close()

    async def release(self, sends: Sequence[str] | None) -> None:
        """Those ids may go out although the outbox is on hold; None: it is on hold no more."""
        await self._store.release(sends)
        if sends is None:
            self.hold = None
        self._woken.set()

    async def drop(self, rows: Sequence[Outboxed], why: str) -> int:
        """Settles those that wait as failed. Returns how many: those that are on their way already are left alone."""
        ids = {row.send.id for row in rows} - self._held
        self._held |= ids  # so that no query of the outbox starts them meanwhile
        try:
            # Once more: some may have gone since `rows` were read.
            now = await self._store.sends(list(ids))
            waiting = [row for row in now.values() if row.state in ("pending", "retry")]
            if waiting:
                await self._settling.drop(waiting, why)
        finally:
            self._held -= ids
            self._let_go |= ids
        return len(waiting)

    async def stop(self, grace_s: float = 10.0) -> None:
        """Starts nothing more and waits for what is in flight. What is not done after `grace_s` is found after the next start."""
        self._stopping = True
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace_s)

    # --- what is due ----------------------------------------------------------------------------------------------

    async def _recover(self) -> None:
        """Rows of an earlier process: a claim is taken back, a mail at its dot is in doubt."""
        while rows := await self._store.in_state("claimed"):
            now = self._clock.now_ms()
            await self._settling.stored(
                [Mark(id=row.send.id, state="retry", at=now, due=now, reply=row.reply) for row in rows]
            )
        while rows := await self._store.in_state("at_dot"):
            for row in rows:
                await self._settling.settle(row, Unknown("the process ended while the mail was being handed over"))

    def _start_pushes(self) -> None:
        sends, self._pushed = self._pushed, []
        if self.hold is not None:
            # They stay in the outbox, as all else does.
            self._held.difference_update(send.id for send in sends)
            return
        if sends and not self._stopping:
            self._start(self._push(sends), sends)

    async def _start_mails(self) -> int | None:
        """Starts as many as may be in flight; when to look again, None: when something happens."""
        now = self._clock.now_ms()
        if self._stopping:
            return None
        if now < self._storage_rests_until:
            return self._storage_rests_until
        if not self._queue:
            await self._query(now)
        resting = now < self._relay_rests_until
        while self._queue and self._mailing < self._smtp.connections_max and not resting:
            row = self._queue.popleft()
            self._mailing += 1
            self._start(self._mail(row), [row.send])
        if self._queue:
            return self._relay_rests_until if resting else None
        due = await self._store.next_send_due()
        return due if due is None or due > now else None

    async def _query(self, now: int) -> None:
        self._let_go.clear()
        rows = await self._store.due_sends(now, self._settings.claims_max)
        ours = [row for row in rows if row.send.id not in self._held and row.send.id not in self._let_go]
        self._held.update(row.send.id for row in ours)
        self._queue.extend(row for row in ours if row.send.channel == "email")
        pushes = [row.send for row in ours if row.send.channel == "push"]
        if pushes:
            self._start(self._push(pushes), pushes)
        if any(row.send.id in self._let_go for row in rows):
            # What this query saw of them is old; the next one sees how they stand.
            self._woken.set()

    def _start(self, work: Awaitable[None], sends: Sequence[Send]) -> None:
        async def guarded() -> None:
            try:
                await work
            except StorageFull:
                self._rest_storage()
            except Exception as error:
                # The store's failure, above all: nothing is known of what it holds, so nothing more is sent.
                self._failure = error
            finally:
                ids = [send.id for send in sends]
                self._held.difference_update(ids)
                self._let_go.update(ids)
                self._woken.set()

        task = asyncio.get_running_loop().create_task(guarded())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- a mail ---------------------------------------------------------------------------------------------------

    async def _mail(self, row: Outboxed) -> None:
        try:
            await self._carry(row)
        except StoreError:
            raise
        except Exception as error:
            # A mistake of ours that one message brings out: the others go on, and this one is not lost.
            log.exception("mail %s of campaign %s", row.send.id, row.send.campaign)
            await self._settling.settle(row, self._stumbled(row, f"{type(error).__name__}: {error}"))
        finally:
            self._mailing -= 1
            self._at_dot.discard(row.send.id)

    def _stumbled(self, row: Outboxed, what: str) -> Outcome:
        stage: Stage = "dot" if row.send.id in self._at_dot else "body"
        return self._judged(row, SmtpFault(stage, "malformed", what))

    async def _carry(self, row: Outboxed) -> None:
        send = row.send
        reason = await self._objection(send)
        if reason == QUIET:
            await self._write([self._claim(send)], [], [])
            await self._look_again_later(row)
            return
        if reason is not None:
            await self._withdraw(row, reason)
            return
        try:
            message = self.templates.email(send)
            raw = mime(message, send, self._smtp, self._settings, self._clock.now_ms())
        except (RenderError, ValueError) as error:
            await self._withdraw(row, f"render_error: {error}")
            return
        links = [Link(send.id, index, one.url, one.name) for index, one in enumerate(message.targets)]
        await self._write([self._claim(send)], links, [])

        async def before_dot() -> None:
            reason = await self._objection(send)
            if reason is not None:
                raise Withdrawn(reason)
            await self._write([Mark(id=send.id, state="at_dot", at=self._clock.now_ms())], [], [])
            self._at_dot.add(send.id)

        try:
            told: Reply | SmtpFault = await self._pool.deliver(send.to, raw, before_dot)
        except SmtpFault as fault:
            told = fault
        except Withdrawn as withdrawn:
            if withdrawn.reason == QUIET:
                await self._look_again_later(row)
            else:
                await self._withdraw(row, withdrawn.reason)
            return
        except StorageFull:
            self._rest_storage()
            now = self._clock.now_ms()
            await self._settling.stored([Mark(id=send.id, state="retry", at=now, due=now, reply=row.reply)])
            return
        await self._settling.settle(row, self._judged(row, told))

    def _rest_storage(self) -> None:
        self.counts["storage_full"] += 1
        self._storage_rests_until = self._clock.now_ms() + STORAGE_RESTS_MS

    def _judged(self, row: Outboxed, told: Reply | SmtpFault) -> Outcome:
        now = self._clock.now_ms()
        if isinstance(told, SmtpFault) and told.blames_relay:
            self._relay_faults += 1
            self._relay_rests_until = now + relay_delay(self._relay_faults)
            log.warning("the mail relay is not usable: %s", told)
        else:
            self._relay_faults = 0
        return outcome(
            told,
            send=row.send.id,
            attempt=row.attempts + 1,
            now=now,
            expires=row.send.expires,
            relay_faults=self._relay_faults,
        )

    async def _objection(self, send: Send) -> str | None:
        if self._clock.now_ms() > send.expires:
            return "expired"
        if send.channel == "email":
            if not self._settings.may_mail(send.to):
                return ONLY_TO
            found = await self._store.suppressed([send.to])
            against = [one for rows in found.values() for one in rows]
            if any(one.topic in ("", send.topic) for one in against):
                return "suppressed"
        return await self._recheck(send)

    # --- pushes ---------------------------------------------------------------------------------------------------

    async def _push(self, sends: list[Send]) -> None:
        ready: list[tuple[Send, PushMessage]] = []
        failed: list[Mark] = []
        now = self._clock.now_ms()
        for send in sends:
            reason = await self._objection(send)
            try:
                if reason is None:
                    ready.append((send, push(send, self.templates)))
            except RenderError as error:
                reason = f"render_error: {error}"
            if reason is not None:
                failed.append(Mark(id=send.id, state="failed", at=now, reply=reason))
                self.counts["failed"] += 1
                if reason == "expired":
                    self._feedback.tell("push_expired", send)
        await self._write([*failed, *(self._claim(send) for send, _ in ready)], [], [])
        now = self._clock.now_ms()
        settled: list[Mark] = []
        for send, message in ready:
            if send.id in self._published:
                # Found in the outbox and told by `wake`, the one while the other was already under way.
                continue
            remember(self._published, send.id, now)
            reached = self._publish(send.user, message)
            self.counts["sent"] += 1
            if reached:
                self._feedback.tell("push_delivered", send)
            settled += [
                Mark(id=send.id, state="at_dot", at=now),
                Mark(id=send.id, state="sent", at=now, reply=f"{reached} streams"),
            ]
        if settled:
            await self._settling.stored(settled)

    # --- writing down ---------------------------------------------------------------------------------------------

    def _claim(self, send: Send) -> Mark:
        return Mark(id=send.id, state="claimed", at=self._clock.now_ms(), boot=self._boot)

    async def _look_again_later(self, row: Outboxed) -> None:
        """A claimed mail that met quiet hours waits for their end, or for its own."""
        now = self._clock.now_ms()
        mark = Mark(id=row.send.id, state="retry", at=now, due=now + QUIET_LOOK_MS, reply=QUIET)
        await self._settling.stored([mark])

    async def _withdraw(self, row: Outboxed, reason: str) -> None:
        """A mail that may not, or cannot, go out any more."""
        await self._settling.settle(row, Failed(reason))
