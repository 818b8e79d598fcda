"""What a handshake changes in the database: tokens, party roles, endpoints and a partner's state.

Every change happens under a lock on the partner's row, and no transaction is open while a partner
is waited for (AT-09, AT-10).
"""

from collections.abc import Mapping, Sequence

from sqlmodel import col, delete, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from credentials.discovery import Offer
from credentials.options import PartnerOptions, read_options
from credentials.parties import holder_of, is_ours
from ocpi.context import Context
from ocpi.database import clock
from ocpi.errors import (
    AlreadyRegistered,
    Conflict,
    InvalidParameters,
    NotAuthenticated,
    PeerUnusable,
    UnknownObject,
)
from ocpi.headers import Party
from ocpi.homes import foreign_places, home_of
from ocpi.parties import (
    Caller,
    IssuedToken,
    Partner,
    PartnerEndpoint,
    PartnerRole,
    PlatformID,
    State,
    WithheldEndpoint,
)
from ocpi.push.lanes import close_lane
from ocpi.push.returning import open_way, tell_elsewhere
from ocpi.push.sharing import parties_at, sharing_again
from ocpi.sealing import hash_token, new_token
from ocpi.spec.credentials import Credentials, CredentialsRole
from ocpi.spec.reading import dump

# Microseconds for which a registration token is good (TA-11).
REGISTRATION_LIFE = 7 * 24 * 3600 * 1_000_000
# As what the versions URL of a partner is kept that has moved to where nobody has approved it,
# among its endpoints that are there; no endpoint has this role.
VERSIONS = ("versions", "URL")


async def find_partner(db: AsyncSession, name: str, *, lock: bool = False) -> Partner:
    """The partner of this name; raises ``UnknownObject``."""
    query = select(Partner).where(Partner.name == name)
    # A stronger lock would wait for whoever parks something for the partner, who has its lane's.
    found = await db.exec(query.with_for_update(key_share=True) if lock else query)
    partner = found.one_or_none()
    if partner is None:
        raise UnknownObject(f"There is no partner {name}: see `ocpi partner list`.")
    return partner


async def check_name(db: AsyncSession, name: str) -> None:
    """Raises ``Conflict`` when a partner of this name exists."""
    found = await db.exec(select(Partner.id).where(Partner.name == name))
    if found.first() is not None:
        raise Conflict(f"There is a partner {name} already: remove it or take another name.")


async def add_partner(
    db: AsyncSession, name: str, platform: str, state: State, options: PartnerOptions
) -> Partner:
    """A new partner; raises ``Conflict`` when its name is taken."""
    await check_name(db, name)
    partner = Partner(
        name=name,
        platform=platform,
        state=state,
        options=options.model_dump(exclude_defaults=True),
        created_at=await clock(db),
    )
    db.add(partner)
    await db.flush()
    return partner


async def issue_token(db: AsyncSession, partner: Partner, *, in_advance: bool = False) -> str:
    """A new token that the partner may present; only its hash is kept.

    The first use of a token retires the older ones. One that is issued `in_advance` of a PUT to the
    partner is used by its call-back before the PUT has succeeded, so it counts as used already.
    """
    now = await clock(db)
    token = new_token()
    row = IssuedToken(
        hash=hash_token(token),
        partner_id=partner.key,
        registration=False,
        created_at=now,
        used_at=now if in_advance else None,
    )
    db.add(row)
    await db.flush()
    return token


async def issue_registration_token(db: AsyncSession, partner: Partner) -> tuple[str, int]:
    """A new registration token, the only one of the partner, and when it expires (CR-02, TA-11)."""
    await db.exec(
        delete(IssuedToken).where(
            col(IssuedToken.partner_id) == partner.key, col(IssuedToken.registration).is_(True)
        )
    )
    now = await clock(db)
    token, expires_at = new_token(), now + REGISTRATION_LIFE
    row = IssuedToken(
        hash=hash_token(token),
        partner_id=partner.key,
        registration=True,
        created_at=now,
        expires_at=expires_at,
    )
    db.add(row)
    await db.flush()
    return token, expires_at


async def bind_roles(
    db: AsyncSession, partner: Partner, roles: Sequence[tuple[str, Party]]
) -> None:
    """Fix the party roles of a partner (TA-04); raises ``Conflict`` for one that another holds."""
    distinct = {(role, party.key): party for role, party in roles}
    for (role, _), party in distinct.items():
        if await is_ours(db, role, party.key):
            raise Conflict(f"{role} {party} is a party of our own.")
        if partner.platform == PlatformID.HUB and await is_ours(db, "HUB", party.key):
            raise Conflict(f"{party} is our hub itself: what is sent to it is for all.")
        holder = await holder_of(db, role, party.key, platform=partner.platform)
        if holder is not None:
            raise Conflict(f"{role} {party} is a party of the partner {holder} already.")
        db.add(
            PartnerRole(
                partner_id=partner.key,
                platform=partner.platform,
                role=role,
                party=party.key,
                country_code=party.country_code,
                party_id=party.party_id,
            )
        )
        await db.flush()


async def check_roles(db: AsyncSession, partner_id: int, credentials: Credentials) -> None:
    """Raises ``InvalidParameters`` when a role is presented that is not the partner's (TA-04)."""
    bound = await roles_of(db, partner_id)
    known = {(row.role, row.party) for row in bound}
    strange = [
        f"{role} {party}"
        for role, party in presented_roles(credentials)
        if (role, party.key) not in known
    ]
    if strange:
        agreed = ", ".join(f"{row.role} {Party(row.country_code, row.party_id)}" for row in bound)
        raise InvalidParameters(
            f"roles: {', '.join(strange)} is not among the roles agreed for this connection "
            f"({agreed}); new roles must be agreed with the operator first"
        )


async def accept(
    context: Context,
    caller: Caller,
    credentials: Credentials,
    offer: Offer,
    before: str | None,
) -> str:
    """Take the credentials that a partner POSTs or PUTs, and issue its new token (CR-06, CR-10).

    After a POST the new token is the only one that waits for its first use. After a PUT older
    tokens stay good until the new one is used, so nobody is locked out (AT-08), and a versions URL
    on another host waits for approval like all that lies there (TA-27). It is refused where the
    partner's token is not any more, sealed, the one from `before` the call-back.
    """
    async with context.database.write() as db:
        partner = await db.get(Partner, caller.partner_id, with_for_update={"key_share": True})
        if partner is None:
            raise NotAuthenticated
        await _check_alive(db, partner, caller)
        if caller.registration:
            await _drop_unused(db, partner)
            partner.state = State.ISSUED
            partner.versions_url = credentials.url
        elif partner.token_out != before:
            # Another exchange with it has ended meanwhile, and which is the later one only the
            # partner knows, which repeats its own.
            raise PeerUnusable("Other credentials were exchanged meanwhile: send yours again.")
        grown = await keep_credentials(context, db, partner, credentials)
        moved = await keep_endpoints(db, partner, offer, credentials.url)
        if grown or moved or caller.registration:
            await open_way(db, partner.key)
        return await issue_token(db, partner)


async def _check_alive(db: AsyncSession, partner: Partner, caller: Caller) -> None:
    """The caller's token must have outlived the call-back: another exchange may have retired it."""
    if await db.get(IssuedToken, hash_token(caller.token)) is not None:
        return
    if caller.registration and partner.state == State.CONFIRMED:
        raise AlreadyRegistered
    raise NotAuthenticated


async def _drop_unused(db: AsyncSession, partner: Partner) -> None:
    await db.exec(
        delete(IssuedToken).where(
            col(IssuedToken.partner_id) == partner.key,
            col(IssuedToken.registration).is_(False),
            col(IssuedToken.used_at).is_(None),
        )
    )


async def keep_credentials(
    context: Context, db: AsyncSession, partner: Partner, credentials: Credentials
) -> bool:
    """Keep the partner's token, sealed, and the business details of those roles that are bound.

    Gives whether one is among them that was not presented before: it has heard of nothing yet, and
    its party may have been behind a hub until now, so that `open_way` is due. What is not presented
    any more the hub tells, if it reaches it by another way.
    """
    partner.token_out = context.seal.close(credentials.token)
    partner.registered_at = partner.registered_at or await clock(db)
    partner.note = None
    presented = {
        (str(role.role), _party(role).key): dump(role.business_details)
        for role in credentials.roles
    }
    grown = dropped = False
    async with sharing_again(db, await parties_at(db, partner.key)):
        for row in await roles_of(db, partner.key):
            details = presented.get((row.role, row.party))
            grown = grown or (details is not None and row.business_details is None)
            dropped = dropped or (details is None and row.business_details is not None)
            row.business_details = details
    if dropped:
        await tell_elsewhere(db, partner.key)
    return grown


async def keep_endpoints(
    db: AsyncSession, partner: Partner, offer: Offer, versions_url: str | None = None
) -> bool:
    """Replace the partner's endpoints, and note what is remarkable; gives whether any changed.

    Those that are neither at home nor at an approved place are kept, and not called (TA-27). So is
    the `versions_url` that the partner names; where it names none, one that waits goes on waiting.
    """
    if offer.remarks:
        partner.note = " ".join(offer.remarks)
    waiting = await endpoints_of(db, partner.key, WithheldEndpoint)
    named = versions_url or waiting.get(VERSIONS) or partner.versions_url or ""
    return await _set_endpoints(db, partner, {**offer.endpoints, VERSIONS: named})


async def sort_endpoints(db: AsyncSession, partner: Partner) -> bool:
    """Call what is approved now, and nothing else; gives whether that has changed."""
    withheld = await endpoints_of(db, partner.key, WithheldEndpoint)
    called = await endpoints_of(db, partner.key, PartnerEndpoint)
    return await _set_endpoints(db, partner, {**called, **withheld})


async def endpoints_of(
    db: AsyncSession, partner_id: int, table: type[PartnerEndpoint | WithheldEndpoint]
) -> dict[tuple[str, str], str]:
    """The endpoints of a partner that are called, or those that are withheld."""
    columns = (col(table.identifier), col(table.role), col(table.url))
    query = select(*columns).where(col(table.partner_id) == partner_id)
    found = await db.exec(query.order_by(*columns[:2]))
    return {(identifier, role): url for identifier, role, url in found}


async def _set_endpoints(
    db: AsyncSession, partner: Partner, endpoints: Mapping[tuple[str, str], str]
) -> bool:
    """Store endpoints, each where it belongs; gives whether those that are called changed."""
    before = await endpoints_of(db, partner.key, PartnerEndpoint)
    for table in (PartnerEndpoint, WithheldEndpoint):
        await db.exec(delete(table).where(col(table.partner_id) == partner.key))
    approved = read_options(partner.options).hosts
    if VERSIONS in endpoints:
        partner.versions_url = home_of(partner.versions_url, endpoints[VERSIONS], approved)
    home = partner.versions_url or ""
    for (identifier, role), url in endpoints.items():
        if (identifier, role) == VERSIONS and url == home:
            continue
        table = WithheldEndpoint if foreign_places([url], home, approved) else PartnerEndpoint
        db.add(table(partner_id=partner.key, identifier=identifier, role=role, url=url))
    await db.flush()
    return before != await endpoints_of(db, partner.key, PartnerEndpoint)


async def retire(db: AsyncSession, partner: Partner) -> None:
    """End the relation in both directions at once (CR-15, AT-14); the bound roles stay."""
    for table in (IssuedToken, PartnerEndpoint, WithheldEndpoint):
        await db.exec(delete(table).where(col(table.partner_id) == partner.key))
    async with sharing_again(db, await parties_at(db, partner.key)):
        for row in await roles_of(db, partner.key):
            row.business_details = None
    partner.state = State.UNREGISTERED
    partner.token_out = None
    partner.versions_url = None
    partner.registered_at = None
    await tell_elsewhere(db, partner.key)
    await close_lane(db, partner.key)


async def note(context: Context, partner_id: int, sentence: str) -> None:
    """Write down for staff what a handshake came to."""
    # A partner that is refused the same again and again must not have every process read anew what
    # it keeps of partners.
    news = col(Partner.note).is_distinct_from(sentence)
    these = update(Partner).where(col(Partner.id) == partner_id, news)
    async with context.database.write() as db:
        await db.exec(these.values(note=sentence))


async def roles_of(db: AsyncSession, partner_id: int) -> Sequence[PartnerRole]:
    """The party roles that are bound to a partner, presented or not."""
    found = await db.exec(
        select(PartnerRole)
        .where(PartnerRole.partner_id == partner_id)
        .order_by(col(PartnerRole.id))
    )
    return found.all()


def presented_roles(credentials: Credentials) -> list[tuple[str, Party]]:
    """The party roles that a Credentials object claims."""
    return [(str(role.role), _party(role)) for role in credentials.roles]


def _party(role: CredentialsRole) -> Party:
    return Party(role.country_code, role.party_id)
