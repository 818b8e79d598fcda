"""What a process counts of itself, for Prometheus: each app has counters of its own.

A request pays for it by a look into a dict, an increment and an observation. Labels come from
bounded sets: what a stranger may write at will, such as a path, is none.
"""

import re
from collections.abc import Mapping
from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.metrics import MetricWrapperBase

from ocpi.errors import ForeignOwner, ForeignSender, NotAuthenticated, OCPIError

SUBJECTS = frozenset(
    {
        *("locations", "tariffs", "sessions", "cdrs", "commands", "chargingprofiles"),
        *("tokens", "hubclientinfo", "credentials", "versions", "links"),
    }
)
"""What a message may be about, as the label `module` has it; anything else is `other`."""
OTHER = "other"

_METHODS = frozenset({"GET", "PUT", "PATCH", "POST", "DELETE"})
_CODES = frozenset({1000, *range(2000, 2005), *range(3000, 3004), *range(4000, 4004)})
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
# An envelope has its code at one of its ends: objects do not have such a field.
_CODE = re.compile(rb'"status_code"\s*:\s*"?(\d{4})\b')
_END = 400

Wrapper = TypeVar("Wrapper", bound=MetricWrapperBase)


class Metrics:
    """The counters and histograms of one process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self._in = Counter(
            "ocpi_in",
            "Requests from partners, by their answers.",
            ("platform", "module", "method", "http", "ocpi"),
            registry=registry,
        )
        self._in_seconds = Histogram(
            "ocpi_in_seconds",
            "How long requests from partners took here, waiting for others included.",
            ("platform", "module", "method"),
            buckets=_SECONDS,
            registry=registry,
        )
        self._out = Counter(
            "ocpi_out",
            "Requests to partners, by what came of them.",
            ("partner", "module", "outcome"),
            registry=registry,
        )
        self._out_seconds = Histogram(
            "ocpi_out_seconds",
            "How long requests to partners took, failures included.",
            ("partner", "module"),
            buckets=_SECONDS,
            registry=registry,
        )
        self._auth_failures = Counter(
            "ocpi_auth_failures",
            "Requests whose token was missing, unknown or expired.",
            ("interface",),
            registry=registry,
        )
        self._owner_violations = Counter(
            "ocpi_owner_violations",
            "Requests that spoke for a party which is not the caller's.",
            ("partner",),
            registry=registry,
        )
        self._egress_blocked = Counter(
            "ocpi_egress_blocked",
            "Requests that the guard on the way out refused: see the log.",
            ("reason",),
            registry=registry,
        )
        self.crashes = Counter(
            "ocpi_crashes", "Requests that failed in a way nobody foresaw.", registry=registry
        )
        self.relay_seconds = Histogram(
            "ocpi_hub_relay_seconds",
            "How long the hub took to carry a message and its answer.",
            buckets=_SECONDS,
            registry=registry,
        )
        self.loop_lag = Histogram(
            "ocpi_loop_lag_seconds",
            "How late the event loop wakes who has slept: it was busy for so long.",
            buckets=(0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0),
            registry=registry,
        )
        self._refusals = 0
        self._ins: dict[tuple[str, str, str, int, int], tuple[Counter, Histogram]] = {}
        self._outs: dict[tuple[str, str, str], tuple[Counter, Histogram]] = {}

    def came_in(
        self, platform: str, module: str, method: str, http: int, code: int, seconds: float
    ) -> None:
        """A request was answered. `platform` and `module` are labels, `code` is OCPI's or 0."""
        key = (platform, module, method, http, code)
        known = self._ins.get(key)
        if known is None:
            method = method if method in _METHODS else OTHER
            ocpi = _code_label(code)
            known = (
                self._in.labels(platform, module, method, str(http), ocpi),
                self._in_seconds.labels(platform, module, method),
            )
            if method != OTHER and ocpi == str(code):
                # Whatever else there may be would fill the memory.
                self._ins[key] = known
        known[0].inc()
        known[1].observe(seconds)

    def went_out(self, partner: str, url: str, outcome: str, seconds: float) -> None:
        """A request to a partner has ended."""
        key = (partner, subject_of(url), outcome)
        known = self._outs.get(key)
        if known is None:
            known = (self._out.labels(*key), self._out_seconds.labels(*key[:2]))
            self._outs[key] = known
        known[0].inc()
        known[1].observe(seconds)

    def blocked(self, sentence: str) -> None:
        """The guard on the way out refused a request, and says why."""
        self._egress_blocked.labels(_blocked_by(sentence)).inc()

    def refused(self, error: OCPIError, *, interface: str, partner: str | None) -> None:
        """A request was refused: counted if that is a matter of who asks for what."""
        if isinstance(error, NotAuthenticated):
            self._auth_failures.labels(interface).inc()
            self._refusals += 1
        elif isinstance(error, (ForeignSender, ForeignOwner)):
            self._owner_violations.labels(partner or OTHER).inc()

    def take_refusals(self) -> int:
        """How many requests had no valid token since this was last asked."""
        refused, self._refusals = self._refusals, 0
        return refused


def _code_label(code: int) -> str:
    if code in _CODES:
        return str(code)
    # A hub passes on whatever a partner says.
    return f"{code // 1000}xxx" if 1000 <= code < 5000 else "none"


def code_in(body: bytes) -> int:
    """The OCPI status code of an envelope, without reading it whole; 0 where none is found."""
    found = _CODE.search(body[-_END:]) or _CODE.search(body[:_END])
    return int(found[1]) if found else 0


def subject_of(url: str) -> str:
    """What a partner's URL is about: the first part of its path that is a word of OCPI's.

    So it is by convention; where a partner has its own, it is `other`.
    """
    for part in url.partition("?")[0].split("/")[3:]:
        if part in SUBJECTS:
            return part
    return OTHER


def outcome_of(http: int, body: bytes) -> str:
    """What an answer of a partner's means, in a word of a bounded set."""
    if not 200 <= http < 300:
        return f"http_{http // 100}xx"
    code = code_in(body)
    if 1000 <= code < 2000:
        return "ok"
    return f"ocpi_{code // 1000}xxx" if 2000 <= code < 5000 else "no_envelope"


_RULES: Mapping[str, str] = {"address": "address", "https": "scheme", "port": "port"}


def _blocked_by(sentence: str) -> str:
    return next((rule for word, rule in _RULES.items() if word in sentence), "url")
