"""Commands as eMSPs send them: what they are answered, and what is stored for the station."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from sqlalchemy import update

from credentials.partners import set_options
from modules.commands.reservations import Fate, Reservation
from ocpi.catalogue import PREVIEWED
from ocpi.errands import token_key
from ocpi.gateway import Wish
from ocpi.golive.ruling import add_rules
from ocpi.spec.commands import CommandResponse, CommandType
from ocpi.spec.document import decode, encode
from ocpi.spec.moments import microseconds, parse_moment
from ocpi.spec.reading import defects
from tests.house import OURS, THEIRS, codes_of, data_of, envelope_of
from tests.modules.commands.floor import (
    ANSWERS,
    OTHER,
    Floor,
    cancel,
    open_floor,
    reserve,
    start,
    stop,
    token,
    unlock,
)

COMMANDS = "/ocpi/cpo/2.2.1/receiver/commands"


@pytest.fixture
async def floor(sqlite_url: str) -> AsyncIterator[Floor]:
    async with open_floor(sqlite_url) as opened:
        yield opened


@pytest.fixture
async def each_floor(database_url: str) -> AsyncIterator[Floor]:
    async with open_floor(database_url) as opened:
        yield opened


async def send(
    client: httpx.AsyncClient, command: str, body: dict[str, Any], **headers: str
) -> httpx.Response:
    return await client.post(f"{COMMANDS}/{command}", content=encode(body), headers=headers)


async def result_of(client: httpx.AsyncClient, command: str, body: dict[str, Any]) -> str:
    """Send a command; gives the word it is answered, which stands in a proper CommandResponse."""
    response = data_of(await send(client, command, body))
    assert defects(response, CommandResponse) == []
    assert (response["timeout"] > 0) == (response["result"] == "ACCEPTED")
    assert ("message" in response) == (response["result"] != "ACCEPTED")
    return str(response["result"])


async def allow(floor: Floor, *commands: str) -> None:
    options = {"commands": list(commands)}
    await set_options(floor.service.context, "Example eMSP", options)


@pytest.mark.req("CM-01", "CM-02", "CM-03")
async def test_an_accepted_command_is_stored_for_the_station_before_it_is_answered(
    each_floor: Floor,
) -> None:
    asked = start(connector_id="1", location_id="loc-1", authorization_reference="REF", x_new=1.50)
    answer = await send(each_floor.emsp, "START_SESSION", asked, **{"X-Correlation-ID": "corr-1"})
    # Five seconds more than the station has, for its answer to reach the partner.
    assert data_of(answer) == {"result": "ACCEPTED", "timeout": 35}
    errand = await each_floor.errand()
    assert (errand.wish, errand.method) == (Wish.START_SESSION, "POST")
    assert (errand.owner, errand.asker) == (OURS, THEIRS)
    assert (errand.location_id, errand.evse_uid, errand.connector_id) == ("LOC-1", "EVSE-1", "1")
    assert errand.token_key == token_key(token()["uid"], "RFID")
    assert errand.response_url == ANSWERS
    assert errand.correlation_id == "corr-1"
    assert errand.document == decode(encode(asked))
    assert errand.deadline - errand.created_at == 30_000_000
    assert (errand.asked_at, errand.answered_at, errand.told_at) == (None, None, None)
    assert errand.result is None
    assert each_floor.service.context.errands.is_set()


async def test_the_timeout_is_a_setting(sqlite_url: str) -> None:
    async with open_floor(sqlite_url, command_timeout=7) as floor:
        answer = await send(floor.emsp, "START_SESSION", start())
        assert data_of(answer) == {"result": "ACCEPTED", "timeout": 12}
        errand = await floor.errand()
        assert errand.deadline - errand.created_at == 7_000_000


@pytest.mark.req("CM-03")
async def test_what_is_not_accepted_leaves_nothing_for_the_station(floor: Floor) -> None:
    assert await result_of(floor.emsp, "START_SESSION", start(evse_uid="EVSE-3")) == "REJECTED"
    assert await result_of(floor.emsp, "STOP_SESSION", stop("NONE")) == "UNKNOWN_SESSION"
    assert await result_of(floor.emsp, "UNLOCK_CONNECTOR", unlock()) == "NOT_SUPPORTED"
    assert await floor.errands() == []
    assert not floor.service.context.errands.is_set()


# Whose the object that a command names is, and what its answer is then.
MATRIX = [
    ("START_SESSION", start(), "ACCEPTED"),
    ("START_SESSION", start(token=token(OTHER)), "REJECTED"),
    ("START_SESSION", start(location_id="NONE"), 2003),
    ("START_SESSION", start(evse_uid="NONE"), 2003),
    ("START_SESSION", start(connector_id="NONE"), 2003),
    ("RESERVE_NOW", reserve(), "ACCEPTED"),
    ("RESERVE_NOW", reserve(token=token(OTHER)), "REJECTED"),
    ("RESERVE_NOW", reserve(location_id="NONE"), 2003),
    ("RESERVE_NOW", reserve(evse_uid="NONE"), 2003),
    ("STOP_SESSION", stop(), "ACCEPTED"),
    ("STOP_SESSION", stop("session-1"), "ACCEPTED"),
    ("STOP_SESSION", stop("FOREIGN"), "UNKNOWN_SESSION"),
    ("STOP_SESSION", stop("ENDED"), "REJECTED"),
    ("STOP_SESSION", stop("GONE"), "ACCEPTED"),
    ("STOP_SESSION", stop("NONE"), "UNKNOWN_SESSION"),
    ("UNLOCK_CONNECTOR", unlock(), "ACCEPTED"),
    ("UNLOCK_CONNECTOR", unlock(location_id="NONE"), 2003),
    ("UNLOCK_CONNECTOR", unlock(evse_uid="NONE"), 2003),
    ("UNLOCK_CONNECTOR", unlock(connector_id="NONE"), 2003),
    ("CANCEL_RESERVATION", cancel("OWN"), "ACCEPTED"),
    ("CANCEL_RESERVATION", cancel("FOREIGN"), "ACCEPTED"),
    ("CANCEL_RESERVATION", cancel("NONE"), "ACCEPTED"),
]


@pytest.mark.req("CM-04", "CM-05", "CM-13")
@pytest.mark.threat("TA-30")
async def test_each_command_is_judged_by_whose_object_it_names(each_floor: Floor) -> None:
    floor = each_floor
    await allow(floor, *CommandType)
    await result_of(floor.emsp, "RESERVE_NOW", reserve(reservation_id="OWN"))
    foreign = reserve(
        reservation_id="FOREIGN", token=token(OTHER), response_url="https://other.example/1"
    )
    assert await result_of(floor.other, "RESERVE_NOW", foreign) == "ACCEPTED"
    for command, body, expected in MATRIX:
        answer = await send(floor.emsp, command, body)
        if expected == 2003:
            assert codes_of(answer) == (200, 2003), (command, body)
            data = envelope_of(answer)["data"]
            assert (data["result"], data["timeout"]) == ("REJECTED", 0)
        else:
            assert data_of(answer)["result"] == expected, (command, body)


@pytest.mark.req("CM-04")
@pytest.mark.threat("TA-05")
async def test_where_a_rule_hides_a_location_a_partner_starts_nothing(each_floor: Floor) -> None:
    floor = each_floor
    await allow(floor, *CommandType)
    rule = {"module": "locations", "hide": True, "id": "LOC-1"}
    await add_rules(floor.service.context, PREVIEWED, "Example eMSP", [rule])
    for command, body in (
        ("START_SESSION", start()),
        ("RESERVE_NOW", reserve()),
        ("UNLOCK_CONNECTOR", unlock()),
    ):
        hidden = await send(floor.emsp, command, body)
        unknown = await send(floor.emsp, command, {**body, "location_id": "NONE"})
        assert codes_of(hidden) == codes_of(unknown) == (200, 2003)
        assert envelope_of(hidden)["data"]["result"] == "REJECTED"
    # Who charges there already is let go.
    assert await result_of(floor.emsp, "STOP_SESSION", stop()) == "ACCEPTED"


@pytest.mark.threat("TA-18")
async def test_a_command_that_is_larger_than_any_needs_to_be_is_refused(floor: Floor) -> None:
    answer = await send(floor.emsp, "CANCEL_RESERVATION", cancel("NONE") | {"x": "x" * 66_000})
    assert codes_of(answer) == (200, 2001)
    assert await floor.errands() == []


@pytest.mark.req("CM-22")
async def test_an_unknown_reservation_is_told_as_a_result_without_asking_a_station(
    each_floor: Floor,
) -> None:
    floor = each_floor
    foreign = reserve(token=token(OTHER), response_url="https://other.example/1")
    await result_of(floor.other, "RESERVE_NOW", foreign)
    assert await result_of(floor.emsp, "CANCEL_RESERVATION", cancel()) == "ACCEPTED"
    _, errand = await floor.errands()
    assert errand.answered_at == errand.created_at
    assert decode(errand.result or "") == {"result": "UNKNOWN_RESERVATION"}
    assert errand.told_at is None


@pytest.mark.req("CM-22")
async def test_a_reservation_of_the_partner_is_cancelled_where_it_was_made(floor: Floor) -> None:
    await result_of(floor.emsp, "RESERVE_NOW", reserve())
    assert await result_of(floor.emsp, "CANCEL_RESERVATION", cancel("RES-1")) == "ACCEPTED"
    _, errand = await floor.errands()
    assert (errand.location_id, errand.evse_uid) == ("LOC-1", "EVSE-1")
    assert errand.reservation == (await floor.reservations())[0].key
    assert errand.answered_at is None


@pytest.mark.req("CM-21")
@pytest.mark.threat("TA-30")
async def test_two_partners_reservations_have_ids_of_our_own(each_floor: Floor) -> None:
    floor = each_floor
    await result_of(floor.emsp, "RESERVE_NOW", reserve())
    foreign = reserve(token=token(OTHER), response_url="https://other.example/1")
    await result_of(floor.other, "RESERVE_NOW", foreign)
    first, second = await floor.reservations()
    assert first.reservation_id == second.reservation_id == "res-1"
    assert first.key != second.key
    assert first.partner_id != second.partner_id


@pytest.mark.req("CM-20", "CM-21")
async def test_a_second_reservation_of_the_same_id_and_location_replaces_the_first(
    each_floor: Floor,
) -> None:
    floor = each_floor
    await result_of(floor.emsp, "RESERVE_NOW", reserve(authorization_reference="REF"))
    async with floor.database.write() as db:
        await db.exec(update(Reservation).values(fate=Fate.HELD))
    again = reserve(reservation_id="RES-1", evse_uid=None, expiry_date="2098-01-01T00:00:00Z")
    await result_of(floor.emsp, "RESERVE_NOW", again)
    first, second = await floor.errands()
    [standing] = await floor.reservations()
    # The station is to replace what it knows under our number, and until then that holds.
    assert first.reservation == second.reservation == standing.key
    assert (standing.fate, standing.errand_id) == (Fate.HELD, first.id)
    assert standing.evse_uid == "EVSE-1"
    assert standing.expires_at == microseconds(parse_moment("2099-01-01T00:00:00Z"))
    assert standing.authorization_reference == "REF"
    assert decode(standing.token) == decode(encode(token()))


@pytest.mark.req("CM-20")
async def test_the_same_id_at_another_location_is_another_reservation(floor: Floor) -> None:
    await result_of(floor.emsp, "RESERVE_NOW", reserve())
    await result_of(floor.emsp, "RESERVE_NOW", reserve(location_id="LOC-2"))
    await result_of(floor.emsp, "RESERVE_NOW", reserve(evse_uid="EVSE-4"))
    first, second = await floor.reservations()
    assert (first.location_id, second.location_id) == ("LOC-1", "LOC-2")
    numbers = [errand.reservation for errand in await floor.errands()]
    assert numbers == [first.key, second.key, first.key]


@pytest.mark.req("CM-20")
async def test_a_reservation_that_is_over_is_not_replaced(floor: Floor) -> None:
    await result_of(floor.emsp, "RESERVE_NOW", reserve())
    async with floor.database.write() as db:
        await db.exec(update(Reservation).values(fate=Fate.USED))
    await result_of(floor.emsp, "RESERVE_NOW", reserve())
    assert [each.fate for each in await floor.reservations()] == [Fate.USED, Fate.ASKED]


@pytest.mark.req("CM-20")
async def test_of_reservations_that_come_at_once_one_is_kept(each_floor: Floor) -> None:
    floor = each_floor
    wanted = [result_of(floor.emsp, "RESERVE_NOW", reserve()) for _ in range(4)]
    assert await asyncio.gather(*wanted) == ["ACCEPTED"] * 4
    assert len(await floor.reservations()) == 1
    assert len(await floor.errands()) == 4


@pytest.mark.req("CM-06", "CM-24")
@pytest.mark.threat("TA-30")
async def test_a_partner_may_give_the_commands_that_are_open_to_it(floor: Floor) -> None:
    assert await result_of(floor.emsp, "UNLOCK_CONNECTOR", unlock()) == "NOT_SUPPORTED"
    await allow(floor, "UNLOCK_CONNECTOR")
    assert await result_of(floor.emsp, "UNLOCK_CONNECTOR", unlock()) == "ACCEPTED"
    assert await result_of(floor.emsp, "STOP_SESSION", stop()) == "NOT_SUPPORTED"


@pytest.mark.req("CM-06")
async def test_what_no_station_can_do_is_not_supported(sqlite_url: str) -> None:
    async with open_floor(sqlite_url, supported={Wish.STOP_SESSION}) as floor:
        assert await result_of(floor.emsp, "START_SESSION", start()) == "NOT_SUPPORTED"
        assert await result_of(floor.emsp, "RESERVE_NOW", reserve()) == "NOT_SUPPORTED"
        assert await result_of(floor.emsp, "CANCEL_RESERVATION", cancel()) == "NOT_SUPPORTED"
        assert await result_of(floor.emsp, "STOP_SESSION", stop()) == "ACCEPTED"


BAD_URLS = [
    "https://evil.example/x",
    "http://msp.example/x",
    "https://msp.example:8443/x",
    "https://msp.example@evil.example/x",
    "https://msp.example.evil.example/x",
    "https://other.example/x",
    "https://msp.example:99999/x",
    "ftp://msp.example/x",
    "msp.example/x",
    "",
    # These lie where the partner lives, and we would not go there with the result.
    "https://user:secret@msp.example/x",
    "https://msp.example/x#here",
    "https://msp.example/caf\u00e9",
    "https://msp.example/a\\b",
    "https://msp.example/" + "x" * 8192,
]


@pytest.mark.parametrize("url", BAD_URLS)
@pytest.mark.threat("TA-01", "TA-08")
async def test_a_response_url_elsewhere_is_refused(floor: Floor, url: str) -> None:
    answer = await send(floor.emsp, "START_SESSION", start(response_url=url))
    assert codes_of(answer) == (200, 2001)
    assert "response_url" in envelope_of(answer)["status_message"]
    assert await floor.errands() == []


@pytest.mark.parametrize(
    "url",
    [
        "https://msp.example/any/where?uid=%2F&x=a+b",
        "https://msp.example:443/x",
        "HTTPS://MSP.example/x",
        "https://versions.msp.example/x",
    ],
)
async def test_a_response_url_where_the_partner_lives_is_kept_as_it_is(
    floor: Floor, url: str
) -> None:
    assert await result_of(floor.emsp, "START_SESSION", start(response_url=url)) == "ACCEPTED"
    assert (await floor.errand()).response_url == url


@pytest.mark.parametrize(
    ("command", "body", "named"),
    [
        ("START_SESSION", start(token=None), "token"),
        ("START_SESSION", start(location_id=None), "location_id"),
        ("START_SESSION", start(evse_uid=None, connector_id="1"), "evse_uid"),
        ("START_SESSION", start(evse_uid="EVSE-5"), "connector_id"),
        ("RESERVE_NOW", reserve(expiry_date="tomorrow"), "expiry_date"),
        ("RESERVE_NOW", reserve(reservation_id=None), "reservation_id"),
        ("STOP_SESSION", {"response_url": ANSWERS}, "session_id"),
        ("CANCEL_RESERVATION", cancel(response_url=None), "response_url"),
        ("UNLOCK_CONNECTOR", unlock(connector_id=None), "connector_id"),
        ("UNLOCK_CONNECTOR", unlock(evse_uid=None), "evse_uid"),
        ("LAUNCH", start(), "CANCEL_RESERVATION, RESERVE_NOW, START_SESSION, STOP_SESSION, UNLOCK"),
        ("start_session", start(), "START_SESSION"),
    ],
)
@pytest.mark.req("CM-01", "CM-18")
async def test_a_body_that_does_not_belong_to_the_command_is_refused(
    floor: Floor, command: str, body: dict[str, Any], named: str
) -> None:
    answer = await send(floor.emsp, command, body)
    assert codes_of(answer) == (200, 2001)
    assert named in envelope_of(answer)["status_message"]
    assert await floor.errands() == []


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
@pytest.mark.req("CM-01")
async def test_there_is_no_method_but_post(floor: Floor, method: str) -> None:
    answer = await floor.emsp.request(method, f"{COMMANDS}/START_SESSION")
    assert codes_of(answer) == (405, 2000)


@pytest.mark.threat("TA-13")
async def test_a_command_that_comes_again_is_answered_and_not_carried_out_again(
    each_floor: Floor,
) -> None:
    """Repeated by a partner that heard no answer, or by somebody who listened."""
    ids = {"X-Request-ID": "once"}
    for _ in range(3):
        answer = await send(each_floor.emsp, "START_SESSION", start(), **ids)
        assert data_of(answer)["result"] == "ACCEPTED"
    await each_floor.errand()
    # What differs in anything is another command, also where the partner's ids are all the same.
    for body, headers in ((start(), {}), (start(authorization_reference="2"), ids)):
        await send(each_floor.emsp, "START_SESSION", body, **headers)
    assert len(await each_floor.errands()) == 3


@pytest.mark.threat("TA-13")
async def test_a_command_that_comes_eight_times_at_the_same_instant_is_carried_out_once(
    each_floor: Floor,
) -> None:
    ids = {"X-Request-ID": "once"}
    answers = await asyncio.gather(
        *(send(each_floor.emsp, "START_SESSION", start(), **ids) for _ in range(8))
    )
    assert [data_of(answer)["result"] for answer in answers] == ["ACCEPTED"] * 8
    await each_floor.errand()
