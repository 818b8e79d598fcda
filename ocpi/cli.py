"""The command `ocpi`: what there is below it, and where."""

import os
import signal
import sys
from typing import Any

import typer
from typer.core import TyperGroup

from ocpi.later import Place, Places, add_later

PLACES: Places = {
    "serve": Place(
        "ocpi.running:serve", "Serve partners and the admin API; migrates the database first."
    ),
    "worker": Place(
        "ocpi.running:worker",
        "Tell partners what changes, ask stations, pull lists: all without serving requests.",
    ),
    "migrate": Place(
        "ocpi.backupcli:migrate_command", "Bring the database schema to this version."
    ),
    "demo": Place(
        "ocpi.demo.cli:demo",
        "Show the product: real stations, a mock eMSP that registers, drivers who charge.",
    ),
    "openapi": Place(
        "ocpi.allcli:openapi",
        "Export the OpenAPI documents of the OCPI endpoints and of the admin API.",
    ),
    "backup": Place(
        "ocpi.backupcli:backup_command",
        "Copy a SQLite database while it is in use, and check the copy.",
    ),
    "restore": Place(
        "ocpi.backupcli:restore_command",
        "Put a backup in the place of the SQLite database, which is kept under another name.",
    ),
    "party": Place("credentials.cli:party_app", "The parties that we speak for."),
    "partner": Place(
        "credentials.cli:partner_app", "Partners: who registers with us and with whom we do."
    ),
    "partner sync": Place(
        "ocpi.allcli:sync",
        "Pull what a partner lists now: Locations, Tariffs or Tokens, whichever it issues.",
    ),
    "partner check": Place(
        "ocpi.golive.cli:check",
        "Ask a partner's endpoints whether it is ready to go live; ends with code 1 if it is not.",
    ),
    "partner preview": Place(
        "ocpi.allcli:preview",
        "Show what a partner sees of a module, what is hidden from it, and why.",
    ),
    "partner rule": Place(
        "ocpi.allcli:rule_app", "What a partner may see of our Locations and Tariffs."
    ),
    "partner tariff": Place(
        "ocpi.allcli:mapping_app", "Which Tariffs a partner gets instead of those that others get."
    ),
    "agreement": Place(
        "credentials.agreementcli:agreement_app", "Which parties of the hub may talk to each other."
    ),
    "hub": Place("modules.hubclientinfo.cli:hub_app", "The hub, if it is on."),
    "keys": Place("credentials.keyscli:keys_app", "The key that seals partners' tokens."),
    "station": Place("modules.stations.cli:station_app", "Our stations, published as Locations."),
    "tariff": Place("modules.tariffs.cli:tariff_app", "Our Tariffs, and Tariffs in files."),
    "tariff import": Place(
        "modules.stations.cli:import_tariffs",
        "Import Tariffs in OCPI's JSON; what 2.2.1 does not know is kept and reported.",
    ),
    "session": Place("modules.sessions.cli:session_app", "Our charging Sessions."),
    "cdr": Place("modules.cdrs.cli:cdr_app", "CDRs: what a session costs, and why."),
    "token": Place("modules.tokens.cli:token_app", "Drivers' Tokens, and whether one may charge."),
    "push": Place("ocpi.push.cli:push_app", "How partners are kept up to date."),
    "push audit": Place(
        "modules.cdrs.cli:show_audit",
        "List our CDRs that nobody has accepted, and why as far as is known.",
    ),
    "push verify": Place(
        "ocpi.allcli:verify",
        "Compare what a partner holds with what it should hold, by GETs on its receivers.",
    ),
    "user": Place("ocpi.console.staffcli:user_app", "Who may use the console at /console."),
    "messages": Place(
        "ocpi.journal.cli:messages_app",
        "What was exchanged with partners, newest first; no token is in it.",
    ),
    "gdpr": Place("ocpi.erasure.cli:gdpr_app", "Personal data of drivers."),
    "alarm": Place("ocpi.alarms.cli:alarm_app", "What somebody must look after."),
    "observe": Place(
        "ocpi.observing.cli:observe_app", "Files for Prometheus and Grafana, which read /metrics."
    ),
    "mock": Place("ocpi.testing.cli:mock_app", "Partners to try the service against."),
}


# As a shell has it of programs that end so.
_NOBODY_READS = 128 + signal.SIGPIPE


class _Root(TyperGroup):
    def __init__(self, **named: Any) -> None:
        super().__init__(**named)
        add_later(self, PLACES)

    def invoke(self, ctx: Any) -> Any:
        """Run a command; it ends without a word where nobody reads what it prints any more."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            # What is still to be written goes nowhere, or Python would complain at its end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(_NOBODY_READS) from None


app = typer.Typer(
    cls=_Root,
    help="An OCPI 2.2.1 service for charge point operators and roaming hubs.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)


@app.callback()
def about() -> None:
    """An OCPI 2.2.1 service for charge point operators and roaming hubs."""


def main() -> None:
    """Run the command line."""
    app()
