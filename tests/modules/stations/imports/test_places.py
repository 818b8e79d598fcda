"""Addresses are taken apart, and towns are found."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modules.stations.imports.places import (
    Place,
    Towns,
    city_in_name,
    coordinate,
    parse_address,
    time_zone_at,
)
from modules.stations.imports.records import UnusableError

ADDRESSES = [
    (
        "69 Rue Nicolas Appert, 66000 Perpignan, France",
        Place("69 Rue Nicolas Appert", "66000", "Perpignan"),
    ),
    ("Route De Givry 71390 Buxy", Place("Route De Givry", "71390", "Buxy")),
    (
        "48 Rue Diderot 94300 VINCENNES (94) Île-de-France FRANCE",
        Place("48 Rue Diderot", "94300", "VINCENNES"),
    ),
    (
        "Rue de Longwy, 57650 Fontoy, 57650 FONTOY",
        Place("Rue de Longwy, 57650 Fontoy", "57650", "FONTOY"),
    ),
    (
        "1 RUE DE L'OR - BP 20212, 95712 ROISSY-EN-FRANCE",
        Place("1 RUE DE L'OR - BP 20212", "95712", "ROISSY-EN-FRANCE"),
    ),
    (
        "1 Rue de Hanau, 67350 Val-de-Moder, France 67350 Grand Est",
        Place(
            "1 Rue de Hanau, 67350 Val-de-Moder, France 67350 Grand Est", "67350", "Val-de-Moder"
        ),
    ),
    ("97 Av. Paul Doumer, 24100", Place("97 Av. Paul Doumer, 24100", "24100", None)),
    (
        "Aire de service du Chavanon, , Merlines",
        Place("Aire de service du Chavanon, , Merlines", None, "Merlines"),
    ),
    ("J24C+5J Achères, France", Place("J24C+5J Achères, France", None, "Achères")),
    ("Les Rives, 559 Rte de Thonac", Place("Les Rives, 559 Rte de Thonac", None, None)),
    ("Zac Forum, Rue de la Maladrerie", Place("Zac Forum, Rue de la Maladrerie", None, None)),
    ("Route Nationale 7", Place("Route Nationale 7", None, None)),
    ("*1* 12345 *", Place("*1* 12345 *", "12345", None)),
    ("", Place("", None, None)),
]


@pytest.mark.parametrize(("text", "place"), ADDRESSES)
def test_an_address_tells_street_postal_code_and_town(text: str, place: Place) -> None:
    assert parse_address(text) == place


@given(st.text())
def test_any_address_can_be_taken_apart(text: str) -> None:
    city = parse_address(text).city
    assert city is None or 0 < len(city) <= 45


@pytest.mark.parametrize(
    ("name", "city"),
    [
        ("Montélimar, France", "Montélimar"),
        ("Vélizy, France - Avenue de l'Europe", "Vélizy"),
        ("Carrefour - Bayeux", None),
        ("A7, France", None),
    ],
)
def test_a_town_is_found_in_a_name_that_says_so(name: str, city: str | None) -> None:
    assert city_in_name(name) == city


@pytest.mark.parametrize(
    ("insee", "found"),
    [
        ("75116", ("Paris", "75016")),
        ("69383", ("Lyon", "69003")),
        ("13208", ("Marseille", "13008")),
        ("66136", ("Perpignan", None)),
        ("71070", ("Buxy", "71390")),
        ("36210", (None, None)),
        ("", (None, None)),
    ],
)
def test_a_municipality_is_known_by_arrondissement_or_majority(
    insee: str, found: tuple[str | None, str | None]
) -> None:
    towns = Towns()
    for code, postal_code, city in [
        ("66136", "66000", "Perpignan"),
        ("66136", "66100", "Perpignan"),
        ("71070", "71390", "Buxy"),
        ("36210", "06000", "Nice"),
        ("36210", "02000", "LAON"),
    ]:
        towns.learn(code, Place("", postal_code, city))
    assert towns.find(insee) == found


@pytest.mark.req("LO-22")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("48.97", "48.97000"),
        ("-0.123456789", "-0.1234567"),
        ("2", "2.00000"),
        (" 4,85 ", "4.85000"),
        ("1e-5", "0.00001"),
        ("-21.1151414", "-21.115141"),
    ],
)
def test_a_coordinate_has_five_to_seven_decimals(text: str, expected: str) -> None:
    assert coordinate(text, "latitude", 90) == expected


@pytest.mark.req("LO-22")
def test_a_longitude_may_be_a_character_longer() -> None:
    assert coordinate("-22.4194155", "longitude", 180) == "-22.4194155"
    assert coordinate("-122.4194155", "longitude", 180) == "-122.419415"


@pytest.mark.parametrize("text", [None, "", "NaN", "Infinity", "90.1", "north"])
def test_what_is_no_place_on_earth_is_no_coordinate(text: str | None) -> None:
    with pytest.raises(UnusableError, match=r"latitude: '.*' is no coordinate in degrees"):
        coordinate(text, "latitude", 90)


@pytest.mark.req("LO-21")
@pytest.mark.parametrize(
    ("latitude", "longitude", "zone"),
    [
        ("48.85", "2.35", "Europe/Paris"),
        ("-21.11", "55.53", "Indian/Reunion"),
        ("40.0", "-30.0", None),
        (None, "2.35", None),
        ("inf", "nan", None),
        ("999", "999", None),
    ],
)
def test_the_time_zone_is_that_of_the_place(
    latitude: str | None, longitude: str, zone: str | None
) -> None:
    assert time_zone_at(latitude, longitude) == zone
