"""The check before a partner goes live, against mocks that behave and mocks that do not."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ocpi import headers
from ocpi.golive.asking import NOTHING, Writes
from ocpi.golive.checking import CHECKS, check_partner, last_report
from ocpi.golive.judging import proposals
from ocpi.golive.recording import Asked, Recording
from ocpi.golive.showing import html_of
from ocpi.headers import MessageIDs
from ocpi.parties import Partner, PlatformID
from ocpi.reply import RawReply, Reply, read_reply
from ocpi.spec.document import decode
from ocpi.testing import samples
from ocpi.testing.cpo import MockCPO
from ocpi.testing.emsp import MockEMSP, Party, running
from ocpi.testing.mock.misbehaviour import Match, Rule
from ocpi.testing.mock.platform import MockPlatform
from ocpi.testing.mock.state import Peer, Standing, key_of
from tests.house import HUB, RECEIVING, Service, add_partner, open_service

OUT = base64.b64encode(b"our-token-at-the-partner").decode()
RAW = "our-token-at-the-partner"
WRITES = Writes(agreed=True, cdr=True)


@pytest.fixture
async def service(sqlite_url: str) -> AsyncIterator[Service]:
    async with open_service(sqlite_url, offers=RECEIVING, allow_private_networks=True) as opened:
        yield opened


async def known(service: Service, mock: MockPlatform, *, hub: bool = False) -> None:
    """Make the mock a registered partner, `them`."""
    platform = PlatformID.HUB if hub else PlatformID.CPO
    party = headers.Party(*mock.own_party())
    role = mock.parties[0].role
    key = await add_partner(
        service.database, "them", f"in-{platform}", party, role=role, platform=platform
    )
    async with service.database.write() as db:
        partner = await db.get(Partner, key)
        assert partner is not None
        partner.versions_url = mock.versions_url
        partner.token_out = service.context.seal.close(OUT)
    mock.tokens_in = {OUT: Standing.CURRENT}
    us = HUB if hub else headers.Party("NL", "TNM")
    ours = samples.credentials_role(
        "HUB" if hub else "CPO", country_code=us.country_code, party_id=us.party_id
    )
    mock.peer = Peer("unused", "https://cpo.example/ocpi/cpo/versions", [ours], [])


@pytest.fixture
async def emsp(service: Service) -> AsyncIterator[MockEMSP]:
    mock = MockEMSP((Party("DE", "EMP", "An eMSP"),))
    for number in range(3):
        mock.issue_token(samples.token(uid=f"T{number}", country_code="DE", party_id="EMP"))
    async with running(mock):
        await known(service, mock)
        yield mock


@pytest.fixture
async def cpo(service: Service) -> AsyncIterator[MockCPO]:
    mock = MockCPO((Party("DE", "OPR", "A CPO", "CPO"),))
    owner = {"country_code": "DE", "party_id": "OPR"}
    for number in range(3):
        put(mock, "locations", samples.location(**owner, id=f"L{number}"))
        put(mock, "tariffs", samples.tariff(**owner, id=f"T{number}"))
    async with running(mock):
        await known(service, mock, hub=True)
        yield mock


def put(mock: MockPlatform, module: str, document: dict[str, Any]) -> None:
    mock.objects[module][key_of(module, document)] = document


async def check(service: Service, wishes: Writes = NOTHING) -> dict[str, Any]:
    return await check_partner(service.context, "them", wishes)


def failed(report: dict[str, Any]) -> set[str]:
    return {each["id"] for each in report["checks"] if each["outcome"] == "failed"}


def result(report: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(each for each in report["checks"] if each["id"] == name)
    return found


async def test_the_mock_emsp_passes_with_writes_and_nothing_of_them_is_left(
    service: Service, emsp: MockEMSP
) -> None:
    report = await check(service, WRITES)
    assert (failed(report), report["passed"], report["proposals"]) == (set(), True, [])
    skipped = {each["id"] for each in report["checks"] if each["outcome"] == "skipped"}
    assert skipped == {"tls"}  # A lab lets plain http through.
    (location,) = emsp.objects["locations"].values()
    assert [evse["status"] for evse in location["evses"]] == ["REMOVED"]
    assert not emsp.objects["tariffs"]
    (session,) = emsp.objects["sessions"].values()
    assert session["status"] == "INVALID"
    (cdr,) = emsp.objects["cdrs"].values()
    assert float(cdr["total_cost"]["excl_vat"]) == 0
    # It objects to nothing but what is asked wrongly on purpose.
    meant = ("/versions", "yesterday", "there is nothing at")
    assert [each for each in emsp.violations if not any(word in each for word in meant)] == []


async def test_without_writes_only_gets_are_sent(service: Service, emsp: MockEMSP) -> None:
    report = await check(service)
    assert report["passed"]
    assert {message.method for message in emsp.messages} == {"GET"}
    assert not report["wrote"]


async def test_the_mock_cpo_passes(service: Service, cpo: MockCPO) -> None:
    report = await check(service)
    assert (failed(report), report["passed"]) == (set(), True)
    assert report["requests"] > 20
    assert cpo.peer is not None


def alter(path: str = "", **over: Any) -> Rule:
    return Rule("alter", Match(path=path), **over)


@pytest.mark.threat("TA-27")
async def test_endpoints_that_nobody_has_approved_are_named_and_not_asked(
    service: Service, emsp: MockEMSP
) -> None:
    other = emsp.versions_url.replace("127.0.0.1", "localhost").replace("/versions", "/tokens")
    away = {"identifier": "tokens", "role": "SENDER", "url": other}
    details = {"version": "2.2.1", "endpoints": [away]}
    emsp.rules = [alter(r"/2\.2\.1$", members={"data": details})]
    report = await check(service)
    assert not report["passed"]
    assert result(report, "hosts")["problems"] == [
        "tokens SENDER lies at localhost, which was not approved, so it was not asked."
    ]
    assert [message.path for message in emsp.messages if "date_from" in message.path] == []


LINK = {"link": '</ocpi/x?offset=1>; rel="next"'}
FOREIGN = {"link": '<http://elsewhere.example/x?offset=1>; rel="next"'}
WRONG_OF_LISTS = {
    "list.read": Rule("status", Match(path=r"/locations(\?|$)"), http_status=403),
    "list.counts": alter("/locations", headers={"x-total-count": None}),
    "list.link": alter("/locations", headers=LINK),
    "list.limit": Rule("ignore_query", Match(path="limit=1")),
    "list.beyond": Rule("ignore_query", Match(path="offset=900000")),
    "list.dates": Rule("ignore_query", Match(path="date_from=2099")),
    "list.parameters": Rule("ignore_query", Match(path="date_from=yesterday")),
    "unknown.object": alter("/locations/ocpi-check", http_status=200),
}


@pytest.mark.req("PG-02", "PG-03", "PG-04", "PG-05", "PG-07", "PG-12")
@pytest.mark.parametrize("name", WRONG_OF_LISTS)
async def test_what_a_list_does_wrong_is_named(service: Service, cpo: MockCPO, name: str) -> None:
    cpo.rules = [WRONG_OF_LISTS[name]]
    report = await check(service)
    assert name in failed(report)
    assert any("locations" in problem for problem in result(report, name)["problems"])


async def test_a_link_to_elsewhere_is_named_and_not_followed(
    service: Service, cpo: MockCPO
) -> None:
    cpo.rules = [
        alter(r"/locations\?date_from=2015|/locations\?limit|/locations$", headers=FOREIGN)
    ]
    report = await check(service)
    assert "list.link" in failed(report)
    assert "elsewhere.example" in str(result(report, "list.link")["problems"])


WRONG_OF_PLATFORM = {
    "reach": Rule("status", Match(path="versions"), http_status=503),
    "token.wrong": alter("versions", http_status=200, members={"status_code": 1000, "data": []}),
    "versions": alter(
        "versions", members={"data": [{"version": "2.1.1", "url": "https://x.example"}]}
    ),
    "details": alter("2.2.1$", members={"data": {"version": "2.2.1", "endpoints": []}}),
    "slash": Rule("status", Match(path="versions/$"), http_status=404),
    "unknown.path": alter("2.2.1/ocpi-check", http_status=200),
    "envelope": alter("versions", members={"timestamp": "yesterday"}),
    "envelope.errors": alter("2.2.1/ocpi-check", members={"status_code": None}),
    "answers": Rule("drop", Match(path="tokens")),
}


@pytest.mark.req("VE-01", "VE-03", "TR-05", "EN-01", "EN-02", "ST-04")
@pytest.mark.parametrize("name", WRONG_OF_PLATFORM)
async def test_what_a_platform_does_wrong_is_named(
    service: Service, emsp: MockEMSP, name: str
) -> None:
    emsp.rules = [WRONG_OF_PLATFORM[name]]
    report = await check(service)
    assert name in failed(report)
    assert result(report, name)["problems"]


@pytest.mark.req("TY-04", "TR-23", "CO-08")
async def test_objects_that_are_wrong_are_counted_and_the_first_are_shown(
    service: Service, cpo: MockCPO
) -> None:
    owner = {"country_code": "DE", "party_id": "OPR"}
    for number in range(7):
        put(cpo, "locations", samples.location(**owner, id=f"BAD{number}", city="x" * 60))
    cpo.objects["tariffs"]["DE", "OPR", "again"] = samples.tariff(**owner, id="t0")
    report = await check(service)
    found = result(report, "objects.valid")
    assert (found["outcome"], found["count"], len(found["problems"])) == ("failed", 7, 5)
    assert "DE*OPR*BAD0: city" in found["problems"][0]
    assert result(report, "objects.once")["count"] == 1
    assert not report["passed"]


@pytest.mark.req("TR-03", "TR-07")
async def test_a_partner_that_knows_raw_tokens_only_gets_a_proposal(
    service: Service, emsp: MockEMSP
) -> None:
    emsp.tokens_in = {RAW: Standing.CURRENT}
    report = await check(service)
    assert failed(report) >= {"token.form"}
    assert report["passed"]
    (proposal,) = report["proposals"]
    assert proposal["command"] == "ocpi partner set them raw_token=true"


async def test_a_partner_that_refuses_patches_gets_a_proposal(
    service: Service, emsp: MockEMSP
) -> None:
    emsp.rules = [Rule("status", Match(method="PATCH"), http_status=405)]
    report = await check(service, WRITES)
    assert {"write.patch", "write.read"} <= failed(report)
    assert [each["option"] for each in report["proposals"]] == ["put_only=true"]
    assert report["passed"]


WRONG_OF_WRITES = {
    "write.put": Rule("envelope", Match(method="PUT", module="locations"), status_code=2001),
    "write.created": alter("tariffs", http_status=200),
    "write.withdraw": Rule("status", Match(method="DELETE"), http_status=500),
    "write.gone": Rule("envelope", Match(method="DELETE"), status_code=1000),
    "write.cdr": alter("cdrs", headers={"location": None}),
    "write.post": Rule("status", Match(method="POST", module="cdrs"), http_status=500),
}


@pytest.mark.req("CO-01", "ST-05", "TA-02", "CD-03")
@pytest.mark.parametrize("name", WRONG_OF_WRITES)
async def test_what_writes_come_to_wrong_is_named(
    service: Service, emsp: MockEMSP, name: str
) -> None:
    emsp.rules = [WRONG_OF_WRITES[name]]
    report = await check(service, WRITES)
    assert name in failed(report)


def reply(seconds: float = 0.0, **over: Any) -> Reply:
    body = b'{"status_code": 1000, "timestamp": "2026-01-01T00:00:00Z", "data": []}'
    raw = RawReply(200, over.pop("headers", {}), body, seconds, MessageIDs("r", "c"))
    return read_reply(raw)


def judged(name: str, *asked: Asked, **over: Any) -> Any:
    check = next(each for each in CHECKS if each.id == name)
    return check.judge(Recording(asked=list(asked), **over))


@pytest.mark.req("TR-14")
def test_ids_that_are_not_repeated_and_slow_answers_and_plain_http_are_named() -> None:
    slow = Asked("versions", "GET", "https://x.example", reply(5.0))
    assert len(judged("message.ids", slow)) == 2
    ids = {"x-request-id": "r", "x-correlation-id": "c"}
    assert judged("message.ids", Asked("v", "GET", "u", reply(headers=ids))) == []
    assert len(judged("latency", slow)) == 2
    assert judged("latency", Asked("v", "GET", "u", reply(0.1))) == []
    plain = {("locations", "RECEIVER"): "http://x.example/locations"}
    over = {"versions_url": "https://x.example", "endpoints": plain}
    assert judged("tls", **over) == ["http://x.example/locations is not https"]


def test_each_check_names_requirements_that_there_are() -> None:
    file = Path(__file__).parents[2] / "conformance" / "requirements.json"
    known = {each["id"] for each in decode(file.read_bytes())}
    assert {name for check in CHECKS for name in check.requirements} <= known
    assert len({check.id for check in CHECKS}) == len(CHECKS)


async def test_a_limit_on_requests_gets_a_proposal(service: Service, emsp: MockEMSP) -> None:
    emsp.rules = [Rule("status", Match(path="tokens"), http_status=429)]
    report = await check(service)
    assert [each["option"] for each in report["proposals"]] == ["pushes_per_minute=60"]


@pytest.mark.pitfall("IP-37")
@pytest.mark.parametrize(
    ("code", "said", "option"),
    [
        (2004, "Rate limit exceeded", ["codes=2004=throttle"]),
        (2002, "Unauthorized", ["codes=2002=auth"]),
        (2001, "locations: unknown parameter", []),
    ],
)
def test_codes_of_its_own_get_a_proposal(code: int, said: str, option: list[str]) -> None:
    answer = replace(reply(), status_code=code, status_message=said)
    record = Recording(asked=[Asked("tokens/page/1", "GET", "https://x.example", answer)])
    assert [each.option for each in proposals(record)] == option


async def test_a_report_is_kept_and_can_be_sent_without_our_token(
    service: Service, emsp: MockEMSP
) -> None:
    emsp.rules = [alter("versions", members={"timestamp": f"<b>{OUT}</b>"})]
    report = await check(service)
    assert await last_report(service.context, "them") == report
    answer = await service.admin.get("/admin/partners/them/check")
    assert answer.json() == report
    page = (await service.admin.get("/admin/partners/them/check.html")).text
    assert page == html_of(report)
    assert "<script" not in page
    assert "<b>" not in page
    for text in (page, answer.text):
        assert OUT not in text
        assert RAW not in text
    assert all(check.what in page.replace("&#39;", "'") for check in CHECKS)


async def test_who_cannot_be_asked_is_told_why(service: Service) -> None:
    answer = await service.admin.post("/admin/partners/Newcomer/check")
    assert answer.status_code == 409
    assert "not registered" in answer.json()["error"]
    answer = await service.admin.get("/admin/partners/Newcomer/check")
    assert answer.status_code == 404
    assert "never checked" in answer.json()["error"]


async def test_writes_are_for_partners_of_our_cpo_platform(service: Service, cpo: MockCPO) -> None:
    answer = await service.admin.post("/admin/partners/them/check?write=true")
    assert "without" in answer.json()["error"]
    assert not [m for m in cpo.messages if m.method != "GET"]
    answer = await service.admin.post("/admin/partners/them/check?write_cdr=true")
    assert "write" in answer.json()["error"]
