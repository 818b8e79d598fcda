"""The message log over real sockets: what it shows of a hub's day, and what it must never hold."""

import base64
import json
from pathlib import Path
from typing import Any

import httpx

from ocpi.testing import samples
from ocpi.testing.emsp import MockEMSP, Party, running
from tests.flows.hubs import Town, a_town, owned_by
from tests.flows.process import Installation, offer, until
from tests.flows.searching import dump, held, logged

UID = "CANARY-UID-77X1"
CONTRACT = "DE-MSP-CANARY0042"
REFERENCE = "canary-reference-31"
VISUAL = "canary visual 5151"
WRONG = "canary-token-nobody-issued"

MSP, BEC = ("DE", "MSP"), ("BE", "BEC")


def session_of(town: Town, **over: Any) -> dict[str, Any]:
    whose = samples.cdr_token(**owned_by(town.emsp1), uid=UID, contract_id=CONTRACT)
    return samples.session(
        **owned_by(town.cpo1), cdr_token=whose, authorization_reference=REFERENCE, **over
    )


async def test_both_legs_of_a_message_through_the_hub_are_shown_together(
    database_url: str,
) -> None:
    async with a_town(database_url) as town:
        reply = await town.cpo1.put_session(session_of(town))
        sent = reply.message.headers
        legs = await logged(town.hub.admin, 2, object="sessions/BE/BEC/SESSION-1")
        theirs, ours = legs if legs[0]["direction"] == "IN" else legs[::-1]
        assert (theirs["direction"], theirs["partner"]) == ("IN", "BEC")
        assert (ours["direction"], ours["partner"]) == ("OUT", "MSP")
        assert theirs["request_id"] == sent["x-request-id"] != ours["request_id"]
        for leg in legs:
            assert leg["correlation_id"] == sent["x-correlation-id"]
            assert (leg["method"], leg["http_status"], leg["status_code"]) == ("PUT", 201, 1000)
            assert (leg["from_party"], leg["to_party"]) == ("BE*BEC", "DE*MSP")
            assert (leg["module"], leg["interface"]) == ("sessions", "RECEIVER")
            assert leg["object"] == "sessions/be/bec/session-1"
            assert not leg["failed"]
            whole = (await town.hub.admin.get(f"/messages/{leg['id']}")).json()
            assert [each["id"] for each in whole["related"]] == [
                each["id"] for each in legs if each is not leg
            ]
            assert '"location_id":"LOC-1"' in whole["request"].replace(" ", "")
        for criteria in (
            {"object": "SESSION-1"},
            {"correlation": sent["x-correlation-id"]},
            {"token": UID.lower(), "module": "sessions"},
            {"token": CONTRACT, "module": "sessions"},
        ):
            assert {each["id"] for each in await logged(town.hub.admin, 2, **criteria)} == {
                each["id"] for each in legs
            }
        assert await logged(town.hub.admin, 1, partner="BEC", module="sessions") == [theirs]


async def test_what_fails_between_partners_is_found_with_the_reason(database_url: str) -> None:
    async with a_town(database_url) as town:
        await town.cpo1.put_session(session_of(town, id="LOST-1"), to=("FR", "XXX"))
        (refused,) = await logged(town.hub.admin, 1, failed=True, object="LOST-1")
        assert (refused["direction"], refused["status_code"]) == ("IN", 4001)


async def unhappy(town: Town) -> None:
    """Requests that are refused at every stage, with canaries in each."""
    base = f"{town.hub.base_url}/ocpi/hub/2.2.1"
    assert town.cpo1.peer is not None
    good = {"Authorization": f"Token {_encoded(town.cpo1.peer.token_out)}"}
    routed = {"OCPI-to-country-code": "DE", "OCPI-to-party-id": "MSP"}
    async with httpx.AsyncClient() as client:
        for headers in ({"Authorization": f"Token {_encoded(WRONG)}"}, {"Authorization": WRONG}):
            await client.get(f"{base}/sender/tokens", headers=headers)
        for body in (
            f"uid={UID}",
            f"{{'uid': '{UID}'}}",
            f'{{"cdr_token": {{"uid": ["{UID}"], "contract_id": {{"a": "{CONTRACT}"}}}}}}',
            f'{{"cdr_token": {{"u\\u0069d": "{UID}"}}',
            json.dumps({"id": "BAD", "padding": "x" * 4050, "cdr_token": {"uid": UID}}),
        ):
            for more in ({}, routed):
                url = f"{base}/receiver/sessions/BE/BEC/BAD"
                await client.put(url, content=body, headers={**good, **more})
        for path in (f"tokens/DE/MSP/{UID}", f"tokens/DE/MSP/{UID}/x?uid={UID}"):
            await client.get(f"{base}/receiver/{path}", headers={**good, **routed})
            await client.put(f"{base}/receiver/{path}", json={"uid": UID}, headers=good)
        for path in (f"tokens/{UID}/authorize", f"tokens/{UID}/authorize?type=RFID&uid={UID}"):
            await client.post(f"{base}/sender/{path}", headers={**good, **routed})
            await client.post(f"{base}/sender/{path}", headers=good)


def _encoded(token: str) -> str:
    return base64.b64encode(token.encode()).decode()


async def busy(town: Town) -> None:
    """A day of a driver: a Token, an authorization, a command, a Session, a CDR."""
    location = samples.location(**owned_by(town.cpo1))
    await town.cpo1.put_location(location)
    token = samples.token(
        **owned_by(town.emsp1),
        uid=UID,
        contract_id=CONTRACT,
        visual_number=VISUAL,
        group_id=f"{UID}-GROUP",
    )
    await town.emsp1.push_token(token)
    await until(lambda: bool(town.cpo1.documents("tokens") and town.cpo2.documents("tokens")))
    await town.cpo2.authorize(UID, to=MSP)
    command = await town.emsp1.command(
        "START_SESSION",
        {"token": token, "location_id": location["id"], "authorization_reference": REFERENCE},
        to=BEC,
    )
    await town.emsp1.result_of(command)
    session = session_of(town)
    await town.cpo1.put_session(session)
    cdr = samples.cdr(
        **owned_by(town.cpo1), cdr_token=session["cdr_token"], authorization_reference=REFERENCE
    )
    await town.cpo1.post_cdr(cdr, to=MSP)
    for mock in town.mocks:
        await mock.pull()


async def test_no_token_and_no_id_of_a_driver_is_in_the_log(database_url: str) -> None:
    async with a_town(database_url) as town:
        await busy(town)
        await unhappy(town)
        peers = [mock.peer for mock in town.mocks if mock.peer is not None]
        tokens = [WRONG, *(peer.token_out for peer in peers)]
        tokens += [token for mock in town.mocks for token in mock.tokens_in]
        drivers = [UID, CONTRACT, REFERENCE, VISUAL]
        await logged(town.hub.admin, 10, token=UID)
        count = len(await logged(town.hub.admin, 40))
        shown = []
        for each in await logged(town.hub.admin, count):
            for path in ("", "/curl"):
                answer = await town.hub.admin.get(f"/messages/{each['id']}{path}")
                assert answer.is_success
                shown.append(answer.text)
        assert held("\n".join(shown), [*tokens, *drivers]) == []
        for mock in town.mocks:
            # They were right to complain of what was sent here.
            mock.messages.clear()
    stored = await dump(database_url, "message", "message_subject")
    assert "sessions/be/bec/session-1" in stored
    assert held(stored, [*tokens, *drivers]) == []
    assert held(await dump(database_url), tokens) == []


async def test_neither_log_nor_command_shows_a_token_or_a_driver(
    database_url: str, tmp_path: Path
) -> None:
    installation = Installation(database_url, tmp_path)
    emsp = MockEMSP((Party("DE", "MSP", "Test eMSP"),))
    async with running(emsp), installation.admin() as admin:
        async with installation.serving() as served:
            offered = await offer(admin)
            await emsp.register(offered["versions_url"], offered["token"])
            await admin.put("/locations/DE/CPO/LOC-1", json=samples.location())
            await emsp.push_token(samples.token(uid=UID, contract_id=CONTRACT))
            await until(lambda: bool(emsp.objects["locations"]))
            assert emsp.peer is not None
            tokens = [offered["token"], emsp.peer.token_out, *emsp.tokens_in]
            log = await served.stop()
        # What was exchanged in the last second is there, for the process was ended kindly.
        found = await installation.run_json("messages", "--limit", "1000")
        assert {"credentials", "versions", "locations", "tokens"} <= {m["module"] for m in found}
        (push,) = (each for each in found if each["module"] == "tokens")
        assert (push["direction"], push["partner"], push["http_status"]) == ("IN", "msp", 201)
        number = str(push["id"])
        table = await installation.run("messages", "--token", UID)
        assert number in table
        shown = await installation.run("messages", "show", number)
        command = await installation.run("messages", "show", number, "--curl")
        assert "Token $TOKEN" in command
    assert held(f"{table}\n{shown}\n{command}\n{log}", [*tokens, UID, CONTRACT]) == []
    assert held(await dump(database_url), tokens) == []
