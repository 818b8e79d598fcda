"""Messages to one party: carried as they are, and answered as they were answered."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from ocpi.admission import PLACES
from ocpi.headers import Party
from ocpi.spec.document import encode
from ocpi.testing import samples
from tests.house import HUB, OURS, codes_of, envelope_of
from tests.ocpi.hub.town import CPO1, EMSP1, EMSP2, Member, Town, open_town, success

C, M = CPO1.party, EMSP1.party
SESSION = samples.session(country_code="BE", party_id="BEC")
PATH = f"receiver/sessions/BE/BEC/{SESSION['id']}"
FOREIGN = samples.cdr(country_code="FR", party_id="FRC")
IDS = {"X-Request-ID": "request-1", "X-Correlation-ID": "correlation-1"}


@pytest.fixture
async def town(database_url: str) -> AsyncIterator[Town]:
    async with open_town(database_url) as opened:
        yield opened


def routing_of(answer: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name.startswith("ocpi-")}


def swapped(to: Party, sender: Party) -> dict[str, str]:
    return {
        "ocpi-to-country-code": to.country_code,
        "ocpi-to-party-id": to.party_id,
        "ocpi-from-country-code": sender.country_code,
        "ocpi-from-party-id": sender.party_id,
    }


@pytest.mark.req("RT-09", "RT-11", "RT-12", "RT-13", "RT-14", "RT-15", "RT-02", "RT-07")
async def test_a_message_reaches_the_party_that_it_names(town: Town) -> None:
    answer = await town.cpo1.send("PUT", PATH, SESSION, to=M, headers=IDS)
    assert codes_of(answer) == (200, 1000)
    (seen,) = town.emsp1.seen
    assert (seen.method, seen.path) == ("PUT", f"/receiver/sessions/BE/BEC/{SESSION['id']}")
    assert seen.routing == (M, C)
    assert seen.headers["x-correlation-id"] == "correlation-1"
    assert seen.headers["x-request-id"] != "request-1"
    assert town.emsp1.token_out not in str(answer.headers)
    assert seen.headers["authorization"] != town.cpo1.http.headers["authorization"]
    assert {name: answer.headers[name] for name in IDS} == IDS
    assert routing_of(answer) == swapped(C, M)
    assert not town.emsp2.seen


@pytest.mark.req("RT-16", "RT-17")
@pytest.mark.pitfall("IP-10")
async def test_body_and_unknown_fields_pass_byte_for_byte(town: Town) -> None:
    body = b'{ "last_updated":"2020-01-01T00:00:00Z",\n "x_new": {"deep": [1.50, "\xc3\xa9"]} }'
    said = b'{"status_code": 1000, "x": 1.0, "timestamp": "2026-01-01T12:00:00Z"}'
    town.emsp1.answer = lambda _: httpx.Response(200, content=said)
    answer = await town.cpo1.send("PATCH", PATH, body, to=M)
    assert town.emsp1.seen[0].body == body
    assert answer.content == said


@pytest.mark.req("RT-06")
async def test_parties_are_found_without_regard_to_case_and_named_as_the_sender_did(
    town: Town,
) -> None:
    answer = await town.cpo1.send("PUT", PATH, SESSION, to=Party("de", "mSp"))
    assert codes_of(answer) == (200, 1000)
    assert town.emsp1.seen[0].routing[0] == Party("de", "mSp")
    assert routing_of(answer)["ocpi-from-party-id"] == "mSp"


@pytest.mark.req("RT-18")
@pytest.mark.parametrize(
    ("http", "code"), [(200, 2001), (404, 2003), (200, 3000), (500, 3000), (201, 1000), (405, 2000)]
)
async def test_what_the_receiver_answers_comes_back_as_it_is(
    town: Town, http: int, code: int
) -> None:
    town.emsp1.answer = lambda _: success(
        status=http, envelope={"status_code": code, "status_message": "so it is"}
    )
    answer = await town.cpo1.send("PUT", PATH, SESSION, to=M)
    assert codes_of(answer) == (http, code)
    assert envelope_of(answer)["status_message"] == "so it is"


@pytest.mark.req("RT-18")
@pytest.mark.pitfall("IP-38")
@pytest.mark.parametrize("http", [429, 503])
async def test_how_long_the_receiver_wants_to_be_left_alone_comes_back(
    town: Town, http: int
) -> None:
    code = {"status_code": 3000}
    town.emsp1.answer = lambda _: success(
        status=http, envelope=code, headers={"Retry-After": "120"}
    )
    answer = await town.cpo1.send("PUT", PATH, SESSION, to=M)
    assert codes_of(answer) == (http, 3000)
    assert answer.headers["retry-after"] == "120"


@pytest.mark.req("RT-11")
async def test_path_and_query_stay_as_they_were_sent(town: Town) -> None:
    path = "receiver/tokens/DE/MSP/A%2FB%20%25?type=APP_USER&x=%41"
    await town.emsp1.send("GET", path, to=C)
    (seen,) = town.cpo1.seen
    assert seen.path == "/receiver/tokens/DE/MSP/A%2FB%20%25"
    assert seen.query == "type=APP_USER&x=%41"


@pytest.mark.req("RT-39", "RT-43")
async def test_an_unknown_party_is_4001_with_ids_and_addresses(town: Town) -> None:
    answer = await town.cpo1.send("PUT", PATH, SESSION, to=Party("XX", "XXX"), headers=IDS)
    assert codes_of(answer) == (200, 4001)
    assert {name: answer.headers[name] for name in IDS} == IDS
    assert routing_of(answer) == swapped(C, HUB)


@pytest.mark.req("RT-40")
@pytest.mark.pitfall("IP-12")
async def test_a_receiver_that_does_not_answer_in_time_is_4002(sqlite_url: str) -> None:
    async with open_town(sqlite_url, hub_timeout=1) as town:

        async def never(_request: httpx.Request) -> httpx.Response:
            await asyncio.sleep(60)
            return success()

        town.emsp1.handle_async_request = never  # type: ignore[method-assign,assignment]
        answer = await town.cpo1.send("PUT", PATH, SESSION, to=M)
    assert codes_of(answer) == (200, 4002)


@pytest.mark.req("RT-41")
@pytest.mark.parametrize(
    "values",
    [{"suspended": True}, {"state": "offered"}, {"state": "unregistered"}, {"token_out": None}],
)
async def test_a_party_that_is_not_connected_is_4003_and_not_called(
    town: Town, values: dict[str, Any]
) -> None:
    await town.set_partner("emsp1", **values)
    answer = await town.cpo1.send("PUT", PATH, SESSION, to=M)
    assert codes_of(answer) == (200, 4003)
    assert not town.emsp1.seen


@pytest.mark.req("RT-41")
async def test_a_connection_that_is_refused_is_4003(town: Town) -> None:
    del town.network.hosts["emsp1.example"]
    answer = await town.cpo1.send("PUT", PATH, SESSION, to=M)
    assert codes_of(answer) == (200, 4003)


@pytest.mark.req("RT-42")
async def test_an_interface_that_the_receiver_lacks_is_4000(town: Town) -> None:
    answer = await town.cpo1.send("GET", "sender/locations", to=M)
    assert codes_of(answer) == (200, 4000)
    assert not town.emsp1.seen


@pytest.mark.req("RT-42")
@pytest.mark.parametrize(
    "reply",
    [
        httpx.Response(200, html="<h1>welcome</h1>"),
        httpx.Response(200, json={"status": "fine"}),
        httpx.Response(200, json=[1000]),
        httpx.Response(302, headers={"location": "https://elsewhere.example/"}),
        httpx.Response(401, json={"status_code": 2000}),
    ],
)
async def test_what_is_not_ocpi_is_4000(town: Town, reply: httpx.Response) -> None:
    town.emsp1.answer = lambda _: reply
    answer = await town.cpo1.send("PUT", PATH, SESSION, to=M)
    assert codes_of(answer) == (200, 4000)


@pytest.mark.req("RT-08")
@pytest.mark.threat("TA-06")
async def test_nobody_speaks_as_somebody_else(town: Town) -> None:
    answer = await town.cpo1.send("PUT", PATH, SESSION, to=M, sender=EMSP2.party)
    assert codes_of(answer) == (200, 2001)
    assert not town.emsp1.seen


async def test_our_own_cpo_answers_without_a_hop(town: Town) -> None:
    put = samples.location(country_code="NL", party_id="TNM")
    stored = await town.admin.put(f"/admin/locations/NL/TNM/{put['id']}", content=encode(put))
    assert stored.status_code == 201, stored.text
    answer = await town.emsp1.send("GET", f"sender/locations/{put['id']}", to=OURS)
    assert codes_of(answer) == (200, 1000)
    assert envelope_of(answer)["data"] == put
    assert routing_of(answer) == swapped(M, OURS)
    assert not town.network.requests


@pytest.mark.req("RT-19")
async def test_what_is_carried_is_not_kept(town: Town) -> None:
    token = samples.token()
    await town.emsp1.send("PUT", f"receiver/tokens/DE/MSP/{token['uid']}", token, to=C)
    assert town.cpo1.seen
    for peer in (town.cpo1, town.cpo2):
        answer = await peer.send("GET", "sender/tokens", to=HUB)
        assert envelope_of(answer)["data"] == []


@pytest.mark.req("RT-44")
async def test_both_sides_of_every_module_are_offered(town: Town) -> None:
    details = envelope_of(await town.cpo1.http.get("/ocpi/hub/2.2.1"))["data"]
    offered = {(each["identifier"], each["role"]) for each in details["endpoints"]}
    modules = {"locations", "tariffs", "sessions", "cdrs", "tokens", "commands", "chargingprofiles"}
    for module in modules | {"hubclientinfo"}:
        assert {(module, "SENDER"), (module, "RECEIVER")} <= offered


async def test_a_module_of_somebodys_own_making_is_offered_to_others_and_carried(
    sqlite_url: str,
) -> None:
    odd = Member("odd", EMSP1.roles, (("RECEIVER", "x-parking"),))
    async with open_town(sqlite_url, (CPO1, odd)) as town:
        details = envelope_of(await town.cpo1.http.get("/ocpi/hub/2.2.1"))["data"]
        (url,) = [each["url"] for each in details["endpoints"] if each["identifier"] == "x-parking"]
        answer = await town.cpo1.send("PUT", f"{url}/1/2?a=b", {"x": 1}, to=M)
        assert codes_of(answer) == (200, 1000)
        (seen,) = town.odd.seen
        assert (seen.path, seen.query) == ("/receiver/x-parking/1/2", "a=b")
        own = envelope_of(await town.odd.http.get("/ocpi/hub/2.2.1"))["data"]
        assert "x-parking" not in {each["identifier"] for each in own["endpoints"]}


@pytest.mark.req("TR-11")
@pytest.mark.threat("TA-05")
@pytest.mark.parametrize(
    ("method", "path"),
    [
        *((method, "receiver/cdrs/FR/FRC/C1") for method in ("PUT", "PATCH", "DELETE")),
        ("DELETE", "receiver/cdrs"),
        *(("POST", f"receiver/{module}") for module in ("sessions", "locations", "tariffs")),
        ("DELETE", "receiver/sessions/BE/BEC/S1"),
    ],
)
async def test_methods_that_a_module_lacks_are_not_carried(
    town: Town, method: str, path: str
) -> None:
    for to in (M, None):
        answer = await town.cpo1.send(method, path, FOREIGN, to=to)
        assert codes_of(answer) == (405, 2000)
    assert not town.network.requests


async def test_a_message_that_waits_for_its_receiver_takes_no_place(town: Town) -> None:
    free: list[int] = []

    def look(_request: httpx.Request) -> httpx.Response:
        free.append(town.context.admission.free)
        return success()

    town.emsp1.answer = look
    assert codes_of(await town.cpo1.send("PUT", PATH, SESSION, to=M)) == (200, 1000)
    assert free == [PLACES]
    assert town.context.admission.free == PLACES
