"""What OCPI's diagrams show of hubs, each over real sockets: hub, CPOs and eMSPs."""

from pathlib import Path

import httpx
import pytest

from ocpi.testing import samples
from ocpi.testing.emsp import OPEN, running
from ocpi.testing.mock.outgoing import Asking
from ocpi.testing.mock.wire import MESSAGE_IDS
from tests.flows.hubs import (
    Town,
    a_hub,
    a_town,
    assert_proper,
    cpo,
    crawl,
    emsp,
    introduced,
    owned_by,
    pairs,
    received,
    told_of,
)
from tests.flows.process import Installation, until

BEC, MSP = ("BE", "BEC"), ("DE", "MSP")


def a_session(town: Town, **over: object) -> dict[str, object]:
    token = samples.cdr_token(**owned_by(town.emsp1))
    return samples.session(**owned_by(town.cpo1), cdr_token=token, **over)


@pytest.mark.req("RT-07", "RT-09", "RT-11", "RT-13", "RT-14", "RT-15", "RT-16", "RT-17")
async def test_a_put_reaches_the_party_that_it_names_both_ways(database_url: str) -> None:
    async with a_town(database_url) as town:
        session = a_session(town, x_new={"kept": True})
        capable = samples.evse(1, capabilities=["CHARGING_PREFERENCES_CAPABLE"])
        await town.cpo1.put_location(samples.location(**owned_by(town.cpo1), evses=[capable]))
        reply = await town.cpo1.put_session(session)
        assert (reply.http_status, reply.status_code) == (201, 1000)
        assert pairs(reply.headers) == (BEC, MSP)
        (came,) = received(town.emsp1, "sessions")
        assert pairs(came.headers) == (MSP, BEC)
        sent = reply.message.headers
        assert came.headers["x-correlation-id"] == sent["x-correlation-id"]
        assert came.headers["x-request-id"] != sent["x-request-id"]
        assert [reply.headers[name] for name in MESSAGE_IDS] == [sent[name] for name in MESSAGE_IDS]
        assert town.emsp1.documents("sessions") == [session]
        preferences = {"profile_type": "CHEAP"}
        back = await town.emsp1.set_preferences("SESSION-1", preferences, to=BEC)
        assert (back.status_code, back.data) == (1000, "ACCEPTED")
        assert pairs(back.headers) == (MSP, BEC)
        (came,) = received(town.cpo1, "sessions")
        assert pairs(came.headers) == (BEC, MSP)
        assert list(town.cpo1.preferences.values()) == [preferences]


@pytest.mark.req("RT-24", "RT-27", "RT-28", "RT-30", "RT-31", "RT-32")
async def test_a_broadcast_reaches_all_of_the_other_role_and_is_answered_by_the_hub(
    database_url: str,
) -> None:
    async with a_town(database_url) as town:
        location = samples.location(**owned_by(town.cpo1))
        reply = await town.cpo1.put_location(location)
        assert pairs(reply.headers) == (BEC, town.hub.party)
        for mock in (town.emsp1, town.emsp2):
            await until(lambda mock=mock: mock.documents("locations") == [location])  # type: ignore[misc]
            (came,) = received(mock, "locations")
            assert pairs(came.headers) == (mock.own_party(), town.hub.party)
            sent = reply.message.headers
            assert came.headers["x-correlation-id"] == sent["x-correlation-id"]
            assert came.headers["x-request-id"] != sent["x-request-id"]
        change = {"status": "CHARGING", "last_updated": "2026-02-01T00:00:00Z"}
        await town.cpo1.patch_evse(location, "EVSE-2", change)
        own = town.cpo1.documents("locations")
        for mock in (town.emsp1, town.emsp2):
            await until(lambda mock=mock: mock.documents("locations") == own)  # type: ignore[misc]
        token = samples.token(**owned_by(town.emsp1))
        await town.emsp1.push_token(token)
        for receiver in (town.cpo1, town.cpo2):
            await until(lambda mock=receiver: mock.documents("tokens") == [token])  # type: ignore[misc]
        assert not received(town.cpo2, "locations")
        assert not received(town.emsp2, "tokens")


@pytest.mark.req("RT-33", "RT-34", "RT-35")
async def test_what_names_nobody_reaches_the_party_that_its_content_tells(
    database_url: str,
) -> None:
    async with a_town(database_url) as town:
        location, token = await town.broadcast()
        start = {"token": token, "location_id": location["id"]}
        command = await town.emsp1.command("START_SESSION", start, to=OPEN)
        assert await town.emsp1.result_of(command) == {"result": "ACCEPTED"}
        await until(lambda: bool(town.emsp1.documents("sessions")))
        (came,) = received(town.cpo1, "commands")
        assert pairs(came.headers) == (BEC, MSP)
        decision = await town.cpo2.authorize(token["uid"], to=OPEN)
        assert decision.data["allowed"] == "ALLOWED"
        assert pairs(decision.headers) == (town.cpo2.own_party(), MSP)
        lost = await town.cpo2.authorize("NOBODY-S", to=OPEN)
        assert (lost.http_status, lost.status_code) == (200, 4001)


@pytest.mark.req("RT-36", "RT-37", "RT-38", "HC-02", "HC-13")
async def test_get_all_is_read_page_by_page(database_url: str) -> None:
    async with a_town(database_url) as town:
        for number in range(3):
            for mock in (town.cpo1, town.cpo2):
                await mock.put_location(samples.location(**owned_by(mock), id=f"LOC-{number}"))
        await town.cpo2.put_tariff(samples.tariff(**owned_by(town.cpo2)))
        replies = await crawl(town.emsp1, "locations", "?limit=1", town.hub.party)
        assert len(replies) == 6
        assert {pairs(reply.headers) for reply in replies} == {(MSP, town.hub.party)}
        assert {reply.headers["x-total-count"] for reply in replies} == {"6"}
        found = [document for reply in replies for document in reply.data]
        theirs = [*town.cpo1.documents("locations"), *town.cpo2.documents("locations")]
        assert sorted(found, key=repr) == sorted(theirs, key=repr)
        counts = await town.emsp2.pull()
        assert (counts["locations"], counts["tariffs"], counts["hubclientinfo"]) == (6, 1, 3)


@pytest.mark.req("RT-20", "RT-23")
async def test_a_partys_list_is_followed_through_the_hub_page_after_page(
    database_url: str,
) -> None:
    async with a_town(database_url) as town:
        for number in range(3):
            location = samples.location(**owned_by(town.cpo1), id=f"LOC-{number}")
            await town.cpo1.put_location(location, to=MSP)
        replies = await crawl(town.emsp1, "locations", "?limit=1", BEC)
        assert [reply.data for reply in replies] == [
            [each] for each in town.cpo1.documents("locations")
        ]
        for reply in replies:
            assert pairs(reply.headers) == (MSP, BEC)
            assert (reply.headers["x-total-count"], reply.headers["x-limit"]) == ("3", "100")
        url = httpx.Response(200, headers=replies[0].headers).links["next"]["url"]
        assert url.startswith(f"{town.hub.base_url}/ocpi/hub/")
        assert town.emsp2.peer is not None
        async with Asking(town.emsp2, town.emsp2.peer.token_out) as asking:
            strange = await asking.ask("GET", url, to=BEC, given=True)
        assert (strange.http_status, strange.data) == (404, None)


@pytest.mark.req("RT-21", "CD-03")
async def test_a_cdr_is_read_back_through_the_hub(database_url: str) -> None:
    async with a_town(database_url) as town:
        token = samples.cdr_token(**owned_by(town.emsp1))
        cdr = samples.cdr(**owned_by(town.cpo1), cdr_token=token)
        reply = await town.cpo1.post_cdr(cdr)
        assert (reply.http_status, reply.status_code) == (201, 1000)
        assert reply.headers["location"].startswith(f"{town.hub.base_url}/ocpi/hub/")
        fetched = await town.cpo1.fetch_cdr(cdr)
        assert (fetched.status_code, fetched.data) == (1000, cdr)
        assert pairs(fetched.headers) == (BEC, MSP)
        again = await town.cpo1.post_cdr(cdr)
        assert again.headers["location"] == reply.headers["location"]
        assert town.emsp1.documents("cdrs") == [cdr]


@pytest.mark.req("RT-22", "CM-07")
async def test_a_session_is_started_steered_and_stopped_through_the_hub(database_url: str) -> None:
    async with a_town(database_url) as town:
        location, token = await town.broadcast()
        place = {"token": token, "location_id": location["id"], "evse_uid": "EVSE-1"}
        started = await town.emsp1.command("START_SESSION", place, to=BEC)
        assert await town.emsp1.result_of(started) == {"result": "ACCEPTED"}
        (result,) = received(town.emsp1, "commands")
        assert pairs(result.headers) == (MSP, BEC)
        await until(lambda: bool(town.emsp1.documents("sessions")))
        (session,) = town.emsp1.documents("sessions")
        profile = {"charging_rate_unit": "W", "min_charging_rate": 1}
        asked = [await town.emsp1.set_profile(session["id"], profile, to=BEC)]
        assert await town.emsp1.result_of(asked[0]) == {"result": "ACCEPTED"}
        asked.append(await town.emsp1.get_profile(session["id"], 900, to=BEC))
        active = await town.emsp1.result_of(asked[1])
        assert active["profile"]["charging_profile"] == profile
        asked.append(await town.emsp1.clear_profile(session["id"], to=BEC))
        assert await town.emsp1.result_of(asked[2]) == {"result": "ACCEPTED"}
        stop = {"session_id": session["id"]}
        stopped = await town.emsp1.command("STOP_SESSION", stop, to=BEC)
        assert await town.emsp1.result_of(stopped) == {"result": "ACCEPTED"}
        await until(lambda: town.emsp1.documents("sessions")[0]["status"] == "COMPLETED")


@pytest.mark.req("TK-17", "RT-12")
async def test_a_driver_of_one_is_asked_for_in_real_time_by_another(sqlite_url: str) -> None:
    async with a_town(sqlite_url) as town:
        token = samples.token(**owned_by(town.emsp1))
        town.emsp1.issue_token(token, "BLOCKED")
        decision = await town.cpo1.authorize(token["uid"], to=MSP)
        assert decision.data["allowed"] == "BLOCKED"
        assert town.cpo1.peer is not None
        assert told_of(town.emsp1, [town.cpo1.peer.token_out]) == []


@pytest.mark.req("RT-08", "RT-19", "RT-38")
@pytest.mark.threat("TA-07")
async def test_no_third_party_sees_a_byte_of_what_two_exchange(database_url: str) -> None:
    async with a_town(database_url) as town:
        secrets = ["SECRET-LOC", "SECRET-TOKEN", "SECRET-SESSION", "SECRET-CDR", "SECRET-REF"]
        location = samples.location(**owned_by(town.cpo1), id="SECRET-LOC")
        token = samples.token(**owned_by(town.emsp1), uid="SECRET-TOKEN")
        await town.cpo1.put_location(location, to=MSP)
        await town.emsp1.push_token(token, to=BEC)
        await town.cpo1.authorize(token["uid"], to=MSP)
        place = {"token": token, "location_id": "SECRET-LOC"}
        body = {**place, "authorization_reference": "SECRET-REF"}
        command = await town.emsp1.command("START_SESSION", body, to=BEC)
        await town.emsp1.result_of(command)
        driver = samples.cdr_token(**owned_by(town.emsp1), uid="SECRET-TOKEN")
        bill = {**owned_by(town.cpo1), "cdr_token": driver}
        await town.cpo1.put_session(samples.session(**bill, id="SECRET-SESSION"))
        await town.cpo1.post_cdr(samples.cdr(**bill, id="SECRET-CDR"))
        await crawl(town.emsp1, "locations", "?limit=1", BEC)
        await until(lambda: len(town.emsp1.documents("sessions")) == 2)
        assert told_of(town.emsp1, secrets) == secrets
        since = "?date_from=2000-01-01T00:00:00Z"
        for stranger in (town.cpo2, town.emsp2):
            for module in ("locations", "tariffs", "tokens", "sessions", "cdrs"):
                await crawl(stranger, module, since, town.hub.party)
            await stranger.pull()
            assert told_of(stranger, secrets) == []


async def test_a_list_of_all_tokens_is_for_cpos_alone(sqlite_url: str) -> None:
    async with a_town(sqlite_url) as town:
        _, token = await town.broadcast()
        (page,) = await crawl(town.cpo2, "tokens", "", town.hub.party)
        assert page.data == [token]
        (page,) = await crawl(town.emsp2, "tokens", "", town.hub.party)
        assert page.data == []


@pytest.mark.req("RT-41", "RT-29")
async def test_who_goes_away_is_4003_and_hears_what_it_missed_when_it_is_back(
    database_url: str,
) -> None:
    seller, driver, other = cpo("BE", "BEC"), emsp("DE", "MSP"), emsp("GB", "EMS")
    async with a_hub(database_url) as hub, running(seller), running(other):
        async with running(driver) as url:
            await hub.admit(seller, driver, other)
            await introduced(seller, driver, other)
        location = samples.location(**owned_by(seller))
        await seller.put_location(location)
        await until(lambda: other.documents("locations") == [location])
        token = samples.cdr_token(**owned_by(driver))
        session = samples.session(**owned_by(seller), cdr_token=token)
        missed = await seller.put_session(session)
        assert (missed.http_status, missed.status_code) == (200, 4003)
        async with running(driver, port=int(url.rpartition(":")[2])):
            await until(lambda: driver.documents("locations") == [location], seconds=60)
            # What was for it alone is not kept for it: its sender sends it again.
            assert driver.documents("sessions") == []
            assert (await seller.put_session(session)).status_code == 1000
        assert_proper(seller, driver, other)


async def test_staff_open_the_hub_to_its_parties_by_the_command_line(
    sqlite_url: str, tmp_path: Path
) -> None:
    named = {"OCPI_HUB_COUNTRY_CODE": "NL", "OCPI_HUB_PARTY_ID": "HUB"}
    installation = Installation(sqlite_url, tmp_path, settings=named)
    seller, driver = cpo("BE", "BEC"), emsp("DE", "MSP")
    async with installation.serving(), running(seller), running(driver):
        for mock in (seller, driver):
            country_code, party_id = mock.own_party()
            words = ("--country-code", country_code, "--party-id", party_id, "--platform", "hub")
            role = ("--role", mock.parties[0].role)
            offered = await installation.run_json("partner", "add", party_id, *role, *words)
            await mock.register(offered["versions_url"], offered["token"])
        # The CPO that the settings name is a party of the hub like these.
        known = {("BE", "BEC"), ("DE", "MSP"), ("DE", "CPO")}
        for mock in (seller, driver):
            others = known - {mock.own_party()}
            await until(lambda mock=mock, others=others: {k[:2] for k in mock.introduced} == others)  # type: ignore[misc]
        assert seller.peer is not None
        assert [role["role"] for role in seller.peer.roles] == ["HUB"]
        token = samples.cdr_token(**owned_by(driver))
        session = samples.session(**owned_by(seller), cdr_token=token)
        assert (await seller.put_session(session)).status_code == 1000
        assert driver.documents("sessions") == [session]
    assert_proper(seller, driver)
