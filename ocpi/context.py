"""What a running process has at hand: settings, database, seal, client, and what is mounted."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from ocpi.admission import Admission, whole
from ocpi.client import Client
from ocpi.database import Database
from ocpi.forgiving import Forgiving, hearing
from ocpi.gateway import Gateway, NoGateway
from ocpi.journal.notes import Notes
from ocpi.metrics import Metrics
from ocpi.parties import VERSION
from ocpi.pulse import Pulse
from ocpi.sealing import Seal
from ocpi.settings import Settings
from ocpi.tracing import Tracing


@dataclass(frozen=True)
class Interface:
    """One module's interface as a platform offers it."""

    module: str
    role: str
    """SENDER or RECEIVER."""


@dataclass(frozen=True)
class Context:
    """Made once by the CLI or the app factory, and passed on."""

    settings: Settings
    database: Database
    seal: Seal
    client: Client
    interfaces: Mapping[str, Sequence[Interface]] = field(default_factory=dict)
    """What each platform has mounted; version details are made from it (VE-08)."""
    gateway: Gateway = field(default_factory=NoGateway)
    """The way to our stations."""
    errands: asyncio.Event = field(default_factory=asyncio.Event)
    """Set after a commit that left an errand to run, so that this process need not poll for it."""

    pulse: Pulse = field(default_factory=Pulse)
    """What this process sees of its partners' being there."""
    ending: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the process was told to end, for what would otherwise be served without end."""
    notes: Notes | None = None
    """What it has exchanged since that was last stored; None: the message log is off."""
    metrics: Metrics = field(default_factory=Metrics)
    admission: Admission = field(default_factory=whole)
    """Whose requests it works on now."""
    tracing: Tracing = field(default_factory=Tracing)

    @property
    def forgiving(self) -> Forgiving:
        """What this process forgives its partners."""
        return self.client.forgiving

    def hearing(self, partner: str) -> AbstractContextManager[None]:
        """What is read within the block comes from this partner."""
        return hearing(self.forgiving, partner)

    def platform_url(self, platform: str) -> str:
        """The address under which a platform's versions, credentials and modules lie."""
        return f"{self.settings.base_url}/ocpi/{platform}"

    def versions_url(self, platform: str) -> str:
        """The versions URL that partners of a platform are given."""
        return f"{self.platform_url(platform)}/versions"

    def module_url(self, platform: str, interface: Interface) -> str:
        """The address of a module's interface."""
        side = interface.role.lower()
        return f"{self.platform_url(platform)}/{VERSION}/{side}/{interface.module}"

    def credentials_url(self, platform: str) -> str:
        """The address of a platform's credentials endpoint."""
        return f"{self.platform_url(platform)}/{VERSION}/credentials"

    async def close(self) -> None:
        """Close connections to stations, to partners and to the database."""
        await self.gateway.close()
        await self.client.close()
        await self.database.close()
        await self.tracing.close()
