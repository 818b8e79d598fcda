"""Which role owns what, and by which of its roles a connection asks."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from ocpi.errors import ForeignOwner, InvalidParameters
from ocpi.headers import Party
from ocpi.owning import asking, require_owner
from ocpi.parties import Caller, PartyRole, PlatformID, State
from ocpi.sides import hearers
from ocpi.spec.types import Role
from tests.house import OURS
from tests.ocpi.hub.test_roles import MEMBERS, SPLIT
from tests.ocpi.hub.town import (
    Town,
    open_town,
)


@pytest.fixture
async def town(database_url: str) -> AsyncIterator[Town]:
    async with open_town(database_url, MEMBERS) as opened:
        yield opened


def caller(*roles: tuple[str, Party], partner_id: int = 0) -> Caller:
    played = tuple(PartyRole(role, party) for role, party in roles)
    return Caller(
        partner_id,
        "somebody",
        PlatformID.HUB,
        played,
        State.CONFIRMED,
        registration=False,
        token="",
    )


OWN = {
    "locations": {"CPO", "NAP", "HUB"},
    "tariffs": {"CPO", "NAP", "HUB"},
    "sessions": {"CPO", "HUB"},
    "cdrs": {"CPO", "HUB"},
    "tokens": {"EMSP", "NSP", "OTHER", "SCSP", "NAP", "HUB"},
}


@pytest.mark.req("CO-06")
async def test_every_role_owns_what_ocpi_lets_it_own(town: Town) -> None:
    alone, database = Party("SE", "ONE"), town.context.database
    for module, may in OWN.items():
        for role in Role:
            one = caller((str(role), alone))
            if role in may:
                assert await require_owner(database, one, module, Party("se", "one")) == alone
            else:
                with pytest.raises(ForeignOwner):
                    await require_owner(database, one, module, alone)
            # By that alone it is heard of, too.
            assert bool(hearers(module, [str(role)])) == (role in may)


async def test_of_several_roles_of_one_connection_one_is_enough(town: Town) -> None:
    one = caller(("CPO", SPLIT), ("NSP", SPLIT), ("EMSP", OURS))
    database = town.context.database
    assert await require_owner(database, one, "locations", SPLIT) == SPLIT
    with pytest.raises(ForeignOwner):  # The eMSP of these codes is elsewhere.
        await require_owner(database, one, "tokens", SPLIT)
    assert await require_owner(database, one, "tokens", OURS) == OURS
    assert asking(one, "commands", "RECEIVER", None).parties == (SPLIT, OURS)
    assert asking(one, "locations", "SENDER", None) is one
    with pytest.raises(InvalidParameters):
        asking(caller(("CPO", SPLIT), ("EMSP", OURS)), "commands", "RECEIVER", SPLIT)
