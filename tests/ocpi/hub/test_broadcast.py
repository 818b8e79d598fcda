"""What is sent to the hub itself: kept, told to everybody whom it concerns, and listed for all."""

from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest
from sqlalchemy import delete
from sqlmodel import col

from ocpi.headers import Party
from ocpi.parties import Partner
from ocpi.spec.document import encode
from ocpi.testing import samples
from tests.house import HUB, OURS, codes_of, envelope_of
from tests.ocpi.hub.test_relay import routing_of, swapped
from tests.ocpi.hub.town import (
    CPO1,
    EMSP1,
    EMSP2,
    Member,
    Peer,
    Town,
    open_town,
    pushing,
    until,
)

BEC = {"country_code": "BE", "party_id": "BEC"}
MSP = {"country_code": "DE", "party_id": "MSP"}
LOCATION = samples.location(**BEC)
AT = f"receiver/locations/BE/BEC/{LOCATION['id']}"
TOKEN = samples.token(**MSP)
TOKEN_AT = f"receiver/tokens/DE/MSP/{TOKEN['uid']}"


@pytest.fixture
async def town(database_url: str) -> AsyncIterator[Town]:
    async with open_town(database_url) as opened:
        yield opened


def got(peer: Peer, module: str) -> Any:
    return lambda: bool(peer.of(module))


def got_deleted(peer: Peer) -> bool:
    return [each.method for each in peer.of("tariffs")] == ["PUT", "DELETE"]


@pytest.mark.req("RT-24", "RT-27", "RT-28", "RT-30", "RT-31", "RT-32", "RT-16")
async def test_a_location_that_is_broadcast_reaches_every_emsp_and_no_cpo(town: Town) -> None:
    document = {**LOCATION, "x_new": {"kept": True}}
    ids = {"X-Request-ID": "r-1", "X-Correlation-ID": "c-1"}
    answer = await town.cpo1.send("PUT", AT, document, to=HUB, headers=ids)
    assert codes_of(answer) == (201, 1000)
    assert routing_of(answer) == swapped(CPO1.party, HUB)
    async with pushing(town):
        for peer in (town.emsp1, town.emsp2):
            await until(got(peer, "locations"))
            (seen,) = peer.of("locations")
            assert (seen.method, seen.path) == (
                "PUT",
                f"/receiver/locations/BE/BEC/{LOCATION['id']}",
            )
            assert seen.routing == (peer.member.party, HUB)
            assert seen.document() == document
            assert seen.headers["x-correlation-id"] == "c-1"
            assert seen.headers["x-request-id"] != "r-1"
    first, second = (peer.of("locations")[0] for peer in (town.emsp1, town.emsp2))
    assert first.headers["x-request-id"] != second.headers["x-request-id"]
    assert not town.cpo1.of("locations")
    assert not town.cpo2.of("locations")


@pytest.mark.req("RT-28")
async def test_a_token_that_is_broadcast_reaches_cpos_alone(town: Town) -> None:
    answer = await town.emsp1.send("PUT", TOKEN_AT, TOKEN, to=HUB)
    assert codes_of(answer) == (201, 1000)
    async with pushing(town):
        for peer in (town.cpo1, town.cpo2):
            await until(got(peer, "tokens"))
            (seen,) = peer.of("tokens")
            assert (seen.path, seen.query) == (
                f"/receiver/tokens/DE/MSP/{TOKEN['uid']}",
                "type=RFID",
            )
            assert seen.document() == TOKEN
    assert not town.emsp2.of("tokens")


@pytest.mark.req("TA-03", "RT-38")
async def test_a_tariff_that_its_owner_deletes_is_gone_for_all_who_were_told_it(town: Town) -> None:
    tariff = samples.tariff(**BEC)
    at = f"receiver/tariffs/BE/BEC/{tariff['id']}"
    async with pushing(town):
        await town.cpo1.send("PUT", at, tariff, to=HUB)
        await until(got(town.emsp2, "tariffs"))
        assert (await town.cpo2.send("DELETE", at, to=HUB)).status_code == 404
        gone = await town.cpo1.send("DELETE", at, to=HUB, headers={"X-Correlation-ID": "c-2"})
        assert codes_of(gone) == (200, 1000)
        for peer in (town.emsp1, town.emsp2):
            await until(partial(got_deleted, peer))
            seen = peer.of("tariffs")[1]
            assert (seen.method, seen.path) == ("DELETE", f"/{at}")
            assert seen.routing == (peer.member.party, HUB)
            assert seen.headers["x-correlation-id"] == "c-2"
    listed = await town.emsp1.send("GET", "sender/tariffs", to=HUB)
    assert envelope_of(listed)["data"] == []
    assert codes_of(await town.cpo1.send("DELETE", at, to=HUB))[0] == 404
    assert not town.cpo2.of("tariffs")


@pytest.mark.req("RT-35")
async def test_a_push_to_nobody_is_a_broadcast(town: Town) -> None:
    answer = await town.cpo1.send("PUT", AT, LOCATION)
    assert codes_of(answer) == (201, 1000)
    async with pushing(town):
        await until(got(town.emsp2, "locations"))


async def test_a_changed_evse_is_told_as_a_patch(town: Town) -> None:
    await town.cpo1.send("PUT", AT, LOCATION, to=HUB)
    uid = LOCATION["evses"][0]["uid"]
    change = {"status": "CHARGING", "last_updated": "2026-02-01T00:00:00Z"}
    async with pushing(town):
        await until(got(town.emsp1, "locations"))
        answer = await town.cpo1.send("PATCH", f"{AT}/{uid}", change, to=HUB)
        assert codes_of(answer) == (200, 1000)
        await until(lambda: len(town.emsp1.of("locations")) == 2)
    seen = town.emsp1.of("locations")[1]
    assert (seen.method, seen.document()) == ("PATCH", change)
    assert seen.path.endswith(f"/{uid}")


@pytest.mark.req("RT-29")
async def test_who_does_not_implement_the_module_hears_nothing(sqlite_url: str) -> None:
    deaf = Member("deaf", EMSP2.roles, (("RECEIVER", "tariffs"),))
    async with open_town(sqlite_url, (CPO1, EMSP1, deaf)) as town:
        await town.cpo1.send("PUT", AT, LOCATION, to=HUB)
        async with pushing(town):
            await until(got(town.emsp1, "locations"))
        assert not town.deaf.seen


@pytest.mark.req("RT-28")
async def test_every_party_of_a_partner_gets_its_own_copy(sqlite_url: str) -> None:
    roles = (
        ("EMSP", Party("IT", "ONE")),
        ("EMSP", Party("IT", "TWO")),
        ("CPO", Party("IT", "CPO")),
    )
    many = Member("many", roles, EMSP1.interfaces)
    async with open_town(sqlite_url, (CPO1, many)) as town:
        await town.cpo1.send("PUT", AT, LOCATION, to=HUB)
        async with pushing(town):
            await until(lambda: len(town.many.of("locations")) == 2)
        told = {str(seen.routing[0]) for seen in town.many.of("locations")}
    assert told == {"IT*ONE", "IT*TWO"}


@pytest.mark.pitfall("IP-11")
@pytest.mark.threat("TA-05")
async def test_nobody_broadcasts_what_is_not_its_own(town: Town) -> None:
    answer = await town.cpo2.send("PUT", AT, LOCATION, to=HUB)
    assert answer.status_code == 404
    assert envelope_of(await town.emsp1.send("GET", "sender/locations", to=HUB))["data"] == []


@pytest.mark.req("RT-26")
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "receiver/cdrs", samples.cdr(**BEC)),
        ("PUT", "receiver/sessions/BE/BEC/S1", samples.session(**BEC)),
        ("POST", "receiver/commands/START_SESSION", {}),
        ("PUT", "receiver/chargingprofiles/S1", {}),
        ("POST", "sender/tokens/T1/authorize", {}),
        ("DELETE", "receiver/chargingprofiles/S1", None),
        ("GET", AT, None),
    ],
)
@pytest.mark.pitfall("IP-32")
async def test_what_is_for_one_party_is_refused_and_not_spread(
    town: Town, method: str, path: str, body: Any
) -> None:
    answer = await town.cpo1.send(method, path, body, to=HUB)
    assert codes_of(answer) == (200, 2001)
    assert "OCPI-to" in envelope_of(answer)["status_message"]
    assert not town.network.requests


@pytest.mark.req("RT-36", "RT-37", "RT-38")
async def test_get_all_lists_what_all_have_broadcast_page_by_page(town: Town) -> None:
    for number in range(3):
        for peer in (town.cpo1, town.cpo2):
            codes = dict(
                zip(("country_code", "party_id"), str(peer.member.party).split("*"), strict=True)
            )
            document = samples.location(**codes, id=f"L{number}")
            path = "/".join(("receiver/locations", *codes.values(), f"L{number}"))
            assert codes_of(await peer.send("PUT", path, document, to=HUB))[1] == 1000
    own = samples.location(country_code="NL", party_id="TNM", id="OWN")
    await town.admin.put("/admin/locations/NL/TNM/OWN", content=encode(own))
    found: list[Any] = []
    answer = await town.emsp1.send("GET", "sender/locations?limit=2", to=HUB)
    while True:
        assert codes_of(answer) == (200, 1000)
        assert routing_of(answer) == swapped(EMSP1.party, HUB)
        assert answer.headers["x-total-count"] == "7"
        found += envelope_of(answer)["data"]
        if "link" not in answer.headers:
            break
        answer = await town.emsp1.send("GET", answer.links["next"]["url"], to=HUB)
    names = [(each["country_code"], each["id"]) for each in found]
    pairs = [(country, f"L{number}") for number in range(3) for country in ("BE", "FR")]
    assert names == [*pairs, ("NL", "OWN")]


@pytest.mark.req("RT-38")
async def test_get_all_lists_tokens_to_cpos_and_locations_to_emsps(town: Town) -> None:
    await town.emsp1.send("PUT", TOKEN_AT, TOKEN, to=HUB)
    await town.cpo1.send("PUT", AT, LOCATION, to=HUB)
    for peer, tokens, locations in (
        (town.cpo2, [TOKEN], []),
        (town.emsp2, [], [LOCATION]),
    ):
        listed = await peer.send("GET", "sender/tokens", to=HUB)
        assert envelope_of(listed)["data"] == tokens
        listed = await peer.send("GET", "sender/locations", to=HUB)
        assert envelope_of(listed)["data"] == locations


async def test_one_object_is_given_when_one_alone_has_its_id(town: Town) -> None:
    await town.cpo1.send("PUT", AT, LOCATION, to=HUB)
    path = f"sender/locations/{LOCATION['id']}"
    assert envelope_of(await town.emsp1.send("GET", path, to=HUB))["data"] == LOCATION
    frc = {"country_code": "FR", "party_id": "FRC"}
    other = samples.location(**frc)
    await town.cpo2.send("PUT", f"receiver/locations/FR/FRC/{other['id']}", other, to=HUB)
    assert codes_of(await town.emsp1.send("GET", path, to=HUB)) == (404, 2003)


async def test_our_own_session_reaches_the_emsp_of_its_token_through_the_hub(town: Town) -> None:
    session = samples.session(
        country_code="NL",
        party_id="TNM",
        id="S1",
        cdr_token=samples.cdr_token(country_code="DE", party_id="MSP"),
    )
    answer = await town.admin.put("/admin/sessions/NL/TNM/S1", content=encode(session))
    assert answer.status_code == 201, answer.text
    async with pushing(town):
        await until(got(town.emsp1, "sessions"))
    (seen,) = town.emsp1.of("sessions")
    assert seen.routing == (EMSP1.party, OURS)
    assert not town.emsp2.of("sessions")


async def test_what_a_party_has_left_behind_is_neither_told_nor_listed(town: Town) -> None:
    await town.cpo1.send("PUT", AT, LOCATION, to=HUB)
    async with town.context.database.write() as db:
        await db.exec(delete(Partner).where(col(Partner.name) == "cpo1"))
    location = samples.location(country_code="FR", party_id="FRC")
    path = f"receiver/locations/FR/FRC/{location['id']}"
    await town.cpo2.send("PUT", path, location, to=HUB)
    async with pushing(town):
        await until(got(town.emsp1, "locations"))
    assert [seen.document() for seen in town.emsp1.of("locations")] == [location]
    listed = envelope_of(await town.emsp1.send("GET", "sender/locations", to=HUB))["data"]
    assert listed == [location]


@pytest.mark.parametrize(("evses", "codes"), [(2000, (201, 1000)), (8000, (413, 2000))])
async def test_a_large_location_is_read_and_a_larger_one_is_not(
    sqlite_url: str, evses: int, codes: tuple[int, int]
) -> None:
    large = {**LOCATION, "evses": [samples.evse(1, uid=f"E{each}") for each in range(evses)]}
    async with open_town(sqlite_url, (CPO1,)) as town:
        answer = await town.cpo1.send("PUT", AT, large, to=HUB)
    assert len(encode(large)) > 2**20
    assert codes_of(answer) == codes


@pytest.mark.req("RT-16")
async def test_a_patch_keeps_the_dates_that_its_owner_gave_it(town: Town) -> None:
    await town.cpo1.send("PUT", AT, LOCATION, to=HUB)
    evse = {**LOCATION["evses"][0], "last_updated": "2026-05-01T00:00:00Z"}
    change = {"evses": [evse], "last_updated": "2026-04-01T00:00:00Z"}
    await town.cpo1.send("PATCH", AT, change, to=HUB)
    listed = envelope_of(await town.emsp1.send("GET", "sender/locations", to=HUB))["data"]
    assert listed[0]["last_updated"] == change["last_updated"]


@pytest.mark.req("RT-38", "PP-08")
async def test_a_token_that_our_cpo_had_is_told_as_it_is_broadcast(town: Town) -> None:
    assert codes_of(await town.emsp1.send("PUT", TOKEN_AT, TOKEN, to=OURS))[1] == 1000
    change = {"valid": False, "last_updated": "2026-06-01T00:00:00Z"}
    assert codes_of(await town.emsp1.send("PATCH", TOKEN_AT, change, to=HUB)) == (404, 2004)
    whole = {**TOKEN, **change}
    assert codes_of(await town.emsp1.send("PUT", TOKEN_AT, whole, to=HUB)) == (201, 1000)
    async with pushing(town):
        await until(got(town.cpo2, "tokens"))
    (seen,) = town.cpo2.of("tokens")
    assert (seen.method, seen.document()) == ("PUT", whole)
    listed = envelope_of(await town.cpo1.send("GET", "sender/tokens", to=HUB))["data"]
    assert listed == [whole]
