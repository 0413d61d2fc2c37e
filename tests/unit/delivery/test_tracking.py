"""What happens when somebody, or some machine, follows a link of a mail."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from actors.actor import new_actor, take
from actors.model.event import Event
from actors.model.feedback import feedback
from actors.model.turn import Send
from actors.sending.policy import consents
from engine.submit import Receipt, RefusalCode
from ingress.http.customer_pages import INK, CustomerPages, Shop, Topic, lighter, on
from ingress.http.tracking import UNDO_MS_MAX, Tracking, TrackingCalls, form_fields
from language.compiler.compile import compile_site
from persistence.interface import Link
from tests.unit.actors.making import site as site_of
from tests.unit.delivery.making import NOW, TOKENS, a_send

PERSON = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
TARGET = "https://shop.example/cart?utm_content=spring"
SEND = a_send(to="ann@example.test")
LATER = a_send(2, to="ann@example.test")
"""Another letter to the same user."""
ONE_CLICK = {"List-Unsubscribe": "One-Click"}


class Site:
    def __init__(self) -> None:
        self.now = NOW + 3_600_000
        self.delivered: int | None = NOW
        self.events: list[dict[str, Any]] = []
        self.refusals: list[RefusalCode] = []
        self.actor = new_actor(SEND.user)
        self.program = compile_site(site_of())
        self.links = {
            (link.send, link.index): link
            for link in (
                Link(SEND.id, 0, TARGET, "offer"),
                Link(SEND.id, 1, "https://shop.example/?a=1", "1"),
                Link(SEND.id, 2, "https://x.example/", "2"),
            )
        }
        tracking = Tracking(
            tokens=TOKENS,
            submit=self.submit,
            link=self.link,
            send=self.send,
            delivered_at=lambda send: self.delivered,
            wishes=self.wishes,
            now_ms=lambda: self.now,
            shop=Shop(name="Shop <&>", accent="#ffcc00", topics=(Topic(topic="cart", words="your <cart>"),)),
        )
        self.client = TestClient(Starlette(routes=tracking.routes()), follow_redirects=False)
        self.client.headers["user-agent"] = PERSON

    async def link(self, send: str, index: int) -> Link | None:
        return self.links.get((send, index))

    async def send(self, identity: str) -> Send | None:
        return next((send for send in (SEND, LATER) if send.id == identity), None)

    async def wishes(self, user: str, topic: str) -> TrackingCalls | None:
        assert (user, topic) == (SEND.user, SEND.topic)
        return TrackingCalls(any=self.any, topic=self.topic)

    def submit(self, events: Sequence[Event], done: Callable[[Receipt], None]) -> None:
        if self.refusals:
            done(Receipt(refused=self.refusals.pop(0), retry_ms=1))
            return
        self.events += [
            {"name": event.name, "id": event.message_id, **msgspec.json.decode(event.body)} for event in events
        ]
        for event in events:
            take(self.actor, event, self.now, self.program)
        # As the engine does: the word comes after the commit, not within the call.
        asyncio.get_running_loop().call_soon(done, Receipt(accepted=len(events)))

    @property
    def any(self) -> bool:
        return consents(self.actor, "marketing", "", self.program)

    @property
    def topic(self) -> bool:
        return SEND.topic not in self.actor.unsubscribed

    def says_no_elsewhere(self) -> None:
        """In the shop, to a server of which the link hears nothing."""
        self.now += 1000
        body = msgspec.json.encode({"consent": {"marketing": False}})
        no = Event(user=SEND.user, kind="identify", message_id="elsewhere", occurred=self.now, body=body)
        take(self.actor, no, self.now, self.program)

    def complains(self) -> None:
        """To his provider, which tells us."""
        self.now += 1000
        take(self.actor, feedback("email_complained", SEND, self.now, address=SEND.to), self.now, self.program)

    def names(self) -> list[str]:
        return [event["name"] for event in self.events]


@pytest.fixture
def site() -> Site:
    return Site()


def url(purpose: str, index: int = 0) -> str:
    return {
        "open": f"/o/{TOKENS.sign('open', SEND.id)}.gif",
        "click": f"/c/{TOKENS.sign('click', SEND.id, index)}",
        "unsubscribe": f"/u/{TOKENS.sign('unsubscribe', SEND.id)}",
    }[purpose]


def test_a_click_leads_to_the_shop_and_is_told(site: Site) -> None:
    answer = site.client.get(url("click"))
    assert (answer.status_code, answer.headers["location"]) == (302, TARGET)
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "no-store" in answer.headers["cache-control"]
    assert "set-cookie" not in answer.headers
    event = site.events[0]
    assert (event["name"], event["machine"], event["link"], event["url"]) == ("email_clicked", False, "offer", TARGET)
    assert (event["message"], event["campaign"], event["channel"]) == (SEND.id, "abandoned_cart", "email")


def test_a_link_is_called_what_its_letter_calls_it_whatever_its_address_says(site: Site) -> None:
    site.client.get(url("click", 0))
    site.client.get(url("click", 1))
    assert [event["link"] for event in site.events] == ["offer", "1"]


def test_clicking_again_later_is_another_click(site: Site) -> None:
    for _ in range(2):
        site.client.get(url("click"))
        site.now += 60_000
    assert len({event["id"] for event in site.events}) == 2


@pytest.mark.parametrize(
    "path",
    [
        "/c/x",
        "/c/" + "A" * 36,
        "/c/" + TOKENS.sign("open", SEND.id),
        "/c/" + TOKENS.sign("unsubscribe", SEND.id),
        "/c/" + TOKENS.sign("click", SEND.id, 9),
        "/c/" + TOKENS.sign("click", "f" * 32),
        "/c/" + TOKENS.sign("click", SEND.id)[:-1] + "_",
        "/c/https://evil.example",
        "/c//evil.example",
        "/c/https:evil.example?url=https://evil.example",
        "/c/%5C%5Cevil.example",
        "/c/javascript:alert(1)",
        "/c/" + "x" * 5000,
        "/u/" + TOKENS.sign("click", SEND.id),
        "/u/" + TOKENS.sign("unsubscribe", "f" * 32),
    ],
)
def test_any_other_token_is_simply_not_found_and_leads_nowhere(site: Site, path: str) -> None:
    for method in ("GET", "HEAD", *(["POST"] if path.startswith("/u/") else [])):
        answer = site.client.request(method, path)
        assert answer.status_code == 404
        assert "location" not in answer.headers
    assert site.events == []


def test_what_the_visitor_adds_does_not_change_where_he_is_led(site: Site) -> None:
    for extra in ("?url=https://evil.example", "?next=//evil.example", "?"):
        assert site.client.get(url("click") + extra).headers["location"] == TARGET


def test_an_open_is_a_43_byte_picture_that_nobody_keeps(site: Site) -> None:
    answer = site.client.get(url("open"))
    assert len(answer.content) == 43
    assert answer.headers["content-type"] == "image/gif"
    assert "no-store" in answer.headers["cache-control"]
    assert [(event["name"], event["machine"]) for event in site.events] == [("email_opened", False)]


def test_a_picture_of_no_known_mail_is_still_a_picture(site: Site) -> None:
    assert len(site.client.get("/o/nonsense.gif").content) == 43
    assert site.events == []


def test_opening_twice_is_one_open(site: Site) -> None:
    site.client.get(url("open"))
    site.client.get(url("open"))
    assert len({event["id"] for event in site.events}) == 1


@pytest.mark.parametrize(
    ("agent", "machine"),
    [
        (PERSON, False),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148", False),
        ("Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)", False),
        ("YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html", False),
        ("Mozilla/5.0", True),
        ("", True),
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/42.0.2311.135 Safari/537.36 Edge/12.246 Mozilla/5.0", True),
        ("curl/8.5.0", True),
    ],
)  # fmt: skip
def test_prefetching_machines_are_not_people_but_picture_proxies_are(site: Site, agent: str, machine: bool) -> None:
    site.client.get(url("open"), headers={"user-agent": agent})
    assert site.events[0]["machine"] is machine


@pytest.mark.parametrize(
    "agent",
    ["curl/8.5.0", "python-requests/2.32", "BarracudaCentral/1.0", "Mozilla/5.0 (compatible; ms-office; MSOffice 16)", "Mozilla/5.0", "", "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)", "x" * 100_000],
)  # fmt: skip
def test_a_scanners_click_is_a_machines(site: Site, agent: str) -> None:
    if len(agent) < 1000:
        site.client.get(url("click"), headers={"user-agent": agent})
        assert site.events[0]["machine"] is True


def test_a_click_right_after_delivery_a_head_and_a_burst_are_machines(site: Site) -> None:
    site.delivered = site.now - 4_999
    site.client.get(url("click"))
    site.delivered = NOW
    site.client.head(url("click"))
    site.now += 10_000
    for index in range(3):
        site.client.get(url("click", index))
    assert [event["machine"] for event in site.events] == [True, True, False, False, True]


def test_looking_at_the_unsubscribe_page_changes_nothing(site: Site) -> None:
    page = site.client.get(url("unsubscribe"))
    site.client.head(url("unsubscribe"))
    assert page.status_code == 200
    assert site.events == []
    assert "a••@example.test" in page.text
    assert "ann@" not in page.text
    assert "Shop &lt;&amp;&gt;" in page.text
    assert re.findall(r'<button name="scope" value="(\w+)"', page.text) == ["topic", "all"]
    assert "<script" not in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "set-cookie" not in page.headers


@pytest.mark.parametrize("files", [False, True])
def test_one_click_of_a_mail_client_unsubscribes_from_the_topic(site: Site, files: bool) -> None:
    body: dict[str, Any] = {"files": {k: (None, v) for k, v in ONE_CLICK.items()}} if files else {"data": ONE_CLICK}
    for _ in range(2):
        answer = site.client.post(url("unsubscribe"), **body)
        assert answer.status_code == 200
        assert "location" not in answer.headers
    assert [(event["name"], event["topic"]) for event in site.events] == [("email_unsubscribed", "cart")], "one wish"
    assert not site.topic


def test_the_page_offers_this_topic_or_everything(site: Site) -> None:
    done = site.client.post(url("unsubscribe"), data={"scope": "topic"})
    assert "about your &lt;cart&gt;" in done.text
    site.client.post(url("unsubscribe"), data={"scope": "all"})
    assert [event["topic"] for event in site.events] == ["cart", ""]


@pytest.mark.parametrize(
    "request_",
    [
        {},
        {"data": {"List-Unsubscribe": "Two-Click"}},
        {"data": {"scope": "everyone"}},
        {"content": b"\xff\x00" * 100},
        {"content": b"--x", "headers": {"content-type": "multipart/form-data; boundary=x"}},
        {"content": b"x", "headers": {"content-type": "multipart/form-data"}},
        {"content": b'{"scope":"all"}', "headers": {"content-type": "application/json"}},
    ],
)
def test_a_post_without_the_wish_in_it_is_refused(site: Site, request_: dict[str, Any]) -> None:
    assert site.client.post(url("unsubscribe"), **request_).status_code == 400
    assert site.events == []


def test_a_form_of_any_size_is_read_only_as_far_as_a_form_can_go(site: Site) -> None:
    assert site.client.post(url("unsubscribe"), content=b"a" * 1_000_000).status_code == 413


def test_an_unsubscribe_that_could_not_be_stored_is_not_called_done(site: Site) -> None:
    site.refusals = ["storage_full"]
    answer = site.client.post(url("unsubscribe"), data=ONE_CLICK)
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "5"
    assert "Done." not in answer.text


def test_a_click_is_redirected_even_if_the_engine_is_busy_and_told_later(site: Site) -> None:
    site.refusals = ["overloaded", "overloaded"]
    with site.client:
        assert site.client.get(url("click")).status_code == 302
        for _ in range(1000):
            if site.events:
                break
            site.client.get("/o/x.gif")
    assert site.names() == ["email_clicked"]


def test_form_fields_of_both_kinds() -> None:
    assert form_fields(b"List-Unsubscribe=One-Click\r\n", "application/x-www-form-urlencoded") == ONE_CLICK
    body = b'--b\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--b--\r\n'
    assert form_fields(body, "multipart/form-data; boundary=b") == ONE_CLICK


def test_a_damaged_unsubscribe_link_is_a_page_in_words_for_a_customer(site: Site) -> None:
    answer = site.client.get("/u/" + "x" * 36)
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")
    assert "not, or no longer, known here" in answer.text
    assert site.events == []


# --- taking it back -----------------------------------------------------------------------------------------------


def post(site: Site, scope: str, send: Send = SEND) -> tuple[int, str]:
    answer = site.client.post(f"/u/{TOKENS.sign('unsubscribe', send.id)}", data={"scope": scope})
    assert "set-cookie" not in answer.headers
    return answer.status_code, answer.text


def test_who_unsubscribed_by_mistake_is_subscribed_again_with_the_same_link(site: Site) -> None:
    _, page = post(site, "topic")
    assert re.findall(r'<button name="scope" value="(\w+)"', page) == ["undo", "all"]
    status, page = post(site, "undo")
    assert (status, site.topic, site.any) == (200, True, True)
    assert "subscribed again" in page
    assert [(event["name"], event["topic"]) for event in site.events] == [
        ("email_unsubscribed", "cart"),
        ("email_subscribed", "cart"),
    ]


def test_unsubscribing_again_after_taking_it_back_counts(site: Site) -> None:
    for scope in ("topic", "undo", "topic"):
        assert post(site, scope)[0] == 200
        site.now += 1000
    assert len({event["id"] for event in site.events}) == 3, "no id is that of an earlier wish, which would be dropped"
    assert not site.topic


def test_all_that_the_link_stopped_is_taken_back(site: Site) -> None:
    for scope in ("topic", "all", "undo"):
        assert post(site, scope)[0] == 200
    assert (site.topic, site.any) == (True, True)


def test_a_link_takes_back_nothing_that_it_has_not_stopped(site: Site) -> None:
    site.says_no_elsewhere()
    page = site.client.get(url("unsubscribe"))
    assert "subscribe again" not in page.text
    assert "gets no more e-mails" in page.text
    post(site, "all")
    assert post(site, "undo")[0] == 409
    assert not site.any
    assert "email_subscribed" not in site.names()


def test_a_letter_that_was_passed_on_subscribes_nobody_later(site: Site) -> None:
    post(site, "topic")
    site.now += UNDO_MS_MAX + 1
    status, page = post(site, "undo")
    assert (status, site.topic) == (409, False)
    assert "in your account" in page


def test_what_is_stopped_days_after_another_wish_can_be_taken_back_alone(site: Site) -> None:
    post(site, "topic")
    site.now += UNDO_MS_MAX + 1
    post(site, "all")
    assert post(site, "undo")[0] == 200
    assert (site.any, site.topic) == (True, False)


@pytest.mark.parametrize("scope", ["topic", "all"])
@pytest.mark.parametrize("elsewhere", [Site.says_no_elsewhere, Site.complains])
def test_a_no_that_was_said_elsewhere_meanwhile_stays(
    site: Site, scope: str, elsewhere: Callable[[Site], None]
) -> None:
    post(site, scope)
    elsewhere(site)
    site.now += 1000
    status, page = post(site, "undo")
    assert not (site.any and site.topic)
    assert (status, "in your account" in page) == (409, True)


def test_a_button_pressed_twice_can_be_taken_back(site: Site) -> None:
    for _ in range(3):
        assert post(site, "all")[0] == 200
        site.now += 1000
    assert post(site, "undo")[0] == 200
    assert (site.any, site.topic) == (True, True)


@pytest.mark.parametrize("scope", ["topic", "all"])
def test_what_was_said_again_by_another_letter_is_not_taken_back_by_the_first(site: Site, scope: str) -> None:
    post(site, scope)
    site.now += 1000
    post(site, scope, LATER)
    for letter in (SEND, LATER):
        assert post(site, "undo", letter)[0] == 409
    assert (site.topic, site.any) == (scope != "topic", scope != "all")


def test_the_first_letter_takes_back_what_another_has_not_said_again(site: Site) -> None:
    for scope, letter in (("topic", SEND), ("all", SEND), ("all", LATER)):
        post(site, scope, letter)
        site.now += 1000
    assert post(site, "undo")[0] == 409, "no mail comes all the same"
    assert (site.topic, site.any) == (True, False)


def test_a_second_look_at_the_link_says_how_things_stand(site: Site) -> None:
    post(site, "topic")
    page = site.client.get(url("unsubscribe")).text
    assert "gets no more e-mails about your &lt;cart&gt;" in page
    assert 'value="undo"' in page
    assert "Nothing has been changed yet" not in page


def test_an_undo_that_could_not_be_stored_can_be_tried_again(site: Site) -> None:
    post(site, "topic")
    site.refusals = ["storage_full"]
    status, page = post(site, "undo")
    assert (status, site.topic) == (503, False)
    assert 'value="undo">Try again' in page
    assert post(site, "undo")[0] == 200
    assert site.topic


# --- how these pages look -----------------------------------------------------------------------------------------


def test_the_pages_have_the_colours_of_the_shop_and_text_that_can_be_read_on_them(site: Site) -> None:
    page = site.client.get(url("unsubscribe")).text
    assert f"--act: #ffcc00; --on-act: {INK};" in page
    assert f"--act: {lighter('#ffcc00')}; --on-act: {INK};" in page
    assert on("#0b6b60") == "#ffffff"
    assert on("#4b3fb5") == "#ffffff"


@pytest.mark.parametrize("accent", ["red", "#fff", "#12345g", "#000000;}", "javascript:x", ""])
def test_what_is_no_colour_is_refused(accent: str) -> None:
    with pytest.raises(ValueError, match="must be a colour"):
        Shop(accent=accent)


def test_a_topic_without_words_goes_by_its_name() -> None:
    page = CustomerPages(Shop()).page("subscribed.html", topic="price_drops", address="a••@x.example")
    assert "about “price drops”" in bytes(page.body).decode()
