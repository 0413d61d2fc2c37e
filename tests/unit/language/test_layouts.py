"""The frame of a letter, written once: what an author reads of layouts that do not fit, each at its place."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from language.load import read_site
from language.syntax.ast import Site, TemplateInfo
from language.syntax.problems import Problem, SiteErrors
from templating.layouts import LAYOUTS_MAX

CAMPAIGN = "why: x\nentry: {event: a}\nsteps: [{send: {email: cart}}]\n"
CART = "---\nlayout: shop\nsubject: Your cart\n---\n"
SHOP = "<html>{% block content %}{% endblock %}</html>\n"


def site(templates: Mapping[str, str]) -> Site:
    texts = {"campaigns/c.yaml": CAMPAIGN} | {f"templates/{name}": text for name, text in templates.items()}
    return read_site({name: text.encode() for name, text in texts.items()}).site


def problems(**files: str) -> list[str]:
    """Each as its first line, without the folder. `cart="…"` is a letter, `shop="…"` and others are layouts."""
    names = {name: "cart.html" if name == "cart" else f"layouts/{name}.html" for name in files}
    with pytest.raises(SiteErrors) as caught:
        site({names[name]: text for name, text in files.items()})
    return [str(problem).splitlines()[0].removeprefix("templates/") for problem in caught.value.problems]


def info(**files: str) -> TemplateInfo:
    names = {name: "cart.html" if name == "cart" else f"layouts/{name}.html" for name in files}
    found = site({names[name]: text for name, text in files.items()}).templates
    assert found is not None
    (one,) = found
    return one


def test_a_layout_that_is_missing_is_told_where_it_is_named() -> None:
    assert problems(cart=CART + "Hi") == [
        "cart.html:2:9: there is no templates/layouts/shop.html; write it, with {% block content %}{% endblock %} in it"
    ]
    assert problems(cart=CART.replace("shop", "shpo") + "Hi", shop=SHOP) == [
        "cart.html:2:9: there is no templates/layouts/shpo.html; did you mean `shop`?"
    ]
    assert problems(cart=CART.replace("shop", "../cart") + "Hi", shop=SHOP) == [
        "cart.html:2:9: there is no templates/layouts/../cart.html; there is `shop`"
    ]


def test_what_a_missing_layout_may_have_set_is_not_told_as_well() -> None:
    assert problems(cart=CART.replace("shop", "shpo") + "Hi {{ greeting }}", shop=SHOP) == [
        "cart.html:2:9: there is no templates/layouts/shpo.html; did you mean `shop`?"
    ]


def test_a_layout_that_lays_out_itself_is_told_once() -> None:
    assert problems(cart=CART + "Hi", shop="---\nlayout: shop\n---\n" + SHOP) == [
        "layouts/shop.html:2:9: templates/layouts/shop.html lays out itself: take out its `layout:`"
    ]


def test_layouts_that_go_round_in_a_circle_are_told_once_wherever_one_comes_into_it() -> None:
    circle = "templates/layouts/page.html -> templates/layouts/shop.html -> templates/layouts/page.html"
    told = [f"layouts/page.html:2:9: layouts go round in a circle, {circle}: take out one `layout:`"]
    page, shop = "---\nlayout: shop\n---\n" + SHOP, "---\nlayout: page\n---\n" + SHOP
    assert problems(cart=CART + "Hi", shop=shop, page=page) == told
    assert problems(cart=CART + "Hi", shop=shop, page=page, outer="---\nlayout: shop\n---\n" + SHOP) == told


def test_layouts_stand_within_one_another_but_not_endlessly() -> None:
    def within(count: int) -> dict[str, str]:
        inner = {f"l{at}": f"---\nlayout: l{at + 1}\n---\n{at}{SHOP}" for at in range(count - 1)}
        return inner | {f"l{count - 1}": SHOP}

    letter = CART.replace("shop", "l0") + "Hi"
    site({"cart.html": letter} | {f"layouts/{name}.html": text for name, text in within(LAYOUTS_MAX).items()})
    assert problems(cart=letter, **within(LAYOUTS_MAX + 1)) == [
        f"layouts/l3.html:2:9: more than {LAYOUTS_MAX} layouts around one another"
    ]


@pytest.mark.parametrize(
    ("letter", "layout", "told"),
    [
        ("Hi", "<p>no place</p>", ["layouts/shop.html:1:1: a layout has `{% block content %}{% endblock %}` where the text of its letters goes"]),
        ("Hi", "{% block all %}\n{% block content %}{% endblock %}{% endblock %}", ["layouts/shop.html:2:10: `content` stands within the block `all`, so a letter that fills that would be lost: take it out of there"]),
        ("Hi", SHOP + "{% block a %}{% endblock %}\n{% block a %}{% endblock %}", ["layouts/shop.html:3:1: no template: block 'a' defined twice"]),
        ("Hi", "---\nsubject: x\n---\n" + SHOP, ["layouts/shop.html:2:1: a layout has no `subject`: that is for each letter to say"]),
        ("Hi", "---\nlayuot: x\n---\n" + SHOP, ["layouts/shop.html:2:1: the front matter has no key `layuot`; did you mean `layout`?"]),
        ("Hi", SHOP + "{{ usr.name }}", ["layouts/shop.html:2:4: there is no name `usr`; did you mean `user`?"]),
        ("Hi", SHOP + "{{ user.id | upcase }}", ["layouts/shop.html:2:14: there is no filter `upcase`; did you mean `upper`?"]),
        ("Hi", SHOP + "{% if user.x %}", ["layouts/shop.html:2:1: no template: Unexpected end of template. Jinja was looking for the following tags: 'elif' or 'else' or 'endif'. The innermost block that needs to be closed is 'if'."]),
        ("Hi", SHOP + "{% block why required %}{% endblock %}", ["cart.html:2:9: its layout needs the block `why`: write {% block why %}…{% endblock %}"]),
        ("{% block foter %}x{% endblock %}", SHOP + "{% block footer %}{% endblock %}", ["cart.html:5:10: its layout has no block `foter`; did you mean `footer`?"]),
        ("{% block x %}{% endblock %}", SHOP, ["cart.html:5:10: its layout has no block `x`"]),
        ("\n{% if user.x %}{% block a %}{% endblock %}{% endif %}", SHOP + "{% block a %}{% endblock %}", ["cart.html:6:25: the block `a` stands within another statement: let it stand by itself"]),
        ("{% block a %}1{% endblock %}{% block a %}2{% endblock %}", SHOP + "{% block a %}{% endblock %}", ["cart.html:5:1: no template: block 'a' defined twice"]),
        ("{% extends 'layouts/shop.html' %}", SHOP, ["cart.html:5:1: extends is not used here: a template is one file, and what letters share is their `layout:`"]),
        ("{{ first }}", SHOP + "{% set first = 1 %}", ["cart.html:5:4: `first` is not set here: its layout sets it further down, or only sometimes"]),
        ("{{ first }}", "{% for first in [1] %}{% endfor %}" + SHOP, ["cart.html:5:4: there is no name `first`: values of the send are `data.first`, traits `user.first`, the entry event's properties `entry.first`"]),
        ("{% if user.x %}" * 900 + "{% endif %}" * 900, "{% if user.x %}" * 900 + "{% block content %}{% endblock %}" + "{% endif %}" * 900, ["cart.html:5:1: nested too deep", "layouts/shop.html:1:1: nested too deep"]),
        ("{% if user.x %}" * 180 + "{% endif %}" * 180, "{% if user.x %}" * 180 + "{% block content %}{% endblock %}" + "{% endif %}" * 180, ["cart.html:5:1: nested too deep"]),
        ("{{ first }}", SHOP, ["cart.html:5:4: there is no name `first`: values of the send are `data.first`, traits `user.first`, the entry event's properties `entry.first`"]),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_letter_and_its_layout(letter: str, layout: str, told: list[str]) -> None:
    assert problems(cart=CART + letter, shop=layout) == told


@pytest.mark.parametrize("said", ["[shop]", "null", "true"])
def test_a_layout_is_named_by_a_text(said: str) -> None:
    (told,) = problems(cart=CART.replace("shop", said, 1) + "Hi", shop=SHOP)
    assert told.startswith("cart.html:2:9: `layout` is a text, not ")


def test_a_layout_is_no_letter() -> None:
    with pytest.raises(SiteErrors) as caught:
        site({"layouts/cart.html": SHOP})
    told = str(caught.value).splitlines()[0]
    assert told == ("campaigns/c.yaml:3:24: `cart` is a layout; a letter has `layout: cart` in its front matter")


def test_a_push_has_no_layout() -> None:
    told = [str(one).splitlines()[0] for one in _advice({"layouts/shop.push.yaml": "title: x"})]
    assert told == [
        "templates/layouts/shop.push.yaml:1:1: advice: no kind of template that is known; there are `.html` or `.txt`"
    ]


def _advice(templates: Mapping[str, str]) -> list[Problem]:
    texts = {"campaigns/c.yaml": CAMPAIGN.replace("email: cart", "push: p"), "templates/p.push.yaml": "title: x"}
    texts |= {f"templates/{name}": text for name, text in templates.items()}
    return list(read_site({name: text.encode() for name, text in texts.items()}).advice)


def test_a_letter_looks_at_what_its_layout_looks_at() -> None:
    shop = SHOP + "{{ spent }}{{ user.shoe_size }}{% block a %}{{ user.hat_size }}{{ cart.value }}{% endblock %}"
    found = info(cart=CART + "{{ recent_views | length }}", shop=shop)
    assert found.names == {"recent_views", "spent", "user", "cart"}
    assert found.printed == {("user", "shoe_size"), ("user", "hat_size")}


def test_what_a_letter_puts_in_place_of_a_block_is_all_that_counts_of_it() -> None:
    shop = SHOP + "{% block a %}{{ user.hat_size }}{{ cart.value }}{% endblock %}"
    found = info(cart=CART + "{% block a %}{{ entry.size }}{% endblock %}", shop=shop)
    assert found.names == {"entry"}
    assert found.printed == {("entry", "size")}


def test_what_a_layout_sets_its_letters_may_use() -> None:
    found = info(cart=CART + "{{ first }}", shop="{% set first = user.first_name %}" + SHOP)
    assert found.names == {"user"}


def test_links_of_a_layout_are_links_of_its_letters() -> None:
    found = info(cart=CART + '<a href="/a" id="mine">x</a>', shop=SHOP + '<a href="/b" id="shops">y</a>')
    assert found.links == {"mine", "shops"}
