"""Templates of a site -> messages. Pure once loaded: the same send renders to the same message.

A message that cannot be rendered right is not rendered at all (RenderError): no half-filled mail leaves.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, TypeVar

import jinja2
import msgspec

from actors.model.turn import Send
from actors.values.address import valid_address
from actors.values.token import Tokens
from delivery.settings import DeliverySettings
from templating.budget import OUTPUT_CHARACTERS_MAX, BudgetSpent, budget
from templating.links import Campaigned, Target, check_tags, track, with_ending, with_preheader
from templating.plain_text import plain_text
from templating.sources import TemplateSources
from templating.templates import TEXT, EmailTemplate, compiled

HEADER_CHARACTERS_MAX: Final = 255
PUSH_BYTES_MAX: Final = 16 * 1024

T = TypeVar("T")

# CR, LF and all that some mail client or server might take for them; and what turns the reading direction around.
_NO_HEADER = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")
_MAILBOX = re.compile(r"([^<>]*)<([^<>]*)>")
_SPACES = re.compile(r" {2,}")


class RenderError(Exception):
    """This message cannot be made: which template, and what to mend in it or in its data."""

    def __init__(self, template: str, what: str) -> None:
        super().__init__(template, what)
        self.template = template
        self.what = what

    def __str__(self) -> str:
        return f"template {self.template!r}: {self.what}"


class EmailMessage(msgspec.Struct, frozen=True, kw_only=True):
    """What one person will read. `html` "" is a mail of text alone."""

    subject: str
    html: str
    text: str
    sender: tuple[str, str] | None = None
    """(name, address) if the template has a `from` of its own."""
    reply_to: str = ""
    unsubscribe_url: str = ""
    """Empty for transactional mail."""
    targets: tuple[Target, ...] = ()
    """Of the tracked links, by index."""


class Templates:
    """The compiled templates of one site."""

    def __init__(
        self, emails: dict[str, EmailTemplate], pushes: dict[str, Any], settings: DeliverySettings, tokens: Tokens
    ) -> None:
        self._emails = emails
        self._pushes = pushes
        self._settings = settings
        self._tokens = tokens

    @classmethod
    def of(cls, sources: TemplateSources, settings: DeliverySettings, tokens: Tokens) -> Templates:
        """Those that a site was read with, so that the letters are of the same edit as the rules. Raises TemplatesInvalid."""
        emails, pushes = compiled(sources)
        return cls(emails, pushes, settings, tokens)

    def email(self, send: Send) -> EmailMessage:
        """The mail of a send. Raises RenderError."""
        template = self._emails.get(send.template)
        if template is None:
            raise RenderError(send.template, "this site has no e-mail template of that name")
        unsubscribe = f"{self._settings.public_url}/u/{self._tokens.sign('unsubscribe', send.id)}"
        context = self._context(send) | {"unsubscribe_url": unsubscribe}
        return _guarded(send.template, lambda: self._made(template, send, context, unsubscribe))

    def push(self, send: Send) -> dict[str, Any]:
        """The content of a push: the template's keys with their values filled in. Raises RenderError."""
        template = self._pushes.get(send.template)
        if template is None:
            raise RenderError(send.template, "this site has no push template of that name")
        context = self._context(send)
        content = _guarded(send.template, lambda: _filled(template, context))
        if len(msgspec.json.encode(content)) > PUSH_BYTES_MAX:
            raise RenderError(send.template, f"the push is larger than {PUSH_BYTES_MAX} bytes")
        assert isinstance(content, dict), "checked when it was loaded"
        return content

    def _context(self, send: Send) -> dict[str, Any]:
        try:
            decoded = msgspec.json.decode(send.context, type=dict[str, Any])
        except msgspec.MsgspecError as error:
            raise RenderError(send.template, f"its context is not a JSON object: {error}") from error
        context: dict[str, Any] = _without_nulls(decoded)
        user, entry = _mapping(context.get("user")), _mapping(context.get("entry"))
        name = next((user[key] for key in ("name", "first_name", "firstName") if user.get(key)), None)
        if name is not None:
            context.setdefault("user_name", name)
        context.setdefault("locale", self._settings.locale)
        context.setdefault("currency", entry.get("currency") or self._settings.currency)
        return context

    def _made(self, template: EmailTemplate, send: Send, context: dict[str, Any], unsubscribe: str) -> EmailMessage:
        headers = {key: _line(part.render(context)) for key, part in template.headers.items()}
        subject = _line(_subject(send.subject).render(context)) if send.subject else headers.get("subject", "")
        if not subject:
            raise ValueError("it has no subject: write `subject:` between the `---` lines")
        marketing = send.purpose == "marketing"
        html, targets = "", tuple[Target, ...]()
        if template.html is not None:
            html, targets = self._html(_capped(template.html.render(context)), send, context, marketing, unsubscribe)
            if headers.get("preheader"):
                html = with_preheader(html, headers["preheader"][:HEADER_CHARACTERS_MAX])
        text = _capped(template.text.render(context)) if template.text is not None else plain_text(html)
        if marketing and unsubscribe not in text:
            text = f"{text.rstrip()}\n\nUnsubscribe: {unsubscribe}\n"
        if html:
            html = with_ending(html, self._pixel(send, context))
        return EmailMessage(
            subject=subject[:HEADER_CHARACTERS_MAX],
            html=html,
            text=text,
            sender=_mailbox("from", headers["from"]) if headers.get("from") else None,
            reply_to=_mailbox("reply_to", headers["reply_to"])[1] if headers.get("reply_to") else "",
            unsubscribe_url=unsubscribe if marketing else "",
            targets=targets,
        )

    def _html(
        self, html: str, send: Send, context: dict[str, Any], marketing: bool, unsubscribe: str
    ) -> tuple[str, tuple[Target, ...]]:
        settings = self._settings
        check_tags(html)
        tracked = track(
            html,
            base=f"{settings.site_url or settings.public_url}/",
            link_url=(lambda index: f"{settings.public_url}/c/{self._tokens.sign('click', send.id, index)}")
            if settings.track_clicks and _may_track(context)
            else None,
            utm=Campaigned(send.campaign) if settings.utm else None,
            untracked=frozenset({unsubscribe}),
        )
        html = tracked.html
        if marketing and unsubscribe not in html:
            # Mailbox providers require a link that can be seen, and a mail without one is marked as spam instead.
            html = with_ending(html, f'<p style="font-size:12px"><a href="{unsubscribe}">Unsubscribe</a></p>')
        return html, tracked.targets

    def _pixel(self, send: Send, context: dict[str, Any]) -> str:
        if not (self._settings.track_opens and _may_track(context)):
            return ""
        source = f"{self._settings.public_url}/o/{self._tokens.sign('open', send.id)}.gif"
        return f'<img src="{source}" width="1" height="1" alt="" style="border:0;width:1px;height:1px">'


def _filled(value: Any, context: dict[str, Any]) -> Any:
    if isinstance(value, jinja2.Template):
        return _well_formed(value.render(context))
    if isinstance(value, dict):
        return {key: _link(key, _filled(inner, context)) for key, inner in value.items()}
    return [_filled(inner, context) for inner in value] if isinstance(value, list) else value


def _link(key: str, value: Any) -> Any:
    """A page will follow `url` and show `image`, so these lead to the web or nowhere."""
    if key not in ("url", "image", "icon") or not isinstance(value, str):
        return value
    return _URL_FILTER(value)


_URL_FILTER = TEXT.filters["url"]


@lru_cache(maxsize=256)
def _subject(source: str) -> jinja2.Template:
    """The subject that a campaign gave in place of the template's own."""
    return TEXT.from_string(source)


def _guarded(template: str, make: Callable[[], T]) -> T:
    try:
        with budget():
            return make()
    except jinja2.TemplateError as error:
        raise RenderError(template, error.message or type(error).__name__) from error
    except BudgetSpent as error:
        raise RenderError(template, str(error)) from error
    except Exception as error:
        # A template is a program of its author's: whatever it runs into, its message stays here and the others go out.
        raise RenderError(template, f"{type(error).__name__}: {error}") from error


def _line(text: str) -> str:
    return _SPACES.sub(" ", _NO_HEADER.sub(" ", _well_formed(text))).strip()


def _well_formed(text: str) -> str:
    """Half a character, which a template may name (`"\\ud83d"`) and no encoding has, is a question mark."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def _capped(text: str) -> str:
    text = _well_formed(text)
    if len(text) > OUTPUT_CHARACTERS_MAX or len(text.encode()) > OUTPUT_CHARACTERS_MAX:
        raise BudgetSpent(f"the message is larger than {OUTPUT_CHARACTERS_MAX} bytes")
    return text


def _mailbox(key: str, text: str) -> tuple[str, str]:
    """(name, address) of `Shop <news@shop.example>` or `news@shop.example`. Not by a lenient parser: it may be a list."""
    found = _MAILBOX.fullmatch(text)
    address = valid_address(found[2]) if found else valid_address(text)
    if address is None:
        raise ValueError(f"{key}: {text!r} is not one address, such as `Shop <news@shop.example>`")
    return found[1].strip(' "')[:HEADER_CHARACTERS_MAX] if found else "", address


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _may_track(context: dict[str, Any]) -> bool:
    return _mapping(_mapping(context.get("user")).get("consent")).get("tracking") is not False


def _without_nulls(value: Any) -> Any:
    """Null is a value that is not there (language.md §4), so that `default` covers both."""
    if isinstance(value, dict):
        return {key: _without_nulls(inner) for key, inner in value.items() if inner is not None}
    return [_without_nulls(inner) for inner in value] if isinstance(value, list) else value
