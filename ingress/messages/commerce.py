"""One vocabulary of purchases: GA4's `items[]` and Segment's own variants become the properties that campaigns use.

Only what is missing is added; nothing a client sent is removed or changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_ITEM: Final[Mapping[str, str]] = {
    "item_id": "product_id",
    "item_name": "name",
    "item_brand": "brand",
    "item_variant": "variant",
    "index": "position",
    "price": "price",
    "quantity": "quantity",
    "discount": "discount",
    "coupon": "coupon",
    "image_url": "image_url",
    "url": "url",
}
_CATEGORIES: Final = ("item_category", "item_category2", "item_category3", "item_category4", "item_category5")
_TOTALS: Final = ("value", "revenue")
_ORDER_IDS: Final = ("transaction_id", "checkout_id")

ORDER: Final = "order_completed"
MAPPED: Final = frozenset(
    {
        ORDER,
        "cart_viewed",
        "checkout_started",
        "checkout_step_completed",
        "order_refunded",
        "payment_info_entered",
        "product_added",
        "product_added_to_wishlist",
        "product_clicked",
        "product_list_viewed",
        "product_removed",
        "product_viewed",
        "promotion_clicked",
        "promotion_viewed",
    }
)
"""Events that GA4 sends with `items`."""


def needs_mapping(name: str, body: bytes) -> bool:
    """A cheap look at the raw properties of a MAPPED event: may `unify` have something to add?"""
    if name == ORDER:
        return b'"total"' not in body or b'"order_id"' not in body
    return body.find(b'"items"') >= 0 and b'"products"' not in body


def unify(name: str, properties: dict[str, Any]) -> dict[str, Any]:
    """The properties with `products`, and of a completed order `total` and `order_id`, where they can be told.

    A single GA4 item is also laid out flat (`product_id`, `price`, ...), as Segment's product events are.
    """
    unified = dict(properties)
    items = properties.get("items")
    if "products" not in unified and isinstance(items, list) and items and all(isinstance(i, dict) for i in items):
        unified["products"] = [_product(item) for item in items]
        if len(items) == 1:
            unified = unified["products"][0] | unified
    if name == ORDER:
        _order(unified)
    return unified


def _product(item: dict[str, Any]) -> dict[str, Any]:
    product = {ours: item[theirs] for theirs, ours in _ITEM.items() if item.get(theirs) is not None}
    categories = [str(item[key]) for key in _CATEGORIES if item.get(key)]
    if categories:
        product["category"] = "/".join(categories)
    # An item may be in our words already.
    return {key: value for key, value in item.items() if key not in _ITEM and key not in _CATEGORIES} | product


def _order(order: dict[str, Any]) -> None:
    if order.get("order_id") is None:
        found = next((order[key] for key in _ORDER_IDS if order.get(key) is not None), None)
        if found is not None:
            order["order_id"] = found
    if order.get("total") is None:
        total = next((order[key] for key in _TOTALS if order.get(key) is not None), None)
        if total is None:
            total = _sum(order.get("products"))
        if total is not None:
            order["total"] = total


def _sum(products: object) -> float | None:
    if not isinstance(products, list) or not products:
        return None
    try:
        return round(sum(float(p["price"]) * float(p.get("quantity") or 1) for p in products), 2)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        return None
