"""How many requests a process works on at once, and who waits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocpi.admission import LARGE, PLACES, Admission, away, enlarge
from ocpi.errors import Overloaded
from tests.house import OCPI, SENDER, Service, open_service

CALLERS = ("flood", "flood", "flood", "flood", "quiet")


class Work:
    """Requests that end when they are told to, in the order in which they were let in."""

    def __init__(self, admission: Admission) -> None:
        self.admission = admission
        self.begun: list[str] = []
        self._ends: list[asyncio.Event] = []

    async def ask(self, caller: str) -> None:
        async with self.admission.place(caller):
            self.begun.append(caller)
            end = asyncio.Event()
            self._ends.append(end)
            await end.wait()

    async def end_one(self) -> None:
        self._ends.pop(0).set()
        await settle()


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_no_more_are_let_in_than_there_are_places() -> None:
    work = Work(Admission(places=2, patience=60))
    tasks = [asyncio.create_task(work.ask("a")) for _ in range(5)]
    for ended in range(5):
        await settle()
        assert len(work.begun) == min(5, ended + 2)
        await work.end_one()
    await asyncio.gather(*tasks)
    assert work.admission.waiting == 0


async def test_callers_take_turns_so_that_one_who_floods_waits_behind_itself() -> None:
    work = Work(Admission(places=1, patience=60))
    tasks = [asyncio.create_task(work.ask(caller)) for caller in ("first", *CALLERS)]
    await settle()
    for _ in range(6):
        await work.end_one()
    await asyncio.gather(*tasks)
    assert work.begun == ["first", "flood", "quiet", "flood", "flood", "flood"]


async def test_who_would_wait_too_long_is_told_to_come_back() -> None:
    work = Work(Admission(places=1, patience=0.01))
    first = asyncio.create_task(work.ask("a"))
    await settle()
    with pytest.raises(Overloaded):
        await work.ask("b")
    assert work.admission.waiting == 0
    await work.end_one()
    await first
    last = asyncio.create_task(work.ask("c"))
    await settle()
    assert work.begun == ["a", "c"]
    await work.end_one()
    await last


async def test_nobody_is_refused_at_once_however_many_wait() -> None:
    work = Work(Admission(places=1, patience=60))
    tasks = [asyncio.create_task(work.ask("a")) for _ in range(2001)]
    await settle()
    assert work.admission.waiting == 2000
    tasks.append(asyncio.create_task(work.ask("b")))
    await settle()
    await work.end_one()
    await work.end_one()
    assert work.begun == ["a", "a", "b"]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert work.admission.waiting == 0


async def test_one_that_waits_for_somebody_else_gives_its_place_up_meanwhile() -> None:
    admission = Admission(places=1, patience=0.01)
    answered = asyncio.Event()
    slow_has_gone_out = asyncio.Event()

    async def slow() -> None:
        async with admission.place("slow"):
            with away():
                slow_has_gone_out.set()
                await answered.wait()
            # It goes on at once, though there is no room.
            assert answered.is_set()

    waits = asyncio.create_task(slow())
    await slow_has_gone_out.wait()
    async with admission.place("quick"):
        answered.set()
        await waits
        with pytest.raises(Overloaded):
            async with admission.place("late"):
                pass
    async with admission.place("later"):
        pass


async def test_what_a_request_leaves_behind_has_no_place_of_its_own() -> None:
    admission = Admission(places=1, patience=0.01)
    go_on = asyncio.Event()

    async def goes_on() -> None:
        await go_on.wait()
        with away():
            await settle()

    async with admission.place("a"):
        left = asyncio.create_task(goes_on())
    go_on.set()
    await left
    async with admission.place("b"):
        with pytest.raises(Overloaded):
            async with admission.place("c"):
                pass


async def test_outside_of_any_request_nothing_is_given_up() -> None:
    with away():
        pass


@settings(max_examples=40)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["end", "cancel", "away"]))))
async def test_whatever_comes_of_requests_their_places_come_back(
    requests: list[tuple[str, str]],
) -> None:
    admission = Admission(places=2, patience=0.001)

    async def ask(caller: str, fate: str) -> None:
        async with admission.place(caller):
            if fate == "away":
                with away():
                    await asyncio.sleep(0)
            await asyncio.sleep(0 if fate == "end" else 0.001)

    tasks = [asyncio.create_task(ask(*request)) for request in requests]
    await asyncio.sleep(0)
    for task, (_, fate) in zip(tasks, requests, strict=True):
        if fate == "cancel":
            task.cancel()
    ends = await asyncio.gather(*tasks, return_exceptions=True)
    assert {type(end) for end in ends} <= {type(None), Overloaded, asyncio.CancelledError}
    async with admission.place("a"), admission.place("b"):
        assert admission.waiting == 0
        with pytest.raises(Overloaded):
            async with admission.place("c"):
                pass


async def test_few_large_bodies_are_read_at_once_and_small_ones_wait_for_none() -> None:
    admission = Admission(large=Admission(places=2, patience=0.01))
    begun, end = 0, asyncio.Event()

    async def work(*, large: bool) -> None:
        nonlocal begun
        async with admission.place("a"):
            for _ in range(3 * large):
                # Each part of a body asks again.
                await enlarge()
            begun += 1
            await end.wait()

    tasks = [asyncio.create_task(work(large=True)) for _ in range(4)]
    outcomes = asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.sleep(0.05)
    assert begun == 2
    tasks.append(asyncio.create_task(work(large=False)))
    await settle()
    assert begun == 3
    end.set()
    assert [type(each) for each in await outcomes] == [type(None)] * 2 + [Overloaded] * 2
    await tasks[-1]
    assert (admission.free, admission.large and admission.large.free) == (PLACES, 2)


@pytest.fixture
async def service(sqlite_url: str) -> AsyncIterator[Service]:
    async with open_service(sqlite_url) as opened:
        yield opened


async def fill(service: Service) -> list[str]:
    """Take all places, and tell whose they are."""
    holders = ["somebody"] * PLACES
    for holder in holders:
        await service.context.admission.take(holder)
    return holders


@pytest.mark.threat("TA-16")
async def test_partners_and_the_backend_are_told_to_come_back_and_health_answers(
    service: Service,
) -> None:
    holders = await fill(service)
    partner, admin, health = await asyncio.gather(
        service.partner.get(f"{SENDER}/locations"),
        service.admin.get("/admin/parties"),
        service.stranger.get("/health/ready"),
    )
    assert (partner.status_code, partner.json()["status_code"]) == (503, 3000)
    assert (admin.status_code, health.status_code) == (503, 200)
    assert partner.headers["retry-after"] == admin.headers["retry-after"] == "5"
    assert "try again" in admin.json()["error"]
    for _ in holders:
        service.context.admission.give()
    assert (await service.partner.get(f"{SENDER}/locations")).status_code == 200


async def test_a_body_that_trickles_in_takes_no_place(service: Service) -> None:
    holders = await fill(service)
    service.context.admission.give()
    trickling, go_on = asyncio.Event(), asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        trickling.set()
        await go_on.wait()
        yield b"[]"

    path = f"{OCPI}/receiver/tokens/DE/MSP/T1"
    slow = asyncio.create_task(service.partner.put(path, content=body()))
    await trickling.wait()
    await settle()
    assert (await service.partner.get(f"{SENDER}/locations")).status_code == 200
    go_on.set()
    assert (await slow).json()["status_code"] == 2001
    for _ in holders[1:]:
        service.context.admission.give()


@pytest.mark.threat("TA-14")
async def test_one_large_body_too_many_is_refused_by_both_front_doors(service: Service) -> None:
    assert service.context.admission.large is not None
    service.context.admission.large = Admission(places=0, patience=0.01)
    large, small = b" " * (LARGE + 1), b" " * LARGE
    token, tariff = f"{OCPI}/receiver/tokens/DE/MSP/T1", "/admin/tariffs/NL/TNM/T1"
    partner = await service.partner.put(token, content=large)
    admin = await service.admin.put(tariff, content=large)
    assert (partner.status_code, partner.json()["status_code"]) == (503, 3000)
    assert (admin.status_code, admin.headers["retry-after"]) == (503, "5")
    assert (await service.partner.put(token, content=small)).status_code == 400
    assert (await service.admin.put(tariff, content=small)).status_code == 400
    assert service.context.admission.free == PLACES
