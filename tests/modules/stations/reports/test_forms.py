"""What may be reported, and the sentence that a wrong report gets: field and rule."""

from datetime import UTC, datetime
from typing import Any

import pytest

from modules.stations.reports.examples import EXAMPLES
from modules.stations.reports.forms import (
    FORMS,
    StartReport,
    read_documents,
    read_report,
    reading_of,
)
from ocpi.errors import InvalidParameters, NotJSON

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
START = {"type": "start", "transaction_id": "t", "evse_uid": "E"}
METER = {"type": "meter", "transaction_id": "t"}
SIGNED = {"nature": "END", "plain_data": "x", "signed_data": "x"}
STOP = {"type": "stop", "transaction_id": "t"}

REFUSED: list[tuple[Any, str]] = [
    (None, "one JSON object"),
    ("start", "one JSON object"),
    ([], "one JSON object"),
    ({}, "type: one of status, start, meter"),
    ({"type": ["start"]}, "type: one of"),
    ({"type": "Start"}, "type: one of"),
    ({"type": "start"}, "transaction_id: is required"),
    (START | {"evse_uid": ""}, "evse_uid: "),
    (START | {"evse_uid": "\u00e9"}, "evse_uid: "),
    (START | {"evse_uid": None}, "evse_uid: is required"),
    (START | {"transaction_id": "x" * 37}, "transaction_id: longer than OCPI allows"),
    (START | {"meter_id": "x" * 256}, "meter_id: longer than OCPI allows"),
    (START | {"kwh": -1}, "kwh: Input should be greater than or equal to 0"),
    (START | {"kwh": 10**9}, "kwh: Input should be less than 1000000000"),
    (START | {"kwh": "1,5"}, "kwh: is no number"),
    (START | {"kwh": [1]}, "kwh: is no number"),
    (START | {"kwh": True}, "kwh: is no number"),
    (START | {"at": "yesterday"}, "at: 'yesterday' is no moment"),
    (START | {"at": 1772359200}, "at: is no moment"),
    (START | {"at": "1970-01-01T00:00:09Z"}, "at: 1970-01-01T00:00:09Z is long ago"),
    (START | {"at": "0001-01-01T00:00:00Z"}, "at: 0001-01-01T00:00:00Z is long ago"),
    (START | {"at": "2026-03-01T12:06:00Z"}, "at: 2026-03-01T12:06:00Z is yet to come"),
    (START | {"at": "9999-12-31T23:59:59Z"}, "at: 9999-12-31T23:59:59Z is yet to come"),
    (START | {"token": "04A1"}, "token: is no object"),
    (START | {"token": {"type": "RFID"}}, "token.uid: is required"),
    (START | {"token": {"uid": "x" * 37}}, "token.uid: longer than OCPI allows"),
    (START | {"token": {"uid": "x", "UID": "y"}}, "token.UID: not known in a start report"),
    (START | {"reservation_id": 0}, "reservation_id: "),
    (START | {"reservation_id": 2**31}, "reservation_id: "),
    (START | {"reservation_id": True}, "reservation_id: "),
    (START | {"reservation_id": "7"}, "reservation_id: "),
    (METER | {"kWh": 3}, "kWh: not known in a meter report"),
    (METER | {"state": "DREAMING"}, "state: "),
    (METER | {"power_kw": "much"}, "power_kw: is no number"),
    (STOP | {"signed_data": {"encoding_method": "OCMF"}}, "signed_data.signed_values: is required"),
    (
        STOP
        | {
            "signed_data": {
                "encoding_method": "OCMF",
                "signed_values": [SIGNED | {"signed_data": "x" * 5001}],
            }
        },
        "signed_data.signed_values.0.signed_data: longer than OCPI allows",
    ),
    (STOP | {"start": {"evse_uid": "E"}}, "start.at: is required"),
    (
        STOP | {"start": {"evse_uid": "E", "at": "1999-01-01T00:00:00Z"}},
        "start.at: 1999-01-01T00:00:00Z is long ago",
    ),
    (
        STOP | {"start": {"evse_uid": "E", "at": "2026-01-01T00:00:00Z", "khw": 1}},
        "start.khw: not known in a stop report",
    ),
    ({"type": "boot", "running": "t"} | {"runing": []}, "runing: not known in a boot report"),
    ({"type": "status", "evse_uid": "E"}, "status: is required"),
    ({"type": "profile", "transaction_id": "t"}, "profile: is required"),
    ({"type": "reservation_dropped"}, "reservation_id: is required"),
    ({"type": "result", "result": "ACCEPTED"}, "id: is required"),
]


@pytest.mark.parametrize(("document", "sentence"), REFUSED)
def test_a_wrong_report_is_refused_with_its_field_and_the_rule(
    document: Any, sentence: str
) -> None:
    with pytest.raises(InvalidParameters) as caught:
        read_report(document, NOW)
    assert sentence in caught.value.message


@pytest.mark.parametrize("name", FORMS)
def test_every_form_has_an_example_that_is_taken(name: str) -> None:
    report = read_report(EXAMPLES[name], NOW)
    assert type(report) is FORMS[name]


def test_what_can_be_understood_is_taken() -> None:
    careless = START | {"at": "2026-03-01T11:00:00+01:00", "kwh": "12.50", "transaction_id": 4711}
    report = read_report(careless, NOW)
    assert isinstance(report, StartReport)
    assert (report.transaction_id, report.at) == ("4711", datetime(2026, 3, 1, 10, tzinfo=UTC))
    assert str(reading_of(report)["kwh"]) == "12.50"
    assert read_report(START | {"at": "2026-03-01T12:04:59Z"}, NOW)


def test_a_body_is_one_report_or_a_list_of_at_most_a_thousand() -> None:
    assert read_documents(b'{"type": "boot"}') == [{"type": "boot"}]
    assert read_documents(b"[]") == []
    assert len(read_documents(b"[" + b"1," * 999 + b"1]")) == 1000
    with pytest.raises(InvalidParameters, match="1001 reports are more than 1000"):
        read_documents(b"[" + b"1," * 1000 + b"1]")
    for raw in (b"", b"{", b'"\\u0000"', b'"\xff"', b"[" * 40 + b"]" * 40, b"1e99"):
        with pytest.raises(NotJSON, match="The body is not JSON"):
            read_documents(raw)
