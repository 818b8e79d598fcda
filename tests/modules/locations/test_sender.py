"""What eMSPs read of our Locations: pages, single objects, and nothing of others."""

from collections.abc import AsyncIterator, Iterable
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modules.locations.own import put_own
from modules.locations.parts import Place
from ocpi.headers import Party
from ocpi.links import next_link
from ocpi.spec.document import decode
from ocpi.testing import samples
from tests.house import (
    BASE,
    OURS,
    OWNER,
    SENDER,
    Service,
    add_party,
    codes_of,
    data_of,
    envelope_of,
    open_service,
)

LIST = f"{SENDER}/locations"


@pytest.fixture
async def service(sqlite_url: str) -> AsyncIterator[Service]:
    async with open_service(sqlite_url) as opened:
        yield opened


@pytest.fixture
async def each_service(database_url: str) -> AsyncIterator[Service]:
    async with open_service(database_url, page_limit=7) as opened:
        yield opened


async def put(service: Service, *documents: dict[str, Any], owner: Party = OURS) -> None:
    async with service.database.write() as db:
        for document in documents:
            await put_own(db, owner, Place(document["id"]), document)


def location(name: str = "LOC-1", **over: Any) -> dict[str, Any]:
    return samples.location(**{**OWNER, "id": name, **over})


def small(name: str, minute: int = 0) -> dict[str, Any]:
    return location(name, evses=[], last_updated=f"2026-01-01T00:{minute:02}:00Z")


async def crawl(service: Service, url: str) -> tuple[list[str], list[httpx.Response]]:
    """Give the ids of all pages from a URL on, and the pages."""
    following: str | None = url
    names, pages = [], []
    while following is not None:
        page = await service.partner.get(following)
        names += [each["id"] for each in data_of(page)]
        pages.append(page)
        following = next_link(page.headers.get("link", ""))
    return names, pages


@pytest.mark.req("LO-01", "EN-03")
async def test_a_list_has_whole_locations(service: Service) -> None:
    await put(service, location("A", x_unknown={"a": 1}), location("B"))
    answer = await service.partner.get(LIST)
    assert data_of(answer) == [location("A", x_unknown={"a": 1}), location("B")]
    assert answer.headers["x-total-count"] == "2"
    assert answer.headers["x-limit"] == "100"
    assert "link" not in answer.headers


@pytest.mark.req("PG-07", "EN-03")
async def test_a_list_without_hits_is_an_empty_page(service: Service) -> None:
    answer = await service.partner.get(LIST)
    assert (data_of(answer), answer.headers["x-total-count"]) == ([], "0")


@pytest.mark.req("PG-01", "PG-03", "PG-04", "PG-05", "PG-06", "PG-08", "PG-09")
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    limit=st.integers(1, 20), offset=st.integers(0, 15), window=st.tuples(*[st.integers(0, 13)] * 2)
)
async def test_a_crawl_is_complete_and_disjoint_whatever_the_limit(
    service: Service, limit: int, offset: int, window: tuple[int, int]
) -> None:
    if not data_of(await service.partner.get(f"{LIST}?limit=1")):
        await put(service, *(small(f"L{11 - number}", number) for number in range(12)))
    start, end = (f"2026-01-01T00:{minute:02}:00+00:00" for minute in window)
    query = f"limit={limit}&offset={offset}&date_from={quote(start)}&date_to={quote(end)}"
    names, pages = await crawl(service, f"{LIST}?{query}")
    matching = [f"L{11 - number}" for number in range(12) if window[0] <= number < window[1]]
    assert names == matching[offset:]
    assert {page.headers["x-total-count"] for page in pages} == {str(len(matching))}
    assert {page.headers["x-limit"] for page in pages} == {"100"}
    for page in pages[:-1]:
        assert page.headers["link"].startswith(f"<{BASE}{LIST}?")


@pytest.mark.req("PG-04", "PG-08")
async def test_a_larger_wish_is_cut_to_the_cap(each_service: Service) -> None:
    await put(each_service, *(small(f"L{number}") for number in range(9)))
    for query in ("", "?limit=1000000000", "?limit=8", "?limit=&offset="):
        names, pages = await crawl(each_service, f"{LIST}{query}")
        assert names == [f"L{number}" for number in range(9)]
        assert [len(data_of(page)) for page in pages] == [7, 2]
        assert {page.headers["x-limit"] for page in pages} == {"7"}


PAGING = {
    "offset=10000000000000000000": 1000,
    "offset=99999999999999999999": 1000,
    "offset=1000000": 1000,
    "limit=0": 1000,
    "limit=99999999999999999999": 1000,
    "date_from=2019-01-28T12:00:00": 1000,
    "date_from=2019-01-28T12:00:00+00:00": 1000,
    "date_from=0001-01-01T00:00:00Z": 1000,
    "date_to=9999-12-31T23:59:59Z": 1000,
    "unknown=1": 1000,
    "offset=-1": 2001,
    "offset=1.5": 2001,
    "offset=NaN": 2001,
    "offset=%00": 2001,
    "limit=-1": 2001,
    "limit=1;drop": 2001,
    "date_from=0000-00-00": 2001,
    "date_to=%ED%A0%80": 2001,
}


@pytest.mark.req("PG-12")
@pytest.mark.threat("TA-18")
async def test_no_paging_value_breaks_a_list(each_service: Service) -> None:
    await put(each_service, small("L1"))
    for query, code in PAGING.items():
        answer = await each_service.partner.get(f"{LIST}?{query}")
        assert (query, codes_of(answer)) == (query, (200, code))


@pytest.mark.threat("TA-18")
async def test_an_offset_beyond_the_end_is_an_empty_page(service: Service) -> None:
    await put(service, small("L1"))
    answer = await service.partner.get(f"{LIST}?offset=1")
    assert (data_of(answer), answer.headers["x-total-count"]) == ([], "1")
    assert "link" not in answer.headers


@pytest.mark.req("PG-06")
@pytest.mark.pitfall("IP-08")
async def test_an_unencoded_plus_survives_the_crawl(service: Service) -> None:
    await put(service, small("A", 1), small("B", 2), small("C", 3))
    names, pages = await crawl(service, f"{LIST}?date_from=2026-01-01T02:02:00+02:00&limit=1")
    assert (names, len(pages)) == (["B", "C"], 2)


@pytest.mark.req("LO-02")
async def test_single_objects_are_told_at_all_three_levels(service: Service) -> None:
    await put(service, location())
    for path, expected in {
        "LOC-1": location(),
        "loc-1": location(),
        "LOC-1/EVSE-2": samples.evse(2),
        "loc-1/evse-2": samples.evse(2),
        "LOC-1/EVSE-2/1": samples.connector(1),
        "LOC-1/EVSE-2/1/": samples.connector(1),
    }.items():
        assert data_of(await service.partner.get(f"{LIST}/{path}")) == expected


STRANGE = [
    "A/B",
    "A B",
    "A%B",
    "A%2FB",
    "A*B",
    "A?B#C",
    "...",
    ".A",
    "A..B",
    "A&B=C;D",
    '"',
    "<>",
    "~!@$^()[]{}|\\`'",
]


@pytest.mark.req("LO-02", "CO-08")
@pytest.mark.pitfall("IP-26")
async def test_every_printable_id_is_found_again(service: Service) -> None:
    for name in STRANGE:
        evse = samples.evse(1, uid=name, connectors=[samples.connector(1, id=name)])
        await put(service, location(name, evses=[evse]))
    for name in STRANGE:
        step = quote(name, safe="").replace(".", "%2E")
        for path in (step, f"{step}/{step}", f"{step}/{step}/{step}"):
            found = data_of(await service.partner.get(f"{BASE}{LIST}/{path}"))
            assert name in (found.get("id"), found.get("uid")), path


@pytest.mark.req("ST-04", "ST-09")
async def test_what_is_not_there_is_unknown(each_service: Service) -> None:
    await put(each_service, location())
    for path in (
        "X",
        "LOC-1/X",
        "LOC-1/EVSE-1/X",
        "%00",
        "LOC-1/%00",
        "%FF",
        "x" * 5000,
        "%ED%A0%80",
    ):
        answer = await each_service.partner.get(f"{LIST}/{path}")
        assert (path[:9], codes_of(answer)) == (path[:9], (404, 2003))


@pytest.mark.req("RT-05", "TR-22")
@pytest.mark.threat("TA-05")
async def test_only_the_addressed_partys_locations_are_told(service: Service) -> None:
    second = Party("BE", "TWO")
    await add_party(service.database, second)
    theirs = location(country_code="BE", party_id="TWO", city="Elsewhere")
    await put(service, location(), small("ONLY-OURS"))
    await put(service, theirs, owner=second)
    to = {"OCPI-to-country-code": "be", "OCPI-to-party-id": "two"}
    assert data_of(await service.partner.get(LIST, headers=to)) == [theirs]
    assert data_of(await service.partner.get(f"{LIST}/LOC-1", headers=to)) == theirs
    answer = await service.partner.get(f"{LIST}/ONLY-OURS", headers=to)
    assert codes_of(answer) == (404, 2003)


def poison() -> Iterable[bytes]:
    for bad in (b"1e999", b"NaN", b"-Infinity", b'"\\u0000"', b'"\\ud800"', b"9" * 32, b"[" * 60):
        yield b'{"x":' + bad + b"}"
    yield b'{"name":"a\\u0007b"}'
    yield b'{"x":"' + b"y" * 20_000 + b'"}'
    yield b'{"publish":"yes"}'
    yield b'{"__proto__":null,"evses":[null,{}]}'
    yield b'{"coordinates":{"latitude":1e40,"longitude":"0"}}'
    yield b'{"last_updated":"0000-00-00T00:00:00Z"}'
    yield b'{"country_code":"DE"}'
    yield b'{"id":"\\u0130"}'


@pytest.mark.req("TY-08")
@pytest.mark.threat("TA-20")
async def test_poison_never_reaches_the_list(each_service: Service) -> None:
    await put(each_service, location())
    url = "/admin/locations/NL/TNM/LOC-1"
    for body in poison():
        answer = await each_service.admin.patch(url, content=body)
        assert (body[:40], answer.status_code) == (body[:40], 400)
        page = await each_service.partner.get(LIST)
        assert decode(page.content)["data"] == [location()]


async def test_a_head_of_a_list_is_not_offered(service: Service) -> None:
    assert (await service.partner.head(LIST)).status_code == 405
    assert envelope_of(await service.partner.options(LIST))["status_code"] == 2000
