"""Who may do what, and who is refused."""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64encode

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ingress.principals.keys import Forbidden, KeyRing, ProofKey, ServerKey, Unauthorized, WriteKey, digest
from tests.unit.ingress.site import KEYS, NOW, SECRET, SERVER, SHOP, WRITE, Site, proof


def test_a_server_key_may_speak_for_anyone_from_anywhere() -> None:
    speaker = KEYS.speaker(SERVER, now=NOW)
    assert (speaker.source, speaker.key, speaker.may_speak_for("ann")) == ("server", "backend", True)


def test_a_write_key_alone_may_speak_for_nobody() -> None:
    speaker = KEYS.speaker(WRITE, origin=SHOP, now=NOW)
    assert (speaker.source, speaker.trusted, speaker.may_speak_for("ann"), speaker.actor()) == (
        "client",
        False,
        False,
        "",
    )


def test_a_proof_vouches_for_one_user_until_it_ends() -> None:
    speaker = KEYS.speaker(WRITE, proof=proof("ann", email="ann@example.test"), origin=SHOP, now=NOW)
    assert (speaker.proven, speaker.email, speaker.expires_ms) == ("ann", "ann@example.test", NOW + 3_600_000)
    assert speaker.may_speak_for("ann")
    assert not speaker.may_speak_for("bob")
    assert not speaker.may_speak_for("")


def none_algorithm() -> str:
    return jwt.encode({"sub": "ann", "exp": NOW / 1000 + 60, "aud": "cuebird"}, "", algorithm="none")


@pytest.mark.parametrize(
    "bad",
    [
        proof("ann", expires_ms=NOW),
        proof("ann", nbf=NOW / 1000 + 1),
        proof("ann", secret="another secret of 32 bytes or more!"),
        proof("ann", aud="other"),
        proof(""),
        proof("ann", exp="soon"),
        jwt.encode({"sub": "ann", "aud": "cuebird"}, SECRET, algorithm="HS256"),
        jwt.encode({"exp": NOW / 1000 + 60, "aud": "cuebird"}, SECRET, algorithm="HS256"),
        jwt.encode({"sub": "ann", "exp": NOW / 1000 + 60, "aud": "cuebird"}, SECRET + SECRET, algorithm="HS512"),
        none_algorithm(),
        proof("ann")[:-3] + "abc",
        "a.b.c",
        "..",
    ],
)
def test_a_proof_that_does_not_hold_is_refused_in_the_same_words(bad: str) -> None:
    with pytest.raises(Unauthorized, match="the proof does not hold"):
        KEYS.speaker(bad, origin=SHOP, now=NOW)


def signed(claims: str) -> str:
    """A proof whose claims are this JSON, or what is not quite JSON."""
    told = b".".join(urlsafe_b64encode(part.encode()).rstrip(b"=") for part in ('{"alg":"HS256","typ":"JWT"}', claims))
    mac = urlsafe_b64encode(hmac.new(SECRET.encode(), told, hashlib.sha256).digest()).rstrip(b"=")
    return (told + b"." + mac).decode()


ODD = ["1e308", "-1e308", "NaN", "Infinity", "-Infinity", "-1", "9" * 30, "9" * 400, "9" * 5_000, "4000000000000",
       "true", "null", "[]", "{}", '"x"', '"1e308"', "[[]]", '["x",5]', "[" * 5_000 + "]" * 5_000, "x"]  # fmt: skip
"""What a claim may be and be signed for: by a shop that is mistaken, not by an attacker."""


@pytest.mark.parametrize("claim", ["exp", "nbf", "aud", "sub"])
@pytest.mark.parametrize("odd", ODD, ids=lambda odd: odd[:16])
def test_a_claim_that_cannot_be_one_is_no_proof(claim: str, odd: str) -> None:
    good = {"sub": '"ann"', "exp": "4000000000", "aud": '"cuebird"'}
    claims = ",".join(f'"{name}":{value}' for name, value in (good | {claim: odd}).items())
    if (claim, odd) in {("nbf", "-1"), ("sub", '"x"'), ("sub", '"1e308"')}:
        assert KEYS.speaker(signed(f"{{{claims}}}"), origin=SHOP, now=NOW).proven
        return
    with pytest.raises(Unauthorized, match="the proof does not hold"):
        KEYS.speaker(signed(f"{{{claims}}}"), origin=SHOP, now=NOW)


@pytest.mark.parametrize("claim", ["iat", "iss", "jti", "email", "name"])
@pytest.mark.parametrize("odd", ODD, ids=lambda odd: odd[:16])
def test_a_claim_that_is_not_needed_may_be_odd_and_harms_nobody(claim: str, odd: str) -> None:
    try:
        speaker = KEYS.speaker(
            signed(f'{{"sub":"ann","exp":4000000000,"aud":"cuebird","{claim}":{odd}}}'), origin=SHOP, now=NOW
        )
    except Unauthorized:
        return
    assert (speaker.proven, type(speaker.email)) == ("ann", str)


def test_a_public_key_cannot_be_used_as_a_secret() -> None:
    private = Ed25519PrivateKey.generate()
    pem = private.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    keys = KeyRing(proofs=(ProofKey(key=pem.decode(), algorithm="EdDSA"),))
    claims = {"sub": "ann", "exp": NOW / 1000 + 60, "aud": "cuebird"}
    assert keys.speaker(jwt.encode(claims, private, algorithm="EdDSA"), now=NOW).proven == "ann"
    head = urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT"}').rstrip(b"=")
    body = jwt.encode(claims, SECRET, algorithm="HS256").split(".")[1].encode()
    mac = urlsafe_b64encode(hmac.new(pem, head + b"." + body, hashlib.sha256).digest()).rstrip(b"=")
    with pytest.raises(Unauthorized):
        keys.speaker((head + b"." + body + b"." + mac).decode(), now=NOW)


@pytest.mark.parametrize(
    "origin",
    [None, "null", "https://evil.example", "http://shop.example", "https://shop.example:8443", "https://shop.example.evil.example"],
)  # fmt: skip
def test_a_write_key_works_only_on_the_pages_it_was_made_for(origin: str | None) -> None:
    with pytest.raises(Forbidden):
        KEYS.speaker(WRITE, origin=origin, now=NOW)
    with pytest.raises(Forbidden):
        KEYS.speaker(proof("ann"), origin=origin, now=NOW)


def test_a_write_key_without_origins_works_anywhere() -> None:
    keys = KeyRing(write_keys=(WriteKey(name="app", value=WRITE),))
    assert keys.speaker(WRITE, now=NOW).key == "app"
    assert keys.allows("https://any.example")


@pytest.mark.parametrize("token", ["", "wk_publi", WRITE + "x", "sk_", "\ud7ff", digest(WRITE)])
def test_a_token_that_is_nearly_right_is_wrong(token: str) -> None:
    with pytest.raises(Unauthorized, match="no key that is known here"):
        KEYS.speaker(token, origin=SHOP, now=NOW)


def test_an_empty_key_in_the_settings_admits_nobody() -> None:
    keys = KeyRing(write_keys=(WriteKey(name="a"),), server_keys=(ServerKey(name="b"),))
    with pytest.raises(Unauthorized):
        keys.speaker("", now=NOW)


def test_development_believes_everybody() -> None:
    speaker = KeyRing(dev=True).speaker("", now=NOW)
    assert (speaker.source, speaker.may_speak_for("ann")) == ("client", True)
    assert KeyRing(dev=True).allows("https://any.example")


def test_a_short_proof_secret_is_refused_at_the_start() -> None:
    with pytest.raises(ValueError, match="at least 32 bytes"):
        ProofKey(key="short")


# --- keys that change while they are used ---------------------------------------------------------------------------


def ring() -> KeyRing:
    """One that a test may change."""
    return KeyRing(write_keys=KEYS.write_keys, server_keys=KEYS.server_keys, proofs=KEYS.proofs)


NONE = KeyRing()


def test_a_revoked_key_opens_nothing_and_a_new_one_does() -> None:
    keys = ring()
    keys.follow(KeyRing(server_keys=(ServerKey(name="backend", value="sk_new"),)))
    with pytest.raises(Unauthorized):
        keys.speaker(SERVER, now=NOW)
    assert keys.speaker("sk_new", now=NOW).key == "backend"


@pytest.mark.parametrize(("token", "code"), [(SERVER, 4001), (WRITE, 4001)])
def test_who_came_in_by_a_key_that_is_revoked_is_put_out(token: str, code: int) -> None:
    site = Site(keys=ring())
    page = site.connect(token=token)
    page.say({"t": "hello", "token": token, "user": {"anonymousId": "v1"}})
    waiting = site.connect()
    site.world.keys.follow(NONE)
    page.session.look_again()
    waiting.session.look_again()
    (err,) = page.hear()
    assert (page.close, err["code"], err["message"]) == (code, "unauthorized", "this key was revoked")
    assert waiting.close is None, "it has shown no key yet"


def test_another_key_of_the_same_name_is_not_the_same_key() -> None:
    site = Site(keys=ring())
    page = site.connect()
    page.hello()
    site.world.keys.follow(KeyRing(server_keys=(ServerKey(name="backend", value="sk_new"),)))
    page.session.look_again()
    assert page.close == 4001


def test_who_holds_a_key_that_stays_hears_nothing_of_the_others() -> None:
    site = Site(keys=ring())
    server, page = site.connect(), site.connect()
    server.hello()
    page.hello(token=WRITE, user={"anonymousId": "v1"})
    site.world.keys.follow(KeyRing(write_keys=KEYS.write_keys, server_keys=KEYS.server_keys))
    for one in (server, page):
        one.session.look_again()
        assert (one.close, one.hear()) == (None, [])


def test_a_page_whose_origin_is_taken_off_its_key_is_told_to_stay_away() -> None:
    site = Site(keys=ring())
    page = site.connect()
    page.hello(token=WRITE, user={"anonymousId": "v1"})
    key = WriteKey(name="shop", sha256=digest(WRITE), allowed_origins=("https://other.example",))
    site.world.keys.follow(KeyRing(write_keys=(key,)))
    page.session.look_again()
    assert page.close == 4003


@pytest.mark.parametrize("alone", [False, True])
def test_a_proof_by_a_key_that_is_revoked_is_asked_for_again(alone: bool) -> None:
    site = Site(keys=ring())
    page = site.connect()
    told = {"token": proof("ann")} if alone else {"token": WRITE, "proof": proof("ann")}
    page.hello(**told)
    site.world.keys.follow(
        KeyRing(write_keys=KEYS.write_keys, proofs=(ProofKey(key="another secret of 32 bytes or more"),))
    )
    page.session.look_again()
    assert page.close == 4201
