"""Every line that is logged of a message bears its ids."""

from __future__ import annotations

import asyncio
import io
import json
import sys
from collections.abc import Iterator

import pytest
import structlog

from ocpi.headers import MessageIDs
from ocpi.messages import about, go_on_about, log, set_up_logging
from tests.house import TOKEN, calling, open_service, present
from tests.plainlog import log_plainly


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """Give what is logged, as where no terminal is."""
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    set_up_logging("DEBUG")
    yield stream
    log_plainly()


async def lines(written: io.StringIO) -> list[dict[str, str]]:
    """Those of the turns of the loop so far."""
    await asyncio.sleep(0)
    return [json.loads(line) for line in written.getvalue().splitlines()]


async def test_every_line_of_a_request_bears_its_ids(
    sqlite_url: str, written: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def chatty(*_: object) -> None:
        structlog.get_logger("elsewhere").info("in the midst of it")
        raise ZeroDivisionError

    async with open_service(sqlite_url) as service:
        monkeypatch.setattr("ocpi.route.with_announced", chatty)
        headers = {**present(TOKEN), "X-Request-ID": "r-1", "X-Correlation-ID": "c-1"}
        async with calling(service.app, headers) as partner:
            await partner.get("/ocpi/cpo/2.2.1/sender/locations")
        await service.admin.get("/admin/push", headers={"X-Request-ID": "r-2"})
    found = await lines(written)
    assert [each["event"] for each in found] == [
        *("in the midst of it", "crash", "message in", "admin"),
    ]
    assert [each["request_id"] for each in found] == ["r-1", "r-1", "r-1", "r-2"]
    assert [each["correlation_id"] for each in found[:3]] == ["c-1"] * 3


async def test_ids_are_those_of_the_message_and_of_no_other(
    written: io.StringIO,
) -> None:
    async def push(name: str) -> None:
        go_on_about(MessageIDs(name, f"for {name}"))
        await asyncio.sleep(0)
        log.info("push failed", key=name)

    with about(MessageIDs("r-0", "c-0")):
        log.info("before")
    await asyncio.gather(*(asyncio.create_task(push(name)) for name in ("r-1", "r-2")))
    log.info("after")
    before, one, two, after = await lines(written)
    assert before["request_id"] == "r-0"
    assert (one["request_id"], one["correlation_id"]) == ("r-1", "for r-1")
    assert two["request_id"] == "r-2"
    assert "request_id" not in after


def events(written: io.StringIO) -> list[str]:
    return [json.loads(line)["event"] for line in written.getvalue().splitlines()]


async def test_the_lines_of_one_turn_of_the_loop_are_written_together_and_in_order(
    written: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    writes: list[str] = []
    monkeypatch.setattr(written, "write", writes.append)
    log.info("one")
    log.debug("two")
    assert writes == []
    await asyncio.sleep(0)
    assert ["one" in each and "two" in each for each in writes] == [True]


async def test_an_error_is_written_at_once_behind_what_waits(written: io.StringIO) -> None:
    log.info("before")
    log.error("it failed")
    assert events(written) == ["before", "it failed"]
    log.info("after")
    await asyncio.sleep(0)
    assert events(written) == ["before", "it failed", "after"]


def test_no_line_waits_for_a_loop_that_has_ended(written: io.StringIO) -> None:
    loop = asyncio.new_event_loop()
    loop.call_soon(log.info, "at the end")
    loop.call_soon(loop.stop)
    loop.call_soon(log.info, "in its last turn")
    loop.run_forever()
    loop.close()

    async def later() -> None:
        log.info("in another loop")

    asyncio.run(later())
    log.info("in none")
    told = ["at the end", "in its last turn", "in another loop", "in none"]
    assert events(written) == told
