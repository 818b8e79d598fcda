"""Our Tariffs: changed by staff, read by eMSPs, and told to them."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlmodel import col, select

from modules.tariffs.own import store_own
from modules.tariffs.source import TariffSource
from ocpi.push.feed import SyncObject
from ocpi.push.source import Send
from ocpi.spec.document import decode, encode
from ocpi.testing import samples
from tests.house import OURS, OWNER, SENDER, Service, codes_of, data_of, open_service

URL = "/admin/tariffs/NL/TNM/TARIFF-1"
LIST = f"{SENDER}/tariffs"
T1 = "2026-01-16T00:00:00Z"


@pytest.fixture
async def service(sqlite_url: str) -> AsyncIterator[Service]:
    async with open_service(sqlite_url) as opened:
        yield opened


def tariff(**over: Any) -> dict[str, Any]:
    return samples.tariff(**{**OWNER, **over})


async def feed(service: Service) -> list[SyncObject]:
    async with service.database.read() as db:
        return list((await db.exec(select(SyncObject).order_by(col(SyncObject.seq)))).all())


async def told(service: Service) -> list[list[Send]]:
    source, rows = TariffSource(), await feed(service)
    return [list(await source.sends(service.database, row, patch=True)) for row in rows]


@pytest.mark.req("TA-01", "TA-03", "LO-01")
async def test_a_tariff_is_put_listed_and_told(service: Service) -> None:
    answer = await service.admin.put(URL, json=tariff())
    assert (answer.status_code, answer.json()) == (201, tariff())
    page = await service.partner.get(LIST)
    assert data_of(page) == decode(encode([tariff()]))
    assert page.headers["x-total-count"] == "1"
    assert await told(service) == [[Send("PUT", "NL/TNM/TARIFF-1", answer.text)]]


@pytest.mark.req("TA-01", "TR-11")
async def test_there_is_no_single_tariff_to_get(service: Service) -> None:
    await service.admin.put(URL, json=tariff())
    for method in ("GET", "PUT", "PATCH", "DELETE"):
        assert codes_of(await service.partner.request(method, f"{LIST}/TARIFF-1")) == (404, 2000)


async def test_without_a_date_it_is_dated_now_unless_nothing_changed(service: Service) -> None:
    body = {name: value for name, value in tariff().items() if name != "last_updated"}
    first = await service.admin.put(URL, json=body)
    assert first.json()["last_updated"] > samples.UPDATED
    for again in (
        await service.admin.put(URL, json=body),
        await service.admin.patch(URL, json={"currency": "EUR"}),
    ):
        assert (again.status_code, again.json()) == (200, first.json())
    assert [row.seq for row in await feed(service)] == [1]
    changed = await service.admin.patch(URL, json={"currency": "CHF"})
    assert changed.json()["last_updated"] > first.json()["last_updated"]
    assert [row.seq for row in await feed(service)] == [2]


@pytest.mark.req("TA-03", "CO-08")
async def test_a_deleted_tariff_is_deleted_at_partners_as_its_owner_spelled_it(
    service: Service,
) -> None:
    url = "/admin/tariffs/NL/TNM/Tariff%2F1"
    await service.admin.put(url, json=tariff(id="Tariff/1", country_code="nl"))
    answer = await service.admin.delete(url.upper().replace("/ADMIN/TARIFFS", "/admin/tariffs"))
    assert (answer.status_code, answer.content) == (204, b"")
    assert data_of(await service.partner.get(LIST)) == []
    assert await told(service) == [[Send("DELETE", "NL/TNM/Tariff%2F1", None)]]
    assert (await service.admin.delete(url)).status_code == 404
    await service.admin.put(url, json=tariff(id="Tariff/1"))
    assert [send.method for (send,) in await told(service)] == ["PUT"]


@pytest.mark.req("TA-04")
async def test_a_tariff_stays_while_connectors_name_it(database_url: str) -> None:
    async with open_service(database_url) as service:
        admin = service.admin
        await admin.put(URL, json=tariff())
        for number in range(60, 0, -1):
            name = f"LOC-{number}"
            evses = [samples.evse(1, uid=f"E-{number}")]
            evses[0]["connectors"][0]["tariff_ids"] = ["tariff-1"]
            place = samples.location(**OWNER, id=name, evses=evses)
            assert (await admin.put(f"/admin/locations/NL/TNM/{name}", json=place)).is_success
        for gone, named in (
            ((), "LOC-60, LOC-59, LOC-58 and others"),
            (range(60, 2, -1), "LOC-2, LOC-1"),
        ):
            for number in gone:
                await admin.delete(f"/admin/locations/NL/TNM/LOC-{number}/E-{number}")
            answer = await admin.delete(URL)
            assert answer.status_code == 409
            assert answer.json()["error"] == (
                f"Connectors of {named} name TARIFF-1: "
                "take it out of their tariff_ids first (TA-04)"
            )
        assert data_of(await service.partner.get(LIST)) == decode(encode([tariff()]))
        for number in (2, 1):
            connector = f"/admin/locations/NL/TNM/LOC-{number}/E-{number}/1"
            await admin.patch(connector, json={"tariff_ids": ["ANOTHER"]})
            connector = connector.removesuffix("1") + "2"
            await admin.patch(connector, json={"tariff_ids": []})
        assert (await admin.delete(URL)).status_code == 204


@pytest.mark.req("TA-05")
async def test_bad_requests_say_why_and_change_nothing(service: Service) -> None:
    await service.admin.put(URL, json=tariff())
    bad: list[tuple[str, str, Any, int, str]] = [
        ("PUT", URL, {}, 400, "is required"),
        ("PUT", URL, tariff(elements=[]), 400, "elements: needs at least one item"),
        ("PUT", URL, tariff(elements=[{"price_components": []}]), 400, "price_components"),
        ("PUT", URL, tariff(id="OTHER"), 400, "id: the URL says"),
        ("PUT", URL, tariff(last_updated="2020-01-01T00:00:00Z"), 409, "older"),
        ("PATCH", URL, {"currency": None}, 400, "currency: "),
        ("PATCH", "/admin/tariffs/NL/TNM/NO", {}, 404, "There is no Tariff NO"),
        ("DELETE", "/admin/tariffs/NL/TNM/NO", None, 404, "There is no Tariff NO"),
        ("GET", "/admin/tariffs/NL/TNM/NO", None, 404, "no such object"),
        ("GET", "/admin/tariffs/XX/TNM/TARIFF-1", None, 404, "no party of ours"),
        ("POST", URL, {}, 405, "Not Allowed"),
    ]
    for method, url, body, status, sentence in bad:
        answer = await service.admin.request(method, url, json=body)
        assert (method, url, answer.status_code) == (method, url, status), answer.text
        assert sentence in answer.json()["error"]
    assert (await service.admin.get(URL)).json() == tariff()
    assert [row.seq for row in await feed(service)] == [1]


def priced(restrictions: dict[str, Any] | None = None, **over: Any) -> dict[str, Any]:
    element = {"price_components": [{"type": "ENERGY", "price": 0.5, "step_size": 1, **over}]}
    if restrictions is not None:
        element["restrictions"] = restrictions  # type: ignore[assignment]
    return tariff(elements=[tariff()["elements"][0], element])


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (
            priced({"day_of_week": ["MONDAY", "SUN"]}),
            "restrictions.day_of_week.1: 'SUN' is no DayOfWeek; nearest: SUNDAY",
        ),
        (priced({"reservation": "YES"}), "restrictions.reservation: 'YES' is no ReservationRestr"),
        (priced({"min_kWh": 1}), "restrictions.min_kWh: OCPI 2.2.1 has no such field"),
        (priced({"end_time": "24:00"}), "restrictions: end_time '24:00'"),
        (priced({"end_date": "2026-02-31"}), "elements.1.restrictions: '2026-02-31' can't be"),
        (priced(type="ENERGIE"), "price_components.0.type: 'ENERGIE' is no TariffDimens"),
        (
            priced({"reservation": "RESERVATION"}),
            "elements.1.price_components.0.type: a reservation has no ENERGY, only FLAT and TIME",
        ),
        (
            priced({"reservation": "RESERVATION_EXPIRES"}, type="PARKING_TIME"),
            "a reservation has no PARKING_TIME, only FLAT and TIME",
        ),
        (priced(step=5), "price_components.0.step: OCPI 2.2.1 has no such field"),
        (priced(step_size=-3), "price_components.0.step_size: -3 is negative"),
        (priced(vat=-200), "price_components.0.vat: -200 is negative"),
        (
            tariff(elements=[{**tariff()["elements"][0], "restriction": {}}]),
            "elements.0.restriction: OCPI 2.2.1 has no such field",
        ),
    ],
)
@pytest.mark.req("TA-20")
async def test_a_tariff_of_ours_by_which_nobody_can_price_is_refused(
    service: Service, body: dict[str, Any], sentence: str
) -> None:
    await service.admin.put(URL, json=tariff())
    for method, content in (("PUT", body), ("PATCH", {"elements": body["elements"]})):
        answer = await service.admin.request(method, URL, json=content)
        assert answer.status_code == 400
        assert sentence in answer.json()["error"], answer.text
    assert (await service.admin.get(URL)).json() == tariff()


async def test_a_tariff_may_give_money_and_be_free_of_steps(service: Service) -> None:
    body = priced({"min_kwh": 20, "max_kwh": None}, price=-0.05, step_size=0, vat=0)
    assert (await service.admin.put(URL, json=body)).status_code == 201


async def test_prices_that_a_file_brought_stay_until_somebody_changes_them(
    service: Service,
) -> None:
    body = priced({"min_vehicle_soc": 80})
    async with service.database.write() as db:
        await store_own(db, OURS, body["id"], body)
    answer = await service.admin.patch(URL, json={"type": "REGULAR", "currency": "CHF"})
    assert answer.status_code == 200
    body["elements"][1]["restrictions"]["min_kwh"] = 5
    refused = await service.admin.patch(URL, json={"elements": body["elements"]})
    assert "min_vehicle_soc" in refused.json()["error"]


async def test_prices_stay_as_they_were_written(service: Service) -> None:
    component = '{"type":"ENERGY","price":0.2500,"vat":19.0,"step_size":1}'
    elements = f'[{{"price_components":[{component}]}}]'
    body = encode(tariff() | {"elements": "HERE"}).replace('"HERE"', elements)
    await service.admin.put(URL, content=body)
    assert elements in (await service.partner.get(LIST)).text
