"""The admin API of the message log."""

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from ocpi.journal.curl import curl_of
from ocpi.journal.searching import (
    MessageDetail,
    MessageView,
    Wanted,
    find_messages,
    read_message,
)
from ocpi.request import Here

MOST = 1000

router = APIRouter(prefix="/messages", tags=["messages"])

Number = Annotated[int, Path(ge=1, lt=2**63, description="The message's number in the log.")]


class Criteria(BaseModel):
    """Which messages are wanted."""

    partner: str | None = Query(None, description="Your name for the partner.")
    object: str | None = Query(None, description="`sessions/DE/ABC/123`, or the id alone.")
    correlation: str | None = Query(None, description="X-Correlation-ID.")
    since: str | None = Query(None, description="Such as 2026-01-31T12:00:00Z.")
    until: str | None = Query(None, description="Before this moment.")
    failed: bool = Query(default=False, description="Only what failed.")
    direction: Literal["IN", "OUT", "LOST"] | None = Query(None)
    module: str | None = Query(None, description="Such as sessions.")
    token: str | None = Query(None, description="The whole uid or contract id of a driver.")
    limit: int = Query(50, ge=1, le=MOST, description="Most messages wanted.")


class CurlView(BaseModel):
    """A message as it can be tried again."""

    command: str = Field(description="In lines, with remarks above it.")


@router.get("", summary="Search the message log")
async def get_messages(here: Here, criteria: Annotated[Criteria, Query()]) -> list[MessageView]:
    """What was exchanged with partners, newest first; stored a second after it happened."""
    wanted = Wanted(**criteria.model_dump())
    return await find_messages(here.database, here.seal, wanted)


@router.get("/{number}", summary="Read a message")
async def get_message(here: Here, number: Number) -> MessageDetail:
    """A message with what was said, and those that belong to it, such as a hub's other leg."""
    return await read_message(here.database, number)


@router.get("/{number}/curl", summary="A message as a curl command")
async def get_curl(here: Here, number: Number) -> CurlView:
    """The command without its token, for a shell in which TOKEN is set."""
    message = await read_message(here.database, number)
    return CurlView(command=curl_of(message, here.settings.base_url))
