"""A further party of ours, and who of the partners knows of it."""

import asyncio

from sqlmodel import col, select

from credentials.forms import NewParty, PartyAdded, Untold
from credentials.handshake import rotate
from credentials.parties import add_party
from ocpi.context import Context
from ocpi.errors import OCPIError
from ocpi.headers import Party
from ocpi.parties import Partner, PlatformID


async def add_and_introduce(context: Context, wish: NewParty) -> PartyAdded:
    """Add a party of ours, and present it to every partner of its platform (CR-10, CR-19).

    Its objects are told to all at once: of whom did not take it, some refuse them until they do.
    """
    party = Party(wish.country_code, wish.party_id)
    view = await add_party(context, wish.platform, party, wish.name, wish.website)
    partners = await _registered(context, wish.platform)
    problems = await asyncio.gather(*(_introduce(context, *each) for each in partners))
    told = {name: problem for (name, _), problem in zip(partners, problems, strict=True)}
    return PartyAdded(
        **view.model_dump(),
        told=[name for name, problem in told.items() if problem is None],
        untold=[
            Untold(partner=name, problem=problem, command=f"ocpi partner rotate {name}")
            for name, problem in told.items()
            if problem is not None
        ],
    )


async def _registered(context: Context, platform: PlatformID) -> list[tuple[str, bool]]:
    """The partners that have our credentials, and whether each is suspended."""
    query = select(Partner.name, Partner.suspended).where(
        Partner.platform == platform.value, col(Partner.token_out).is_not(None)
    )
    async with context.database.read() as db:
        return list(await db.exec(query.order_by(col(Partner.name))))


async def _introduce(context: Context, name: str, suspended: bool) -> str | None:  # noqa: FBT001
    """Present our parties anew; gives why that failed, None where it did not."""
    if suspended:
        return "It is suspended: nothing is sent to it before it is resumed."
    try:
        # Of the token that it has we keep but the hash, so it gets a new one with them.
        await rotate(context, name)
    except OCPIError as error:
        return error.message
    return None
