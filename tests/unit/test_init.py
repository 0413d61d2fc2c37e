"""`cuebird init` and `cuebird keys`, as they are typed; and the site that they begin with."""

from __future__ import annotations

import json
import re
import stat
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result

from actors.model.turn import Send
from actors.values.token import Tokens
from cuebird.changes.sites import open_site
from cuebird.cli import main
from cuebird.commands.init import STARTER
from cuebird.settings.config import load, require_servable
from cuebird.settings.placeholders import placeholders
from delivery.render import Templates
from delivery.settings import DeliverySettings
from ingress.principals.keys import Unauthorized
from language.load import load_site
from language.site.scenarios import load_scenarios
from language.syntax.problems import Problem, SiteErrors


def cuebird(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], catch_exceptions=False)


def problems(site: Path) -> list[str]:
    """What `check` finds wrong with it, without the busiest day of a user, which takes `check` a second to search."""
    load(site)
    try:
        checked, _ = open_site(site)
        load_scenarios(site, checked.site)
    except SiteErrors as error:
        return [str(problem) for problem in error.problems]
    return []


def left_of(site: Path) -> list[Problem]:
    return list(placeholders(open_site(site)[0].site, load(site)))


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    directory = tmp_path / "shop"
    assert cuebird("init", directory).exit_code == 0
    return directory


# --- init ---------------------------------------------------------------------------------------------------------


def test_what_is_left_of_the_starters_own_words_is_advised_on_until_it_is_changed(shop: Path) -> None:
    assert [str(one).splitlines()[0] for one in left_of(shop)] == [
        f"{shop}/cuebird.toml:24:1: advice: `smtp.from_address` is still 'letters@shop.example': shop.example is a domain for "
        "examples, and nobody's",
        f"{shop}/cuebird.toml:25:1: advice: `smtp.from_name` is still 'Your Shop': write your own",
        f"{shop}/templates/layouts/shop.html:37:156: advice: 2 templates still say 'Your Shop': write your own",
        f"{shop}/templates/layouts/shop.html:45:12: advice: 1 template still says 'Street 1, 12345 Town': write your own",
    ]
    mine = shop.parent / "mine"
    cuebird("init", mine, "--name", "Mine", "--address", "Here 2")
    settings = (mine / "cuebird.toml").read_text().replace("letters@shop.example", "letters@mine.test")
    (mine / "cuebird.toml").write_text(settings)
    assert left_of(mine) == []


def test_a_new_site_is_fine_and_all_its_scenarios_pass(shop: Path) -> None:
    checked = cuebird("check", shop)
    assert checked.exit_code == 0, checked.output
    assert f"{shop}: fine. 7 campaigns" in checked.output
    assert f"{shop}/cuebird.toml:24:1: advice: `smtp.from_address` is still 'letters@shop.example'" in checked.output
    tested = cuebird("test", shop)
    assert tested.exit_code == 0, tested.output
    assert tested.output.splitlines()[-1].endswith("passed, 0 failed")


def test_a_new_site_can_be_served_as_it_is(shop: Path) -> None:
    require_servable(load(shop).settings)


def test_it_says_what_to_do_next(tmp_path: Path) -> None:
    told = cuebird("init", tmp_path / "shop").output
    assert [line.strip() for line in told.splitlines() if line.startswith("  cuebird")] == [
        f"cuebird check {tmp_path / 'shop'}",
        f"cuebird test {tmp_path / 'shop'}",
        f"cuebird serve {tmp_path / 'shop'}",
    ]


def test_the_keys_that_it_prints_are_let_in_and_are_not_in_any_file(tmp_path: Path) -> None:
    told = cuebird("init", tmp_path / "shop").output
    write, server = re.findall(r"\b(?:wk|sk)_\S+", told)
    ring = load(tmp_path / "shop").settings.key_ring()
    assert ring.speaker(server, now=0).source == "server"
    assert ring.speaker(write, now=0).source == "client"
    with pytest.raises(Unauthorized):
        ring.speaker("sk_guessed", now=0)
    files = [file.read_bytes() for file in (tmp_path / "shop").rglob("*") if file.is_file()]
    assert not any(key.encode() in content for key in (write, server) for content in files)


def test_nobody_else_may_read_the_secret(shop: Path) -> None:
    file = shop / "cuebird.toml"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "cuebird.toml" in (shop / ".gitignore").read_text().splitlines()
    assert len(load(shop).settings.server.secret) == 64


def test_two_sites_have_different_secrets_and_keys(tmp_path: Path) -> None:
    for name in ("a", "b"):
        cuebird("init", tmp_path / name)
    first, second = (load(tmp_path / name).settings for name in ("a", "b"))
    assert first.server.secret != second.server.secret
    assert first.keys.server[0].sha256 != second.keys.server[0].sha256


def test_an_empty_directory_is_taken_and_a_full_one_refused(tmp_path: Path) -> None:
    assert cuebird("init", tmp_path).exit_code == 0
    before = (tmp_path / "cuebird.toml").read_bytes()
    again = cuebird("init", tmp_path)
    assert again.exit_code == 1
    assert again.output == f"Error: {tmp_path} is not empty: name a directory that is empty or not there yet\n"
    assert (tmp_path / "cuebird.toml").read_bytes() == before


def test_a_file_is_no_place_for_a_site(tmp_path: Path) -> None:
    (tmp_path / "shop").write_text("")
    result = cuebird("init", tmp_path / "shop")
    assert result.exit_code == 1
    assert "is a file" in result.output


def test_the_letters_carry_the_shops_name_and_address(tmp_path: Path) -> None:
    result = cuebird("init", tmp_path / "shop", "--name", "Fish & Chips' Friends", "--address", "Quay 3, 99999 Harbour")
    assert result.exit_code == 0
    assert "change that in templates" not in result.output
    html = rendered("cart_1", FULL, site=tmp_path / "shop").html
    assert "Fish &amp; Chips&#x27; Friends" in html
    assert "Quay 3, 99999 Harbour" in html
    assert not any("Your Shop" in text for _, text in load_site(tmp_path / "shop").sources)
    assert load(tmp_path / "shop").settings.smtp.from_name == "Fish & Chips' Friends"
    assert problems(tmp_path / "shop") == []


@pytest.mark.parametrize("name", ["{{ 7 * 7 }}", "<b>", 'a "quoted" shop', "two\nlines", " ", "back\\slash"])
def test_a_name_that_would_break_the_letters_is_refused(tmp_path: Path, name: str) -> None:
    result = cuebird("init", tmp_path / "shop", "--name", name)
    assert result.exit_code == 2
    assert not (tmp_path / "shop").exists()


# --- keys ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["write", "server"])
def test_a_new_key_is_printed_once_and_stored_as_its_hash(shop: Path, kind: str) -> None:
    result = CliRunner().invoke(main, ["keys", "new", kind, "--site", str(shop), "--name", "till"])
    assert result.exit_code == 0, result.output
    token = result.stdout.strip()
    assert token.startswith({"write": "wk_", "server": "sk_"}[kind])
    stored = getattr(load(shop).settings.keys, kind)[-1]
    assert (stored.name, stored.sha256) == ("till", sha256(token.encode()).hexdigest())
    assert token not in (shop / "cuebird.toml").read_text()


def test_a_write_key_is_bound_to_the_pages_of_the_shop(shop: Path) -> None:
    cuebird("keys", "new", "write", "--site", shop, "--name", "web", "--origin", "https://shop.example")
    assert load(shop).settings.keys.write[-1].allowed_origins == ("https://shop.example",)
    assert cuebird("keys", "new", "server", "--site", shop, "--origin", "https://shop.example").exit_code == 2


def test_a_proof_key_vouches_for_a_user(shop: Path) -> None:
    jwt = pytest.importorskip("jwt")
    result = CliRunner().invoke(main, ["keys", "new", "proof", "--site", str(shop), "--json"])
    secret = json.loads(result.stdout)["key"]
    proof = jwt.encode({"sub": "ann", "aud": "cuebird", "exp": 2_000_000_000}, secret, algorithm="HS256")
    assert load(shop).settings.key_ring().speaker(proof, now=0).proven == "ann"


def test_a_name_is_taken_once(shop: Path) -> None:
    result = cuebird("keys", "new", "server", "--site", shop, "--name", "backend")
    assert result.exit_code == 1
    assert "there is a server key 'backend' already" in result.output


def test_keys_that_are_written_in_one_line_are_left_as_they_are(tmp_path: Path) -> None:
    text = '[keys]\nserver = [{name = "a", value = "sk_a"}]\n'
    (tmp_path / "cuebird.toml").write_text(text)
    result = cuebird("keys", "new", "server", "--site", tmp_path)
    assert result.exit_code == 1
    assert "add it by hand" in result.output
    assert (tmp_path / "cuebird.toml").read_text() == text


FILE = """# of this shop
[server]
port = 8701

# the pages
[[keys.write]]
name = "web"
sha256 = "{web}"
allowed_origins = ["https://shop.example"]

[[keys.server]]  # the back end
name = "backend"
value = "sk_1"
# written by hand

# the old till
[[keys.server]]
name = "till"
value = "sk_2"

[[keys.proof]]
key = "{secret}"
"""


@pytest.fixture
def keyed(tmp_path: Path) -> Path:
    text = FILE.format(web=sha256(b"wk_1").hexdigest(), secret="s" * 32)
    (tmp_path / "cuebird.toml").write_text(text)
    (tmp_path / "cuebird.toml").chmod(0o640)
    return tmp_path


def test_keys_are_listed_with_the_beginning_of_their_hashes_and_no_secret(keyed: Path) -> None:
    listed = cuebird("keys", "list", "--site", keyed).stdout
    prints = [sha256(text.encode()).hexdigest()[:12] for text in ("wk_1", "sk_1", "sk_2", "s" * 32)]
    assert [line.split() for line in listed.splitlines()] == [
        ["write", "web", prints[0], "https://shop.example"],
        ["server", "backend", prints[1]],
        ["server", "till", prints[2]],
        ["proof", "-", prints[3]],
    ]
    found = json.loads(cuebird("keys", "list", "--site", keyed, "--json").stdout)["keys"]
    assert found[0] == {"kind": "write", "name": "web", "fingerprint": prints[0], "origins": ["https://shop.example"]}


def test_a_key_is_revoked_and_all_else_in_the_file_stays_as_it_is(keyed: Path) -> None:
    text = (keyed / "cuebird.toml").read_text()
    result = cuebird("keys", "revoke", "backend", "--site", keyed)
    assert result.exit_code == 0, result.output
    lines = text.splitlines(keepends=True)
    first = lines.index("[[keys.server]]  # the back end\n")
    assert (keyed / "cuebird.toml").read_text() == "".join([*lines[: first - 1], *lines[first + 3 :]])
    assert stat.S_IMODE((keyed / "cuebird.toml").stat().st_mode) == 0o640
    assert [key.name for key in load(keyed).settings.keys.server] == ["till"]


def test_a_key_without_a_name_is_revoked_by_its_fingerprint(keyed: Path) -> None:
    fingerprint = sha256(("s" * 32).encode()).hexdigest()[:12]
    assert cuebird("keys", "revoke", fingerprint, "--site", keyed).exit_code == 0
    assert load(keyed).settings.keys.proof == ()


def test_every_key_can_be_revoked_and_then_there_is_none(keyed: Path) -> None:
    for key in ("web", "backend", "till", sha256(("s" * 32).encode()).hexdigest()[:12]):
        assert cuebird("keys", "revoke", key, "--site", keyed).exit_code == 0
    assert "there are no keys" in cuebird("keys", "list", "--site", keyed).stdout
    assert "# the old till" in (keyed / "cuebird.toml").read_text()


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (["bakend"], "there is no key 'bakend': write key web"),
        (["web", "--kind", "server"], "there is no key 'web'"),
        ([""], "there is no key ''"),
    ],
)
def test_what_is_no_key_revokes_nothing(keyed: Path, told: list[str], said: str) -> None:
    before = (keyed / "cuebird.toml").read_text()
    result = cuebird("keys", "revoke", *told, "--site", keyed)
    assert (result.exit_code, (keyed / "cuebird.toml").read_text()) == (1, before)
    assert said in result.stderr


def test_of_two_keys_of_one_name_the_kind_says_which(keyed: Path) -> None:
    assert cuebird("keys", "new", "write", "--site", keyed, "--name", "till").exit_code == 0
    assert "there are several keys 'till'" in cuebird("keys", "revoke", "till", "--site", keyed).stderr
    assert cuebird("keys", "revoke", "till", "--site", keyed, "--kind", "server").exit_code == 0
    keys = load(keyed).settings.keys
    assert ([key.name for key in keys.write], [key.name for key in keys.server]) == (["web", "till"], ["backend"])


def test_a_key_in_a_line_with_others_is_left_to_a_human_hand(tmp_path: Path) -> None:
    text = '[keys]\nserver = [{name = "a", value = "sk_a"}]\n'
    (tmp_path / "cuebird.toml").write_text(text)
    result = cuebird("keys", "revoke", "a", "--site", tmp_path)
    assert result.exit_code == 1
    assert "take it out by hand" in result.stderr
    assert (tmp_path / "cuebird.toml").read_text() == text


# --- the letters of the starter site ------------------------------------------------------------------------------

LETTERS = sorted(file.stem for file in (STARTER / "templates").glob("*.html"))
PRODUCTS: list[dict[str, Any]] = [
    {"product_id": "lamp", "name": "Desk lamp", "price": 89, "quantity": 2, "image_url": "https://shop.example/l.jpg"},
    {"product_id": "mug & <co>", "price": "18.00"},
    {},
]
FULL: dict[str, Any] = {
    "user": {"first_name": "Ann <3"},
    "entry": {
        **PRODUCTS[0],
        "order_id": "A/1",
        "total": 200,
        "shipping": 5,
        "old_price": "100",
        "products": PRODUCTS,
        "url": "https://shop.example/x",
    },
    "data": {
        "lines": PRODUCTS,
        "seen": PRODUCTS,
        "total": 196,
        "favourite": "Lamps & Co",
        "newcomer": True,
        "arrived": True,
    },
}
BARE: dict[str, dict[str, Any]] = {
    "cart_1": {"data": {"lines": [{"quantity": 1}], "total": 60}},
    "cart_2": {"data": {"lines": [{"quantity": 1}], "total": 60}},
    "browse_1": {"data": {"seen": [{}]}},
    "price_drop": {"entry": {"price": 50, "old_price": 100}},
}
"""What the campaign itself makes sure of; all else may be missing."""


@lru_cache
def letters_of(site: Path) -> Templates:
    settings = DeliverySettings(public_url="https://t.shop.example", site_url="https://shop.example")
    return Templates.of(load_site(site).letters, settings, Tokens([bytes(range(32))]))


def rendered(letter: str, context: dict[str, Any], purpose: str = "marketing", site: Path = STARTER) -> Any:
    told = {"user": {"id": "ann"}, "entry": {}, "run": {}, "data": {}} | context
    return letters_of(site).email(
        Send(
            id="0" * 32,
            user="ann",
            campaign="c",
            version="v",
            run="0011223344556677",
            step="s",
            channel="email",
            template=letter,
            purpose="transactional" if purpose == "transactional" else "marketing",
            topic="t",
            to="ann@example.test",
            at=0,
            expires=1,
            context=msgspec.json.encode(told),
        )
    )


@pytest.mark.parametrize("letter", LETTERS)
def test_each_letter_can_be_made_of_little_and_of_much(letter: str) -> None:
    for context in (FULL, BARE.get(letter, {})):
        mail = rendered(letter, context)
        assert mail.subject
        assert not re.search(r"\bNone\b|\{\{|\{%|&amp;amp;", mail.html)
        assert 'class="go"' in mail.html, "a letter says what to do next"
        assert mail.text.strip()
        assert mail.targets


@pytest.mark.parametrize("letter", LETTERS)
def test_each_letter_is_made_for_narrow_and_for_dark_screens(letter: str) -> None:
    text = rendered(letter, FULL).html
    assert "@media (prefers-color-scheme: dark)" in text
    assert "@media (max-width: 480px)" in text
    assert "max-width:560px" in text


@pytest.mark.parametrize("letter", LETTERS)
def test_only_letters_about_the_account_or_an_order_lack_a_way_out(letter: str) -> None:
    html = rendered(letter, FULL, "transactional").html
    left = "https://t.shop.example/u/" in html
    assert left is (letter not in {"welcome_1", "order_thanks"})


def test_what_a_user_typed_does_not_become_markup() -> None:
    html = rendered("cart_1", FULL).html
    assert "Ann &lt;3" in html
    assert "mug &amp; &lt;co&gt;" in html
    assert "<co>" not in html


def test_a_letter_read_aloud_names_each_thing_once() -> None:
    text = rendered("cart_1", FULL).text
    assert text.count("Desk lamp") == 1
    assert text.count("https://t.shop.example/c/") == len(PRODUCTS) + 2, "the things, the shop's name and the button"
    assert "\nM\n" not in text, "the letter in place of a picture is for the eye"


def test_an_origin_that_no_browser_sends_is_refused(shop: Path) -> None:
    for origin in ("shop.example", "https://shop.example/", "https://shop.example/page"):
        result = cuebird("keys", "new", "write", "--site", shop, "--name", "web", "--origin", origin)
        assert result.exit_code == 2
        assert "write it as browsers do, https://shop.example" in result.output


def test_a_key_is_not_stored_where_there_is_no_site(tmp_path: Path) -> None:
    result = cuebird("keys", "new", "write", "--site", tmp_path)
    assert result.exit_code == 1
    assert "is not a site" in result.output
    assert list(tmp_path.iterdir()) == []


def test_a_shop_with_an_ampersand_keeps_its_name_in_subjects_and_letters(tmp_path: Path) -> None:
    result = cuebird("init", tmp_path / "shop", "--name", "Zoë's & Co")
    assert result.exit_code == 0
    assert (
        "The letters say 'Street 1, 12345 Town': change that in templates/, or begin again with --address."
        in result.output
    )
    letter = rendered("welcome_1", FULL, site=tmp_path / "shop")
    assert letter.subject == "Welcome to Zoë's & Co"
    assert "Zoë&#x27;s &amp; Co" in letter.html
    assert problems(tmp_path / "shop") == []


def test_check_looks_at_the_settings_too(shop: Path) -> None:
    with (shop / "cuebird.toml").open("a") as settings:
        settings.write('\n[engine]\nlive_actors_max = "many"\n')
    result = cuebird("check", shop)
    assert result.exit_code == 1
    assert "live_actors_max" in result.output


def test_each_topic_of_the_starter_has_words_for_its_customers() -> None:
    topics = {topic_of(path) for path in (STARTER / "campaigns").iterdir()}
    shop = load(STARTER).settings.shop
    assert {one.topic for one in shop.topics} == topics
    accents = {path.stem for path in (STARTER / "templates").glob("*.html") if shop.accent not in path.read_text()}
    assert accents == set(), "the pages behind the letters have the colour of the letters"


def topic_of(path: Path) -> str:
    found = re.search(r"^topic: (\w+)$", path.read_text(), re.MULTILINE)
    assert found is not None, path
    return found[1]
