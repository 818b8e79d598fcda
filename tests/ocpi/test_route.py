"""The way in: ids, tokens, parties and limits, before any module sees the request."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

import ocpi.arrival
from ocpi.headers import Party
from ocpi.testing import samples
from tests.house import (
    BASE,
    OCPI,
    OURS,
    SENDER,
    TOKEN,
    TOKEN_A,
    Service,
    add_party,
    calling,
    codes_of,
    data_of,
    envelope_of,
    open_service,
    present,
)

IDS = {"X-Request-ID": "request-1", "X-Correlation-ID": "correlation-1"}
VERSIONS = "/ocpi/cpo/versions"
LOCATIONS, TARIFFS = f"{SENDER}/locations", f"{SENDER}/tariffs"
CREDENTIALS = f"{OCPI}/credentials"


@pytest.fixture
async def service(sqlite_url: str) -> AsyncIterator[Service]:
    async with open_service(sqlite_url) as opened:
        yield opened


def routing_of(answer: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name.startswith("ocpi-")}


def pair(name: str, party: Party) -> dict[str, str]:
    return {
        f"OCPI-{name}-country-code": party.country_code,
        f"OCPI-{name}-party-id": party.party_id,
    }


SITUATIONS: list[tuple[str, str, dict[str, Any], tuple[int, int]]] = [
    ("GET", VERSIONS, {}, (200, 1000)),
    ("GET", OCPI, {}, (200, 1000)),
    ("GET", LOCATIONS, {}, (200, 1000)),
    ("GET", f"{LOCATIONS}?offset=99", {}, (200, 1000)),
    ("GET", f"{LOCATIONS}?offset=-1", {}, (200, 2001)),
    ("GET", f"{LOCATIONS}?limit=1.5", {}, (200, 2001)),
    ("GET", f"{LOCATIONS}?date_from=yesterday", {}, (200, 2001)),
    ("GET", f"{LOCATIONS}/X", {}, (404, 2003)),
    ("GET", f"{LOCATIONS}/X/Y", {}, (404, 2003)),
    ("GET", f"{LOCATIONS}/X/Y/Z", {}, (404, 2003)),
    ("GET", f"{LOCATIONS}/X/Y/Z/W", {}, (404, 2000)),
    ("GET", f"{TARIFFS}/X", {}, (404, 2000)),
    ("GET", f"{OCPI}/sender/unknown", {}, (404, 2000)),
    ("GET", f"{OCPI}/receiver/locations/NL/TNM/X", {}, (404, 2000)),
    ("GET", "/ocpi/cpo/2.1.1", {}, (404, 2000)),
    ("GET", "/ocpi/nowhere/versions", {}, (404, 2000)),
    ("GET", "/ocpi/", {}, (404, 2000)),
    ("POST", LOCATIONS, {"json": {}}, (405, 2000)),
    ("POST", LOCATIONS, {"content": b"x" * 2**20 + b"x"}, (413, 2000)),
    ("PUT", CREDENTIALS, {"content": b"{"}, (400, 2001)),
    ("PUT", CREDENTIALS, {"content": b""}, (400, 2001)),
    ("PUT", CREDENTIALS, {"content": b"[]"}, (200, 2001)),
    ("PUT", CREDENTIALS, {"json": {}}, (200, 2001)),
    ("PUT", CREDENTIALS, {"content": b"{}", "headers": {"Content-Encoding": "gzip"}}, (415, 2000)),
    *(
        ("PUT", CREDENTIALS, {"content": b"{", "headers": {"Content-Encoding": none}}, (400, 2001))
        for none in ("", "identity", " Identity ")
    ),
    ("GET", VERSIONS, {"headers": present("wrong")}, (401, 2000)),
    ("GET", LOCATIONS, {"headers": present(TOKEN_A)}, (401, 2000)),
    ("GET", LOCATIONS, {"headers": pair("to", Party("XX", "XXX"))}, (200, 2001)),
    ("GET", LOCATIONS, {"headers": pair("from", Party("XX", "XXX"))}, (200, 2001)),
    ("GET", LOCATIONS, {"headers": {"OCPI-to-party-id": "TNM"}}, (200, 2001)),
]


@pytest.mark.req("EN-01", "EN-02", "TR-14", "ST-01", "ST-02", "ST-03", "ST-04", "PG-12", "TR-11")
@pytest.mark.pitfall("IP-07", "IP-33", "IP-43")
async def test_every_situation_has_its_codes_its_envelope_and_its_ids(service: Service) -> None:
    for method, url, how, codes in SITUATIONS:
        headers = {**IDS, **how.get("headers", {})}
        answer = await service.partner.request(method, url, **{**how, "headers": headers})
        assert (method, url, codes_of(answer)) == (method, url, codes)
        for name, value in IDS.items():
            assert answer.headers.get_list(name) == [value], url
        assert ("data" in envelope_of(answer)) == (codes[1] == 1000), url
        assert "location" not in answer.headers


@pytest.mark.req("EN-01", "ST-10")
@pytest.mark.parametrize("method", ["GET", "PUT"])
@pytest.mark.threat("TA-09")
async def test_a_crash_is_told_in_an_envelope(
    service: Service, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    async def crash(*_: Any, **__: Any) -> Any:
        raise RuntimeError("what nobody should see")

    monkeypatch.setattr("credentials.endpoints.present", crash)
    monkeypatch.setattr("credentials.endpoints.discover", crash)
    body = samples.credentials(roles=[samples.credentials_role("EMSP")])
    with capture_logs() as lines:
        answer = await service.partner.request(method, CREDENTIALS, json=body, headers=IDS)
    assert codes_of(answer) == (500, 3000)
    crashes = [line for line in lines if line["event"] == "crash"]
    assert [line["request_id"] for line in crashes] == ["request-1"]
    assert answer.headers["x-request-id"] == "request-1"
    assert "nobody" not in answer.text


async def test_what_the_database_cannot_do_now_is_no_crash(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: Any, **__: Any) -> Any:
        raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr("credentials.endpoints.present", away)
    with capture_logs() as lines:
        answer = await service.partner.get(CREDENTIALS, headers=IDS)
    assert codes_of(answer)[0] == 503
    assert [line["event"] for line in lines] == ["not possible now", "message in"]
    assert "ocpi_crashes_total 0.0" in (await service.admin.get("/metrics")).text


@pytest.mark.req("TR-15")
@pytest.mark.pitfall("IP-33")
async def test_a_request_without_ids_is_answered_with_new_ones(service: Service) -> None:
    answers = [await service.partner.get(VERSIONS) for _ in range(2)]
    ids = [uuid.UUID(answer.headers[name]) for answer in answers for name in IDS]
    assert len(set(ids)) == 4


@pytest.mark.req("TR-08")
async def test_header_names_are_matched_without_case(service: Service) -> None:
    headers = {"x-REQUEST-id": "1", "oCPI-TO-Country-Code": "nl", "ocpi-to-PARTY-id": "tnm"}
    answer = await service.partner.get(LOCATIONS, headers=headers)
    assert codes_of(answer) == (200, 1000)
    assert answer.headers["X-Request-ID"] == "1"


SESSIONS, CDRS = f"{SENDER}/sessions", f"{SENDER}/cdrs"
COMMANDS, PROFILES, TOKENS, CLIENTS = (
    f"{OCPI}/receiver/{module}"
    for module in ("commands", "chargingprofiles", "tokens", "hubclientinfo")
)
PATHS = [VERSIONS, OCPI, CREDENTIALS, LOCATIONS, f"{LOCATIONS}/1", f"{LOCATIONS}/1/2", TARIFFS]


@pytest.mark.req("TR-05")
@pytest.mark.parametrize("value", [None, "Basic eDp5", "Token", "Token !!!", "Bearer x"])
@pytest.mark.pitfall("IP-30")
async def test_without_a_token_nothing_is_told(service: Service, value: str | None) -> None:
    headers = {} if value is None else {"Authorization": value}
    for path in [*PATHS, "/ocpi/cpo/elsewhere"]:
        for method in ("GET", "PUT", "DELETE", "OPTIONS", "BREW"):
            answer = await service.stranger.request(method, path, headers=headers)
            assert codes_of(answer) == (401, 2000), (method, path)


@pytest.mark.req("TR-06", "VE-12")
@pytest.mark.pitfall("IP-02")
@pytest.mark.threat("TA-06")
async def test_a_registration_token_opens_versions_and_credentials_only(service: Service) -> None:
    found = {}
    async with calling(service.app, present(TOKEN_A)) as newcomer:
        for path in [*PATHS, f"{LOCATIONS}?x=versions", f"{LOCATIONS}/versions", "/ocpi/cpo/x"]:
            found[path] = (await newcomer.get(path)).status_code
    assert {path for path, status in found.items() if status != 401} == {
        VERSIONS,
        OCPI,
        CREDENTIALS,
    }


OFFERED = {
    VERSIONS: {"GET"},
    OCPI: {"GET"},
    CREDENTIALS: {"GET", "POST", "PUT", "DELETE"},
    LOCATIONS: {"GET"},
    f"{LOCATIONS}/1": {"GET"},
    f"{LOCATIONS}/1/2": {"GET"},
    f"{LOCATIONS}/1/2/3": {"GET"},
    TARIFFS: {"GET"},
    SESSIONS: {"GET"},
    f"{SESSIONS}/1/charging_preferences": {"PUT"},
    CDRS: {"GET"},
    f"{COMMANDS}/START_SESSION": {"POST"},
    f"{PROFILES}/1": {"GET", "PUT", "DELETE"},
    f"{TOKENS}/DE/MSP/1": {"GET", "PUT", "PATCH"},
    f"{CLIENTS}/DE/MSP": {"GET", "PUT"},
}
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW")


@pytest.mark.req("TR-11", "CO-03", "TA-01", "LO-06")
async def test_what_is_not_offered_is_refused_by_405(service: Service) -> None:
    for path, offered in OFFERED.items():
        for method in METHODS:
            if method not in offered:
                answer = await service.partner.request(method, path, headers=IDS)
                assert answer.status_code == 405, (method, path)
                # The answer to HEAD has no body to look at.
                assert method == "HEAD" or codes_of(answer) == (405, 2000)
                assert set(answer.headers["allow"].split(", ")) <= offered


async def test_every_route_stands_in_the_table_above(service: Service) -> None:
    """A new route must be given its methods, and with them its place in these tests."""
    details = data_of(await service.partner.get(OCPI))
    urls = {endpoint["url"].removeprefix(BASE) for endpoint in details["endpoints"]}
    senders = {LOCATIONS, TARIFFS, SESSIONS, CDRS}
    assert urls == {CREDENTIALS, *senders, COMMANDS, PROFILES, TOKENS, CLIENTS}


@pytest.mark.pitfall("IP-04")
async def test_slashes_more_or_less_change_nothing(service: Service) -> None:
    for path in (VERSIONS, OCPI, LOCATIONS, TARIFFS, CREDENTIALS):
        for form in (f"{path}/", f"{path}//", f"/{path}", path.replace("/", "//")):
            assert codes_of(await service.partner.get(BASE + form)) == (200, 1000), form


@pytest.mark.req("RT-01", "RT-05", "RT-07")
@pytest.mark.pitfall("IP-31")
async def test_the_answer_goes_the_way_back(service: Service) -> None:
    there = {**pair("to", Party("nl", "tnm")), **pair("from", Party("de", "Msp"))}
    back = {**pair("to", Party("de", "Msp")), **pair("from", OURS)}
    for path, status in ((LOCATIONS, 200), (f"{LOCATIONS}/X", 404), (f"{SENDER}/none", 404)):
        answer = await service.partner.get(path, headers=there)
        assert answer.status_code == status
        assert routing_of(answer) == {name.lower(): value for name, value in back.items()}


@pytest.mark.req("RT-04")
@pytest.mark.pitfall("IP-31")
async def test_without_routing_headers_the_answer_has_none(service: Service) -> None:
    assert routing_of(await service.partner.get(LOCATIONS)) == {}


@pytest.mark.req("RT-03")
@pytest.mark.parametrize("path", [VERSIONS, OCPI, CREDENTIALS])
@pytest.mark.pitfall("IP-31")
async def test_on_configuration_modules_they_are_ignored(service: Service, path: str) -> None:
    strange = {**pair("to", Party("XX", "XXX")), "OCPI-from-party-id": "half"}
    answer = await service.partner.get(path, headers=strange)
    assert codes_of(answer) == (200, 1000)
    assert routing_of(answer) == {}


@pytest.mark.req("RT-08")
@pytest.mark.parametrize("path", [LOCATIONS, f"{LOCATIONS}?x=versions", f"{TARIFFS}?y=credentials"])
@pytest.mark.threat("TA-06")
async def test_a_sender_that_is_not_the_callers_is_refused(service: Service, path: str) -> None:
    answer = await service.partner.get(path, headers=pair("from", Party("FR", "NEW")))
    assert codes_of(answer) == (200, 2001)
    assert "FR*NEW" in envelope_of(answer)["status_message"]


@pytest.mark.req("RT-39")
async def test_a_receiver_that_is_not_ours_is_refused(service: Service) -> None:
    headers = {**pair("to", Party("DE", "XXX")), **pair("from", Party("DE", "MSP"))}
    answer = await service.partner.get(LOCATIONS, headers=headers)
    assert codes_of(answer) == (200, 2001)
    assert routing_of(answer)["ocpi-to-party-id"] == "MSP"


@pytest.mark.req("RT-05")
async def test_of_several_parties_the_addressed_one_answers(service: Service) -> None:
    second = Party("BE", "TWO")
    await add_party(service.database, second)
    assert codes_of(await service.partner.get(LOCATIONS)) == (200, 2001)
    for party in (OURS, second):
        answer = await service.partner.get(LOCATIONS, headers=pair("to", party))
        assert codes_of(answer) == (200, 1000)
        assert routing_of(answer)["ocpi-from-party-id"] == party.party_id


@pytest.mark.parametrize(
    "name", ["authorization", "OCPI-to-party-id", "ocpi-from-country-code", "X-Request-ID"]
)
@pytest.mark.threat("TA-22")
async def test_a_header_sent_twice_is_refused(service: Service, name: str) -> None:
    headers = [*present(TOKEN).items(), *([(name, "a")] * 2)]
    answer = await service.stranger.get(LOCATIONS, headers=headers)
    assert codes_of(answer) == (400, 2000)


async def endless() -> AsyncIterator[bytes]:
    while True:
        yield b"x" * 65536
        await asyncio.sleep(0)


class Watched:
    """A body that notes whether it was read."""

    def __init__(self) -> None:
        self.read = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in endless():
            self.read += len(chunk)
            yield chunk


@pytest.mark.threat("TA-14")
async def test_a_bad_token_is_judged_before_the_body_is_read(service: Service) -> None:
    body = Watched()
    answer = await service.stranger.put(CREDENTIALS, content=body, headers=present("wrong"))
    assert (codes_of(answer), body.read) == ((401, 2000), 0)


@pytest.mark.threat("TA-14")
async def test_a_body_without_end_is_cut_off(service: Service) -> None:
    body = Watched()
    answer = await service.partner.put(CREDENTIALS, content=body)
    assert codes_of(answer) == (413, 2000)
    assert body.read <= 2**20 + 65536


@pytest.mark.threat("TA-14")
async def test_a_body_that_says_it_is_too_long_is_not_read(service: Service) -> None:
    body = Watched()
    headers = {"Content-Length": str(2**20 + 1)}
    answer = await service.partner.put(CREDENTIALS, content=body, headers=headers)
    assert (codes_of(answer), body.read) == ((413, 2000), 0)


async def slow() -> AsyncIterator[bytes]:
    while True:
        yield b" "
        await asyncio.sleep(0.01)


@pytest.mark.threat("TA-16")
async def test_a_slow_body_is_given_up(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ocpi.arrival, "BODY_DEADLINE", 0.05)
    answer = await service.partner.put(CREDENTIALS, content=slow())
    assert codes_of(answer) == (408, 2000)


@pytest.mark.req("TR-10")
@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "", "nonsense"])
@pytest.mark.pitfall("IP-27")
async def test_the_content_type_of_a_request_is_no_matter(
    service: Service, content_type: str
) -> None:
    headers = {"Content-Type": content_type}
    assert codes_of(await service.partner.get(LOCATIONS, headers=headers)) == (200, 1000)
    answer = await service.partner.put(CREDENTIALS, content=b'\xef\xbb\xbf{"x":1}', headers=headers)
    assert codes_of(answer) == (200, 2001)


POISON = (
    b"[" * 100_000,
    b'{"a":' * 40 + b"1" + b"}" * 40,
    b'{"a":1e999}',
    b'{"a":NaN}',
    b'{"a":' + b"9" * 5000 + b"}",
    b'{"a":"\\u0000"}',
    b'{"a":"\\ud800"}',
    b"\xff\xfe{}",
    b"{}{}",
    b"[]," * 300_000,
)


@pytest.mark.req("ST-01")
@pytest.mark.threat("TA-14", "TA-20")
async def test_poison_is_no_json(service: Service) -> None:
    for body in POISON:
        answer = await service.partner.put(CREDENTIALS, content=body)
        assert codes_of(answer) == (400, 2001), body[:20]


@pytest.mark.threat("TA-12")
async def test_answers_about_unknown_and_wrong_tokens_are_the_same(service: Service) -> None:
    answers = [
        await service.stranger.get(LOCATIONS, headers=present(token))
        for token in ("a", TOKEN[:-1], "x" * 500)
    ]
    messages = {envelope_of(answer)["status_message"] for answer in answers}
    assert len(messages) == 1
