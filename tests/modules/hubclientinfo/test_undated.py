"""ClientInfos without their date, as OCPI's own example is."""

from collections.abc import AsyncIterator

import pytest

from modules.hubclientinfo.learning import Learner
from tests.house import codes_of, envelope_of
from tests.modules.hubclientinfo.test_announcing import AT_HUB, INFO, OTHER_HUB, announced
from tests.ocpi.hub.town import EVERYBODY, Town, open_town, success


@pytest.fixture
async def town(database_url: str) -> AsyncIterator[Town]:
    async with open_town(database_url, (*EVERYBODY, OTHER_HUB)) as opened:
        yield opened


@pytest.mark.pitfall("IP-44")
@pytest.mark.parametrize("date", [{}, {"last_updated": None}, {"last_updated": ""}])
async def test_a_client_info_without_its_date_is_dated_on_arrival(
    town: Town, date: dict[str, str | None]
) -> None:
    undated = {name: value for name, value in INFO.items() if name != "last_updated"} | date
    assert codes_of(await town.hub2.send("PUT", AT_HUB, undated)) == (201, 1000)
    stored = envelope_of(await town.hub2.send("GET", AT_HUB))["data"]
    assert stored["last_updated"] > INFO["last_updated"]
    assert town.context.forgiving.take()["hub2", "IP-44 no date"].count == 1


@pytest.mark.req("HC-03")
@pytest.mark.pitfall("IP-44")
async def test_what_is_listed_without_its_date_is_dated_when_it_was_read(town: Town) -> None:
    listed = [
        {**{name: INFO[name] for name in INFO if name != "last_updated"}, "party_id": "CPA"},
        {**INFO, "last_updated": None},
        {**INFO, "party_id": "CPC", "last_updated": ""},
    ]
    town.hub2.answer = lambda _: success(listed)
    await Learner(town.context).turn()
    assert set(await announced(town)) == {"CPO AT*CPA", "CPO AT*CPB", "CPO AT*CPC"}
    assert town.context.forgiving.take()["hub2", "IP-44 no date"].count == 3
