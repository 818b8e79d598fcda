"""What of a message is stored: no token, and of a driver a mark alone."""

import base64
import re
from typing import Any

import pytest

from ocpi.headers import MessageIDs
from ocpi.journal.notes import BEGIN, Note, Notes
from ocpi.journal.reading import Endpoint
from ocpi.journal.writing import rows_of
from ocpi.sealing import Seal

SEAL = Seal("k" * 32)
UID = "CANARY/UID 77"
TOKEN = "canary-token_0123456789"
QUOTED = "CANARY%2FUID%2077"
HUB = "/ocpi/hub/2.2.1"
THEIRS = Endpoint("tokens", "RECEIVER", "https://emsp.example/x/t")


def note(**over: Any) -> Note:
    request, response = over.get("request", b""), over.get("response", b"")
    given = {
        "at": 1,
        "direction": "IN",
        "partner": "msp",
        "method": "PUT",
        "url": f"{HUB}/receiver/sessions/DE/CPO/S1",
        "headers": {},
        "ids": MessageIDs("r", "c"),
        "secret": f"Token {base64.b64encode(TOKEN.encode()).decode()}",
        "http_status": 200,
        "failure": None,
        "ms": 1.0,
        "request": request,
        "response": response,
        "request_bytes": len(request),
        "response_bytes": len(response),
        **over,
    }
    return Note(**given)


def stored(**over: Any) -> dict[str, Any]:
    ((row, marks),) = rows_of([note(**over)], {"msp": [THEIRS]}, SEAL)
    return {**row, "marks": marks}


@pytest.mark.parametrize(
    "body",
    [
        '{"cdr_token":{"uid":"CANARY/UID 77"}}',
        '{"cdr_token" : { "uid" : "canary/uid 77" } }',
        '{"cdr_token":{"uid":"CANARY\\/UID\\u002077"}}',
        '{"cdr_token":{"\\u0075id":"CANARY/UID 77"}}',
        '{"UID":"CANARY/UID 77"}',
        '{"uid":["CANARY/UID 77"]}',
        '{"contract_id":{"a":"CANARY/UID 77"}}',
        '{"uid":"CANARY/UID 77","remark":"card canary/uid 77 was used"}',
        '{"token":{"uid":"CANARY/UID 77"}}',
        "{'uid':'CANARY/UID 77'}",
        "uid=CANARY/UID 77",
        '{"uid":"CANARY/UID 77"',
    ],
)
def test_a_body_is_stored_without_its_driver(body: str) -> None:
    row = stored(request=body.encode())
    assert "canary" not in str(row).lower()


@pytest.mark.threat("TA-29")
@pytest.mark.parametrize(
    ("body", "kept"),
    [
        (r'{"a":"say \"uid\": 5","uid":"CANARY"}', r'{"a":"say \"uid\": 5","uid":"~"}'),
        (r'{"a\\":1,"\u0055\u0069d" : "CANARY"}', r'{"a\\":1,"\u0055\u0069d" : "~"}'),
        (r'{"auth\u005FID":"CANARY","b":"c"}', r'{"auth\u005FID":"~","b":"c"}'),
        (r'{"a":"\"\"\"\"","uid":"CANARY"', r'{"a":"\"\"\"\"","uid":"~"'),
        (r'it"s \ "uid":"CANARY"', r'it"s \ "uid":"~"'),
        (r'\"uid":"CANARY" "uid"', r'\"uid":"~" "uid"'),
        (r'{"uid":"CAN\"ARY","\uuid":"b"}', r'{"uid":"~","\uuid":"b"}'),
    ],
)
def test_among_escapes_fields_are_found_and_nothing_else(body: str, kept: str) -> None:
    row = stored(response=body.encode())
    assert re.sub(r"~[0-9a-f]{16}\.\w*", "~", row["response"]) == kept


@pytest.mark.parametrize("size", range(4044, 4100))
def test_a_driver_at_the_cut_is_not_stored_by_half(size: int) -> None:
    body = f'{{"x":"{"x" * size}","uid":"CANARY/UID 77","contract_id":"CANARY"}}'
    row = stored(request=body.encode())
    assert "cana" not in row["request"].lower()
    assert row["request_cut"]
    assert row["request_bytes"] == len(body)


@pytest.mark.parametrize(
    ("direction", "url"),
    [
        ("IN", f"{HUB}/receiver/tokens/DE/MSP/{QUOTED}?type=RFID"),
        ("IN", f"{HUB}/sender/tokens/{QUOTED}/authorize"),
        ("IN", f"{HUB}/receiver/tokens/DE/MSP/{QUOTED}/x"),
        ("OUT", f"https://emsp.example/x/t/DE/MSP/{QUOTED}"),
        ("OUT", f"https://emsp.example/2.2.1/tokens/{QUOTED}/authorize"),
        ("IN", f"{HUB}/receiver/sessions/DE/CPO/S1?uid={QUOTED}"),
    ],
)
def test_a_path_is_stored_without_its_driver_and_found_by_it(direction: str, url: str) -> None:
    said = b'{"status_code":2004,"status_message":"Unknown token CANARY/UID 77"}'
    row = stored(direction=direction, url=url, response=said, failure=f"no {UID}")
    assert "canary" not in str(row).lower()
    assert SEAL.mark(UID) in row["url"]
    assert SEAL.mark(UID) in row["marks"]
    assert row["status_code"] == 2004


@pytest.mark.parametrize("secret", [TOKEN, f"Token {TOKEN}", f"Bearer {TOKEN}"])
def test_a_token_that_is_repeated_is_not_stored(secret: str) -> None:
    encoded = base64.b64encode(TOKEN.encode()).decode()
    said = f"<p>You sent {TOKEN} and {encoded}, {TOKEN.upper()}".encode()
    row = stored(secret=secret, response=said, failure=TOKEN, url=f"{HUB}/versions?token={TOKEN}")
    text = str(row).lower()
    assert "canary" not in text
    assert encoded.lower() not in text or secret.startswith("Bearer")


@pytest.mark.threat("TA-09")
@pytest.mark.parametrize("form", [TOKEN, base64.b64encode(TOKEN.encode()).decode().rstrip("=")])
def test_a_token_at_the_cut_is_not_stored_by_part(form: str) -> None:
    for said in range(4, len(form) + 1):
        body = f"{'x' * (BEGIN - said)}{form} and more".encode()
        notes = Notes()
        notes.add(note(response=body, request=f'"{body.decode()}"'.encode()))
        ((row, _),) = rows_of(notes.take()[0], {}, SEAL)
        assert row["response"] == "x" * (BEGIN - said) + "***"
        # With the quotation mark before it, one character less of it is there.
        left = form[:3] if said == 4 else "***"
        assert row["request"] == '"' + "x" * (BEGIN - said) + left


def test_a_driver_at_the_cut_of_a_character_is_not_stored_by_half() -> None:
    body = b"x" * (BEGIN - 8) + "JÖRG-MÜLLER".encode()
    row = stored(request='{"uid":"JÖRG-MÜLLER"}'.encode(), response=body)
    assert row["response"] == "x" * (BEGIN - 8) + SEAL.mark("JÖRG-MÜLLER")


@pytest.mark.threat("TA-09")
@pytest.mark.parametrize(
    "said",
    [
        {"url": f"{HUB}/sender/{TOKEN.replace('-', '_')}", "secret": TOKEN.replace("-", "_")},
        {"url": f"{HUB}/sender/sessions/{'x' * 245}{TOKEN}"},
        {"headers": {"ocpi-from-country-code": "DE", "ocpi-from-party-id": TOKEN}},
        {"headers": {"ocpi-to-country-code": "x" * 245 + TOKEN, "ocpi-to-party-id": "ABC"}},
        {"response": base64.b64encode(TOKEN.encode()).rstrip(b"=")},
    ],
)
def test_no_part_of_a_row_tells_a_token_or_half_of_it(said: dict[str, Any]) -> None:
    text = str(stored(**said)).lower()
    assert "cana" not in text
    assert base64.b64encode(TOKEN.encode()).decode().lower()[:4] not in text


def test_the_tokens_of_a_handshake_are_not_stored() -> None:
    row = stored(
        url=f"{HUB}/credentials",
        request=b'{"token":"canary-token-b","url":"https://emsp.example"}',
        response=b'{"data":{"token":"canary-token-c","url":"x"},"status_code":1000}',
    )
    assert row["module"] == "credentials"
    assert '"token":"***"' in row["request"]
    assert '"token":"***"' in row["response"]
    assert "canary" not in str(row)


def test_an_evse_keeps_its_uid() -> None:
    row = stored(url=f"{HUB}/receiver/locations/DE/CPO/L1", request=b'{"uid":"EVSE-1"}')
    assert row["request"] == '{"uid":"EVSE-1"}'
    assert row["object_key"] == "locations/de/cpo/l1"


def test_a_mark_shows_the_last_characters_of_a_long_value_alone() -> None:
    assert SEAL.mark("04A1B2C3").endswith(".B2C3")
    assert SEAL.mark("04a1b2c3") == SEAL.mark("04A1B2C3")
    assert SEAL.mark("12345").endswith(".")
    assert Seal("x" * 32).mark("04A1B2C3") != SEAL.mark("04A1B2C3")


def test_a_posted_cdr_is_known_by_its_own_id() -> None:
    body = b'{"cdr_location":{"id":"L1"},"country_code":"DE","party_id":"CPO","id":"CDR-7"}'
    row = stored(url=f"{HUB}/receiver/cdrs", method="POST", request=body)
    assert (row["object_key"], row["object_id"]) == ("cdrs/de/cpo/cdr-7", "cdr-7")


def test_the_code_of_a_long_answer_stands_at_its_end() -> None:
    said = (
        b'{"data":[' + b"1," * 9000 + b'1],"status_code":1000,"timestamp":"2026-01-01T00:00:00Z"}'
    )
    row = stored(response=said)
    assert (row["status_code"], row["failed"]) == (1000, False)
