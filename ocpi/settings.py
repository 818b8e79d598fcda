"""Every setting of the service, read from the environment with the prefix OCPI_."""

import re
import stat
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


def _without_slash(url: str) -> str:
    if not url.startswith(("https://", "http://")):
        raise ValueError("must be an absolute URL that begins with https:// or http://")
    return url.rstrip("/")


def _supported(url: str) -> str:
    if not url.startswith(("sqlite+aiosqlite:///", "postgresql+asyncpg://")):
        raise ValueError("must begin with sqlite+aiosqlite:/// or postgresql+asyncpg://")
    return url


def _matching(pattern: str, sentence: str) -> AfterValidator:
    """What a text must be, said in a sentence: a pattern is nothing to read."""

    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(sentence)
        return text

    return AfterValidator(check)


def _ports(text: str) -> str:
    ports = text.split(",")
    if not all(re.fullmatch("[0-9]{1,5}", port) and 0 < int(port) < 65536 for port in ports):
        raise ValueError("must be ports from 1 to 65535, separated by commas")
    return text


def _folder(path: Path) -> Path:
    if not path.is_dir():
        raise ValueError(f"there is no folder {path}")
    return path


# As `ocpi party add` takes them.
CountryCode = Annotated[str, _matching("[A-Za-z]{2}", "must be two letters, such as DE")]
PartyCode = Annotated[
    str, _matching("[A-Za-z0-9]{3}", "must be three letters or digits, such as ABC")
]

WebURL = Annotated[
    str, _matching(r"(?s)https?://.*", "must be a URL that begins with https:// or http://")
]

# What stands in examples and in the settings of those who meant to choose a secret later (TA-32).
_PLACEHOLDER = re.compile(
    r"change.?(me|it|this)|replace.?(me|this)"
    r"|^(secret|password|passw0rd|example|default|(todo|your)[-_. ])",
    re.IGNORECASE,
)


def _own(secret: SecretStr) -> SecretStr:
    if _PLACEHOLDER.search(secret.get_secret_value()):
        raise ValueError("is a placeholder: make one, for instance with `openssl rand -base64 32`")
    return secret


Secret = Annotated[SecretStr, AfterValidator(_own)]


class Settings(BaseSettings):
    """The settings as a value; built once by the CLI or the app factory and passed on."""

    model_config = SettingsConfigDict(env_prefix="OCPI_", env_ignore_empty=True, extra="ignore")

    base_url: Annotated[str, AfterValidator(_without_slash)] = Field(
        "http://127.0.0.1:8000",
        description="The address partners reach us at; every URL that we give away begins with it.",
    )
    database_url: Annotated[str, AfterValidator(_supported)] = Field(
        "sqlite+aiosqlite:///ocpi.sqlite",
        description="A SQLite file (`sqlite+aiosqlite:///PATH`) or PostgreSQL "
        "(`postgresql+asyncpg://USER:PASSWORD@HOST/NAME`).",
    )
    country_code: CountryCode | None = Field(
        None, description="Country code of our first CPO party."
    )
    party_id: PartyCode | None = Field(None, description="Party id of our first CPO party.")
    name: str | None = Field(
        None,
        max_length=100,
        description="Name of our first CPO party, as partners and drivers see it.",
    )
    hub_country_code: CountryCode | None = Field(
        None,
        description="Country code of the hub; with OCPI_HUB_PARTY_ID it turns the hub platform on.",
    )
    hub_party_id: PartyCode | None = Field(None, description="Party id of the hub.")
    hub_name: str | None = Field(
        None, max_length=100, description="Name of the hub, as its partners see it."
    )
    hub_agreements: Literal["open", "closed"] = Field(
        "open",
        description="Whether parties that no agreement speaks of may talk to each other through "
        "the hub (`open`) or not (`closed`), see `ocpi agreement`.",
    )
    hub_timeout: float = Field(
        10.0,
        ge=1,
        le=60,
        description="Seconds within which a party must answer what the hub carries to it; "
        "real-time authorization has 2.5.",
    )
    hub_silence: int = Field(
        300,
        ge=10,
        le=86400,
        description="Seconds of silence after which the hub asks a partner whether it still lives.",
    )
    secret_key: Secret | None = Field(
        None,
        min_length=16,
        description="At least 16 characters, better 32; seals the tokens that partners gave us. "
        "Keep it apart from the database.",
    )
    secret_key_file: Path | None = Field(
        None, description="A file that holds the secret key, instead of OCPI_SECRET_KEY."
    )
    secret_key_previous: Secret | None = Field(
        None,
        min_length=16,
        description="A further key that opens what it sealed, while OCPI_SECRET_KEY is changed: "
        "see `ocpi keys rotate`.",
    )
    secret_key_previous_file: Path | None = Field(
        None, description="A file that holds it, instead of OCPI_SECRET_KEY_PREVIOUS."
    )
    admin_token: Secret | None = Field(
        None, min_length=16, description="Bearer token of the admin API (`/admin`)."
    )
    metrics_token: SecretStr | None = Field(
        None,
        min_length=8,
        description="Bearer token of `/metrics`, which reads metrics and nothing else; "
        "OCPI_ADMIN_TOKEN opens them too.",
    )
    alarm_partner_minutes: int = Field(
        30,
        ge=1,
        le=10_080,
        description="Minutes for which a partner may be down before that is an alarm.",
    )
    alarm_cdr_hours: int = Field(
        24,
        ge=1,
        le=720,
        description="Hours within which a CDR must be accepted by its eMSP, or that is an alarm.",
    )
    alarm_webhook_url: WebURL | None = Field(
        None, description="The address at which alarms are told, by POST."
    )
    alarm_webhook_secret: SecretStr | None = Field(
        None,
        min_length=16,
        description="Signs the requests to OCPI_ALARM_WEBHOOK_URL, as those to stations are.",
    )
    alarm_email_to: (
        Annotated[
            str,
            _matching(
                r"[^@\s,]+@[^@\s,]+(,[^@\s,]+@[^@\s,]+)*",
                "must be addresses such as ops@example.com, separated by commas without blanks",
            ),
        ]
        | None
    ) = Field(
        None,
        description="Who is told of alarms by e-mail; addresses separated by commas.",
    )
    alarm_email_from: (
        Annotated[str, _matching(r"[^@\s]+@[^@\s]+", "must be an address such as ops@example.com")]
        | None
    ) = Field(None, description="The sender of these e-mails.")
    smtp_url: SecretStr | None = Field(
        None,
        description="The mail server: `smtp://USER:PASSWORD@HOST:587?starttls=true`, or `smtps://`.",
    )
    allow_private_networks: bool = Field(
        False,
        description="Whether partners may live at private addresses and plain http: in a lab only.",
    )
    partner_ports: Annotated[str, AfterValidator(_ports)] = Field(
        "443",
        description="Ports at which partners may be reached, separated by commas.",
    )
    client: Literal["httpx", "aiohttp"] = Field(
        "aiohttp",
        description="How partners are called: by aiohttp, or by httpx over it, which costs a third "
        "to a half more processor time.",
    )
    tls_folder: Annotated[Path, AfterValidator(_folder)] | None = Field(
        None,
        description="A folder with a folder of its name for each partner that wants TLS of its "
        "own: `ca.pem`, the authorities to believe, and `client.pem`, the certificate that we "
        "show, with its key.",
    )
    proxy: SecretStr | None = Field(
        None,
        description="An HTTP proxy (`http://USER:PASSWORD@HOST:PORT`) by which partners are "
        "called. It looks up their names, so it has to keep us out of private networks.",
    )
    require_check: bool = Field(
        False,
        description="Whether a partner gets no live data before it has passed "
        "`ocpi partner check`.",
    )
    page_limit: int = Field(
        100,
        ge=1,
        le=1000,
        description="Most objects on a page; larger wishes are cut to it (X-Limit).",
    )
    pull_hours: int = Field(
        6,
        ge=0,
        le=168,
        description="How often partners' lists are pulled, beside what they push; 0 is never.",
    )
    command_timeout: int = Field(
        30,
        ge=1,
        le=3600,
        description="Seconds within which a station must answer what a partner asks of it; "
        "partners are told 5 more as `timeout`.",
    )
    currency: Annotated[
        str, _matching("[A-Z]{3}", "must be three capital letters, such as EUR")
    ] = Field(
        "EUR",
        description="Currency of sessions at Connectors that have no Tariff.",
    )
    session_update_seconds: int = Field(
        60,
        ge=1,
        le=3600,
        description="How often a partner is told at most how a running session goes on.",
    )
    station_webhook_url: WebURL | None = Field(
        None,
        description="The address at which your charging station backend takes requests to stations "
        "(start, stop, reserve, cancel, unlock, profiles); without it commands are not supported.",
    )
    station_webhook_secret: Secret | None = Field(
        None,
        min_length=16,
        description="Signs the requests to OCPI_STATION_WEBHOOK_URL; both know it.",
    )
    messages_days: int = Field(
        30,
        ge=0,
        le=3650,
        description="Days for which the message log is kept, see `ocpi messages`; 0 turns it off "
        "and deletes what is there.",
    )
    log_level: Annotated[
        str,
        _matching("DEBUG|INFO|WARNING|ERROR", "must be DEBUG, INFO, WARNING or ERROR, in capitals"),
    ] = Field(
        "INFO",
        description="Least level of log lines: DEBUG, INFO, WARNING or ERROR.",
    )

    @field_validator("proxy")
    @classmethod
    def _by_http(cls, proxy: SecretStr | None) -> SecretStr | None:
        if proxy is not None and not re.match(r"http://[^/]", proxy.get_secret_value()):
            raise ValueError("must be a URL that begins with http://")
        return proxy

    @model_validator(mode="after")
    def _whole_party(self) -> Self:
        if (self.country_code is None) != (self.party_id is None):
            raise ValueError("OCPI_COUNTRY_CODE and OCPI_PARTY_ID go together")
        if self.name is not None and self.party_id is None:
            raise ValueError("OCPI_NAME goes together with OCPI_COUNTRY_CODE and OCPI_PARTY_ID")
        return self

    @model_validator(mode="after")
    def _whole_hub(self) -> Self:
        if (self.hub_country_code is None) != (self.hub_party_id is None):
            raise ValueError("OCPI_HUB_COUNTRY_CODE and OCPI_HUB_PARTY_ID go together")
        return self

    @model_validator(mode="after")
    def _hub_apart(self) -> Self:
        party, hub = (self.country_code, self.party_id), (self.hub_country_code, self.hub_party_id)
        if None not in party and _codes(party) == _codes(hub):
            raise ValueError(
                "OCPI_HUB_COUNTRY_CODE and OCPI_HUB_PARTY_ID are those of our CPO party, "
                "OCPI_COUNTRY_CODE and OCPI_PARTY_ID: give the hub a party id of its own, for what "
                "is sent to it is for all"
            )
        return self

    @property
    def is_hub(self) -> bool:
        """Whether the hub platform is on."""
        return self.hub_party_id is not None

    @property
    def hub_is_open(self) -> bool:
        """Whether parties of whom no agreement speaks may talk to each other."""
        return self.hub_agreements == "open"

    @property
    def proxy_url(self) -> str | None:
        """The proxy by which partners are called, with its password."""
        return None if self.proxy is None else self.proxy.get_secret_value()

    @property
    def partner_port_numbers(self) -> frozenset[int]:
        """The ports at which partners may be reached."""
        return frozenset(int(port) for port in self.partner_ports.split(","))

    def secret(self) -> str:
        """The secret key, from the setting or the file.

        Raises ``MissingSecret`` with what to do when there is none.
        """
        secret = _secret_of("OCPI_SECRET_KEY_FILE", self.secret_key, self.secret_key_file)
        if secret is not None:
            return secret
        raise MissingSecret(
            "OCPI_SECRET_KEY is not set. Make one and keep it, for instance with\n"
            "  export OCPI_SECRET_KEY=$(openssl rand -base64 32)"
        )

    def previous_secret(self) -> str | None:
        """The further key, None where there is none; raises ``MissingSecret`` as `secret` does."""
        return _secret_of(
            "OCPI_SECRET_KEY_PREVIOUS_FILE",
            self.secret_key_previous,
            self.secret_key_previous_file,
        )


def _codes(party: tuple[str | None, str | None]) -> list[str]:
    return [(code or "").upper() for code in party]


class MissingSecret(Exception):
    """A secret that the command needs is not set, or of no use."""


def _secret_of(setting: str, value: SecretStr | None, file: Path | None) -> str | None:
    if value is not None:
        return value.get_secret_value()
    if file is None:
        return None
    try:
        return _read_secret(file)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise MissingSecret(f"{setting}: {file} cannot be read: {reason}.") from None


def _read_secret(file: Path) -> str:
    # What containers mount there is no other user's to read.
    if file.stat().st_mode & stat.S_IROTH and not file.is_relative_to("/run/secrets"):
        raise MissingSecret(f"Everybody on this machine can read {file}: chmod o-r {file}")
    text = file.read_text().strip()
    if len(text) < 16:
        raise MissingSecret(f"{file} holds fewer than 16 characters.")
    if _PLACEHOLDER.search(text):
        raise MissingSecret(f"{file} holds a placeholder: openssl rand -base64 32 > {file}")
    return text
