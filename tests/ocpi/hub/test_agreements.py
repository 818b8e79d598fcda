"""Who may talk to whom: the rules, and that who may not is as unknown as who does not exist."""

from collections.abc import AsyncIterator
from itertools import product
from typing import Any

import httpx
import pytest
from sqlalchemy import update

from modules.hubclientinfo.standing import bring_up_to_date
from modules.tokens.issuers import read_issuers_for
from ocpi.agreements import ANY, FUNCTIONAL, Agreements
from ocpi.headers import Party
from ocpi.pull.issuers import parties_of
from ocpi.push.lanes import PartnerLane
from ocpi.spec.document import encode
from ocpi.testing import samples
from tests.house import HUB, OURS, codes_of, envelope_of
from tests.modules.hubclientinfo.test_announcing import OTHER_HUB
from tests.ocpi.hub.test_links import paged
from tests.ocpi.hub.town import (
    CPO1,
    EMSP1,
    EMSP2,
    EVERYBODY,
    Town,
    open_town,
    pushing,
    success,
    until,
)

BEC, MSP = CPO1.party, EMSP1.party
NOBODY = Party("XX", "XXX")
OF_BEC: dict[str, Any] = {"country_code": "BE", "party_id": "BEC"}
OF_MSP: dict[str, Any] = {"country_code": "DE", "party_id": "MSP"}
LOCATION = samples.location(**OF_BEC, id="LOC1")
TOKEN = samples.token(**OF_MSP, uid="T1")
SESSION = samples.session(**OF_BEC, id="S1", cdr_token=samples.cdr_token(**OF_MSP))
CDR = samples.cdr(**OF_BEC, cdr_token=samples.cdr_token(**OF_MSP))
CALLBACK = {"response_url": "https://emsp1.example/results/1"}
LOCATION_AT = "receiver/locations/BE/BEC/LOC1"
SESSION_AT = "receiver/sessions/BE/BEC/S1"


@pytest.fixture
async def town(database_url: str) -> AsyncIterator[Town]:
    async with open_town(database_url) as opened:
        yield opened


async def agree(
    town: Town, sender: Party | str, receiver: Party | str, *, allowed: bool, module: str = ANY
) -> None:
    rule = {"from_party": str(sender), "to_party": str(receiver), "module": module}
    answer = await town.admin.put("/admin/agreements", json={**rule, "allowed": allowed})
    assert answer.status_code == 200, answer.text


async def part(town: Town, one: Party | str = BEC, other: Party | str = MSP) -> None:
    """Let two parties have nothing to do with each other."""
    for sender, receiver in ((one, other), (other, one)):
        await agree(town, sender, receiver, allowed=False)


KEYS = list(product(("a*aaa", ANY), ("b*bbb", ANY), ("tokens", ANY)))


def test_every_set_of_rules_is_judged_as_written() -> None:
    """Who names more parties wins, then who names the module, then a denial; else the default."""
    for said in product((None, True, False), repeat=len(KEYS)):
        rules = {key: word for key, word in zip(KEYS, said, strict=True) if word is not None}
        ranked: dict[tuple[int, bool], set[bool]] = {}
        for (sender, receiver, module), word in rules.items():
            rank = ((sender != ANY) + (receiver != ANY), module != ANY)
            ranked.setdefault(rank, set()).add(word)
        for default in (True, False):
            expected = default if not ranked else min(ranked[max(ranked)])
            found = Agreements(rules, default=default).may("a*aaa", "b*bbb", "tokens")
            assert found is expected, rules


def test_rules_of_others_say_nothing() -> None:
    for key in (
        ("b*bbb", "a*aaa", ANY),
        ("a*aaa", "c*ccc", ANY),
        ("c*ccc", ANY, ANY),
        ("a*aaa", "b*bbb", "cdrs"),
    ):
        for default in (True, False):
            rules = {key: not default}
            assert Agreements(rules, default=default).may("a*aaa", "b*bbb", "tokens") is default


def test_parties_know_each_other_by_any_module_and_direction() -> None:
    for module in FUNCTIONAL:
        agreements = Agreements({("a*aaa", "b*bbb", module): True}, default=False)
        assert agreements.knows("a*aaa", "b*bbb")
        assert agreements.knows("b*bbb", "a*aaa")
        assert not agreements.knows("a*aaa", "c*ccc")


async def test_in_a_closed_hub_nobody_talks_until_it_is_agreed(sqlite_url: str) -> None:
    async with open_town(sqlite_url, hub_agreements="closed") as town:
        for to in (BEC, OURS):
            answer = await town.emsp1.send("GET", "sender/locations", to=to)
            assert codes_of(answer) == (200, 4001)
        await agree(town, MSP, BEC, allowed=True, module="locations")
        assert codes_of(await town.emsp1.send("GET", "sender/locations", to=BEC)) == (200, 1000)
        for name, module, to in (
            ("emsp1", "tariffs", BEC),
            ("emsp1", "locations", OURS),
            ("emsp2", "locations", BEC),
        ):
            answer = await town.peers[name].send("GET", f"sender/{module}", to=to)
            assert codes_of(answer) == (200, 4001)


async def test_a_denial_holds_in_whatever_case_its_module_was_written(town: Town) -> None:
    await agree(town, MSP, BEC, allowed=False, module="Locations")
    answer = await town.emsp1.send("GET", "sender/locations", to=BEC)
    assert codes_of(answer) == (200, 4001)
    assert codes_of(await town.emsp1.send("GET", "sender/tariffs", to=BEC)) == (200, 1000)


async def test_an_agreement_is_about_one_direction_and_module(town: Town) -> None:
    await agree(town, MSP, BEC, allowed=False, module="tokens")
    token_at = "receiver/tokens/DE/MSP/T1"
    assert codes_of(await town.emsp1.send("PUT", token_at, TOKEN, to=BEC)) == (200, 4001)
    assert codes_of(await town.emsp1.send("GET", "sender/locations", to=BEC)) == (200, 1000)
    await agree(town, MSP, BEC, allowed=False)
    assert codes_of(await town.emsp1.send("GET", "sender/locations", to=BEC)) == (200, 4001)
    assert codes_of(await town.cpo1.send("PUT", SESSION_AT, SESSION, to=MSP)) == (200, 1000)


REQUESTS: list[tuple[str, str, Any]] = [
    ("GET", "sender/locations", None),
    ("GET", "sender/sessions?date_from=2020-01-01T00:00:00Z", None),
    ("GET", "sender/locations/LOC1", None),
    ("GET", "sender/custom/x", None),
    ("PUT", "receiver/tokens/DE/MSP/T1", TOKEN),
    ("PUT", "receiver/tokens/DE/MSP/T1", b"no json"),
    ("POST", "receiver/commands/START_SESSION", {**CALLBACK, "location_id": "LOC1"}),
    ("POST", "receiver/commands/START_SESSION", {"response_url": "https://evil.example/"}),
    ("DELETE", "receiver/chargingprofiles/S1", None),
    ("PUT", "sender/sessions/S1/charging_preferences", {}),
]


def bare(answer: httpx.Response, party: Party) -> tuple[Any, ...]:
    """Give an answer without what differs from one to the next."""
    envelope = envelope_of(answer)
    envelope.pop("timestamp")
    headers = {n: v for n, v in answer.headers.items() if not n.startswith("x-")}
    headers.pop("content-length")
    text = encode([envelope, headers])
    return answer.status_code, text.replace(str(party), "PARTY")


@pytest.mark.parametrize("party", [BEC, OURS])
async def test_who_is_denied_answers_as_who_does_not_exist(town: Town, party: Party) -> None:
    await part(town, party)
    for method, path, body in REQUESTS:
        denied = await town.emsp1.send(method, path, body, to=party)
        unknown = await town.emsp1.send(method, path, body, to=NOBODY)
        assert bare(denied, party) == bare(unknown, NOBODY)
        assert codes_of(denied) == (200, 4001)
    assert not town.network.requests


@pytest.mark.parametrize("party", [BEC, OURS])
async def test_and_so_it_does_while_it_is_away_or_lacks_the_module(
    town: Town, party: Party
) -> None:
    await part(town, party)
    await town.set_partner("cpo1", suspended=True)
    for path in ("sender/locations", "sender/tokens", "receiver/cdrs/X"):
        denied = await town.emsp1.send("GET", path, to=party)
        assert bare(denied, party) == bare(await town.emsp1.send("GET", path, to=NOBODY), NOBODY)


OPEN: list[tuple[str, str, Any, str, Any]] = [
    ("GET", "sender/locations/LOC1", None, "sender/locations/LOC9", None),
    ("GET", "sender/locations/LOC1/E/1", None, "sender/locations/LOC9/E/1", None),
    (
        *("POST", "receiver/commands/START_SESSION", {**CALLBACK, "location_id": "LOC1"}),
        *("receiver/commands/START_SESSION", {**CALLBACK, "location_id": "LOC9"}),
    ),
    (
        *("POST", "receiver/commands/STOP_SESSION", {**CALLBACK, "session_id": "S1"}),
        *("receiver/commands/STOP_SESSION", {**CALLBACK, "session_id": "S9"}),
    ),
    ("DELETE", "receiver/chargingprofiles/S1", None, "receiver/chargingprofiles/S9", None),
]


async def test_what_is_of_a_denied_party_leads_nowhere(town: Town) -> None:
    await town.cpo1.send("PUT", LOCATION_AT, LOCATION, to=HUB)
    await town.cpo1.send("PUT", SESSION_AT, SESSION, to=MSP)
    await part(town)
    town.network.requests.clear()
    for method, path, body, other, otherwise in OPEN:
        denied = await town.emsp1.send(method, path, body)
        unknown = await town.emsp1.send(method, other, otherwise)
        assert bare(denied, BEC) == bare(unknown, BEC)
        assert codes_of(denied) == (200, 4001)
    assert not town.network.requests


async def test_a_denied_partys_token_leads_nowhere(town: Town) -> None:
    await town.emsp1.send("PUT", "receiver/tokens/DE/MSP/T1", TOKEN, to=HUB)
    await part(town)
    denied = await town.cpo1.send("POST", "sender/tokens/T1/authorize")
    unknown = await town.cpo1.send("POST", "sender/tokens/T9/authorize")
    assert bare(denied, MSP) == bare(unknown, MSP)
    other = {**CDR, "cdr_token": {**CDR["cdr_token"], "country_code": "XX", "party_id": "XXX"}}
    denied = await town.cpo1.send("POST", "receiver/cdrs", CDR)
    unknown = await town.cpo1.send("POST", "receiver/cdrs", other)
    assert bare(denied, MSP) == bare(unknown, MSP)
    assert not town.network.requests


@pytest.mark.req("HC-13", "RT-38")
async def test_a_denied_party_shows_in_no_list_and_no_push(town: Town) -> None:
    await part(town)
    await bring_up_to_date(town.context)
    await town.cpo1.send("PUT", LOCATION_AT, LOCATION, to=HUB)
    seen = envelope_of(await town.emsp1.send("GET", "sender/hubclientinfo"))["data"]
    assert "BEC" not in {each["party_id"] for each in seen}
    listed = await town.emsp1.send("GET", "sender/locations", to=HUB)
    assert (envelope_of(listed)["data"], listed.headers["x-total-count"]) == ([], "0")
    one = await town.emsp1.send("GET", "sender/locations/LOC1", to=HUB)
    none = await town.emsp1.send("GET", "sender/locations/LOC9", to=HUB)
    assert bare(one, BEC) == bare(none, BEC)
    assert codes_of(one) == (404, 2003)
    async with pushing(town):
        await until(lambda: bool(town.emsp2.of("locations")))
        await until(lambda: len(town.emsp1.of("hubclientinfo")) == 3)
    assert not town.emsp1.of("locations")
    assert "/receiver/hubclientinfo/BE/BEC" not in {each.path for each in town.emsp1.seen}


async def test_what_was_missed_is_told_once_it_is_allowed(sqlite_url: str) -> None:
    async with open_town(sqlite_url, hub_agreements="closed") as town:
        await bring_up_to_date(town.context)
        await agree(town, BEC, EMSP2.party, allowed=True)
        await town.cpo1.send("PUT", LOCATION_AT, LOCATION, to=HUB)
        async with pushing(town):
            await until(lambda: bool(town.emsp2.of("locations")))
            assert not town.emsp1.seen
            await agree(town, BEC, MSP, allowed=True)
            await until(lambda: bool(town.emsp1.of("locations")))
            await until(lambda: bool(town.emsp1.of("hubclientinfo")))
            await until(lambda: len(town.cpo1.of("hubclientinfo")) >= 2)
        heard = {each.path for each in town.emsp1.of("hubclientinfo")}
        assert heard == {"/receiver/hubclientinfo/BE/BEC"}


async def test_what_was_denied_by_a_rule_is_told_when_the_rule_is_taken_back(
    sqlite_url: str,
) -> None:
    async with open_town(sqlite_url) as town:
        await agree(town, ANY, MSP, allowed=False, module="locations")
        await town.cpo1.send("PUT", LOCATION_AT, LOCATION, to=HUB)
        async with pushing(town):
            await until(lambda: bool(town.emsp2.of("locations")))
            assert not town.emsp1.of("locations")
            rule = {"from_party": "*", "to_party": "DE*MSP", "module": "locations"}
            gone = await town.admin.delete("/admin/agreements", params=rule)
            assert gone.status_code == 204
            await until(lambda: bool(town.emsp1.of("locations")))


async def test_an_agreement_makes_nobody_return_who_is_away(sqlite_url: str) -> None:
    async with open_town(sqlite_url) as town:
        async with town.context.database.write() as db:
            down = {"reason": "down", "sentence": "", "opened_at": 0, "next_probe_at": 0}
            await db.exec(update(PartnerLane).values(breaker={**down, "failures": 1}))
        await agree(town, ANY, ANY, allowed=True)
        answer = await town.emsp1.send("GET", "sender/locations", to=BEC)
        assert codes_of(answer) == (200, 4003)


async def test_a_list_is_followed_no_further_once_it_is_denied(town: Town) -> None:
    town.cpo1.answer = paged
    first = await town.emsp1.send("GET", "sender/locations", to=BEC)
    url = first.links["next"]["url"]
    await agree(town, BEC, MSP, allowed=False)
    assert codes_of(await town.emsp1.send("GET", url)) == (200, 1000)
    await agree(town, MSP, BEC, allowed=False, module="locations")
    asked = len(town.cpo1.seen)
    denied = await town.emsp1.send("GET", url)
    unknown = await town.emsp1.send("GET", f"{url}x")
    assert codes_of(denied) == (404, 2000)
    assert bare(denied, BEC) == bare(unknown, BEC)
    assert len(town.cpo1.seen) == asked


async def test_a_cdr_is_not_fetched_again_once_it_is_denied(town: Town) -> None:
    place = {"location": "https://emsp1.example/cdrs/1"}
    town.emsp1.answer = lambda _: success(status=201, headers=place)
    posted = await town.cpo1.send("POST", "receiver/cdrs", CDR, to=MSP)
    await agree(town, BEC, MSP, allowed=False, module="cdrs")
    url = posted.headers["location"]
    assert codes_of(await town.cpo1.send("GET", url)) == (404, 2000)
    asked = len(town.emsp1.seen)
    await agree(town, BEC, MSP, allowed=True, module="cdrs")
    assert codes_of(await town.cpo1.send("GET", url))[1] == 1000
    assert len(town.emsp1.seen) == asked + 1


@pytest.mark.req("RT-22")
async def test_the_result_of_what_was_allowed_goes_back_all_the_same(town: Town) -> None:
    await town.emsp1.send("POST", "receiver/commands/START_SESSION", CALLBACK, to=BEC)
    url = town.cpo1.seen[0].document()["response_url"]
    await part(town)
    result = {"result": "ACCEPTED"}
    assert codes_of(await town.cpo1.send("POST", url, result)) == (200, 1000)
    assert town.emsp1.seen[0].document() == result


async def test_who_is_behind_a_hub_is_denied_by_its_own_name(sqlite_url: str) -> None:
    async with open_town(sqlite_url, (*EVERYBODY, OTHER_HUB)) as town:
        for party_id in ("ONE", "TWO"):
            info = {"country_code": "AT", "party_id": party_id, "role": "EMSP"}
            at = f"receiver/hubclientinfo/AT/{party_id}"
            answer = await town.hub2.send("PUT", at, {**info, "status": "CONNECTED"})
            assert codes_of(answer) == (201, 1000)
        await agree(town, "AT*TWO", OURS, allowed=False, module="tokens")
        issuers = await read_issuers_for(town.context, OURS)
        (hub,) = (each for each in issuers if each.hub is not None)
        assert set(parties_of(hub, "tokens")) == {"at*hub", "at*one"}


@pytest.mark.req("RT-38", "PG-13")
async def test_what_one_direction_lets_be_told_is_listed_and_shown_too(database_url: str) -> None:
    async with open_town(database_url, hub_agreements="closed") as town:
        await agree(town, BEC, MSP, allowed=True, module="locations")
        await town.cpo1.send("PUT", LOCATION_AT, LOCATION, to=HUB)
        async with pushing(town):
            await until(lambda: bool(town.emsp1.of("locations")))
        listed = await town.emsp1.send("GET", "sender/locations", to=HUB)
        assert (envelope_of(listed)["data"], listed.headers["x-total-count"]) == ([LOCATION], "1")
        shown = await town.emsp1.send("GET", "sender/locations/LOC1", to=HUB)
        assert envelope_of(shown)["data"] == LOCATION
        # It may not ask its owner.
        for path in ("sender/locations", "sender/locations/LOC1"):
            assert codes_of(await town.emsp1.send("GET", path, to=BEC)) == (200, 4001)
        assert not town.cpo1.seen


@pytest.mark.req("RT-38")
async def test_what_one_direction_lets_be_asked_is_not_listed(town: Town) -> None:
    await town.cpo1.send("PUT", LOCATION_AT, LOCATION, to=HUB)
    await agree(town, BEC, MSP, allowed=False, module="locations")
    listed = await town.emsp1.send("GET", "sender/locations", to=HUB)
    assert (envelope_of(listed)["data"], listed.headers["x-total-count"]) == ([], "0")
    assert codes_of(await town.emsp1.send("GET", "sender/locations", to=BEC)) == (200, 1000)
