"""The ways in which alarms are told: a signed webhook, and e-mail."""

import asyncio
import smtplib
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Any, Protocol
from urllib.parse import parse_qsl, unquote, urlsplit

from ocpi.client import Client, ExchangeFailed, Target
from ocpi.messages import plain
from ocpi.settings import MissingSecret, Settings
from ocpi.signing import key_of, signed_headers
from ocpi.spec.document import encode

LONGEST = 10.0
"""Seconds that one piece of news may take. A process that is to end waits for it."""
_PORTS = {"smtp": 25, "smtps": 465}
_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})


class TellingFailed(Exception):
    """Somebody could not be told; the message says why."""


@dataclass(frozen=True)
class News:
    """What is told: an alarm, and whether it was raised or has cleared."""

    id: str
    """The same each time it is tried, so that who is told twice can tell."""
    event: str
    alarm: Mapping[str, Any]
    """See `ocpi.alarms.alarm.view`."""
    base_url: str


class Channel(Protocol):
    """One way of telling."""

    async def tell(self, news: News) -> None:
        """Raises ``TellingFailed``."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


class Webhook:
    """POSTs news as JSON to a URL of the operator's."""

    def __init__(self, url: str, key: bytes) -> None:
        self._url = url
        self._key = key
        # The operator's own system may well live on a private network.
        self._client = Client(allow_private=True)

    async def tell(self, news: News) -> None:
        """HTTP 2xx says that it was taken; raises ``TellingFailed``."""
        document = {
            "id": news.id,
            "type": f"alarm.{news.event}",
            "service": news.base_url,
            "alarm": {name: value for name, value in news.alarm.items() if name != "told"},
        }
        body = encode(document).encode()
        try:
            reply = await self._client.request(
                Target("alarm webhook", token=""),
                "POST",
                self._url,
                body=body,
                headers=signed_headers(self._key, news.id, body),
                timeout=LONGEST,
            )
        except ExchangeFailed as failure:
            raise TellingFailed(failure.sentence) from None
        if not 200 <= reply.http_status < 300:
            raise TellingFailed(f"The alarm webhook answered HTTP {reply.http_status}.")

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()


@dataclass(frozen=True)
class Mailbox:
    """A mail server, as OCPI_SMTP_URL names it."""

    host: str
    port: int
    tls: bool
    starttls: bool
    user: str | None = None
    password: str | None = None

    def __repr__(self) -> str:
        return f"Mailbox({self.host}:{self.port})"


def read_smtp_url(url: str) -> Mailbox:
    """Read `smtp://user:pass@host:587?starttls=true` or `smtps://...`; raises ValueError."""
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ValueError("OCPI_SMTP_URL: smtp://USER:PASSWORD@HOST:PORT or smtps://... is due")
    options = dict(parse_qsl(parts.query))
    starttls = options.pop("starttls", "false").lower() in ("true", "1", "yes")
    if options:
        raise ValueError(f"OCPI_SMTP_URL: {', '.join(sorted(options))} is no option of it")
    tls = parts.scheme == "smtps"
    if parts.username and not tls and not starttls and parts.hostname not in _LOCAL:
        raise ValueError(
            "OCPI_SMTP_URL: the password would be sent in the clear: add ?starttls=true, "
            "or use smtps://"
        )
    user, password = (None if each is None else unquote(each) for each in _login(parts))
    port = parts.port or _PORTS[parts.scheme]
    return Mailbox(parts.hostname, port, tls, starttls and not tls, user, password)


def _login(parts: Any) -> tuple[str | None, str | None]:
    return parts.username or None, parts.password or None


class Email:
    """Sends a mail for each piece of news, in a thread: smtplib waits."""

    def __init__(self, mailbox: Mailbox, sender: str, receivers: str) -> None:
        self._mailbox = mailbox
        self._sender = sender
        self._receivers = receivers

    async def tell(self, news: News) -> None:
        """Raises ``TellingFailed`` when the mail server does not take it."""
        try:
            await asyncio.to_thread(self._send, self.message(news))
        except (OSError, smtplib.SMTPException) as error:
            # Of the server's words some repeat what was sent to it.
            said = f"{type(error).__name__} {getattr(error, 'smtp_code', '')}".strip()
            host = f"{self._mailbox.host}:{self._mailbox.port}"
            raise TellingFailed(f"The mail server {host} did not take it: {said}") from None

    def message(self, news: News) -> EmailMessage:
        """The mail: the sentence, and where it comes from."""
        alarm, message = news.alarm, EmailMessage()
        what = " ".join(str(alarm[name]) for name in ("kind", "subject") if alarm[name])
        # A header has one line, whatever a partner is called.
        subject = " ".join(f"[ocpi] {alarm['severity']}: {what} {news.event}".split())
        message["Subject"] = plain(subject)
        message["From"], message["To"] = self._sender, self._receivers
        message["Message-ID"] = f"<{news.id}@{self._sender.rpartition('@')[2]}>"
        lines = [
            plain(alarm["sentence"]),
            "",
            f"raised:  {alarm['raised_at']}",
            f"cleared: {alarm['cleared_at'] or 'not yet'}",
            f"service: {news.base_url}",
            "",
            "`ocpi alarm list` shows what is raised now.",
        ]
        message.set_content("\n".join(lines))
        return message

    def _send(self, message: EmailMessage) -> None:
        box = self._mailbox
        secure = ssl.create_default_context()
        opened: smtplib.SMTP = (
            smtplib.SMTP_SSL(box.host, box.port, timeout=LONGEST, context=secure)
            if box.tls
            else smtplib.SMTP(box.host, box.port, timeout=LONGEST)
        )
        with opened as server:
            if box.starttls:
                server.starttls(context=secure)
            if box.user:
                server.login(box.user, box.password or "")
            server.send_message(message)

    async def close(self) -> None:
        """Each mail has a connection of its own."""


def channel_names(settings: Settings) -> Sequence[str]:
    """The ways that the settings name."""
    ways = {"webhook": settings.alarm_webhook_url, "email": settings.alarm_email_to}
    return [name for name, address in ways.items() if address is not None]


def open_channels(settings: Settings) -> dict[str, Channel]:
    """The ways that the settings name; raises ``MissingSecret`` or ValueError for half of one."""
    channels: dict[str, Channel] = {}
    if settings.alarm_webhook_url is not None:
        if settings.alarm_webhook_secret is None:
            raise MissingSecret(
                "OCPI_ALARM_WEBHOOK_URL needs OCPI_ALARM_WEBHOOK_SECRET, which signs the requests."
            )
        try:
            key = key_of(settings.alarm_webhook_secret.get_secret_value())
        except ValueError:
            raise MissingSecret("OCPI_ALARM_WEBHOOK_SECRET: Base64 is due behind whsec_.") from None
        channels["webhook"] = Webhook(settings.alarm_webhook_url, key)
    if settings.alarm_email_to is not None:
        if settings.alarm_email_from is None or settings.smtp_url is None:
            raise MissingSecret(
                "OCPI_ALARM_EMAIL_TO needs OCPI_ALARM_EMAIL_FROM and OCPI_SMTP_URL."
            )
        mailbox = read_smtp_url(settings.smtp_url.get_secret_value())
        channels["email"] = Email(mailbox, settings.alarm_email_from, settings.alarm_email_to)
    return channels
