"""Alarms are worked out from state anew, told once by one process, and told again if that fails."""

from __future__ import annotations

import asyncio
import socketserver
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import update
from sqlmodel import col, select

from modules.cdrs.alarming import unaccepted_cdrs
from ocpi.alarms.alarm import SEVERITIES, AlarmNotice, alarm_gauges, list_alarms
from ocpi.alarms.channels import (
    Email,
    News,
    TellingFailed,
    Webhook,
    open_channels,
    read_smtp_url,
)
from ocpi.alarms.conditions import CHECKS, Check, Condition
from ocpi.alarms.telling import tell_due
from ocpi.alarms.working import claim_round, work_out
from ocpi.context import Context
from ocpi.database import clock
from ocpi.headers import Party
from ocpi.parties import IssuedToken, Partner
from ocpi.push.lanes import PartnerLane
from ocpi.push.marks import MINUTE, FeedMark
from ocpi.refusals import store_refusals
from ocpi.settings import MissingSecret
from ocpi.signing import key_of, sign
from ocpi.spec.document import decode
from ocpi.testing import samples
from tests.house import OWNER, Service, context_of, open_service, settings_of
from tests.modules.cdrs.receiving import register
from tests.ocpi.alarms.ears import DOWN, Ear, finding

ONE = Party("DE", "ONE")


@pytest.fixture
async def service(database_url: str) -> AsyncIterator[Service]:
    async with open_service(database_url) as opened:
        yield opened


async def raised(service: Service) -> dict[str, str]:
    return {
        f"{each['kind']} {each['subject'] or ''}".strip(): each["sentence"]
        for each in await list_alarms(service.database)
    }


async def test_an_alarm_is_raised_once_and_cleared_when_it_holds_no_more(service: Service) -> None:
    context, ear = service.context, Ear()
    for _ in range(3):
        await work_out(context, finding(DOWN), ["webhook"])
    assert list(await raised(service)) == ["partner_down one"]
    await tell_due(context, "webhook", ear)
    assert ear.heard == ["raised one"]
    await work_out(context, finding(), ["webhook"])
    assert await raised(service) == {}
    await work_out(context, finding(DOWN), ["webhook"])
    await tell_due(context, "webhook", ear)
    assert ear.heard == ["raised one", "cleared one", "raised one"]
    found = (await service.admin.get("/admin/alarms", params={"all": True})).json()
    assert [each["cleared_at"] is None for each in found] == [True, False]
    assert found[1]["told"][0]["channel"] == "webhook"
    assert len((await service.admin.get("/admin/alarms")).json()) == 1


async def test_a_check_that_fails_clears_nothing(service: Service) -> None:
    async def fail(_context: Context) -> Sequence[Condition]:
        raise ZeroDivisionError

    await work_out(service.context, finding(DOWN), [])
    await work_out(service.context, [Check(frozenset({"partner_down"}), fail)], [])
    assert list(await raised(service)) == ["partner_down one"]


async def test_what_could_not_be_told_is_told_later_and_in_order(service: Service) -> None:
    context, ear = service.context, Ear(deaf=1)
    await work_out(context, finding(DOWN), ["email"])
    await tell_due(context, "email", ear)
    (alarm,) = await list_alarms(service.database)
    (notice,) = alarm["told"]
    assert (notice["attempts"], notice["told_at"]) == (1, None)
    assert notice["error"] == "Nobody listens."
    assert notice["next_at"] is not None
    # It is not time yet; and that it has cleared is for those who know that it was raised.
    await work_out(context, finding(), ["email"])
    assert await tell_due(context, "email", ear) == 0
    async with service.database.write() as db:
        await db.exec(update(AlarmNotice).values(next_at=0))
    assert await tell_due(context, "email", ear) == 2
    assert ear.heard == ["raised one", "cleared one"]


async def test_of_many_processes_one_works_a_round_out_and_one_tells(service: Service) -> None:
    others = [context_of(service.context.settings) for _ in range(4)]
    ear = Ear()
    try:
        claims = await asyncio.gather(*(claim_round(each, 3600) for each in others))
        assert sum(claim is not None for claim in claims) == 1
        # Even should they all do it at once.
        await asyncio.gather(*(work_out(each, finding(DOWN), ["webhook"]) for each in others))
        await asyncio.gather(*(tell_due(each, "webhook", ear) for each in others))
        await tell_due(service.context, "webhook", ear)
        assert ear.heard == ["raised one"]
        await asyncio.gather(*(work_out(each, finding(), ["webhook"]) for each in others))
        await asyncio.gather(*(tell_due(each, "webhook", ear) for each in others))
        await tell_due(service.context, "webhook", ear)
        assert ear.heard == ["raised one", "cleared one"]
    finally:
        for each in others:
            await each.close()


async def test_partners_that_nothing_is_sent_to_are_an_alarm(service: Service) -> None:
    await register(service, "one", ONE)
    async with service.database.read() as db:
        now = await clock(db)

    async def stopped(reason: str, minutes: int) -> dict[str, str]:
        breaker = {"reason": reason, "sentence": "HTTP 401", "opened_at": now - minutes * MINUTE}
        async with service.database.write() as db:
            await db.exec(update(PartnerLane).values(breaker=breaker))
        await work_out(service.context, CHECKS[:1], [])
        return await raised(service)

    assert await stopped("down", 29) == {}
    found = await stopped("down", 31)
    assert "one is down for 31 minutes" in found["partner_down one"]
    found = await stopped("auth", 0)
    assert list(found) == ["token_refused one"]
    assert "`ocpi partner rotate one`" in found["token_refused one"]
    assert list(await stopped("barred", 0)) == ["token_refused one"]
    assert list(await stopped("rejecting", 0)) == ["objects_refused one"]
    async with service.database.write() as db:
        await db.exec(update(Partner).values(suspended=True))
    await work_out(service.context, CHECKS[:1], [])
    assert await raised(service) == {}


async def test_a_change_that_waits_for_a_partner_that_is_there_is_an_alarm(
    service: Service,
) -> None:
    await register(service, "one", ONE)
    await service.admin.put("/admin/locations/NL/TNM/LOC-1", json={**samples.location(), **OWNER})
    async with service.database.write() as db:
        db.add(FeedMark(at=await clock(db) - 20 * MINUTE, money=0, state=99))
    await work_out(service.context, CHECKS[:1], [])
    assert "waited 20 minutes" in (await raised(service))["partner_behind one"]


async def test_a_partner_that_waits_for_its_check_is_no_alarm(sqlite_url: str) -> None:
    async with open_service(sqlite_url, require_check=True) as service:
        await register(service, "one", ONE)
        body = {**samples.location(), **OWNER}
        await service.admin.put("/admin/locations/NL/TNM/LOC-1", json=body)
        async with service.database.write() as db:
            now = await clock(db)
            db.add(FeedMark(at=now - 20 * MINUTE, money=0, state=99))
        await work_out(service.context, CHECKS[:1], [])
        assert await raised(service) == {}
        assert 'ocpi_push_lag_seconds{partner="one"}' not in await metrics_of(service)
        async with service.database.write() as db:
            await db.exec(update(Partner).values(passed_at=now))
        await work_out(service.context, CHECKS[:1], [])
        assert list(await raised(service)) == ["partner_behind one"]


async def metrics_of(service: Service) -> str:
    return (await service.admin.get("/metrics")).text


async def test_a_registration_that_does_not_go_on_is_an_alarm_after_a_day(
    service: Service,
) -> None:
    await work_out(service.context, CHECKS[1:2], [])
    assert await raised(service) == {}
    async with service.database.write() as db:
        await db.exec(update(IssuedToken).values(created_at=col(IssuedToken.created_at) - 10**11))
    await work_out(service.context, CHECKS[1:2], [])
    found = await raised(service)
    assert list(found) == ["registration_stuck Newcomer"]
    assert "`ocpi partner reissue Newcomer`" in found["registration_stuck Newcomer"]


async def test_many_requests_without_a_token_are_an_alarm(service: Service) -> None:
    for _ in range(19):
        await service.stranger.get("/ocpi/cpo/versions")
    await store_refusals(service.database, service.context.metrics)
    await work_out(service.context, CHECKS[2:3], [])
    assert await raised(service) == {}
    await service.stranger.get("/ocpi/cpo/versions")
    await store_refusals(service.database, service.context.metrics)
    await work_out(service.context, CHECKS[2:3], [])
    assert (await raised(service))["auth_failures"].startswith("20 requests")


async def test_a_cdr_that_nobody_accepts_is_an_alarm(service: Service) -> None:
    await register(service, "one", ONE)
    token = samples.cdr_token(country_code=ONE.country_code, party_id=ONE.party_id)
    cdr = {**samples.cdr(), **OWNER, "cdr_token": token, "last_updated": "2026-01-01T00:00:00Z"}
    await service.admin.post("/admin/cdrs", json=cdr)
    (found,) = await unaccepted_cdrs(service.context)
    assert found.sentence.startswith("1 CDRs are older than 24 hours")
    assert f"{cdr['id']} for one: The partner is behind" in found.sentence


async def test_the_database_s_own_trouble_is_looked_for(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ocpi.alarms.conditions.LEAST_FREE", 2)
    monkeypatch.setattr("ocpi.alarms.conditions.LONGEST_IDLE", -1)
    async with service.database.engine.connect() as connection:
        await connection.run_sync(lambda each: each.exec_driver_sql("SELECT 1").all())
        found = await CHECKS[3].find(service.context)
    assert [each.kind for each in found] == ["database"]
    assert ("disk" if service.database.sqlite else "pg_terminate_backend") in found[0].sentence
    assert {kind for check in CHECKS for kind in check.kinds} <= SEVERITIES.keys()


@pytest.mark.parametrize(
    ("over", "named"),
    [
        ({"alarm_webhook_url": "https://a.example"}, "OCPI_ALARM_WEBHOOK_SECRET"),
        ({"alarm_email_to": "a@b.example"}, "OCPI_SMTP_URL"),
        (
            {
                "alarm_email_to": "a@b.example",
                "alarm_email_from": "c@d.example",
                "smtp_url": SecretStr("smtp://me:secret-word@mail.example:587"),
            },
            "starttls",
        ),
    ],
)
def test_half_of_a_channel_is_refused_at_the_start(over: Any, named: str) -> None:
    with pytest.raises((MissingSecret, ValueError), match=named) as refused:
        open_channels(settings_of("sqlite+aiosqlite:///x", **over))
    assert "secret-word" not in str(refused.value)


def test_a_mail_server_s_address_is_read() -> None:
    box = read_smtp_url("smtp://me%40x:p%3Aw@mail.example:587?starttls=true")
    assert (box.host, box.port, box.starttls, box.user, box.password) == (
        *("mail.example", 587, True, "me@x", "p:w"),
    )
    assert (read_smtp_url("smtps://mail.example").port, "p:w" in repr(box)) == (465, False)


class _Post(socketserver.StreamRequestHandler):
    """As much of SMTP as smtplib asks for."""

    def handle(self) -> None:
        self.wfile.write(b"220 here\r\n")
        while line := self.rfile.readline():
            if line.upper().startswith(b"DATA"):
                self.wfile.write(b"354 go on\r\n")
                mail = b""
                while not mail.endswith(b"\r\n.\r\n"):
                    mail += self.rfile.readline()
                self.server.mails.append(mail.decode())  # type: ignore[attr-defined]
            ends = line.upper().startswith(b"QUIT")
            self.wfile.write(b"221 bye\r\n" if ends else b"250 fine\r\n")
            if ends:
                return


@pytest.fixture
def post() -> Iterator[socketserver.TCPServer]:
    """Give a mail server that keeps what it is sent."""
    with socketserver.TCPServer(("127.0.0.1", 0), _Post) as server:
        server.mails = []  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def news() -> News:
    facts = {"kind": "partner_down", "severity": "warning", "subject": "one\r\nBcc: x@y.example"}
    times = {"raised_at": "2026-01-01T00:00:00Z", "cleared_at": None}
    return News("alarm-1-raised", "raised", {**facts, **times, "sentence": "Do it."}, "https://a")


async def test_an_e_mail_says_what_to_do_and_takes_no_orders(
    post: socketserver.TCPServer,
) -> None:
    port = post.server_address[1]
    box = read_smtp_url(f"smtp://127.0.0.1:{port}")
    await Email(box, "ocpi@cpo.example", "staff@cpo.example").tell(news())
    (mail,) = post.mails  # type: ignore[attr-defined]
    assert "Do it." in mail
    assert "\nBcc:" not in mail
    gone = read_smtp_url("smtp://127.0.0.1:1")
    with pytest.raises(TellingFailed, match="did not take it"):
        await Email(gone, "ocpi@cpo.example", "staff@cpo.example").tell(news())


async def test_a_webhook_is_signed_and_a_refusal_is_a_failure() -> None:
    taken: list[tuple[dict[str, str], bytes]] = []
    end = b"connection: close\r\ncontent-length: 0\r\n\r\n"
    answers = [b"HTTP/1.1 200 x\r\n" + end, b"HTTP/1.1 500 x\r\n" + end]

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        lines = head.lower().split("\r\n")[1:]
        headers = dict(line.split(": ", 1) for line in lines if line)
        taken.append((headers, await reader.readexactly(int(headers["content-length"]))))
        writer.write(answers.pop(0))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    key = key_of("any text of sixteen")
    webhook = Webhook(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/alarms", key)
    await webhook.tell(news())
    headers, body = taken[0]
    moment = int(headers["webhook-timestamp"])
    assert headers["webhook-signature"].lower() == sign(key, "alarm-1-raised", moment, body).lower()
    assert decode(body)["type"] == "alarm.raised"
    try:
        with pytest.raises(TellingFailed, match="HTTP 500"):
            await webhook.tell(news())
    finally:
        await webhook.close()
        server.close()
        await server.wait_closed()


async def test_notices_of_channels_that_are_gone_wait_and_are_not_counted(
    service: Service,
) -> None:
    context = service.context
    await work_out(context, finding(DOWN), ["webhook", "email"])
    for name in ("webhook", "email"):
        await tell_due(context, name, Ear(deaf=1))
    async with service.database.read() as db:
        assert (await db.exec(select(AlarmNotice.told_at))).all() == [None, None]
    _, untold = await alarm_gauges(context)
    assert untold.samples == []
    settings = context.settings.model_copy(update={"alarm_email_to": "staff@cpo.example"})
    _, untold = await alarm_gauges(replace(context, settings=settings))
    assert [(each.labels["channel"], each.value) for each in untold.samples] == [("email", 1)]
