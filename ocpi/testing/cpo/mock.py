"""The mock CPO as its users hold it."""

from __future__ import annotations

from collections.abc import Sequence

import httpx

from ocpi.testing.cpo import authorizing, profiles, pushing
from ocpi.testing.cpo.commands import COMMAND_ROUTES
from ocpi.testing.cpo.control import CPO_CONTROLS
from ocpi.testing.mock import credentials
from ocpi.testing.mock.hubclientinfo import CLIENT_ROUTES
from ocpi.testing.mock.outgoing import Address, Reply
from ocpi.testing.mock.platform import MockPlatform
from ocpi.testing.mock.receiver import get_object, patch_object, put_object
from ocpi.testing.mock.sender import get_published, list_objects, list_since
from ocpi.testing.mock.state import Interfaces, Party
from ocpi.testing.mock.wire import Document

# What exists is what version details advertise: a further module is one more line here.
CPO_INTERFACES: Interfaces = {
    **credentials.INTERFACES,
    ("sender", "locations"): {
        ("GET", 0): list_objects,
        **{("GET", depth): get_published for depth in (1, 2, 3)},
    },
    ("sender", "tariffs"): {("GET", 0): list_objects},
    ("sender", "sessions"): {("GET", 0): list_since, ("PUT", 2): profiles.put_preferences},
    ("sender", "cdrs"): {("GET", 0): list_objects},
    ("receiver", "tokens"): {
        ("GET", 3): get_object,
        ("PUT", 3): put_object,
        ("PATCH", 3): patch_object,
    },
    ("receiver", "commands"): COMMAND_ROUTES,
    ("receiver", "chargingprofiles"): profiles.PROFILE_ROUTES,
    ("receiver", "hubclientinfo"): CLIENT_ROUTES,
}


class MockCPO(MockPlatform):
    """A mock platform of CPOs; `to` and `sender` are explained in MockPlatform.

    Sessions and CDRs are by default for the eMSP of their `cdr_token`. Commands are carried out:
    START_SESSION makes a Session, STOP_SESSION completes it, and after the result the Session is
    told; `settled` waits for all that.
    """

    def __init__(
        self,
        parties: Sequence[Party] = (Party("DE", "CPO", "Mock CPO", "CPO"),),
        *,
        interfaces: Interfaces = CPO_INTERFACES,
        base_url: str = "http://cpo.test",
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        super().__init__(
            parties,
            interfaces=interfaces,
            controls=CPO_CONTROLS,
            base_url=base_url,
            transport=transport,
        )

    async def put_location(
        self, location: Document, *, to: Address | None = None, sender: Address | None = None
    ) -> Reply:
        """Take the Location as ours, or anew, and PUT it."""
        return await pushing.put_object(self, "locations", location, to, sender)

    async def patch_location(
        self,
        location: Document,
        changes: Document,
        *,
        to: Address | None = None,
        sender: Address | None = None,
    ) -> Reply:
        """Change a Location of ours, and PATCH what changed, `last_updated` included."""
        return await pushing.patch_object(
            self, "locations", location, changes, to=to, sender=sender
        )

    async def patch_evse(
        self,
        location: Document,
        evse_uid: str,
        changes: Document,
        *,
        to: Address | None = None,
        sender: Address | None = None,
    ) -> Reply:
        """Change an EVSE of the Location, and PATCH what changed, `last_updated` included."""
        return await pushing.patch_object(
            self, "locations", location, changes, (evse_uid,), to, sender
        )

    async def put_tariff(
        self, tariff: Document, *, to: Address | None = None, sender: Address | None = None
    ) -> Reply:
        return await pushing.put_object(self, "tariffs", tariff, to, sender)

    async def delete_tariff(
        self, tariff: Document, *, to: Address | None = None, sender: Address | None = None
    ) -> Reply:
        return await pushing.delete_tariff(self, tariff, to, sender)

    async def put_session(
        self, session: Document, *, to: Address | None = None, sender: Address | None = None
    ) -> Reply:
        return await pushing.put_object(self, "sessions", session, to, sender)

    async def patch_session(
        self,
        session: Document,
        changes: Document,
        *,
        to: Address | None = None,
        sender: Address | None = None,
    ) -> Reply:
        """Change a Session of ours; its `charging_periods` are added to those there were."""
        return await pushing.patch_object(self, "sessions", session, changes, to=to, sender=sender)

    async def post_cdr(
        self, cdr: Document, *, to: Address | None = None, sender: Address | None = None
    ) -> Reply:
        """Keep the CDR and POST it; `cdr_urls` has the URL that it gets."""
        return await pushing.post_cdr(self, cdr, to, sender)

    async def fetch_cdr(
        self, cdr: Document, *, to: Address | None = None, sender: Address | None = None
    ) -> Reply:
        """GET what the peer has of a CDR that was posted, at the URL that it gave."""
        return await pushing.fetch_cdr(self, cdr, to, sender)

    async def authorize(
        self,
        uid: str,
        kind: str = "RFID",
        location_references: Document | None = None,
        *,
        to: Address | None = None,
        sender: Address | None = None,
    ) -> Reply:
        """Ask whether a driver may charge; the reply's data is an AuthorizationInfo."""
        return await authorizing.authorize(self, uid, kind, location_references, to, sender)
