"""Every route of the hub, by everybody, as anybody, to anybody: what is answered, and to whom.

The routes come from the application itself, so that a new one without a row here fails.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from sqlalchemy import select
from sqlmodel import SQLModel

from ocpi.agreements import FUNCTIONAL
from ocpi.app import create_ocpi_api
from ocpi.catalogue import HUB_OFFERS
from ocpi.headers import Party, routing_headers
from ocpi.spec.document import encode
from ocpi.testing import samples
from tests.house import HUB, OURS, codes_of, envelope_of
from tests.ocpi.hub.test_relay import routing_of, swapped
from tests.ocpi.hub.town import (
    CPO1,
    CPO2,
    CPO_SIDE,
    EMSP1,
    EMSP2,
    EMSP_SIDE,
    EVERYBODY,
    Member,
    Peer,
    Seen,
    Town,
    open_town,
)

MANY = Member(
    "many",
    (("CPO", Party("IT", "CPO")), ("EMSP", Party("IT", "ONE"))),
    (*CPO_SIDE, *EMSP_SIDE),
)
CALLERS = (CPO1, EMSP1, MANY)
STRANGERS = (CPO2.party, OURS, HUB, Party("XX", "XXX"))
RECEIVERS = (CPO2.party, EMSP2.party, OURS, HUB, Party("XX", "XXX"), None)
FOREIGN = CPO2.party
IDS = {"X-Request-ID": "request-1", "X-Correlation-ID": "correlation-1"}
NAMES = {
    **dict.fromkeys(("location_id", "tariff_id", "session_id", "cdr_id", "token_uid"), "X1"),
    "evse_uid": "EVSE-1",
    "connector_id": "1",
    "uid": "X1",
    "command": "START_SESSION",
}
Make = Callable[[Party], Any]


def owned(sample: Callable[..., dict[str, Any]], **over: Any) -> Make:
    """Give the body of an owner's object."""
    return lambda owner: sample(
        country_code=owner.country_code, party_id=owner.party_id, **{"id": "X1", **over}
    )


def always(document: Any) -> Make:
    return lambda _: document


LOCATION = owned(samples.location)
EVSE: Make = lambda owner: LOCATION(owner)["evses"][0]  # noqa: E731 - it is one of a table.
TOKEN: Make = lambda owner: samples.token(  # noqa: E731
    country_code=owner.country_code, party_id=owner.party_id, uid="X1"
)
LATER = always({"last_updated": "2030-01-01T00:00:00Z"})
ANYTHING = always({})
RESULT = always({"result": "ACCEPTED"})
NOTHING = always(None)
OF_LOCATION = "receiver/locations/{country_code}/{party_id}/{location_id}"
OF_EVSE = f"{OF_LOCATION}/{{evse_uid}}"
OF_CONNECTOR = f"{OF_EVSE}/{{connector_id}}"
OF_SESSION = "receiver/sessions/{country_code}/{party_id}/{session_id}"
OF_TARIFF = "receiver/tariffs/{country_code}/{party_id}/{tariff_id}"
OF_TOKEN = "receiver/tokens/{country_code}/{party_id}/{token_uid}"

# The body that each route is sent.
ROWS: Mapping[tuple[str, str], Make] = {
    ("GET", "sender/locations"): NOTHING,
    ("GET", "sender/locations/{location_id}"): NOTHING,
    ("GET", "sender/locations/{location_id}/{evse_uid}"): NOTHING,
    ("GET", "sender/locations/{location_id}/{evse_uid}/{connector_id}"): NOTHING,
    ("GET", OF_LOCATION): NOTHING,
    ("PUT", OF_LOCATION): LOCATION,
    ("PATCH", OF_LOCATION): LATER,
    ("GET", OF_EVSE): NOTHING,
    ("PUT", OF_EVSE): EVSE,
    ("PATCH", OF_EVSE): LATER,
    ("GET", OF_CONNECTOR): NOTHING,
    ("PUT", OF_CONNECTOR): lambda owner: EVSE(owner)["connectors"][0],
    ("PATCH", OF_CONNECTOR): LATER,
    ("GET", "sender/tariffs"): NOTHING,
    ("GET", OF_TARIFF): NOTHING,
    ("PUT", OF_TARIFF): owned(samples.tariff),
    ("DELETE", OF_TARIFF): NOTHING,
    ("GET", "sender/sessions"): NOTHING,
    ("PUT", "sender/sessions/{session_id}/charging_preferences"): ANYTHING,
    ("GET", OF_SESSION): NOTHING,
    ("PUT", OF_SESSION): owned(samples.session),
    ("PATCH", OF_SESSION): LATER,
    ("GET", "sender/cdrs"): NOTHING,
    ("GET", "receiver/cdrs/{country_code}/{party_id}/{cdr_id}"): NOTHING,
    ("POST", "receiver/cdrs"): owned(samples.cdr),
    ("GET", "sender/tokens"): NOTHING,
    ("POST", "sender/tokens/{token_uid}/authorize"): NOTHING,
    ("GET", OF_TOKEN): NOTHING,
    ("PUT", OF_TOKEN): TOKEN,
    ("PATCH", OF_TOKEN): LATER,
    ("POST", "receiver/commands/{command}"): ANYTHING,
    ("POST", "sender/commands/{command}/{uid}"): RESULT,
    ("GET", "receiver/chargingprofiles/{session_id}"): NOTHING,
    ("PUT", "receiver/chargingprofiles/{session_id}"): ANYTHING,
    ("DELETE", "receiver/chargingprofiles/{session_id}"): NOTHING,
    ("POST", "sender/chargingprofiles/{command}/{uid}"): RESULT,
    ("PUT", "sender/chargingprofiles/{session_id}"): ANYTHING,
}
# These know no addresses, and ignore those that are sent all the same (RT-03).
UNADDRESSED: Mapping[tuple[str, str], Make] = {
    ("GET", "/ocpi/hub/versions"): NOTHING,
    ("GET", "/ocpi/hub/2.2.1"): NOTHING,
    ("GET", "credentials"): NOTHING,
    ("POST", "credentials"): ANYTHING,
    ("PUT", "credentials"): ANYTHING,
    ("DELETE", "credentials"): NOTHING,
    ("GET", "sender/hubclientinfo"): NOTHING,
    ("GET", "receiver/hubclientinfo/{country_code}/{party_id}"): NOTHING,
    ("PUT", "receiver/hubclientinfo/{country_code}/{party_id}"): ANYTHING,
}


def is_owned(case: Case) -> bool:
    return "{country_code}" in case.path or (case.method, case.path) == ("POST", "receiver/cdrs")


# What is not for who is a CPO, or an eMSP, and nothing else.
BARRED = {
    "CPO": {
        *("receiver/tokens", "receiver/commands", "receiver/chargingprofiles"),
        *("sender/sessions", "sender/cdrs"),
    },
    "EMSP": {f"receiver/{module}" for module in ("locations", "tariffs", "sessions", "cdrs")},
}


def is_barred(case: Case, role: str) -> bool:
    return "/".join(case.path.split("/")[:2]) in BARRED[role]


def routes() -> set[tuple[str, str]]:
    """Give what the application has mounted for the hub."""
    paths = create_ocpi_api(HUB_OFFERS).openapi()["paths"]
    return {
        (method.upper(), path.removeprefix("/ocpi/hub/2.2.1/"))
        for path, methods in paths.items()
        if path.startswith("/ocpi/hub")
        for method in methods
    }


@pytest.mark.threat("TA-05")
def test_every_route_has_a_row() -> None:
    assert {*ROWS, *UNADDRESSED} == routes()
    modules = {path.split("/")[1] for _, path in ROWS}
    assert modules == set(FUNCTIONAL)


@pytest.fixture
async def town(sqlite_url: str) -> AsyncIterator[Town]:
    async with open_town(sqlite_url, (*EVERYBODY, MANY)) as opened:
        for peer in (opened.cpo2, opened.many):
            owner = peer.member.party
            at = OF_LOCATION.format(**NAMES, **codes(owner))
            await peer.send("PUT", at, LOCATION(owner), to=HUB)
        await opened.admin.put("/admin/locations/NL/TNM/X1", content=encode(LOCATION(OURS)))
        for peer in opened.peers.values():
            peer.seen.clear()
        yield opened


def codes(party: Party) -> dict[str, str]:
    return {"country_code": party.country_code, "party_id": party.party_id}


@dataclass
class Case:
    """One caller at one route."""

    town: Town
    peer: Peer
    method: str
    path: str
    make: Make

    async def ask(
        self, headers: Mapping[str, str], *, owner: Party | None = None, query: str = ""
    ) -> httpx.Response:
        """Send it with these routing headers; whatever it is, it gets a proper answer."""
        owner = owner or self.peer.member.party
        path = self.path.format(**NAMES, **codes(owner))
        body = self.make(owner)
        answer = await self.peer.http.request(
            self.method,
            f"{path if path.startswith('/') else f'/ocpi/hub/2.2.1/{path}'}{query}",
            content=None if body is None else encode(body),
            headers={**IDS, **headers},
        )
        assert codes_of(answer)[0] < 500
        assert {name: answer.headers[name] for name in IDS} == IDS
        return answer

    def taken(self) -> list[tuple[Peer, Seen]]:
        """Give what reached anybody since the last time."""
        taken = [(peer, seen) for peer in self.town.peers.values() for seen in peer.seen]
        for peer in self.town.peers.values():
            peer.seen.clear()
        return taken


def cases(town: Town, module: str) -> Iterator[Case]:
    for (method, path), make in ROWS.items():
        if path.split("/")[1] == module:
            for member in CALLERS:
                yield Case(town, town.peers[member.name], method, path, make)


async def stored(town: Town) -> str:
    """Give all that is in the database."""
    async with town.context.database.read() as db:
        rows = {
            table.name: sorted(repr(tuple(row)) for row in await db.exec(select(table)))  # type: ignore[call-overload]
            for table in SQLModel.metadata.sorted_tables
        }
    return repr(rows)


EACH = pytest.mark.parametrize("module", FUNCTIONAL)


@pytest.mark.req("RT-08")
@EACH
@pytest.mark.threat("TA-06")
async def test_nobody_speaks_for_another_party(town: Town, module: str) -> None:
    """Whatever the path, the receiver and the query say: nothing is sent, nothing is stored."""
    before = await stored(town)
    for case in cases(town, module):
        for stranger in STRANGERS:
            for to in (*RECEIVERS, case.peer.member.party):
                answer = await case.ask(routing_headers(to, stranger))
                assert codes_of(answer) == (200, 2001)
                assert routing_of(answer) == swapped(stranger, HUB)
            for query in ("?x=versions", "?x=credentials", "?/ocpi/hub/2.2.1/credentials"):
                answer = await case.ask(routing_headers(FOREIGN, stranger), query=query)
                assert codes_of(answer) == (200, 2001)
        assert not case.taken()
    assert await stored(town) == before


@pytest.mark.req("RT-01")
@EACH
@pytest.mark.pitfall("IP-31")
async def test_half_a_pair_and_none_of_several_are_refused(town: Town, module: str) -> None:
    before = await stored(town)
    for case in cases(town, module):
        whole = routing_headers(FOREIGN, case.peer.member.party)
        for name in whole:
            answer = await case.ask({each: whole[each] for each in whole if each != name})
            assert codes_of(answer) == (200, 2001)
        if case.peer.member is MANY:
            for to in RECEIVERS:
                assert codes_of(await case.ask(routing_headers(to, None))) == (200, 2001)
        assert not case.taken()
    assert await stored(town) == before


@pytest.mark.req("CO-06")
@EACH
@pytest.mark.threat("TA-05")
async def test_nobody_touches_what_is_another_partys(town: Town, module: str) -> None:
    before = await stored(town)
    for case in filter(is_owned, cases(town, module)):
        for sender in case.peer.member.roles:
            others = {party for _, party in case.peer.member.roles} - {sender[1]}
            for to in (*RECEIVERS, case.peer.member.party):
                for owner in (FOREIGN, OURS, HUB, *others):
                    answer = await case.ask(routing_headers(to, sender[1]), owner=owner)
                    assert codes_of(answer) in {(404, 2000), (200, 2001)}
        assert not case.taken()
    assert await stored(town) == before


@pytest.mark.req("CO-05")
@pytest.mark.pitfall("IP-11")
@pytest.mark.threat("TA-05")
async def test_a_body_of_another_owner_than_the_url_is_not_kept(town: Town) -> None:
    before = await stored(town)
    for path in (OF_LOCATION, OF_TARIFF, OF_TOKEN):
        make = ROWS["PUT", path]
        for member in CALLERS:
            foreign = always(make(FOREIGN))
            case = Case(town, town.peers[member.name], "PUT", path, foreign)
            barred = is_barred(case, member.roles[0][0])
            for to in (HUB, None):
                answer = await case.ask(routing_headers(to, member.party))
                assert codes_of(answer) == ((404, 2000) if barred else (200, 2001))
            assert not case.taken()
    assert await stored(town) == before


@pytest.mark.req("RT-05", "RT-07", "RT-09", "RT-39", "RT-42", "RT-43")
@EACH
async def test_each_answer_comes_from_who_gave_it_to_who_asked(town: Town, module: str) -> None:
    for case in cases(town, module):
        for role, sender in case.peer.member.roles:
            barred = is_barred(case, role)
            for to in (*RECEIVERS, sender):
                answer = await case.ask(routing_headers(to, sender), owner=sender)
                check(case, answer, sender, to, barred=barred)
            if len(case.peer.member.roles) == 1:
                for to in RECEIVERS:
                    answer = await case.ask(routing_headers(to, None))
                    check(case, answer, sender, to, barred=barred)


def check(
    case: Case, answer: httpx.Response, sender: Party, to: Party | None, *, barred: bool
) -> None:
    """It reached the receiver that offers the interface, who alone answered it; or we did."""
    if barred:
        assert not case.taken()
        assert routing_of(answer) == swapped(sender, HUB)
        is_list = case.method == "GET" and to == HUB and case.path.startswith("sender")
        refused = {(404, 2000), (200, 2001)}
        assert not envelope_of(answer).get("data")
        assert is_list or codes_of(answer) in refused
        return
    taken, code, addresses = case.taken(), codes_of(answer)[1], routing_of(answer)
    interface, module, *_ = case.path.split("/")
    never = (case.method, interface, module) == ("GET", "receiver", "cdrs")
    for member in (CPO2, EMSP2):
        if to == member.party and not never:
            assert bool(taken) == ((interface.upper(), module) in member.interfaces)
            assert code == (1000 if taken else 4000)
    if taken:
        ((peer, seen),) = taken
        receiver = peer.member.party if to is None else to
        assert receiver in {party for _, party in peer.member.roles}
        assert seen.routing == (receiver, sender)
        assert addresses == swapped(sender, receiver)
    elif addresses == swapped(sender, OURS):
        assert to in {OURS, None}
    else:
        assert addresses == swapped(sender, HUB)
    if to in {Party("XX", "XXX"), sender}:
        assert code in {2000 if never else 4001, 4000 if to == sender else 4001}


@pytest.mark.req("RT-03")
@pytest.mark.pitfall("IP-31")
async def test_configuration_modules_neither_read_nor_write_addresses(town: Town) -> None:
    for (method, path), make in UNADDRESSED.items():
        for member in CALLERS:
            case = Case(town, town.peers[member.name], method, path, make)
            if (method, path) == ("DELETE", "credentials"):
                continue  # It ends the registration, so there is no second time.
            plain = await case.ask({})
            for addresses in (
                *(routing_headers(to, member.party) for to in RECEIVERS),
                *(routing_headers(CPO2.party, stranger) for stranger in STRANGERS),
                {"OCPI-from-country-code": "NL"},
            ):
                answer = await case.ask(addresses)
                assert codes_of(answer) == codes_of(plain)
                assert not routing_of(answer)
            assert not case.taken()


@pytest.mark.req("RT-03")
async def test_unregistering_knows_no_addresses(town: Town) -> None:
    case = Case(town, town.cpo1, "DELETE", "credentials", NOTHING)
    answer = await case.ask(routing_headers(EMSP2.party, FOREIGN))
    assert codes_of(answer) == (200, 1000)
    assert not routing_of(answer)
    assert not case.taken()
