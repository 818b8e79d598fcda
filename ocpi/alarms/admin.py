"""The admin API of alarms."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from ocpi.alarms.alarm import list_alarms
from ocpi.recent import Limit
from ocpi.request import Here

router = APIRouter(prefix="/alarms", tags=["alarms"])


class ToldView(BaseModel):
    """How far telling an alarm in one way has come."""

    channel: str = Field(description="webhook or email", examples=["webhook"])
    event: str = Field(description="raised or cleared", examples=["raised"])
    told_at: str | None = None
    attempts: int
    error: str | None = Field(None, description="Why it could not be told the last time.")
    next_at: str | None = Field(None, description="When it is tried next.")


class AlarmView(BaseModel):
    """Something that somebody must look after."""

    id: int
    kind: str = Field(examples=["partner_down"])
    severity: str = Field(description="critical or warning", examples=["warning"])
    subject: str | None = Field(None, description="Such as the partner's name.")
    sentence: str = Field(description="What is wrong, and what to do.")
    raised_at: str
    cleared_at: str | None = Field(None, description="None: it still holds.")
    told: list[ToldView]


@router.get("", summary="List alarms")
async def get_alarms(
    here: Here,
    *,
    every: Annotated[
        bool, Query(alias="all", description="Also those that have cleared, of 90 days.")
    ] = False,
    limit: Limit = 100,
) -> list[AlarmView]:
    """Those that are raised, the newest first."""
    found = await list_alarms(here.database, every=every, limit=limit)
    return [AlarmView.model_validate(each) for each in found]
