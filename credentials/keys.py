"""The key under which partners' tokens are sealed: whether it fits, and how it is changed.

A change takes three steps, and every process goes on working through all of them:

1. Start each process with the new key as OCPI_SECRET_KEY and the old one as
   OCPI_SECRET_KEY_PREVIOUS. Where several processes run, first give each the new key as the
   previous one, so that those started late can open what those started early have sealed.
2. `ocpi keys rotate`. It may be interrupted and repeated.
3. Start each process without OCPI_SECRET_KEY_PREVIOUS.
"""

from pydantic import BaseModel, Field
from sqlmodel import col, select

from credentials.registration import find_partner
from ocpi.context import Context
from ocpi.errors import UnknownObject
from ocpi.messages import log
from ocpi.parties import Partner
from ocpi.sealing import WrongKey


class Resealed(BaseModel):
    """What a change of the key came to."""

    key_id: str = Field(description="The key that seals now.", examples=["5f1c9a02"])
    resealed: int = Field(description="Tokens that were sealed anew.", examples=[12])
    current: int = Field(description="Tokens that were sealed with it before.", examples=[0])
    lost: list[str] = Field(
        description="Partners whose token no key given opens: give that key, or have them register "
        "anew (`ocpi partner reissue`)."
    )


async def reseal(context: Context) -> Resealed:
    """Seal every partner's token with the key that seals now, each in a transaction of its own.

    So a partner that exchanges its token meanwhile waits for one row at most and loses nothing.
    """
    done = Resealed(key_id=context.seal.key_id, resealed=0, current=0, lost=[])
    for name in await _sealed(context):
        await _reseal_one(context, name, done)
    log.info("tokens resealed", **done.model_dump())
    return done


async def _reseal_one(context: Context, name: str, done: Resealed) -> None:
    seal = context.seal
    async with context.database.write() as db:
        try:
            partner = await find_partner(db, name, lock=True)
        except UnknownObject:
            return
        if partner.token_out is None:
            return
        if seal.is_current(partner.token_out):
            done.current += 1
            return
        try:
            partner.token_out = seal.close(seal.open(partner.token_out))
            done.resealed += 1
        except WrongKey:
            done.lost.append(name)


async def check_key(context: Context) -> None:
    """Raises ``WrongKey`` where no partner's token can be opened with the keys given (TA-10).

    To go on would be to be able to call nobody. Where some open, the others' keys are lost, and
    those partners can register anew only while the service runs.
    """
    sealed = await _sealed(context)
    lost = {}
    for name, token in sealed.items():
        try:
            context.seal.open(token)
        except WrongKey as error:
            lost[name] = str(error)
    if lost and len(lost) == len(sealed):
        raise WrongKey(f"No partner's token can be opened. {next(iter(lost.values()))}")
    for name, why in lost.items():
        log.error("a token cannot be opened", partner=name, why=why)


async def _sealed(context: Context) -> dict[str, str]:
    async with context.database.read() as db:
        found = await db.exec(
            select(Partner.name, Partner.token_out)
            .where(col(Partner.token_out).is_not(None))
            .order_by(col(Partner.name))
        )
        return {name: sealed or "" for name, sealed in found.all()}
