"""The answer to a scrape: the counters of this process, and gauges read from the database."""

import asyncio
import hmac
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.responses import PlainTextResponse, Response

from ocpi.context import Context
from ocpi.database import DATABASE_ERRORS
from ocpi.errors import NotAuthenticated, OCPIError, TooMany
from ocpi.guessing import Guesses
from ocpi.messages import log
from ocpi.settings import Settings

Read = Callable[[Context], Awaitable[Sequence[Metric]]]


@dataclass
class Source:
    """Some gauges: how they are read, and for how many seconds they are good."""

    read: Read
    good_for: float = 5.0
    families: Sequence[Metric] = ()
    read_at: float = field(default=float("-inf"))


class _Families(Collector):
    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = list(families)

    def collect(self) -> Iterable[Metric]:
        return self._families


class Scraping:
    """Answers scrapes of one process, of whatever frequency, at the cost of a few queries."""

    def __init__(self, context: Context, reads: Sequence[tuple[Read, float]]) -> None:
        """Each of `reads` is called again when its gauges are older than so many seconds."""
        self._context = context
        self._sources = [Source(read, good_for) for read, good_for in reads]
        self._lock = asyncio.Lock()
        self._guesses = Guesses()

    async def answer(self, authorization: str, address: str) -> Response:
        """The text that Prometheus reads, or a refusal; in both cases an answer."""
        why = refusal(self._context.settings, authorization)
        if why is not None:
            error = self._refused(NotAuthenticated(why), authorization, address)
            headers = {"WWW-Authenticate": "Bearer", **(error.headers or {})}
            return PlainTextResponse(f"{error.message}\n", error.http_status, headers)
        return Response(await self.text(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    def _refused(self, error: OCPIError, authorization: str, address: str) -> OCPIError:
        """Count a refusal: the admin token opens this door, too, and may be guessed at (TA-11)."""
        if authorization:
            try:
                self._guesses.wrong(address, authorization)
            except TooMany as too_many:
                error = too_many
        self._context.metrics.refused(error, interface="metrics", partner=None)
        return error

    async def text(self) -> bytes:
        """All metrics. A database that is away costs the gauges, not the counters."""
        families = [_trouble_of(self._context), await self._read_all()]
        gauges = CollectorRegistry(auto_describe=False)
        gauges.register(_Families(each for group in families for each in group))
        return generate_latest(self._context.metrics.registry) + generate_latest(gauges)

    async def _read_all(self) -> Sequence[Metric]:
        up = GaugeMetricFamily("ocpi_database_up", "Whether the database answered this scrape.")
        async with self._lock:
            try:
                for source in self._sources:
                    await self._refresh(source)
            except DATABASE_ERRORS as error:
                log.warning("metrics: the database does not answer", error=repr(error))
                up.add_metric((), 0)
                return [up]
        up.add_metric((), 1)
        return [up, *(each for source in self._sources for each in source.families)]

    async def _refresh(self, source: Source) -> None:
        now = time.monotonic()
        if now - source.read_at >= source.good_for:
            source.families = await source.read(self._context)
            source.read_at = now


def refusal(settings: Settings, authorization: str) -> str | None:
    """Why these metrics are not for whoever asks; None: they are.

    A token of its own is the better way: Prometheus then cannot do what the admin token can.
    """
    known = [each for each in (settings.metrics_token, settings.admin_token) if each is not None]
    if not known:
        return "Metrics are off: set OCPI_METRICS_TOKEN to turn them on."
    given = authorization.encode("utf-8", "replace")
    # All are compared, whichever it is.
    fits = [
        hmac.compare_digest(given, f"Bearer {token.get_secret_value()}".encode()) for token in known
    ]
    if any(fits):
        return None
    return "Send `Authorization: Bearer` with OCPI_METRICS_TOKEN (or OCPI_ADMIN_TOKEN)."


def _trouble_of(context: Context) -> Sequence[Metric]:
    family = CounterMetricFamily(
        "ocpi_database_failures",
        "Statements that failed: the database was busy or locked, or it refused or was away.",
        labels=["kind"],
    )
    for kind, count in context.database.failures.items():
        family.add_metric((kind,), count)
    return [family]
