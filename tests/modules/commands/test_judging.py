"""Whether a command is accepted, from what is known alone."""

from datetime import UTC, datetime
from typing import Any

import pytest

from modules.commands.judging import ACCEPTED, Command, Scene, judge, spelled_place
from modules.locations.parts import Place
from ocpi.errors import InvalidParameters, UnknownLocation
from ocpi.spec.commands import (
    CancelReservation,
    ReserveNow,
    StartSession,
    StopSession,
    UnlockConnector,
)
from ocpi.spec.reading import read
from ocpi.testing import samples
from tests.modules.commands.floor import (
    EVERYTHING,
    OTHER,
    cancel,
    codes_of,
    reserve,
    start,
    stop,
    token,
    unlock,
)

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
LOCATION = samples.location(
    evses=[
        samples.evse(1, capabilities=list(EVERYTHING)),
        samples.evse(2, capabilities=["RFID_READER"]),
        samples.evse(3, status="REMOVED"),
        samples.evse(4, capabilities=[]),
        samples.evse(5, capabilities=[*EVERYTHING, "START_SESSION_CONNECTOR_REQUIRED"]),
    ]
)
WITHOUT_EVSES = samples.location(evses=[])
UNABLE = samples.location(evses=[samples.evse(2, capabilities=["RFID_READER"])])
SESSION = samples.session()


def scene(**over: Any) -> Scene:
    known = {"location": LOCATION, "session": SESSION, "parties": {"de*msp", "de*two"}, "now": NOW}
    return Scene(**{**known, **over})


STARTS = [
    (start(), "ACCEPTED"),
    (start(connector_id="1"), "ACCEPTED"),
    (start(evse_uid="evse-1", location_id="loc-1"), "ACCEPTED"),
    (start(evse_uid=None), "ACCEPTED"),
    (start(evse_uid="EVSE-2"), "NOT_SUPPORTED"),
    (start(evse_uid="EVSE-3"), "REJECTED"),
    (start(evse_uid="EVSE-4"), "ACCEPTED"),
    (start(evse_uid="EVSE-5", connector_id="2"), "ACCEPTED"),
    (start(token=token(OTHER)), "REJECTED"),
    (start(token=token(party_id="TWO")), "ACCEPTED"),
    (start(token=token(country_code="de", party_id="msp")), "ACCEPTED"),
    (start(token=token(valid=False, whitelist="NEVER")), "ACCEPTED"),
    (start(token=token(type="APP_USER", uid="never-pushed")), "ACCEPTED"),
]


@pytest.mark.req("CM-06", "CM-14", "CM-18")
@pytest.mark.parametrize(("body", "result"), STARTS)
def test_a_start_depends_on_the_evse_and_on_whose_token_it_is(
    body: dict[str, Any], result: str
) -> None:
    assert judge(read(StartSession, body), scene()).result == result


@pytest.mark.req("CM-18")
def test_a_connector_is_needed_where_the_evse_says_so() -> None:
    wanted = read(StartSession, start(evse_uid="EVSE-5"))
    with pytest.raises(InvalidParameters, match="connector_id: is required"):
        judge(wanted, scene())


@pytest.mark.req("CM-06", "CM-14")
@pytest.mark.parametrize(
    ("body", "result"),
    [
        (reserve(), "ACCEPTED"),
        (reserve(evse_uid=None), "ACCEPTED"),
        (reserve(evse_uid="EVSE-2"), "NOT_SUPPORTED"),
        (reserve(evse_uid="EVSE-3"), "REJECTED"),
        (reserve(evse_uid="EVSE-4"), "ACCEPTED"),
        (reserve(token=token(OTHER)), "REJECTED"),
        (reserve(token=token(valid=False)), "ACCEPTED"),
        (reserve(expiry_date="2026-06-01T12:00:00Z"), "REJECTED"),
        (reserve(expiry_date="2026-06-01T12:00:01Z"), "ACCEPTED"),
        (reserve(expiry_date="2026-06-01T13:59:59+02:00"), "REJECTED"),
    ],
)
def test_a_reservation_depends_on_the_evse_the_token_and_the_time(
    body: dict[str, Any], result: str
) -> None:
    assert judge(read(ReserveNow, body), scene()).result == result


@pytest.mark.req("CM-05")
@pytest.mark.parametrize(
    ("session", "result"),
    [
        (SESSION, "ACCEPTED"),
        (samples.session(status="PENDING"), "ACCEPTED"),
        (samples.session(status="COMPLETED"), "REJECTED"),
        (samples.session(status="INVALID"), "REJECTED"),
        (samples.session(cdr_token=samples.cdr_token(**codes_of(OTHER))), "UNKNOWN_SESSION"),
        (samples.session(evse_uid="EVSE-2"), "NOT_SUPPORTED"),
        (samples.session(evse_uid="EVSE-9"), "ACCEPTED"),
        (None, "UNKNOWN_SESSION"),
    ],
)
def test_a_stop_depends_on_the_session(session: dict[str, Any] | None, result: str) -> None:
    verdict = judge(read(StopSession, stop()), scene(session=session))
    assert verdict.result == result
    assert (verdict.reason is None) == (result == "ACCEPTED")


@pytest.mark.req("CM-06")
@pytest.mark.parametrize(
    ("evse_uid", "result"),
    [
        ("EVSE-1", "ACCEPTED"),
        ("EVSE-2", "NOT_SUPPORTED"),
        ("EVSE-3", "REJECTED"),
        ("EVSE-4", "ACCEPTED"),
    ],
)
def test_unlocking_depends_on_the_evse(evse_uid: str, result: str) -> None:
    assert judge(read(UnlockConnector, unlock(evse_uid=evse_uid)), scene()).result == result


def test_a_cancellation_is_always_taken() -> None:
    assert judge(read(CancelReservation, cancel()), scene(location=None)) == ACCEPTED


@pytest.mark.parametrize(
    ("wanted", "location"),
    [
        (read(StartSession, start()), None),
        (read(StartSession, start(evse_uid="EVSE-9")), LOCATION),
        (read(StartSession, start(connector_id="9")), LOCATION),
        (read(ReserveNow, reserve()), None),
        (read(ReserveNow, reserve(evse_uid="EVSE-9")), LOCATION),
        (read(UnlockConnector, unlock()), None),
        (read(UnlockConnector, unlock(connector_id="9")), LOCATION),
    ],
)
def test_a_place_that_is_not_there_is_unknown(
    wanted: Command, location: dict[str, Any] | None
) -> None:
    with pytest.raises(UnknownLocation):
        judge(wanted, scene(location=location))


def test_where_the_station_may_choose_one_evse_that_can_is_enough() -> None:
    wanted = read(StartSession, start(evse_uid=None))
    assert judge(wanted, scene(location=UNABLE)).result == "NOT_SUPPORTED"
    assert judge(wanted, scene(location=WITHOUT_EVSES)).result == "REJECTED"


def test_ids_are_spelled_as_their_owner_spells_them() -> None:
    assert spelled_place(LOCATION, Place("loc-1", "evse-1", "1")) == Place("LOC-1", "EVSE-1", "1")
    assert spelled_place(LOCATION, Place("loc-1")) == Place("LOC-1")
