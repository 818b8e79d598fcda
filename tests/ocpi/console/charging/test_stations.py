"""The pages of stations: map, list, and one of them whole."""

from __future__ import annotations

import pytest

import modules.locations.finding
import ocpi.recent
from modules.locations.store import locations
from ocpi.editing import object_key
from ocpi.spec.document import decode
from ocpi.testing import samples
from tests.house import CPO, OURS, RECEIVER
from tests.ocpi.console.charging.browsing import Console
from tests.ocpi.console.charging.objects import MARKUP, store_location, store_session, store_tariff

ONE = "/console/stations/NL/TNM/LOC-1"


async def status_of(console: Console, evse: int) -> str:
    text = await locations.text_of(console.database, object_key(OURS, "LOC-1"))
    assert text is not None
    status: str = decode(text)["evses"][evse]["status"]
    return status


async def test_without_stations_the_list_says_how_to_bring_some(console: Console) -> None:
    words = await console.viewer.text("/console/stations")
    assert "There are no stations yet: ocpi station import FILE brings them." in words
    answer = await console.viewer.http.get("/console/stations/points")
    assert answer.json() == {"points": []}


async def test_the_list_finds_by_id_name_address_and_city_whatever_the_case(
    console: Console,
) -> None:
    await store_location(console.database)
    await store_location(console.database, id="HARBOUR", name="Quay 5%", city="Køge")
    for text, found in (
        ("loc-1", ["LOC-1"]),
        ("LINDENHOF", ["LOC-1"]),
        ("Køge", ["HARBOUR"]),
        ("5%", ["HARBOUR"]),
        ("%", ["HARBOUR"]),
        ("Marktplatz", ["HARBOUR", "LOC-1"]),
        ("Marktplatz_4", []),
    ):
        page = await console.viewer.page(f"/console/stations?q={text.replace('%', '%25')}")
        ids = [each for each in ("HARBOUR", "LOC-1") if f"/NL/TNM/{each}" in page]
        assert ids == found, text


async def test_the_list_is_filtered_by_the_status_of_evses(console: Console) -> None:
    await store_location(console.database)
    await store_location(console.database, id="FULL", evses=[samples.evse(1, status="CHARGING")])
    page = await console.viewer.page("/console/stations?status=CHARGING")
    assert "/NL/TNM/FULL" in page
    assert "/NL/TNM/LOC-1" not in page
    assert "1 CHARGING" in await console.viewer.text("/console/stations?status=CHARGING")


async def test_a_status_that_ocpi_does_not_know_is_said_and_what_was_typed_is_kept(
    console: Console,
) -> None:
    page = await console.viewer.page("/console/stations?q=abc&status=GONE", 400)
    assert "status: &#39;GONE&#39; is none of AVAILABLE, BLOCKED" in page
    assert 'value="abc"' in page
    words = await console.viewer.text("/console/stations?before=x", 400)
    assert "before: Input should be a valid integer" in words


async def test_a_search_goes_on_among_older_ones_in_bounded_steps(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ocpi.recent, "WINDOW", 2)
    monkeypatch.setattr(ocpi.recent, "WINDOWS", 2)
    await store_location(console.database, id="OLD")
    for number in range(5):
        await store_location(console.database, id=f"NEW-{number}")
    first = await console.viewer.page("/console/stations?q=OLD")
    assert "/NL/TNM/OLD" not in first
    older = first.split('rel="next"')[0].rpartition('href="')[2].partition('"')[0]
    second = await console.viewer.page(older.replace("&amp;", "&"))
    assert "/NL/TNM/OLD" in second
    assert 'rel="next"' not in second
    assert "To the newest" in second


async def test_points_are_of_all_owners_and_are_told_anew_only_after_a_change(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(modules.locations.finding, "_MOST_POINTS", 1)
    await store_location(console.database, name='Q"ä')
    theirs = samples.location(id="L2", country_code=CPO.country_code, party_id=CPO.party_id)
    del theirs["name"], theirs["evses"]
    pushed = await console.service.cpo.put(f"{RECEIVER}/locations/DE/CPO/L2", json=theirs)
    assert pushed.json()["status_code"] == 1000
    answer = await console.viewer.http.get("/console/stations/points")
    at = ["52.520008", "13.404954"]
    assert answer.json()["points"] == [
        ["NL", "TNM", "LOC-1", 'Q"ä', *at, ["AVAILABLE"] * 3],
        ["DE", "CPO", "L2", None, *at, []],
    ]
    known = {"If-None-Match": answer.headers["etag"]}
    assert (
        await console.viewer.http.get("/console/stations/points", headers=known)
    ).status_code == 304
    await console.operator.send(ONE, evse_uid="EVSE-2", status="CHARGING")
    again = await console.viewer.http.get("/console/stations/points", headers=known)
    assert again.json()["points"][0][-1] == ["AVAILABLE", "CHARGING", "AVAILABLE"]


async def test_a_station_shows_its_evses_its_prices_in_words_and_who_charges_there(
    console: Console,
) -> None:
    await store_location(console.database)
    await store_tariff(console.database)
    await store_session(console.database)
    await store_session(console.database, id="ELSEWHERE", location_id="LOC-10")
    words = await console.viewer.text(ONE)
    assert "1: IEC_62196_T2, socket, AC_3_PHASE, 22.0 kW tariff TARIFF-1" in words
    assert "Energy: EUR 0.50 per kWh, plus 19 % VAT." in words
    assert "Parking time: EUR 2.00 per hour, plus 19 % VAT, in steps of 1 min." in words
    assert "20 kWh within 60 min, from now on, would cost EUR 10.00 without VAT" in words
    assert "Parking is paid for once you are full. (en)" in words
    assert "SESSION-1 ACTIVE" in words
    assert "ELSEWHERE" not in words


async def test_tariffs_that_nothing_chooses_between_are_named_once(console: Console) -> None:
    evse = samples.evse(1)
    evse["connectors"] = [each | {"tariff_ids": ["A", "tariff-1"]} for each in evse["connectors"]]
    await store_location(console.database, evses=[evse])
    await store_tariff(console.database)
    sentence = "and nothing chooses between."
    assert sentence not in await console.viewer.text(ONE)
    await store_tariff(console.database, id="A")
    words = await console.viewer.text(ONE)
    assert f"A and TARIFF-1 are both valid, {sentence}" in words
    assert words.count(sentence) == 1


async def test_a_tariff_that_is_not_here_is_named_as_missing(console: Console) -> None:
    await store_location(console.database)
    assert "TARIFF-1 It is not stored here." in await console.viewer.text(ONE)


async def test_an_operator_sets_a_status_which_partners_will_hear_of(console: Console) -> None:
    await store_location(console.database)
    assert "Set a status" in await console.operator.text(ONE)
    answer = await console.operator.send(ONE, evse_uid="EVSE-2", status="OUTOFORDER")
    assert (answer.status_code, answer.headers["location"]) == (303, ONE)
    assert await status_of(console, 1) == "OUTOFORDER"
    assert "EVSE-2 is OUTOFORDER now." in await console.operator.text(ONE)


async def test_a_status_is_set_whatever_the_id_of_the_location(console: Console) -> None:
    await store_location(console.database, id="A%20B/C?D")
    one = "/console/stations/NL/TNM/A%2520B/C%3FD"
    answer = await console.operator.send(one, evse_uid="EVSE-2", status="OUTOFORDER")
    assert (answer.status_code, answer.headers["location"]) == (303, one)
    assert "EVSE-2 is OUTOFORDER now." in await console.operator.text(one)


async def test_a_viewer_may_not_set_a_status(console: Console) -> None:
    await store_location(console.database)
    assert "Set a status" not in await console.viewer.text(ONE)
    answer = await console.viewer.send(ONE, evse_uid="EVSE-2", status="OUTOFORDER")
    assert answer.status_code == 403
    assert "it takes an operator to do this" in answer.text
    assert await status_of(console, 1) == "AVAILABLE"


async def test_a_form_of_another_site_sets_no_status(console: Console) -> None:
    await store_location(console.database)
    form = {"csrf": "guessed", "evse_uid": "EVSE-2", "status": "OUTOFORDER"}
    assert (await console.operator.http.post(ONE, data=form)).status_code == 403
    assert await status_of(console, 1) == "AVAILABLE"


@pytest.mark.parametrize(
    ("path", "form", "status", "sentence"),
    [
        (ONE, {"evse_uid": "EVSE-2", "status": "GONE"}, 400, "status: &#39;GONE&#39; is none of"),
        (ONE, {"status": "CHARGING"}, 400, "evse_uid: choose the EVSE"),
        (ONE, {"evse_uid": "E9", "status": "CHARGING"}, 404, "There is no LOC-1/E9 to change."),
        ("/console/stations/DE/CPO/L1", {"status": "CHARGING"}, 404, "is no party of ours"),
    ],
)
async def test_a_status_that_cannot_be_set_is_refused_with_the_reason(
    console: Console, path: str, form: dict[str, str], status: int, sentence: str
) -> None:
    await store_location(console.database)
    answer = await console.operator.send(path, **form)
    assert answer.status_code == status
    assert sentence in answer.text


async def test_an_unknown_station_is_named(console: Console) -> None:
    words = await console.viewer.text("/console/stations/NL/TNM/NOWHERE", 404)
    assert "There is no Location NOWHERE of NL*TNM." in words


async def test_an_id_with_signs_of_urls_leads_to_its_station(console: Console) -> None:
    await store_location(console.database, id="A/b #1?&%")
    page = await console.viewer.page("/console/stations")
    path = "/console/stations/NL/TNM/A/b%20%231%3F%26%25"
    assert f'href="{path}"' in page
    assert "NL*TNM*A/b #1?&%" in await console.operator.text(path)
    form = {"evse_uid": "EVSE-1", "status": "BLOCKED"}
    answer = await console.operator.send(path, **form)
    assert "EVSE-1 is BLOCKED now." in await console.operator.text(answer.headers["location"])


async def test_what_a_partner_writes_is_never_markup(console: Console) -> None:
    await store_location(console.database, name=MARKUP, address="'\"><img src=x>")
    for path in ("/console/stations", ONE):
        page = await console.viewer.page(path)
        assert "<script>alert" not in page
        assert "<img" not in page
        assert "&lt;script&gt;alert(1)" in page
