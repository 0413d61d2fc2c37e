"""The HTML of a mail, made ready to send: links through our redirect, preheader, unsubscribe link, open pixel.

Works on the rendered text and changes nothing but the tags it must: a mail is written for clients whose bugs its author knows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from html import escape
from html.parser import HTMLParser
from itertools import repeat
from typing import Final
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit, urlunsplit

import msgspec

from templating.budget import BudgetSpent
from templating.filters import url

LINKS_MAX: Final = 256
"""A token has one byte for the number of the link; what is beyond is left as it was written."""

TAGS_MAX: Final = 10_000
ENDLESS_TAGS_MAX: Final = 4
"""Each costs the parser a look through all that follows it."""

_ENDLESS = re.compile(r"<[a-zA-Z/!?][^<>]*(?=<)")

_PADDING: Final = "&#847;&zwnj;&nbsp;" * 60
"""Fills the rest of the preview line, which else would show the beginning of the mail again."""


class Campaigned(msgspec.Struct, frozen=True):
    """What UTM tags say; None in their place: no tags."""

    campaign: str
    medium: str = "email"
    source: str = "cuebird"


class Target(msgspec.Struct, frozen=True):
    """Where a tracked link leads, and what it is called: its `data-link`, else its `id`, else its number from 0."""

    url: str
    name: str


class Tracked(msgspec.Struct, frozen=True):
    html: str
    targets: tuple[Target, ...]
    """Of the tracked links, by index."""


def check_tags(html: str) -> None:
    """Raise BudgetSpent for what takes an HTML parser seconds: very many tags, or several that do not end."""
    if html.count("<") > TAGS_MAX:
        raise BudgetSpent(f"more than {TAGS_MAX} tags")
    if max(map(str.count, html.split(">"), repeat("<"))) <= 1:
        return
    if sum(len(_ENDLESS.findall(part)) for part in _outside_comments(html)) > ENDLESS_TAGS_MAX:
        raise BudgetSpent(f"more than {ENDLESS_TAGS_MAX} tags without their `>`")


def _outside_comments(html: str) -> Iterator[str]:
    at = 0
    while (start := html.find("<!--", at)) >= 0 and (end := html.find("-->", start)) >= 0:
        yield html[at:start]
        at = end + len("-->")
    yield html[at:]


def track(
    html: str,
    *,
    base: str,
    link_url: Callable[[int], str] | None,
    utm: Campaigned | None,
    untracked: frozenset[str] = frozenset(),
) -> Tracked:
    """Rewrites `<a>` and `<area>`: the target is kept with its UTM tags, the mail leads to `link_url(index)`.

    Relative addresses are resolved against `base`; anchors, mailto, tel, sms and those in `untracked` are left alone.
    Without `link_url` links keep their targets. Raises ValueError for a link or picture that leads to `javascript:` or the like.
    """
    rewriter = _Rewriter(html, base, link_url, utm, untracked)
    return Tracked(rewriter.result(), tuple(rewriter.targets))


def with_preheader(html: str, preheader: str) -> str:
    """The text that a mailbox shows beside the subject, hidden in the mail itself."""
    hidden = (
        '<div data-preheader style="display:none;max-height:0;overflow:hidden;mso-hide:all">'
        f"{escape(preheader)}{_PADDING}</div>"
    )
    place = _after_tag(html, "<body")
    return html[:place] + hidden + html[place:]


def with_ending(html: str, ending: str) -> str:
    """`ending` put before `</body>`, or at the end of a fragment."""
    place = html.lower().rfind("</body")
    return html + ending if place < 0 else html[:place] + ending + html[place:]


def _after_tag(html: str, opening: str) -> int:
    start = html.lower().find(opening)
    return 0 if start < 0 else html.find(">", start) + 1


def tagged(target: str, utm: Campaigned, name: str) -> str:
    """The target with the UTM tags that it does not have yet."""
    parts = urlsplit(target)
    query = parse_qsl(parts.query, keep_blank_values=True)
    there = {key for key, _ in query}
    tags = {"utm_source": utm.source, "utm_medium": utm.medium, "utm_campaign": utm.campaign, "utm_content": name}
    added = urlencode({key: value for key, value in tags.items() if value and key not in there})
    return urlunsplit(parts._replace(query=f"{parts.query}&{added}" if parts.query and added else parts.query or added))


class _Rewriter(HTMLParser):
    """Copies the text through, piece by piece, and writes the tags anew whose address changes."""

    def __init__(
        self,
        html: str,
        base: str,
        link_url: Callable[[int], str] | None,
        utm: Campaigned | None,
        untracked: frozenset[str],
    ) -> None:
        super().__init__(convert_charrefs=True)
        self._html = html
        self._base = base
        self._link_url = link_url
        self._utm = utm
        self._untracked = untracked
        self._line_starts = [0]
        for line in html.split("\n")[:-1]:
            self._line_starts.append(self._line_starts[-1] + len(line) + 1)
        self._pieces: list[str] = []
        self._copied = 0
        self.targets: list[Target] = []

    def result(self) -> str:
        self.feed(self._html)
        self.close()
        return "".join(self._pieces) + self._html[self._copied :]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        changed: dict[str, str] = {}
        if tag in ("a", "area") and told.get("href"):
            changed["href"] = self._link(told, tag)
        elif told.get("href"):
            changed["href"] = self._absolute(told["href"] or "")
        for name in ("src", "background", "action", "formaction"):
            if told.get(name):
                changed[name] = self._absolute(told[name] or "")
        if any(told[name] != value for name, value in changed.items()):
            self._write(tag, attrs, changed)

    def _link(self, told: dict[str, str | None], tag: str) -> str:
        target = self._absolute(told["href"] or "")
        web = urlsplit(target).scheme in ("http", "https")
        if not web or target in self._untracked or len(self.targets) >= LINKS_MAX:
            return target
        name = (told.get("data-link") or "").strip() or (told.get("id") or "").strip()
        if self._utm is not None:
            target = tagged(target, self._utm, name)
        if self._link_url is None:
            return target
        index = len(self.targets)
        self.targets.append(Target(target, name or str(index)))
        return self._link_url(index)

    def _absolute(self, address: str) -> str:
        if address.startswith(("#", "cid:", "data:image/")):
            return address
        return urljoin(self._base, url(address))

    def _write(self, tag: str, attrs: list[tuple[str, str | None]], changed: dict[str, str]) -> None:
        line, column = self.getpos()
        start = self._line_starts[line - 1] + column
        source = self.get_starttag_text() or ""
        written = "".join(
            f" {name}" if value is None else f' {name}="{escape(changed.get(name, value))}"' for name, value in attrs
        )
        self._pieces += [self._html[self._copied : start], f"<{tag}{written}{' /' if source.endswith('/>') else ''}>"]
        self._copied = start + len(source)
