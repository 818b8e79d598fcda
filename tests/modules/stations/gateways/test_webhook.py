"""Requests to the operator's backend: what is sent, over a real socket, and what answers mean."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest
from pydantic import SecretStr

from modules.stations.gateways.messages import StationDemand
from modules.stations.gateways.opening import open_gateway
from modules.stations.gateways.webhook import WebhookGateway, demand_document
from ocpi.client import Client
from ocpi.documents import admin_document
from ocpi.gateway import Demand, GatewayFailed, NoGateway, Wish
from ocpi.settings import MissingSecret
from ocpi.signing import key_of, sign
from ocpi.spec.document import decode, encode
from ocpi.spec.reading import defects
from ocpi.testing import samples
from ocpi.testing.serving import serving
from tests.house import OURS, settings_of
from tests.modules.stations.gateways.backend import SECRET, Backend, verify
from tests.modules.stations.yard import PROFILE, Yard, open_yard, until
from tests.ocpi.loopback import Answer, Peer, listen, respond, send

DEMAND = Demand(
    "6f0d9d5e-54a9-4b1f-8b3a-1f5a0f0a7a01",
    Wish.START_SESSION,
    OURS,
    "LOC-1",
    "EVSE-1",
    "1",
    details={"token": samples.token()},
    timeout=29.5,
)
ACCEPTED = respond(b'{"result": "ACCEPTED"}')


@asynccontextmanager
async def asking(answer: Answer = ACCEPTED) -> AsyncIterator[tuple[WebhookGateway, Peer]]:
    async with listen(answer) as peer:
        gateway = open_gateway(webhook_settings(url=peer.url))
        assert isinstance(gateway, WebhookGateway)
        yield gateway, peer
        await gateway.close()


def webhook_settings(url: str | None, secret: str | None = SECRET) -> Any:
    return settings_of(
        "sqlite+aiosqlite:///unused",
        station_webhook_url=url,
        station_webhook_secret=None if secret is None else SecretStr(secret),
    )


@dataclass(frozen=True)
class Sent:
    """A request as it came over the wire."""

    line: str
    headers: dict[str, str]
    body: bytes


def read_sent(raw: bytes) -> Sent:
    head, _, body = raw.partition(b"\r\n\r\n")
    line, *fields = head.decode().split("\r\n")
    pairs = [each.partition(": ") for each in fields]
    return Sent(line, {name.lower(): value for name, _, value in pairs}, body)


def test_signatures_are_those_of_standard_webhooks() -> None:
    # The example of the specification's own libraries.
    key = key_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    body = b'{"test": 2432232314}'
    signature = sign(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert key_of("any text of sixteen") == b"any text of sixteen"


async def test_a_request_is_signed_and_holds_no_token_of_ours() -> None:
    async with asking() as (gateway, peer):
        assert await gateway.ask(DEMAND) == {"result": "ACCEPTED"}
        [sent] = [read_sent(raw) for raw in peer.requests]
    assert sent.line == "POST /ocpi HTTP/1.1"
    assert sent.headers["content-type"] == "application/json"
    assert sent.headers["webhook-id"] == DEMAND.id
    assert "authorization" not in sent.headers
    assert verify(SECRET.encode(), sent.headers, sent.body)
    assert not verify(b"another secret", sent.headers, sent.body)
    assert not verify(SECRET.encode(), sent.headers, sent.body + b" ")
    old = {**sent.headers, "webhook-timestamp": "1614265330"}
    assert not verify(SECRET.encode(), old, sent.body)
    assert decode(sent.body) == {
        "token": samples.token(),
        "id": DEMAND.id,
        "type": "START_SESSION",
        "country_code": "NL",
        "party_id": "TNM",
        "station_id": "LOC-1",
        "evse_uid": "EVSE-1",
        "connector_id": "1",
        "timeout": 30,
    }


EVERY_DETAIL = {
    "token": samples.token(),
    "reservation_id": 7,
    "expiry_date": "2099-01-01T00:00:00Z",
    "charging_profile": PROFILE,
    "duration": 60,
    "preferences": {"profile_type": "CHEAP", "discharge_allowed": False},
}


def test_what_is_sent_is_as_the_openapi_document_describes_it() -> None:
    sent = demand_document(
        replace(DEMAND, transaction_id="T", session_id="S", details=EVERY_DETAIL)
    )
    assert set(sent) == set(StationDemand.model_fields)
    assert defects(decode(encode(sent)), StationDemand) == []


def test_the_admin_document_says_what_is_sent_and_what_may_be_answered() -> None:
    document = admin_document()
    operation = document["webhooks"]["station-demand"]["post"]
    assert set(operation["responses"]) == {"200", "202", "4XX", "default"}
    assert operation["security"] == []
    named = [each["name"] for each in operation["parameters"]]
    assert named == ["webhook-id", "webhook-timestamp", "webhook-signature"]
    assert {"StationDemand", "StationAnswer"} <= set(document["components"]["schemas"])


def test_no_detail_takes_the_place_of_what_says_who_is_asked_for_what() -> None:
    details = {"type": "UNLOCK_CONNECTOR", "station_id": "LOC-2", "id": "1"}
    sent = demand_document(replace(DEMAND, details=details))
    assert (sent["type"], sent["station_id"], sent["id"]) == ("START_SESSION", "LOC-1", DEMAND.id)


@pytest.mark.parametrize(
    "answer",
    [
        respond(b"", "401 Unauthorized"),
        respond(b'{"result": "ACCEPTED"}', "404 Not Found"),
        respond(b"", "302 Found", ["Location: http://127.0.0.1:1/"]),
    ],
)
async def test_what_the_backend_did_not_take_is_a_failure(answer: Answer) -> None:
    async with asking(answer) as (gateway, peer):
        with pytest.raises(GatewayFailed) as failed:
            await gateway.ask(DEMAND)
        assert len(peer.requests) == 1
    assert SECRET not in str(failed.value)


async def test_a_backend_that_is_away_is_a_failure() -> None:
    async with asking() as (gateway, peer):
        pass
    gateway = WebhookGateway(Client(allow_private=True), peer.url, b"key")
    with pytest.raises(GatewayFailed, match="station backend"):
        await gateway.ask(DEMAND)
    await gateway.close()


async def break_off(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def say_nothing(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(60)


@pytest.mark.parametrize(
    "answer",
    [
        respond(b"", "202 Accepted"),
        respond(b'{"result": "ACCEPTED"}', "202 Accepted"),
        respond(b'{"result": "ACCEPTED"}', "500 Internal Server Error"),
        respond(b"", "503 Service Unavailable"),
        respond(b"", "204 No Content"),
        respond(b"<html>"),
        respond(b"[]"),
        respond(b'{"result": 1}'),
        respond(b"{}"),
        respond(b'{"result": "ACCEPTED", "message": "' + b"x" * 100_000 + b'"}'),
        say_nothing,
        break_off,
        send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"),
    ],
)
async def test_what_may_have_been_done_is_waited_for_as_a_report(answer: Answer) -> None:
    async with asking(answer) as (gateway, peer):
        assert await gateway.ask(replace(DEMAND, timeout=0.3)) is None
        assert len(peer.requests) == 1


@pytest.mark.req("CM-08")
async def test_a_reservation_after_which_the_backend_failed_is_cancelled(sqlite_url: str) -> None:
    async with asking(respond(b"", "500 Internal Server Error")) as (gateway, peer):
        async with open_yard(sqlite_url, gateway, command_timeout=1) as yard:
            assert await yard.result(await yard.reserve()) == "TIMEOUT"

            async def was_cancelled() -> bool:
                return len(peer.requests) == 2

            await until(was_cancelled)
        reserve, cancel = [decode(read_sent(raw).body) for raw in peer.requests]
        assert (reserve["type"], cancel["type"]) == ("RESERVE_NOW", "CANCEL_RESERVATION")
        assert reserve["reservation_id"] == cancel["reservation_id"]


async def test_many_stations_are_asked_at_once_though_one_is_slow() -> None:
    slow = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not slow.is_set():
            slow.set()
            await asyncio.sleep(60)
        await ACCEPTED(reader, writer)

    async with asking(answer) as (gateway, _):
        waiting = asyncio.create_task(gateway.ask(DEMAND))
        await slow.wait()
        async with asyncio.timeout(10):
            answers = await asyncio.gather(*(gateway.ask(DEMAND) for _ in range(30)))
        assert answers == [{"result": "ACCEPTED"}] * 30
        waiting.cancel()


def test_the_settings_choose_the_gateway_and_a_webhook_needs_its_secret() -> None:
    assert isinstance(open_gateway(webhook_settings(None)), NoGateway)
    with pytest.raises(MissingSecret, match="OCPI_STATION_WEBHOOK_SECRET"):
        open_gateway(webhook_settings("https://backend.example/", None))
    with pytest.raises(MissingSecret, match="Base64"):
        open_gateway(webhook_settings("https://backend.example/", "whsec_no base64 at all"))


async def test_without_a_gateway_nothing_is_supported() -> None:
    gateway = NoGateway()
    assert not any(gateway.supports(wish) for wish in Wish)
    with pytest.raises(GatewayFailed, match="No gateway"):
        await gateway.ask(DEMAND)
    await gateway.close()


@asynccontextmanager
async def operated(database_url: str) -> AsyncIterator[tuple[Yard, Backend]]:
    """Give our service with a backend that is reached over a real socket."""
    late: list[Backend] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await late[0].app(scope, receive, send)

    async with serving(app) as url:
        settings = webhook_settings(f"{url}/demands")
        async with open_yard(database_url, open_gateway(settings)) as yard:
            backend = Backend(yard.admin)
            late.append(backend)
            yield yard, backend
            await asyncio.gather(*backend.reporting)


@pytest.mark.req("CM-07", "CM-09", "CM-16", "CM-17", "CM-22", "CP-07", "SE-04", "SE-05")
async def test_a_backend_takes_every_wish_and_its_reports_become_sessions_and_cdrs(
    database_url: str,
) -> None:
    async with operated(database_url) as (yard, backend):
        assert await yard.result(await yard.reserve(evse_uid="EVSE-2")) == "ACCEPTED"
        assert await yard.result(await yard.cancel()) == "ACCEPTED"
        [reserve, cancel] = backend.demands
        assert cancel["reservation_id"] == reserve["reservation_id"]
        assert "token" not in cancel
        assert await yard.result(await yard.start()) == "ACCEPTED"
        [*_, session] = sorted(
            await yard.sessions(), key=lambda each: str(each["status"] == "ACTIVE")
        )
        assert session["auth_method"] == "COMMAND"
        assert await yard.result(await yard.emsp.set_profile(session["id"], PROFILE)) == "ACCEPTED"
        asked = await yard.emsp.get_profile(session["id"], 60)
        profile = (await yard.emsp.result_of(asked))["profile"]
        assert profile["charging_profile"] == PROFILE
        cleared = await yard.emsp.clear_profile(session["id"])
        assert await yard.result(cleared) == "ACCEPTED"
        preferences = {"profile_type": "CHEAP", "departure_time": "2099-01-01T00:00:00Z"}
        reply = await yard.emsp.set_preferences(session["id"], preferences)
        assert reply.data == "ACCEPTED"
        stop = await yard.emsp.command("STOP_SESSION", {"session_id": session["id"]})
        assert await yard.result(stop) == "ACCEPTED"
        await asyncio.gather(*backend.reporting)
        [cdr] = await yard.cdrs()
        assert (cdr["session_id"], cdr["total_energy"]) == (session["id"], 10)
        about = {each["transaction_id"] for each in backend.demands[3:]}
        assert about == {"T3"}
        assert backend.demands[-2]["preferences"] == {**preferences, "discharge_allowed": False}
        assert yard.emsp.violations == []


@pytest.mark.req("CM-16")
async def test_a_card_is_not_authorized_again_soon_after_its_command(sqlite_url: str) -> None:
    async with operated(sqlite_url) as (yard, _):
        card = {**yard.token, "type": "RFID", "uid": "CARD-1"}
        assert await yard.result(await yard.start(token=card)) == "ACCEPTED"
        asked = {"uid": "CARD-1", "type": "RFID", "location_id": "LOC-1", "evse_uid": "EVSE-1"}
        answer = await yard.admin.post("/admin/authorize", json=asked)
        assert answer.json()["allowed"] == "ALLOWED", answer.text
        assert yard.emsp.authorizations == []


async def test_a_forged_request_is_refused_by_the_backend(sqlite_url: str) -> None:
    async with operated(sqlite_url) as (yard, backend):
        gateway = yard.context.gateway
        assert isinstance(gateway, WebhookGateway)
        forged = WebhookGateway(Client(allow_private=True), gateway._url, b"guessed")  # noqa: SLF001
        with pytest.raises(GatewayFailed, match="401"):
            await forged.ask(DEMAND)
        await forged.close()
        assert backend.demands == []
