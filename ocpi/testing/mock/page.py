"""A mock's one page, for people: its registration, what it holds and what it objects to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from html import escape
from itertools import islice
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

from ocpi.testing.mock.state import State, key_of
from ocpi.testing.mock.wire import Document

NEWEST = 30
MOST_LOCATIONS = 200

# Nothing comes from elsewhere, and no script runs whatever a peer calls its stations.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'"

_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem;
  color: #1c2430; background: #fbfbf9 }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 1.5rem }
td, th { text-align: left; vertical-align: top; padding: .3rem .6rem;
  border-bottom: 1px solid #dcdcd4; overflow-wrap: break-word }
th { white-space: nowrap } .place { min-width: 14rem }
h1 { margin-bottom: 0 } .bad { color: #a3201c } .good { color: #1c6b3a } code { font-size: .9em }
.evse { display: inline-block; margin: 0 .4rem .2rem 0; padding: 0 .4rem; background: #ecece4 }
"""


def page_routes(mock: State) -> list[Route]:
    async def show_page(_request: Request) -> HTMLResponse:
        return HTMLResponse(render(mock), headers={"content-security-policy": _POLICY})

    return [Route("/", show_page)]


def render(mock: State) -> str:
    names = escape(", ".join(party.name for party in mock.parties))
    roles = ", ".join(sorted({party.role for party in mock.parties}))
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="5">
<title>{names}</title><style>{_STYLE}</style></head><body>
<h1>{names}</h1>
<p>A mock {escape(roles)}. Its versions are at <code>{escape(mock.versions_url)}</code>.</p>
{_registration(mock)}
<h2>Objects</h2>{_counts(mock)}
<h2>Violations</h2>{_violations(mock)}
{_errands(mock)}
<h2>Sessions</h2>{_sessions(mock)}
<h2>CDRs</h2>{_cdrs(mock)}
<h2>Tokens</h2>{_tokens(mock)}
<h2>Newest messages</h2>{_messages(mock)}
<h2>Locations</h2>{_locations(mock)}
</body></html>"""


def _registration(mock: State) -> str:
    if mock.peer is None:
        return '<p class="bad">Not registered with anyone.</p>'
    names = ", ".join(
        f"{role['business_details']['name']} ({role['role']} "
        f"{role['country_code']}*{role['party_id']})"
        for role in mock.peer.roles
    )
    where = escape(mock.peer.versions_url)
    return f'<p class="good">Registered with {escape(names)} at <code>{where}</code>.</p>'


def _counts(mock: State) -> str:
    return _table(("Module", "Objects"), mock.counts().items())


def _violations(mock: State) -> str:
    found = mock.violations
    if not found:
        return '<p class="good">None.</p>'
    items = "".join(f"<li>{escape(sentence)}</li>" for sentence in reversed(found[-NEWEST:]))
    return f'<p class="bad">{len(found)} in all, newest first:</p><ul>{items}</ul>'


def _errands(mock: State) -> str:
    if ("sender", "commands") not in mock.interfaces:
        return ""
    rows = [
        (
            errand.title(),
            errand.uid,
            errand.response["result"] if errand.response else errand.status_code or "none",
            ", ".join(result["result"] for result in errand.results),
        )
        for errand in islice(reversed(mock.errands.values()), NEWEST)
    ]
    shown = _newest(len(mock.errands), ("Asked", "Id", "Answer", "Result"), rows)
    return f"<h2>Commands and charging profiles</h2>{shown}"


def _sessions(mock: State) -> str:
    sessions = mock.objects["sessions"]
    statuses = Counter(session["status"] for session in sessions.values())
    rows = [
        (
            _owned(session),
            session["status"],
            f"{session['location_id']} {session['evse_uid']}",
            session["cdr_token"]["uid"],
            session["kwh"],
            _price(session.get("total_cost"), session["currency"]),
            session["start_date_time"],
            session["last_updated"],
        )
        for session in islice(reversed(sessions.values()), NEWEST)
    ]
    counted = ", ".join(f"{number} {status}" for status, number in sorted(statuses.items()))
    head = ("Session", "Status", "Where", "Token", "kWh", "Cost", "Start", "Updated")
    return _newest(len(sessions), head, rows, counted)


def _cdrs(mock: State) -> str:
    cdrs = mock.objects["cdrs"]
    rows = [
        (
            _owned(cdr),
            cdr.get("session_id", ""),
            f"credit of {cdr.get('credit_reference_id', '')}" if cdr.get("credit") else "",
            cdr["total_energy"],
            cdr["total_time"],
            _price(cdr["total_cost"], cdr["currency"]),
            cdr["end_date_time"],
        )
        for cdr in islice(reversed(cdrs.values()), NEWEST)
    ]
    return _newest(len(cdrs), ("CDR", "Session", "", "kWh", "Hours", "Cost", "End"), rows)


def _tokens(mock: State) -> str:
    tokens = mock.objects["tokens"]
    rows = [
        (
            _owned({**token, "id": token["uid"]}),
            token["type"],
            token["contract_id"],
            token["whitelist"],
            "valid" if token["valid"] else "invalid",
            mock.verdicts.get(key_of("tokens", token), ""),
        )
        for token in islice(reversed(tokens.values()), NEWEST)
    ]
    return _newest(len(tokens), ("Token", "Type", "Contract", "Whitelist", "", "Verdict"), rows)


def _owned(document: Document) -> str:
    return f"{document['country_code']}*{document['party_id']} {document['id']}"


def _price(price: Document | None, currency: str) -> str:
    """With VAT where it is known; nothing where the whole cost is not (SE-21)."""
    if price is None:
        return ""
    with_vat = price.get("incl_vat")
    if with_vat is None:
        return f"{price['excl_vat']} {currency} without VAT"
    return f"{with_vat} {currency}"


def _newest(
    number: int, head: Iterable[str], rows: Iterable[Iterable[Any]], besides: str = ""
) -> str:
    if not number:
        return "<p>None.</p>"
    told = f"{number} in all{', ' * bool(besides)}{besides}; newest first:"
    return f"<p>{escape(told)}</p>{_table(head, rows)}"


def _locations(mock: State) -> str:
    documents = mock.documents("locations")[:MOST_LOCATIONS]
    head = '<tr><th class="place">Location</th><th>EVSEs</th></tr>'
    return f"<table>{head}{''.join(_location(document) for document in documents)}</table>"


def _location(document: Document) -> str:
    owner = f"{document['country_code']}*{document['party_id']}"
    name = ", ".join((document.get("name") or document["address"], document["city"]))
    place = f"{escape(name)}<br><code>{escape(owner)} {escape(document['id'])}</code>"
    evses = "".join(
        f'<span class="evse">{escape(evse.get("evse_id") or evse["uid"])} '
        f"{escape(evse['status'])}</span>"
        for evse in document.get("evses") or []
    )
    return f"<tr><td>{place}</td><td>{evses}</td></tr>"


def _messages(mock: State) -> str:
    newest = list(mock.messages)[-NEWEST:]
    rows = [
        (
            m.number,
            m.at,
            m.direction,
            m.method,
            m.path,
            m.http_status or "none",
            m.status_code or "",
        )
        for m in reversed(newest)
    ]
    return _table(("No.", "At", "", "Method", "Path", "HTTP", "OCPI"), rows)


def _table(head: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    titles = "".join(f"<th>{escape(title)}</th>" for title in head)
    body = "".join(f"<tr>{_cells(row)}</tr>" for row in rows)
    return f"<table><tr>{titles}</tr>{body}</table>"


def _cells(values: Iterable[Any]) -> str:
    return "".join(f"<td>{escape(str(value))}</td>" for value in values)
