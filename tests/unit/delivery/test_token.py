"""Link tokens: nobody but us can make one, and one made for a purpose serves no other."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.values.token import Purpose, Tokens

SECRET = bytes(range(32))
TOKENS = Tokens([SECRET])
SEND = "00112233445566778899aabbccddeeff"


def test_a_token_says_which_message_and_which_link_and_is_36_characters() -> None:
    token = TOKENS.sign("click", SEND, 7)
    assert len(token) == 36
    assert TOKENS.verify("click", token) == (SEND, 7)


@pytest.mark.parametrize("made_for", ["open", "click", "unsubscribe"])
@pytest.mark.parametrize("used_for", ["open", "click", "unsubscribe"])
def test_a_token_serves_only_the_purpose_it_was_made_for(made_for: Purpose, used_for: Purpose) -> None:
    assert (TOKENS.verify(used_for, TOKENS.sign(made_for, SEND)) is not None) == (made_for == used_for)


@settings(deadline=None)
@given(st.integers(0, 27 * 8 - 1))
def test_changing_any_single_bit_makes_it_worthless(bit: int) -> None:
    import base64

    raw = bytearray(base64.urlsafe_b64decode(TOKENS.sign("click", SEND, 7)))
    raw[bit // 8] ^= 1 << bit % 8
    assert TOKENS.verify("click", base64.urlsafe_b64encode(raw).decode()) is None


@settings(deadline=None)
@given(st.text(max_size=50))
def test_no_text_at_all_is_a_token_or_an_error(text: str) -> None:
    assert TOKENS.verify("unsubscribe", text) is None


@pytest.mark.parametrize("edit", ["{}=", "{} ", " {}", "{}\n", "+{}", "//{}"])
def test_only_the_exact_characters_count(edit: str) -> None:
    assert TOKENS.verify("click", edit.format(TOKENS.sign("click", SEND))) is None


def test_another_secret_does_not_verify_but_a_retired_one_still_does() -> None:
    old = TOKENS.sign("unsubscribe", SEND)
    assert Tokens([b"n" * 32]).verify("unsubscribe", old) is None
    assert Tokens([b"n" * 32, SECRET]).verify("unsubscribe", old) == (SEND, 0)


@pytest.mark.parametrize("secrets", [[], [b""], [b"short"], [SECRET, b"short"]])
def test_a_short_secret_is_refused(secrets: list[bytes]) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Tokens(secrets)


@pytest.mark.parametrize(("send", "index"), [("abc", 0), ("xyz", 0), (SEND, 256), (SEND, -1), (SEND + "00", 0)])
def test_what_does_not_fit_into_a_token_is_an_error(send: str, index: int) -> None:
    with pytest.raises(ValueError):
        TOKENS.sign("click", send, index)
