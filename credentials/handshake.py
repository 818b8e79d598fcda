"""Our side as the one that asks: registering with a partner, new tokens, and leaving.

In OCPI's text `wish.token` is TOKEN_A, the token that we issue TOKEN_B, and theirs TOKEN_C.
"""

from dataclasses import replace
from functools import partial

from pydantic import ValidationError
from sqlmodel import col, delete, select
from sqlmodel.ext.asyncio.session import AsyncSession

from credentials.discovery import Offer, discover
from credentials.exchange import Elsewhere, Unusable, ask, describe, exchange
from credentials.forms import NewConnection
from credentials.options import PartnerOptions, read_options
from credentials.parties import present
from credentials.registration import (
    add_partner,
    bind_roles,
    check_name,
    check_roles,
    find_partner,
    issue_token,
    keep_credentials,
    keep_endpoints,
    note,
    presented_roles,
)
from ocpi.client import Target
from ocpi.context import Context
from ocpi.errors import Conflict, InvalidParameters, OCPIError, PeerUnusable, ServerFailure
from ocpi.forgiving import read
from ocpi.homes import foreign_places
from ocpi.messages import log
from ocpi.parties import IssuedToken, Partner, PartnerEndpoint, State
from ocpi.push.returning import open_way
from ocpi.sealing import hash_token
from ocpi.spec.credentials import Credentials
from ocpi.spec.reading import problems


async def connect(context: Context, wish: NewConnection) -> list[str]:
    """Register with a partner; gives what staff should know, one sentence each.

    A failure leaves nothing behind and is raised with what to do next.
    """
    async with context.database.read() as db:
        await check_name(db, wish.name)
    target = Target(wish.name, wish.token, wish.raw_token)
    try:
        url, offer = await _find(context, target, wish)
        await _register(context, wish, target, url, offer)
    except ServerFailure as error:
        raise PeerUnusable(f"{error.message} Nothing is kept here. {_advice(error)}") from None
    log.info("partner connected", partner=wish.name)
    remarks = [*offer.remarks, *await refresh(context, wish.name)]
    return list(dict.fromkeys(remarks))


async def rotate(context: Context, name: str) -> list[str]:
    """Give the partner a new token and get one from it, by PUT, as after a leak (CR-19).

    On both sides the old token stays good until the new one is known to have arrived (CR-14).
    """
    async with context.database.write() as db:
        partner = await find_partner(db, name, lock=True)
        target, url = await _way_to(context, db, partner)
        token_in = await issue_token(db, partner, in_advance=True)
    try:
        theirs = await _introduce(context, target, "PUT", url, partner.platform, token_in)
    except Unusable as error:
        raise PeerUnusable(await _settle(context, partner, token_in, error)) from None
    remarks = await _replace_tokens(context, partner, token_in, theirs)
    log.info("tokens rotated", partner=name)
    return [*remarks, *await refresh(context, name)]


async def refresh(context: Context, name: str) -> list[str]:
    """Read the partner's endpoints anew; where that fails they stay, and a remark says so.

    This is also the first use of the token that it gave us, which tells it that we have it.
    """
    async with context.database.read() as db:
        asked = await find_partner(db, name)
        target, approved = _target_of(context, asked), read_options(asked.options).hosts
    try:
        offer = await discover(
            context,
            target,
            asked.versions_url or "",
            platform=asked.platform,
            approved=approved,
        )
    except OCPIError as error:
        remark = f"The endpoints could not be read with the new token: {error.message}"
        await note(context, asked.key, remark)
        return [remark]
    async with context.database.write() as db:
        partner = await find_partner(db, name, lock=True)
        if (partner.versions_url, partner.token_out) != (asked.versions_url, asked.token_out):
            # What the partner has said meanwhile, by a PUT or DELETE, is newer than what was read.
            return []
        if await keep_endpoints(db, partner, offer):
            await open_way(db, partner.key)
    return list(offer.remarks)


async def take_leave(context: Context, name: str) -> str | None:
    """Tell a partner that the relation ends; gives why it could not be told, None where it was."""
    async with context.database.read() as db:
        partner = await find_partner(db, name)
        if partner.token_out is None:
            return None
        try:
            target, url = await _way_to(context, db, partner)
        except Conflict as error:
            return error.message
    return await _send_delete(context, target, url)


async def _find(context: Context, target: Target, wish: NewConnection) -> tuple[str, Offer]:
    """The versions URL and what is offered there; staff may have pasted the base URL instead."""
    url = wish.versions_url
    look = partial(discover, context, target, platform=wish.platform, approved=wish.hosts)
    try:
        return url, await look(url)
    except Unusable as error:
        guess = f"{url.rstrip('/')}/versions"
        if error.their_status is None or url.rstrip("/").endswith("/versions"):
            raise
        try:
            offer = await look(guess)
        except OCPIError:
            raise error from None
        remark = f"{error.message} {guess} was used instead."
        return guess, replace(offer, remarks=(remark, *offer.remarks))


async def _register(
    context: Context, wish: NewConnection, target: Target, url: str, offer: Offer
) -> None:
    """Exchange credentials; the partner's row is gone again unless all goes well."""
    for place in foreign_places([offer.credentials_url], url, wish.hosts):
        raise Elsewhere("The credentials endpoint lies", place)
    options = PartnerOptions(raw_token=wish.raw_token, hosts=wish.hosts)
    # The partner calls back before it answers, so the token it gets must be good by then (AT-10).
    async with context.database.write() as db:
        partner = await add_partner(db, wish.name, wish.platform, State.ISSUED, options)
        token_in = await issue_token(db, partner)
    try:
        theirs = await _introduce(
            context, target, "POST", offer.credentials_url, wish.platform, token_in
        )
        await _conclude(context, partner, target, url, theirs, offer)
    except BaseException:
        async with context.database.write() as db:
            await db.exec(delete(Partner).where(col(Partner.id) == partner.key))
        raise


async def _introduce(
    context: Context, target: Target, method: str, url: str, platform: str, token_in: str
) -> Credentials:
    """Send our credentials and get theirs."""
    body = await present(context, platform, token_in)
    data = await ask(context, target, method, url, body=body, secret=token_in)
    try:
        with context.hearing(target.name):
            return read(Credentials, data)
    except ValidationError as error:
        raise Unusable(
            f"{method} {url} answers with unusable Credentials: {problems(error)}.", unclear=True
        ) from None


async def _conclude(
    context: Context,
    partner: Partner,
    target: Target,
    url: str,
    theirs: Credentials,
    offer: Offer,
) -> None:
    """Keep what was agreed, or leave politely: a party of another must not come in (TA-04)."""
    try:
        async with context.database.write() as db:
            row = await find_partner(db, partner.name, lock=True)
            row.versions_url = url
            await bind_roles(db, row, presented_roles(theirs))
            await keep_credentials(context, db, row, theirs)
            await keep_endpoints(db, row, offer, url)
            await open_way(db, row.key)
    except Exception:
        await _send_delete(context, replace(target, token=theirs.token), offer.credentials_url)
        raise


async def _way_to(context: Context, db: AsyncSession, partner: Partner) -> tuple[Target, str]:
    """How to speak to a registered partner, and its credentials endpoint in either role."""
    found = await db.exec(
        select(PartnerEndpoint.url).where(
            PartnerEndpoint.partner_id == partner.key, PartnerEndpoint.identifier == "credentials"
        )
    )
    url = found.first()
    target = _target_of(context, partner)
    if url is None:
        raise Conflict(
            f"The credentials endpoint of {partner.name} lies where nobody has approved it: "
            f"`ocpi partner approve {partner.name}`."
        )
    return target, url


def _target_of(context: Context, partner: Partner) -> Target:
    if partner.token_out is None:
        raise Conflict(f"The partner {partner.name} is not registered ({partner.state}).")
    raw_token = read_options(partner.options).raw_token
    return Target(partner.name, context.seal.open(partner.token_out), raw_token)


async def _settle(context: Context, partner: Partner, token_in: str, error: Unusable) -> str:
    """What becomes of the new token after a PUT that brought no credentials."""
    if error.unclear:
        sentence = (
            f"{error.message} The partner may have taken the new token or not, so both stay "
            "valid: rotate again when it answers."
        )
    else:
        sentence = f"{error.message} The tokens are what they were."
        async with context.database.write() as db:
            await db.exec(delete(IssuedToken).where(col(IssuedToken.hash) == hash_token(token_in)))
    await note(context, partner.key, sentence)
    return sentence


async def _replace_tokens(
    context: Context, partner: Partner, token_in: str, theirs: Credentials
) -> list[str]:
    """The exchange succeeded: the next use of the new token retires the old one.

    Where the partner has exchanged tokens meanwhile, too, those of its exchange stay: they may have
    been used, and then the partner no longer knows what it answered to ours.
    """
    async with context.database.write() as db:
        row = await find_partner(db, partner.name, lock=True)
        if row.token_out is None:
            raise Conflict(f"The partner {partner.name} unregistered meanwhile.")
        issued = await db.get(IssuedToken, hash_token(token_in))
        if issued is not None:
            issued.used_at = None
        if issued is None or row.token_out != partner.token_out:
            return [f"{partner.name} exchanged new tokens with us meanwhile: those are kept."]
        remarks = []
        try:
            await check_roles(db, row.key, theirs)
        except InvalidParameters as error:
            remarks.append(f"Their answer's {error.message}; the others were kept.")
        if await keep_credentials(context, db, row, theirs):
            await open_way(db, row.key)
    return remarks


async def _send_delete(context: Context, target: Target, url: str) -> str | None:
    """Unregister; any 2xx will do, and so will that they do not know us (IP-41)."""
    try:
        reply = await exchange(context, target, "DELETE", url)
    except Unusable as error:
        return error.message
    empty = 200 <= reply.http_status < 300 and reply.status_code is None
    if reply.success() or empty or reply.http_status in {401, 404, 405}:
        return None
    return f"DELETE {url} {describe(reply)}."


def _advice(error: ServerFailure) -> str:
    if isinstance(error, Elsewhere):
        return (
            "If that is theirs, too, connect again by `ocpi partner connect` with "
            f"`--host {error.place}`."
        )
    status = error.their_status if isinstance(error, Unusable) else None
    if status == 401:
        return "Check the token: it must be their registration token, not Base64-encoded."
    if status == 405:
        return (
            "They take us for registered already: "
            "ask them to end that registration and to issue a new token."
        )
    if isinstance(error, Unusable) and error.unclear:
        return (
            "Ask them whether they registered us; "
            "if so, they must end that registration and issue a new token."
        )
    return "Connect again when that is mended."
