"""What staff may ask about prices in the admin API."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from ocpi.spec.types import Number

Document = dict[str, Any]

CDRText = Annotated[
    Document, Field(description="A CDR; fields that no price depends on may be missing.")
]
TimeZone = Annotated[
    str | None,
    Field(description="IANA name of the Location's time zone.", examples=["Europe/Amsterdam"]),
]
Expired = Annotated[
    bool | None,
    Field(description="Whether the reservation ran out unused; a CDR does not say it."),
]


class Question(BaseModel):
    model_config = ConfigDict(extra="forbid")

    time_zone: TimeZone = None


class PriceQuestion(Question):
    """A session to be priced."""

    cdr: CDRText
    tariffs: list[Document] | None = Field(
        None, description="Tariffs to price by; if they are left out, those in the CDR."
    )
    reservation_expired: Expired = None


class CheckQuestion(Question):
    """A CDR to be held against its tariffs."""

    cdr: CDRText
    tariffs: list[Document] = Field(
        default=[],
        description="Tariffs as you have them: for a CDR without, and to compare with its own.",
    )
    reservation_expired: Expired = None


class LintQuestion(Question):
    """A Tariff to be examined."""

    tariff: Document = Field(description="A Tariff, be it valid or not.")


class EstimateQuestion(Question):
    """A session that nobody has had yet."""

    tariff: Document = Field(description="A Tariff.")
    start: datetime = Field(
        description="Without an offset it is local time if `time_zone` is given, else UTC.",
        examples=["2026-01-31T18:30:00"],
    )
    minutes: int = Field(ge=1, description="How long the stay is.", examples=[90])
    kwh: Annotated[Number, Field(ge=0, description="How much is charged.", examples=[22.5])]
    power: Annotated[Number | None, Field(description="An even power in kW, if known.")] = None
    current: Annotated[
        Number | None, Field(description="In A, summed over all phases, if known.")
    ] = None
