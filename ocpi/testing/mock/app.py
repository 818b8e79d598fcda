"""A mock put together: its OCPI endpoints, its page and its controls, over a socket if wanted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import uuid4

from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import Receive, Scope, Send

from ocpi.testing.mock.control import control_routes
from ocpi.testing.mock.misbehaviour import misbehave, take_rule
from ocpi.testing.mock.page import page_routes
from ocpi.testing.mock.state import FUNCTIONAL, Message, State
from ocpi.testing.mock.strict import authenticate, check_headers, refuse_address
from ocpi.testing.mock.wire import (
    FROM,
    MESSAGE_IDS,
    TO,
    Answer,
    Incoming,
    Refused,
    read_request,
    refuse,
)
from ocpi.testing.serving import hang_up, serving

ROOT = "/ocpi"


@dataclass(frozen=True)
class Door:
    """The ASGI app through which every OCPI request comes, is judged, answered and written down."""

    mock: State

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        incoming = await read_request(scope, receive, ROOT)
        check_headers(self.mock, incoming)
        rule = take_rule(self.mock.rules, incoming)

        async def behave() -> Answer:
            return await self.behave(incoming)

        answer = await behave() if rule is None else await misbehave(rule, incoming, behave)
        self.write_down(incoming, answer)
        try:
            if answer is None:
                await hang_up(receive)
            else:
                self.address(incoming, answer)
                await _send_answer(answer, send)
        finally:
            for work in incoming.afterwards:
                self.mock.start(work)

    async def behave(self, incoming: Incoming) -> Answer:
        """Answer as OCPI has it."""
        try:
            authenticate(self.mock, incoming)
            refuse_address(self.mock, incoming)
            return await self.route(incoming)
        except Refused as refused:
            if refused.objection:
                incoming.objections.append(refused.message)
            return refuse(refused)

    async def route(self, incoming: Incoming) -> Answer:
        routes = self.mock.interfaces.get((incoming.interface, incoming.module), {})
        depth = len(incoming.rest)
        handler = routes.get((incoming.method, depth))
        if handler is not None:
            return await handler(self.mock, incoming)
        if any(depth == known for _, known in routes):
            raise Refused(405, 2000, f"there is no {incoming.method} here (TR-11)")
        raise Refused(404, 2000, f"there is nothing at {incoming.path}")

    def write_down(self, incoming: Incoming, answer: Answer | None) -> None:
        document = answer.document if answer else None
        message = Message(
            direction="in",
            method=incoming.method,
            path=incoming.path,
            headers={name: v for name, v in incoming.headers.items() if name != "authorization"},
            body=incoming.body.decode("utf-8", "replace"),
            http_status=answer.http_status if answer else None,
            status_code=document.get("status_code") if document else None,
        )
        for objection in incoming.objections:
            message.blame(objection)
        self.mock.record(message)

    def address(self, incoming: Incoming, answer: Answer) -> None:
        """Repeat the message ids (TR-14), and turn the addresses round (RT-07)."""
        for name in MESSAGE_IDS:
            answer.headers[name] = incoming.headers.get(name) or str(uuid4())
        to, sender = incoming.pair(TO), incoming.pair(FROM)
        if incoming.module in FUNCTIONAL and all(sender):
            answering = to if all(to) else self.mock.own_party()
            answer.headers |= dict(zip(TO + FROM, sender + answering, strict=True))


async def _send_answer(answer: Answer, send: Send) -> None:
    body = answer.body()
    headers = {"content-length": str(len(body)), **answer.headers}
    if body:
        headers["content-type"] = answer.content_type
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": answer.http_status, "headers": raw})
    await send({"type": "http.response.body", "body": body})


def create_app(mock: State) -> Starlette:
    routes = [Mount(ROOT, app=Door(mock)), *control_routes(mock), *page_routes(mock)]
    return Starlette(routes=routes)


@asynccontextmanager
async def running(mock: State, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """Serve the mock while the context is open; gives its base URL, which it also advertises."""
    async with serving(create_app(mock), host, port) as base_url:
        mock.base_url = base_url
        try:
            yield base_url
        finally:
            for task in mock.tasks:
                task.cancel()
