"""From a template and what is known of the user to the message that he reads; or to none at all."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from delivery.render import EmailMessage, RenderError, Templates
from delivery.settings import DeliverySettings
from language.load import read_site
from language.syntax.problems import SiteErrors
from templating.links import Target
from templating.templates import TemplatesInvalid
from tests.unit.delivery.making import SETTINGS, TOKENS, a_send, templates

CART = """---
subject: "{{ user_name }}, your cart is waiting"
preheader: "{{ cart.value | money }} of things"
---
<html><body>
<h1>Hi {{ user_name }}</h1>
{% for item in cart.items %}
<p><img src="{{ item.image }}" alt="{{ item.name }}"> {{ item.name }}: {{ item.quantity }} × {{ item.price | money }}</p>
{% endfor %}
<a data-link="offer" href="https://shop.example/cart?id={{ entry.cart_id | urlencode }}">Buy</a>
<a href="mailto:help@shop.example">Help</a> <a href="#top">Top</a>
<a href="{{ unsubscribe_url }}">No more of these</a>
</body></html>
"""
CONTEXT: dict[str, Any] = {
    "user": {"id": "ann", "name": "Ann", "email": "ann@example.test", "nickname": None},
    "entry": {"cart_id": "c 1"},
    "run": {"id": "r", "entered_at": 1767607200.0, "sent": 0},
    "data": {},
    "cart": {
        "items": [
            {"name": "Lamp <b>", "price": 49.5, "quantity": 1, "image": "/pics/lamp.png"},
            {"name": "Chair", "price": "19.00", "quantity": 2, "image": "https://cdn.example/c.png"},
        ],
        "value": 87.5,
        "quantity": 3,
    },
}


def body(path: Path, html: str, context: dict[str, Any] | None = None, **changes: Any) -> str:
    """What stands between <p> and </p> of a template with that body."""
    made = templates(path, cart_1_html=f"---\nsubject: s\n---\n<p>{html}</p>")
    found = re.search("<p>(.*?)</p>", made.email(a_send(context=context or CONTEXT, **changes)).html, re.DOTALL)
    assert found
    return found[1]


def cart_mail(path: Path, settings: DeliverySettings = SETTINGS, **changes: Any) -> EmailMessage:
    return templates(path, settings, cart_1_html=CART).email(a_send(**({"context": CONTEXT} | changes)))


def test_the_reminder_names_the_user_and_shows_his_cart(tmp_path: Path) -> None:
    mail = cart_mail(tmp_path)
    assert mail.subject == "Ann, your cart is waiting"
    assert "<h1>Hi Ann</h1>" in mail.html
    assert 'src="https://shop.example/pics/lamp.png" alt="Lamp &lt;b&gt;"' in mail.html
    assert "1 × $49.50" in mail.html
    assert "2 × $19.00" in mail.html


def test_the_text_part_reads_like_the_mail(tmp_path: Path) -> None:
    text = cart_mail(tmp_path).text
    assert text.startswith("Hi Ann\n\nLamp <b> Lamp <b>: 1 × $49.50\n\n")
    assert "\n\nBuy <https://t.shop.example/c/" in text
    assert "No more of these <https://t.shop.example/u/" in text
    assert "$87.50 of things" not in text


def test_a_text_file_beside_the_html_is_the_text_part(tmp_path: Path) -> None:
    made = templates(tmp_path, cart_1_html=CART, cart_1_txt="Dear {{ user_name }} & co\n{{ unsubscribe_url }}\n")
    text = made.email(a_send(context=CONTEXT)).text
    assert text.startswith("Dear Ann & co\nhttps://t.shop.example/u/")


def test_a_mail_can_be_text_alone(tmp_path: Path) -> None:
    made = templates(tmp_path, cart_1_txt="---\nsubject: Hello\n---\nDear {{ user_name }} <3")
    mail = made.email(a_send(context=CONTEXT))
    assert mail.html == ""
    assert mail.text.startswith("Dear Ann <3\n\nUnsubscribe: https://t.shop.example/u/")


def test_links_lead_through_us_with_their_targets_kept_here(tmp_path: Path) -> None:
    mail = cart_mail(tmp_path)
    tracked = re.findall(r"https://t\.shop\.example/c/([\w-]{36})", mail.html)
    assert [TOKENS.verify("click", token) for token in tracked] == [(f"{1:032x}", 0)]
    assert [one.url for one in mail.targets] == [
        "https://shop.example/cart?id=c%201&utm_source=cuebird&utm_medium=email"
        "&utm_campaign=abandoned_cart&utm_content=offer",
    ]
    assert 'href="mailto:help@shop.example"' in mail.html
    assert 'href="#top"' in mail.html
    assert mail.html.count(mail.unsubscribe_url) == 1


def test_the_open_pixel_and_the_preview_line_are_there_once(tmp_path: Path) -> None:
    html = cart_mail(tmp_path).html
    assert len(re.findall(r'<img src="https://t\.shop\.example/o/[\w-]{36}\.gif"', html)) == 1
    assert html.index("/o/") > html.index("No more of these")
    assert html.index("<body>") < html.index("$87.50 of things") < html.index("<h1>")


def test_a_user_who_does_not_want_to_be_tracked_is_not(tmp_path: Path) -> None:
    user = CONTEXT["user"] | {"consent": {"tracking": False}}
    mail = cart_mail(tmp_path, context=CONTEXT | {"user": user})
    assert "/o/" not in mail.html
    assert "/c/" not in mail.html
    assert mail.targets == ()
    assert 'href="https://shop.example/cart?id=c%201&amp;utm_source=cuebird' in mail.html


def test_utm_tags_can_be_off_and_never_replace_those_of_the_author(tmp_path: Path) -> None:
    html = '---\nsubject: s\n---\n<a href="https://shop.example/?utm_source=mine&q=1#f">x</a>'
    targets = templates(tmp_path, cart_1_html=html).email(a_send()).targets
    tagged = "https://shop.example/?utm_source=mine&q=1&utm_medium=email&utm_campaign=abandoned_cart#f"
    assert targets == (Target(tagged, "0"),)
    plain = msgspec.structs.replace(SETTINGS, utm=False)
    targets = templates(tmp_path, plain).email(a_send()).targets
    assert targets == (Target("https://shop.example/?utm_source=mine&q=1#f", "0"),)


@pytest.mark.parametrize("utm", [True, False])
def test_a_link_is_called_by_its_data_link_else_its_id_else_its_number(tmp_path: Path, utm: bool) -> None:
    html = """---
subject: s
---
<a href="/a?utm_content=spring" data-link="report" id="x">a</a> <a href="/b" id="offer">b</a>
<a href="/c" data-link=" ">c</a> <a href="mailto:help@shop.example" id="help">d</a> <a href="/e" id="e">e</a>"""
    settings = msgspec.structs.replace(SETTINGS, utm=utm)
    targets = templates(tmp_path, settings, cart_1_html=html).email(a_send()).targets
    assert [one.name for one in targets] == ["report", "offer", "2", "e"]


def test_marketing_mail_always_has_a_link_to_unsubscribe_and_transactional_mail_has_none(tmp_path: Path) -> None:
    made = templates(tmp_path, cart_1_html="---\nsubject: s\n---\n<p>Hello</p>")
    marketing, receipt = made.email(a_send()), made.email(a_send(purpose="transactional"))
    assert marketing.unsubscribe_url in marketing.html
    assert marketing.unsubscribe_url in marketing.text
    assert receipt.unsubscribe_url == ""
    assert "/u/" not in receipt.html + receipt.text


def test_the_same_send_renders_to_the_same_mail(tmp_path: Path) -> None:
    assert cart_mail(tmp_path) == cart_mail(tmp_path)


@pytest.mark.parametrize(
    "evil", ["Ann\r\nBcc: eve@evil.test", "Ann\nX: y", "Ann\rX", "Ann\u2028X", "Ann\x00\x0b\x0c\x1c\x85X", "Ann\u202eX"]
)
def test_nothing_a_visitor_types_makes_a_second_header(tmp_path: Path, evil: str) -> None:
    mail = cart_mail(tmp_path, context=CONTEXT | {"user": {"name": evil}})
    assert mail.subject.startswith("Ann ")
    assert mail.subject.isprintable()


def test_a_subject_is_cut_and_the_campaigns_own_comes_first(tmp_path: Path) -> None:
    assert cart_mail(tmp_path, subject="{{ user_name }}: last call").subject == "Ann: last call"
    assert len(cart_mail(tmp_path, subject="x" * 10_000).subject) == 255


def test_html_typed_by_a_visitor_stays_text(tmp_path: Path) -> None:
    evil = CONTEXT | {"user": {"name": '<script>alert(1)</script>"'}}
    assert body(tmp_path, "{{ user_name }}", evil) == "&lt;script&gt;alert(1)&lt;/script&gt;&#34;"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("{{ user.nickname | default('friend') }}", "friend"),
        ("{{ user.gone.deeper | default('friend') }}", "friend"),
        ("{% if user.vip %}VIP{% else %}guest{% endif %}", "guest"),
        ("{% if user.plan == 'gold' %}gold{% else %}free{% endif %}", "free"),
        ("{{ cart.items | length }}", "2"),
        ("{{ cart.items | map(attribute='name') | join(', ') }}", "Lamp &lt;b&gt;, Chair"),
        ("{{ cart.quantity * 2.0 }} {{ cart.value }} {{ true }}", "6 87.5 true"),
        ("{{ 1234.5 | money }} {{ 30 | money('EUR') }} {{ 30 | money('chf') }} {{ 999 | money('JPY') }}", "$1,234.50 €30.00 30.00 CHF ¥999"),
        ("{{ '19.995' | money }} {{ -5 | money }} {{ 0 | money }}", "$20.00 -$5.00 $0.00"),
        ("{{ run.entered_at | date }}", "5 January 2026"),
        ("{{ 1767607200000 | date('%d.%m.%Y %H:%M', tz='Europe/Prague') }}", "05.01.2026 11:00"),
        ("{{ '2026-01-05T10:00:00Z' | date('%H:%M') }}", "10:00"),
        ("{% for i in range(3) %}{{ loop.index }}{% endfor %}", "123"),
        ("{{ 'a' ~ user.name ~ 1 }}", "aAnn1"),
        ("{{ data.code | default('') }}", ""),
    ],
)  # fmt: skip
def test_templates_say_what_people_expect_them_to(tmp_path: Path, written: str, read: str) -> None:
    assert body(tmp_path, written) == read


def test_dates_are_in_the_users_time_zone_and_an_unknown_zone_does_not_stop_the_mail(tmp_path: Path) -> None:
    for zone, shown in (("America/New_York", "05:00"), ("Mars/Olympus", "10:00"), ("../../etc/passwd", "10:00")):
        assert body(tmp_path, "{{ 1767607200 | date('%H:%M') }}", {"user": {"time_zone": zone}}) == shown


def test_money_is_in_the_currency_of_the_cart_else_of_the_shop(tmp_path: Path) -> None:
    assert body(tmp_path, "{{ 5 | money }}", {"entry": {"currency": "GBP"}}) == "£5.00"


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("{{ user.surname }}", "surname is missing"),
        ("{{ user.nickname }}", "nickname is missing"),
        ("{{ recommendations }}", "recommendations is missing"),
        ("{% for x in wishlist %}{% endfor %}", "wishlist is missing"),
        ("{{ data.a + 1 }}", "a is missing"),
        ("{{ data.a | money }}", "a is missing"),
        ("{{ cart.items }}", "cannot show a list"),
        ("{{ user }}", "cannot show a dict"),
        ("{{ user.name | money }}", "not a number"),
        ("{{ user.name | date }}", "not a time"),
        ("{{ 1 / 0 }}", "ZeroDivisionError"),
        ("{{ 'x' * 100000000 }}", "takes numbers"),
        ("{{ 'x'.ljust(10) }}", "not safely callable"),
        ("{{ user.__class__.__mro__ }}", "missing"),
        ("{{ ''.format.__globals__ }}", "missing"),
        ("{{ 2 ** 10 }}", "not used here"),
        ("{% for a in range(999) %}{% for b in range(999) %}{% for c in range(999) %}x{% endfor %}{% endfor %}{% endfor %}", "loop turns"),
        ("{% for a in range(100000000) %}{% endfor %}", r"range\(\)"),
        ("{% for a in range(999) %}{{ data.big }}{% endfor %}", "more text"),
        ("{% for a in range(9) %}{{ data.big }}{% endfor %}", "larger than"),
        ("{% set a %}{{ data.big }}{{ data.big }}{% endset %}{% set b = a ~ a %}{% set c = b ~ b %}{% set d = c ~ c %}{% set e = d ~ d %}", "more text"),
        ("{{ data.big | replace('x', data.big) }}", "too long"),
        ("<a href=\"{{ data.evil }}\">x</a>", "not an address"),
        ("<a href=\"jAvA\tscript:alert(1)\">x</a>", "not an address"),
        ("<a href=\"&#106;avascript:alert(1)\">x</a>", "not an address"),
        ("<img src=\"vbscript:x\">", "not an address"),
        ("<a href=\"data:text/html,x\">x</a>", "not an address"),
        ("<form action=\"javascript:x\">", "not an address"),
    ],
)  # fmt: skip
def test_a_mail_that_would_be_broken_is_never_made(tmp_path: Path, written: str, why: str) -> None:
    context = CONTEXT | {"data": {"big": "x" * 100_000, "evil": "javascript:alert(1)"}}
    with pytest.raises(RenderError, match=why):
        body(tmp_path, written, context)


def test_a_template_that_is_not_there_is_a_render_error(tmp_path: Path) -> None:
    made = templates(tmp_path / "none")
    with pytest.raises(RenderError, match=r"'cart_1'.*no e-mail template"):
        made.email(a_send())
    with pytest.raises(RenderError, match="no push template"):
        made.push(a_send(channel="push"))


@pytest.mark.parametrize("context", [b"", b"[]", b"{", b"\xff"])
def test_a_context_that_is_not_json_is_a_render_error(tmp_path: Path, context: bytes) -> None:
    with pytest.raises(RenderError, match="not a JSON object"):
        templates(tmp_path, cart_1_html=CART).email(msgspec.structs.replace(a_send(), context=context))


def test_a_mail_without_a_subject_is_not_sent(tmp_path: Path) -> None:
    with pytest.raises(RenderError, match="no subject"):
        templates(tmp_path, cart_1_html="<p>x</p>").email(a_send())


def test_the_sender_can_be_the_templates_own_but_only_one_address(tmp_path: Path) -> None:
    front = "---\nsubject: s\nfrom: Shop & Co <shop@shop.example>\nreply_to: help@shop.example\n---\nx"
    mail = templates(tmp_path, cart_1_html=front).email(a_send())
    assert (mail.sender, mail.reply_to) == (("Shop & Co", "shop@shop.example"), "help@shop.example")
    for wrong in ("a@x.test, b@y.test", "g: a@x.test;", "{{ user.name }}"):
        made = templates(tmp_path, cart_1_html=f'---\nsubject: s\nfrom: "{wrong}"\n---\nx')
        with pytest.raises(RenderError, match="not one address"):
            made.email(a_send(context=CONTEXT))


def test_a_push_is_filled_in_value_by_value(tmp_path: Path) -> None:
    push = """
    title: "Still thinking, {{ user_name }}?"
    body: "{{ cart.quantity }} things: <b>"
    url: "/cart?id={{ entry.cart_id | urlencode }}"
    ttl: 30
    buttons: [{label: Go, url: "https://shop.example/"}]
    """
    assert templates(tmp_path, nudge_push=push).push(a_send(template="nudge", channel="push", context=CONTEXT)) == {
        "title": "Still thinking, Ann?",
        "body": "3 things: <b>",
        "url": "/cart?id=c%201",
        "ttl": 30,
        "buttons": [{"label": "Go", "url": "https://shop.example/"}],
    }


def test_a_push_leads_nowhere_but_to_the_web(tmp_path: Path) -> None:
    made = templates(tmp_path, nudge_push='title: x\nurl: "{{ data.url }}"')
    with pytest.raises(RenderError, match="not an address"):
        made.push(a_send(template="nudge", context={"data": {"url": "javascript:alert(1)"}}))


@pytest.mark.parametrize(
    ("file", "text", "problem"),
    [
        ("a.html", "---\nsubject: s\n---\nok\n{% for %}", "a.html:5:1: no template: Expected an expression"),
        ("a.html", "---\nsubject: s\nno end", "a.html:1:1: the front matter has no second"),
        ("a.html", "---\nsubjekt: s\n---\nx", "a.html:2:1: the front matter has no key `subjekt`.*`subject`"),
        ("a.html", "---\nsubject: {{ x }}\n---\nx", "a.html:2:11: .*needs quotes"),
        ("a.html", "---\n- x\n---\nx", "a.html:2:1: .*key: value"),
        ("a.html", "---\nsubject: [a]\n---\nx", "a.html:2:10: `subject` is a text, not a list"),
        ("a.html", "{% include 'b.html' %}", "a.html:1:1: include is not used here: .*`layout:`"),
        ("a.html", "x\n{% macro m() %}{% endmacro %}", "a.html:2:1: macro is not used here"),
        ("a.html", "{% for x in data.y recursive %}{% endfor %}", "recursive loops are not used here"),
        ("a.html", "{{ x | nonsense }}", "a.html:1:8: there is no filter `nonsense`$"),
        ("a.html", "{% if x is defind %}{% endif %}", "a.html:1:12: there is no test `defind`; did you mean `defined`"),
        ("a.html", "{{ '" + "(" * 5000, "a.html:1:1: no template"),
        ("a.html", "{{" + "(" * 5000 + "1" + ")" * 5000 + "}}", "nested too deep"),
        ("a.txt", "{{ x", "a.txt:1:1: "),
        ("a.push.yaml", "- x", "a.push.yaml:1:1: .*key: value"),
        ("a.push.yaml", "title: '{% for %}'", "a.push.yaml:1:9: no template"),
        ("a.push.yaml", "title: *a", "a.push.yaml:1:8: there is no anchor"),
        ("a.push.yaml", "title: {{ x }}", "needs quotes"),
        ("a.push.yaml", f"title: {list(range(200))}", "more than 200 values in one push"),
        ("a.html", "x" * 300_000, "larger than"),
    ],
)
def test_what_is_wrong_with_a_template_is_said_with_file_and_line(
    tmp_path: Path, file: str, text: str, problem: str
) -> None:
    (tmp_path / file).write_text(text)
    with pytest.raises(SiteErrors) as caught:
        templates(tmp_path)
    assert re.search(problem, str(caught.value).splitlines()[0])


def test_all_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    (tmp_path / "c.html").write_bytes(b"\xff\xfe")
    with pytest.raises(SiteErrors) as caught:
        templates(tmp_path, a_html="{% for %}", b_push="[")
    assert {problem.file for problem in caught.value.problems} == {"a.html", "b.push.yaml", "c.html"}


@pytest.mark.parametrize(("buttons", "refused"), [(198, False), (199, True)])
def test_a_push_holds_two_hundred_values_and_no_more(tmp_path: Path, buttons: int, refused: bool) -> None:
    """The whole is one, and so is the list."""
    (tmp_path / "a.push.yaml").write_text(f"buttons: [{', '.join(['x'] * buttons)}]")
    if refused:
        with pytest.raises(SiteErrors, match=r"a\.push\.yaml:1:1: more than 200 values in one push"):
            templates(tmp_path)
    else:
        templates(tmp_path)


def test_the_items_of_a_list_are_numbered_from_one_in_the_text_part(tmp_path: Path) -> None:
    html = "---\nsubject: s\n---\n<ol><li>Pay</li><li>Wait<ul><li>a day</li></ul></li><li>Unpack</li></ol>"
    text = templates(tmp_path, cart_1_html=html).email(a_send()).text
    assert [line.strip() for line in text.splitlines() if line][:4] == ["1. Pay", "2. Wait", "- a day", "3. Unpack"]


def test_a_letter_that_was_stored_before_the_sandbox_refused_it_is_said_with_file_and_line() -> None:
    files = {
        "campaigns/c.yaml": b"why: x\nentry: {event: a}\nsteps: [{send: {email: hello}}]\n",
        "templates/hello.html": b"---\nsubject: x\n---\nHi\n{{ user.name | gone }}",
    }
    with pytest.raises(SiteErrors, match="there is no filter `gone`"):
        read_site(files)
    site = read_site(files, stored=True).site
    with pytest.raises(TemplatesInvalid, match=r"^templates/hello\.html:5: No filter named 'gone'\.$"):
        Templates.of(site.letters, SETTINGS, TOKENS)
