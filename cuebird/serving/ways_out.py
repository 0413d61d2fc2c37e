"""The ways out of a served site: the templates of what runs, and the dispatcher that sends what they render."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final

from actors.values.token import Tokens
from cuebird.serving.outbox import OutboxRefused
from delivery.dispatcher import Dispatcher
from delivery.push import PushMessage
from delivery.render import Templates
from delivery.settings import DeliverySettings, SmtpSettings
from engine.clock import Clock
from engine.engine import Engine
from ingress.connections.streams import Push, Streams
from language.syntax import ast
from persistence.interface import Hold, Store

log = logging.getLogger(__name__)

NO_SEND: Final = "it was started with --no-send"


def templates_of(site: ast.Site, settings: DeliverySettings, tokens: Tokens) -> Templates:
    """Return the templates of a site. Raises TemplatesInvalid."""
    return Templates.of(site.letters, settings, tokens)


async def hold_of(store: Store, at: int, settings: DeliverySettings, *, no_send: bool) -> Hold | None:
    """Return why nothing goes out, None if everything may, and say so in the log. `no_send`: it is put on hold `at` now."""
    if settings.only_to:
        log.warning("mail goes to %s alone ([delivery] only_to)", ", ".join(settings.only_to))
    if no_send:
        await store.put_on_hold(Hold(at, NO_SEND))
    hold = await store.hold()
    if hold is not None:
        log.warning("NOTHING IS SENT, the outbox is on hold: %s. `cuebird outbox` shows and decides", hold.reason)
    return hold


class WaysOut:
    """`dispatcher` sends once it runs. `no_send`: no operator can let go what is on hold as long as this runs."""

    def __init__(
        self,
        store: Store,
        engine: Engine,
        streams: Streams,
        clock: Clock,
        templates: Templates,
        smtp: SmtpSettings,
        settings: DeliverySettings,
        tokens: Tokens,
        *,
        boot: str,
        hold: Hold | None,
        no_send: bool,
    ) -> None:
        self._streams = streams
        self._settings = settings
        self._tokens = tokens
        self._no_send = no_send
        self.dispatcher = Dispatcher(
            store=store,
            write=engine.write,
            submit=engine.submit,
            recheck=engine.recheck,
            publish=self.publish,
            templates=templates,
            smtp=smtp,
            settings=settings,
            clock=clock,
            boot=boot,
        )
        self.dispatcher.hold = hold

    def templates_of(self, site: ast.Site) -> Templates:
        """Return the templates of a site. Raises TemplatesInvalid."""
        return templates_of(site, self._settings, self._tokens)

    def use(self, templates: Templates) -> Templates:
        """Render by these what is rendered from now on. Returns those before."""
        before, self.dispatcher.templates = self.dispatcher.templates, templates
        return before

    def publish(self, user: str, push: PushMessage) -> int:
        """Show a push to the user's open pages. Returns how many there are."""
        same = {name: getattr(push, name) for name in ("id", "data", "kind", "expires", "about")}
        return self._streams.publish(user, Push(**same))  # neither delivery nor ingress knows the other's struct

    async def release(self, sends: Sequence[str] | None) -> None:
        """Let these go although the outbox is on hold; None: end the hold. Raises OutboxRefused."""
        if self._no_send:
            raise OutboxRefused("this server was started with --no-send: start it without, and then release")
        await self.dispatcher.release(sends)
