"""Who presents many wrong tokens is slowed down, and nobody else is."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from structlog.testing import capture_logs

from ocpi.errors import TooMany
from ocpi.guessing import (
    MOST_OF_ALL,
    MOST_OF_ONE,
    SHOWN_OF_ALL,
    SHOWN_OF_ONE,
    WINDOW,
    Guesses,
    neighbourhood,
)
from ocpi.journal.searching import Wanted, find_messages
from ocpi.journal.writing import store_notes
from tests.house import Service, codes_of, open_service, present

LOCATIONS = "/ocpi/cpo/2.2.1/sender/locations"


@pytest.fixture
async def service(sqlite_url: str) -> AsyncIterator[Service]:
    async with open_service(sqlite_url) as opened:
        yield opened


@pytest.mark.threat("TA-11")
async def test_a_guesser_is_slowed_down_and_a_good_partner_beside_it_is_not(
    service: Service,
) -> None:
    found = [
        await service.stranger.get(LOCATIONS, headers=present(f"guess-{number}"))
        for number in range(MOST_OF_ONE + 3)
    ]
    assert [codes_of(each) for each in found[:MOST_OF_ONE]] == [(401, 2000)] * MOST_OF_ONE
    assert [codes_of(each) for each in found[MOST_OF_ONE:]] == [(429, 2000)] * 3
    assert int(found[-1].headers["retry-after"]) == WINDOW
    # It comes from the same address.
    assert codes_of(await service.partner.get(LOCATIONS)) == (200, 1000)


@pytest.mark.threat("TA-11")
async def test_who_presents_a_dead_token_goes_on_hearing_that_it_is_dead(service: Service) -> None:
    for _ in range(3 * MOST_OF_ONE):
        answer = await service.stranger.get(LOCATIONS, headers=present("my-old-token"))
        assert codes_of(answer) == (401, 2000)


@pytest.mark.threat("TA-11")
async def test_the_admin_token_is_not_guessed_either(service: Service) -> None:
    statuses = []
    for number in range(MOST_OF_ONE + 1):
        headers = {"Authorization": f"Bearer guess-{number}"}
        answer = await service.stranger.get("/admin/partners", headers=headers)
        statuses.append(answer.status_code)
    assert statuses == [401] * MOST_OF_ONE + [429]
    assert "retry-after" in answer.headers
    assert (await service.admin.get("/admin/partners")).status_code == 200


@pytest.mark.threat("TA-11")
async def test_strangers_fill_no_message_log_and_partners_are_in_it_all_the_same(
    sqlite_url: str,
) -> None:
    async with open_service(sqlite_url, worker=True) as opened:
        for number in range(MOST_OF_ONE + 3):
            await opened.stranger.get(LOCATIONS, headers=present(f"guess-{number}"))
            await opened.stranger.get(LOCATIONS)
        await opened.partner.get(LOCATIONS)
        context = opened.context
        await store_notes(context.database, context.seal, context.notes)
        found = await find_messages(context.database, context.seal, Wanted(direction="IN"))
    seen = [(each.partner, each.http_status) for each in found]
    assert seen == [("Example eMSP", 200)] + [(None, 401)] * SHOWN_OF_ONE


def test_who_is_slowed_down_has_been_shown_and_a_minute_later_is_again() -> None:
    now = [0.0]
    guesses = Guesses(lambda: now[0])
    shown = [guesses.shows(f"192.0.2.{number // 20}") for number in range(400)]
    assert (sum(shown), any(shown[200:])) == (SHOWN_OF_ALL, False)
    assert shown[:6] == [True] * SHOWN_OF_ONE + [False]
    now[0] = WINDOW
    assert guesses.shows("192.0.2.1")


def test_staff_are_told_once_and_a_minute_later_the_count_begins_anew() -> None:
    now = [0.0]
    guesses = Guesses(lambda: now[0])
    with capture_logs() as lines:
        for number in range(MOST_OF_ONE):
            guesses.wrong("192.0.2.1", str(number))
        with pytest.raises(TooMany):
            guesses.wrong("192.0.2.1", "one more")
        guesses.wrong("192.0.2.2", "another address")
    assert [line["event"] for line in lines] == ["tokens are guessed"]
    now[0] = WINDOW
    guesses.wrong("192.0.2.1", "one more")


def test_many_addresses_together_are_no_way_around_it() -> None:
    guesses = Guesses(lambda: 0.0)
    for number in range(MOST_OF_ALL):
        guesses.wrong(f"192.0.2.{number}", "x")
    with pytest.raises(TooMany):
        guesses.wrong("198.51.100.1", "x")


def test_a_network_of_ipv6_counts_as_one_address() -> None:
    assert neighbourhood("2001:db8:1:2::1") == neighbourhood("2001:db8:1:2:ffff::9")
    assert neighbourhood("2001:db8:1:3::1") != neighbourhood("2001:db8:1:2::1")
    assert neighbourhood("192.0.2.1") == "192.0.2.1"
    assert neighbourhood("a socket") == "a socket"
