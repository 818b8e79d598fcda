"""What a single partner wants done its own way."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ocpi.errors import InvalidParameters
from ocpi.spec.reading import problems


class PartnerOptions(BaseModel):
    """The options of a partner, kept in `Partner.options`; what is not set is as OCPI has it."""

    model_config = ConfigDict(extra="forbid")

    raw_token: bool = Field(
        default=False, description="Send our token as it is instead of Base64-encoded (IP-01)."
    )
    put_only: bool = Field(
        default=False, description="Send whole objects by PUT, never a PATCH with the changes."
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
    return changed.model_dump(exclude_defaults=True)
