"""In whose name a message is taken: a hub for who is behind it, and who answers at a link."""

from collections.abc import AsyncIterator

import pytest

import ocpi.hub.message
from ocpi.headers import Party, routing_headers
from ocpi.spec.document import decode, encode
from ocpi.testing import samples
from tests.house import codes_of
from tests.modules.hubclientinfo.test_announcing import AT_HUB, BEHIND, INFO, OTHER_HUB
from tests.ocpi.hub.town import (
    CPO1,
    CPO_SIDE,
    EMSP1,
    HUB_RECEIVER,
    Member,
    Town,
    open_town,
    success,
)

TWO = Member("two", (("CPO", Party("PT", "AAA")), ("CPO", Party("PT", "BBB"))), CPO_SIDE)
OF_MSP = samples.cdr_token(country_code="DE", party_id="MSP")
CDR = samples.cdr(country_code="AT", party_id="CPB", cdr_token=OF_MSP)
START = {
    "response_url": "https://emsp1.example/results/1",
    "token": samples.token(country_code="DE", party_id="MSP"),
    "location_id": "LOC1",
}


@pytest.fixture
async def town(database_url: str) -> AsyncIterator[Town]:
    async with open_town(database_url, (CPO1, EMSP1, OTHER_HUB, TWO)) as opened:
        assert codes_of(await opened.hub2.send("PUT", AT_HUB, INFO))[1] == 1000
        yield opened


ITSELF = OTHER_HUB.party


@pytest.mark.req("RT-05", "CO-06")
@pytest.mark.pitfall("IP-11")
@pytest.mark.parametrize("sender", [None, ITSELF, BEHIND])
@pytest.mark.parametrize("to", [None, EMSP1.party])
async def test_a_hub_bills_for_who_is_behind_it_whomever_it_names_as_sender(
    town: Town, sender: Party | None, to: Party | None
) -> None:
    headers = routing_headers(to, sender)
    answer = await town.hub2.http.post(f"{HUB_RECEIVER}/cdrs", content=encode(CDR), headers=headers)
    assert codes_of(answer) == (200, 1000), answer.text
    (seen,) = town.emsp1.seen
    assert seen.routing == (EMSP1.party, sender or ITSELF)
    assert seen.document() == CDR


@pytest.mark.req("CO-06", "RT-08")
@pytest.mark.threat("TA-05", "TA-06")
async def test_a_hub_bills_for_nobody_else(town: Town) -> None:
    for codes in ({"party_id": "CPX"}, {"country_code": "BE", "party_id": "BEC"}):
        body = encode({**CDR, **codes})
        for sender in (None, ITSELF, BEHIND):
            headers = routing_headers(EMSP1.party, sender)
            answer = await town.hub2.http.post(
                f"{HUB_RECEIVER}/cdrs", content=body, headers=headers
            )
            assert codes_of(answer) == (404, 2000)
    # Who is no hub speaks for nobody, whatever its bill says.
    answer = await town.cpo1.send("POST", "receiver/cdrs", CDR, to=EMSP1.party)
    assert codes_of(answer) == (404, 2000)
    assert not town.emsp1.seen


async def test_whose_a_cdr_is_costs_no_second_look_at_its_body(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    bodies: list[bytes] = []

    def look(body: bytes) -> object:
        bodies.append(body)
        return decode(body)

    monkeypatch.setattr(ocpi.hub.message, "decode", look)
    answer = await town.hub2.send("POST", "receiver/cdrs", CDR, to=EMSP1.party, sender=ITSELF)
    assert codes_of(answer) == (200, 1000)
    assert bodies == [encode(CDR).encode()]


@pytest.mark.req("RT-22")
async def test_the_result_at_a_link_comes_from_whom_the_link_was_made_for(town: Town) -> None:
    """Its partner has several parties, and names none of them."""
    town.two.answer = lambda _: success({"result": "ACCEPTED", "timeout": 30})
    for _, party in TWO.roles:
        answer = await town.emsp1.send("POST", "receiver/commands/START_SESSION", START, to=party)
        assert codes_of(answer) == (200, 1000), answer.text
        url = town.two.seen[-1].document()["response_url"]
        told = await town.two.http.post(url, json={"result": "ACCEPTED"})
        assert codes_of(told) == (200, 1000), told.text
        assert town.emsp1.seen[-1].routing == (EMSP1.party, party)


@pytest.mark.req("RT-22", "RT-23")
@pytest.mark.threat("TA-06", "TA-07")
async def test_who_names_no_party_tells_no_results_at_the_links_of_others(town: Town) -> None:
    command = ("POST", "receiver/commands/START_SESSION", START)
    assert codes_of(await town.emsp1.send(*command, to=CPO1.party))[1] == 1000
    url = town.cpo1.seen[0].document()["response_url"]
    for name, codes in (("two", (200, 2001)), ("emsp1", (404, 2000)), ("hub2", (404, 2000))):
        answer = await town.peers[name].http.post(url, json={"result": "ACCEPTED"})
        assert codes_of(answer) == codes
    assert not town.emsp1.seen


@pytest.mark.req("RT-22")
async def test_a_hub_that_names_no_party_tells_results_for_who_is_behind_it(town: Town) -> None:
    town.hub2.answer = lambda _: success({"result": "ACCEPTED", "timeout": 30})
    answer = await town.emsp1.send("POST", "receiver/commands/START_SESSION", START, to=BEHIND)
    assert codes_of(answer) == (200, 1000), answer.text
    url = town.hub2.seen[-1].document()["response_url"]
    told = await town.hub2.http.post(url, json={"result": "ACCEPTED"})
    assert codes_of(told) == (200, 1000), told.text
    assert town.emsp1.seen[-1].routing == (EMSP1.party, BEHIND)
