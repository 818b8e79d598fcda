"""Which commands stand for an authorization: for whom, where, and for how long."""

from typing import Any

import pytest

from modules.tokens.covering import MINUTE, covers
from modules.tokens.questions import Question
from ocpi.errands import Errand, token_key
from ocpi.spec.document import encode
from ocpi.spec.moments import format_moment, moment_of

NOW = 1_770_000_000_000_000


def command(minutes: float, **over: Any) -> Errand:
    """Give a START_SESSION for LOC-1 and EVSE-1 of so many minutes ago."""
    given: dict[str, Any] = {
        "id": "1",
        "wish": "START_SESSION",
        "partner_id": 1,
        "owner_country_code": "NL",
        "owner_party_id": "TNM",
        "asker_country_code": "DE",
        "asker_party_id": "MSP",
        "location_id": "LOC-1",
        "evse_uid": "EVSE-1",
        "token_key": token_key("A", "RFID"),
        "request": "{}",
        "response_url": "https://emsp.example",
        "correlation_id": "1",
        "created_at": NOW - int(minutes * MINUTE),
        "deadline": NOW,
    }
    return Errand(**{**given, **over})


def asked(kind: str, *place: str | None) -> Question:
    return Question("A", kind, *place)


# Type, place asked at, minutes since the command -> is it covered?
TABLE: list[tuple[str, tuple[str | None, ...], float, bool]] = [
    ("RFID", ("LOC-1", "EVSE-1"), 0, True),
    ("RFID", ("loc-1", "evse-1"), 14.9, True),
    ("RFID", ("LOC-1", "EVSE-1"), 15, False),
    ("RFID", ("LOC-1", None), 1, True),
    ("RFID", ("LOC-1", "EVSE-2"), 1, False),
    ("RFID", ("LOC-2", "EVSE-1"), 1, False),
    ("RFID", (None, None), 1, False),
    ("OTHER", ("LOC-1", "EVSE-1"), 1, True),
    ("OTHER", ("LOC-1", "EVSE-1"), 16, False),
    ("APP_USER", ("LOC-1", "EVSE-1"), 1, True),
    ("APP_USER", ("LOC-1", "EVSE-1"), 120, True),
    ("APP_USER", ("LOC-1", "EVSE-1"), 24 * 60, False),
    ("APP_USER", ("LOC-2", "EVSE-1"), 1, False),
    ("APP_USER", (None, None), 120, True),
    ("AD_HOC_USER", ("LOC-1", None), 120, True),
    ("AD_HOC_USER", ("LOC-1", "EVSE-2"), 1, False),
]


@pytest.mark.req("CM-15", "CM-16")
@pytest.mark.parametrize(("kind", "place", "minutes", "covered"), TABLE)
def test_a_command_covers_its_token_at_its_place(
    kind: str, place: tuple[str | None, ...], minutes: float, *, covered: bool
) -> None:
    assert covers(command(minutes), asked(kind, *place), NOW) == covered


def test_a_command_without_an_evse_covers_the_whole_location() -> None:
    whole = command(1, evse_uid=None)
    assert covers(whole, asked("RFID", "LOC-1", "EVSE-7"), NOW)
    assert not covers(whole, asked("RFID", "LOC-2", "EVSE-7"), NOW)


@pytest.mark.req("CM-15", "CM-16")
def test_a_reservation_holds_for_an_app_until_it_expires() -> None:
    expiry = format_moment(moment_of(NOW + MINUTE))
    reserved = command(3 * 24 * 60, wish="RESERVE_NOW", request=encode({"expiry_date": expiry}))
    assert covers(reserved, asked("APP_USER", "LOC-1"), NOW)
    assert not covers(reserved, asked("APP_USER", "LOC-1"), NOW + 2 * MINUTE)
    assert not covers(reserved, asked("RFID", "LOC-1"), NOW)


@pytest.mark.req("CM-15", "CM-16")
@pytest.mark.parametrize(
    ("result", "covered"),
    [
        ("ACCEPTED", True),
        ("TIMEOUT", True),
        ("REJECTED", False),
        ("FAILED", False),
        ("EVSE_OCCUPIED", False),
    ],
)
def test_a_command_that_the_station_refused_covers_no_app_but_a_card(
    result: str, *, covered: bool
) -> None:
    """After a TIMEOUT it may have reached the station all the same."""
    answered = command(1, result=encode({"result": result}))
    assert covers(answered, asked("APP_USER", "LOC-1", "EVSE-1"), NOW) == covered
    assert covers(answered, asked("RFID", "LOC-1", "EVSE-1"), NOW)


@pytest.mark.req("CM-15", "CM-16")
@pytest.mark.parametrize(("kind", "covered"), [("APP_USER", False), ("RFID", True)])
def test_a_command_that_has_led_to_its_session_covers_no_other_one_of_an_app(
    kind: str, *, covered: bool
) -> None:
    """For a card OCPI wants the eMSP not to be asked again within 15 minutes, whatever begins."""
    used = command(1, session_id="SESSION-1")
    assert covers(used, asked(kind, "LOC-1", "EVSE-1"), NOW) == covered
