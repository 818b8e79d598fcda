"""Opens what a process needs, from its settings, and closes it again."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select

from ocpi.certificates import Certificates
from ocpi.context import Context
from ocpi.database import DATABASE_ERRORS, Database
from ocpi.directory import AnnouncedParty, hub_party
from ocpi.errors import Conflict
from ocpi.headers import Party
from ocpi.journal.notes import Notes
from ocpi.journal.writing import NOT_STORED, store_notes
from ocpi.messages import log
from ocpi.metrics import Metrics
from ocpi.migrate import upgrade
from ocpi.parties import OurParty, Partner, PartnerRole, PlatformID, our_party
from ocpi.push.returning import take_for_us
from ocpi.sealing import Seal
from ocpi.settings import Settings
from ocpi.tolerances import store_tolerances
from ocpi.tracing import open_tracing
from ocpi.watched import WatchedClient


@asynccontextmanager
async def open_context(settings: Settings | None = None) -> AsyncIterator[Context]:
    """A context for as long as the block lasts; without `settings` they come from the environment.

    The database has the newest schema and our first party. Raises ``MissingSecret`` when there is
    no secret key.
    """
    settings = settings or Settings()
    notes = Notes() if settings.messages_days else None
    metrics, tracing = Metrics(), open_tracing()
    context = Context(
        settings=settings,
        database=Database(settings.database_url),
        seal=Seal(settings.secret(), settings.previous_secret()),
        client=WatchedClient(
            metrics,
            tracing,
            allow_private=settings.allow_private_networks,
            certificates=Certificates(settings.tls_folder),
            proxy=settings.proxy_url,
            ports=settings.partner_port_numbers,
            direct=settings.client == "aiohttp",
            notes=notes,
        ),
        notes=notes,
        metrics=metrics,
        tracing=tracing,
    )
    try:
        await upgrade(context.database)
        await ensure_parties(context)
        yield context
    finally:
        await close_context(context)


async def close_context(context: Context) -> None:
    """Store what was noted last, and close every connection; twice does no harm."""
    try:
        await store_notes(context.database, context.seal, context.notes)
        await store_tolerances(context.database, context.forgiving)
    except DATABASE_ERRORS as error:
        log.warning(NOT_STORED, error=repr(error))
    await context.close()


async def ensure_parties(context: Context) -> None:
    """Make the parties that the settings name ours, under the names that they give."""
    settings = context.settings
    if settings.country_code is not None and settings.party_id is not None:
        party = Party(settings.country_code.upper(), settings.party_id.upper())
        await _ensure(context, PlatformID.CPO, party, settings.name)
    hub = hub_party(settings)
    if hub is not None:
        await _require_codes_of_its_own(context, hub)
        await _ensure(context, PlatformID.HUB, hub, settings.hub_name)
    await _take_for_us(context)


async def _take_for_us(context: Context) -> None:
    """Have no hub speak for parties of ours, as some could that an older version has added."""
    ours = col(AnnouncedParty.party).in_(select(col(OurParty.party)))
    announced = select(col(AnnouncedParty.party)).where(ours).distinct()
    async with context.database.read() as db:
        parties = (await db.exec(announced)).all()
    for party in sorted(parties):
        async with context.database.write() as db:
            await take_for_us(db, party)


async def _require_codes_of_its_own(context: Context, hub: Party) -> None:
    """Raises ``Conflict`` where what is sent to a party could not be told from what is for all.

    A hub that has been there before stays: whoever was bound to its codes then can be removed.
    """
    ours = select(OurParty.platform).where(OurParty.party == hub.key)
    member = (
        select(Partner.name)
        .join(PartnerRole, col(PartnerRole.partner_id) == col(Partner.id))
        .where(PartnerRole.platform == PlatformID.HUB, PartnerRole.party == hub.key)
    )
    async with context.database.read() as db:
        platforms = set((await db.exec(ours)).all())
        name = (await db.exec(member)).first()
    holder = None if name is None or PlatformID.HUB in platforms else f"of the partner {name}"
    if PlatformID.CPO in platforms:
        holder = "of our own"
    if holder is not None:
        raise Conflict(
            f"OCPI_HUB_COUNTRY_CODE and OCPI_HUB_PARTY_ID name {hub}, which is a party {holder}: "
            "give the hub a party id of its own, for what is sent to it is for all."
        )


async def _ensure(context: Context, platform: PlatformID, party: Party, name: str | None) -> None:
    details = {"name": name or str(party)}
    # Of several processes that start at once one adds the party.
    with suppress(IntegrityError):
        async with context.database.write() as db:
            found = await db.exec(
                select(OurParty).where(OurParty.platform == platform, OurParty.party == party.key)
            )
            known = found.one_or_none()
            if known is None:
                db.add(our_party(platform, party, details))
                await db.flush()
                await take_for_us(db, party.key)
            elif name is not None and known.business_details["name"] != name:
                known.business_details = {**known.business_details, **details}
