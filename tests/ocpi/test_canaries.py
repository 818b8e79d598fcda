"""Every token in the house is a canary, and none of them sings: logs, rows, answers, commands."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from sqlalchemy import text
from sqlmodel import SQLModel
from typer.testing import CliRunner

from credentials.partners import add_partner
from ocpi.cli import app as commands
from ocpi.documents import export_documents
from ocpi.headers import Party
from ocpi.messages import set_up_logging
from ocpi.parties import PlatformID
from ocpi.spec.document import encode
from ocpi.testing import samples
from tests.house import BASE, calling, present
from tests.ocpi.hub.test_matrix import NAMES, ROWS, UNADDRESSED
from tests.ocpi.hub.town import CPO1, Town, open_town, success
from tests.plainlog import log_plainly

TOKEN_B = "canary-token-b_0123456789"
WRONG = "canary-wrong-token_0123456789"
RECEIVERS = (None, Party("DE", "MSP"), Party("FR", "FRC"), Party("XX", "XXX"))


@pytest.fixture(autouse=True)
def _reset() -> Iterator[None]:
    yield
    log_plainly()


@pytest.fixture
async def town(database_url: str) -> AsyncIterator[Town]:
    async with open_town(database_url) as opened:
        yield opened


def songs(token: str) -> Iterator[str]:
    """Give the forms in which a token may show."""
    encoded = base64.b64encode(token.encode()).decode()
    yield from (token, encoded, encoded.rstrip("="), quote(token, safe=""), token[::-1])
    yield json.dumps(encoded)[1:-1]


def heard(canaries: list[str], where: str) -> list[str]:
    return [token for token in canaries if any(song in where for song in songs(token))]


def canaries_of(town: Town) -> list[str]:
    return [
        *(peer.token for peer in town.peers.values()),
        *(peer.token_out for peer in town.peers.values()),
        TOKEN_B,
        WRONG,
    ]


async def dump(town: Town) -> str:
    """Give all rows of all tables."""
    found = []
    for name in SQLModel.metadata.tables:
        query = text(f'SELECT * FROM "{name}"')  # noqa: S608 - the name is our own.
        found.append(str(await town.context.database.fetch(f"dump {name}", query, {})))
    return "\n".join(found)


def echo(request: httpx.Request) -> httpx.Response:
    """Answer with whatever was presented, as a careless partner's error page does."""
    said = f"bad token: {request.headers.get('authorization')}"
    return success(status=400, envelope={"status_code": 2001, "status_message": said})


async def ask_everything(town: Town) -> list[httpx.Response]:
    """Ask every route, with a good token, a wrong one and none; some of it is carried on."""
    answers = []
    codes = {"country_code": "BE", "party_id": "BEC"}
    for (method, path), make in [*ROWS.items(), *UNADDRESSED.items()]:
        if path == "credentials":
            continue
        url = path.format(**NAMES, **codes)
        url = url if url.startswith("/") else f"/ocpi/hub/2.2.1/{url}"
        body = make(CPO1.party)
        content = None if body is None else encode(body)
        answers += [await town.cpo1.send(method, url, body, to=party) for party in RECEIVERS]
        for headers in (present(WRONG), {}, {"Authorization": f"Token {WRONG}"}):
            async with calling(town.app, headers) as stranger:
                answers.append(await stranger.request(method, url, content=content))
    return answers


async def exchange_credentials(town: Town) -> list[httpx.Response]:
    """Register and rotate with a partner that fails after it was given everything."""
    offered = await add_partner(
        town.context, "newcomer", PlatformID.HUB, [("EMSP", Party("DE", "NEW"))]
    )
    role = samples.credentials_role("EMSP", country_code="DE", party_id="NEW")
    body = samples.credentials(token=TOKEN_B, url="https://emsp1.example/versions", roles=[role])
    bodies = (body, {**body, "url": "https://gone.example/"}, {**body, "token": [TOKEN_B]})
    async with calling(town.app, present(offered.token)) as newcomer:
        url = "/ocpi/hub/2.2.1/credentials"
        return [await newcomer.post(url, content=encode(each)) for each in bodies]


@pytest.mark.threat("TA-09")
async def test_no_token_shows_in_logs_rows_answers_or_command_output(
    town: Town, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    set_up_logging("DEBUG")
    for peer in town.peers.values():
        peer.answer = echo
    answers = [*await ask_everything(town), *await exchange_credentials(town)]

    async def crash(*_: Any, **__: Any) -> Any:
        raise RuntimeError("crash")

    with monkeypatch.context() as patched:
        patched.setattr("credentials.endpoints.present", crash)
        answers.append(await town.cpo1.send("GET", "credentials"))
    answers += [await town.admin.get(path) for path in ("/admin/partners", "/admin/partners/cpo1")]
    written = capsys.readouterr()
    canaries = canaries_of(town)
    assert '"event":"crash"' in written.err
    assert len(written.err.splitlines()) > len(ROWS)
    assert heard(canaries, written.err + written.out) == []
    assert heard(canaries, await dump(town)) == []
    for answer in answers:
        assert heard(canaries, f"{answer.headers} {answer.text}") == [], answer.request.url


@pytest.mark.threat("TA-09")
async def test_only_its_owner_is_told_a_token_and_only_by_credentials(town: Town) -> None:
    answer = await town.cpo1.send("GET", "credentials")
    assert heard(canaries_of(town), answer.text) == [town.cpo1.token]


@pytest.mark.threat("TA-09")
def test_no_command_prints_a_token_that_partners_use(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    key = "canary-key-of-the-operator"
    for name, value in {
        "BASE_URL": BASE,
        "DATABASE_URL": sqlite_url,
        "SECRET_KEY": key,
        "COUNTRY_CODE": "NL",
        "PARTY_ID": "TNM",
        "ADMIN_TOKEN": "canary-admin-token",
    }.items():
        monkeypatch.setenv(f"OCPI_{name}", value)
    run = CliRunner()
    offer = [
        "partner",
        "add",
        "acme",
        "--role",
        "EMSP",
        "--country-code",
        "DE",
        "--party-id",
        "ABC",
    ]
    token = json.loads(run.invoke(commands, [*offer, "--json"]).stdout)["token"]
    for words in (
        ["partner", "list"],
        ["partner", "show", "acme"],
        ["partner", "show", "acme", "--json"],
        ["partner", "suspend", "acme"],
        ["partner", "rotate", "acme"],
        ["push", "status"],
        ["keys", "rotate"],
    ):
        result = run.invoke(commands, words)
        shown = result.stdout + result.stderr
        assert shown, words
        assert heard([token, key, "canary-admin-token"], shown) == [], words
    for path in export_documents(tmp_path):
        assert "canary" not in path.read_text(encoding="utf-8")
