"""What the product is made of: every module, and what each platform offers of it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import modules.cdrs.admin
import modules.cdrs.receiver
import modules.cdrs.sender
import modules.chargingprofiles.admin
import modules.chargingprofiles.receiver
import modules.chargingprofiles.sender
import modules.commands.admin
import modules.commands.receiver
import modules.commands.sender
import modules.hubclientinfo.receiver
import modules.hubclientinfo.sender
import modules.locations.admin
import modules.locations.receiver
import modules.locations.sender
import modules.sessions.admin
import modules.sessions.receiver
import modules.sessions.sender
import modules.stations.admin
import modules.stations.gateways.messages
import modules.stations.preferences
import modules.tariffs.admin
import modules.tariffs.pricingadmin
import modules.tariffs.receiver
import modules.tariffs.sender
import modules.tokens.admin
import modules.tokens.receiver
import modules.tokens.sender
from modules.cdrs.source import CDRSource
from modules.cdrs.store import cdrs
from modules.hubclientinfo.source import ClientInfoSource
from modules.hubclientinfo.store import client_infos
from modules.locations.source import LocationSource
from modules.locations.store import locations
from modules.sessions.source import SessionSource
from modules.sessions.store import sessions
from modules.stations.gateways.opening import open_gateway
from modules.tariffs.source import TariffSource
from modules.tariffs.store import tariffs
from modules.tokens.source import TokenSource
from modules.tokens.store import hub_tokens, tokens
from ocpi.context import Context, Interface
from ocpi.gateway import NoGateway
from ocpi.module import Module
from ocpi.parties import PlatformID
from ocpi.pull.pullable import Pullable, Pullables
from ocpi.settings import Settings
from ocpi.store import Store

MODULES = (
    Module(
        "locations",
        cpo="SENDER",
        sender=modules.locations.sender.router,
        receiver=modules.locations.receiver.router,
        source=LocationSource(),
    ),
    Module(
        "tariffs",
        cpo="SENDER",
        sender=modules.tariffs.sender.router,
        receiver=modules.tariffs.receiver.router,
        source=TariffSource(),
    ),
    Module(
        "sessions",
        cpo="SENDER",
        sender=modules.sessions.sender.router,
        elsewhere=modules.stations.preferences.router,
        receiver=modules.sessions.receiver.router,
        source=SessionSource(),
    ),
    Module(
        "cdrs",
        cpo="SENDER",
        sender=modules.cdrs.sender.router,
        receiver=modules.cdrs.receiver.router,
        source=CDRSource(),
    ),
    Module(
        "commands",
        cpo="RECEIVER",
        sender=modules.commands.sender.router,
        receiver=modules.commands.receiver.router,
    ),
    Module(
        "chargingprofiles",
        cpo="RECEIVER",
        sender=modules.chargingprofiles.sender.router,
        receiver=modules.chargingprofiles.receiver.router,
    ),
    Module(
        "tokens",
        cpo="RECEIVER",
        sender=modules.tokens.sender.router,
        receiver=modules.tokens.receiver.router,
        source=TokenSource(),
    ),
    Module(
        "hubclientinfo",
        cpo="RECEIVER",
        sender=modules.hubclientinfo.sender.router,
        receiver=modules.hubclientinfo.receiver.router,
        source=ClientInfoSource(),
    ),
)
SOURCES = {module.id: module.source for module in MODULES if module.source is not None}
PULLABLES: Pullables = {
    PlatformID.CPO: [Pullable("tokens", tokens)],
    PlatformID.HUB: [
        Pullable("locations", locations),
        Pullable("tariffs", tariffs),
        Pullable("tokens", hub_tokens),
    ],
}


# What the hub keeps of what is meant for everybody, and our own Sessions: they tell whose they are.
STORES: Mapping[str, Store[Any]] = {
    "locations": locations,
    "tariffs": tariffs,
    "tokens": hub_tokens,
    "sessions": sessions,
}

# What partners see, and may be asked about.
PREVIEWED: Mapping[str, Store[Any]] = {**STORES, "cdrs": cdrs, "hubclientinfo": client_infos}

Offers = Mapping[str, Sequence[Interface]]

OFFERS: Offers = {PlatformID.CPO: [Interface(module.id, module.cpo) for module in MODULES]}
HUB_OFFERS: Offers = {
    **OFFERS,
    PlatformID.HUB: [
        Interface(module.id, role) for module in MODULES for role in ("SENDER", "RECEIVER")
    ],
}


def offers_of(settings: Settings) -> Offers:
    """What each platform offers: the hub, if it is on, both sides of every module (RT-44)."""
    return HUB_OFFERS if settings.is_hub else OFFERS


def mounted(context: Context, offers: Offers | None = None) -> Context:
    """The context of a process that serves: it knows what each platform offers, and stations."""
    gateway = context.gateway
    if isinstance(gateway, NoGateway):
        gateway = open_gateway(context.settings)
    interfaces = offers_of(context.settings) if offers is None else offers
    return replace(context, interfaces=interfaces, gateway=gateway)
