"""Tokens at rest: hashes of those that we issued, seals on those that we present."""

import base64
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocpi.sealing import Seal, WrongKey, hash_token, new_token

SECRET = "s" * 32


@given(st.text(st.characters(exclude_categories=["Cs"])))
@pytest.mark.threat("TA-10")
def test_what_was_sealed_is_opened_again(token: str) -> None:
    assert Seal(SECRET).open(Seal(SECRET).close(token)) == token


def test_the_same_token_is_never_sealed_the_same() -> None:
    seal = Seal(SECRET)
    assert len({seal.close("token") for _ in range(100)}) == 100
    assert "token" not in seal.close("token")


@pytest.mark.threat("TA-10")
def test_another_key_is_named_with_what_to_do() -> None:
    sealed = Seal(SECRET).close("token")
    with pytest.raises(WrongKey, match="OCPI_SECRET_KEY"):
        Seal("t" * 32).open(sealed)


def test_the_key_id_does_not_tell_the_key() -> None:
    assert re.fullmatch("[0-9a-f]{8}", Seal(SECRET).key_id)
    assert SECRET not in Seal(SECRET).key_id


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "no base64", "other id", "nothing"])
@pytest.mark.threat("TA-10")
def test_a_damaged_seal_is_refused(damage: str) -> None:
    seal = Seal(SECRET)
    key_id, _, text = seal.close("token").partition(":")
    data = bytearray(base64.b64decode(text))
    data[-1] ^= 1
    damaged = {
        "flip": f"{key_id}:{base64.b64encode(data).decode()}",
        "cut": f"{key_id}:{text[:20]}",
        "empty": f"{key_id}:",
        "no base64": f"{key_id}:???",
        "other id": f"00000000:{text}",
        "nothing": "",
    }[damage]
    with pytest.raises(WrongKey):
        seal.open(damaged)


@pytest.mark.req("CR-24")
@pytest.mark.pitfall("IP-01")
@pytest.mark.threat("TA-11")
def test_new_tokens_are_long_different_and_of_harmless_characters() -> None:
    tokens = {new_token() for _ in range(1000)}
    assert len(tokens) == 1000
    assert all(re.fullmatch("[A-Za-z0-9_-]{43}", token) for token in tokens)


@pytest.mark.req("TR-04")
@pytest.mark.threat("TA-12")
def test_hashes_tell_tokens_apart_by_case_too() -> None:
    assert len({hash_token(token) for token in ("token", "Token", "token ", "")}) == 4
    assert re.fullmatch("[0-9a-f]{64}", hash_token("token"))
