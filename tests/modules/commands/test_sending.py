"""Commands that we send to a partner's stations: the answer at once, and the result later."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from sqlalchemy import delete, update
from sqlmodel import col, select

from modules.commands.asking import SentCommand
from ocpi.catalogue import OFFERS
from ocpi.context import Interface
from ocpi.parties import Partner, PartnerEndpoint, PlatformID
from ocpi.sealing import Seal
from ocpi.spec.document import decode, encode
from tests.house import CPO, HUB, add_partner, calling, codes_of, envelope_of, present
from tests.modules.commands.floor import token
from tests.modules.commands.pair import Pair, open_pair

START = {"token": token(HUB), "location_id": "LOC-1", "evse_uid": "EVSE-1"}
RESERVE = {**START, "reservation_id": "R1", "expiry_date": "2099-01-01T00:00:00Z"}
ACCEPTED = {"result": "ACCEPTED", "message": [{"language": "en", "text": "Plug in."}]}


@pytest.fixture
def second_url(tmp_path: Path) -> str:
    return f"sqlite+aiosqlite:///{tmp_path}/second.sqlite"


@pytest.fixture
async def each_pair(database_url: str, second_url: str) -> AsyncIterator[Pair]:
    async with open_pair(database_url, second_url) as opened:
        yield opened


@pytest.fixture
async def pair(sqlite_url: str, second_url: str) -> AsyncIterator[Pair]:
    async with open_pair(sqlite_url, second_url) as opened:
        yield opened


async def sent(pair: Pair, command: str = "START_SESSION", body: Any = None) -> dict[str, Any]:
    answer = await pair.send("POST", f"commands/{command}", START if body is None else body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


@pytest.mark.req("CM-12", "CM-02")
async def test_a_command_goes_to_the_partners_station_and_its_result_comes_back(
    each_pair: Pair,
) -> None:
    pair = each_pair
    answered = await sent(pair)
    assert answered["response"] == {"result": "ACCEPTED", "timeout": 35}
    errand = await pair.floor.errand()
    assert (errand.owner, errand.asker) == (CPO, HUB)
    assert errand.response_url == (
        f"https://hub.example/ocpi/hub/2.2.1/sender/commands/START_SESSION/{answered['id']}"
    )
    told = await pair.tell(errand, ACCEPTED)
    assert codes_of(told) == (200, 1000)
    assert "data" not in envelope_of(told)
    shown = await pair.shown(answered["id"])
    assert shown.pop("sent_at")
    assert shown.pop("result_at")
    assert shown == {
        "id": answered["id"],
        "partner": "Example CPO",
        "module": "commands",
        "command": "START_SESSION",
        "request": START,
        "response": answered["response"],
        "problem": None,
        "result": ACCEPTED,
        "news": None,
        "news_at": None,
    }


@pytest.mark.req("CM-12")
@pytest.mark.pitfall("IP-34")
async def test_each_command_has_a_response_url_of_its_own(pair: Pair) -> None:
    assert (await sent(pair))["id"] != (await sent(pair))["id"]


@pytest.mark.threat("TA-13")
async def test_a_result_is_taken_once(pair: Pair) -> None:
    answered = await sent(pair)
    errand = await pair.floor.errand()
    assert codes_of(await pair.tell(errand, ACCEPTED)) == (200, 1000)
    assert codes_of(await pair.tell(errand, ACCEPTED)) == (200, 1000)
    assert codes_of(await pair.tell(errand, {"result": "FAILED"})) == (200, 2001)
    assert (await pair.shown(answered["id"]))["result"] == ACCEPTED


@pytest.mark.pitfall("IP-34")
async def test_a_result_in_an_envelope_is_unwrapped(pair: Pair) -> None:
    answered = await sent(pair)
    wrapped = {"data": ACCEPTED, "status_code": 1000, "timestamp": "2026-01-01T00:00:00Z"}
    assert codes_of(await pair.tell(await pair.floor.errand(), wrapped)) == (200, 1000)
    assert (await pair.shown(answered["id"]))["result"] == ACCEPTED


async def test_a_result_that_is_none_is_refused(pair: Pair) -> None:
    await sent(pair)
    errand = await pair.floor.errand()
    for nothing in ("{}", '{"data": {}}', '{"result": null}'):
        assert codes_of(await pair.tell(errand, decode(nothing))) == (200, 2001)


async def test_a_reservation_can_be_dropped_after_it_was_made(each_pair: Pair) -> None:
    pair = each_pair
    answered = await sent(pair, "RESERVE_NOW", RESERVE)
    errand = await pair.floor.errand()
    dropped = {"result": "CANCELED_RESERVATION"}
    assert codes_of(await pair.tell(errand, ACCEPTED)) == (200, 1000)
    assert codes_of(await pair.tell(errand, dropped)) == (200, 1000)
    for again in (dropped, ACCEPTED):
        assert codes_of(await pair.tell(errand, again)) == (200, 1000)
    assert codes_of(await pair.tell(errand, {"result": "FAILED"})) == (200, 2001)
    shown = await pair.shown(answered["id"])
    assert (shown["result"], shown["news"]) == (ACCEPTED, dropped)


@pytest.mark.pitfall("IP-34")
@pytest.mark.threat("TA-05")
async def test_nobody_else_can_tell_a_result(pair: Pair) -> None:
    answered = await sent(pair)
    other = "other-cpo-token_0123456789"
    await add_partner(pair.hub.database, "Third", other, role="CPO", platform=PlatformID.HUB)
    base = "/ocpi/hub/2.2.1/sender/commands"
    uid = answered["id"]
    async with calling(pair.hub.app, present(other)) as third:
        told = await third.post(f"{base}/START_SESSION/{uid}", content=encode(ACCEPTED))
    assert codes_of(told) == (404, 2000)
    for path in (f"STOP_SESSION/{uid}", "START_SESSION/guessed"):
        told = await pair.cpo.post(f"{base}/{path}", content=encode(ACCEPTED))
        assert codes_of(told) == (404, 2000)
    assert (await pair.shown(uid))["result"] is None


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
async def test_the_sender_interface_has_no_method_but_post(pair: Pair, method: str) -> None:
    uid = (await sent(pair))["id"]
    url = f"/ocpi/hub/2.2.1/sender/commands/START_SESSION/{uid}"
    assert codes_of(await pair.cpo.request(method, url)) == (405, 2000)


async def test_what_the_partner_refuses_is_its_answer(pair: Pair) -> None:
    unknown = await sent(pair, body={**START, "location_id": "NONE"})
    assert (unknown["response"]["result"], unknown["response"]["timeout"]) == ("REJECTED", 0)
    stopped = await sent(pair, "STOP_SESSION", {"session_id": "NONE"})
    assert stopped["response"]["result"] == "UNKNOWN_SESSION"
    cancelled = await sent(pair, "CANCEL_RESERVATION", {"reservation_id": "NONE"})
    assert cancelled["response"]["result"] == "ACCEPTED"


@pytest.mark.req("CM-13")
async def test_only_tokens_of_our_own_are_used(pair: Pair) -> None:
    answer = await pair.send("POST", "commands/START_SESSION", {**START, "token": token()})
    assert answer.status_code == 400
    assert "DE*MSP" in answer.json()["error"]
    assert pair.network.requests == []


@pytest.mark.parametrize(
    ("command", "body", "named"),
    [
        ("START_SESSION", {}, "token"),
        ("START_SESSION", {**START, "connector_id": "1", "evse_uid": None}, "evse_uid"),
        ("LAUNCH", START, "LAUNCH"),
        ("STOP_SESSION", {"session_id": "x" * 40}, "session_id"),
    ],
)
async def test_a_command_that_ocpi_does_not_allow_is_not_sent(
    pair: Pair, command: str, body: dict[str, Any], named: str
) -> None:
    answer = await pair.send("POST", f"commands/{command}", body)
    assert answer.status_code == 400
    assert named in answer.json()["error"]
    assert pair.network.requests == []


async def problem_of(pair: Pair, **query: str) -> tuple[int, str]:
    answer = await pair.send("POST", "commands/START_SESSION", START, **query)
    return answer.status_code, str(answer.json()["error"])


async def test_without_the_sender_interface_nothing_is_sent(
    sqlite_url: str, second_url: str
) -> None:
    offers = {**OFFERS, PlatformID.HUB: [Interface("chargingprofiles", "SENDER")]}
    async with open_pair(sqlite_url, second_url, offers=offers) as pair:
        status, error = await problem_of(pair)
    assert status == 409
    assert "does not offer commands as SENDER" in error
    assert pair.network.requests == []


async def test_a_partner_that_cannot_be_asked_is_named(pair: Pair) -> None:
    answer = await pair.admin.post(
        "/admin/partners/nobody/commands/START_SESSION", content=encode(START)
    )
    assert answer.status_code == 404
    sealed = Seal("another key than the one that is set").close("token")
    async with pair.hub.database.write() as db:
        its = col(Partner.name) == "Example CPO"
        before = (await db.exec(select(Partner.token_out).where(its))).one()
        await db.exec(update(Partner).where(its).values(token_out=sealed))
    status, error = await problem_of(pair)
    assert status == 409
    assert error.startswith("Example CPO cannot be called: ")
    assert "OCPI_SECRET_KEY" in error
    async with pair.hub.database.write() as db:
        await db.exec(update(Partner).where(its).values(token_out=before))
        await db.exec(delete(PartnerEndpoint))
    assert await problem_of(pair) == (409, "Example CPO does not offer commands as RECEIVER.")
    async with pair.hub.database.write() as db:
        await db.exec(update(Partner).values(suspended=True))
    assert await problem_of(pair) == (409, "Example CPO is not registered, or is suspended.")


async def test_the_parties_are_named_where_there_are_several(pair: Pair) -> None:
    assert (await problem_of(pair, to="NL*XXX")) == (
        400,
        "to: name one party of Example CPO: DE*CPO",
    )
    assert (await problem_of(pair, **{"from": "NL*XXX"}))[0] == 400
    wanted = {"to": "de*cpo", "from": "NL*HUB"}
    answer = await pair.send("POST", "commands/START_SESSION", START, **wanted)
    assert answer.status_code == 200


class Fixed(httpx.AsyncBaseTransport):
    """Answers everything alike."""

    def __init__(self, status: int, body: Any) -> None:
        self.status, self.body = status, body

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        del request
        return httpx.Response(self.status, content=encode(self.body))


def envelope(data: Any, code: int = 1000) -> dict[str, Any]:
    return {"data": data, "status_code": code, "timestamp": "2026-01-01T00:00:00Z"}


async def only_uid(pair: Pair) -> str:
    async with pair.hub.database.read() as db:
        return (await db.exec(select(SentCommand.id))).one()


@pytest.mark.parametrize(
    ("status", "body", "sentence"),
    [
        (404, {"nothing": True}, "Example CPO gave no CommandResponse: HTTP 404"),
        (
            200,
            envelope(None, 3000),
            "Example CPO gave no CommandResponse: HTTP 200 with 3000: no reason given",
        ),
        (200, envelope(None), "Example CPO gave no CommandResponse: result: is required"),
        (200, envelope({}), "Example CPO gave no CommandResponse: result: is required"),
    ],
)
async def test_an_answer_that_is_none_is_told_in_a_sentence(
    pair: Pair, status: int, body: Any, sentence: str
) -> None:
    pair.network.hosts["cpo.example"] = Fixed(status, body)
    assert await problem_of(pair) == (502, sentence)
    async with pair.hub.database.read() as db:
        found = await db.get(SentCommand, await only_uid(pair))
    assert found is not None
    assert (found.response, found.problem) == (None, sentence)


async def test_a_partner_that_is_away_is_told_in_a_sentence(pair: Pair) -> None:
    del pair.network.hosts["cpo.example"]
    assert await problem_of(pair) == (502, "Example CPO: no connection")


@pytest.mark.pitfall("IP-34")
@pytest.mark.parametrize(
    ("answer", "noted"),
    [
        (
            httpx.Response(
                200, json=envelope({"result": "ACCEPTED", "timeout": 30, "message": "ok"})
            ),
            "IP-21 not shown",
        ),
        (
            httpx.Response(200, json=envelope({"result": "ACCEPTED", "timeout": None})),
            "IP-34 no timeout",
        ),
        (
            httpx.Response(200, json=envelope({"result": "ACCEPTED", "timeout": ""})),
            "IP-34 no timeout",
        ),
        (httpx.Response(200, json={"result": "ACCEPTED", "timeout": 30}), "IP-06 empty answer"),
    ],
)
async def test_a_careless_response_is_understood(
    pair: Pair, answer: httpx.Response, noted: str
) -> None:
    """Staff were told that nothing came of it, though the partner had accepted."""
    pair.network.hosts["cpo.example"] = httpx.MockTransport(lambda _: answer)
    assert (await sent(pair))["response"]["result"] == "ACCEPTED"
    assert ("Example CPO", noted) in pair.hub.context.forgiving.take()


@pytest.mark.pitfall("IP-34")
async def test_a_bare_answer_that_is_no_response_is_none(pair: Pair) -> None:
    for answer in ({"outcome": "ACCEPTED"}, ["ACCEPTED"], "ACCEPTED"):
        bare = httpx.Response(200, json=answer)
        pair.network.hosts["cpo.example"] = httpx.MockTransport(lambda _, it=bare: it)
        assert (await pair.send("POST", "commands/START_SESSION", START)).status_code == 502


@pytest.mark.pitfall("IP-34")
async def test_a_response_without_timeout_is_understood(pair: Pair) -> None:
    pair.network.hosts["cpo.example"] = Fixed(200, envelope({"result": "REJECTED"}))
    assert (await sent(pair))["response"] == {"result": "REJECTED", "timeout": 0}


async def test_a_result_may_overtake_the_answer(pair: Pair) -> None:
    class Hasty(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            url = decode(await request.aread())["response_url"]
            told = await pair.cpo.post(urlsplit(url).path, content=encode(ACCEPTED))
            assert codes_of(told) == (200, 1000)
            answer = envelope({"result": "ACCEPTED", "timeout": 5})
            return httpx.Response(200, content=encode(answer))

    pair.network.hosts["cpo.example"] = Hasty()
    shown = await pair.shown((await sent(pair))["id"])
    assert shown["response"] == {"result": "ACCEPTED", "timeout": 5}
    assert shown["result"] == ACCEPTED


async def test_what_was_never_sent_is_not_shown(pair: Pair) -> None:
    assert (await pair.admin.get("/admin/commands/none")).status_code == 404
