"""Checks of the platform: the way to it, versions, tokens, envelopes, errors, time."""

from collections.abc import Iterator
from statistics import median
from typing import Any
from urllib.parse import urlsplit

from ocpi.golive.judging import Check, Problems
from ocpi.golive.recording import Asked, Recording
from ocpi.homes import foreign_place
from ocpi.reply import Reply
from ocpi.spec.document import decode
from ocpi.spec.envelope import Envelope
from ocpi.spec.reading import defects
from ocpi.spec.versions import Version, VersionDetails

SLOW = 2.0
"""Seconds; a hub waits no longer for an authorization, and drivers do not either."""


def _reached(record: Recording) -> Problems:
    usual, other = record.find("versions"), record.find("versions/other token form")
    if usual is None:
        return None
    if usual.ok or (other is not None and other.ok):
        return []
    return [f"{usual}: {usual.codes}"]


def _token_form(record: Recording) -> Problems:
    encoded = "versions/other token form" if record.raw_token else "versions"
    asked = record.find(encoded)
    if asked is None or _reached(record):
        return None
    return [] if asked.ok else [f"Our token in Base64 is answered {asked.codes}."]


def _wrong_token(record: Recording) -> Problems:
    return _expect(record, "versions/wrong token", {401})


def _expect(record: Recording, step: str, statuses: set[int]) -> Problems:
    asked = record.find(step)
    if asked is None or asked.reply is None:
        return None
    if asked.reply.http_status in statuses:
        return []
    due = " or ".join(str(each) for each in sorted(statuses))
    return [f"{asked}: {asked.codes}, where HTTP {due} is due"]


def _slash(record: Recording) -> Problems:
    asked = record.find("versions/slash")
    if asked is None:
        return None
    return [] if asked.ok else [f"{asked}: {asked.codes}"]


def _versions(record: Recording) -> Problems:
    listed = _data(record, "versions", "versions/other token form")
    if listed is None:
        return None
    if not isinstance(listed, list) or not listed:
        return ["data is no list of versions"]
    found = [problem for each in listed for problem in defects(each, Version)]
    if not any(isinstance(each, dict) and each.get("version") == "2.2.1" for each in listed):
        found.append("2.2.1 is not offered")
    return found


def _details(record: Recording) -> Problems:
    asked = record.find("details")
    if asked is None:
        return None
    if not asked.ok or asked.reply is None:
        return [f"{asked}: {asked.codes}"]
    found = defects(asked.reply.data, VersionDetails)
    listed = (*record.endpoints, *record.withheld)
    if not found and not any(module == "credentials" for module, _ in listed):
        found = ["credentials is not listed"]
    return found


def _data(record: Recording, *steps: str) -> Any:
    for step in steps:
        asked = record.find(step)
        if asked is not None and asked.ok and asked.reply is not None:
            return asked.reply.data
    return None


def _unknown_path(record: Recording) -> Problems:
    return _expect(record, "unknown path", {404})


def _hosts(record: Recording) -> Problems:
    if not record.endpoints and not record.withheld:
        return None
    return [
        f"{module} {role} lies at {foreign_place(url, record.versions_url)}, which was not "
        "approved, so it was not asked."
        for (module, role), url in record.withheld.items()
    ]


def _tls(record: Recording) -> Problems:
    if record.insecure:
        return None
    urls = {record.versions_url, *record.endpoints.values(), *record.withheld.values()}
    return [f"{url} is not https" for url in sorted(urls) if urlsplit(url).scheme != "https"]


def _envelopes(record: Recording) -> Problems:
    return _in_envelopes(record, success=True)


def _error_envelopes(record: Recording) -> Problems:
    return _in_envelopes(record, success=False)


def _in_envelopes(record: Recording, *, success: bool) -> Problems:
    replies = [
        (asked, reply)
        for asked, reply in record.replies()
        if (200 <= reply.http_status < 300) == success
    ]
    if not replies:
        return None
    return [f"{asked}: {each}" for asked, reply in replies for each in _in_envelope(reply)]


def _in_envelope(reply: Reply) -> Iterator[str]:
    media_type = reply.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        yield f"the answer is {media_type[:40] or 'of no type'}, not application/json"
    try:
        envelope = decode(reply.body)
    except ValueError:
        yield "the answer is no JSON"
        return
    if not isinstance(envelope, dict):
        yield "the answer is no object"
        return
    without = {name: value for name, value in envelope.items() if name != "data"}
    if type(without.get("status_code")) is not int:
        yield f"status_code is {str(without.get('status_code'))[:20]!r}, not an integer"
    yield from defects(without, Envelope)


def _message_ids(record: Recording) -> Problems:
    replies = list(record.replies())
    if not replies:
        return None
    return [
        f"{asked}: {name} is not repeated"
        for asked, reply in replies
        for name, sent in (
            ("X-Request-ID", reply.request_id),
            ("X-Correlation-ID", reply.correlation_id),
        )
        if reply.headers.get(name.lower()) != sent
    ]


def _unknown_objects(record: Recording) -> Problems:
    found: list[str] = []
    asked = [each for each in record.asked if each.step.endswith("/unknown") and each.reply]
    for each in asked:
        assert each.reply is not None
        if each.reply.http_status != 404:
            found.append(f"{each}: {each.codes}, where HTTP 404 is due")
        elif each.step.startswith("locations/") and each.reply.status_code not in (2003, None):
            found.append(f"{each}: {each.codes}, where 2003 is due")
    return found if asked else None


def latency(record: Recording) -> tuple[float, float, Asked] | None:
    """Median and worst seconds of all answers, and the slowest of them."""
    times = [(reply.elapsed, asked) for asked, reply in record.replies()]
    if not times:
        return None
    worst, slowest = max(times, key=lambda each: each[0])
    return median(seconds for seconds, _ in times), worst, slowest


def _quick(record: Recording) -> Problems:
    measured = latency(record)
    if measured is None:
        return None
    middle, worst, slowest = measured
    found = []
    if middle > SLOW:
        found.append(f"Half of all answers took more than {middle:.1f} s.")
    if worst > 2 * SLOW:
        found.append(f"{slowest} took {worst:.1f} s.")
    return found


def _answered(record: Recording) -> Problems:
    asked = [each for each in record.asked if not each.step.startswith("versions")]
    if not asked:
        return None
    broken = [f"{each}: {each.failure}" for each in asked if each.reply is None]
    failed = [
        f"{each}: {each.codes}"
        for each in asked
        if each.reply is not None and each.reply.http_status >= 500
    ]
    return broken + failed


CHECKS = (
    Check("reach", ("VE-01", "VE-12"), "The versions URL answers to our token", "must", _reached),
    Check("token.form", ("TR-03", "TR-07"), "Our token is known in Base64", "should", _token_form),
    Check("token.wrong", ("TR-05",), "An unknown token gets HTTP 401", "must", _wrong_token),
    Check("tls", ("TR-01",), "Every URL is https, with a valid certificate", "must", _tls),
    Check("hosts", (), "No endpoint lies where nobody has approved it", "must", _hosts),
    Check("versions", ("VE-01",), "The list of versions offers 2.2.1", "must", _versions),
    Check(
        "details",
        ("VE-03", "VE-04", "VE-06", "VE-07"),
        "The version details are complete",
        "must",
        _details,
    ),
    Check("slash", (), "A trailing slash is no other address", "should", _slash),
    Check("unknown.path", ("ST-04",), "An unknown path gets HTTP 404", "should", _unknown_path),
    Check(
        "envelope",
        ("EN-01", "EN-02"),
        "Successes come as JSON in an envelope, with code and timestamp",
        "must",
        _envelopes,
    ),
    Check(
        "envelope.errors",
        ("EN-01",),
        "Errors come in an envelope, too",
        "should",
        _error_envelopes,
    ),
    Check("message.ids", ("TR-14",), "Answers repeat the message ids", "should", _message_ids),
    Check(
        "unknown.object",
        ("ST-04", "ST-09"),
        "An unknown object gets HTTP 404, a Location 2003",
        "should",
        _unknown_objects,
    ),
    Check("answers", ("ST-02",), "Nothing breaks off or crashes", "must", _answered),
    Check("latency", (), f"Answers come within {SLOW:.0f} s", "should", _quick),
)
