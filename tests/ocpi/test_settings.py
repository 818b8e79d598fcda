"""Settings come from the environment, and bad ones stop the program with a sentence."""

from pathlib import Path
from typing import Any

import pytest
import typer
from pydantic import SecretStr, ValidationError

from ocpi.settings import MissingSecret, Settings
from ocpi.terminal import run
from tests.plainlog import log_plainly

LONG = "x" * 32


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"OCPI_{name.upper()}", raising=False)


@pytest.mark.threat("TA-32")
def test_without_any_the_defaults_are_safe() -> None:
    settings = Settings()
    assert settings.allow_private_networks is False
    assert settings.admin_token is None
    assert settings.secret_key is None
    assert settings.database_url == "sqlite+aiosqlite:///ocpi.sqlite"
    assert 1 <= settings.page_limit <= 1000


def test_they_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OCPI_BASE_URL", "https://cpo.example/prefix//")
    monkeypatch.setenv("OCPI_PAGE_LIMIT", "250")
    monkeypatch.setenv("OCPI_PARTY_ID", "")
    settings = Settings()
    assert settings.base_url == "https://cpo.example/prefix"
    assert settings.page_limit == 250
    assert settings.party_id is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("base_url", "cpo.example"),
        ("base_url", "ftp://cpo.example"),
        ("base_url", "/ocpi"),
        ("database_url", "mysql://localhost/ocpi"),
        ("database_url", "postgresql://localhost/ocpi"),
        ("database_url", "sqlite:///ocpi.sqlite"),
        ("country_code", "NLD"),
        ("country_code", "N1"),
        ("party_id", "TN"),
        ("party_id", "T*M"),
        ("hub_country_code", "N*"),
        ("hub_party_id", "H B"),
        ("name", "x" * 101),
        ("secret_key", "short"),
        ("admin_token", "short"),
        ("page_limit", 0),
        ("page_limit", 1001),
        ("page_limit", "many"),
        ("log_level", "LOUD"),
        ("partner_ports", "99999"),
        ("partner_ports", "0,443"),
        ("partner_ports", "443,"),
        ("partner_ports", "+443"),
        ("tls_folder", "/no/such/folder"),
        ("allow_private_networks", "perhaps"),
    ],
)
@pytest.mark.threat("TA-32")
def test_bad_values_are_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        Settings(**{name: value})
    assert [error["loc"] for error in caught.value.errors()] == [(name,)]


@pytest.mark.threat("TA-09")
def test_secrets_are_not_shown() -> None:
    settings = Settings(secret_key=SecretStr(LONG), admin_token=SecretStr("y" * 16))
    assert LONG not in repr(settings)
    assert "y" * 16 not in f"{settings} {settings.model_dump()}"


def test_the_secret_may_lie_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(f"{LONG}\n")
    file.chmod(0o640)
    assert Settings(secret_key_file=file).secret() == LONG
    assert Settings(secret_key=SecretStr("z" * 32), secret_key_file=file).secret() == "z" * 32
    file.write_text("short\n")
    with pytest.raises(MissingSecret, match="holds fewer than"):
        Settings(secret_key_file=file).secret()


@pytest.mark.threat("TA-32")
def test_without_a_secret_it_says_how_to_make_one() -> None:
    with pytest.raises(MissingSecret, match="openssl rand"):
        Settings().secret()


def test_every_setting_explains_itself() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


@pytest.mark.threat("TA-32")
@pytest.mark.parametrize("name", ["secret_key", "admin_token", "station_webhook_secret"])
@pytest.mark.parametrize(
    "value",
    ["change-me-change-me", "CHANGEME_CHANGEME", "secret-secret-secret", "your-token-here-1"],
)
def test_a_placeholder_is_no_secret(name: str, value: str) -> None:
    with pytest.raises(ValidationError, match="is a placeholder"):
        Settings(**{name: SecretStr(value)})  # type: ignore[arg-type]


@pytest.mark.threat("TA-32")
def test_a_file_that_everybody_can_read_holds_no_secret(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(LONG)
    file.chmod(0o644)
    with pytest.raises(MissingSecret, match="chmod o-r"):
        Settings(secret_key_file=file).secret()
    file.chmod(0o600)
    assert Settings(secret_key_file=file).secret() == LONG
    file.write_text("change-me-change-me")
    with pytest.raises(MissingSecret, match="placeholder"):
        Settings(secret_key_file=file).secret()


def test_a_key_that_went_before_may_be_given_beside(tmp_path: Path) -> None:
    assert Settings().previous_secret() is None
    assert Settings(secret_key_previous=SecretStr("p" * 16)).previous_secret() == "p" * 16
    file = tmp_path / "previous"
    file.write_text("q" * 16)
    file.chmod(0o600)
    assert Settings(secret_key_previous_file=file).previous_secret() == "q" * 16


def test_the_hub_is_a_party_of_its_own() -> None:
    """What is addressed to it is for all: of a CPO with its codes nobody could ask anything."""
    ours: dict[str, Any] = {"country_code": "NL", "party_id": "TNM"}
    with pytest.raises(ValidationError, match="OCPI_HUB_PARTY_ID are those of our CPO party"):
        Settings(**ours, hub_country_code="nl", hub_party_id="tnm")
    assert Settings(**ours, hub_country_code="NL", hub_party_id="HUB").is_hub
    assert not Settings(**ours).is_hub


@pytest.mark.parametrize("given", [{"country_code": "NL"}, {"party_id": "TNM"}, {"name": "TNM"}])
def test_a_part_of_our_party_is_none(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=r"go(es)? together"):
        Settings(**given)
    assert Settings(**{"country_code": "NL", "party_id": "TNM", **given}).party_id == "TNM"


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("partner_ports", "99999", "must be ports from 1 to 65535, separated by commas"),
        ("tls_folder", "/no/such/folder", "there is no folder /no/such/folder"),
        ("log_level", "info", "must be DEBUG, INFO, WARNING or ERROR, in capitals"),
        ("currency", "eur", "must be three capital letters, such as EUR"),
        ("country_code", "D1", "must be two letters, such as DE"),
        ("alarm_webhook_url", "alarm.example", "must be a URL that begins with https:// or"),
        ("station_webhook_url", "backend.example", "must be a URL that begins with https:// or"),
        ("alarm_email_to", "a@b.example, c@d.example", "must be addresses such as ops@example.com"),
        ("alarm_email_from", "ops", "must be an address such as ops@example.com"),
    ],
)
def test_what_is_wrong_with_a_setting_is_said_by_its_name_in_words(
    name: str,
    value: str,
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(f"OCPI_{name.upper()}", value)

    async def read() -> None:
        Settings()

    with pytest.raises(typer.Exit):
        run(read())
    log_plainly()
    assert capsys.readouterr().err.startswith(f"error: OCPI_{name.upper()}: {sentence}")


def test_a_secret_that_cannot_be_read_is_said_by_its_setting(tmp_path: Path) -> None:
    with pytest.raises(MissingSecret, match="OCPI_SECRET_KEY_FILE: /nope cannot be read: No such"):
        Settings(secret_key_file=Path("/nope")).secret()
    with pytest.raises(MissingSecret, match=r"OCPI_SECRET_KEY_PREVIOUS_FILE: .* cannot be read"):
        Settings(secret_key_previous_file=tmp_path).previous_secret()
    file = tmp_path / "secret"
    file.write_bytes(b"\xff" * 32)
    file.chmod(0o600)
    with pytest.raises(MissingSecret, match="cannot be read: it is no text"):
        Settings(secret_key_file=file).secret()
