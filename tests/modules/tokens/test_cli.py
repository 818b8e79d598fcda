"""The commands `ocpi token` and `ocpi partner sync`."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import structlog
from sqlmodel import select
from typer.testing import CliRunner

from modules.tokens.store import tokens
from ocpi.cli import app
from ocpi.headers import Party
from ocpi.opening import open_context
from ocpi.parties import Partner, PartnerEndpoint
from ocpi.testing import samples
from ocpi.testing.emsp import MockEMSP, running
from ocpi.testing.mock.state import Peer, Standing
from tests.house import add_partner

MSP = Party("DE", "MSP")


@pytest.fixture(autouse=True)
def installation(monkeypatch: pytest.MonkeyPatch, sqlite_url: str) -> Iterator[None]:
    """Set the environment of an installation with two Tokens of one partner."""
    for name, value in {
        "BASE_URL": "https://ocpi.example",
        "DATABASE_URL": sqlite_url,
        "SECRET_KEY": "k" * 32,
        "COUNTRY_CODE": "NL",
        "PARTY_ID": "TNM",
    }.items():
        monkeypatch.setenv(f"OCPI_{name}", value)
    monkeypatch.setenv("COLUMNS", "200")
    asyncio.run(_fill())
    yield
    # Commands log to the standard error that a test's runner gave them and has closed by now.
    structlog.reset_defaults()


async def _fill() -> None:
    async with open_context() as context:
        partner_id = await add_partner(context.database, "acme", "token-in", MSP)
        async with context.database.write() as db:
            partner = await db.get_one(Partner, partner_id)
            partner.token_out = context.seal.close("token-out")
            for each in (good(), bad()):
                await tokens.put(db, MSP, tokens.identify(each), each)


def good() -> dict[str, Any]:
    return samples.token(uid="GOOD", whitelist="ALWAYS")


def bad() -> dict[str, Any]:
    contract = {"supplier_name": "\x1b[2JEvil"}
    return samples.token(uid="BAD", whitelist="ALWAYS", valid=False, energy_contract=contract)


def run(*words: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, words, catch_exceptions=False)
    return result.exit_code, result.stdout, result.stderr


def test_tokens_are_listed_and_shown() -> None:
    code, stdout, _ = run("token", "list", "--json")
    assert (code, json.loads(stdout)) == (0, [bad(), good()])
    code, stdout, _ = run("token", "list", "--uid", "go")
    assert code == 0
    assert "DE*MSP" in stdout
    assert "GOOD" in stdout
    assert "BAD" not in stdout
    assert json.loads(run("token", "show", "de*msp", "GOOD", "--json")[1]) == good()
    shown = run("token", "show", "DE*MSP", "BAD")[1]
    assert "energy_contract.supplier_name  \\x1b[2JEvil" in shown


def test_a_driver_may_charge_or_not() -> None:
    code, stdout, _ = run("token", "authorize", "GOOD", "--json")
    answer = json.loads(stdout)
    assert (code, answer["allowed"], answer["method"]) == (0, "ALLOWED", "WHITELIST")
    code, stdout, _ = run(
        "token", "authorize", "BAD", "--location", "L", "--evse", "E", "--party", "NL*TNM"
    )
    assert code == 2
    assert "BLOCKED" in stdout
    assert run("token", "authorize", "GOOD", "--type", "APP_USER")[0] == 2


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["token", "show", "DE*MSP", "NOBODY"], "error: There is no such Token."),
        (["token", "show", "DEMSP", "GOOD"], "error: 'DEMSP' is no party such as DE*ABC."),
        (["token", "authorize", "GOOD", "--party", "DE*MSP"], "error: DE*MSP is no party of ours"),
        (["token", "authorize", ""], "error: uid: "),
        (["partner", "sync", "nobody"], "error: No partner nobody is registered"),
        (["partner", "sync", "acme", "--full"], "error: acme offers no list of Tokens."),
    ],
)
def test_a_failure_is_a_sentence_and_code_1(words: list[str], sentence: str) -> None:
    code, stdout, stderr = run(*words)
    assert (code, stdout) == (1, "")
    assert stderr.startswith(sentence)


@contextmanager
def emsp_at_home() -> Iterator[MockEMSP]:
    """Have the partner listen at a socket, in a thread since each command runs its own loop."""
    emsp = MockEMSP()
    us = samples.credentials_role(country_code="NL", party_id="TNM")
    emsp.peer = Peer("token-in", "https://ocpi.example/versions", [us], [])
    emsp.tokens_in = {"token-out": Standing.CURRENT}
    up, down = threading.Event(), threading.Event()

    async def serve() -> None:
        async with running(emsp):
            up.set()
            await asyncio.to_thread(down.wait)

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    try:
        assert up.wait(10)
        yield emsp
    finally:
        down.set()
        thread.join()


async def _offer(url: str) -> None:
    async with open_context() as context, context.database.write() as db:
        partner = (await db.exec(select(Partner))).one()
        db.add(PartnerEndpoint(partner_id=partner.key, identifier="tokens", role="SENDER", url=url))


@pytest.mark.req("TK-13")
def test_a_pull_tells_what_it_brought(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OCPI_ALLOW_PRIVATE_NETWORKS", "true")
    with emsp_at_home() as emsp:
        emsp.issue_token(samples.token(uid="NEW"))
        asyncio.run(_offer(emsp.url("sender", "tokens")))
        assert run("partner", "sync", "acme") == (0, "All Tokens: 1 new.\n", "")
        code, stdout, _ = run("partner", "sync", "acme", "--full", "--json")
    counts = {"new": 0, "changed": 0, "unchanged": 1, "refused": 0}
    assert (code, json.loads(stdout)) == (0, {"full": True, **counts, "reasons": []})
