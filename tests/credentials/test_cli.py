"""The commands `ocpi partner` and `ocpi party`."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from sqlmodel import select
from typer.testing import CliRunner

from credentials.cli import partner_app, party_app
from ocpi.database import Database
from ocpi.forgiving import Forgiving, Habit
from ocpi.parties import Partner, PartnerRole, WithheldEndpoint
from ocpi.tolerances import store_tolerances
from tests.credentials.network import SECRET
from tests.plainlog import log_plainly

ADD = ["add", "acme", "--role", "EMSP", "--country-code", "de", "--party-id", "abc"]


@pytest.fixture(autouse=True)
def installation(monkeypatch: pytest.MonkeyPatch, sqlite_url: str) -> Iterator[None]:
    """Set the environment of an installation without a database yet."""
    for name, value in {
        "BASE_URL": "https://ocpi.example",
        "DATABASE_URL": sqlite_url,
        "SECRET_KEY": SECRET,
        "COUNTRY_CODE": "NL",
        "PARTY_ID": "CPO",
        "NAME": "Example Charging",
    }.items():
        monkeypatch.setenv(f"OCPI_{name}", value)
    monkeypatch.setenv("COLUMNS", "200")
    yield
    # Commands log to the standard error that a test's runner gave them and has closed by now.
    log_plainly()


def run(*words: str, app: Any = partner_app) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, words, catch_exceptions=False)
    return result.exit_code, result.stdout, result.stderr


def run_json(*words: str, app: Any = partner_app) -> Any:
    code, stdout, stderr = run(*words, "--json", app=app)
    assert (code, stderr) == (0, "")
    return json.loads(stdout)


def test_an_offer_for_machines_has_five_members() -> None:
    offered = run_json(*ADD)
    assert offered | {"token": "", "expires": ""} == {
        "name": "acme",
        "platform": "cpo",
        "versions_url": "https://ocpi.example/ocpi/cpo/versions",
        "token": "",
        "expires": "",
    }


def test_an_offer_for_people_can_be_sent_as_it_is() -> None:
    code, stdout, _ = run(*ADD, "--also", "NSP:DE:NAV")
    assert code == 0
    assert "https://ocpi.example/ocpi/cpo/versions" in stdout
    assert "Authorization: Token " in stdout
    shown = run_json("show", "acme")
    assert [(role["role"], role["country_code"], role["party_id"]) for role in shown["roles"]] == [
        ("EMSP", "DE", "ABC"),
        ("NSP", "DE", "NAV"),
    ]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["show", "nobody"], "error: There is no partner nobody: see `ocpi partner list`.\n"),
        ([*ADD, "--also", "EMSP"], "error: --also EMSP: ROLE:COUNTRY_CODE:PARTY_ID is due"),
        ([*ADD[:-1], "ab"], "error: party_id: "),
        (["add", "a b", *ADD[2:]], "error: name: "),
        (
            ["connect", "acme", "--versions-url", "http://emsp.test", "--token", "a"],
            "error: GET http://emsp.test: emsp.test: only https is allowed.",
        ),
        (
            ["connect", "acme", "--versions-url", "https://emsp.test", "--token", "a b"],
            "error: token: ",
        ),
    ],
)
def test_a_failure_is_a_sentence_and_code_1(words: list[str], sentence: str) -> None:
    code, stdout, stderr = run(*words)
    assert (code, stdout) == (1, "")
    assert stderr.startswith(sentence)


def test_a_partner_is_listed_suspended_set_and_removed() -> None:
    run(*ADD)
    assert "offered" in run("list")[1]
    assert run_json("suspend", "acme")["suspended"] is True
    assert "offered, suspended" in run("list")[1]
    assert run_json("resume", "acme")["suspended"] is False
    assert run_json("set", "acme", "put_only=true")["options"]["put_only"] is True
    options = run_json("set", "acme", "offline_authorization=allow")["options"]
    assert (options["put_only"], options["offline_authorization"]) == (True, "allow")
    assert "put_only=True, offline_authorization=allow" in run("show", "acme")[1]
    options = run_json("set", "acme", "commands=START_SESSION, STOP_SESSION,")["options"]
    assert options["commands"] == ["START_SESSION", "STOP_SESSION"]
    assert "commands=START_SESSION,STOP_SESSION, " in run("show", "acme")[1]
    options = run_json("set", "acme", "codes=2004=throttle, 2002=auth")["options"]
    assert options["codes"] == ["2004=throttle", "2002=auth"]
    assert run_json("set", "acme", "commands=")["options"]["commands"] == []
    assert "commands.0: " in run("set", "acme", "commands=DANCE")[2]
    assert run_json("reissue", "acme")["name"] == "acme"
    assert "acme is not registered (offered)" in run("rotate", "acme")[2]
    assert run("remove", "acme") == (0, "Removed acme.\n", "")
    assert run_json("list") == []


@pytest.mark.threat("TA-23")
def test_what_a_partner_wrote_cannot_steer_the_terminal(sqlite_url: str) -> None:
    """TA-23: names come from partners, and staff read them."""
    run(*ADD)
    hostile = "\x1b[2JEvil\u202e [red]\r\nname"

    async def rename() -> None:
        database = Database(sqlite_url)
        async with database.write() as db:
            role = (await db.exec(select(PartnerRole))).one()
            role.business_details = {"name": hostile}
        await database.close()

    asyncio.run(rename())
    for words in (["list"], ["show", "acme"]):
        stdout = run(*words)[1]
        assert "\\x1b[2JEvil\\x202e [red]\\x0d" in stdout
        assert not {"\x1b", "\u202e", "\r"} & set(stdout)


@pytest.mark.req("CR-12")
def test_a_further_role_is_agreed_to() -> None:
    run(*ADD)
    words = ["role", "add", "acme", "--role", "NSP", "--country-code", "de", "--party-id", "nsp"]
    assert [each["role"] for each in run_json(*words)["roles"]] == ["EMSP", "NSP"]
    assert "NSP DE*NSP is a party of the partner acme already" in run(*words)[2]


def test_the_first_party_is_there_and_further_ones_are_added() -> None:
    words = ["add", "--country-code", "NL", "--party-id", "TWO", "--name", "Second"]
    assert run(*words, app=party_app) == (0, "Added CPO NL*TWO.\n", "")
    assert "has the party NL*TWO already" in run(*words, app=party_app)[2]
    listed = run_json("list", app=party_app)
    assert [(each["party_id"], each["name"]) for each in listed] == [
        ("CPO", "Example Charging"),
        ("TWO", "Second"),
    ]
    assert "Second" in run("list", app=party_app)[1]


@pytest.mark.threat("TA-32")
def test_without_a_secret_key_the_command_says_how_to_make_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("OCPI_SECRET_KEY")
    code, _, stderr = run("list")
    assert code == 1
    assert "OCPI_SECRET_KEY is not set" in stderr


def test_what_a_partner_should_mend_is_told_in_a_sentence(sqlite_url: str) -> None:
    run(*ADD)

    async def forgive() -> None:
        database, forgiving = Database(sqlite_url), Forgiving()
        forgiving.note("acme", Habit.SLASHES, "versions\x1b[2J")
        await store_tolerances(database, forgiving)
        await database.close()

    assert "should mend" not in run("show", "acme")[1]
    asyncio.run(forgive())
    code, stdout, _ = run("show", "acme")
    assert (code, "\x1b" in stdout) == (0, False)
    assert "What acme should mend; until then it is forgiven:" in stdout
    assert "Join URLs with one slash and put none at the end." in stdout
    [told] = run_json("show", "acme")["tolerances"]
    assert (told["rule"], told["count"]) == ("IP-04 slashes", 1)


@pytest.mark.threat("TA-27")
def test_hosts_are_approved_after_they_were_shown(sqlite_url: str) -> None:
    run(*ADD)
    assert run("approve", "acme") == (0, "", "No endpoint of acme waits for approval.\n")
    asyncio.run(_withhold(sqlite_url))
    assert "https://b.example/locations (not approved, so not called)" in run("show", "acme")[1]
    code, _, said = run("approve", "acme")
    assert (code, "locations RECEIVER: https://b.example/locations\n" in said) == (1, True)
    assert "Is b.example of acme, too?" in said
    assert run_json("approve", "acme", "c.example")["options"]["hosts"] == ["c.example"]
    shown = run_json("approve", "acme", "--yes")
    assert (shown["withheld"], shown["options"]["hosts"]) == ([], ["c.example", "b.example"])
    assert "hosts.2" in run("approve", "acme", "https://d.example/")[2]


async def _withhold(url: str) -> None:
    database = Database(url)
    async with database.write() as db:
        partner = (await db.exec(select(Partner))).one()
        partner.versions_url = "https://a.example/versions"
        db.add(
            WithheldEndpoint(
                partner_id=partner.key,
                identifier="locations",
                role="RECEIVER",
                url="https://b.example/locations",
            )
        )
    await database.close()
