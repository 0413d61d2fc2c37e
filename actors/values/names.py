"""Canonical names of events: one spelling for what Segment v1, v2, GA4 and hand-written code call by many."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

_RUNS = re.compile(r"[\s_\-.]+")

ALIASES: Final[Mapping[str, str]] = {
    # Segment v1
    "viewed_product": "product_viewed",
    "clicked_product": "product_clicked",
    "viewed_product_category": "product_list_viewed",
    "added_product": "product_added",
    "removed_product": "product_removed",
    "started_order": "checkout_started",
    "completed_order": "order_completed",
    "checkout_step_viewed": "checkout_step_completed",
    "viewed_promotion": "promotion_viewed",
    "clicked_promotion": "promotion_clicked",
    # GA4
    "view_item": "product_viewed",
    "select_item": "product_clicked",
    "view_item_list": "product_list_viewed",
    "search": "products_searched",
    "view_search_results": "products_searched",
    "add_to_cart": "product_added",
    "remove_from_cart": "product_removed",
    "view_cart": "cart_viewed",
    "add_to_wishlist": "product_added_to_wishlist",
    "begin_checkout": "checkout_started",
    "add_shipping_info": "checkout_step_completed",
    "add_payment_info": "payment_info_entered",
    "purchase": "order_completed",
    "refund": "order_refunded",
    "view_promotion": "promotion_viewed",
    "select_promotion": "promotion_clicked",
    "share": "product_shared",
    "sign_up": "signed_up",
    "login": "signed_in",
    "logout": "signed_out",
    "generate_lead": "lead_generated",
    "page_view": "page_viewed",
    # plain English
    "product_view": "product_viewed",
    "cart_abandon": "cart_abandoned",
    "abandoned_cart": "cart_abandoned",
}
"""Canonical form of what is sent -> the name everything else uses (Segment's v2 e-commerce events in snake case)."""


def fold(name: str) -> str:
    """Case folded, every run of space, `_`, `-` and `.` one `_`, none at the ends: `Product  Added` -> `product_added`."""
    return _RUNS.sub("_", name.casefold()).strip("_")


def canonical(name: str, aliases: Mapping[str, str] = ALIASES) -> str:
    """The name an event is known by. `aliases` maps folded names; it is applied once, not repeatedly."""
    folded = fold(name)
    return aliases.get(folded, folded)
