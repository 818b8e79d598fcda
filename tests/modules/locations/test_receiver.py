"""What CPOs push of their Locations: stored as it came, at three levels, and nothing of others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from ocpi.headers import Party
from ocpi.parties import PlatformID
from ocpi.testing import samples
from tests.house import (
    RECEIVER,
    RECEIVING,
    Service,
    add_partner,
    calling,
    codes_of,
    data_of,
    envelope_of,
    open_service,
    present,
)

URL = f"{RECEIVER}/locations/DE/CPO/LOC-1"
T0, T1, T2 = "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z"


@pytest.fixture
async def service(sqlite_url: str) -> AsyncIterator[Service]:
    async with open_service(sqlite_url, offers=RECEIVING) as opened:
        yield opened


@pytest.fixture
async def each_service(database_url: str) -> AsyncIterator[Service]:
    async with open_service(database_url, offers=RECEIVING) as opened:
        yield opened


async def stored(service: Service, path: str = "") -> Any:
    return data_of(await service.cpo.get(URL + path))


def wrote(answer: httpx.Response) -> int:
    """Check the answer to a write that was taken; gives its HTTP status (EN-05, ST-05)."""
    envelope = envelope_of(answer)
    assert envelope["status_code"] == 1000, answer.text
    assert "data" not in envelope
    return answer.status_code


async def add_cpo(service: Service, token: str, party: Party) -> None:
    await add_partner(
        service.database, "Another CPO", token, party, role="CPO", platform=PlatformID.HUB
    )


LEVELS = [
    ("", samples.location(last_updated=T1), {"name": "New"}),
    ("/EVSE-1", samples.evse(1, last_updated=T1), {"status": "CHARGING"}),
    ("/EVSE-1/1", samples.connector(1, last_updated=T1), {"max_amperage": 8}),
]


@pytest.mark.req("LO-06", "LO-07", "LO-10", "PP-03", "PP-04", "ST-05", "EN-05", "CO-01")
@pytest.mark.parametrize(("path", "document", "changes"), LEVELS)
async def test_each_level_is_put_patched_and_read(
    each_service: Service, path: str, document: dict[str, Any], changes: dict[str, Any]
) -> None:
    cpo = each_service.cpo
    if path:
        bare = samples.evse(1, connectors=[samples.connector(2)])
        evses = [bare] if path.endswith("/1") else []
        await cpo.put(URL, json=samples.location(evses=evses))
    assert wrote(await cpo.put(URL + path, json=document)) == 201
    assert wrote(await cpo.put(URL + path, json=document)) == 200
    assert await stored(each_service, path) == document
    assert wrote(await cpo.patch(URL + path, json={**changes, "last_updated": T2})) == 200
    assert await stored(each_service, path) == {**document, **changes, "last_updated": T2}


@pytest.mark.req("LO-08", "LO-09")
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@pytest.mark.pitfall("IP-15")
async def test_parents_are_dated_like_the_part_that_changed(service: Service, method: str) -> None:
    await service.cpo.put(URL, json=samples.location())
    connector = samples.connector(1, last_updated=T1)
    await service.cpo.request(method, f"{URL}/EVSE-1/1", json=connector)
    location = await stored(service)
    assert location["last_updated"] == location["evses"][0]["last_updated"] == T1
    evse = samples.evse(2, last_updated=T2)
    await service.cpo.request(method, f"{URL}/EVSE-2", json=evse)
    assert (await stored(service))["last_updated"] == T2
    assert (await stored(service, "/EVSE-1"))["last_updated"] == T1


@pytest.mark.pitfall("IP-15")
async def test_a_late_part_does_not_take_its_parents_back_in_time(service: Service) -> None:
    await service.cpo.put(URL, json=samples.location(last_updated=T2))
    await service.cpo.patch(f"{URL}/EVSE-1", json={"status": "CHARGING", "last_updated": T1})
    location = await stored(service)
    assert (location["last_updated"], location["evses"][0]["status"]) == (T2, "CHARGING")


async def test_a_location_older_than_its_parts_is_dated_like_them(service: Service) -> None:
    evse = samples.evse(1, connectors=[samples.connector(1, last_updated=T2)])
    await service.cpo.put(URL, json=samples.location(evses=[evse], last_updated=T0))
    location = await stored(service)
    assert {location["last_updated"], location["evses"][0]["last_updated"]} == {T2}


@pytest.mark.req("PP-02")
async def test_a_put_replaces_the_whole_location(service: Service) -> None:
    await service.cpo.put(URL, json=samples.location())
    bare = {
        name: value
        for name, value in samples.location(evses=[samples.evse(2)]).items()
        if name not in ("name", "directions", "facilities")
    }
    wrote(await service.cpo.put(URL, json=bare))
    assert await stored(service) == bare


@pytest.mark.req("PP-05")
@pytest.mark.pitfall("IP-16")
async def test_a_patch_with_evses_changes_these_and_leaves_the_others(service: Service) -> None:
    await service.cpo.put(URL, json=samples.location())
    new = samples.evse(2, status="CHARGING", last_updated=T1)
    body = {"evses": [new], "facilities": ["HOTEL", "CAFE"], "last_updated": T1}
    wrote(await service.cpo.patch(URL, json=body))
    location = await stored(service)
    assert location["evses"] == [samples.evse(1), new, samples.evse(3)]
    assert (location["facilities"], location["last_updated"]) == (["HOTEL", "CAFE"], T1)


@pytest.mark.req("PP-09")
@pytest.mark.pitfall("IP-14")
async def test_a_patch_does_not_take_an_evse_back_in_time(service: Service) -> None:
    await service.cpo.put(URL, json=samples.location())
    newer = {"status": "CHARGING", "last_updated": T2}
    wrote(await service.cpo.patch(f"{URL}/EVSE-1", json=newer))
    older, other = (samples.evse(n, status="BLOCKED", last_updated=T1) for n in (1, 2))
    date = {"last_updated": "2026-03-02T00:00:00Z"}
    wrote(await service.cpo.patch(URL, json={"evses": [older, other], "name": "New", **date}))
    location = await stored(service)
    assert location["evses"] == [{**samples.evse(1), **newer}, other, samples.evse(3)]
    assert (location["name"], location["last_updated"]) == ("New", date["last_updated"])


@pytest.mark.req("PP-09")
@pytest.mark.parametrize(("path", "document", "changes"), LEVELS)
@pytest.mark.pitfall("IP-14")
@pytest.mark.threat("TA-13")
async def test_what_is_older_than_the_stored_one_is_not_applied_and_that_is_said(
    service: Service, path: str, document: dict[str, Any], changes: dict[str, Any]
) -> None:
    await service.cpo.put(URL, json=samples.location())
    await service.cpo.put(URL + path, json=document)
    for method, body in (("PUT", {**document, **changes}), ("PATCH", changes)):
        answer = await service.cpo.request(method, URL + path, json={**body, "last_updated": T0})
        assert codes_of(answer) == (200, 1000)
        assert f"updated at {T1}" in envelope_of(answer)["status_message"]
    assert await stored(service, path) == document


@pytest.mark.parametrize(("path", "document", "changes"), LEVELS)
@pytest.mark.pitfall("IP-08")
async def test_a_date_far_ahead_does_not_shut_out_what_comes_later(
    service: Service, path: str, document: dict[str, Any], changes: dict[str, Any]
) -> None:
    ahead = "2999-01-01T00:00:00Z"
    await service.cpo.put(URL, json=samples.location())
    await service.cpo.put(URL + path, json={**document, "last_updated": ahead})
    wrote(await service.cpo.patch(URL + path, json={**changes, "last_updated": T2}))
    assert await stored(service, path) == {**document, **changes, "last_updated": T2}


@pytest.mark.pitfall("IP-14")
async def test_another_change_with_the_same_date_is_applied(service: Service) -> None:
    await service.cpo.put(URL, json=samples.location())
    wrote(await service.cpo.put(URL, json=samples.location(name="Other")))
    assert (await stored(service))["name"] == "Other"


BAD: list[tuple[str, str, Any, tuple[int, int], str]] = [
    ("PUT", "", {}, (200, 2001), "country_code: is required"),
    ("PUT", "", samples.location(id="X"), (200, 2001), "id: the URL says 'LOC-1'"),
    ("PUT", "", samples.location(country_code="NL"), (200, 2001), "country_code: the URL says"),
    ("PUT", "", samples.location(party_id="XXX"), (200, 2001), "party_id: the URL says"),
    ("PUT", "", samples.location(evses=[{"uid": "X"}]), (200, 2001), "evses.0.status"),
    ("PUT", "", [], (200, 2001), "one JSON object"),
    ("PUT", "/EVSE-1", samples.evse(2), (200, 2001), "uid: the URL says 'EVSE-1'"),
    ("PUT", "/EVSE-1", {"uid": "EVSE-1"}, (200, 2001), "status: is required"),
    ("PUT", "/EVSE-1", samples.evse(1, connectors=[]), (200, 2001), "at least one item"),
    ("PUT", "/EVSE-1/1", samples.connector(2), (200, 2001), "id: the URL says '1'"),
    ("PUT", "/EVSE-9/1", samples.connector(1), (404, 2003), "has no EVSE EVSE-9"),
    ("PATCH", "", {"name": "X"}, (200, 2001), "last_updated: is required"),
    ("PATCH", "/EVSE-1", {"status": "BLOCKED"}, (200, 2001), "last_updated: is required"),
    ("PATCH", "/EVSE-1/1", {"max_amperage": 1}, (200, 2001), "last_updated: is required"),
    ("PATCH", "", {"name": None, "last_updated": T2}, (200, 2001), "name: can't be removed"),
    ("PATCH", "", {"id": "X", "last_updated": T2}, (200, 2001), "id: the URL says"),
    ("PATCH", "", {"party_id": "X", "last_updated": T2}, (200, 2001), "party_id: the URL says"),
    (
        "PATCH",
        "",
        {"evses": [{"uid": "EVSE-1"}], "last_updated": T2},
        (200, 2001),
        "must be complete",
    ),
    ("PATCH", "/EVSE-1", {"uid": "X", "last_updated": T2}, (200, 2001), "uid: the URL says"),
    ("PATCH", "/EVSE-9", {"status": "X", "last_updated": T2}, (404, 2003), "no LOC-1/EVSE-9"),
    ("PATCH", "/EVSE-1/9", {"id": "9", "last_updated": T2}, (404, 2003), "no LOC-1/EVSE-1/9"),
    ("GET", "/EVSE-9", None, (404, 2003), "has no EVSE EVSE-9"),
    ("GET", "/EVSE-1/9", None, (404, 2003), "has no Connector 9"),
    ("GET", "/EVSE-1/1/1", None, (404, 2000), "nothing at"),
    ("POST", "", {}, (405, 2000), "POST is not offered"),
    ("DELETE", "", None, (405, 2000), "DELETE is not offered"),
    ("DELETE", "/EVSE-1", None, (405, 2000), "DELETE is not offered"),
    ("DELETE", "/EVSE-1/1", None, (405, 2000), "DELETE is not offered"),
]


@pytest.mark.req(
    "LO-06", "LO-11", "LO-13", "PP-01", "PP-07", "CO-03", "CO-05", "ST-15", "ST-03", "ST-09"
)
@pytest.mark.pitfall("IP-13")
async def test_bad_requests_are_refused_and_change_nothing(service: Service) -> None:
    await service.cpo.put(URL, json=samples.location())
    for method, path, body, codes, sentence in BAD:
        answer = await service.cpo.request(method, URL + path, json=body)
        assert (method, path, codes_of(answer)) == (method, path, codes), answer.text
        assert sentence in envelope_of(answer)["status_message"]
    assert await stored(service) == samples.location()


@pytest.mark.req("LO-11", "ST-09", "ST-15", "ST-04")
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "", None),
        ("PATCH", "", {"name": "X", "last_updated": T1}),
        ("PUT", "/EVSE-1", samples.evse(1)),
        ("PATCH", "/EVSE-1", {"status": "BLOCKED", "last_updated": T1}),
        ("PUT", "/EVSE-1/1", samples.connector(1)),
    ],
)
async def test_an_unknown_location_is_404_and_2003(
    service: Service, method: str, path: str, body: Any
) -> None:
    assert codes_of(await service.cpo.request(method, URL + path, json=body)) == (404, 2003)


@pytest.mark.req("CO-06")
@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH"])
@pytest.mark.pitfall("IP-11")
@pytest.mark.threat("TA-05")
async def test_the_objects_of_another_owner_are_unknown_to_the_caller(
    service: Service, method: str
) -> None:
    token = "token-of-another-cpo_0123456789"
    await add_cpo(service, token, Party("FR", "OTH"))
    await service.cpo.put(URL, json=samples.location())
    async with calling(service.app, present(token)) as stranger:
        body = samples.location(name="Mine now", last_updated=T2)
        answer = await stranger.request(method, URL, json=body)
        assert codes_of(answer) == (404, 2000)
        assert "DE*CPO is no party of Another CPO" in envelope_of(answer)["status_message"]
        assert codes_of(await stranger.get(URL.replace("DE/CPO", "FR/OTH"))) == (404, 2003)
    assert await stored(service) == samples.location()


@pytest.mark.req("CO-02")
async def test_the_same_id_of_two_owners_is_two_locations(service: Service) -> None:
    token, other = "token-of-another-cpo_0123456789", URL.replace("DE/CPO", "FR/OTH")
    await add_cpo(service, token, Party("FR", "OTH"))
    await service.cpo.put(URL, json=samples.location())
    async with calling(service.app, present(token)) as another:
        theirs = samples.location(country_code="FR", party_id="OTH", name="Theirs")
        assert wrote(await another.put(other, json=theirs)) == 201
        assert data_of(await another.get(other)) == theirs
    assert await stored(service) == samples.location()


@pytest.mark.req("CO-08")
@pytest.mark.pitfall("IP-25")
async def test_owner_and_ids_are_compared_without_regard_to_case(service: Service) -> None:
    await service.cpo.put(URL, json=samples.location())
    lower = f"{RECEIVER}/locations/de/cpo/loc-1/evse-1"
    wrote(await service.cpo.patch(lower, json={"status": "CHARGING", "last_updated": T1}))
    location = await stored(service)
    assert (location["country_code"], location["id"]) == ("DE", "LOC-1")
    assert (location["evses"][0]["uid"], location["evses"][0]["status"]) == ("EVSE-1", "CHARGING")


@pytest.mark.req("TY-14")
@pytest.mark.pitfall("IP-10")
async def test_what_is_not_known_is_kept_and_what_is_careless_is_put_right(
    service: Service,
) -> None:
    connector = samples.connector(1, x_cable="5 m", max_amperage="32", standard="NEW_PLUG")
    evse = samples.evse(1, connectors=[connector], floor_level="", x_bay={"width": 2.50})
    body = samples.location(evses=[evse], related_locations=None, x_operator_ref=["a", None])
    body["coordinates"] = {"latitude": 52.52, "longitude": 13.404954}
    wrote(await service.cpo.put(URL, json=body))
    kept = {**evse, "connectors": [{**connector, "max_amperage": 32}]}
    del kept["floor_level"]
    del body["related_locations"]
    assert await stored(service) == {
        **body,
        "evses": [kept],
        "coordinates": {"latitude": "52.52000", "longitude": "13.404954"},
    }


@pytest.mark.pitfall("IP-26")
async def test_ids_may_hold_any_character(service: Service) -> None:
    url = f"{RECEIVER}/locations/DE/CPO/A%2FB%20%2525"
    assert wrote(await service.cpo.put(url, json=samples.location(id="A/B %25"))) == 201
    assert data_of(await service.cpo.get(url))["id"] == "A/B %25"


@pytest.mark.pitfall("IP-24")
async def test_changes_of_different_parts_at_once_all_arrive(each_service: Service) -> None:
    await each_service.cpo.put(URL, json=samples.location())
    changes = [
        (f"/EVSE-{number}/{plug}", {"max_amperage": 10 * number + plug, "last_updated": T1})
        for number in (1, 2, 3)
        for plug in (1, 2)
    ]
    answers = await asyncio.gather(
        *(each_service.cpo.patch(URL + path, json=body) for path, body in changes)
    )
    assert {wrote(answer) for answer in answers} == {200}
    for path, body in changes:
        assert (await stored(each_service, path))["max_amperage"] == body["max_amperage"]


async def test_a_location_put_many_times_at_once_is_created_once(each_service: Service) -> None:
    answers = await asyncio.gather(
        *(each_service.cpo.put(URL, json=samples.location()) for _ in range(8))
    )
    assert sorted(wrote(answer) for answer in answers) == [200] * 7 + [201]


@pytest.mark.req("VE-08")
async def test_version_details_list_what_is_mounted_and_no_more(service: Service) -> None:
    details = data_of(await service.cpo.get("/ocpi/hub/2.2.1"))
    listed = {(each["identifier"], each["role"]): each["url"] for each in details["endpoints"]}
    assert listed.pop(("credentials", "SENDER")).endswith("/ocpi/hub/2.2.1/credentials")
    modules = ("locations", "tariffs", "sessions", "cdrs")
    assert listed == {
        (module, "RECEIVER"): f"https://cpo.example{RECEIVER}/{module}" for module in modules
    }
    for module in modules:
        sender = f"/ocpi/hub/2.2.1/sender/{module}"
        # Sessions and CDRs are not a CPO's to ask for, wherever they are.
        due = (200, 2001) if module in ("sessions", "cdrs") else (404, 2000)
        assert codes_of(await service.cpo.get(sender)) == due
        receiver = f"/ocpi/cpo/2.2.1/receiver/{module}/DE/MSP/X"
        assert codes_of(await service.partner.get(receiver)) == (404, 2000)
