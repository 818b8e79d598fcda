"""Agreements as staff make them: the admin API, and the command `ocpi agreement`."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from typer.testing import CliRunner

from ocpi.agreements import Agreement
from ocpi.cli import app
from ocpi.opening import open_context
from ocpi.parties import PlatformID
from tests.house import CPO, OURS, Service, add_partner, open_service
from tests.plainlog import log_plainly

URL = "/admin/agreements"
RULE: dict[str, Any] = {"from_party": "DE*ABC", "to_party": "NL*TNM", "allowed": True}


@pytest.fixture
async def service(database_url: str) -> AsyncIterator[Service]:
    async with open_service(database_url) as opened:
        yield opened


async def test_a_rule_is_made_changed_listed_and_taken_back(service: Service) -> None:
    made = await service.admin.put(URL, json={**RULE, "from_party": "de*abc"})
    assert made.status_code == 200
    view = made.json()
    assert view.pop("created_at").endswith("Z")
    assert view == {**RULE, "module": "*", "note": None}
    denied = {**RULE, "module": "tokens", "allowed": False}
    for rule in (denied, {**denied, "allowed": True}, denied):
        assert (await service.admin.put(URL, json=rule)).status_code == 200
    listed = [{**each, "created_at": None} for each in (await service.admin.get(URL)).json()]
    assert listed == [
        {**RULE, "module": "*", "created_at": None, "note": None},
        {**denied, "created_at": None, "note": None},
    ]
    where = {"from_party": "de*ABC", "to_party": "nl*tnm", "module": "tokens"}
    assert (await service.admin.delete(URL, params=where)).status_code == 204
    assert (await service.admin.delete(URL, params=where)).status_code == 404
    assert len((await service.admin.get(URL)).json()) == 1


async def test_a_module_of_ocpis_is_known_in_any_case_and_any_other_is_told_to_be_custom(
    service: Service,
) -> None:
    made = (await service.admin.put(URL, json={**RULE, "module": "ChargingProfiles"})).json()
    assert (made["module"], made["note"]) == ("chargingprofiles", None)
    made = (await service.admin.put(URL, json={**RULE, "module": "Lokations"})).json()
    assert made["module"] == "Lokations"
    assert "Lokations is none of the modules" in made["note"]
    assert "a custom module of that name" in made["note"]
    for module in ("CHARGINGPROFILES", "Lokations"):
        where = {"from_party": "DE*ABC", "to_party": "NL*TNM", "module": module}
        assert (await service.admin.delete(URL, params=where)).status_code == 204
    assert (await service.admin.get(URL)).json() == []


async def test_a_rule_of_before_under_another_case_is_taken_back_alone(service: Service) -> None:
    async with service.database.write() as db:
        keys = {"from_party": "de*abc", "to_party": "nl*tnm", "module": "Locations"}
        db.add(Agreement(**keys, allowed=False, created_at=1))
    await service.admin.put(URL, json={**RULE, "module": "locations"})
    (old,) = (each for each in (await service.admin.get(URL)).json() if each["note"])
    assert old["module"] == "Locations"
    where = {"from_party": "DE*ABC", "to_party": "NL*TNM", "module": "Locations"}
    for left in (["locations"], []):
        assert (await service.admin.delete(URL, params=where)).status_code == 204
        listed = (await service.admin.get(URL)).json()
        assert [each["module"] for each in listed] == left


@pytest.mark.parametrize(
    "changes",
    [
        {"from_party": "DEABC"},
        {"from_party": "D*ABC"},
        {"from_party": "DE*AB"},
        {"from_party": "DE*ABCD"},
        {"from_party": "**"},
        {"from_party": "1E*ABC"},
        {"from_party": "DE*ABC\n"},
        {"to_party": ""},
        {"to_party": None},
        {"to_party": 7},
        {"module": ""},
        {"module": "a b"},
        {"module": "x" * 65},
        {"module": "tokens\x00"},
        {"allowed": None},
        {"allowed": "maybe"},
        {"role": "CPO"},
    ],
)
async def test_what_is_no_rule_is_refused(service: Service, changes: dict[str, Any]) -> None:
    answer = await service.admin.put(URL, json={**RULE, **changes})
    assert answer.status_code == 400
    assert next(iter(changes)) in answer.json()["error"]
    assert (await service.admin.get(URL)).json() == []


@pytest.mark.parametrize(
    "where", [{}, {"from_party": "DE*ABC"}, {"from_party": "x", "to_party": "*"}]
)
async def test_what_names_no_rule_is_refused(service: Service, where: dict[str, str]) -> None:
    assert (await service.admin.delete(URL, params=where)).status_code == 400


async def test_only_staff_make_rules(service: Service) -> None:
    for stranger in (service.partner, service.stranger):
        assert (await stranger.put(URL, json=RULE)).status_code == 401
        assert (await stranger.get(URL)).status_code == 401


@pytest.fixture
def installation(monkeypatch: pytest.MonkeyPatch, sqlite_url: str) -> Iterator[None]:
    """Set the environment of an installation with one partner of the hub."""
    for name, value in {
        "BASE_URL": "https://ocpi.example",
        "DATABASE_URL": sqlite_url,
        "SECRET_KEY": "k" * 32,
        "COUNTRY_CODE": OURS.country_code,
        "PARTY_ID": OURS.party_id,
        "HUB_COUNTRY_CODE": "NL",
        "HUB_PARTY_ID": "HUB",
    }.items():
        monkeypatch.setenv(f"OCPI_{name}", value)
    monkeypatch.setenv("COLUMNS", "200")
    asyncio.run(_fill())
    yield
    # Commands log to the standard error that a test's runner gave them and has closed by now.
    log_plainly()


async def _fill() -> None:
    async with open_context() as context:
        await add_partner(
            context.database, "acme", "token-in", CPO, role="CPO", platform=PlatformID.HUB
        )


def run(*words: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["agreement", *words], catch_exceptions=False)
    return result.exit_code, result.stdout, result.stderr


@pytest.mark.usefixtures("installation")
def test_the_command_makes_lists_and_takes_back() -> None:
    code, stdout, _ = run("allow", "de*cpo", "NL*TNM", "--both", "--json")
    assert code == 0
    assert [(each["from_party"], each["to_party"]) for each in json.loads(stdout)] == [
        ("DE*CPO", "NL*TNM"),
        ("NL*TNM", "DE*CPO"),
    ]
    code, stdout, _ = run("deny", "*", "NL*TNM", "--module", "tokens")
    assert (code, "denied" in stdout) == (0, True)
    code, stdout, _ = run("list")
    assert code == 0
    assert "Parties of which nothing is said are open to each other." in stdout
    assert len(json.loads(run("list", "--json")[1])) == 3
    code, stdout, stderr = run("deny", "*", "DE*CPO", "--module", "Token")
    assert (code, "Token" in stdout) == (0, True)
    assert stderr.startswith("Token is none of the modules that OCPI has parties talk by")
    assert run("forget", "*", "DE*CPO", "--module", "Token")[0] == 0
    assert run("forget", "*", "nl*tnm", "--module", "tokens")[0] == 0
    assert len(json.loads(run("list", "--json")[1])) == 2


@pytest.mark.usefixtures("installation")
@pytest.mark.parametrize(
    "words",
    [
        "agreement allow DE*CPO NL*TNM",
        "agreement deny DE*CPO NL*TNM",
        "party add --platform hub --country-code NL --party-id HB2 --name Hub",
        "partner add other --platform hub --role EMSP --country-code DE --party-id OTH",
    ],
)
def test_where_the_hub_is_off_what_is_for_it_is_refused(
    monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    monkeypatch.delenv("OCPI_HUB_COUNTRY_CODE")
    monkeypatch.delenv("OCPI_HUB_PARTY_ID")
    result = CliRunner().invoke(app, words.split())
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("error: The hub is off: turn it on with OCPI_HUB_COUNTRY_CODE")


@pytest.mark.usefixtures("installation")
@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("allow", "DECPO", "NL*TNM"), "error: from_party: "),
        (("deny", "DE*CPO", "NL*TNMX"), "error: to_party: "),
        (("allow", "DE*CPO", "*", "--module", "a b"), "error: module: "),
        (("forget", "DE*CPO", "NL*TNM"), "error: There is no agreement from DE*CPO to NL*TNM"),
        (("forget", "\x1b[2J", "*"), "error: There is no agreement from \\x1b[2J to *"),
    ],
)
def test_a_failure_is_a_sentence_and_code_1(words: tuple[str, ...], sentence: str) -> None:
    code, stdout, stderr = run(*words)
    assert (code, stdout) == (1, "")
    assert stderr.startswith(sentence)
    assert json.loads(run("list", "--json")[1]) == []
