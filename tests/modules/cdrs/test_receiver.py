"""What CPOs post of CDRs: each is stored once, at an address, and contradictions are kept aside."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from sqlmodel import select
from structlog.testing import capture_logs

from credentials.partners import set_options
from modules.cdrs.own import credit_of
from modules.cdrs.store import CDRConflict, CDRRow
from ocpi.headers import Party
from ocpi.parties import PlatformID
from ocpi.spec.document import decode, encode
from ocpi.testing import samples
from tests.house import (
    BASE,
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

URL = f"{RECEIVER}/cdrs"
Document = dict[str, Any]


@pytest.fixture
async def service(sqlite_url: str) -> AsyncIterator[Service]:
    async with open_service(sqlite_url, offers=RECEIVING) as opened:
        yield opened


@pytest.fixture
async def each_service(database_url: str) -> AsyncIterator[Service]:
    async with open_service(database_url, offers=RECEIVING) as opened:
        yield opened


def plain(document: Any) -> Any:
    """As the wire has it, with exact numbers."""
    return decode(encode(document))


async def post(service: Service, body: Document) -> httpx.Response:
    return await service.cpo.post(URL, content=encode(body))


async def rows(service: Service, table: type[Any] = CDRRow) -> list[Any]:
    async with service.database.read() as db:
        return list((await db.exec(select(table))).all())


@pytest.mark.req("CD-02", "CD-03", "CD-04", "ST-05")
@pytest.mark.pitfall("IP-35")
async def test_a_posted_cdr_is_read_at_the_address_that_the_answer_gives(
    each_service: Service,
) -> None:
    body = samples.cdr(x_new={"a": [1, None]})
    answer = await post(each_service, body)
    assert codes_of(answer) == (201, 1000)
    assert answer.headers["location"] == f"{BASE}{URL}/DE/CPO/CDR-1"
    assert data_of(await each_service.cpo.get(answer.headers["location"])) == plain(body)
    (row,) = await rows(each_service)
    assert (row.audience, row.session_key, row.verdict) == ("de*msp", "session-1", "agrees")


@pytest.mark.req("CD-04")
async def test_the_address_stands_for_ids_with_any_character(service: Service) -> None:
    answer = await post(service, samples.cdr(id="A/B %25 #1*x?"))
    url = answer.headers["location"]
    assert url == f"{BASE}{URL}/DE/CPO/A%2FB%20%2525%20%231%2Ax%3F"
    assert data_of(await service.cpo.get(urlsplit(url).path))["id"] == "A/B %25 #1*x?"


@pytest.mark.req("CD-05")
@pytest.mark.pitfall("IP-05")
@pytest.mark.threat("TA-13")
async def test_the_same_cdr_again_is_stored_once_and_has_the_same_address(
    service: Service,
) -> None:
    first = await post(service, samples.cdr())
    # The order of members and the way a number is written say nothing.
    text = encode(dict(reversed(samples.cdr().items()))).replace(":10.5,", ":10.500,")
    again = await service.cpo.post(URL, content=text)
    assert codes_of(again) == (200, 1000)
    assert again.headers["location"] == first.headers["location"]
    assert len(await rows(service)) == 1
    assert await rows(service, CDRConflict) == []


@pytest.mark.pitfall("IP-05")
async def test_a_partner_that_takes_nothing_but_200_for_success_is_answered_200(
    service: Service,
) -> None:
    await set_options(service.context, "Example CPO", {"cdr_answer_200": "true"})
    answer = await post(service, samples.cdr())
    assert codes_of(answer) == (200, 1000)
    assert data_of(await service.cpo.get(answer.headers["location"])) == plain(samples.cdr())


@pytest.mark.req("CD-05")
@pytest.mark.pitfall("IP-05")
async def test_a_cdr_posted_eight_times_at_once_is_one_bill_and_eight_successes(
    each_service: Service,
) -> None:
    answers = await asyncio.gather(*(post(each_service, samples.cdr()) for _ in range(8)))
    assert sorted(codes_of(answer) for answer in answers) == [(200, 1000)] * 7 + [(201, 1000)]
    assert len({answer.headers["location"] for answer in answers}) == 1
    assert len(await rows(each_service)) == 1
    assert await rows(each_service, CDRConflict) == []


@pytest.mark.req("CD-05", "CD-08")
@pytest.mark.parametrize(
    "over",
    [{"total_cost": {"excl_vat": 9}}, {"id": "cdr-1"}, {"last_updated": "2026-02-01T00:00:00Z"}],
)
@pytest.mark.pitfall("IP-05")
@pytest.mark.threat("TA-31")
async def test_another_cdr_under_a_known_id_is_refused_kept_and_reported(
    each_service: Service, over: Document
) -> None:
    url = (await post(each_service, samples.cdr())).headers["location"]
    for _ in range(2):
        with capture_logs() as logs:
            answer = await post(each_service, samples.cdr(**over))
        assert codes_of(answer) == (200, 2001)
        assert "CDRs never change" in envelope_of(answer)["status_message"]
        assert [each["event"] for each in logs if each["log_level"] == "error"] == ["cdr conflict"]
    assert data_of(await each_service.cpo.get(url)) == plain(samples.cdr())
    (conflict,) = await rows(each_service, CDRConflict)
    assert (conflict.key, conflict.partner) == ("de*cpo*cdr-1", "Example CPO")
    assert decode(conflict.body) == plain(samples.cdr(**over))


@pytest.mark.req("CD-05", "CD-08")
async def test_of_different_cdrs_at_once_one_counts_and_all_others_are_kept(
    each_service: Service,
) -> None:
    bodies = [samples.cdr(total_energy=number) for number in range(1, 9)]
    answers = await asyncio.gather(*(post(each_service, body) for body in bodies))
    assert sorted(codes_of(answer) for answer in answers) == [(200, 2001)] * 7 + [(201, 1000)]
    (row,) = await rows(each_service)
    conflicts = await rows(each_service, CDRConflict)
    texts = [row.body, *(conflict.body for conflict in conflicts)]
    assert sorted(decode(text)["total_energy"] for text in texts) == list(range(1, 9))


@pytest.mark.threat("TA-31")
async def test_no_partner_fills_the_disk_with_contradictions(service: Service) -> None:
    for number in range(15):
        await post(service, samples.cdr(total_energy=number))
    assert len(await rows(service, CDRConflict)) == 10


@pytest.mark.req("CD-09", "CD-10", "CD-11", "CD-12")
@pytest.mark.pitfall("IP-36")
async def test_a_credit_cdr_and_the_corrected_one_are_stored_beside_the_original(
    service: Service,
) -> None:
    original = samples.cdr()
    credit = {**credit_of(original, "X" * 39), "last_updated": "2026-01-16T00:00:00Z"}
    corrected = samples.cdr(id="CDR-2", total_cost={"excl_vat": 4})
    for body in (original, credit, corrected):
        answer = await post(service, body)
        assert codes_of(answer) == (201, 1000)
        assert data_of(await service.cpo.get(answer.headers["location"])) == plain(body)
    assert credit["total_cost"] == {"excl_vat": -5.25, "incl_vat": -6.25}


@pytest.mark.req("CD-07", "CD-14")
@pytest.mark.pitfall("IP-18")
async def test_a_cdr_of_which_nothing_else_is_known_is_taken(service: Service) -> None:
    token = samples.cdr_token(country_code="FR", party_id="ZZZ", uid="NEVER-SEEN")
    place = {**samples.cdr()["cdr_location"], "id": "NEVER-SEEN", "evse_uid": "#NA"}
    body = samples.cdr(session_id="NEVER-SEEN", cdr_token=token, cdr_location=place)
    lone = samples.cdr(id="CDR-2")
    del lone["session_id"]
    orphan = samples.cdr(id="CDR-3", credit=True, credit_reference_id="NEVER-SEEN")
    for each in (body, lone, orphan):
        assert codes_of(await post(service, each)) == (201, 1000)


BAD: list[tuple[str, str, Any, tuple[int, int], str]] = [
    ("POST", "", {}, (200, 2001), "country_code: is required"),
    ("POST", "", [samples.cdr()], (200, 2001), "one JSON object"),
    ("POST", "", samples.cdr(charging_periods=[]), (200, 2001), "charging_periods: "),
    ("POST", "", samples.cdr(total_cost=5), (200, 2001), "total_cost: "),
    ("POST", "", samples.cdr(total_energy="1,5"), (200, 2001), "total_energy: "),
    ("POST", "", samples.cdr(end_date_time=None), (200, 2001), "end_date_time: "),
    ("POST", "", samples.cdr(party_id="OTH"), (404, 2000), "DE*OTH is no party of Example CPO"),
    ("POST", "/DE/CPO/CDR-1", samples.cdr(), (405, 2000), "POST is not offered"),
    ("PUT", "/DE/CPO/CDR-1", samples.cdr(), (405, 2000), "PUT is not offered"),
    ("PATCH", "/DE/CPO/CDR-1", {}, (405, 2000), "PATCH is not offered"),
    ("DELETE", "/DE/CPO/CDR-1", None, (405, 2000), "DELETE is not offered"),
    ("GET", "", None, (405, 2000), "GET is not offered"),
    ("GET", "/DE/CPO/CDR-9", None, (404, 2000), "no such object"),
    ("GET", "/DE/OTH/CDR-1", None, (404, 2000), "DE*OTH is no party"),
]


@pytest.mark.req("CD-02", "CD-08", "CD-17", "TR-11", "ST-03", "ST-04")
async def test_bad_requests_are_refused_and_change_nothing(service: Service) -> None:
    await post(service, samples.cdr())
    for method, path, body, codes, sentence in BAD:
        answer = await service.cpo.request(method, URL + path, json=body)
        assert (method, path, codes_of(answer)) == (method, path, codes), answer.text
        assert sentence in envelope_of(answer)["status_message"]
        assert "location" not in answer.headers
    (row,) = await rows(service)
    assert decode(row.body) == plain(samples.cdr())
    assert await rows(service, CDRConflict) == []


@pytest.mark.req("CO-02", "CO-06", "CD-12")
@pytest.mark.threat("TA-05")
async def test_a_cdr_is_shown_to_its_owner_only(service: Service) -> None:
    url = (await post(service, samples.cdr())).headers["location"]
    token, party = "token-of-another-cpo_0123456789", Party("FR", "OTH")
    await add_partner(
        service.database, "Another CPO", token, party, role="CPO", platform=PlatformID.HUB
    )
    async with calling(service.app, present(token)) as another:
        assert codes_of(await another.get(url)) == (404, 2000)
        theirs = samples.cdr(country_code="FR", party_id="OTH")
        assert codes_of(await another.post(URL, json=theirs)) == (201, 1000)
    assert codes_of(await service.stranger.get(url)) == (401, 2000)
    assert data_of(await service.cpo.get(url)) == plain(samples.cdr())


@pytest.mark.pitfall("IP-22")
async def test_signed_data_is_kept_to_the_letter(service: Service) -> None:
    value = {"nature": "Start", "plain_data": "a\r\n\tb", "signed_data": "OCMF|{}|é\n" * 400}
    signed = {"encoding_method": "OCMF", "signed_values": [value]}
    answer = await post(service, samples.cdr(signed_data=signed))
    assert data_of(await service.cpo.get(answer.headers["location"]))["signed_data"] == signed
