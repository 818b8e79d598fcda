"""What eMSPs want of our stations: commands, answered before the station is (mod_commands)."""

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Path
from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.responses import Response

from modules.commands.accepting import (
    CROWDED,
    Asker,
    AskerOf,
    Task,
    add_errand,
    announced_timeout,
    came_before,
    is_crowded,
    location_of,
    place_of,
    session_of,
)
from modules.commands.judging import ACCEPTED, Command, Scene, Verdict, judge, spelled_place
from modules.commands.reservations import reservation_of, reserve
from modules.locations.parts import Place
from ocpi.callbacks import check_response_url
from ocpi.context import Context
from ocpi.database import Database, clock
from ocpi.editing import Document
from ocpi.envelope import Answer, ok
from ocpi.errors import InvalidParameters, UnknownLocation
from ocpi.forgiving import read
from ocpi.gateway import Wish
from ocpi.parties import options_of
from ocpi.request import Body, Here, Segment
from ocpi.spec.commands import (
    FOR_DRIVERS,
    CancelReservation,
    CommandResponse,
    CommandResultType,
    CommandType,
    ReserveNow,
    StartSession,
    StopSession,
    UnlockConnector,
)
from ocpi.spec.document import encode
from ocpi.spec.moments import moment_of
from ocpi.spec.reading import dump

router = APIRouter()

Word = Annotated[Segment, Path(description="A CommandType.", examples=["START_SESSION"])]

MODELS: Mapping[CommandType, type[Command]] = {
    CommandType.CANCEL_RESERVATION: CancelReservation,
    CommandType.RESERVE_NOW: ReserveNow,
    CommandType.START_SESSION: StartSession,
    CommandType.STOP_SESSION: StopSession,
    CommandType.UNLOCK_CONNECTOR: UnlockConnector,
}
BODIES = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "oneOf": [
                        {"$ref": f"#/components/schemas/{model.__name__}"}
                        for model in MODELS.values()
                    ]
                }
            }
        },
    }
}


@router.post(
    "/{command}",
    response_model=Answer[CommandResponse],
    summary="Send a command",
    openapi_extra=BODIES,
)
async def take_command(here: Here, asker: AskerOf, command: Word, body: Body) -> Response:
    """Accepted means that the station will be asked; its result goes to `response_url` (CM-02)."""
    kind = command_type(command)
    wanted = read(MODELS[kind], body)
    await check_response_url(here, asker.partner_id, wanted.response_url)
    try:
        verdict = await _decide(here, asker, kind, wanted)
    except UnknownLocation as error:
        rejected = _response(here, Verdict("REJECTED", error.message))
        return ok(rejected, status_code=error.status_code, message=error.message)
    return ok(_response(here, verdict))


def command_type(word: str) -> CommandType:
    """The command that a URL names; raises ``InvalidParameters``."""
    if word not in set(CommandType):
        known = ", ".join(CommandType)
        raise InvalidParameters(f"There is no command {word!r}; the commands are {known}.")
    return CommandType(word)


async def _decide(here: Context, asker: Asker, kind: CommandType, wanted: Command) -> Verdict:
    """The verdict, after what it promises is stored for good."""
    if kind not in await _allowed(here.database, asker.partner_id):
        return Verdict("NOT_SUPPORTED", f"{kind} is not open to you: ask the operator for it.")
    if not here.gateway.supports(Wish(kind)):
        return Verdict("NOT_SUPPORTED", f"No station here can be asked for {kind}.")
    location, session = await _named(here.database, asker, wanted)
    async with here.database.write() as db:
        if await came_before(db, asker, dump(wanted)):
            return ACCEPTED
        now = moment_of(await clock(db))
        scene = Scene(asker.parties, now, location, session)
        verdict = judge(wanted, scene)
        if verdict == ACCEPTED and await is_crowded(db, asker):
            verdict = Verdict("REJECTED", CROWDED)
        if verdict == ACCEPTED:
            await _accept(db, here, asker, wanted, scene)
    if verdict == ACCEPTED:
        here.errands.set()
    return verdict


async def _allowed(database: Database, partner_id: int) -> set[str]:
    """The commands that a partner may give: its option `commands` (CM-24, TA-30)."""
    return set((await options_of(database, partner_id)).get("commands", FOR_DRIVERS))


async def _named(
    database: Database, asker: Asker, wanted: Command
) -> tuple[Document | None, Document | None]:
    """The Location and the Session that a command names."""
    match wanted:
        case CancelReservation():
            return None, None
        case StopSession():
            session = await session_of(database, asker.owner, wanted.session_id)
            location_id = "" if session is None else session["location_id"]
            return await location_of(database, asker.owner, location_id), session
        case _:
            named = await location_of(database, asker.owner, wanted.location_id, asker.sight)
            return named, None


async def _accept(
    db: AsyncSession, here: Context, asker: Asker, wanted: Command, scene: Scene
) -> None:
    match wanted:
        case StartSession():
            place = _place(scene, wanted.evse_uid, wanted.connector_id)
            task = Task(Wish.START_SESSION, place, dump(wanted), token=wanted.token)
            await add_errand(db, here, asker, task)
        case StopSession():
            assert scene.session is not None
            session_id, place = scene.session["id"], place_of(scene.session)
            await add_errand(
                db, here, asker, Task(Wish.STOP_SESSION, place, dump(wanted), session_id)
            )
        case ReserveNow():
            place = _place(scene, wanted.evse_uid)
            task = Task(Wish.RESERVE_NOW, place, dump(wanted), token=wanted.token)
            await reserve(db, await add_errand(db, here, asker, task), wanted)
        case CancelReservation():
            await _accept_cancellation(db, here, asker, wanted)
        case UnlockConnector():
            place = _place(scene, wanted.evse_uid, wanted.connector_id)
            await add_errand(db, here, asker, Task(Wish.UNLOCK_CONNECTOR, place, dump(wanted)))


def _place(scene: Scene, evse_uid: str | None, connector_id: str | None = None) -> Place:
    assert scene.location is not None
    return spelled_place(scene.location, Place(scene.location["id"], evse_uid, connector_id))


async def _accept_cancellation(
    db: AsyncSession, here: Context, asker: Asker, wanted: CancelReservation
) -> None:
    """OCPI has no answer for an unknown reservation but a result, so that is told (CM-22)."""
    known = await reservation_of(
        db, asker.partner_id, asker.parties, wanted.reservation_id, owner=asker.owner.key
    )
    place = Place("") if known is None else Place(known.location_id, known.evse_uid)
    errand = await add_errand(db, here, asker, Task(Wish.CANCEL_RESERVATION, place, dump(wanted)))
    errand.reservation = None if known is None else known.key
    if known is None:
        errand.answered_at = errand.created_at
        errand.result = encode({"result": CommandResultType.UNKNOWN_RESERVATION})


def _response(here: Context, verdict: Verdict) -> str:
    """`timeout` is 0 where no result will follow (AT-66)."""
    response: Document = {"result": verdict.result, "timeout": 0}
    if verdict == ACCEPTED:
        response["timeout"] = announced_timeout(here)
    if verdict.reason is not None:
        response["message"] = [{"language": "en", "text": verdict.reason}]
    return encode(response)
