"""What Prometheus is told, by whom it may be read, and that what reads it names what exists."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr
from sqlalchemy import update
from sqlalchemy.exc import OperationalError
from sqlmodel.ext.asyncio.session import AsyncSession
from structlog.testing import capture_logs

from ocpi.client import Client, ExchangeFailed, Target
from ocpi.database import Database, clock, stamp
from ocpi.headers import Party
from ocpi.metrics import Metrics, code_in, outcome_of, subject_of
from ocpi.observing.cli import shipped
from ocpi.observing.gauges import lag_of
from ocpi.push.lanes import ParkedObject, PartnerLane
from ocpi.push.marks import MINUTE, FeedMark
from ocpi.settings import Settings
from ocpi.testing import samples
from ocpi.tolerances import store_tolerances
from ocpi.tracing import Tracing
from ocpi.watched import WatchedClient
from tests.house import OWNER, RECEIVING, Service, calling, open_service, present
from tests.modules.cdrs.receiving import register
from tests.modules.stations.reports.yard import Yard, furnish, start

ONE = Party("DE", "ONE")
SECRET = "token-of-prometheus"


@pytest.fixture
async def service(database_url: str) -> AsyncIterator[Service]:
    async with open_service(database_url, metrics_token=SecretStr(SECRET)) as opened:
        yield opened


async def scrape(service: Service) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    async with calling(service.app, {"Authorization": f"Bearer {SECRET}"}) as prometheus:
        answer = await prometheus.get("/metrics")
    assert answer.status_code == 200
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def name(metric: str, **labels: str) -> tuple[str, frozenset[tuple[str, str]]]:
    return metric, frozenset(labels.items())


async def test_metrics_are_for_those_who_have_a_token(service: Service) -> None:
    refused = await service.stranger.get("/metrics")
    assert refused.status_code == 401
    assert "OCPI_METRICS_TOKEN" in refused.text
    assert (await service.partner.get("/metrics")).status_code == 401
    assert (await service.admin.get("/metrics")).status_code == 200
    # Who reads metrics may not do anything else.
    async with calling(service.app, {"Authorization": f"Bearer {SECRET}"}) as prometheus:
        assert (await prometheus.get("/metrics")).status_code == 200
        assert (await prometheus.get("/admin/push")).status_code == 401


@pytest.mark.threat("TA-11")
async def test_who_guesses_tokens_is_slowed_down_and_prometheus_is_not(service: Service) -> None:
    async with calling(service.app, {}) as guesser:
        with capture_logs() as lines:
            answers = [
                await guesser.get("/metrics", headers={"Authorization": f"Bearer {n}"})
                for n in range(21)
            ]
    assert [each.status_code for each in answers] == [401] * 20 + [429]
    assert [line["event"] for line in lines] == ["tokens are guessed"]
    found = await scrape(service)
    assert found[name("ocpi_auth_failures_total", interface="metrics")] == 20


async def test_without_any_token_nobody_reads_metrics(sqlite_url: str) -> None:
    async with open_service(sqlite_url, admin_token=None) as service:
        answer = await service.admin.get("/metrics")
        assert (answer.status_code, "Metrics are off" in answer.text) == (401, True)


async def test_requests_are_counted_by_what_they_are_about_and_come_to(service: Service) -> None:
    await service.partner.get("/ocpi/cpo/2.2.1/sender/locations")
    await service.partner.get("/ocpi/cpo/versions")
    await service.partner.put("/ocpi/cpo/2.2.1/receiver/tokens/FR/XXX/T", json=samples.token())
    await service.stranger.get("/ocpi/cpo/2.2.1/sender/made-up-by-a-stranger")
    async with calling(service.app, present("wrong")) as guessing:
        await guessing.request("BREW", "/ocpi/nowhere/versions")
    await service.stranger.get("/admin/push")
    found = await scrape(service)
    listed = {"platform": "cpo", "module": "locations", "method": "GET"}
    assert found[name("ocpi_in_total", http="200", ocpi="1000", **listed)] == 1
    assert found[name("ocpi_in_seconds_count", **listed)] == 1
    assert found[name("ocpi_auth_failures_total", interface="cpo")] == 1
    assert found[name("ocpi_auth_failures_total", interface="admin")] == 1
    assert found[name("ocpi_owner_violations_total", partner="Example eMSP")] == 1
    subjects = {dict(labels)["module"] for metric, labels in found if metric == "ocpi_in_total"}
    assert subjects == {"locations", "versions", "tokens", "other"}
    methods = {dict(labels)["method"] for metric, labels in found if metric == "ocpi_in_total"}
    assert methods == {"GET", "PUT", "other"}


async def test_a_party_that_is_not_the_caller_s_is_counted_as_sender_too(service: Service) -> None:
    headers = {"OCPI-from-country-code": "FR", "OCPI-from-party-id": "XXX"}
    await service.partner.get("/ocpi/cpo/2.2.1/sender/locations", headers=headers)
    found = await scrape(service)
    assert found[name("ocpi_owner_violations_total", partner="Example eMSP")] == 1


async def test_each_app_counts_for_itself(sqlite_url: str, postgres_url: str) -> None:
    async with open_service(sqlite_url) as one, open_service(postgres_url) as other:
        await one.stranger.get("/ocpi/cpo/versions")
        counted = "ocpi_auth_failures_total{"
        assert counted in (await one.admin.get("/metrics")).text
        assert counted not in (await other.admin.get("/metrics")).text


async def test_what_partners_are_forgiven_is_counted_by_rule(service: Service) -> None:
    async with calling(service.app, {"Authorization": "token partner-token_0123456789"}) as odd:
        for _ in range(2):
            assert (await odd.get("/ocpi/cpo/versions")).status_code == 200
    await store_tolerances(service.database, service.context.forgiving)
    found = await scrape(service)
    tolerated = {labels: n for (metric, labels), n in found.items() if "tolerated" in metric}
    assert set(tolerated.values()) == {2}
    assert {dict(labels)["partner"] for labels in tolerated} == {"Example eMSP"}
    assert any(dict(labels)["rule"].startswith("IP-01") for labels in tolerated)


async def test_what_is_told_of_partners_comes_from_the_database(service: Service) -> None:
    partner_id = await register(service, "one", ONE)
    await service.admin.put("/admin/locations/NL/TNM/LOC-1", json={**samples.location(), **OWNER})
    await service.admin.put("/admin/sessions/NL/TNM/SESSION-1", json={**samples.session(), **OWNER})
    async with service.database.write() as db:
        now = await clock(db)
        db.add(FeedMark(at=now - 10 * MINUTE, money=0, state=1))
        await db.exec(
            update(PartnerLane).values(breaker={"reason": "down", "sentence": "", "opened_at": 0})
        )
        await _park(db, partner_id)
    found = await scrape(service)
    assert found[name("ocpi_push_behind", partner="one", stream="state")] >= 1
    assert 590 < found[name("ocpi_push_lag_seconds", partner="one")] < 700
    assert found[name("ocpi_push_stopped", partner="one", reason="down")] == 1
    assert found[name("ocpi_push_stopped", partner="one", reason="auth")] == 0
    assert found[name("ocpi_push_parked", partner="one", kind="rejected")] == 1
    assert found[name("ocpi_push_parked", partner="one", kind="dead")] == 0
    state = {"partner": "Newcomer", "platform": "cpo"}
    assert found[name("ocpi_partner_state", state="offered", **state)] == 1
    assert found[name("ocpi_partner_state", state="confirmed", **state)] == 0
    assert found[name("ocpi_evses", status="AVAILABLE")] == 3
    assert found[name("ocpi_sessions", status="ACTIVE")] == 1
    assert found[name("ocpi_workers")] == 0
    assert found[name("ocpi_database_up")] == 1


async def _park(db: AsyncSession, partner_id: int) -> None:
    facts: Any = {"seq": 1, "kind": "rejected", "attempts": 3, "error": "HTTP 400"}
    db.add(ParkedObject(partner_id=partner_id, object_key="x", first_failed_at=0, **facts))


async def test_sessions_that_could_not_be_billed_are_told(service: Service) -> None:
    await furnish(service.database)
    await Yard(service).report(start("known"), start("unknown", token={"uid": "NEW"}))
    assert (await scrape(service))[name("ocpi_sessions_in_trouble")] == 1


async def test_the_oldest_cdr_without_a_receipt_is_told(service: Service) -> None:
    await register(service, "one", ONE)
    token = samples.cdr_token(country_code=ONE.country_code, party_id=ONE.party_id)
    cdr = {**samples.cdr(), **OWNER, "cdr_token": token, "last_updated": "2026-01-01T00:00:00Z"}
    assert (await service.admin.post("/admin/cdrs", json=cdr)).status_code == 201
    found = await scrape(service)
    assert found[name("ocpi_cdrs_without_receipt", standing="overdue")] == 1
    assert found[name("ocpi_cdr_oldest_without_receipt_seconds")] > 86400


async def test_a_database_that_is_away_costs_the_gauges_and_not_the_counters(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OperationalError("SELECT", {}, OSError("database is locked"))

    monkeypatch.setattr("ocpi.database.AsyncSession", refuse)
    found = await scrape(service)
    assert found[name("ocpi_database_up")] == 0
    assert found[name("ocpi_crashes_total")] == 0
    assert not any(metric == "ocpi_feed_head" for metric, _ in found)
    found = await scrape(service)
    assert found[name("ocpi_database_failures_total", kind="busy")] >= 1


async def test_two_that_insert_the_same_row_are_no_trouble(database_url: str) -> None:
    async with open_service(database_url) as service:
        database: Database = service.database
        for _ in range(2):
            try:
                async with database.write() as db:
                    await stamp(db, "state")
                    db.add(FeedMark(at=1, money=0, state=0))
            except Exception as error:  # noqa: BLE001 - Of whatever kind it is.
                assert "Integrity" in type(error).__name__  # noqa: PT017
        assert not +database.failures


def test_a_lag_begins_with_the_first_mark_behind_what_was_heard() -> None:
    marks = [FeedMark(at=at, money=at, state=2 * at) for at in (10, 20, 30)]
    heads = {"money": 40, "state": 80}
    now = 1_000_030

    def lag(**cursors: int) -> float:
        return lag_of(PartnerLane(partner_id=1, cursors=cursors), heads, marks, now)

    assert lag(money=40, state=80) == 0
    assert lag(money=20, state=80) == 1
    assert lag(money=40, state=20) == pytest.approx(1.00001)
    assert lag(money=35, state=80) == 0  # No mark has passed it: it is younger than a minute.


def test_what_an_answer_means_is_one_of_few_words() -> None:
    tail = b',"status_code":2001,"timestamp":"2026-01-01T00:00:00Z"}'
    assert code_in(b'{"data":[' + b"x" * 10_000 + b"]" + tail) == 2001
    assert code_in(b'{"status_code": 1000, "data":[' + b"x" * 10_000 + b"]}") == 1000
    assert code_in(b"<html>") == 0
    assert outcome_of(200, b'{"status_code":1000}') == "ok"
    assert outcome_of(200, b'{"status_code":2001}') == "ocpi_2xxx"
    assert outcome_of(200, b"") == "no_envelope"
    assert outcome_of(404, b'{"status_code":2003}') == "http_4xx"
    assert subject_of("https://locations.example/v/2.2.1/receiver/sessions/a?b=/cdrs") == "sessions"
    assert subject_of("https://emsp.example/own/words") == "other"


async def test_what_partners_answer_and_what_the_guard_refuses_is_counted() -> None:
    metrics = Metrics()
    client = WatchedClient(metrics, Tracing(), allow_private=False)
    assert isinstance(client, Client)
    for url in ("http://emsp.example/", "https://10.0.0.1/", "https://emsp.example:8443/", "x:y"):
        with pytest.raises(ExchangeFailed):
            await client.request(Target("one", "secret"), "GET", url)
    await client.close()
    found = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
    }
    for reason in ("scheme", "address", "port"):
        assert found["ocpi_egress_blocked_total", reason] >= 1
    assert found["ocpi_out_total", "one", "other", "refused"] == 4


RULES = yaml.safe_load(shipped("rules.yml"))
EXPRESSIONS = [
    *(rule["expr"] for group in RULES["groups"] for rule in group["rules"]),
    *(
        target["expr"]
        for panel in json.loads(shipped("grafana.json"))["panels"]
        for target in panel["targets"]
    ),
]
_WORDS = frozenset(
    {
        *("absent", "by", "histogram_quantile", "increase", "max", "min", "on"),
        *("rate", "sum", "unless"),
    }
)
# What Prometheus itself adds to whatever it scrapes.
_TARGET = frozenset({"instance", "job"})


async def exposed(sqlite_url: str) -> dict[str, set[str]]:
    """Give every metric with its labels, by a service on which everything has happened once."""
    way: dict[str, Any] = {
        "alarm_webhook_url": "https://a.example",
        "alarm_webhook_secret": SecretStr("s" * 32),
    }
    async with open_service(sqlite_url, offers=RECEIVING, **way) as service:
        await register(service, "one", ONE)
        metrics = service.context.metrics
        metrics.came_in("cpo", "locations", "GET", 200, 1000, 0.1)
        metrics.went_out("one", "https://one.example/locations", "ok", 0.1)
        metrics.blocked("port 1 is not allowed")
        await service.stranger.get("/ocpi/cpo/versions")
        await service.partner.put("/ocpi/cpo/2.2.1/receiver/tokens/FR/X/T", json=samples.token())
        text = (await service.admin.get("/metrics")).text
        headers = {"OCPI-from-country-code": "FR", "OCPI-from-party-id": "XXX"}
        await service.partner.get("/ocpi/cpo/2.2.1/sender/locations", headers=headers)
        text = (await service.admin.get("/metrics")).text
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def selectors(expression: str) -> Iterator[tuple[str, set[str]]]:
    """Give each metric of an expression with the labels that it is picked by."""
    for metric, matchers in re.findall(r"\b([a-z_]+)\b(?:\{([^}]*)\})?", _bare(expression)):
        if metric not in _WORDS:
            yield metric, set(re.findall(r"(\w+)\s*[=!]", matchers))


def _bare(expression: str) -> str:
    """Give the expression without grouping labels and durations."""
    return re.sub(r"\[\w+\]|\b(by|on)\s*\([^)]*\)", "", expression)


def grouping(expression: str) -> set[str]:
    groups = re.findall(r"\b(?:by|on)\s*\(([^)]*)\)", expression)
    return {label.strip() for group in groups for label in group.split(",")}


async def test_what_the_dashboard_and_the_rules_name_exists(sqlite_url: str) -> None:
    families = await exposed(sqlite_url)
    faults = []
    for expression in EXPRESSIONS:
        named = list(selectors(expression))
        known = all(
            metric in families and labels <= families[metric] | _TARGET for metric, labels in named
        )
        grouped = known and all(
            label in families[metric] | _TARGET
            for label in grouping(expression)
            for metric, _ in named
        )
        balanced = expression.count("(") == expression.count(")")
        if not (named and grouped and balanced):
            faults.append(expression)
    assert faults == []


def test_every_rule_says_how_urgent_it_is_and_what_to_do(tmp_path: Path) -> None:
    for group in RULES["groups"]:
        for rule in group["rules"]:
            assert rule["labels"]["severity"] in ("page", "mail")
            assert rule["annotations"].keys() == {"summary", "do"}
    promtool = shutil.which("promtool")
    if promtool is not None:  # Else what is above has to do.
        file = tmp_path / "rules.yml"
        file.write_text(shipped("rules.yml"))
        subprocess.run([promtool, "check", "rules", file], check=True)


def test_the_setting_is_a_secret() -> None:
    assert SECRET not in repr(Settings(metrics_token=SecretStr(SECRET)))
