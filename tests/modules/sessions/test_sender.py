"""What eMSPs read of our Sessions: a page since a date, of their own drivers only."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from modules.sessions.own import put_own
from ocpi.headers import Party
from ocpi.parties import PartnerRole
from ocpi.spec.document import decode, encode
from ocpi.testing import samples
from tests.house import (
    OURS,
    OWNER,
    SENDER,
    Service,
    add_partner,
    add_party,
    calling,
    codes_of,
    data_of,
    envelope_of,
    open_service,
    present,
)

LIST = f"{SENDER}/sessions"
ALL = f"{LIST}?date_from=2026-01-01T00:00:00Z"


@pytest.fixture
async def service(database_url: str) -> AsyncIterator[Service]:
    async with open_service(database_url) as opened:
        yield opened


def session(name: str = "SESSION-1", driver_of: str = "MSP", **over: Any) -> dict[str, Any]:
    token = samples.cdr_token(party_id=driver_of)
    return samples.session(**{**OWNER, "id": name, "cdr_token": token, **over})


async def put(service: Service, *documents: dict[str, Any], owner: Party = OURS) -> None:
    for document in documents:
        await put_own(service.database, owner, document["id"], document)


async def ids(service: Service, url: str = ALL) -> list[str]:
    return [each["id"] for each in data_of(await service.partner.get(url))]


@pytest.mark.req("SE-01")
@pytest.mark.parametrize("query", ["", "?date_to=2030-01-01T00:00:00Z", "?date_from=&limit=1"])
async def test_without_a_date_to_begin_from_there_is_no_list(service: Service, query: str) -> None:
    answer = await service.partner.get(f"{LIST}{query}")
    assert codes_of(answer) == (200, 2001)
    assert envelope_of(answer)["status_message"] == "date_from: is required for Sessions"


@pytest.mark.req("SE-01", "PG-01", "PG-02", "PG-05", "PG-06", "PG-07", "PG-09")
async def test_sessions_are_listed_from_a_date_on_oldest_creation_first(service: Service) -> None:
    names = ["C", "A", "D", "B"]
    moments = [f"2026-01-15T09:3{minute}:00Z" for minute in range(4)]
    await put(service, *(session(n, last_updated=m) for n, m in zip(names, moments, strict=True)))
    assert await ids(service) == names
    assert await ids(service, f"{LIST}?date_from={moments[1]}&date_to={moments[3]}") == ["A", "D"]
    page = await service.partner.get(f"{ALL}&limit=3")
    assert page.headers["x-total-count"] == "4"
    assert "date_from=2026-01-01" in page.headers["link"]
    assert data_of(page)[0] == decode(encode(session("C", last_updated=moments[0])))


@pytest.mark.req("SE-02", "TR-22", "PG-07")
@pytest.mark.threat("TA-05")
async def test_an_emsp_sees_the_sessions_of_its_own_drivers_only(service: Service) -> None:
    await put(service, session("MINE"), session("YOURS", "OTH"), session("NOBODYS", "XXX"))
    await add_partner(service.database, "Another eMSP", "another-token_01234", Party("DE", "OTH"))
    async with calling(service.app, present("another-token_01234")) as another:
        for caller, name in ((service.partner, "MINE"), (another, "YOURS")):
            answer = await caller.get(ALL)
            assert [each["id"] for each in data_of(answer)] == [name]
            assert answer.headers["x-total-count"] == "1"


async def test_a_partner_with_two_parties_sees_the_sessions_of_both(service: Service) -> None:
    partner_id = await add_partner(service.database, "Two", "two_01234567890", Party("FR", "ONE"))
    token = samples.cdr_token(country_code="FR", party_id="ONE")
    await put(service, session("A", cdr_token=token), session("B", "TWO"), session("C", "ONE"))
    async with service.database.write() as db:
        role = PartnerRole(
            partner_id=partner_id,
            platform="cpo",
            role="EMSP",
            party="de*two",
            country_code="DE",
            party_id="TWO",
        )
        db.add(role)
    async with calling(service.app, present("two_01234567890")) as two:
        # Session C is of DE*ONE, which is not FR*ONE.
        assert [each["id"] for each in data_of(await two.get(ALL))] == ["A", "B"]


async def test_only_the_sessions_of_the_party_that_is_asked_are_listed(service: Service) -> None:
    second = Party("NL", "TWO")
    await add_party(service.database, second)
    await put(service, session("A"))
    await put(service, session("B", party_id="TWO"), owner=second)
    for party, name in ((OURS, "A"), (second, "B")):
        to = {"OCPI-to-country-code": party.country_code, "OCPI-to-party-id": party.party_id}
        answer = await service.partner.get(ALL, headers=to)
        assert [each["id"] for each in data_of(answer)] == [name]


@pytest.mark.req("SE-03", "TR-11")
async def test_there_is_no_single_session_to_get_or_to_change(service: Service) -> None:
    await put(service, session())
    for method in ("GET", "PUT", "PATCH", "DELETE"):
        answer = await service.partner.request(method, f"{LIST}/SESSION-1")
        assert codes_of(answer) == (404, 2000)
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert codes_of(await service.partner.request(method, LIST)) == (405, 2000)
