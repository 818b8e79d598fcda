"""The admin API of the push: who is behind, what is parked, and trying again."""

from collections.abc import Mapping
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from ocpi.push.operating import (
    asked_pause,
    drop_parked,
    list_lanes,
    list_parked,
    retry_parked,
    rewind_partner,
)
from ocpi.push.source import Source
from ocpi.push.verifying import Wanted, verification_view, verify
from ocpi.request import Here

router = APIRouter(prefix="/push", tags=["push"])


class LaneView(BaseModel):
    """How far one partner is up to date."""

    partner: str = Field(examples=["shiny"])
    state: str = Field(
        description="active, stopped, unchecked, suspended or unregistered", examples=["active"]
    )
    behind: int = Field(description="Objects whose newest change it has not heard.", examples=[0])
    oldest: str | None = Field(None, description="The object that has waited longest.")
    parked: dict[str, int] = Field(
        description="Objects it did not take, by kind: transient, rejected, late, dead, dropped."
    )
    reason: str | None = Field(None, description="Why nothing is sent.")
    stopped_at: str | None = None
    next_probe_at: str | None = None
    last_success_at: str | None = None
    last_error: str | None = None
    paused_until: str | None = Field(
        None, description="The end of a pause that it has asked for: nothing is sent before."
    )


class ParkedView(BaseModel):
    """An object that a partner did not take."""

    object: str = Field(examples=["locations/de*abc*loc1/evse1"])
    kind: str = Field(examples=["rejected"])
    attempts: int
    error: str | None = None
    http_status: int | None = None
    status_code: int | None = None
    first_failed_at: str | None = None
    next_at: str | None = Field(None, description="None: not before it changes or is retried.")


class FindingView(BaseModel):
    """An object that a partner does not hold as it should."""

    object: str = Field(examples=["locations/de*abc*loc1"])
    verdict: str = Field(description="different, missing, behind or incomparable")
    why: str


class VerificationView(BaseModel):
    """What comparing a partner's objects came to."""

    counts: dict[str, int] = Field(description="How many objects came to each verdict.")
    findings: list[FindingView] = Field(description="Those that are not equal, the first 1000.")
    repaired: int = Field(description="How many objects are told again.")
    after: str | None = Field(None, description="The last object compared, if there may be more.")
    stopped: str | None = Field(None, description="Why it ended early: the partner kept failing.")


class Retried(BaseModel):
    """How many parked objects are tried again."""

    retried: int = Field(examples=[3])
    paused_until: str | None = Field(
        None, description="The end of a pause that the partner has asked for: not before that."
    )


@router.get("", summary="How far each partner is up to date")
async def get_lanes(here: Here) -> list[LaneView]:
    """A row for each registered partner."""
    lanes = await list_lanes(here.database, require_check=here.settings.require_check)
    return [LaneView(**lane) for lane in lanes]


@router.get("/{name}/parked", summary="What a partner did not take")
async def get_parked(here: Here, name: str) -> list[ParkedView]:
    """With the reason, and when it is tried again."""
    return [ParkedView(**each) for each in await list_parked(here.database, name)]


@router.post("/{name}/retry", summary="Try parked objects again now")
async def post_retry(here: Here, name: str, key: str | None = None) -> Retried:
    """One object by its `key`, else all. A partner that is stopped is asked if it is back."""
    retried = await retry_parked(here.database, name, key)
    return Retried(retried=retried, paused_until=await asked_pause(here.database, name))


@router.post("/{name}/drop", status_code=204, summary="Give a parked object up")
async def post_drop(here: Here, name: str, key: str, *, force: bool = False) -> None:
    """It is not tried again until it changes. A CDR never does: it takes `force`."""
    await drop_parked(here.database, name, key, force=force)


@router.post("/{name}/rewind", status_code=204, summary="Tell a partner everything again")
async def post_rewind(here: Here, name: str, since: str | None = None) -> None:
    """From the start of the feed, or what changed `since` a moment, to the minute."""
    await rewind_partner(here.database, name, since)


def verify_router(sources: Mapping[str, Source]) -> APIRouter:
    """The endpoint that compares what partners hold with what they were told."""
    checking = APIRouter(prefix="/push", tags=["push"])

    @checking.post("/{name}/verify", summary="Compare what a partner holds")
    async def post_verify(
        here: Here,
        name: str,
        *,
        module: Literal["locations", "sessions", "tariffs", "tokens"] | None = None,
        limit: Annotated[int, Query(ge=1, le=1000, description="Most objects compared.")] = 100,
        after: Annotated[str, Query(description="Go on after this object.")] = "",
        repair: Annotated[
            bool, Query(description="Tell it again what is not as it should.")
        ] = False,
    ) -> VerificationView:
        """By GETs on its receivers, ten a second; answered when all are compared."""
        wanted = Wanted(module, after, limit, repair=repair)
        done = await verify(here, sources, name, wanted)
        return VerificationView.model_validate(verification_view(done))

    return checking
