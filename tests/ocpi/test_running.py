"""How `ocpi serve` listens."""

import asyncio
import socket

import pytest
import uvicorn
import uvloop
from starlette.types import Receive, Scope, Send
from typer.testing import CliRunner

from ocpi.cli import app
from ocpi.running import listening

CALLERS, TURNS = 64, 8


async def nobody(scope: Scope, receive: Receive, send: Send) -> None:
    raise NotImplementedError


async def accepted_in(turns: int) -> int:
    """How many of those who wait at the door are let in within some turns of the loop."""
    config = uvicorn.Config(nobody, log_config=None, lifespan="off")
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


@pytest.mark.parametrize("port", ["-1", "65536", "99999"])
@pytest.mark.parametrize(
    "command",
    ["serve --port", "demo --port", "demo --emsp-port", "mock emsp --port", "mock cpo --port"],
)
def test_a_port_that_does_not_exist_is_refused_with_those_that_do(command: str, port: str) -> None:
    answer = CliRunner().invoke(app, [*command.split(), port], env={"COLUMNS": "200"})
    assert answer.exit_code == 2
    assert f"Invalid value for '--{command.partition('--')[2]}'" in answer.stderr
    assert "than or equal to" in answer.stderr


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
