"""Commands by which an eMSP has authorized its driver already, so that it is not asked again."""

from collections.abc import Collection, Sequence

from sqlalchemy import Boolean, bindparam, func, or_
from sqlmodel import col, select

from modules.commands.reservations import STANDING, Reservation
from modules.tokens.questions import Question
from modules.tokens.store import Stored
from ocpi.database import Database, clock
from ocpi.editing import Document
from ocpi.errands import Errand
from ocpi.gateway import Wish
from ocpi.headers import Party
from ocpi.spec.document import decode
from ocpi.spec.moments import microseconds, parse_moment
from ocpi.spec.types import TokenType

MINUTE = 60_000_000
RFID_FRESH = 15 * MINUTE
# A station asks about an app's token only because of a command, so how long ago does not matter to
# OCPI; a token that turns up days later is no more that command's.
APP_FRESH = 24 * 60 * MINUTE

_NEWEST = 20
_APP = (TokenType.APP_USER, TokenType.AD_HOC_USER)


_COMMANDS = (
    select(Errand)
    .where(
        col(Errand.token_key) == bindparam("token_key"),
        col(Errand.partner_id).in_(bindparam("partners", expanding=True)),
        func.lower(col(Errand.owner_country_code)) == bindparam("country_code"),
        func.lower(col(Errand.owner_party_id)) == bindparam("party_id"),
        or_(
            col(Errand.wish) == Wish.START_SESSION.value,
            # What becomes of a reservation matters to an app's token alone.
            (col(Errand.wish) == Wish.RESERVE_NOW.value)
            & or_(
                bindparam("card", type_=Boolean),
                col(Errand.reservation).in_(
                    select(Reservation.id).where(col(Reservation.fate).in_(STANDING))
                ),
            ),
        ),
    )
    .order_by(col(Errand.created_at).desc())
    .limit(_NEWEST)
)
_COMMANDS_AT = _COMMANDS.where(func.lower(col(Errand.location_id)) == bindparam("location_id"))


async def covering_command(
    database: Database,
    owner: Party,
    question: Question,
    partners: Collection[int],
    stored: Sequence[Stored],
) -> Document | None:
    """The newest START_SESSION or RESERVE_NOW of these partners that answers the question.

    `stored` are the Tokens of that uid and type. What others command may not push the right command
    out of those that are read, so whatever tells them apart is asked of the database.
    """
    given = {
        "token_key": question.key,
        "partners": list(partners),
        "country_code": owner.country_code.lower(),
        "party_id": owner.party_id.lower(),
        "card": question.kind not in _APP,
    }
    commands = _COMMANDS
    if question.location_id is not None:
        commands, given["location_id"] = _COMMANDS_AT, question.location_id.lower()
    async with database.read() as db:
        now = await clock(db)
        found = await db.exec(commands, params=given)
        fitting = (each for each in found if covers(each, question, now) and vouched(each, stored))
        return next((each.document for each in fitting), None)


def covers(command: Errand, question: Question, now: int) -> bool:
    """Whether a command for the token asked about stands for its authorization (CM-15, CM-16).

    A card's does for 15 minutes whatever came of it: OCPI has drivers in mind whose app did not
    work, and who then present their card.
    """
    here = question.within(command.location_id, command.evse_uid)
    if question.kind not in _APP:
        return here and now < command.created_at + RFID_FRESH
    if refused(command):
        return False
    if command.wish == Wish.START_SESSION and command.session_id is not None:
        return False  # An app's token goes with its session, which has begun.
    return (here or question.location_id is None) and now < _end(command)


def refused(command: Errand) -> bool:
    """Whether the station said no; after a TIMEOUT it may have begun all the same."""
    if command.result is None:
        return False
    return decode(command.result).get("result") not in ("ACCEPTED", "TIMEOUT")


def vouched(command: Errand, stored: Sequence[Stored]) -> bool:
    """Whether the command is by the eMSP of a Token that is stored, and not withdrawn since.

    Another eMSP may have a Token of the same uid; where none is stored, nobody knows better.
    """
    theirs = issuer_key(command.document["token"])
    mine = [row for row in stored if row.owner == theirs]
    return not stored or any(not _withdrawn(row, command.created_at) for row in mine)


def issuer_key(token: Document) -> str:
    """The key of the party whose Token it is."""
    return Party(token["country_code"], token["party_id"]).key


def _withdrawn(row: Stored, since: int) -> bool:
    return row.last_updated > since and not decode(row.body)["valid"]


def _end(command: Errand) -> int:
    """Until when an app's token goes with its command: a reservation holds until it expires."""
    expiry = command.document.get("expiry_date")
    reserved = 0 if expiry is None else microseconds(parse_moment(expiry))
    return max(command.created_at + APP_FRESH, reserved)
