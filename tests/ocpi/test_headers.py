"""Message ids, routing pairs and the Authorization header, as partners write them."""

import base64
import uuid
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocpi.errors import InvalidParameters, NotAuthenticated
from ocpi.headers import (
    MessageIDs,
    Party,
    Routing,
    read_message_ids,
    read_routing,
    read_tokens,
    routing_headers,
)

TOKEN = "example-token"
BASE64 = "ZXhhbXBsZS10b2tlbg=="
TOKENS = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", min_size=1)


@pytest.mark.req("TR-03", "TR-05", "TR-07")
@pytest.mark.parametrize(
    "header",
    [
        f"Token {BASE64}",
        f"token {BASE64}",
        f"TOKEN {BASE64}",
        f"Token    {BASE64}",
        f"Token\t{BASE64}",
        f"  Token {BASE64}  ",
        "Token ZXhhbXBsZS10b2tlbg",
        "Token ZXhhbXBsZS10b2tlbg=",
        # The specification's own samples: the token was encoded with a line end behind it.
        "Token ZXhhbXBsZS10b2tlbgo=",
        "Token ZXhhbXBsZS10b2tlbg0K",
        f"Token {base64.b64encode(b' example-token ').decode()}",
        "Token example-token",
    ],
)
@pytest.mark.pitfall("IP-01")
def test_every_form_met_in_the_field_gives_the_token(header: str) -> None:
    assert TOKEN in read_tokens(header)


def test_the_decoded_token_is_tried_before_the_raw_one() -> None:
    assert read_tokens(f"Token {BASE64}") == [TOKEN, BASE64]


@pytest.mark.parametrize(
    "value",
    [
        "ZXhhbXBsZS10b2tlbh==",  # Other bits behind the last character, which a decoder may drop.
        "ZXhhbXBsZS10b2tlb=g=",
        "ZXhhbXBs.ZS10b2tlbg==",
        "ZXhhbXBsZS10b2tlbg==x",
        "ZXhhbXBs ZS10b2tlbg==",
        "ZXhhbXBsZS10b2tlb",
        "=ZXhhbXBsZS10b2tlbg==",
        "ZXhhbXBsZS10b2tlbg\x00==",
        "ZXhhbXBsZS10b2tlbg%3D%3D",
        "zXhhbXBsZS10b2tlbg==",
    ],
)
@pytest.mark.pitfall("IP-01")
def test_a_damaged_value_is_never_taken_for_the_token(value: str) -> None:
    assert TOKEN not in read_tokens(f"Token {value}")


@given(TOKENS)
def test_whatever_we_issue_comes_back(token: str) -> None:
    encoded = base64.b64encode(token.encode()).decode()
    assert read_tokens(f"Token {encoded}")[0] == token
    assert token in read_tokens(f"Token {token}")


@given(TOKENS.filter(lambda text: len(text) > 3), st.data())
@pytest.mark.threat("TA-12")
def test_one_changed_character_is_another_token(token: str, data: st.DataObject) -> None:
    encoded = base64.b64encode(token.encode()).decode().rstrip("=")
    at = data.draw(st.integers(0, len(encoded) - 1))
    other = data.draw(
        st.sampled_from("ABCXYZabcxyz0189+/").filter(lambda each: each != encoded[at])
    )
    assert token not in read_tokens(f"Token {encoded[:at]}{other}{encoded[at + 1 :]}")


@given(st.text(st.characters(max_codepoint=255)))
@pytest.mark.pitfall("IP-01")
def test_any_header_gives_two_candidates_at_most(header: str) -> None:
    with suppress(NotAuthenticated):
        assert 1 <= len(read_tokens(header)) <= 2


@pytest.mark.req("TR-05")
@pytest.mark.parametrize(
    "header", [None, "", " ", "Token", "Token ", BASE64, f"Bearer {BASE64}", f"Basic {BASE64}"]
)
def test_anything_else_is_refused(header: str | None) -> None:
    with pytest.raises(NotAuthenticated):
        read_tokens(header)


@pytest.mark.req("TR-14", "TR-15")
def test_ids_are_repeated_as_they_came() -> None:
    headers = {"x-request-id": "any/ID~1", "x-correlation-id": "x" * 128}
    assert read_message_ids(headers) == MessageIDs("any/ID~1", "x" * 128)


@pytest.mark.req("TR-15")
@pytest.mark.parametrize("given_id", [None, "", "a b", "a\nb", "x" * 129, "\x1b[31m", "naïve"])
@pytest.mark.pitfall("IP-33")
@pytest.mark.threat("TA-22")
def test_an_id_that_is_missing_or_unsafe_is_made_here(given_id: str | None) -> None:
    ids = read_message_ids({} if given_id is None else {"x-request-id": given_id})
    assert uuid.UUID(ids.request_id).version == 4
    assert uuid.UUID(ids.correlation_id) != uuid.UUID(ids.request_id)


PAIRS = {
    "ocpi-to-country-code": "nl",
    "ocpi-to-party-id": "tnm",
    "ocpi-from-country-code": "DE",
    "ocpi-from-party-id": "MSP",
}


@pytest.mark.req("RT-01", "RT-04")
def test_pairs_are_read_and_may_be_missing() -> None:
    assert read_routing(PAIRS) == Routing(Party("nl", "tnm"), Party("DE", "MSP"))
    assert read_routing({}) == Routing(None, None)


@pytest.mark.req("RT-01")
@pytest.mark.parametrize("missing", PAIRS)
@pytest.mark.parametrize("value", [None, ""])
@pytest.mark.pitfall("IP-31")
def test_half_a_pair_is_refused(missing: str, value: str | None) -> None:
    headers: dict[str, str] = {**PAIRS, missing: value or ""}
    if value is None:
        del headers[missing]
    with pytest.raises(InvalidParameters, match="go together"):
        read_routing(headers)


@pytest.mark.parametrize("value", ["N", "NLD", "N L", "\x00\x01", "ÄÖ"])
@pytest.mark.threat("TA-22")
def test_a_code_of_another_shape_is_refused(value: str) -> None:
    with pytest.raises(InvalidParameters, match="ocpi-to-country-code"):
        read_routing({**PAIRS, "ocpi-to-country-code": value})


@pytest.mark.req("RT-06", "CO-08")
@pytest.mark.pitfall("IP-25")
def test_parties_compare_without_regard_to_case() -> None:
    assert Party("NL", "TNM").key == Party("nl", "tNm").key == "nl*tnm"
    assert str(Party("nl", "Tnm")) == "nl*Tnm"


def test_routing_headers_are_written_as_pairs() -> None:
    assert routing_headers(None, Party("NL", "TNM")) == {
        "OCPI-from-country-code": "NL",
        "OCPI-from-party-id": "TNM",
    }
    assert routing_headers(None, None) == {}
