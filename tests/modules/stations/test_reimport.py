"""A file is imported again, and something in it is wrong: what is stored of that part stays."""

from __future__ import annotations

import csv
import json
from collections.abc import AsyncIterator, Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from modules.locations.store import locations
from modules.stations.imports import read_stations
from modules.stations.publishing import LOCATIONS, Outcome, Report, publish_records
from ocpi.database import Database
from ocpi.spec.document import decode
from tests.house import OURS, OWNER, open_database
from tests.modules.stations.imports.sample import LOCATION, POINT, Row

CHANGE = Callable[[list[Row]], object]
ROW = {
    "location_id": "LOC1",
    "address": "Stationsplein 1",
    "city": "Utrecht",
    "country": "NLD",
    "latitude": "52.08945",
    "longitude": "5.10960",
    "evse_uid": "A1",
    "evse_id": "",
    "status": "AVAILABLE",
    "standard": "IEC_62196_T2",
    "max_electric_power": "22000",
}


@pytest.fixture
async def database(sqlite_url: str) -> AsyncIterator[Database]:
    async with open_database(sqlite_url) as opened:
        yield opened


async def bring_in(database: Database, path: Path) -> Report:
    records = read_stations(path, country_code=OWNER["country_code"], party_id=OWNER["party_id"])
    return await publish_records(
        database, records, LOCATIONS, OURS, dry_run=False, seen=lambda _: None
    )


async def parts(database: Database, name: str) -> dict[str, list[str]]:
    """The Connectors of the EVSEs of a Location that are not removed."""
    document = decode(await locations.text(database, (OURS,), name))
    return {
        each["uid"]: [connector["id"] for connector in each["connectors"]]
        for each in document["evses"]
        if each["status"] != "REMOVED"
    }


def two_evses() -> Row:
    document = deepcopy(LOCATION)
    [first] = document["evses"]
    first["connectors"].append(first["connectors"][0] | {"id": "2"})
    document["evses"].append(deepcopy(first) | {"uid": "EVSE2", "evse_id": "NL*ABC*E2"})
    return document


def spoil(*path: str | int, value: Any = "22kW") -> CHANGE:
    def change(records: list[Any]) -> None:
        inside: Any = records
        for each in path[:-1]:
            inside = inside[each]
        inside[path[-1]] = value

    return change


EVSES = (0, "evses")


@pytest.mark.req("LO-12", "LO-13")
@pytest.mark.parametrize(
    "change",
    [
        spoil(*EVSES, 1, "connectors", value=None),
        spoil(*EVSES, 1, "status", value=7),
        spoil(*EVSES, 1, "uid", value=None),
        spoil(*EVSES, 1, value="EVSE2"),
        spoil(*EVSES, 0, "connectors", 1, "max_voltage"),
        spoil(*EVSES, 0, "connectors", 1, "id", value=None),
    ],
)
async def test_what_a_file_of_ocpi_gets_wrong_stays_as_it_was(
    database: Database, tmp_path: Path, change: CHANGE
) -> None:
    path = tmp_path / "stations.json"
    path.write_text(json.dumps([two_evses()]))
    await bring_in(database, path)
    before = await locations.text(database, (OURS,), "LOC1")
    wrong = [two_evses()]
    change(wrong)
    path.write_text(json.dumps(wrong))
    report = await bring_in(database, path)
    assert report.refusals
    assert report.counts == {Outcome.UNCHANGED: 1}
    assert await locations.text(database, (OURS,), "LOC1") == before


@pytest.mark.req("LO-12", "LO-20")
async def test_an_evse_that_stands_elsewhere_in_the_file_too_stays(
    database: Database, tmp_path: Path
) -> None:
    path = tmp_path / "stations.json"
    path.write_text(json.dumps([two_evses()]))
    await bring_in(database, path)
    other = deepcopy(LOCATION) | {"id": "LOC0"}
    other["evses"][0]["uid"] = "EVSE2"
    path.write_text(json.dumps([other, two_evses()]))
    await bring_in(database, path)
    assert list(await parts(database, "LOC1")) == ["EVSE1", "EVSE2"]


@pytest.mark.req("LO-12", "LO-13")
async def test_what_a_file_leaves_out_beside_what_it_gets_wrong_is_removed(
    database: Database, tmp_path: Path
) -> None:
    path = tmp_path / "stations.json"
    whole = two_evses()
    whole["evses"].append(deepcopy(whole["evses"][0]) | {"uid": "EVSE3"})
    path.write_text(json.dumps([whole]))
    await bring_in(database, path)
    wrong = two_evses()
    wrong["evses"][1]["status"] = 7
    del wrong["evses"][0]["connectors"][1]
    path.write_text(json.dumps([wrong]))
    await bring_in(database, path)
    assert await parts(database, "LOC1") == {"EVSE1": ["1"], "EVSE2": ["1", "2"]}


def write_csv(path: Path, rows: list[Row], tail: str = "") -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
        file.write(tail)
    return path


@pytest.mark.req("LO-12", "LO-13")
@pytest.mark.parametrize(
    ("change", "tail"),
    [
        (spoil(0, "max_electric_power"), ""),
        (spoil(1, "max_electric_power"), ""),
        (spoil(3, "max_electric_power"), ""),
        (spoil(3, "evse_uid", value=""), ""),
        (spoil(3, "location_id", value=""), ""),
        (list.pop, "LOC1,short\n"),
    ],
)
async def test_a_wrong_row_of_a_csv_file_takes_nothing_away(
    database: Database, tmp_path: Path, change: CHANGE, tail: str
) -> None:
    first = ROW | {"evse_id": "NL*ABC*EA1"}
    rows = [first, ROW | {"status": ""}, ROW | {"standard": "CHADEMO"}, ROW | {"evse_uid": "A2"}]
    path = write_csv(tmp_path / "stations.csv", rows)
    await bring_in(database, path)
    before = await locations.text(database, (OURS,), "LOC1")
    assert await parts(database, "LOC1") == {"A1": ["1", "2", "3"], "A2": ["1"]}
    wrong = deepcopy(rows)
    change(wrong)
    report = await bring_in(database, write_csv(path, wrong, tail))
    assert len(report.refusals) == 1
    assert report.counts == {Outcome.UNCHANGED: 1}
    assert await locations.text(database, (OURS,), "LOC1") == before


POINTS = [POINT, POINT | {"id_pdc_itinerance": "FREXAE12"}]
ELSEWHERE = POINT | {"id_station_itinerance": "FREXAP2", "id_pdc_itinerance": "FREXAE21"}


@pytest.mark.req("LO-12", "LO-13")
@pytest.mark.parametrize(
    "change",
    [
        spoil(1, "puissance_nominale", value="many"),
        spoil(1, "id_pdc_itinerance", value="Non concerné"),
        spoil(1, value="FREXAE12"),
        spoil(1, value=POINT | {"id_pdc_itinerance": None, "id_station_itinerance": None}),
    ],
)
async def test_a_wrong_point_of_the_register_takes_nothing_away(
    database: Database, tmp_path: Path, change: CHANGE
) -> None:
    path = tmp_path / "irve.json"
    path.write_text(json.dumps([*POINTS, ELSEWHERE]))
    await bring_in(database, path)
    wrong = deepcopy([*POINTS, ELSEWHERE])
    change(wrong)
    path.write_text(json.dumps(wrong))
    report = await bring_in(database, path)
    assert len(report.refusals) == 1
    assert list(await parts(database, "FREXAP1")) == ["FREXAE11", "FREXAE12"]


@pytest.mark.req("LO-12", "LO-13")
async def test_a_point_without_an_id_keeps_only_those_of_its_own_station(
    database: Database, tmp_path: Path
) -> None:
    path = tmp_path / "irve.json"
    second = ELSEWHERE | {"id_pdc_itinerance": "FREXAE22"}
    path.write_text(json.dumps([*POINTS, ELSEWHERE, second]))
    await bring_in(database, path)
    nameless = POINT | {"id_pdc_itinerance": None}
    path.write_text(json.dumps([POINT, nameless, ELSEWHERE]))
    await bring_in(database, path)
    assert list(await parts(database, "FREXAP1")) == ["FREXAE11", "FREXAE12"]
    assert list(await parts(database, "FREXAP2")) == ["FREXAE21"]
