"""The duty of alarms survives a database that is away and channels that hang."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs

from ocpi.alarms.alarm import list_alarms
from ocpi.alarms.channels import News, TellingFailed
from ocpi.alarms.conditions import Check, Condition
from ocpi.alarms.duty import AlarmWatch
from ocpi.alarms.telling import tell_due
from ocpi.context import Context
from ocpi.crew import on_duty
from tests.flows.process import until
from tests.house import Service, open_service
from tests.ocpi.alarms.ears import DOWN, Ear, finding


@pytest.fixture
async def service(database_url: str) -> AsyncIterator[Service]:
    async with open_service(database_url) as opened:
        yield opened


async def test_a_database_that_is_away_is_told_by_itself_and_written_down_afterwards(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    ear = Ear()
    watch = AlarmWatch(service.context, finding())
    watch.AWAY = 0.0
    watch._channels = {"webhook": ear}  # noqa: SLF001 - Instead of a server to listen.

    async def away(*_: Any) -> None:
        raise OperationalError("SELECT", {}, OSError("gone"))

    with monkeypatch.context() as patched:
        patched.setattr("ocpi.alarms.duty.claim_round", away)
        for _ in range(2):
            with pytest.raises(OperationalError):
                await watch.turn()
    assert ear.heard == ["raised away"]
    await watch.turn()
    await tell_due(service.context, "webhook", ear)
    assert ear.heard == ["raised away", "cleared away"]
    (alarm,) = await list_alarms(service.database, every=True)
    assert (alarm["kind"], alarm["cleared_at"] is None) == ("database", False)


@pytest.mark.parametrize("channels", [{}, {"webhook": Ear(deaf=9)}])
async def test_a_database_that_was_away_is_written_down_whoever_was_told(
    service: Service, monkeypatch: pytest.MonkeyPatch, channels: dict[str, Ear]
) -> None:
    monkeypatch.setattr("ocpi.alarms.duty.open_channels", lambda _settings: channels)
    watch = AlarmWatch(service.context, finding())
    watch.AWAY = 0.0

    async def away(*_: Any) -> None:
        raise OperationalError("SELECT", {}, OSError("gone"))

    with capture_logs() as lines:
        with monkeypatch.context() as patched:
            patched.setattr("ocpi.alarms.duty.claim_round", away)
            for _ in range(2):
                with pytest.raises(OperationalError):
                    await watch.turn()
        await watch.turn()
    said = [line["event"] for line in lines if line["event"].startswith("alarm ")]
    assert said == ["alarm raised", "alarm cleared"]
    (alarm,) = await list_alarms(service.database, every=True)
    assert (alarm["subject"], alarm["cleared_at"] is None) == ("away", False)
    # Who did not hear that it was raised does not hear that it has cleared.
    assert alarm["told"] == []


@dataclass
class Hanging:
    """Answers nothing before the process is to end."""

    begun: list[str] = field(default_factory=list)
    ending: Callable[[], bool] = lambda: False

    async def tell(self, news: News) -> None:
        self.begun.append(news.id)
        await until(self.ending)
        raise TellingFailed("It hung.")

    async def close(self) -> None:
        """Nothing is open."""


async def test_a_channel_that_hangs_holds_up_neither_others_nor_the_rounds_nor_the_end(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    ear, hanging = Ear(), Hanging()
    monkeypatch.setattr(
        "ocpi.alarms.duty.open_channels", lambda _settings: {"webhook": hanging, "email": ear}
    )
    conditions = [DOWN]

    async def find(_context: Context) -> Sequence[Condition]:
        return conditions

    async def claim(_context: Context) -> int:
        return 0

    monkeypatch.setattr("ocpi.alarms.duty.claim_round", claim)
    checks = [Check(frozenset({"partner_down"}), find)]
    watch = AlarmWatch(service.context, checks, pause=0.01)
    hanging.ending = lambda: watch.stopping
    async with on_duty([watch]):
        await until(lambda: bool(hanging.begun))
        conditions.append(Condition("partner_down", "two", "two is down: do something."))
        await until(lambda: ear.heard == ["raised one", "raised two"])
    # The second notice would have hung as long again.
    assert len(hanging.begun) == 1
