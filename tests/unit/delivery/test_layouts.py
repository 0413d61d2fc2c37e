"""What a reader gets of a letter that was put into its layout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from delivery.render import EmailMessage, RenderError
from templating.templates import TemplatesInvalid
from tests.unit.delivery.making import a_send, templates

FRONT = "---\nlayout: shop\nsubject: s\n---\n"


def mail(
    path: Path, letter: str, kind: str = "txt", context: dict[str, Any] | None = None, **layouts: str
) -> EmailMessage:
    """A receipt, to which nothing is added; its layouts are of the same kind."""
    (path / "layouts").mkdir(exist_ok=True)
    for name, text in layouts.items():
        (path / "layouts" / f"{name}.{kind}").write_text(text)
    (path / f"cart_1.{kind}").write_text(letter)
    return templates(path).email(a_send(context=context or {}, purpose="transactional"))


@pytest.mark.parametrize(
    ("letter", "shop", "read"),
    [
        ("Hi\n", "<\n{% block content %}{% endblock %}\n>", "<\nHi\n>"),
        ("Hi", "<{% block content %}{% endblock %}>", "<Hi>"),
        ("Hi", "<{% block content %}the layout's own{% endblock %}>", "<Hi>"),
        ("{% block a %}1{% endblock %}\nHi\n", "{% block a %}0{% endblock %}<\n{% block content %}{% endblock %}", "1<\nHi\n"),
        ("Hi", "{% block a %}0{% endblock %}<{% block content %}{% endblock %}", "0<Hi"),
        ("{% block content %}Hi{% endblock %}", "<{% block content %}{% endblock %}>", "<Hi>"),
        ("x{% block a %}1{% endblock %}y", "{% block content %}{% endblock %}{% block a %}{% endblock %}", "xy1"),
        ("{% block a %}{% endblock %}Hi", "{% block a %}0{% endblock %}{% block content %}{% endblock %}", "Hi"),
        ("{{ n }}", "{% set n = 7 %}{% block content %}{% endblock %}", "7"),
        ("Hi", "{% if user.vip %}{% block content %}{% endblock %}{% else %}You are new here{% endif %}", "You are new here"),
        ("{{ user.id }}", "{% for x in [1, 2] %}{% block content %}{% endblock %}{% endfor %}", "annann"),
    ],
)  # fmt: skip
def test_a_letter_stands_where_its_layout_has_a_place_for_it(tmp_path: Path, letter: str, shop: str, read: str) -> None:
    assert mail(tmp_path, FRONT + letter, context={"user": {"id": "ann"}}, shop=shop).text == read


def test_a_layout_within_a_layout_fills_blocks_and_leaves_others_to_the_letter(tmp_path: Path) -> None:
    page = "[{% block a %}{% endblock %}{% block b %}{% endblock %}|{% block content %}{% endblock %}]"
    shop = "---\nlayout: page\n---\n{% block a %}A{% endblock %}{% block b %}B{% endblock %}({% block c %}{% endblock %}{% block content %}{% endblock %})"
    letter = FRONT + "{% block b %}bb{% endblock %}{% block c %}cc{% endblock %}Hi"
    assert mail(tmp_path, letter, page=page, shop=shop).text == "[Abb|(ccHi)]"


def test_what_a_visitor_typed_stays_text_within_a_layout_too(tmp_path: Path) -> None:
    shop = "<p>{% block a %}{% endblock %}</p>{% block content %}{% endblock %}"
    letter = FRONT + "{% block a %}{{ user.name }}{% endblock %}{{ user.name }}"
    html = mail(tmp_path, letter, "html", {"user": {"name": "<b>"}}, shop=shop).html
    assert html.startswith("<p>&lt;b&gt;</p>&lt;b&gt;")


def test_the_html_and_the_text_of_a_letter_have_each_their_own_layout(tmp_path: Path) -> None:
    (tmp_path / "layouts").mkdir()
    (tmp_path / "layouts" / "shop.html").write_text("<i>{% block content %}{% endblock %}</i>")
    (tmp_path / "layouts" / "shop.txt").write_text("* {% block content %}{% endblock %} *")
    made = templates(tmp_path, cart_1_html=FRONT + "Hi", cart_1_txt="---\nlayout: shop\n---\nHello")
    one = made.email(a_send(purpose="transactional"))
    assert (one.html[:9], one.text) == ("<i>Hi</i>", "* Hello *")


def test_a_block_within_a_loop_of_the_layout_is_counted_with_what_the_letter_puts_there(tmp_path: Path) -> None:
    """As many turns as the layout alone may have, but not with so much in each."""
    shop = "{% for x in range(1000) %}{% block a %}{% endblock %}{% endfor %}{% block content %}{% endblock %}"
    assert mail(tmp_path, FRONT + "Hi", shop=shop).text == "Hi"
    with pytest.raises(RenderError, match="more text than a message may have"):
        mail(tmp_path, FRONT + "{% block a %}" + "x" * 10_000 + "{% endblock %}", shop=shop)


@pytest.mark.parametrize(("around", "inside"), [(11, 11), (60, 60)])
def test_what_is_nested_too_deep_for_python_only_together_is_told_with_its_file(
    tmp_path: Path, around: int, inside: int
) -> None:
    begin, end = ("{% for x in [1] %}", "{% endfor %}") if around < 20 else ("{% if user.x %}", "{% endif %}")
    shop = begin * around + "{% block content %}{% endblock %}" + end * around
    with pytest.raises(TemplatesInvalid, match=r"^templates/cart_1\.txt:5: nested too deep$"):
        mail(tmp_path, FRONT + begin * inside + "Hi" + end * inside, shop=shop)
