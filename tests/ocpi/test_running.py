"""How `ocpi serve` listens."""

import asyncio
import socket

import pytest
import uvicorn
import uvloop
from starlette.types import Receive, Scope, Send

from ocpi.running import listening

CALLERS, TURNS = 64, 8


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    raise NotImplementedError


async def accepted_in(turns: int) -> int:
    """How many of those who wait at the door are let in within some turns of the loop."""
    config = uvicorn.Config(app, log_config=None, lifespan="off")
    server, sockets = uvicorn.Server(config), listening("127.0.0.1", 0)
    config.load()
    server.lifespan = config.lifespan_class(config)
    await server.startup(sockets)
    callers = [socket.create_connection(sockets[0].getsockname()) for _ in range(CALLERS)]
    for _ in range(turns):
        await asyncio.sleep(0)
    let_in = len(server.server_state.connections)
    for caller in callers:
        caller.close()
    await server.shutdown(sockets)
    return let_in


def test_a_port_that_is_taken_is_named_with_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(SystemExit):
            listening("127.0.0.1", port)
    told = capsys.readouterr().err
    assert told.startswith("Address already in use")
    assert f"{port})). Choose another with --host and --port." in told


def test_many_new_callers_are_let_in_at_each_turn_of_a_busy_loop() -> None:
    assert uvloop.run(accepted_in(TURNS)) == CALLERS
