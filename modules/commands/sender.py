"""What came of the commands that we sent, as partners tell it (mod_commands, Sender interface)."""

from typing import Annotated

from fastapi import APIRouter, Path
from starlette.responses import Response

from modules.commands.asking import (
    SentCommand,
    read_result,
    sent_command,
    take_news,
    take_result,
)
from ocpi.admin import takes
from ocpi.editing import Document
from ocpi.envelope import Answer, ok
from ocpi.gateway import Wish
from ocpi.request import Body, CallerOf, Here, Segment
from ocpi.spec.commands import CommandResult, CommandResultType
from ocpi.spec.document import decode

router = APIRouter()

Word = Annotated[Segment, Path(description="The command that was sent.")]
UID = Annotated[Segment, Path(description="As it stands in the response_url.")]


@router.post(
    "/{command}/{uid}",
    response_model=Answer[None],
    summary="Tell the result of a command",
    openapi_extra=takes(CommandResult),
)
async def take_command_result(
    here: Here, caller: CallerOf, command: Word, uid: UID, body: Body
) -> Response:
    """Taken once, from the partner that was asked; a reservation may be dropped later (CM-23)."""
    result = read_result(CommandResult, body)
    async with here.database.write() as db:
        sent = await sent_command(db, caller.partner_id, "commands", command, uid)
        if _drops_reservation(sent, result):
            await take_news(db, sent, result)
        else:
            await take_result(db, sent, result)
    return ok()


def _drops_reservation(sent: SentCommand, result: Document) -> bool:
    """Whether a reservation that was made is called off, for the first time."""
    return (
        sent.command == Wish.RESERVE_NOW
        and sent.news is None
        and sent.result is not None
        and decode(sent.result)["result"] == CommandResultType.ACCEPTED
        and result["result"] == CommandResultType.CANCELED_RESERVATION
    )
