"""Reading forgives what can be understood, says so, and refuses the rest."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from ocpi.spec import document
from ocpi.spec.cdrs import CDR, SignedValue
from ocpi.spec.chargingprofiles import ChargingProfile
from ocpi.spec.commands import CommandResult, StartSession
from ocpi.spec.credentials import Credentials
from ocpi.spec.locations import EVSE, Location, Status
from ocpi.spec.moments import parse_moment
from ocpi.spec.reading import dump, problems, read
from ocpi.spec.sessions import Session, SessionStatus
from ocpi.spec.tariffs import PriceComponent, Tariff
from ocpi.spec.tokens import Token
from ocpi.spec.types import OCPIModel, Price, TokenType
from tests.ocpi.spec import samples

EVSES = samples.location()["evses"]
CONNECTOR = EVSES[0]["connectors"][0]


def refusal(model: type[OCPIModel], given: Any) -> str:
    with pytest.raises(ValidationError) as error:
        read(model, given)
    return problems(error.value)


@pytest.mark.parametrize(
    ("model", "sample"),
    [
        (Location, samples.location()),
        (Session, samples.session()),
        (CDR, samples.cdr()),
        (Token, samples.token()),
        (Credentials, samples.credentials()),
    ],
)
def test_a_faultless_document_needs_no_tolerance_and_comes_back_as_it_was(
    model: type[OCPIModel], sample: dict[str, Any]
) -> None:
    tolerated: list[str] = []
    assert dump(read(model, sample, tolerated)) == sample
    assert tolerated == []


@pytest.mark.req("TY-09")
@pytest.mark.parametrize(
    ("sent", "written", "tolerated"),
    [
        ({"name": None}, {}, ["IP-21 null: name"]),
        ({"images": None}, {}, ["IP-21 null: images"]),
        ({"name": ""}, {}, ["IP-21 empty: name"]),
        ({"operator": {}}, {}, ["IP-21 empty: operator"]),
        ({"operator": []}, {}, ["IP-21 empty: operator"]),
        ({"opening_times": []}, {}, ["IP-21 empty: opening_times"]),
        (
            {"operator": {"name": "x", "logo": {"url": "", "category": "", "type": None}}},
            {"operator": {"name": "x"}},
            [
                "TY-11 url: operator.logo.url",
                "IP-09 enum: operator.logo.category",
                "IP-21 null: operator.logo.type",
                "IP-21 not shown: operator.logo",
            ],
        ),
        (
            {"operator": {"name": "x", "logo": "https://example.org/logo.png"}},
            {"operator": {"name": "x"}},
            ["IP-21 not shown: operator.logo"],
        ),
        ({"facilities": ""}, {}, ["IP-21 empty: facilities"]),
        ({"images": []}, {}, []),
        ({"evses": [None, *EVSES]}, {"evses": EVSES}, ["IP-21 item: evses.0"]),
        ({"evses": EVSES[0]}, {"evses": EVSES}, ["IP-21 single: evses"]),
        ({"facilities": "WIFI"}, {"facilities": ["WIFI"]}, ["IP-21 single: facilities"]),
        (
            {"facilities": ["MOON", "WIFI"]},
            {"facilities": ["MOON", "WIFI"]},
            ["IP-09 enum: facilities.0"],
        ),
        ({"parking_type": "Street"}, {"parking_type": "Street"}, ["IP-09 enum: parking_type"]),
        (
            {"evses": [EVSES[0] | {"status_schedule": None, "floor_level": 2}]},
            {"evses": [EVSES[0] | {"floor_level": "2"}]},
            ["IP-21 null: evses.0.status_schedule", "IP-20 text: evses.0.floor_level"],
        ),
        (
            {"evses": [EVSES[0] | {"connectors": CONNECTOR | {"tariff_ids": [None]}}]},
            {"evses": EVSES},
            ["IP-21 single: evses.0.connectors", "IP-21 item: evses.0.connectors.0.tariff_ids.0"],
        ),
    ],
)
@pytest.mark.pitfall("IP-08", "IP-20", "IP-21")
def test_what_is_careless_is_put_right_and_noted(
    sent: dict[str, Any], written: dict[str, Any], tolerated: list[str]
) -> None:
    notes: list[str] = []
    assert dump(read(Location, samples.location(**sent), notes)) == samples.location(**written)
    assert notes == tolerated


@pytest.mark.req("CM-02")
@pytest.mark.pitfall("IP-21")
@pytest.mark.parametrize(
    ("message", "kept"),
    [
        ("Plug in.", []),
        ([{"text": "Plug in."}], []),
        ([{"language": None, "text": None}], []),
        (["Plug in.", {"language": "en", "text": "Go."}], [{"language": "en", "text": "Go."}]),
    ],
)
def test_a_text_for_people_that_cannot_be_read_costs_nobody_the_result(
    message: Any, kept: list[Any]
) -> None:
    notes: list[str] = []
    told = read(CommandResult, {"result": "ACCEPTED", "message": message}, notes)
    assert dump(told) == {"result": "ACCEPTED"} | ({"message": kept} if kept else {})
    assert notes[-1] == "IP-21 not shown: message"


@pytest.mark.req("TY-10")
@pytest.mark.parametrize("name", ["country_code", "id", "coordinates", "publish", "last_updated"])
def test_a_required_field_that_is_missing_or_null_is_refused(name: str) -> None:
    sample = samples.location()
    assert refusal(Location, sample | {name: None}) == f"{name}: is required"
    del sample[name]
    assert refusal(Location, sample) == f"{name}: is required"


@pytest.mark.req("TY-10")
@pytest.mark.parametrize("connectors", [[], [None]])
def test_a_list_that_needs_an_item_is_refused_without(connectors: list[Any]) -> None:
    sentence = refusal(EVSE, EVSES[0] | {"connectors": connectors})
    assert sentence == "connectors: needs at least one item"


@pytest.mark.parametrize("given", [None, [], "x", 1])
def test_what_is_no_object_is_refused(given: Any) -> None:
    assert refusal(Location, given) == "the document: is no object"


@pytest.mark.req("TY-04")
@pytest.mark.pitfall("IP-22")
def test_text_is_kept_up_to_four_times_its_length() -> None:
    notes: list[str] = []
    long = "é" * 180
    assert read(Location, samples.location(city=long), notes).city == long
    assert notes == ["IP-22 length: city"]
    sentence = refusal(Location, samples.location(city=long + "é"))
    assert sentence == "city: is not text of at most 180 characters without control characters"


@pytest.mark.req("TY-01", "TY-02")
@pytest.mark.parametrize(
    ("field", "sent"),
    [
        ("city", "a\nb"),
        ("city", "a\tb"),
        ("city", "a\0b"),
        ("city", "a\x85b"),
        ("city", "a\ud800b"),
        ("city", True),
        ("id", ""),
        ("id", "é"),
        ("id", "a\n"),
        ("country_code", "N\u0130"),
    ],
)
@pytest.mark.pitfall("IP-22")
def test_control_characters_and_ids_beyond_ascii_are_refused(field: str, sent: Any) -> None:
    assert refusal(Location, samples.location(**{field: sent})).startswith(f"{field}: is not text")


@pytest.mark.pitfall("IP-22")
def test_signed_data_may_hold_line_breaks_but_no_nul() -> None:
    signed = {"nature": "Start", "plain_data": "a\r\n\tb", "signed_data": "x\n"}
    assert dump(read(SignedValue, signed)) == signed
    assert refusal(SignedValue, signed | {"plain_data": "\0"}).startswith("plain_data: is not text")


@pytest.mark.req("TY-11")
def test_a_url_that_is_only_shown_is_kept_and_one_that_is_called_must_be_absolute() -> None:
    notes: list[str] = []
    operator = {"name": "ABC", "website": "www.example.org"}
    read(Location, samples.location(operator=operator), notes)
    assert notes == ["TY-11 url: operator.website"]
    for url in ("www.example.org", "ftp://example.org", "https://", "https://a b", ""):
        sentence = refusal(Credentials, samples.credentials(url=url))
        assert sentence == "url: is not an absolute http(s) URL of at most 1020 characters"


@pytest.mark.req("CR-24")
@pytest.mark.parametrize("sent", ["", "a b", "é", "a\n", "x" * 257])
def test_a_credentials_token_is_visible_ascii(sent: str) -> None:
    assert refusal(Credentials, samples.credentials(token=sent)) == (
        "token: is not text of 1 to 256 visible ASCII characters, no blank among them"
    )


@pytest.mark.req("CR-25")
def test_credentials_without_a_role_are_refused() -> None:
    sentence = refusal(Credentials, samples.credentials(roles=[]))
    assert sentence == "roles: needs at least one item"


@pytest.mark.req("TY-03", "TY-15")
@pytest.mark.pitfall("IP-09")
def test_enums_are_exact_and_a_value_that_is_unknown_stays_text() -> None:
    notes: list[str] = []
    known = read(EVSE, EVSES[0], notes)
    assert (known.status, notes) == (Status.AVAILABLE, [])
    assert isinstance(known.status, Status)
    other = read(EVSE, EVSES[0] | {"status": "available"}, notes)
    assert (other.status, notes) == ("available", ["IP-09 enum: status"])
    assert not isinstance(other.status, Status)
    assert refusal(EVSE, EVSES[0] | {"status": 1}) == "status: is no Status"


def test_a_reserved_session_is_one_in_reservation() -> None:
    notes: list[str] = []
    session = read(Session, samples.session(status="RESERVED"), notes)
    assert (session.status, notes) == (SessionStatus.RESERVATION, ["AT-52 alias: status"])
    assert dump(session)["status"] == "RESERVATION"


def test_the_unit_of_a_charging_profile_is_known_or_the_profile_refused() -> None:
    sentence = refusal(ChargingProfile, {"charging_rate_unit": "kW"})
    assert sentence == "charging_rate_unit: Input should be 'W' or 'A'"


def test_a_connector_cannot_be_started_without_its_evse() -> None:
    start = {
        "response_url": "https://example.org/1",
        "token": samples.token(),
        "location_id": "LOC1",
        "connector_id": "1",
    }
    assert refusal(StartSession, start) == "the document: connector_id is given without evse_uid"
    assert read(StartSession, start | {"evse_uid": "E1"}).connector_id == "1"


@pytest.mark.req("TY-05", "TY-06")
@pytest.mark.pitfall("IP-08")
def test_a_moment_in_another_form_is_read_and_noted() -> None:
    notes: list[str] = []
    session = read(Session, samples.session(last_updated="2026-01-02 05:04:05+02:00"), notes)
    assert session.last_updated == parse_moment("2026-01-02T03:04:05Z")
    assert notes == ["IP-08 moment: last_updated"]
    assert dump(session) == samples.session()


@pytest.mark.parametrize("sent", ["yesterday", 1767323045])
@pytest.mark.pitfall("IP-08")
def test_what_is_no_moment_is_refused(sent: Any) -> None:
    sentence = refusal(Session, samples.session(last_updated=sent))
    assert "is no moment such as 2026-01-02T03:04:05Z" in sentence


_TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
_MEMBERS = st.dictionaries(
    _TEXTS.map(lambda name: f"x_{name}"),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.decimals(places=6) | _TEXTS,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=3),
        max_leaves=6,
    ),
    max_size=4,
)


@pytest.mark.req("TY-14")
@settings(deadline=None)
@given(_MEMBERS)
@pytest.mark.pitfall("IP-10")
def test_unknown_members_survive_on_every_level(members: dict[str, Any]) -> None:
    connector = CONNECTOR | members
    evse = EVSES[0] | {"connectors": [connector]} | members
    place = samples.location()["coordinates"] | members
    location = samples.location(evses=[evse], coordinates=place) | members
    assert dump(read(Location, location)) == location


@pytest.mark.req("TY-14")
@pytest.mark.parametrize(
    "sent", ["a\0", ["a\ud800"], {"a": {"b": "x" * 16_385}}, [{"k": ["ok", "\0"]}]]
)
@pytest.mark.threat("TA-20")
def test_unknown_members_hold_nothing_that_would_do_harm(sent: Any) -> None:
    assert refusal(Price, {"excl_vat": 1, "x": sent}) == (
        "x: holds NUL, a lone surrogate, or more than 16384 characters"
    )


def test_reading_leaves_the_document_as_it_was() -> None:
    sent = samples.location(name=None, evses=EVSES[0])
    before = document.encode(sent)
    read(Location, sent)
    assert document.encode(sent) == before


def test_our_own_code_makes_objects_of_values_as_they_are() -> None:
    component = PriceComponent(type="ENERGY", price=Decimal("0.25"), step_size=1)
    assert dump(component) == {"type": "ENERGY", "price": Decimal("0.25"), "step_size": 1}
    assert (
        dump(
            Token(
                country_code="DE",
                party_id="XYZ",
                uid="0123",
                type=TokenType.RFID,
                contract_id="DEXYZ1",
                issuer="XYZ",
                valid=True,
                whitelist="ALLOWED",
                last_updated=parse_moment("2026-01-02T03:04:05Z"),
            )
        )
        == samples.token()
    )


def test_the_schema_for_people_says_what_the_specification_says() -> None:
    schema = Location.model_json_schema()["properties"]
    assert schema["city"]["maxLength"] == 45
    assert schema["last_updated"] == {
        "format": "date-time",
        "title": "Last Updated",
        "type": "string",
    }
    assert Price.model_json_schema()["properties"]["excl_vat"]["type"] == "number"


@pytest.mark.parametrize("name", [".", "..", "../A", "A/..", "A\\..\\B", "..;x"])
@pytest.mark.parametrize(
    ("model", "sample", "field"),
    [
        (Location, samples.location(), "id"),
        (EVSE, EVSES[0], "uid"),
        (Session, samples.session(), "id"),
        (Tariff, samples.tariff(), "id"),
        (Token, samples.token(), "uid"),
    ],
)
@pytest.mark.threat("TA-06")
def test_an_id_that_leads_out_of_its_objects_url_is_refused(
    model: type[OCPIModel], sample: dict[str, Any], field: str, name: str
) -> None:
    due = f"{field}: has . or .. for a name, which no URL can carry"
    assert refusal(model, {**sample, field: name}) == due
    for fine in ("...", ".A", "A..B", "%2e%2e", "A/.B"):
        assert getattr(read(model, {**sample, field: fine}), field) == fine
