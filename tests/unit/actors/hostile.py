"""The largest and oddest things that the ways in let through, as values of events and traits."""

from __future__ import annotations

import random
from typing import Any

MESSAGE_BYTES = 64_000
TEXT_BYTES = 8_000

PROPERTIES = ("product_id", "order_id", "category", "price", "quantity", "cart_value", "total", "value", "email", "url")


def value(chance: random.Random) -> Any:
    """Of one property."""
    size = chance.choice((0, 1, 10, 18, 40, 70, 100, 300, 1_000, TEXT_BYTES // 4))
    mark = str(chance.randrange(10**6))
    match chance.randrange(9):
        case 0:
            return mark + "a" * size
        case 1:
            return mark + "é" * size
        case 2:
            return mark + "\N{SMILING FACE WITH SUNGLASSES}" * size
        case 3:
            return chance.choice((0, 1, -1, 2**63 - 1, -(2**63), 1.7e308, -1.5, 19.99, True, None))
        case 4:
            return [[] for _ in range(size)]
        case 5:
            return [{"sku": f"{mark}-{number}", "name": "n" * 30} for number in range(size // 3)]
        case 6:
            return {f"{mark}{number}": {"a": []} for number in range(size // 2)}
        case 7:
            return {"a": mark * 20, "b": ["x" * size] * 3}
        case _:
            return f"{mark}"


def properties(chance: random.Random, names: tuple[str, ...] = PROPERTIES) -> dict[str, Any]:
    told = {name: value(chance) for name in chance.sample(names, min(len(names), 6))}
    for number in range(chance.choice((0, 0, 0, 2, 30))):
        told[f"p{chance.randrange(10**6)}{'q' * chance.choice((0, 100))}"] = value(chance)
        if number > 10 and chance.random() < 0.1:
            break
    return told
