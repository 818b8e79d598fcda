"""What a partner sees of a module, and why not more: before anything is sent."""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from sqlalchemy import select as select_columns
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from ocpi.context import Context
from ocpi.directory import Directory, read_directory
from ocpi.errors import InvalidParameters
from ocpi.golive.ruling import Stores, find_partner, sight_of
from ocpi.headers import Party
from ocpi.mappings import Mappings
from ocpi.parties import (
    Partner,
    PartnerEndpoint,
    PartnerRole,
    PlatformID,
    State,
    our_parties,
    waits_for_check,
)
from ocpi.sight import Facts, ModuleSight, read_facts
from ocpi.store import Store

MODULES = ("locations", "tariffs", "tokens", "sessions", "cdrs", "hubclientinfo")
_CHUNK = 1000
_FACTS = tuple(each.name for each in fields(Facts))

Reason = str | None
Judge = Callable[[Mapping[str, Any]], tuple[bool, str]]


@dataclass(frozen=True)
class Seen:
    """One object, and whether the partner sees it."""

    object: str
    """Owner and id, `nl*tnm*loc1`."""
    visible: bool
    reason: str


@dataclass
class Preview:
    """A page of a module's objects as a partner sees them, and the counts of all."""

    partner: str
    module: str
    remarks: list[str]
    """What holds for all of them."""
    totals: Counter[tuple[bool, str]] = field(default_factory=Counter)
    """How many objects there are by visibility and reason."""
    rows: list[Seen] = field(default_factory=list)

    @property
    def total(self) -> int:
        """How many objects there are."""
        return self.totals.total()


def preview_view(found: Preview) -> dict[str, Any]:
    """A preview as it is shown."""
    return {
        "partner": found.partner,
        "module": found.module,
        "remarks": found.remarks,
        "total": found.total,
        "totals": [
            {"visible": visible, "reason": reason, "count": count}
            for (visible, reason), count in found.totals.most_common()
        ],
        "objects": [vars(each) for each in found.rows],
    }


async def preview(
    context: Context,
    stores: Stores,
    name: str,
    module: str,
    *,
    offset: int = 0,
    limit: int = 100,
    only: bool | None = None,
) -> Preview:
    """What a partner would be given and told of a module now; `only` the visible or the hidden.

    Raises ``UnknownObject`` and ``InvalidParameters``.
    """
    if module not in MODULES:
        raise InvalidParameters(f"module: can be {', '.join(MODULES)}")
    async with context.database.read() as db:
        partner = await find_partner(db, name)
        parties = await _parties(db, partner.key)
        found = Preview(name, module, await _remarks(context, db, partner, module))
        judge = await _judge(context, partner, module, parties)
        async for row in _rows(db, stores[module], await _owners(context, partner)):
            visible, reason = judge(row)
            found.totals[visible, reason] += 1
            if only in (None, visible):
                if offset <= 0 and len(found.rows) < limit:
                    found.rows.append(Seen(row["key"], visible, reason))
                offset -= 1
    return found


async def _parties(db: AsyncSession, partner_id: int) -> Mapping[str, Party]:
    rows = await db.exec(select(PartnerRole).where(PartnerRole.partner_id == partner_id))
    return {row.party: Party(row.country_code, row.party_id) for row in rows.all()}


async def _owners(context: Context, partner: Partner) -> Sequence[str] | None:
    """Whose objects there are for it: on the platform `cpo` those of our parties, else all."""
    if partner.platform == PlatformID.HUB:
        return None
    return [party.key for party in await our_parties(context.database, PlatformID.CPO)]


async def _rows(
    db: AsyncSession, store: Store[Any], owners: Sequence[str] | None
) -> AsyncIterator[Mapping[str, Any]]:
    """The columns that decide, of all objects, oldest creation first; no body is read."""
    columns = store.table.__table__.c
    wanted = ("position", *_FACTS, "tariffs", "audience")
    names = [name for name in wanted if name in columns]
    query: Any = select_columns(*(columns[name] for name in names))
    if owners is not None:
        query = query.where(columns.owner.in_(owners))
    after = -1
    while True:
        this = query.where(columns.position > after).order_by(columns.position).limit(_CHUNK)
        page = (await db.exec(this)).all()
        for row in page:
            yield dict(zip(names, row, strict=True))
        if len(page) < _CHUNK:
            return
        after = page[-1][0]


async def _remarks(context: Context, db: AsyncSession, partner: Partner, module: str) -> list[str]:
    remarks = []
    if partner.suspended:
        remarks.append("It is suspended: its requests are refused and nothing is sent to it.")
    if partner.state not in (State.ISSUED, State.CONFIRMED):
        remarks.append("It is not registered yet: this is what it will see.")
    if context.settings.require_check and partner.passed_at is None:
        remarks.append(waits_for_check(partner.name))
    receiver = await db.get(PartnerEndpoint, (partner.key, module, "RECEIVER"))
    if receiver is None and partner.state in (State.ISSUED, State.CONFIRMED):
        remarks.append(f"It offers no {module} RECEIVER: it can GET them, but is told nothing.")
    if sight_of(partner).of(module):
        remarks.append(
            "What it was told and must not see any more is taken back: of a Location every EVSE "
            "is told to be REMOVED, a Tariff is deleted."
        )
    return remarks


async def _judge(
    context: Context, partner: Partner, module: str, parties: Mapping[str, Party]
) -> Judge:
    """What decides over an object of a module, as lists and the push do."""
    sight = sight_of(partner).of(module)
    directory = None
    if partner.platform == PlatformID.HUB:
        directory = await read_directory(context.database, context.settings)

    def judge(row: Mapping[str, Any]) -> tuple[bool, str]:
        if directory is None:
            hidden = _not_told(module)
        elif module == "hubclientinfo":
            hidden = _unknown(directory, partner.key, row["owner"])
        else:
            hidden = _unheard(directory, partner.key, parties, module, row["owner"])
        hidden = hidden or _not_its_driver(row, parties) or _ruled_out(row, sight)
        return (False, hidden) if hidden else (True, _why(row, sight.mappings))

    return judge


def _not_told(module: str) -> Reason:
    """What a CPO platform keeps for itself."""
    reasons = {
        "tokens": "role: a CPO platform tells nobody Tokens, it is told them",
        "hubclientinfo": "role: only a hub tells who is connected",
    }
    return reasons.get(module)


def _unknown(directory: Directory, partner_id: int, owner: str) -> Reason:
    own = {member.party.key for member in directory.of(partner_id)}
    if owner in own:
        return "its own"
    if any(directory.agreements.knows(each, owner) for each in own):
        return None
    return f"agreement: it may not talk to {owner.upper()}"


def _unheard(
    directory: Directory, partner_id: int, parties: Mapping[str, Party], module: str, owner: str
) -> Reason:
    """Why none of its parties lists or hears what an owner shares through the hub."""
    sharers = directory.sharers(owner, module)
    elsewhere = [each for each in sharers if each.partner_id != partner_id]
    if owner in parties and not elsewhere:
        return "its own"
    if owner not in directory.members:
        return f"{owner.upper()} has left the hub"
    if not sharers:
        return f"standing: {owner.upper()} is PLANNED or SUSPENDED"
    heard = directory.hearers_of(owner, module, partner_id)
    reason = "role: none of its roles hears it"
    for party in parties.values():
        shared = {each.key for each in directory.shared_with(party, partner_id, module)}
        if owner in shared:
            return None
        if heard & {member.role for member in directory.members.get(party.key, ())}:
            reason = f"agreement: {owner.upper()} and {party} may not exchange {module}"
    return reason


def _not_its_driver(row: Mapping[str, Any], parties: Mapping[str, Party]) -> Reason:
    if "audience" not in row or row["audience"] in parties:
        return None
    return f"token: the driver is of {row['audience'].upper()}"


def _ruled_out(row: Mapping[str, Any], sight: ModuleSight) -> Reason:
    if not sight:
        return None
    names = [name for name in _FACTS if name in row]
    return sight.why_not(read_facts(names, [row[name] for name in names]))


def _why(row: Mapping[str, Any], mappings: Mappings) -> str:
    """Why it is seen; of what a mapping changes for the partner, what that is."""
    keys = row.get("tariffs", row["key"]).strip("|").split("|")
    changes = dict.fromkeys(mappings.why(key) for key in keys)
    return "; ".join([_open(row), *(each for each in changes if each)])


def _open(row: Mapping[str, Any]) -> str:
    if not row.get("publish", True):
        return (
            "given, with publish false: to be shown only to owners of tokens in "
            "publish_allowed_to (LO-16)"
        )
    return "its driver's token" if "audience" in row else "open to it"
