"""Partners that are hubs themselves: whom they announce, and what those may do."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from sqlalchemy import update
from sqlmodel import col, select

from modules.hubclientinfo.learning import Learner
from modules.hubclientinfo.standing import bring_up_to_date
from ocpi.directory import AnnouncedParty
from ocpi.headers import Party
from ocpi.parties import Partner, PlatformID
from ocpi.pull.syncs import PartnerSync
from ocpi.spec.moments import format_moment
from ocpi.testing import samples
from tests.house import HUB, OURS, codes_of, envelope_of
from tests.ocpi.hub.town import (
    CPO1,
    CPO_SIDE,
    EMSP1,
    EMSP_SIDE,
    EVERYBODY,
    Member,
    Town,
    open_town,
    pushing,
    success,
    until,
)

OTHER_HUB = Member(
    "hub2",
    (("HUB", Party("AT", "HUB")),),
    (*CPO_SIDE, *EMSP_SIDE, ("SENDER", "hubclientinfo"), ("RECEIVER", "hubclientinfo")),
)
# Known by a connection to our CPO platform: its Tokens are good at our stations.
BILATERAL = Member("bilateral", (("EMSP", Party("AT", "MSB")),), EMSP_SIDE, PlatformID.CPO)
THIRD_HUB = Member("hub3", (("HUB", Party("CH", "HUB")),), OTHER_HUB.interfaces)
BEHIND = Party("AT", "CPB")
INFO: dict[str, Any] = {
    "country_code": "AT",
    "party_id": "CPB",
    "role": "CPO",
    "status": "CONNECTED",
    "last_updated": "2026-01-01T00:00:00Z",
}
AT_HUB = "receiver/hubclientinfo/AT/CPB"
SESSION = samples.session(country_code="AT", party_id="CPB")
SESSION_AT = f"receiver/sessions/AT/CPB/{SESSION['id']}"


@pytest.fixture
async def town(database_url: str) -> AsyncIterator[Town]:
    async with open_town(database_url, (*EVERYBODY, OTHER_HUB, BILATERAL)) as opened:
        yield opened


async def announced(town: Town) -> dict[str, str]:
    async with town.context.database.read() as db:
        rows = (await db.exec(select(AnnouncedParty))).all()
    return {f"{row.role} {row.country_code}*{row.party_id}": row.status for row in rows}


async def rows(town: Town) -> list[tuple[str, str, str]]:
    """Give which partner says what of whom: its name, the role, the status."""
    async with town.context.database.read() as db:
        columns = (col(Partner.name), col(AnnouncedParty.role), col(AnnouncedParty.status))
        query = select(*columns).where(col(Partner.id) == col(AnnouncedParty.partner_id))
        return sorted((await db.exec(query)).all())


@pytest.mark.req("HC-04", "HC-06", "HC-07")
async def test_a_client_info_is_stored_and_read_back(town: Town) -> None:
    assert codes_of(await town.hub2.send("GET", AT_HUB))[0] == 404
    assert codes_of(await town.hub2.send("PUT", AT_HUB, INFO)) == (201, 1000)
    answer = await town.hub2.send("GET", AT_HUB)
    assert envelope_of(answer)["data"] == INFO
    again = {**INFO, "status": "OFFLINE", "last_updated": "2026-02-01T00:00:00Z"}
    assert codes_of(await town.hub2.send("PUT", AT_HUB, again)) == (200, 1000)
    assert await announced(town) == {"CPO AT*CPB": "OFFLINE"}
    assert codes_of(await town.hub2.send("PUT", AT_HUB, INFO)) == (200, 1000)
    assert await announced(town) == {"CPO AT*CPB": "OFFLINE"}


@pytest.mark.req("HC-06")
@pytest.mark.parametrize(
    ("changes", "codes"),
    [
        ({"party_id": "XXX"}, (200, 2001)),
        ({"status": None}, (200, 2001)),
        ({"role": 7}, (200, 2001)),
    ],
)
async def test_a_client_info_that_is_none_is_refused(
    town: Town, changes: dict[str, Any], codes: tuple[int, int]
) -> None:
    assert codes_of(await town.hub2.send("PUT", AT_HUB, {**INFO, **changes})) == codes
    assert await announced(town) == {}


@pytest.mark.req("HC-05")
@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
async def test_client_infos_know_put_and_get_alone(town: Town, method: str) -> None:
    assert codes_of(await town.hub2.send(method, AT_HUB, {}))[0] == 405


@pytest.mark.threat("TA-28")
async def test_only_a_hub_announces_anybody(town: Town) -> None:
    assert codes_of(await town.cpo1.send("PUT", AT_HUB, INFO)) == (200, 2000)
    assert await announced(town) == {}


@pytest.mark.parametrize("party", [CPO1.party, EMSP1.party, OURS, HUB, BILATERAL.party])
@pytest.mark.parametrize("role", ["CPO", "EMSP"])
@pytest.mark.threat("TA-28")
async def test_a_hub_takes_over_nobody_who_is_known_otherwise(
    town: Town, party: Party, role: str
) -> None:
    """In no role: whoever is behind a hub sends through it, whatever the role."""
    codes = {"country_code": party.country_code, "party_id": party.party_id, "role": role}
    path = f"receiver/hubclientinfo/{party.country_code}/{party.party_id}"
    assert codes_of(await town.hub2.send("PUT", path, {**INFO, **codes})) == (200, 2001)
    assert await announced(town) == {}


@pytest.mark.parametrize(
    ("country_code", "party_id"), [("NL", "TNM*AB"), ("N*", "TNM"), ("..", ".."), ("%2", "a/b")]
)
async def test_a_party_whose_codes_are_none_is_nobody(
    town: Town, country_code: str, party_id: str
) -> None:
    """`NL*TNM*AB` would own what NL*TNM calls `AB*...`, and `..` would lead to other endpoints."""
    info = {**INFO, "country_code": country_code, "party_id": party_id}
    names = (quote(name, safe="").replace(".", "%2E") for name in (country_code, party_id))
    path = "/".join(("receiver/hubclientinfo", *names))
    assert codes_of(await town.hub2.send("PUT", path, info)) == (200, 2001)
    town.hub2.answer = lambda _: success([info])
    await Learner(town.context).turn()
    assert await announced(town) == {}


@pytest.mark.threat("TA-28")
@pytest.mark.req("HC-04", "HC-09", "HC-12")
async def test_a_party_goes_from_one_hub_to_another_once_the_first_one_says_that_it_left(
    database_url: str,
) -> None:
    gone, later = {**INFO, "status": "SUSPENDED"}, {**INFO, "last_updated": "2026-03-01T00:00:00Z"}
    async with open_town(database_url, (CPO1, EMSP1, OTHER_HUB, THIRD_HUB)) as town:
        await town.hub2.send("PUT", AT_HUB, {**INFO, "role": "EMSP"})
        await town.hub2.send("PUT", AT_HUB, INFO)
        for role in ("CPO", "EMSP"):  # In whatever role it is still there, it is the first one's.
            assert codes_of(await town.hub3.send("PUT", AT_HUB, later)) == (200, 2001)
            await town.hub2.send("PUT", AT_HUB, {**gone, "role": role})
        assert codes_of(await town.hub3.send("PUT", AT_HUB, gone)) == (201, 1000)
        assert len(await rows(town)) == 3
        for new, old in ((town.hub3, town.hub2), (town.hub2, town.hub3)):
            answer = await new.send("PUT", AT_HUB, {**later, "role": "EMSP"})
            assert codes_of(answer)[1] == 1000
            assert {(name, status) for name, _, status in await rows(town)} >= {
                (new.member.name, "CONNECTED")
            }
            assert old.member.name not in {name for name, *_ in await rows(town)}
            assert codes_of(await old.send("PUT", AT_HUB, later)) == (200, 2001)
            asked = await town.cpo1.send("GET", "sender/tokens", to=BEHIND)
            assert codes_of(asked) == (200, 1000)
            assert [each.routing[0] for each in new.of("tokens")] == [BEHIND]
            await new.send("PUT", AT_HUB, {**later, "role": "EMSP", "status": "SUSPENDED"})


@pytest.mark.threat("TA-28")
async def test_of_two_hubs_that_a_party_goes_to_at_once_one_comes_first(
    postgres_url: str,
) -> None:
    async with open_town(postgres_url, (OTHER_HUB, THIRD_HUB)) as town:
        await town.hub2.send("PUT", AT_HUB, {**INFO, "status": "SUSPENDED"})
        for _ in range(5):
            claims = [peer.send("PUT", AT_HUB, INFO) for peer in (town.hub2, town.hub3)]
            answers = await asyncio.gather(*claims)
            assert max(codes_of(each)[1] for each in answers) == 2001
            ((holder, *_),) = await rows(town)
            await town.peers[holder].send("PUT", AT_HUB, {**INFO, "status": "SUSPENDED"})


@pytest.mark.req("RT-10", "RT-08", "HC-09")
async def test_who_is_behind_a_hub_sends_and_receives_through_it(town: Town) -> None:
    refused = await town.hub2.send("PUT", SESSION_AT, SESSION, to=EMSP1.party, sender=BEHIND)
    assert codes_of(refused) == (200, 2001)
    await town.hub2.send("PUT", AT_HUB, INFO)
    answer = await town.hub2.send("PUT", SESSION_AT, SESSION, to=EMSP1.party, sender=BEHIND)
    assert codes_of(answer) == (200, 1000)
    assert town.emsp1.of("sessions")[0].routing == (EMSP1.party, BEHIND)
    asked = await town.emsp1.send("GET", "sender/locations/L1", to=BEHIND)
    assert codes_of(asked) == (200, 1000)
    (seen,) = town.hub2.of("locations")
    assert seen.routing == (BEHIND, EMSP1.party)


@pytest.mark.parametrize("status", ["OFFLINE", "PLANNED", "SUSPENDED"])
@pytest.mark.req("HC-10", "HC-11", "HC-12", "RT-41")
async def test_who_is_not_connected_to_its_hub_is_not_reached(town: Town, status: str) -> None:
    await town.hub2.send("PUT", AT_HUB, {**INFO, "status": status})
    asked = await town.emsp1.send("GET", "sender/locations/L1", to=BEHIND)
    assert codes_of(asked) == (200, 4003)
    refused = await town.hub2.send("PUT", SESSION_AT, SESSION, to=EMSP1.party, sender=BEHIND)
    assert codes_of(refused) == (200, 2001)


@pytest.mark.parametrize(
    ("word", "status", "code"),
    [("connected", "CONNECTED", 1000), ("Suspended", "SUSPENDED", 4003), ("GONE", "OFFLINE", 4003)],
)
@pytest.mark.req("HC-09", "HC-10")
async def test_others_are_told_what_holds_for_messages_whatever_word_a_hub_has_for_it(
    town: Town, word: str, status: str, code: int
) -> None:
    await town.hub2.send("PUT", AT_HUB, {**INFO, "status": word})
    assert envelope_of(await town.hub2.send("GET", AT_HUB))["data"]["status"] == status
    await bring_up_to_date(town.context)
    infos = envelope_of(await town.emsp1.send("GET", "sender/hubclientinfo"))["data"]
    assert [each["status"] for each in infos if each["party_id"] == "CPB"] == [status]
    answer = await town.emsp1.send("GET", "sender/locations/L1", to=BEHIND)
    assert codes_of(answer) == (200, code)


async def test_a_message_is_not_sent_back_to_the_hub_that_it_came_from(town: Town) -> None:
    await town.hub2.send("PUT", AT_HUB, INFO)
    answer = await town.hub2.send("GET", "sender/locations", to=BEHIND)
    assert codes_of(answer) == (200, 4001)
    assert not town.hub2.seen


async def test_a_hubs_broadcast_is_told_on_and_not_back(town: Town) -> None:
    await town.hub2.send("PUT", AT_HUB, INFO)
    location = samples.location(country_code="AT", party_id="CPB")
    path = f"receiver/locations/AT/CPB/{location['id']}"
    assert codes_of(await town.hub2.send("PUT", path, location, to=HUB)) == (201, 1000)
    own = samples.location(country_code="BE", party_id="BEC")
    await town.cpo1.send("PUT", f"receiver/locations/BE/BEC/{own['id']}", own, to=HUB)
    async with pushing(town):
        await until(lambda: len(town.emsp1.of("locations")) == 2)
        await until(lambda: bool(town.hub2.of("locations")))
    (seen,) = town.hub2.of("locations")
    assert seen.document() == own
    assert seen.routing == (OTHER_HUB.party, HUB)


@pytest.mark.pitfall("IP-11", "IP-32")
async def test_its_parties_are_parties_of_this_hub(town: Town) -> None:
    await town.hub2.send("PUT", AT_HUB, INFO)
    await bring_up_to_date(town.context)
    answer = await town.emsp1.send("GET", "sender/hubclientinfo")
    names = {each["party_id"]: each["status"] for each in envelope_of(answer)["data"]}
    assert names["CPB"] == names["HUB"] == "CONNECTED"
    back = await town.hub2.send("GET", "sender/hubclientinfo")
    assert {each["party_id"] for each in envelope_of(back)["data"]} == {
        *("TNM", "BEC", "FRC", "MSP", "EMS")
    }


@pytest.mark.req("HC-03")
async def test_the_whole_list_is_read_and_who_is_not_in_it_is_suspended(town: Town) -> None:
    lists = [
        [INFO, {**INFO, "party_id": "CPC", "role": "EMSP"}, "nonsense", {"party_id": "CPD"}],
        [{**INFO, "last_updated": "2026-03-01T00:00:00Z", "status": "OFFLINE"}],
    ]
    town.hub2.answer = lambda _: success(lists[0])
    learner = Learner(town.context)
    await learner.turn()
    assert await announced(town) == {"CPO AT*CPB": "CONNECTED", "EMSP AT*CPC": "CONNECTED"}
    assert town.hub2.seen[0].routing == (None, None)
    await learner.turn()
    assert len(town.hub2.seen) == 1
    lists.pop(0)
    await due(town)
    await learner.turn()
    assert await announced(town) == {"CPO AT*CPB": "OFFLINE", "EMSP AT*CPC": "SUSPENDED"}


@pytest.mark.req("HC-03")
async def test_a_role_that_is_not_in_the_list_is_suspended_though_its_party_is(town: Town) -> None:
    other = {**INFO, "role": "EMSP"}
    lists: list[Any] = [[INFO, other], [other], [INFO, other]]
    town.hub2.answer = lambda _: success(lists.pop(0))
    for status in ("CONNECTED", "SUSPENDED", "CONNECTED"):
        await due(town)
        await Learner(town.context).turn()
        assert await announced(town) == {"CPO AT*CPB": status, "EMSP AT*CPB": "CONNECTED"}


@pytest.mark.req("HC-03", "HC-09")
async def test_who_is_in_the_list_again_is_connected_again(town: Town) -> None:
    """Its date is that of its last change at the hub, which is older than its absence."""
    other = {**INFO, "party_id": "CPC"}
    lists: list[Any] = [[INFO, other], [other], [INFO, other]]
    town.hub2.answer = lambda _: success(lists.pop(0))
    for status in ("CONNECTED", "SUSPENDED", "CONNECTED"):
        await due(town)
        await Learner(town.context).turn()
        assert await announced(town) == {"CPO AT*CPB": status, "CPO AT*CPC": "CONNECTED"}


@pytest.mark.req("HC-03")
async def test_a_list_that_is_empty_all_at_once_is_believed_the_second_time(town: Town) -> None:
    lists: list[Any] = [[], [INFO], [], [INFO], [], [], []]
    town.hub2.answer = lambda _: success(lists.pop(0))
    await town.hub2.send("PUT", AT_HUB, INFO)
    for status in (*["CONNECTED"] * 5, "SUSPENDED", "SUSPENDED"):
        await due(town)
        await Learner(town.context).turn()
        assert await announced(town) == {"CPO AT*CPB": status}
    assert lists == []


@pytest.mark.req("HC-03")
@pytest.mark.pitfall("IP-23")
async def test_a_list_that_counts_more_than_it_has_suspends_nobody(town: Town) -> None:
    await town.hub2.send("PUT", AT_HUB, INFO)
    other = [{**INFO, "party_id": "CPC"}]
    headers: dict[str, str] = {}
    town.hub2.answer = lambda _: success(other, headers=headers)
    for count, status in (("2", "CONNECTED"), ("many", "SUSPENDED")):
        headers["x-total-count"] = count
        await due(town)
        await Learner(town.context).turn()
        assert await announced(town) == {"CPO AT*CPB": status, "CPO AT*CPC": "CONNECTED"}


async def test_who_is_announced_while_the_list_is_read_stays(town: Town) -> None:
    late = {**INFO, "last_updated": format_moment(datetime.now(UTC) + timedelta(minutes=1))}
    await town.hub2.send("PUT", AT_HUB, late)
    town.hub2.answer = lambda _: success([{**INFO, "party_id": "CPC"}])
    await Learner(town.context).turn()
    assert await announced(town) == {"CPO AT*CPB": "CONNECTED", "CPO AT*CPC": "CONNECTED"}


@pytest.mark.threat("TA-28")
async def test_a_list_of_too_many_is_not_believed(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("modules.hubclientinfo.learning.MOST_BEHIND_ONE", 2)
    town.hub2.answer = lambda _: success([INFO] * 3)
    await Learner(town.context).turn()
    assert await announced(town) == {}


async def due(town: Town) -> None:
    async with town.context.database.write() as db:
        await db.exec(update(PartnerSync).values(next_at=0))


@pytest.mark.req("HC-03")
async def test_half_a_list_suspends_nobody(town: Town) -> None:
    await town.hub2.send("PUT", AT_HUB, INFO)
    town.hub2.answer = lambda _: httpx.Response(500)
    await Learner(town.context).turn()
    assert await announced(town) == {"CPO AT*CPB": "CONNECTED"}
    async with town.context.database.read() as db:
        note = (await db.exec(select(col(PartnerSync.note)))).one()
    assert "Not complete" in (note or "")


@pytest.mark.threat("TA-28")
async def test_a_hub_announces_so_many_and_no_more(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("modules.hubclientinfo.announcing.MOST_BEHIND_ONE", 1)
    await town.hub2.send("PUT", AT_HUB, INFO)
    other = {**INFO, "party_id": "CPC"}
    answer = await town.hub2.send("PUT", "receiver/hubclientinfo/AT/CPC", other)
    assert codes_of(answer) == (200, 2000)
