"""A conformant OCPI 2.2.1 eMSP in memory: it registers, receives and judges, or misbehaves."""

from ocpi.testing.emsp.app import create_app, running
from ocpi.testing.emsp.misbehaviour import Match, Rule
from ocpi.testing.emsp.mock import EMSP_INTERFACES, MockEMSP
from ocpi.testing.emsp.outgoing import PeerFailed
from ocpi.testing.emsp.state import Party

__all__ = [
    "EMSP_INTERFACES",
    "Match",
    "MockEMSP",
    "Party",
    "PeerFailed",
    "Rule",
    "create_app",
    "running",
]
