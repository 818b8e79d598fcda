"""The way in: a plain ASGI layer that names, authenticates and bounds a request before FastAPI."""

import time
from dataclasses import replace
from typing import Any

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ocpi.admission import away
from ocpi.arrival import Arrival
from ocpi.calling import Endpoints
from ocpi.context import Context
from ocpi.envelope import failure, may_pass, unexpected
from ocpi.errors import (
    InvalidParameters,
    NotAuthenticated,
    OCPIError,
    Overloaded,
    ServerFailure,
    Unchecked,
    UnknownObject,
)
from ocpi.guessing import Guesses
from ocpi.headers import (
    MessageIDs,
    Party,
    Routing,
    read_message_ids,
    read_routing,
    routing_headers,
)
from ocpi.hub.desk import Carried, Desk, Here
from ocpi.hub.senders import as_party, stranger, with_announced
from ocpi.journal.notes import Note
from ocpi.messages import about, log
from ocpi.metrics import OTHER, code_in
from ocpi.owning import asking
from ocpi.parties import Caller, PlatformID, authenticate

# What partners may ask for with a registration token (TR-06), and what is never routed (RT-03).
_CONFIGURATION = {"versions", "2.2.1", "2.2.1/credentials"}
_UNROUTED = {"versions", "credentials", "hubclientinfo"}
# What moves stations or asks for answers of others, though it is sent to a receiver.
_LIVE = {"commands", "chargingprofiles"}


class Front:
    """Gives each OCPI request its ids, caller and party, and each answer its headers.

    It stands before FastAPI because a token must be judged before a body is read, a message for
    somebody else must not meet module code, and errors of every kind must wear the envelope.
    """

    def __init__(
        self, context: Context, api: ASGIApp, endpoints: Endpoints, desk: Desk | None = None
    ) -> None:
        """The `desk` is the hub's; without it there is no such platform."""
        self.context = context
        self.api = api
        self.endpoints = endpoints
        self.desk = desk
        self.guesses = Guesses()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request below /ocpi."""
        request = Arrival(scope, receive)
        exchange = _Exchange(read_message_ids(request.headers), send)
        platform = request.platform if request.platform in self.context.interfaces else OTHER
        subject, tracing = request.subject, self.context.tracing
        with about(exchange.ids), tracing.coming_in(scope["method"], platform, subject) as span:
            await self._take(request, exchange, platform, subject)
            span.answered(exchange.status, str(exchange.code), exchange.ids, exchange.partner)

    async def _take(
        self, request: Arrival, exchange: "_Exchange", platform: str, subject: str
    ) -> None:
        at, started = time.time_ns() // 1000, time.perf_counter()
        scope, metrics, path = request.scope, self.context.metrics, request.path
        try:
            async with self.context.admission.place(request.headers.get("authorization", "")):
                await self._answer(request, exchange)
        except Overloaded as error:
            exchange.turned_away = True
            await failure(error)(scope, request.receive, exchange.send)
        except OCPIError as error:
            metrics.refused(error, interface=platform, partner=exchange.partner)
            await failure(error)(scope, request.receive, exchange.send)
        except Exception as error:  # noqa: BLE001 - Nobody behind us answers, and it is logged here.
            # Starlette raises again what it has answered itself.
            if may_pass(error):
                log.warning("not possible now", path=path, error=repr(error))
            else:
                metrics.crashes.inc()
                log.exception("crash", request_id=exchange.ids.request_id, path=path)
            if not exchange.status:
                await unexpected(error)(scope, request.receive, exchange.send)
        finally:
            seconds = time.perf_counter() - started
            method, http = scope["method"], exchange.status
            metrics.came_in(platform, subject, method, http, exchange.code, seconds)
            # To tell of those who are turned away would cost more than to turn them away.
            if not exchange.turned_away:
                self._tell(request, exchange, at, seconds * 1000)

    def _tell(self, request: Arrival, exchange: "_Exchange", at: int, ms: float) -> None:
        """Leave a row in the message log and a line in the process' log."""
        notes, known = self.context.notes, exchange.partner is not None
        if notes is not None and (known or self.guesses.shows(request.address)):
            notes.add(exchange.note(request, at, ms))
        log.info(
            "message in",
            method=request.scope["method"],
            path=request.path,
            http=exchange.status,
            partner=exchange.partner,
            ms=round(ms, 1),
            request_id=exchange.ids.request_id,
            correlation_id=exchange.ids.correlation_id,
        )

    async def _answer(self, request: Arrival, exchange: "_Exchange") -> None:
        caller = await self._authenticate(request, exchange)
        with self.context.hearing(caller.name):
            request.forgive_forms(caller.token)
            await self._answer_to(caller, request, exchange)

    async def _answer_to(self, caller: Caller, request: Arrival, exchange: "_Exchange") -> None:
        state: dict[str, Any] = {"context": self.context, "caller": caller, "ids": exchange.ids}
        state["module"] = request.module
        if request.rest in _CONFIGURATION:
            await self._answer_here(request, exchange, state)
            return
        if caller.registration:
            raise NotAuthenticated("This is a registration token: register first.")
        if self.context.settings.require_check and not caller.passed:
            _refuse_unchecked(request)
        if request.module in _UNROUTED:
            await self._answer_here(request, exchange, state)
            return
        desk = self.desk if caller.platform == PlatformID.HUB else None
        routing = read_routing(request.headers)
        if desk is not None:
            sender = routing.sender
            if sender is None and request.link is not None:
                sender = await desk.follower_of(request.link, caller)
            # Whoever is behind a hub is named, or is not meant.
            sender = sender or exchange.only_party(caller)
            routing = replace(routing, sender=sender)
            await self._answer_at_desk(desk, request, routing, exchange, state)
            return
        named = [party for party in (routing.sender, request.owner) if party is not None]
        caller = state["caller"] = await with_announced(self.context.database, caller, named)
        party = exchange.address(routing, caller)
        interface = request.interface.upper()
        state["caller"] = asking(caller, request.module, interface, routing.sender)
        await self._answer_here(request, exchange, {**state, **_meant_here(party, (party,))})

    async def _authenticate(self, request: Arrival, exchange: "_Exchange") -> Caller:
        request.require_once()
        if request.platform not in self.context.interfaces:
            raise UnknownObject(f"There is no platform {request.platform!r} here.")
        authorization, now = request.headers.get("authorization"), time.time_ns() // 1000
        try:
            caller = await authenticate(self.context.database, request.platform, authorization, now)
        except NotAuthenticated:
            if authorization:
                self.guesses.wrong(request.address, authorization)
            raise
        exchange.partner = caller.name
        self.context.pulse.heard(caller.partner_id)
        return caller

    async def _answer_at_desk(
        self,
        desk: Desk,
        request: Arrival,
        routing: Routing,
        exchange: "_Exchange",
        state: dict[str, Any],
    ) -> None:
        sender = routing.sender
        assert sender is not None
        exchange.set_addresses(sender, desk.hub)
        if not request.is_routed:
            raise UnknownObject(f"There is nothing at {request.path}.")
        said = await request.message(state["caller"], sender, routing.to, exchange.ids)
        caller = await as_party(self.context.database, said.caller, sender, said.owner)
        message = said.spoken_by(caller)
        started = time.perf_counter()
        if request.link is not None:
            meant, destination = await desk.follow(message, request.link)
            exchange.link = (meant.module, meant.interface)
            visit: Here | Carried = await desk.carry(meant, destination)
        else:
            visit = await desk.take(message)
        exchange.set_addresses(sender, visit.answering)
        if isinstance(visit, Carried):
            self.context.metrics.relay_seconds.observe(time.perf_counter() - started)
            await visit.answer(request.scope, request.receive, exchange.send)
            return
        parties = _meant_here(visit.answering, visit.owners, broadcast=visit.broadcast)
        await self._answer_here(request, exchange, {**state, "caller": caller, **parties})

    async def _answer_here(
        self, request: Arrival, exchange: "_Exchange", state: dict[str, Any]
    ) -> None:
        scope, receive = request.scope_for(state), await request.replayed()
        endpoint = self.endpoints.find(
            scope["method"], request.base, request.below, scope["query_string"]
        )
        answer: ASGIApp | None = None
        if endpoint is not None:
            answer = await endpoint.answer(Request(scope, receive))
        await (answer or self.api)(scope, await request.replayed(), exchange.send)


def _refuse_unchecked(request: Arrival) -> None:
    """A partner that has not passed its check may tell us of itself, and gets nothing of ours.

    It is refused, since an empty list would say that what it may hold is no longer valid (PG-13).
    """
    if request.interface != "receiver" or request.module in _LIVE:
        raise Unchecked


def _meant_here(
    addressed: Party, owners: tuple[Party, ...], *, broadcast: bool = False
) -> dict[str, Any]:
    return {"addressed": addressed, "owners": owners, "broadcast": broadcast}


class _Exchange:
    """One request and its answer on the way out."""

    def __init__(self, ids: MessageIDs, send: Send) -> None:
        self.ids = ids
        self.status = 0
        self.code = 0
        """The OCPI status code of the answer, 0 where none was seen."""
        self.partner: str | None = None
        self.turned_away = False
        self.link: tuple[str, str] | None = None
        """Module and interface of the link of the hub's that was followed."""
        self._send = send
        self._body = b""
        self._size = 0
        self._headers = {
            "X-Request-ID": ids.request_id,
            "X-Correlation-ID": ids.correlation_id,
        }

    def address(self, routing: Routing, caller: Caller) -> Party:
        """The one party of ours that is meant; the answer goes the way back (RT-05, RT-07)."""
        if routing.sender is not None:
            self._headers |= routing_headers(routing.sender, None)
            if routing.sender.key not in {role.party.key for role in caller.roles}:
                raise stranger(caller, routing.sender)
        party = _meant(routing.to, caller.ours)
        if routing.sender is not None or routing.to is not None:
            self._headers |= routing_headers(None, party)
        return party

    def set_addresses(self, requesting: Party, answering: Party) -> None:
        """The answer goes from one party to the other (RT-07)."""
        self._headers |= routing_headers(requesting, answering)

    def only_party(self, caller: Caller) -> Party:
        """The party of a caller that names none and has but one (RT-04)."""
        if len(caller.parties) == 1:
            return caller.parties[0]
        parties = ", ".join(str(party) for party in caller.parties)
        raise InvalidParameters(
            "OCPI-from-country-code and OCPI-from-party-id are needed: the partner "
            f"{caller.name} has the parties {parties}"
        )

    async def send(self, message: Message) -> None:
        """Pass on a part of the answer, with our headers on its start (TR-14)."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            own = [(name.encode(), value.encode()) for name, value in self._headers.items()]
            message = {**message, "headers": [*message.get("headers", []), *own]}
        else:
            # Answers come in one piece; of another one the first is as good as an excerpt.
            part = message.get("body", b"")
            self._body = self._body or part
            self._size += len(part)
            self.code = self.code or code_in(part)
        with away():
            await self._send(message)

    def note(self, request: Arrival, at: int, ms: float) -> Note:
        """The exchange for the message log."""
        query, body = request.scope["query_string"], request.body_read
        return Note(
            at=at,
            direction="IN",
            partner=self.partner,
            method=request.scope["method"],
            url=f"{request.path}?{query.decode('latin-1')}" if query else request.path,
            headers=request.headers,
            ids=self.ids,
            secret=request.headers.get("authorization", ""),
            http_status=self.status or None,
            failure=None,
            ms=ms,
            request=body,
            response=self._body,
            request_bytes=len(body),
            response_bytes=self._size,
            link=self.link,
        )


def _meant(to: Party | None, ours: tuple[Party, ...]) -> Party:
    if to is not None:
        for party in ours:
            if party.key == to.key:
                return party
        # Codes 4xxx are for hubs alone (ST-12, RT-39).
        raise InvalidParameters(f"OCPI-to: {to} is no party of this platform.")
    if len(ours) == 1:
        return ours[0]
    if not ours:
        raise ServerFailure("This platform has no party yet.")
    raise InvalidParameters(
        "OCPI-to-country-code and OCPI-to-party-id are needed: this platform speaks for "
        + ", ".join(str(party) for party in ours)
    )
