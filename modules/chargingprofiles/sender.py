"""What came of our requests about charging profiles: partners tell it here.

They also tell here how a session's active profile changes, once we have set one (CP-11).
"""

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Path
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.responses import Response

from modules.commands.asking import (
    SentCommand,
    read_result,
    sent_command,
    take_news,
    take_result,
)
from ocpi.admin import takes
from ocpi.envelope import Answer, ok
from ocpi.errors import UnknownObject
from ocpi.forgiving import read
from ocpi.gateway import Wish
from ocpi.request import Body, CallerOf, Here, Segment
from ocpi.spec.chargingprofiles import (
    ActiveChargingProfile,
    ActiveChargingProfileResult,
    ChargingProfileResult,
    ClearProfileResult,
)
from ocpi.spec.reading import dump
from ocpi.spec.types import OCPIModel

router = APIRouter()

Word = Annotated[Segment, Path(description="What was asked, as it stands in the response_url.")]
UID = Annotated[Segment, Path(description="As it stands in the response_url.")]
SessionID = Annotated[Segment, Path(description="Session.id")]

RESULTS: Mapping[str, type[OCPIModel]] = {
    Wish.GET_CHARGING_PROFILE: ActiveChargingProfileResult,
    Wish.SET_CHARGING_PROFILE: ChargingProfileResult,
    Wish.CLEAR_CHARGING_PROFILE: ClearProfileResult,
}
_RESULTS = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "oneOf": [
                        {"$ref": f"#/components/schemas/{model.__name__}"}
                        for model in RESULTS.values()
                    ]
                }
            }
        },
    }
}


@router.post(
    "/{command}/{uid}",
    response_model=Answer[None],
    summary="Tell the result of a charging profile request",
    openapi_extra=_RESULTS,
)
async def take_profile_result(
    here: Here, caller: CallerOf, command: Word, uid: UID, body: Body
) -> Response:
    """Taken once, from the partner that was asked; the type is that of the request (CP-07)."""
    if command not in RESULTS:
        raise UnknownObject("Nothing was asked of you with this response_url.")
    result = read_result(RESULTS[command], body)
    async with here.database.write() as db:
        sent = await sent_command(db, caller.partner_id, "chargingprofiles", command, uid)
        await take_result(db, sent, result)
    return ok()


@router.put(
    "/{session_id}",
    response_model=Answer[None],
    summary="Tell a change of the active charging profile",
    openapi_extra=takes(ActiveChargingProfile),
)
async def take_active_profile(
    here: Here, caller: CallerOf, session_id: SessionID, body: Body
) -> Response:
    """Kept with the newest profile that we have set for the session."""
    profile = dump(read(ActiveChargingProfile, body))
    async with here.database.write() as db:
        sent = await _newest_set(db, caller.partner_id, session_id)
        if sent is None:
            raise UnknownObject(f"No charging profile was set for the Session {session_id}.")
        await take_news(db, sent, profile)
    return ok()


async def _newest_set(db: AsyncSession, partner_id: int, session_id: str) -> SentCommand | None:
    found = await db.exec(
        select(SentCommand)
        .where(
            SentCommand.partner_id == partner_id,
            SentCommand.session_key == session_id.lower(),
            SentCommand.command == Wish.SET_CHARGING_PROFILE,
        )
        .order_by(col(SentCommand.sent_at).desc())
        .limit(1)
        .with_for_update()
    )
    return found.one_or_none()
