"""The duty that sees to alarms, in every process: one of them works each round out."""

import time
import uuid
from collections.abc import Sequence
from typing import Any

from ocpi.alarms.alarm import Alarm, view
from ocpi.alarms.channels import News, TellingFailed, open_channels
from ocpi.alarms.conditions import Check
from ocpi.alarms.telling import tell_due
from ocpi.alarms.working import ROUND, claim_round, work_out
from ocpi.context import Context
from ocpi.crew import Repeated
from ocpi.database import DATABASE_ERRORS, clock
from ocpi.messages import log


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
        self._away: _Absence | None = None

    async def run(self) -> None:
        """Take turns until `stop`."""
        try:
            await super().run()
        finally:
            for channel in self._channels.values():
                await channel.close()

    async def turn(self) -> None:
        """Work out what is due, and tell it."""
        try:
            number = await claim_round(self._context)
            if number is not None:
                await work_out(self._context, self._checks, list(self._channels), number)
            await tell_due(self._context, self._channels)
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
        await self._tell(away, "raised", sentence)

    async def _welcome(self, away: "_Absence") -> None:
        """The database is back: those who were told hear of it, and it is written down."""
        if away.told["raised"]:
            sentence = "The database did not answer one of the processes. It does again."
            await self._tell(away, "cleared", sentence)
            async with self._context.database.write() as db:
                now = await clock(db)
                began = now - int((time.monotonic() - away.began) * 1_000_000)
                what: dict[str, Any] = {"kind": "database", "subject": "away", "sentence": sentence}
                db.add(Alarm(**what, raised_at=began, seen_at=now, cleared_at=now))
        self._away = None

    async def _tell(self, away: "_Absence", event: str, sentence: str) -> None:
        began = time.time_ns() // 1000 - int((time.monotonic() - away.began) * 1_000_000)
        cleared = None if event == "raised" else time.time_ns() // 1000
        what: dict[str, Any] = {"kind": "database", "subject": "away", "sentence": sentence}
        alarm = view(Alarm(**what, raised_at=began, seen_at=began, cleared_at=cleared))
        news = News(f"alarm-{away.id}-{event}", event, alarm, self._context.settings.base_url)
        log.error(f"alarm {event}", kind="database", subject="away", sentence=sentence)
        for name, channel in self._channels.items():
            if name in away.told[event]:
                continue
            try:
                await channel.tell(news)
            except TellingFailed as failure:
                log.warning("an alarm was not told", channel=name, error=str(failure))
            else:
                away.told[event].add(name)


class _Absence:
    """A time without the database, kept in memory for want of another place."""

    def __init__(self) -> None:
        self.id = uuid.uuid4().hex[:12]
        self.began = time.monotonic()
        self.told: dict[str, set[str]] = {"raised": set(), "cleared": set()}
