"""What staff fill in and what they are shown, in the admin API and on the command line."""

import base64
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from credentials.options import PartnerOptions, Place
from ocpi.headers import Party
from ocpi.parties import PlatformID, State
from ocpi.spec.types import Role
from ocpi.tolerances import ToleranceView

CountryCode = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z]{2}$", to_upper=True), Field(examples=["DE"])
]
PartyID = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9]{3}$", to_upper=True), Field(examples=["ABC"])
]


def _free(name: str) -> str:
    if name == "new":
        raise ValueError("new is taken by the console's page for new partners")
    return name


PartnerName = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"),
    AfterValidator(_free),
    Field(
        description="Your name for the partner: letters, digits, dot, dash and underscore.",
        examples=["acme"],
    ),
]


class PartyRoleForm(BaseModel):
    """A party role that a partner may claim."""

    model_config = ConfigDict(extra="forbid")

    role: Role = Field(examples=["EMSP"])
    country_code: CountryCode
    party_id: PartyID

    def pair(self) -> tuple[str, Party]:
        """Role and party as values."""
        return self.role.value, Party(self.country_code, self.party_id)


class NewPartner(BaseModel):
    """A partner that is to register with us."""

    model_config = ConfigDict(extra="forbid")

    name: PartnerName
    platform: PlatformID = PlatformID.CPO
    roles: list[PartyRoleForm] = Field(
        min_length=1, description="All that it may claim until further ones are agreed to."
    )


class NewConnection(BaseModel):
    """A partner with whom we are to register."""

    model_config = ConfigDict(extra="forbid")

    name: PartnerName
    platform: PlatformID = PlatformID.CPO
    versions_url: Annotated[str, StringConstraints(strip_whitespace=True)] = Field(
        examples=["https://emsp.example/ocpi/versions"]
    )
    token: Annotated[
        str, StringConstraints(strip_whitespace=True, pattern=r"^[\x21-\x7e]{1,64}$")
    ] = Field(description="Their registration token, not Base64-encoded.", examples=["Zx8-token-A"])
    raw_token: bool = Field(default=False, description="Send tokens to them un-encoded (IP-01).")
    hosts: list[Place] = Field(
        default=[],
        description="Hosts beside that of the versions URL at which they may have endpoints.",
        examples=[["modules.example"]],
    )


class NewParty(BaseModel):
    """A party of our own."""

    model_config = ConfigDict(extra="forbid")

    country_code: CountryCode
    party_id: PartyID
    name: str = Field(min_length=1, max_length=100, examples=["Example Charging"])
    website: str | None = Field(
        default=None, max_length=255, pattern=r"^https?://\S+$", examples=["https://example.com"]
    )
    platform: PlatformID = PlatformID.CPO


class PartyView(BaseModel):
    """A party of our own, as partners see it."""

    platform: PlatformID
    role: str
    country_code: str
    party_id: str
    name: str
    website: str | None = None


class Untold(BaseModel):
    """A partner to which a party of ours could not be presented."""

    partner: str
    problem: str
    command: str = Field(description="What presents it.", examples=["ocpi partner rotate acme"])


class PartyAdded(PartyView):
    """A party that was added, and whether the partners of its platform know."""

    told: list[str] = Field(description="The partners that know it, having got new tokens.")
    untold: list[Untold] = Field(description="Those that do not, and may refuse its objects.")


class Offered(BaseModel):
    """What a partner needs to register with us; the token is shown this once."""

    name: str
    platform: PlatformID
    versions_url: str = Field(examples=["https://ocpi.example/ocpi/cpo/versions"])
    token: str = Field(examples=["pSk3v0qL7Zr5m1X9aYdN2uWcB8hTfGjE4iKoRQ6tVxs"])
    expires: str = Field(examples=["2026-01-08T12:00:00Z"])

    def invitation(self) -> str:
        """What to send the partner, in confidence, as text."""
        encoded = base64.b64encode(self.token.encode()).decode()
        return (
            f"OCPI version   2.2.1\n"
            f"Versions URL   {self.versions_url}\n"
            f"Token          {self.token}\n"
            f"Every request carries the token Base64-encoded, which gives this header:\n"
            f"Authorization: Token {encoded}"
        )


class RoleView(BaseModel):
    role: str
    country_code: str
    party_id: str
    name: str | None = Field(None, description="Absent until the partner has presented the role.")


class EndpointView(BaseModel):
    identifier: str
    role: str
    url: str


class WithheldView(EndpointView):
    place: str = Field(
        description="What to approve to have it called: its host, or http://host where TLS is "
        "left away.",
        examples=["modules.example"],
    )


class Approval(BaseModel):
    """Places at which a partner may have endpoints, beside the host of its versions URL."""

    model_config = ConfigDict(extra="forbid")

    hosts: list[Place] = Field(min_length=1, examples=[["modules.example"]])


class PartnerView(BaseModel):
    """A partner and how things stand with it."""

    name: str
    platform: PlatformID
    state: State
    suspended: bool
    roles: list[RoleView]
    versions_url: str | None
    endpoints: list[EndpointView]
    withheld: list[WithheldView] = Field(
        description="Endpoints that are not called before somebody approves their hosts."
    )
    options: PartnerOptions
    token_expires: str | None = Field(
        description="Until when a registration token is open; null: there is none."
    )
    registered_at: str | None
    token_issued_at: str | None = Field(
        description="When the newest token that it presents was issued; rotating makes a new one."
    )
    note: str | None = Field(description="What the last handshake came to.")
    passed_check_at: str | None = Field(
        None, description="When it first passed the check before it goes live."
    )
    waits: str | None = Field(None, description="Why it gets no live data yet.")
    tolerances: list[ToleranceView] = Field(description="What it gets wrong and is forgiven.")
