"""Commands by which an eMSP has authorized its driver already, so that it is not asked again."""

from collections.abc import Collection

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from modules.tokens.questions import Question
from ocpi.errands import Errand
from ocpi.gateway import Wish
from ocpi.headers import Party
from ocpi.spec.moments import microseconds, parse_moment
from ocpi.spec.types import TokenType
from ocpi.store import Document

MINUTE = 60_000_000
RFID_FRESH = 15 * MINUTE
# A station asks about an app's token only because of a command, so how long ago does not matter to
# OCPI; a token that turns up days later is no more that command's.
APP_FRESH = 24 * 60 * MINUTE

_NEWEST = 20
_APP = (TokenType.APP_USER, TokenType.AD_HOC_USER)


async def covering_command(
    db: AsyncSession, owner: Party, question: Question, partners: Collection[int], now: int
) -> Document | None:
    """The newest START_SESSION or RESERVE_NOW of these partners that answers the question."""
    found = await db.exec(
        select(Errand)
        .where(
            Errand.token_key == question.key,
            col(Errand.wish).in_((Wish.START_SESSION.value, Wish.RESERVE_NOW.value)),
            col(Errand.partner_id).in_(partners),
        )
        .order_by(col(Errand.created_at).desc())
        .limit(_NEWEST)
    )
    commands = [each for each in found if each.owner.key == owner.key]
    return next((each.document for each in commands if covers(each, question, now)), None)


def covers(command: Errand, question: Question, now: int) -> bool:
    """Whether a command for the token asked about stands for its authorization (CM-15, CM-16)."""
    here = question.within(command.location_id, command.evse_uid)
    if question.kind not in _APP:
        return here and now < command.created_at + RFID_FRESH
    return (here or question.location_id is None) and now < _end(command)


def _end(command: Errand) -> int:
    """Until when an app's token goes with its command: a reservation holds until it expires."""
    expiry = command.document.get("expiry_date")
    reserved = 0 if expiry is None else microseconds(parse_moment(expiry))
    return max(command.created_at + APP_FRESH, reserved)
