"""Who asks for the present edition at the same moment as others shares their question."""

import asyncio
import socket
import sqlite3
from contextlib import closing
from pathlib import Path

import uvloop

from ocpi.kept import EachTurn, Shared


class Oracle:
    """Answers when it is told to, with the number of the question."""

    def __init__(self) -> None:
        self.asked = 0
        self.go = asyncio.Semaphore(0)
        self.wrong = False

    async def __call__(self) -> str:
        self.asked += 1
        number = self.asked
        await self.go.acquire()
        if self.wrong:
            raise ConnectionError(number)
        return str(number)


async def ask(shared: Shared, count: int) -> list[asyncio.Task[str]]:
    async def one() -> str:
        return await shared()

    tasks = [asyncio.create_task(one()) for _ in range(count)]
    await asyncio.sleep(0.01)
    return tasks


async def test_who_asks_while_a_question_is_under_way_shares_the_next_one() -> None:
    oracle = Oracle()
    shared = Shared(oracle)
    early = await ask(shared, 2)
    late = await ask(shared, 3)
    for _ in range(2):
        oracle.go.release()
    assert await asyncio.gather(*early) == ["1", "1"]
    assert await asyncio.gather(*late) == ["2", "2", "2"]
    assert oracle.asked == 2


async def test_who_leaves_takes_the_answer_from_nobody() -> None:
    oracle = Oracle()
    first, second = await ask(Shared(oracle), 2)
    first.cancel()
    await asyncio.sleep(0)
    oracle.go.release()
    assert await second == "1"


async def test_a_failure_reaches_all_who_asked_and_nobody_after_them() -> None:
    oracle = Oracle()
    shared = Shared(oracle)
    oracle.wrong = True
    early = await ask(shared, 2)
    oracle.go.release()
    failed = await asyncio.gather(*early, return_exceptions=True)
    assert [type(each) for each in failed] == [ConnectionError, ConnectionError]
    oracle.wrong = False
    (later,) = await ask(shared, 1)
    oracle.go.release()
    assert await later == "2"


async def test_all_who_ask_in_one_turn_of_the_loop_share_an_answer() -> None:
    asked = 0

    async def answer() -> str:
        nonlocal asked
        asked += 1
        return str(asked)

    each = EachTurn(answer)
    assert [await each(), await each()] == ["1", "1"]
    await asyncio.sleep(0)
    assert await each() == "2"


def told_after_each_commit(path: str, times: int) -> int:
    """How often somebody who is told of a commit is answered with what was before it."""
    writer = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    writer.execute("PRAGMA journal_mode=WAL")
    writer.execute("PRAGMA synchronous=OFF")
    writer.execute("CREATE TABLE edition (word)")
    writer.execute("INSERT INTO edition VALUES (0)")
    reader = sqlite3.connect(path)

    async def read() -> str:
        ((word,),) = reader.execute("SELECT word FROM edition").fetchall()
        return str(word)

    async def act() -> int:
        each = EachTurn(read)

        async def answer(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            while await source.readline():
                sink.write(f"{await each()}\n".encode())
            sink.close()

        async def ask_all_the_time() -> None:
            while True:
                await each()
                await asyncio.sleep(0)

        def commit_and_ask(port: int) -> int:
            with socket.create_connection(("127.0.0.1", port)) as peer, peer.makefile("rw") as file:
                stale = 0
                for number in range(1, times + 1):
                    writer.execute("UPDATE edition SET word = ?", (number,))
                    file.write("?\n")
                    file.flush()
                    stale += int(file.readline()) != number
                return stale

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        busy = asyncio.create_task(ask_all_the_time())
        stale = await asyncio.to_thread(commit_and_ask, server.sockets[0].getsockname()[1])
        busy.cancel()
        server.close()
        return stale

    with closing(writer), closing(reader):
        # As served: uvloop has turns of its own.
        return uvloop.run(act())


def test_no_request_that_is_sent_after_a_commit_is_answered_with_what_was_before(
    tmp_path: Path,
) -> None:
    assert told_after_each_commit(str(tmp_path / "edition.sqlite"), 2000) == 0
