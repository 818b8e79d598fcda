"""Numbers are exact whoever wrote them, and what only looks like one is refused."""

from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from ocpi.spec.cdrs import CDR
from ocpi.spec.locations import AdditionalGeoLocation, GeoLocation, Location
from ocpi.spec.reading import dump, problems, read
from ocpi.spec.tariffs import TariffRestrictions
from ocpi.spec.types import OCPIModel, Price
from tests.ocpi.spec import samples


def refusal(model: type[OCPIModel], given: Any) -> str:
    with pytest.raises(ValidationError) as error:
        read(model, given)
    return problems(error.value)


@pytest.mark.req("TY-08")
@pytest.mark.parametrize(
    ("sent", "number", "tolerated"),
    [
        (Decimal("0.10"), Decimal("0.10"), []),
        (1, Decimal(1), []),
        (Decimal("-4.123456789"), Decimal("-4.123456789"), []),
        ("4.50", Decimal("4.50"), ["IP-20 number: excl_vat"]),
        ("-1e3", Decimal(-1000), ["IP-20 number: excl_vat"]),
        (0.1, Decimal("0.1"), []),
    ],
)
@pytest.mark.pitfall("IP-20")
def test_a_number_is_read_exactly(sent: Any, number: Decimal, tolerated: list[str]) -> None:
    notes: list[str] = []
    assert read(Price, {"excl_vat": sent}, notes).excl_vat == number
    assert notes == tolerated


@pytest.mark.parametrize(
    "sent",
    [
        True,
        "4,00",
        "",
        "NaN",
        "Infinity",
        "1e31",
        "1e-31",
        "1e9999999999",
        "٣",
        " 1",
        "1" * 65,
        Decimal("NaN"),
        Decimal("Infinity"),
        Decimal("1E+31"),
        float("inf"),
        [1],
    ],
)
@pytest.mark.pitfall("IP-20")
@pytest.mark.threat("TA-20")
def test_what_is_no_number_is_refused(sent: Any) -> None:
    sentence = refusal(Price, {"excl_vat": sent})
    assert sentence.startswith("excl_vat") or sentence == "excl_vat: is required"


@pytest.mark.req("TY-08")
@pytest.mark.parametrize(
    ("sent", "number", "tolerated"),
    [
        (300, 300, []),
        (Decimal("1.0"), 1, ["IP-20 integer: min_duration"]),
        ("300", 300, ["IP-20 number: min_duration"]),
        ("300.0", 300, ["IP-20 number: min_duration"]),
    ],
)
def test_a_whole_number_may_be_written_with_decimals_or_as_text(
    sent: Any, number: int, tolerated: list[str]
) -> None:
    notes: list[str] = []
    assert read(TariffRestrictions, {"min_duration": sent}, notes).min_duration == number
    assert notes == tolerated


@pytest.mark.parametrize("sent", [True, Decimal("1.5"), "1.5", "many", 1.5])
def test_what_is_no_whole_number_is_refused(sent: Any) -> None:
    sentence = refusal(TariffRestrictions, {"min_duration": sent})
    assert sentence == "min_duration: is no whole number"


@pytest.mark.parametrize("sent", ["true", "false", 0, 1, Decimal(1)])
@pytest.mark.pitfall("IP-20")
def test_a_boolean_is_true_or_false_and_no_word_or_number_for_it(sent: Any) -> None:
    sentence = refusal(Location, samples.location(publish=sent))
    assert sentence == "publish: is neither true nor false"


@pytest.mark.req("LO-22")
@pytest.mark.parametrize(
    ("sent", "read_as", "noted"),
    [
        ("52.01160", "52.01160", False),
        ("52.0116012", "52.0116012", False),
        ("52.01", "52.01000", True),
        ("-52", "-52.00000", True),
        ("52.01160129", "52.0116012", True),
        (Decimal("52.0116"), "52.01160", True),
        (Decimal("5.2E-7"), "0.0000005", True),
        (52, "52.00000", True),
    ],
)
@pytest.mark.pitfall("IP-20")
def test_a_coordinate_gets_five_to_seven_decimals(sent: Any, read_as: str, *, noted: bool) -> None:
    notes: list[str] = []
    place = read(GeoLocation, {"latitude": sent, "longitude": "4.35706"}, notes)
    assert place.latitude == read_as
    assert notes == (["IP-20 coordinate: latitude"] if noted else [])


@pytest.mark.req("LO-22")
def test_a_coordinate_is_no_longer_than_its_column_and_nobody_is_blamed_for_that() -> None:
    notes: list[str] = []
    place = read(GeoLocation, {"latitude": "-33.8688197", "longitude": "-122.4194155"}, notes)
    assert (place.latitude, place.longitude) == ("-33.868819", "-122.419415")
    assert notes == []


@pytest.mark.req("LO-22")
@pytest.mark.parametrize(
    "sent", ["", "52,01160", "152.01160", "N52.01160", "1e5", True, "٥٢.01160"]
)
def test_what_is_no_latitude_is_refused(sent: Any) -> None:
    sentence = refusal(AdditionalGeoLocation, {"latitude": sent, "longitude": "4.35706"})
    assert sentence == "latitude: is no coordinate with a dot and five to seven decimals"


@pytest.mark.pitfall("IP-36")
def test_a_credit_may_be_negative() -> None:
    cost = {"excl_vat": Decimal("-3.80"), "incl_vat": Decimal("-4.60")}
    assert dump(read(CDR, samples.cdr(total_cost=cost)))["total_cost"] == cost


@pytest.mark.req("TY-13")
def test_a_price_needs_its_amount_without_vat_and_leaves_vat_unsaid() -> None:
    assert refusal(Price, {"incl_vat": 1}) == "excl_vat: is required"
    assert read(Price, {"excl_vat": 1}).incl_vat is None
