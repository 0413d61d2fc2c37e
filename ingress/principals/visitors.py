"""Who fetched a link of a mail: a person, or one of the machines that fetch most of them (scanners, prefetching proxies).

A trigger on a click must mean a person's click, so what is not clear counts as a machine's.
"""

from __future__ import annotations

from collections import OrderedDict
from functools import lru_cache
from typing import Final

import msgspec
from crawlerdetect import CrawlerDetect

OPEN_AFTER_MS_MIN: Final = 2_000
CLICK_AFTER_MS_MIN: Final = 5_000
"""Nobody has read a mail so soon after the receiving server took it."""
BURST_LINKS: Final = 3
BURST_MS: Final = 5_000
"""Three different links of one mail within five seconds: a scanner following all of them."""
SENDS_REMEMBERED_MAX: Final = 10_000

_PREFETCH: Final = "Chrome/42.0.2311.135 Safari/537.36 Edge/12.246 Mozilla/5.0"
"""Gmail fetching pictures before anybody looks."""
_PROXIES: Final = ("googleimageproxy", "yahoomailproxy")
"""They fetch when a person opens the mail: real opens, though crawlerdetect calls them bots."""
_SCANNERS: Final = ("ms-office", "microsoft office", "barracuda", "proofpoint", "mimecast", "safelinks", "urldefense", "fireeye", "trendmicro", "symantec")  # fmt: skip
"""Those that crawlerdetect does not know, or not all of."""


class Hit(msgspec.Struct, frozen=True, kw_only=True):
    send: str
    index: int
    at: int
    delivered_at: int | None
    method: str
    agent: str


class RecentVisitors:
    """Which links of a mail were fetched lately, of the last ten thousand mails."""

    def __init__(self) -> None:
        self._hits: OrderedDict[str, list[tuple[int, int]]] = OrderedDict()

    def links(self, hit: Hit) -> int:
        """How many different links of this mail were fetched within the burst, this one included."""
        earlier = [one for one in self._hits.get(hit.send, ()) if hit.at - one[0] < BURST_MS][-20:]
        self._hits[hit.send] = [*earlier, (hit.at, hit.index)]
        self._hits.move_to_end(hit.send)
        if len(self._hits) > SENDS_REMEMBERED_MAX:
            self._hits.popitem(last=False)
        return len({index for _, index in self._hits[hit.send]})


def is_machine_open(hit: Hit) -> bool:
    if hit.method == "HEAD" or _too_soon(hit, OPEN_AFTER_MS_MIN):
        return True
    agent = hit.agent.strip()
    # Apple's mail privacy proxy says nothing but this, and fetches whether or not the mail is read.
    if agent in ("", "Mozilla/5.0") or _PREFETCH in agent:
        return True
    lowered = agent.lower()
    return not any(proxy in lowered for proxy in _PROXIES) and _is_crawler(agent)


def is_machine_click(hit: Hit, recent: RecentVisitors) -> bool:
    burst = recent.links(hit) >= BURST_LINKS
    agent = hit.agent.strip()
    return (
        burst
        or hit.method == "HEAD"
        or _too_soon(hit, CLICK_AFTER_MS_MIN)
        or agent in ("", "Mozilla/5.0")
        or _is_crawler(agent)
    )


def _too_soon(hit: Hit, after_ms: int) -> bool:
    return hit.delivered_at is not None and hit.at - hit.delivered_at < after_ms


@lru_cache(maxsize=2048)
def _is_crawler(agent: str) -> bool:
    lowered = agent.lower()
    return any(name in lowered for name in _SCANNERS) or bool(_DETECT.isCrawler(agent[:1000]))


_DETECT: Final = CrawlerDetect()
