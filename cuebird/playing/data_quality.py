"""What is odd in recorded events, as far as it changes what campaigns can do with them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec
from crawlerdetect import CrawlerDetect

from actors.identity import visitor_of
from actors.model.event import Event
from actors.values.address import valid_address

USER_AGENTS_MAX: Final = 50_000


class _Context(msgspec.Struct, rename="camel"):
    user_agent: str = ""


class _Properties(msgspec.Struct):
    order_id: str | int | None = None
    price: str | float | None = None
    cart_value: str | float | None = None


class _Traits(msgspec.Struct):
    email: str | None = None


_decode_context = msgspec.json.Decoder(_Context).decode
_decode_properties = msgspec.json.Decoder(_Properties).decode
_decode_traits = msgspec.json.Decoder(_Traits).decode


class DataQuality:
    """Looks at every event once, each person's in order."""

    def __init__(self) -> None:
        self._moved: dict[str, str] = {}
        self._visitors: set[str] = set()
        self._crawlers: set[str] = set()
        self._agents: dict[str, bool] = {}
        self._orders: dict[str, set[str]] = {}
        self._buyers: set[str] = set()
        self._carts: set[str] = set()
        self._additions = 0
        self._unpriced = 0
        self._reachable: set[str] = set()
        self._unusable = 0

    def see(self, event: Event) -> None:
        if event.kind == "alias":
            # Who was joined before stays where he is, as the actors have it.
            if visitor := visitor_of(event):
                self._moved.setdefault(visitor, event.user)
            return
        self._visitors.add(event.user)
        if b'"userAgent"' in event.context:
            self._see_agent(event)
        if event.name == "product_added":
            self._see_addition(event)
        elif event.name == "order_completed":
            self._see_order(event)
        elif event.kind == "identify" and b'"email"' in event.body:
            self._see_address(event)

    def _see_agent(self, event: Event) -> None:
        try:
            agent = _decode_context(event.context).user_agent
        except msgspec.ValidationError:
            return
        known = self._agents.get(agent)
        if known is None:
            known = bool(CrawlerDetect(user_agent=agent).isCrawler())
            if len(self._agents) < USER_AGENTS_MAX:
                self._agents[agent] = known
        if known:
            self._crawlers.add(event.user)

    def _see_addition(self, event: Event) -> None:
        self._carts.add(event.user)
        self._additions += 1
        try:
            properties = _decode_properties(event.body)
        except msgspec.ValidationError:
            return
        self._unpriced += properties.price is None and properties.cart_value is None

    def _see_order(self, event: Event) -> None:
        self._buyers.add(event.user)
        try:
            order = _decode_properties(event.body).order_id
        except msgspec.ValidationError:
            return
        if order is not None:
            self._orders.setdefault(str(order), set()).add(event.user)

    def _see_address(self, event: Event) -> None:
        try:
            address = _decode_traits(event.body).email
        except msgspec.ValidationError:
            address = None
        if address is not None and valid_address(address) is not None:
            self._reachable.add(event.user)
        else:
            self._unusable += 1

    def add(self, other: DataQuality) -> None:
        """What was seen of other people."""
        self._moved |= other._moved
        self._visitors |= other._visitors
        self._crawlers |= other._crawlers
        for order, users in other._orders.items():
            self._orders.setdefault(order, set()).update(users)
        self._buyers |= other._buyers
        self._carts |= other._carts
        self._additions += other._additions
        self._unpriced += other._unpriced
        self._reachable |= other._reachable
        self._unusable += other._unusable

    def people(self, names: set[str]) -> set[str]:
        """Who stands behind the names: a visitor who turned out to be somebody is that user."""
        return {self._moved.get(name, name) for name in names}

    def sentences(self) -> Iterator[str]:
        if self._crawlers:
            yield f"{_of(len(self._crawlers), len(self._visitors), 'visitors')} look like crawlers"
        shared = sum(len(self.people(users)) > 1 for users in self._orders.values())
        if shared:
            yield f"{_counted(shared, 'order id')} came from more than one user"
        buyers, carts = self.people(self._buyers), self.people(self._carts)
        strangers = len(buyers - carts)
        if strangers:
            yield f"{_of(strangers, len(buyers), 'buyers')} were never seen to put anything in the cart"
        if self._unpriced:
            yield (
                f"{_of(self._unpriced, self._additions, 'product_added')} have no price, so `cart.value` does not count them"
            )
        left = carts - buyers
        unknown = len(left - self.people(self._reachable))
        if unknown:
            yield f"{_of(unknown, len(left), 'people who left a cart')} told no e-mail address"
        if self._unusable:
            yield f"{_counted(self._unusable, 'e-mail address', 'es')} cannot be written to"


def _of(part: int, whole: int, noun: str) -> str:
    return f"{part:,} of {whole:,} {noun} ({part / whole:.0%})"


def _counted(number: int, noun: str, plural: str = "s") -> str:
    return f"{number:,} {noun}{'' if number == 1 else plural}"
