"""The text part of a mail, derived from its HTML: what a person would type who reads it out."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Final

_SILENT: Final = frozenset({"head", "script", "style", "title", "template", "noscript"})
_VOID: Final = frozenset({"br", "img", "hr", "input", "meta", "link", "area", "base", "col", "embed", "source", "wbr"})
_BREAKS: Final = {
    **dict.fromkeys(("p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "blockquote", "table", "pre", "hr"), 2),
    **dict.fromkeys(("div", "li", "tr", "section", "article", "header", "footer", "center", "dd", "dt"), 1),
}
"""Line ends that an element has at least before and after it."""

DEPTH_MAX: Final = 100
"""Of what is hidden in what is hidden, and of lists in lists: what is deeper is taken to be so deep."""

_SPACES = re.compile(r"[ \t\r\n\f]+")
# What pads a preview line or a word: nothing that a person reads.
_INVISIBLE = re.compile("[\u00ad\u034f\u200b-\u200f\u2060\ufeff]")


def plain_text(html: str) -> str:
    """Paragraphs, lists with `- `, links as `text <address>`, pictures as their `alt`. Ends with one line end."""
    walker = _Walker()
    walker.feed(html)
    walker.close()
    return walker.result()


class _Walker(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._out: list[str] = []
        self._breaks = 0
        self._space = False
        self._hidden: list[str] = []
        """Open elements from the first hidden one on; empty while what we read is shown."""
        self._link: tuple[str, int] | None = None
        """Of the open link where it leads, and where its text begins."""
        self._lists: list[int] = []
        """For each open list the number of its last item, -1 for bullets."""

    def result(self) -> str:
        lines = (line.rstrip() for line in "".join(self._out).split("\n"))
        return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip("\n") + "\n"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        if self._hidden or tag in _SILENT or "data-preheader" in told or _is_hidden(told):
            if tag not in _VOID and len(self._hidden) < DEPTH_MAX:
                self._hidden.append(tag)
            return
        self._break(_BREAKS.get(tag, 0))
        if tag == "br":
            self._breaks += 1
        elif tag == "hr":
            self._write("-" * 20)
            self._break(2)
        elif tag == "img":
            self.handle_data(told.get("alt") or "")
        elif tag == "a":
            self._end_link()  # as a browser does: there is no link within a link
            self._link = (told.get("href") or "", len(self._out))
        elif tag in ("ul", "ol"):
            self._lists.append(0 if tag == "ol" else -1)
        elif tag == "li":
            self._item()
        elif tag in ("td", "th"):
            self._space = True

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._hidden:
            # An end tag that is out of order must not hide the rest of the mail.
            if tag in self._hidden:
                while self._hidden.pop() != tag:
                    pass
            return
        if tag == "a":
            self._end_link()
        elif tag in ("ul", "ol") and self._lists:
            self._lists.pop()
        self._break(_BREAKS.get(tag, 0))

    def handle_data(self, data: str) -> None:
        if self._hidden:
            return
        text = _SPACES.sub(" ", _INVISIBLE.sub("", data).replace("\xa0", " "))
        if not text.strip():
            self._space = self._space or bool(text)
            return
        self._space = self._space or text.startswith(" ")
        self._write(text.strip())
        self._space = text.endswith(" ")

    def _item(self) -> None:
        indent = "  " * min(max(len(self._lists) - 1, 0), DEPTH_MAX)
        if self._lists and self._lists[-1] >= 0:
            self._lists[-1] += 1
            self._write(f"{indent}{self._lists[-1]}.")
        else:
            self._write(f"{indent}-")
        self._space = True

    def _end_link(self) -> None:
        if self._link is None:
            return
        (href, since), self._link = self._link, None
        shown = "".join(self._out[since:]).strip()
        if not href or href.startswith("#") or shown == href.removeprefix("mailto:"):
            return
        self._space = bool(shown)
        self._write(f"<{href}>" if shown else href)

    def _break(self, lines: int) -> None:
        self._breaks = max(self._breaks, lines)

    def _write(self, text: str) -> None:
        if self._breaks and self._out:
            self._out.append("\n" * self._breaks)
        elif self._space and self._out:
            self._out.append(" ")
        self._breaks = 0
        self._space = False
        self._out.append(text)


def _is_hidden(told: dict[str, str | None]) -> bool:
    """Also from those to whom a mail is read aloud: that picture's link is said once more in words."""
    if "hidden" in told or (told.get("aria-hidden") or "").lower() == "true":
        return True
    return "display:none" in (told.get("style") or "").replace(" ", "").lower()
