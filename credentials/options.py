"""What a single partner wants done its own way."""

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)

from ocpi.errors import InvalidParameters
from ocpi.spec.commands import FOR_DRIVERS, CommandType
from ocpi.spec.reading import problems


def _items(value: Any) -> Any:
    """The items of a list that the command line has as text, separated by commas."""
    if not isinstance(value, str):
        return value
    return [item.strip() for item in value.split(",") if item.strip()]


Place = Annotated[
    str, StringConstraints(to_lower=True, pattern=r"^(?i:(http://)?[a-z0-9._:-]{1,253})$")
]
"""See ocpi.homes."""

_OwnCode = Annotated[
    str, StringConstraints(pattern="^[2-4][0-9]{3}=(throttle|auth|partner_fault)$")
]


class PartnerOptions(BaseModel):
    """The options of a partner, kept in `Partner.options`; what is not set is as OCPI has it."""

    model_config = ConfigDict(extra="forbid")

    raw_token: bool = Field(
        default=False, description="Send our token as it is instead of Base64-encoded (IP-01)."
    )
    put_only: bool = Field(
        default=False, description="Send whole objects by PUT, never a PATCH with the changes."
    )
    offline_authorization: Literal["deny", "allow"] = Field(
        default="deny",
        description="Whether its drivers may charge when it cannot be asked although it should be, "
        "also with Tokens that are unknown here.",
    )
    offline_policy: Literal["resync", "spec_strict"] = Field(
        default="resync",
        description="After an absence: tell everything that changed meanwhile, or leave it to the "
        "partner to GET what it missed, CDRs and Sessions excepted (TR-19).",
    )
    commands: Annotated[list[CommandType], BeforeValidator(_items)] = Field(
        default=list(FOR_DRIVERS),
        description="The commands that it may give; UNLOCK_CONNECTOR is for its help desk only.",
    )
    token_type_from_body: bool = Field(
        default=False,
        description="File its Tokens by the type in their body where the URL tells another, or "
        "none, which means RFID (AT-64).",
    )
    cdr_answer_200: bool = Field(
        default=False, description="Answer a new CDR of it with HTTP 200 instead of 201 (IP-05)."
    )
    patch_without_date: bool = Field(
        default=False,
        description="Take a PATCH without last_updated as of when it arrived, instead of refusing "
        "it (IP-13).",
    )
    pushes_per_minute: int = Field(
        default=0,
        ge=0,
        le=1_000_000,
        description="The most pushes that it is sent in a minute, evenly; 0 is no limit.",
    )
    hosts: Annotated[list[Place], BeforeValidator(_items)] = Field(
        default=[],
        description="Hosts beside that of its versions URL at which it may have endpoints; "
        "endpoints elsewhere are not called.",
    )
    codes: Annotated[list[_OwnCode], BeforeValidator(_items)] = Field(
        default=[],
        description="What OCPI status codes mean that it uses its own way: throttle (it asks for a "
        "pause), auth (it does not know our token) or partner_fault (it cannot answer now), such "
        "as 2004=throttle, 2002=auth (IP-37).",
    )


def read_options(stored: dict[str, Any]) -> PartnerOptions:
    """The options as they are stored, with the defaults for the rest."""
    return PartnerOptions.model_validate(stored)


def change_options(stored: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """The options with some of them changed; raises ``InvalidParameters`` for an unknown one."""
    try:
        changed = PartnerOptions.model_validate({**stored, **changes})
    except ValidationError as error:
        known = ", ".join(PartnerOptions.model_fields)
        raise InvalidParameters(f"{problems(error)} (the options are {known})") from None
    return changed.model_dump(mode="json", exclude_defaults=True)
