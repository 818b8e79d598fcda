"""The duty that sees to alarms, in every process: one of them works each round out."""

import asyncio
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from ocpi.alarms.alarm import Alarm, view
from ocpi.alarms.channels import News, TellingFailed, open_channels
from ocpi.alarms.conditions import Check
from ocpi.alarms.telling import Teller
from ocpi.alarms.working import ROUND, claim_round, clear, work_out
from ocpi.context import Context
from ocpi.crew import Repeated
from ocpi.database import DATABASE_ERRORS, clock
from ocpi.messages import log

_AWAY: Mapping[str, Any] = {"kind": "database", "subject": "away"}


class AlarmWatch(Repeated):
    """Works alarms out and tells them; and when the database is away, says so by itself."""

    AWAY = 120.0
    """Seconds without the database after which that is told."""

    def __init__(
        self, context: Context, checks: Sequence[Check], *, pause: float = ROUND / 3
    ) -> None:
        """Raises ``MissingSecret`` or ValueError where the settings name half a channel."""
        super().__init__(self.turn, pause=pause, complaint="alarms were not worked out")
        self._context = context
        self._checks = checks
        self._channels = open_channels(context.settings)
        self._tellers = [
            Teller(context, name, channel, pause=pause) for name, channel in self._channels.items()
        ]
        self._away: _Absence | None = None

    async def run(self) -> None:
        """Take turns until `stop`."""
        try:
            await asyncio.gather(super().run(), *(each.run() for each in self._tellers))
        finally:
            for channel in self._channels.values():
                await channel.close()

    async def stop(self) -> None:
        """End `run`, once what is being told has been told or not."""
        await asyncio.gather(super().stop(), *(each.stop() for each in self._tellers))

    async def turn(self) -> None:
        """Work out what is due."""
        try:
            number = await claim_round(self._context)
            if number is not None:
                await work_out(self._context, self._checks, list(self._channels), number)
        except DATABASE_ERRORS as error:
            await self._miss(error)
            raise
        if self._away is not None:
            await self._welcome(self._away)

    async def _miss(self, error: Exception) -> None:
        """The database is away. Nobody can be asked who tells it, so every process does."""
        self._away = away = self._away or _Absence()
        if time.monotonic() - away.began < self.AWAY:
            return
        sentence = (
            "The database does not answer one of the processes: partners get errors, and nothing "
            f"is lost that was acknowledged. Look whether it runs and has room. {type(error)!r}"
        )
        if not away.raised:
            away.raised = True
            log.error("alarm raised", **_AWAY, sentence=sentence)
        alarm = view(Alarm(**_AWAY, sentence=sentence, raised_at=away.at, seen_at=away.at))
        news = News(f"alarm-{away.id}-raised", "raised", alarm, self._context.settings.base_url)
        untold = [name for name in self._channels if name not in away.told]
        await asyncio.gather(*(self._tell(away, name, news) for name in untold))

    async def _tell(self, away: "_Absence", name: str, news: News) -> None:
        try:
            await self._channels[name].tell(news)
        except TellingFailed as failure:
            log.warning("an alarm was not told", channel=name, error=str(failure))
        else:
            away.told.append(name)

    async def _welcome(self, away: "_Absence") -> None:
        """The database is back: it is written down, and those who were told are to hear of it."""
        if away.raised:
            sentence = "The database did not answer one of the processes. It does again."
            async with self._context.database.write() as db:
                alarm = Alarm(**_AWAY, sentence=sentence, raised_at=away.at, seen_at=away.at)
                db.add(alarm)
                await db.flush()
                await clear(db, alarm, await clock(db), away.told)
        self._away = None


class _Absence:
    """A time without the database, kept in memory for want of another place."""

    def __init__(self) -> None:
        self.id = uuid.uuid4().hex[:12]
        self.began = time.monotonic()
        self.at = time.time_ns() // 1000
        self.raised = False
        self.told: list[str] = []
        """The channels that took it."""
