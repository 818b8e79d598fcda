"""An example for the help of every command, in one place so that none is forgotten."""

from collections.abc import Mapping
from typing import Any

EXAMPLES: Mapping[str, str] = {
    "serve": "ocpi serve --host 0.0.0.0 --port 8000",
    "worker": "ocpi worker --metrics-port 9100",
    "migrate": "ocpi migrate",
    "demo": "ocpi demo --hub",
    "openapi": "ocpi openapi openapi/",
    "party add": "ocpi party add --country-code DE --party-id ABC --name 'Example Charging'",
    "party list": "ocpi party list --json",
    "partner add": "ocpi partner add shiny --role EMSP --country-code DE --party-id SHY",
    "partner connect": "ocpi partner connect shiny"
    " --versions-url https://emsp.example/ocpi/versions --token THEIR_TOKEN",
    "partner list": "ocpi partner list",
    "partner show": "ocpi partner show shiny",
    "partner rotate": "ocpi partner rotate shiny",
    "partner reissue": "ocpi partner reissue shiny",
    "partner role add": "ocpi partner role add shiny --role NSP --country-code DE --party-id SHY",
    "partner suspend": "ocpi partner suspend shiny",
    "partner resume": "ocpi partner resume shiny",
    "partner approve": "ocpi partner approve shiny modules.example",
    "partner set": "ocpi partner set shiny put_only=true",
    "partner remove": "ocpi partner remove shiny",
    "partner sync": "ocpi partner sync shiny --full",
    "agreement allow": "ocpi agreement allow FR*SRC DE*RHM --both",
    "agreement deny": "ocpi agreement deny FR*SRC DE*RHM --module cdrs",
    "agreement forget": "ocpi agreement forget FR*SRC DE*RHM",
    "agreement list": "ocpi agreement list",
    "station charges": "ocpi station charges --trouble",
    "station bill": "ocpi station bill 17",
    "station dismiss": "ocpi station dismiss 17",
    "station report": "ocpi station report LOC1 reports.json",
    "station import": "ocpi station import stations.json --dry-run",
    "station list": "ocpi station list --limit 20",
    "station show": "ocpi station show LOC1 --json",
    "station set-status": "ocpi station set-status LOC1 EVSE1 OUTOFORDER",
    "tariff lint": "ocpi tariff lint tariff.json",
    "tariff estimate": "ocpi tariff estimate tariff.json"
    " --start 2026-01-31T18:30 --minutes 90 --kwh 22.5",
    "tariff import": "ocpi tariff import tariffs.json",
    "session list": "ocpi session list --status ACTIVE",
    "session show": "ocpi session show SESSION-1",
    "session export": "ocpi session export --since 2026-01-01"
    " --format jsonl --output sessions.jsonl",
    "cdr price": "ocpi cdr price cdr.json --tariff tariff.json",
    "cdr check": "ocpi cdr check cdr.json",
    "cdr list": "ocpi cdr list --limit 20",
    "cdr show": "ocpi cdr show SESSION-1",
    "cdr credit": "ocpi cdr credit SESSION-1",
    "cdr conflicts": "ocpi cdr conflicts",
    "cdr checks": "ocpi cdr checks --verdict disputed",
    "cdr export": "ocpi cdr export --since 2026-01-01 --until 2026-02-01 --output january.csv",
    "cdr seal": "ocpi cdr seal",
    "cdr verify": "ocpi cdr verify --anchor anchors.txt",
    "token list": "ocpi token list --uid 04A1B2C3D4E5F6",
    "token show": "ocpi token show DE*SHY 04A1B2C3D4E5F6",
    "token authorize": "ocpi token authorize 04A1B2C3D4E5F6 --location LOC1",
    "push status": "ocpi push status",
    "push parked": "ocpi push parked shiny",
    "push retry": "ocpi push retry shiny",
    "push drop": "ocpi push drop shiny locations/de*abc*loc1/evse1",
    "push rewind": "ocpi push rewind shiny --since 2026-01-31T12:00:00Z",
    "push audit": "ocpi push audit --json",
    "push verify": "ocpi push verify shiny --module locations --repair",
    "partner rule add": "ocpi partner rule add shiny locations --country FR",
    "partner rule list": "ocpi partner rule list shiny",
    "partner rule remove": "ocpi partner rule remove shiny 1",
    "partner tariff set": "ocpi partner tariff set shiny REGULAR --instead SHINY",
    "partner tariff list": "ocpi partner tariff list shiny",
    "partner tariff remove": "ocpi partner tariff remove shiny REGULAR",
    "partner preview": "ocpi partner preview shiny locations --hidden",
    "partner check": "ocpi partner check shiny --html report.html",
    "station tag": "ocpi station tag LOC1 fleet",
    "keys rotate": "ocpi keys rotate",
    "hub parties": "ocpi hub parties",
    "user add": "ocpi user add anna --role operator",
    "user list": "ocpi user list",
    "user set": "ocpi user set anna --role admin",
    "user reset": "ocpi user reset anna",
    "user remove": "ocpi user remove anna",
    "messages show": "ocpi messages show 4711 --curl",
    "gdpr erase": "ocpi gdpr erase --token 04A1B2C3D4E5F6 --dry-run",
    "backup": "ocpi backup /backups/ocpi.sqlite",
    "restore": "ocpi restore /backups/ocpi.sqlite",
    "alarm list": "ocpi alarm list --all",
    "alarm test": "ocpi alarm test",
    "observe dashboard": "ocpi observe dashboard > grafana.json",
    "observe rules": "ocpi observe rules > /etc/prometheus/ocpi.yml",
    "mock emsp": "ocpi mock emsp --port 8001",
    "mock cpo": "ocpi mock cpo --port 8002",
}
"""By the words that name the command."""


def show_examples(command: Any, words: tuple[str, ...]) -> None:
    """Put its example below the help of the command that these words name, or of all below it."""
    example = EXAMPLES.get(" ".join(words))
    if example is not None:
        command.epilog = f"Example: {example}"
    for name, part in getattr(command, "commands", {}).items():
        show_examples(part, (*words, name))
