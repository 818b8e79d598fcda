"""A conformant OCPI 2.2.1 eMSP in memory: it registers, receives and judges, or misbehaves."""

from ocpi.testing.emsp.mock import EMSP_INTERFACES, MockEMSP
from ocpi.testing.mock.app import create_app, running
from ocpi.testing.mock.misbehaviour import Match, Rule
from ocpi.testing.mock.outgoing import OPEN, Address, PeerFailed
from ocpi.testing.mock.state import Party

__all__ = [
    "EMSP_INTERFACES",
    "OPEN",
    "Address",
    "Match",
    "MockEMSP",
    "Party",
    "PeerFailed",
    "Rule",
    "create_app",
    "running",
]
