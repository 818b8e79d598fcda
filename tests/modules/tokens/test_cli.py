"""The command `ocpi token`."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from typer.testing import CliRunner

from modules.tokens.store import tokens
from ocpi.cli import app
from ocpi.headers import Party
from ocpi.opening import open_context
from ocpi.parties import Partner
from ocpi.testing import samples
from tests.house import add_partner
from tests.plainlog import log_plainly

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
    log_plainly()


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
    assert code == 1
    assert "BLOCKED" in stdout
    assert run("token", "authorize", "GOOD", "--type", "APP_USER")[0] == 1
    assert "exit code 1 for a no" in run("token", "authorize", "--help")[1]


def test_with_several_parties_of_ours_the_option_that_names_one_is_told() -> None:
    assert run("party", "add", "--country-code", "BE", "--party-id", "TWO", "--name", "Two")[0] == 0
    code, _, stderr = run("token", "authorize", "GOOD")
    assert (code, stderr) == (1, "error: --party is needed; our parties: NL*TNM, BE*TWO\n")
    assert run("token", "authorize", "GOOD", "--party", "be*two")[0] == 0


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["token", "show", "DE*MSP", "NOBODY"], "error: There is no such Token."),
        (["token", "show", "DEMSP", "GOOD"], "error: 'DEMSP' is no party such as DE*ABC."),
        (["token", "authorize", "GOOD", "--party", "DE*MSP"], "error: DE*MSP is no party of ours"),
        (["token", "authorize", ""], "error: uid: "),
    ],
)
def test_a_failure_is_a_sentence_and_code_1(words: list[str], sentence: str) -> None:
    code, stdout, stderr = run(*words)
    assert (code, stdout) == (1, "")
    assert stderr.startswith(sentence)
