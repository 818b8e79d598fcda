"""A conformant OCPI 2.2.1 CPO in memory: it registers, tells, answers and judges, or misbehaves."""

from ocpi.testing.cpo.mock import CPO_INTERFACES, MockCPO
from ocpi.testing.mock.app import create_app, running
from ocpi.testing.mock.misbehaviour import Match, Rule
from ocpi.testing.mock.outgoing import OPEN, Address, PeerFailed
from ocpi.testing.mock.state import Party

__all__ = [
    "CPO_INTERFACES",
    "OPEN",
    "Address",
    "Match",
    "MockCPO",
    "Party",
    "PeerFailed",
    "Rule",
    "create_app",
    "running",
]
