"""What a strict receiver would refuse is known before it is sent."""

from decimal import Decimal
from typing import Any

import pytest

from ocpi.spec.cdrs import CDR, CdrDimension
from ocpi.spec.chargingprofiles import ChargingProfile
from ocpi.spec.credentials import Credentials
from ocpi.spec.hubclientinfo import ClientInfo
from ocpi.spec.kinds import FAULTS, Tolerance
from ocpi.spec.locations import EVSE, EnergyMix, Hours, Location, PublishTokenType, StatusSchedule
from ocpi.spec.reading import defects, read
from ocpi.spec.sessions import Session
from ocpi.spec.tariffs import Tariff, TariffRestrictions
from ocpi.spec.tokens import Token
from ocpi.spec.types import DisplayText, OCPIModel
from ocpi.spec.versions import VersionDetails
from tests.ocpi.spec import samples

EVSES = samples.location()["evses"]
CONNECTORS = EVSES[0]["connectors"]
ROLES = samples.credentials()["roles"]
HOURS = {"weekday": 1, "period_begin": "08:00", "period_end": "20:00"}
DAY = {"period_begin": "2026-01-02T00:00:00Z", "period_end": "2026-01-03T00:00:00Z"}
BACKWARDS = {"period_begin": DAY["period_end"], "period_end": DAY["period_begin"]}


def endpoint(identifier: str, role: str) -> dict[str, str]:
    return {"identifier": identifier, "role": role, "url": f"https://example.org/{role}"}


def period(clock: str) -> dict[str, Any]:
    first: dict[str, Any] = samples.cdr()["charging_periods"][0]
    return first | {"start_date_time": f"2026-01-02T{clock}:05Z"}


@pytest.mark.parametrize(
    ("model", "sample"),
    [
        (Location, samples.location()),
        (Location, samples.location(name=None)),
        (Location, samples.location(an_unknown_member=1)),
        (Location, read(Location, samples.location())),
        (Tariff, samples.tariff()),
        (Session, samples.session()),
        (CDR, samples.cdr()),
        (CDR, samples.cdr(id="C" * 39, credit=True, credit_reference_id="C1")),
        (Token, samples.token(language="de")),
        (Credentials, samples.credentials()),
        (Hours, {"twentyfourseven": True, "exceptional_closings": [DAY]}),
        (Hours, {"twentyfourseven": False, "regular_hours": [HOURS]}),
        (StatusSchedule, DAY | {"status": "CHARGING"}),
        (
            EnergyMix,
            {"is_green_energy": True, "energy_sources": [{"source": "WIND", "percentage": 100}]},
        ),
        (PublishTokenType, {"group_id": "G1"}),
        (TariffRestrictions, {"start_time": "23:30", "start_date": "2026-12-31"}),
        (
            ChargingProfile,
            {
                "charging_rate_unit": "W",
                "min_charging_rate": Decimal("6.10"),
                "charging_profile_period": [{"start_period": 0, "limit": 16}],
            },
        ),
        (
            VersionDetails,
            {
                "version": "2.2.1",
                "endpoints": [endpoint("tokens", "SENDER"), endpoint("tokens", "RECEIVER")],
            },
        ),
    ],
)
def test_what_keeps_every_rule_has_no_defect(model: type[OCPIModel], sample: Any) -> None:
    assert defects(sample, model) == []


@pytest.mark.req("VE-06", "CR-25", "LO-17", "LO-18", "LO-20", "LO-21", "LO-25", "LO-26", "TY-12")
@pytest.mark.parametrize(
    ("model", "sample", "found"),
    [
        (Location, samples.location(id="L" * 37), "id: is longer than OCPI 2.2.1 allows"),
        (
            Location,
            samples.location(country_code="N1"),
            "the document: country_code 'N1' is not two letters",
        ),
        (
            Location,
            samples.location(party_id="AB"),
            "the document: party_id 'AB' is not three letters or digits",
        ),
        (
            Location,
            samples.location(country="NL"),
            "the document: country 'NL' is not three capital letters (ISO 3166-1 alpha-3)",
        ),
        (
            Location,
            samples.location(time_zone="CET time"),
            "the document: time_zone 'CET time' is no IANA name (LO-21)",
        ),
        (
            Location,
            samples.location(publish_allowed_to=[{"group_id": "G1"}]),
            "the document: publish_allowed_to is given though publish is true (LO-17)",
        ),
        (
            Location,
            samples.location(evses=EVSES * 2),
            "the document: the EVSE e1 is given more than once",
        ),
        (
            EVSE,
            EVSES[0] | {"connectors": CONNECTORS * 2},
            "the document: the Connector 1 is given more than once",
        ),
        (EVSE, EVSES[0] | {"status": "FREE"}, "status: is a value that OCPI 2.2.1 doesn't know"),
        (EVSE, EVSES[0] | {"connectors": []}, "connectors: needs at least one item"),
        (
            Location,
            samples.location(opening_times={"twentyfourseven": False}),
            "opening_times: regular_hours are missing though twentyfourseven is false (LO-25)",
        ),
        (
            Hours,
            {"twentyfourseven": True, "regular_hours": [HOURS]},
            "the document: regular_hours are given though twentyfourseven is true (LO-25)",
        ),
        (
            Hours,
            {"twentyfourseven": False, "regular_hours": [HOURS | {"weekday": 0}]},
            "regular_hours.0: weekday 0 is not from 1 (Monday) to 7 (LO-26)",
        ),
        (
            Hours,
            {"twentyfourseven": False, "regular_hours": [HOURS | {"period_end": "24:00"}]},
            "regular_hours.0: period_end '24:00' is no time of day, HH:MM",
        ),
        (
            Hours,
            {"twentyfourseven": False, "regular_hours": [HOURS | {"period_end": "08:00"}]},
            "regular_hours.0: the period ends at 08:00, not after its begin (LO-26)",
        ),
        (
            Hours,
            {"twentyfourseven": True, "exceptional_closings": [BACKWARDS]},
            "exceptional_closings.0: period_end is not after period_begin",
        ),
        (
            StatusSchedule,
            BACKWARDS | {"status": "CHARGING"},
            "the document: period_end is not after period_begin",
        ),
        (
            PublishTokenType,
            {"issuer": "XYZ"},
            "the document: none of uid, visual_number and group_id is set (LO-18)",
        ),
        (PublishTokenType, {"uid": "1"}, "the document: uid is set without type (LO-18)"),
        (
            PublishTokenType,
            {"visual_number": "1"},
            "the document: visual_number is set without issuer (LO-18)",
        ),
        (
            EnergyMix,
            {
                "is_green_energy": True,
                "energy_sources": [{"source": "WIND", "percentage": Decimal("100.5")}],
            },
            "energy_sources.0: percentage 100.5 is not from 0 to 100",
        ),
        (
            DisplayText,
            {"language": "EN", "text": "Hello"},
            "the document: language 'EN' is not two small letters (ISO 639-1)",
        ),
        (
            DisplayText,
            {"language": "en", "text": "a <b>bold</b> claim"},
            "the document: text holds markup (TY-12)",
        ),
        (
            VersionDetails,
            {"version": "2.2.1", "endpoints": [endpoint("tokens", "SENDER")] * 2},
            "the document: the endpoint tokens SENDER is given more than once",
        ),
        (
            Credentials,
            samples.credentials(roles=[*ROLES, ROLES[0] | {"party_id": "abc"}]),
            "the document: the role CPO NL-ABC is given more than once",
        ),
        (
            Credentials,
            samples.credentials(token="x" * 65),
            "token: is longer than OCPI 2.2.1 allows",
        ),
        (
            ClientInfo,
            {
                "party_id": "ABC",
                "country_code": "12",
                "role": "CPO",
                "status": "CONNECTED",
                "last_updated": "2026-01-02T03:04:05Z",
            },
            "the document: country_code '12' is not two letters",
        ),
        (
            Session,
            samples.session(currency="eur"),
            "the document: currency 'eur' is not three capital letters (ISO 4217)",
        ),
        (Session, samples.session(kwh="1.5"), "kwh: is a number written as text"),
        (
            Session,
            samples.session(status="RESERVED"),
            "status: is RESERVED, which OCPI 2.2.1 calls RESERVATION",
        ),
        (
            CDR,
            samples.cdr(credit=True),
            "the document: credit_reference_id is missing in a credit CDR",
        ),
        (
            CDR,
            samples.cdr(id="C" * 37),
            "the document: id is longer than 36, which only a credit CDR's may be",
        ),
        (
            CDR,
            samples.cdr(end_date_time="2026-01-01T00:00:00Z"),
            "the document: end_date_time is before start_date_time",
        ),
        (
            Session,
            samples.session(end_date_time="2015-01-01T00:00:00Z"),
            "the document: end_date_time is before start_date_time",
        ),
        (
            CDR,
            samples.cdr(total_time=Decimal(-1), total_parking_time=Decimal("-0.5")),
            [
                "the document: total_time -1 is negative",
                "the document: total_parking_time -0.5 is negative",
            ],
        ),
        (
            CDR,
            samples.cdr(charging_periods=[period("03:30"), period("03:20")]),
            "the document: charging_periods are not in order of time (CD-17)",
        ),
        (
            CDR,
            samples.cdr(charging_periods=[period("03:03")]),
            "the document: charging_periods begin before start_date_time (CD-17)",
        ),
        (
            CDR,
            samples.cdr(cdr_location=samples.cdr()["cdr_location"] | {"connector_id": "#NA"}),
            "the document: cdr_location.connector_id is #NA though the vehicle charged (CD-16)",
        ),
        (
            CdrDimension,
            {"type": "STATE_OF_CHARGE", "volume": 101},
            "the document: STATE_OF_CHARGE 101 is not from 0 to 100",
        ),
        (
            TariffRestrictions,
            {"end_time": "7:00"},
            "the document: end_time '7:00' is no time of day, HH:MM",
        ),
        (
            TariffRestrictions,
            {"end_date": "2026-13-01"},
            "the document: end_date '2026-13-01' is no date, YYYY-MM-DD",
        ),
        (
            TariffRestrictions,
            {"start_date": "0024-01-01"},
            "the document: start_date '0024-01-01' is no date, YYYY-MM-DD",
        ),
        (
            ChargingProfile,
            {"charging_rate_unit": "A", "min_charging_rate": Decimal("6.25")},
            "the document: min_charging_rate 6.25 has more than one decimal",
        ),
        (
            ChargingProfile,
            {
                "charging_rate_unit": "A",
                "charging_profile_period": [{"start_period": 0, "limit": Decimal("6.25")}],
            },
            "charging_profile_period.0: limit 6.25 has more than one decimal",
        ),
    ],
)
def test_a_broken_rule_is_found(
    model: type[OCPIModel], sample: Any, found: str | list[str]
) -> None:
    assert defects(sample, model) == ([found] if isinstance(found, str) else found)


@pytest.mark.req("CD-16")
def test_a_cdr_of_a_reservation_without_charging_may_leave_the_evse_open() -> None:
    nowhere = {"evse_uid": "#NA", "evse_id": "#NA", "connector_id": "#NA"}
    reserved = period("03:30") | {"dimensions": [{"type": "RESERVATION_TIME", "volume": 1}]}
    place = samples.cdr()["cdr_location"] | nowhere
    sample = samples.cdr(cdr_location=place, charging_periods=[reserved], total_energy=0)
    assert defects(sample, CDR) == []


@pytest.mark.req("SE-18")
@pytest.mark.parametrize("unknown", ["evse_uid", "connector_id"])
def test_only_a_reservation_or_what_became_of_one_unused_has_no_evse(unknown: str) -> None:
    told = "the document: evse_uid or connector_id is #NA though it is no reservation (SE-18)"
    for status, kwh, found in (
        ("ACTIVE", 0, [told]),
        ("PENDING", 0, [told]),
        ("COMPLETED", 1, [told]),
        ("COMPLETED", 0, []),
        ("RESERVATION", 0, []),
        ("INVALID", 1, []),
    ):
        sample = samples.session(status=status, kwh=kwh, **{unknown: "#NA"})
        assert (status, defects(sample, Session)) == (status, found)


def test_all_defects_are_found_at_once_also_beside_a_refusal() -> None:
    sample = samples.location(city="x" * 46, evses=[], publish="true")
    assert defects(sample, Location) == [
        "publish: is neither true nor false",
        "city: is longer than OCPI 2.2.1 allows",
    ]


def test_every_tolerance_is_told_in_words() -> None:
    assert set(FAULTS) == set(Tolerance)
    # What they say must be no refusal: the lint of Tariffs tells the two apart by their words.
    assert not [each for each in FAULTS.values() if ": " in each or "is no number" in each]
