"""Whose session it is: the driver's own card, a command, a reservation, or a known token."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from modules.commands.reservations import Fate, Reservation
from modules.tokens.authorizations import Authorization
from ocpi.errands import token_key
from ocpi.gateway import Wish
from ocpi.headers import Party
from ocpi.spec.document import encode
from ocpi.testing import samples
from tests.house import OURS, OWNER, add_partner
from tests.modules.stations.reports.yard import TARIFF, Document, Yard, open_yard, start, stop

MINUTE = 60_000_000
DAY = 24 * 60 * MINUTE
APP = samples.token(uid="app-user-1", type="APP_USER", contract_id="DE-MSP-APP")


@pytest.fixture
async def yard(database_url: str) -> AsyncIterator[Yard]:
    async with open_yard(database_url) as opened:
        yield opened


@pytest.fixture
async def local(sqlite_url: str) -> AsyncIterator[Yard]:
    async with open_yard(sqlite_url) as opened:
        yield opened


async def authorize(yard: Yard, token: Document, at: int, **over: Any) -> None:
    members = {
        "token_key": token_key(token["uid"], token["type"]),
        "owner": OURS.key,
        "location_id": "LOC-1",
        "token": encode(token),
        "method": "AUTH_REQUEST",
        "reference": "auth-1",
        "at": at,
        **over,
    }
    async with yard.database.write() as db:
        db.add(Authorization(**members))


async def command(yard: Yard, at: int, token: Document = APP, **over: Any) -> str:
    request = {"token": token, "location_id": "LOC-1", "authorization_reference": "command-1"}
    errand = await yard.add_errand(Wish.START_SESSION, request, at, **over)
    return errand.id


def now(**over: Any) -> Document:
    return start(moment=None, **over)


def card(token: Document) -> Document:
    return {"uid": token["uid"], "type": token["type"]}


@pytest.mark.req("CM-17", "CM-25", "CD-15", "SE-19", "SE-20")
async def test_a_commanded_session_has_the_token_and_the_reference_of_the_command(
    yard: Yard,
) -> None:
    command_id = await command(yard, await yard.now() - MINUTE)
    await yard.report(now(token=None, command_id=command_id.upper()), stop(moment=None, kwh=105))
    for told in (await yard.session(), await yard.cdr()):
        assert told["cdr_token"] == samples.cdr_token(
            uid=APP["uid"], type="APP_USER", contract_id="DE-MSP-APP"
        )
        assert told["auth_method"] == "COMMAND"
        assert told["authorization_reference"] == "command-1"


@pytest.mark.req("CM-17", "CM-25")
async def test_a_command_is_found_by_its_token_where_the_station_does_not_name_it(
    local: Yard,
) -> None:
    await command(local, await local.now() - MINUTE)
    await local.report(now(token=card(APP)))
    assert (await local.session())["authorization_reference"] == "command-1"


@pytest.mark.req("TK-20", "SE-19")
async def test_an_authorization_gives_its_reference_to_session_and_cdr(yard: Yard) -> None:
    stranger = samples.token(uid="STRANGER", contract_id="DE-MSP-X")
    await authorize(yard, stranger, await yard.now() - MINUTE)
    await yard.report(now(token={"uid": "stranger"}), stop(moment=None, kwh=105))
    for told in (await yard.session(), await yard.cdr()):
        assert told["auth_method"] == "AUTH_REQUEST"
        assert told["authorization_reference"] == "auth-1"
        assert told["cdr_token"]["contract_id"] == "DE-MSP-X"


@pytest.mark.req("SE-22", "CD-15", "SE-19")
async def test_of_command_and_authorization_the_later_counts(local: Yard) -> None:
    moment = await local.now()
    await command(local, moment - 3 * MINUTE)
    await authorize(local, APP, moment - 2 * MINUTE)
    await local.report(now(token=card(APP)))
    await command(local, moment - MINUTE)
    await local.report(now(name="t2", evse_uid="EVSE-2", token=card(APP)))
    references = [each["authorization_reference"] for each in await local.sessions()]
    assert references == ["auth-1", "command-1"]


async def test_an_authorization_after_the_start_is_another_sessions(local: Yard) -> None:
    moment = await local.now()
    token = samples.token()
    await authorize(local, token, moment - 20 * MINUTE, reference="first")
    await authorize(local, token, moment, reference="second")
    from_then = samples.session()  # Its moment lies long ago: nothing was allowed before it.
    await local.report(start("old", from_then["start_date_time"]))
    await local.report(now(name="new", evse_uid="EVSE-2"))
    methods = [
        (each["auth_method"], each.get("authorization_reference"))
        for each in await local.sessions()
    ]
    assert methods == [("WHITELIST", None), ("AUTH_REQUEST", "second")]


async def test_an_authorization_elsewhere_tells_whose_token_it_is_if_none_is_here(
    local: Yard,
) -> None:
    moment = await local.now()
    token = samples.token()
    await authorize(local, token, moment - 20 * MINUTE, reference="here", location_id="loc-1")
    await authorize(local, token, moment - MINUTE, reference="there", location_id="LOC-9")
    await local.report(now())
    assert (await local.session())["authorization_reference"] == "here"
    await authorize(local, APP, moment - MINUTE, reference="there", location_id="LOC-9")
    await local.report(now(name="t2", evse_uid="EVSE-2", token=card(APP)))
    session = (await local.sessions())[1]
    assert session["cdr_token"]["uid"] == APP["uid"]
    assert (session["auth_method"], session.get("authorization_reference")) == ("WHITELIST", None)


async def test_an_authorization_for_another_evse_is_one_for_another_place(local: Yard) -> None:
    moment = await local.now()
    token = samples.token()
    await authorize(local, token, moment - 20 * MINUTE, reference="any", location_id=None)
    await authorize(local, token, moment - MINUTE, reference="two", evse_uids='["evse-2"]')
    await local.report(now(), now(name="t2", evse_uid="EVSE-2"))
    references = [each["authorization_reference"] for each in await local.sessions()]
    assert references == ["any", "two"]


def ways(sessions: list[Document]) -> list[tuple[str, str | None]]:
    return [(each["auth_method"], each.get("authorization_reference")) for each in sessions]


@pytest.mark.req("SE-19", "CD-15", "CM-25")
@pytest.mark.parametrize("named", [True, False])
async def test_a_command_leads_to_one_session(yard: Yard, *, named: bool) -> None:
    command_id = await command(yard, await yard.now() - MINUTE)
    whose = {"token": None, "command_id": command_id} if named else {"token": card(APP)}
    first, second = now(**whose), now(name="t2", evse_uid="EVSE-2", **whose)
    await yard.report(first, stop(moment=None, kwh=105), first, second)
    assert ways(await yard.sessions()) == [("COMMAND", "command-1"), ("WHITELIST", None)]
    assert {each["cdr_token"]["uid"] for each in await yard.sessions()} == {APP["uid"]}
    await command(yard, await yard.now())
    await yard.report(now(name="t3", token=card(APP)))
    assert ways(await yard.sessions())[2] == ("COMMAND", "command-1")


@pytest.mark.req("SE-19", "TK-20", "CD-15")
@pytest.mark.parametrize("location_id", ["LOC-1", None])
async def test_an_authorization_leads_to_one_session(yard: Yard, location_id: str | None) -> None:
    stranger = samples.token(uid="STRANGER", contract_id="DE-MSP-X")
    await authorize(yard, stranger, await yard.now() - MINUTE, location_id=location_id)
    await yard.report(now(token=card(stranger)), stop(moment=None, kwh=105))
    await yard.report(now(name="t2", token=card(stranger)))
    assert ways(await yard.sessions()) == [("AUTH_REQUEST", "auth-1"), ("WHITELIST", None)]
    assert {each["cdr_token"]["contract_id"] for each in await yard.sessions()} == {"DE-MSP-X"}


@pytest.mark.req("SE-19", "TK-20", "CD-15")
async def test_a_driver_who_tried_twice_at_an_evse_has_authorized_one_session_there(
    yard: Yard,
) -> None:
    moment, token = await yard.now(), samples.token()
    for n in (3, 2):
        await authorize(yard, token, moment - n * MINUTE, reference=f"{n}", evse_uids='["EVSE-1"]')
    await yard.report(now(), stop(moment=None, kwh=105), now(name="t2"))
    assert ways(await yard.sessions()) == [("AUTH_REQUEST", "2"), ("WHITELIST", None)]


@pytest.mark.req("SE-19", "TK-20", "CD-15")
@pytest.mark.parametrize("evse_uids", [None, '["EVSE-1", "EVSE-2"]'])
async def test_a_card_that_was_held_up_for_two_cars_has_authorized_two_sessions(
    local: Yard, evse_uids: str | None
) -> None:
    moment, token = await local.now(), samples.token()
    for n in (3, 2):
        await authorize(local, token, moment - n * MINUTE, reference=f"{n}", evse_uids=evse_uids)
    await local.report(now(), now(name="t2", evse_uid="EVSE-2"))
    assert ways(await local.sessions()) == [("AUTH_REQUEST", "2"), ("AUTH_REQUEST", "3")]


@pytest.mark.req("SE-19", "CM-25")
async def test_an_authorization_by_a_command_leads_to_no_session_beside_that_of_the_command(
    local: Yard,
) -> None:
    moment = await local.now()
    await command(local, moment - 3 * MINUTE)
    for minutes in (2, 1):
        by_command = {"method": "COMMAND", "reference": "command-1"}
        await authorize(local, APP, moment - minutes * MINUTE, **by_command)
    await local.report(now(token=card(APP)), now(name="t2", evse_uid="EVSE-2", token=card(APP)))
    assert ways(await local.sessions()) == [("COMMAND", "command-1"), ("WHITELIST", None)]


@pytest.mark.req("SE-19", "CM-25")
async def test_a_command_for_another_evse_tells_whose_token_it_is_and_waits_for_its_own(
    local: Yard,
) -> None:
    await command(local, await local.now() - MINUTE, evse_uid="EVSE-2")
    await local.report(now(token=card(APP)), now(name="t2", evse_uid="evse-2", token=card(APP)))
    assert ways(await local.sessions()) == [("WHITELIST", None), ("COMMAND", "command-1")]


async def test_a_session_that_is_billed_again_takes_nothing_from_another(sqlite_url: str) -> None:
    async with open_yard(sqlite_url, tariff=None) as yard:
        stranger = samples.token(uid="STRANGER", contract_id="DE-MSP-X")
        moment = await yard.now()
        await authorize(yard, stranger, moment - MINUTE, reference="first")
        await yard.report(now(token=card(stranger)), stop(moment=None, kwh=105))
        await authorize(yard, stranger, moment, reference="second")
        await yard.put_tariff(TARIFF)
        [listed] = await yard.listed(trouble=True)
        await yard.bill(listed["id"])
        await yard.report(now(name="t2", token=card(stranger)))
        assert (await yard.cdr())["authorization_reference"] == "first"
        assert ways(await yard.sessions())[1] == ("AUTH_REQUEST", "second")


async def add_other(yard: Yard) -> dict[str, Any]:
    """Add another eMSP; gives what its errands have of it."""
    key = await add_partner(yard.database, "other", "in-other", Party("FR", "XYZ"))
    return {"partner_id": key, "asker_country_code": "FR", "asker_party_id": "XYZ"}


async def test_a_command_of_another_emsp_does_not_take_a_card_over(yard: Yard) -> None:
    others = await add_other(yard)
    theirs = samples.token(country_code="FR", party_id="XYZ", contract_id="FR-XYZ-1")
    moment = await yard.now()
    command_id = await command(yard, moment - MINUTE, theirs, **others)
    await yard.report(now())
    await yard.report(now(name="t2", evse_uid="EVSE-2", token=None, command_id=command_id))
    await command(yard, moment - 20 * MINUTE, samples.token(), id="right")
    for n in range(12):
        await command(yard, moment - MINUTE + n + 1, theirs, **others)
    await yard.report(now(name="t3", evse_uid="EVSE-3", connector_id="1"))
    told = [(each["cdr_token"]["party_id"], each["auth_method"]) for each in await yard.sessions()]
    assert told == [("MSP", "WHITELIST"), ("XYZ", "COMMAND"), ("MSP", "COMMAND")]


async def test_a_reservation_of_another_emsp_does_not_take_a_card_over(local: Yard) -> None:
    others = await add_other(local)
    theirs = samples.token(country_code="FR", party_id="XYZ", contract_id="FR-XYZ-1")
    reservation = Reservation(
        partner_id=others["partner_id"],
        asker="fr*xyz",
        reservation_id="r",
        errand_id="none",
        owner=OURS.key,
        location_id="LOC-1",
        token_key=token_key(theirs["uid"], theirs["type"]),
        token=encode(theirs),
        held_at=await local.now(),
        expires_at=await local.now() + MINUTE,
        fate=Fate.HELD.value,
    )
    async with local.database.write() as db:
        db.add(reservation)
    await local.report(now())
    assert (await local.session())["cdr_token"]["party_id"] == "MSP"
    assert [each.fate for each in await local.reservations()] == ["held"]


async def test_commands_that_were_refused_or_are_old_or_of_other_stations_do_not_count(
    local: Yard,
) -> None:
    moment = await local.now()
    token = samples.token()
    await command(local, moment - 2 * DAY, token)
    await command(local, moment - MINUTE, token, result=encode({"result": "REJECTED"}))
    await command(local, moment - 2 * MINUTE, token, location_id="LOC-9")
    await local.report(now())
    session = await local.session()
    assert session["auth_method"] == "WHITELIST"
    assert "authorization_reference" not in session


async def test_a_session_that_begins_after_a_timeout_is_the_commands(local: Yard) -> None:
    await command(local, await local.now() - MINUTE, result=encode({"result": "TIMEOUT"}))
    await local.report(now(token=card(APP)))
    assert (await local.session())["authorization_reference"] == "command-1"


async def test_without_token_command_and_reservation_nobody_is_known(local: Yard) -> None:
    request = {"token": APP, "location_id": "LOC-1"}
    await local.add_errand(Wish.START_SESSION, request, await local.now(), token_key=None)
    [outcome] = await local.report(now(token=None))
    assert "The token none is not known" in outcome["note"]
    [outcome] = await local.report(now(name="t2", token=None, command_id="nothing"))
    assert "is not known" in outcome["note"]
    assert await local.sessions() == []


async def test_a_token_that_is_known_by_other_types_is_said_to_be(local: Yard) -> None:
    await local.add_token(type="OTHER")
    [outcome] = await local.report(now(token={"uid": samples.token()["uid"], "type": "APP_USER"}))
    assert outcome["note"] == (
        "The token 04A1B2C3D4E5F6 is not known as APP_USER, but as OTHER and as RFID, so there is "
        "no Session to tell."
    )


@pytest.mark.req("TK-22")
async def test_a_drivers_default_profile_chooses_the_tariff_where_the_evse_can(
    sqlite_url: str,
) -> None:
    evse = samples.evse(
        1,
        capabilities=["CHARGING_PREFERENCES_CAPABLE"],
        connectors=[samples.connector(1, tariff_ids=["TARIFF-1", "GREEN"])],
    )
    location = samples.location(**OWNER, evses=[evse])
    async with open_yard(sqlite_url, location=location) as yard:
        await yard.put_tariff(samples.tariff(**OWNER, id="GREEN", type="PROFILE_GREEN"))
        await yard.report(start(), stop(kwh=105))
        await yard.add_token(default_profile_type="GREEN")
        await yard.report(start("t2"), stop("t2", kwh=105))
        chosen = [[tariff["id"] for tariff in each["tariffs"]] for each in await yard.cdrs()]
        assert chosen == [["TARIFF-1"], ["GREEN"]]
