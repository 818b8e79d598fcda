"""Errands are sent, and what the peer answers and reports of them is judged."""

from __future__ import annotations

from collections.abc import Iterator
from time import monotonic
from typing import Any, TypeVar

from ocpi.spec.reading import defects
from ocpi.spec.types import OCPIModel
from ocpi.testing.mock.errands import Command, Errand
from ocpi.testing.mock.outgoing import OPEN, Reply, ask_peer, succeeded
from ocpi.testing.mock.state import State
from ocpi.testing.mock.strict import read_document
from ocpi.testing.mock.wire import FROM, TO, Document, Incoming, Refused

AnyErrand = TypeVar("AnyErrand", bound=Errand)


async def send(state: State, errand: Errand, method: str, module: str, path: str) -> None:
    """Ask the peer; PeerFailed when there is no answer."""
    # Known before it is sent: its result may overtake the answer.
    state.errands[errand.uid] = errand
    reply = await ask_peer(
        state,
        method,
        "RECEIVER",
        module,
        path,
        body=errand.body,
        to=errand.to,
        sender=errand.sender,
    )
    errand.status_code = reply.status_code
    _take_response(errand, reply)


def find_errand(state: State, kind: type[AnyErrand], uid: str) -> AnyErrand:
    errand = state.errands.get(uid)
    if not isinstance(errand, kind):
        raise Refused(404, 2000, f"no {kind.__name__} was sent with this response_url (CM-07)")
    return errand


def take_result(incoming: Incoming, errand: Errand) -> Document:
    """Keep a result that is as OCPI has it, also one that should not have come."""
    result = read_document(incoming)
    if "status_code" in result:
        raise Refused(200, 2001, "the result is not bare but in an envelope (AT-67)")
    found = _describe_defects(result, errand.terms.result)
    if found:
        raise Refused(200, 2001, found)
    incoming.objections += [
        *_object_to_address(incoming, errand),
        *_object_to_time(errand, result),
    ]
    errand.results.append(result)
    errand.arrived.set()
    return result


def _take_response(errand: Errand, reply: Reply) -> None:
    """An error may come without data (CM-04 has it with); a success may not (CM-02, CP-05)."""
    if reply.data is None and not succeeded(reply):
        return
    found = _describe_defects(reply.data, errand.terms.response)
    if found:
        reply.message.blame(found)
        return
    errand.response = reply.data
    if reply.data["result"] == "ACCEPTED":
        errand.accepted_at = monotonic()
    elif errand.results:
        reply.message.blame(
            f"there was a result before the answer {reply.data['result']} "
            f"({errand.terms.after_acceptance})"
        )


def _describe_defects(document: Any, model: type[OCPIModel]) -> str:
    """Say what is wrong; an enum value that 2.2.1 does not know is, for it decides."""
    found = defects(document, model)
    return f"the {model.__name__} is not as OCPI has it: {'; '.join(found)}" if found else ""


def _object_to_address(incoming: Incoming, errand: Errand) -> Iterator[str]:
    """The URL is the one given, character for character, and the addresses are turned round."""
    if not errand.response_url.endswith(incoming.path):
        yield f"the response_url was {errand.response_url} ({errand.terms.exactly_one})"
    expected = [("to", TO, errand.sender)]
    if errand.to != OPEN:
        expected.append(("from", FROM, errand.to))
    for label, names, party in expected:
        found, wanted = "*".join(incoming.pair(names)), "*".join(party)
        if found != wanted.upper():
            yield f"the result's {label}-address is {found!r}, not {wanted!r} (CM-07, RT-02)"


def _object_to_time(errand: Errand, result: Document) -> Iterator[str]:
    terms = errand.terms
    if errand.results:
        if not _cancels_reservation(errand, result):
            yield f"it is a further result of {errand.uid} ({terms.exactly_one})"
    elif errand.response is None:
        return  # The answer was lost, or is overtaken: who knows what it says?
    elif errand.accepted_at is None:
        answered = errand.response["result"]
        yield f"a result although the answer was {answered} ({terms.after_acceptance})"
    elif monotonic() - errand.accepted_at > errand.response["timeout"]:
        yield f"the result came after the timeout ({terms.in_time})"


def _cancels_reservation(errand: Errand, result: Document) -> bool:
    """CM-23: what was reserved may be called off, once."""
    return (
        isinstance(errand, Command)
        and errand.command == "RESERVE_NOW"
        and result["result"] == "CANCELED_RESERVATION"
        and [each["result"] for each in errand.results] == ["ACCEPTED"]
    )
