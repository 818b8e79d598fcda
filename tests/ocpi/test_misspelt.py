"""Words of OCPI in objects of ours: what is misspelt is refused, for partners match it exactly."""

from typing import Any

import pytest

from modules.tariffs.own import store_own
from ocpi.spec.document import encode
from ocpi.spec.locations import Status
from ocpi.testing import samples
from tests.house import OURS, OWNER, open_service

LOCATION = "/locations/NL/TNM/LOC-1"
SESSION = "/sessions/NL/TNM/SESSION-1"
TYPE = "charging_periods.0.dimensions.0.type"
TARIFF = "/tariffs/NL/TNM/TARIFF-1"


def location(**connector: Any) -> dict[str, Any]:
    evse = samples.evse(1)
    evse["connectors"] = [evse["connectors"][0] | connector]
    return samples.location(**OWNER, evses=[evse])


def with_status(status: str) -> dict[str, Any]:
    return samples.location(**OWNER, evses=[samples.evse(1, status=status)])


def cdr(**over: Any) -> dict[str, Any]:
    return samples.cdr(**{**OWNER, **over})


def at(**over: Any) -> dict[str, Any]:
    return cdr(cdr_location=cdr()["cdr_location"] | over)


def measuring(kind: str) -> dict[str, Any]:
    dimensions = [{"type": kind, "volume": 1}]
    return cdr(charging_periods=[samples.charging_period() | {"dimensions": dimensions}])


MISSPELT = [
    (
        ("PUT", SESSION, samples.session(**OWNER, status="Completed")),
        "status: 'Completed' is no SessionStatus; nearest: COMPLETED",
    ),
    (
        ("PUT", LOCATION, with_status("Charging")),
        "evses.0.status: 'Charging' is no Status; nearest: CHARGING",
    ),
    (
        ("PUT", LOCATION, with_status("FREE")),
        f"evses.0.status: 'FREE' is no Status; one of: {', '.join(Status)}",
    ),
    (
        ("POST", "/cdrs", cdr(auth_method="whitelist")),
        "auth_method: 'whitelist' is no AuthMethod; nearest: WHITELIST",
    ),
    (
        ("POST", "/cdrs", at(connector_format="Socket")),
        "cdr_location.connector_format: 'Socket' is no ConnectorFormat; nearest: SOCKET",
    ),
    (
        ("POST", "/cdrs", measuring("Power")),
        f"{TYPE}: 'Power' is no CdrDimensionType; nearest: POWER, MIN_POWER, MAX_POWER",
    ),
    (
        ("PUT", TARIFF, samples.tariff(**OWNER, type="Regular")),
        "type: 'Regular' is no TariffType; nearest: REGULAR",
    ),
]


@pytest.mark.req("TY-03")
@pytest.mark.parametrize(("request_", "error"), MISSPELT)
async def test_a_word_of_ours_that_ocpi_has_not_is_refused_with_the_nearest_ones(
    sqlite_url: str, request_: tuple[str, str, Any], error: str
) -> None:
    method, url, body = request_
    async with open_service(sqlite_url) as service:
        answer = await service.admin.request(method, f"/admin{url}", content=encode(body))
        assert (answer.status_code, answer.json()["error"]) == (400, error)


OPEN = [
    ("PUT", LOCATION, location(standard="MCS")),
    ("PUT", LOCATION, samples.location(**OWNER, parking_type="ON_THE_MOON", facilities=["SAUNA"])),
    ("PUT", LOCATION, samples.location(**OWNER, evses=[samples.evse(1, capabilities=["PLUG"])])),
    ("POST", "/cdrs", cdr(cdr_token=cdr()["cdr_token"] | {"type": "EMAID"})),
]


@pytest.mark.req("TY-15")
@pytest.mark.parametrize(("method", "url", "body"), OPEN)
async def test_a_word_of_ours_that_a_later_ocpi_leaves_open_is_told(
    sqlite_url: str, method: str, url: str, body: dict[str, Any]
) -> None:
    async with open_service(sqlite_url) as service:
        answer = await service.admin.request(method, f"/admin{url}", content=encode(body))
        assert answer.status_code == 201, answer.text


async def test_a_misspelt_word_that_a_file_brought_hinders_no_other_change_of_a_tariff(
    sqlite_url: str,
) -> None:
    document = samples.tariff(**OWNER, type="Regular")
    async with open_service(sqlite_url) as service:
        async with service.database.write() as db:
            await store_own(db, OURS, document["id"], document)
        answer = await service.admin.patch(f"/admin{TARIFF}", json={"currency": "CHF"})
        assert (answer.status_code, answer.json()["type"]) == (200, "Regular")
        refused = await service.admin.patch(f"/admin{TARIFF}", json={"type": "regular"})
        assert "'regular' is no TariffType; nearest: REGULAR" in refused.json()["error"]
