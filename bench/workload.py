"""The canonical workload: what the visitors of a shop send, the same for the same seed.

10,000 users; 66 % Product Viewed, 16 % Product Added, 7 % Order Completed, 11 % pages and pings; the demo's twelve
products; messages as the browser client writes them.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from actors.model.event import Event
from cuebird.demo.pages import Product, products
from ingress.messages.messages import Normalizer

SEED: Final = 20260105
USERS: Final = 10_000
SHOP: Final = "https://littlefinch.example"

VIEWED: Final = 0.66
ADDED: Final = 0.16
ORDERED: Final = 0.07

NUMBER: Final = b"%b"
"""Where a template's number goes: ten digits, so that every frame of a template has the same length."""


class Template(msgspec.Struct, frozen=True, gc=False):
    """One message as JSON with holes for `%`: its number, its time, and once more its number if it is an order."""

    text: bytes
    is_order: bool

    def holes(self, number: bytes, time: bytes) -> tuple[bytes, ...]:
        return (number, time, number) if self.is_order else (number, time)

    def of(self, user: str) -> Template:
        """The same message of another user."""
        head, key, rest = self.text.partition(b'"userId":"')
        return Template(head + key + user.encode() + rest[rest.index(b'"') :], self.is_order)


def digits(number: int) -> bytes:
    """Ten of them."""
    return b"%010d" % number


def iso(at: int) -> bytes:
    """Milliseconds since the epoch as a browser writes them."""
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z").encode()


def templates(count: int, seed: int = SEED, users: int = USERS) -> list[Template]:
    rng = random.Random(seed)
    shelf = products()
    return [_template(rng, f"u{rng.randrange(users):05d}", shelf) for _ in range(count)]


def events(
    templates: list[Template], normalizer: Normalizer, first: int, at: int, step_ms: int = 0
) -> Iterator[list[Event]]:
    """What the ways in make of each template's message, which comes in as fresh bytes: number `first` at `at`, each
    further one `step_ms` later."""
    for index, template in enumerate(templates):
        when = at + index * step_ms
        raw = template.text % template.holes(digits(first + index), iso(when))
        yield normalizer.message(raw, received_at=when)


def identify(user: str, at: int, normalizer: Normalizer) -> list[Event]:
    """A user who gives an address and says yes to letters."""
    return normalizer.message(who(user, at), received_at=at)


def who(user: str, at: int) -> bytes:
    """The same as a message."""
    message = {
        "type": "identify",
        "userId": user,
        "messageId": f"who-{user}",
        "timestamp": iso(at).decode(),
        "traits": {"email": f"{user}@customer.example", "first_name": "Robin", "consent": {"marketing": True}},
    }
    return msgspec.json.encode(message)


# --- messages -----------------------------------------------------------------------------------------------------


def _template(rng: random.Random, user: str, shelf: Sequence[Product]) -> Template:
    luck = rng.random()
    is_order = VIEWED + ADDED <= luck < VIEWED + ADDED + ORDERED
    if luck < VIEWED:
        rest = _track("Product Viewed", _thing(rng.choice(shelf)))
    elif luck < VIEWED + ADDED:
        rest = _track("Product Added", {**_thing(rng.choice(shelf)), "quantity": rng.choice((1, 1, 1, 2, 3))})
    elif is_order:
        rest = _track("Order Completed", _order(rng, shelf))
    elif luck < (1 + VIEWED + ADDED + ORDERED) / 2:
        path = rng.choice(("/", "/new", "/about", "/cart", "/search"))
        rest = {"type": "page", "name": path, "properties": {"url": SHOP + path, "title": "Little Finch", "path": path}}
    else:
        rest = _track("Ping", {"url": f"{SHOP}/p/{rng.choice(shelf).product_id}", "seconds": rng.randrange(5, 600)})
    message = {"messageId": "m-%b", "timestamp": "%b", "userId": user, **rest}
    return Template(msgspec.json.encode(message), is_order)


def _track(name: str, properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "track", "event": name, "properties": properties}


def _thing(product: Product) -> dict[str, Any]:
    return {
        "product_id": product.product_id,
        "name": product.name,
        "price": product.price,
        "currency": "USD",
        "category": product.category,
        "url": f"{SHOP}/p/{product.product_id}",
    }


def _order(rng: random.Random, shelf: Sequence[Product]) -> dict[str, Any]:
    bought = [{**_thing(product), "quantity": 1} for product in rng.sample(shelf, rng.randint(1, 3))]
    return {"order_id": "o-%b", "total": sum(line["price"] for line in bought), "currency": "USD", "products": bought}
