"""The mock CPO tells its peer of what it has, and shows it to who asks."""

from __future__ import annotations

from typing import Any

import pytest

from ocpi.testing import samples
from ocpi.testing.cpo import OPEN, MockCPO, Rule
from ocpi.testing.mock.misbehaviour import Match
from ocpi.testing.mock.state import Message
from tests.ocpi.testing.pair import behind_hub, registered, two_parties, violations

LATER = "2026-02-01T00:00:00Z"
TO = ("ocpi-to-country-code", "ocpi-to-party-id")
FROM = ("ocpi-from-country-code", "ocpi-from-party-id")


def last_sent(cpo: MockCPO) -> Message:
    return [message for message in cpo.messages if message.direction == "out"][-1]


def pairs(cpo: MockCPO) -> tuple[str, str]:
    """To whom and from whom the last message was."""
    headers = last_sent(cpo).headers
    to, sender = ("*".join(headers.get(name, "") for name in names) for names in (TO, FROM))
    return to, sender


@pytest.mark.parametrize(
    ("method", "module", "document"),
    [
        ("put_location", "locations", samples.location()),
        ("put_tariff", "tariffs", samples.tariff(id="Night/Day 50%")),
        ("put_session", "sessions", samples.session()),
        ("post_cdr", "cdrs", samples.cdr()),
    ],
)
async def test_what_is_told_arrives_and_is_equal(
    method: str, module: str, document: dict[str, Any]
) -> None:
    cpo, emsp = await registered()
    reply = await getattr(cpo, method)(document)
    assert (reply.http_status, reply.status_code) == (201, 1000)
    assert emsp.documents(module) == cpo.documents(module) == [document]
    assert violations(cpo, emsp) == []


async def test_what_changes_inside_a_location_moves_what_is_around_it() -> None:
    cpo, emsp = await registered()
    given = samples.location()
    await cpo.put_location(given)
    await cpo.patch_evse(given, "EVSE-2", {"status": "CHARGING", "last_updated": LATER})
    await cpo.patch_location(given, {"name": "Renamed", "last_updated": LATER})
    assert emsp.documents("locations") == cpo.documents("locations")
    [changed] = cpo.documents("locations")
    assert (changed["name"], changed["last_updated"]) == ("Renamed", LATER)
    assert [evse["status"] for evse in changed["evses"]] == ["AVAILABLE", "CHARGING", "AVAILABLE"]
    assert given == samples.location()
    assert violations(cpo, emsp) == []


async def test_periods_are_added_to_a_session_and_a_tariff_can_go() -> None:
    cpo, emsp = await registered()
    session, tariff = samples.session(), samples.tariff()
    await cpo.put_session(session)
    period = samples.charging_period("2026-01-15T09:30:00Z")
    await cpo.patch_session(session, {"charging_periods": [period], "last_updated": LATER})
    assert emsp.documents("sessions") == cpo.documents("sessions")
    assert len(cpo.documents("sessions")[0]["charging_periods"]) == 2
    await cpo.put_tariff(tariff)
    await cpo.delete_tariff(tariff)
    assert emsp.documents("tariffs") == cpo.documents("tariffs") == []
    assert violations(cpo, emsp) == []


async def test_what_the_mock_does_not_have_cannot_be_changed() -> None:
    cpo, _ = await registered()
    await cpo.put_location(samples.location())
    with pytest.raises(LookupError, match="no locations DE/CPO/LOC-1/EVSE-9"):
        await cpo.patch_evse(samples.location(), "EVSE-9", {"last_updated": LATER})


async def test_a_cdr_is_found_again_where_the_peer_has_put_it() -> None:
    cpo, emsp = await registered()
    cdr = samples.cdr()
    await cpo.post_cdr(cdr)
    assert list(cpo.cdr_urls.values()) == [emsp.url("receiver", "cdrs", "DE", "CPO", "CDR-1")]
    assert (await cpo.fetch_cdr(cdr)).data == cdr
    assert violations(cpo, emsp) == []


async def test_a_cdr_at_a_foreign_url_is_a_violation_and_asked_for_without_our_token() -> None:
    cpo, emsp = await registered()
    emsp.base_url = "http://elsewhere.test"
    await cpo.post_cdr(samples.cdr())
    reply = await cpo.fetch_cdr(samples.cdr())
    url = "http://elsewhere.test/ocpi/2.2.1/receiver/cdrs/DE/CPO/CDR-1"
    assert violations(cpo) == [f"the foreign URL {url} leaks: it is not of the peer's own (RT-21)"]
    assert reply.http_status == 401
    assert violations(emsp) == ["the Authorization header is missing (TR-02)"]


async def test_the_three_ways_through_a_hub_are_chosen_by_the_address() -> None:
    cpo, _ = await registered()
    behind_hub(cpo)
    await cpo.put_location(samples.location())
    assert pairs(cpo) == ("DE*HUB", "DE*CPO")
    await cpo.put_location(samples.location(), to=("NL", "MSP"))
    assert pairs(cpo) == ("NL*MSP", "DE*CPO")
    await cpo.put_location(samples.location(), to=OPEN)
    assert pairs(cpo) == ("*", "DE*CPO")
    assert not set(TO) & set(last_sent(cpo).headers)
    await cpo.put_session(samples.session())
    assert pairs(cpo) == ("DE*MSP", "DE*CPO")


async def test_whom_an_open_request_was_for_is_the_peers_to_say() -> None:
    cpo, emsp = await registered()
    await cpo.put_location(samples.location(), to=OPEN)
    assert violations(cpo, emsp) == []


async def test_of_several_parties_the_owner_speaks_or_who_is_told_to() -> None:
    cpo, emsp = await registered(two_parties())
    await cpo.put_tariff(samples.tariff(country_code="FR", party_id="TWO"))
    assert pairs(cpo) == ("DE*MSP", "FR*TWO")
    await cpo.authorize("NOBODY", sender=("FR", "TWO"))
    assert pairs(cpo) == ("DE*MSP", "FR*TWO")
    assert violations(cpo, emsp) == []
    await cpo.put_tariff(samples.tariff(party_id="WHO"))
    assert pairs(cpo) == ("DE*MSP", "DE*CPO")
    assert violations(emsp) == ["the owner DE*WHO is no party of the peer's (CO-06)"]


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/LOC-1", samples.location()),
        ("/loc-1/EVSE-2", samples.evse(2)),
        ("/LOC-1/EVSE-2/1", samples.connector(1)),
        ("/LOC-1/EVSE-9", None),
        ("/LOC-2", None),
    ],
)
async def test_a_location_and_what_is_in_it_can_be_read(path: str, found: Any) -> None:
    cpo, emsp = await registered()
    await cpo.put_location(samples.location())
    reply = await emsp.ask("GET", "SENDER", "locations", path)
    expected = (404, 2003) if found is None else (200, 1000)
    assert (reply.http_status, reply.status_code, reply.data) == (*expected, found)


async def test_the_lists_can_be_pulled_and_are_the_addressed_partys() -> None:
    cpo, emsp = await registered(two_parties())
    for owner in ({}, {"country_code": "FR", "party_id": "TWO"}):
        for module, document in (
            ("put_location", samples.location(**owner)),
            ("put_tariff", samples.tariff(**owner)),
            ("put_session", samples.session(**owner)),
            ("post_cdr", samples.cdr(**owner)),
        ):
            await getattr(cpo, module)(document)
    for module in ("locations", "tariffs", "sessions", "cdrs"):
        emsp.objects[module] = {}
    counts = {"locations": 1, "tariffs": 1, "sessions": 1, "cdrs": 1}
    assert await emsp.pull() == counts
    assert await emsp.pull(to=("FR", "TWO")) == counts
    assert emsp.objects["cdrs"] == cpo.objects["cdrs"]
    assert len(emsp.documents("locations")) == 2
    assert violations(cpo, emsp) == []


async def test_the_list_of_sessions_is_not_given_without_date_from() -> None:
    _, emsp = await registered()
    reply = await emsp.ask("GET", "SENDER", "sessions")
    assert (reply.http_status, reply.status_code) == (200, 2001)


async def test_a_rule_makes_the_mock_misbehave() -> None:
    cpo, emsp = await registered()
    cpo.rules = [Rule("status", match=Match(module="tokens"), http_status=503, times=1)]
    assert (await emsp.push_token(samples.token())).http_status == 503
    assert (await emsp.push_token(samples.token())).http_status == 201
