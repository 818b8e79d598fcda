"""The command `ocpi partner sync`."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import update
from sqlmodel import select
from typer.testing import CliRunner

from ocpi.cli import app
from ocpi.headers import Party
from ocpi.opening import open_context
from ocpi.parties import Partner, PartnerEndpoint, PartnerRole, State
from ocpi.testing import samples
from ocpi.testing.emsp import MockEMSP, Rule, running
from ocpi.testing.mock.state import Peer, Standing
from tests.house import add_partner, add_party
from tests.plainlog import log_plainly


@pytest.fixture(autouse=True)
def installation(monkeypatch: pytest.MonkeyPatch, sqlite_url: str) -> Iterator[None]:
    """Set the environment of an installation with one partner."""
    for name, value in {
        "BASE_URL": "https://ocpi.example",
        "DATABASE_URL": sqlite_url,
        "SECRET_KEY": "k" * 32,
        "COUNTRY_CODE": "NL",
        "PARTY_ID": "TNM",
        "ALLOW_PRIVATE_NETWORKS": "true",
    }.items():
        monkeypatch.setenv(f"OCPI_{name}", value)
    monkeypatch.setenv("COLUMNS", "200")
    asyncio.run(_fill())
    yield
    # Commands log to the standard error that a test's runner gave them and has closed by now.
    log_plainly()


async def _fill() -> None:
    async with open_context() as context:
        partner_id = await add_partner(context.database, "acme", "token-in", Party("DE", "MSP"))
        async with context.database.write() as db:
            partner = await db.get_one(Partner, partner_id)
            partner.token_out = context.seal.close("token-out")


def run(*words: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ("partner", "sync", *words), catch_exceptions=False)
    return result.exit_code, result.stdout, result.stderr


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["nobody"], "error: There is no partner nobody: see `ocpi partner list`."),
        (["acme", "--full"], "error: acme offers no list of Tokens."),
    ],
)
def test_a_failure_is_a_sentence_and_code_1(words: list[str], sentence: str) -> None:
    code, stdout, stderr = run(*words)
    assert (code, stdout) == (1, "")
    assert stderr.startswith(sentence)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"state": State.OFFERED}, "is not registered yet (offered)."),
        ({"state": State.UNREGISTERED}, "is not registered any more."),
        ({"suspended": True}, "is suspended: nothing is asked of it before it is resumed."),
    ],
)
def test_who_cannot_be_asked_is_told_with_the_reason(changes: dict[str, Any], why: str) -> None:
    async def change() -> None:
        async with open_context() as context, context.database.write() as db:
            await db.exec(update(Partner).values(**changes))

    asyncio.run(change())
    assert run("acme") == (1, "", f"error: acme {why}\n")


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
def test_a_pull_tells_what_it_brought() -> None:
    with emsp_at_home() as emsp:
        emsp.issue_token(samples.token(uid="NEW"))
        asyncio.run(_offer(emsp.url("sender", "tokens")))
        code, stdout, _ = run("acme")
        lines = [line.split() for line in stdout.splitlines()]
        assert (code, lines) == (
            0,
            [
                ["module", "full", "new", "changed", "unchanged", "refused", "gone"],
                ["tokens", "True", "1", "0", "0", "0", "0"],
            ],
        )
        code, stdout, _ = run("acme", "--full", "--json")
    counts = {"new": 0, "changed": 0, "unchanged": 1, "refused": 0, "gone": 0}
    told = {"module": "tokens", "full": True, **counts, "reasons": [], "parties": []}
    assert (code, json.loads(stdout)) == (0, [told])


async def _become_hub() -> None:
    async with open_context() as context:
        await add_party(context.database, Party("NL", "TWO"))
        async with context.database.write() as db:
            partner = (await db.exec(select(Partner))).one()
            hub: dict[str, Any] = {
                "role": "HUB",
                "party": "de*msp",
                "country_code": "DE",
                "party_id": "MSP",
            }
            db.add(PartnerRole(partner_id=partner.key, platform=partner.platform, **hub))


def test_a_pull_from_a_hub_tells_what_each_party_was_shown_and_why_not() -> None:
    with emsp_at_home() as emsp:
        emsp.issue_token(samples.token(uid="NEW"))
        asyncio.run(_offer(emsp.url("sender", "tokens")))
        asyncio.run(_become_hub())
        code, stdout, _ = run("acme")
        assert (code, [line.split() for line in stdout.splitlines()[1:]]) == (
            0,
            [
                ["tokens", "True", "1", "0", "1", "0", "0"],
                ["for", "NL*TNM", "True", "1", "0", "0", "0"],
                ["for", "NL*TWO", "True", "0", "0", "1", "0"],
            ],
        )
        emsp.rules.append(Rule("status", http_status=403, times=1))
        code, stdout, _ = run("acme")
    assert code == 0
    assert "tokens for NL*TNM: acme answered HTTP 403" in stdout
