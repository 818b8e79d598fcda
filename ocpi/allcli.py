"""The commands that go over all modules."""

from pathlib import Path
from typing import Annotated

import typer

from ocpi.catalogue import PREVIEWED, PULLABLES, SOURCES
from ocpi.documents import export_documents
from ocpi.golive.cli import preview_command, rule_commands
from ocpi.golive.mappingcli import mapping_commands
from ocpi.pull.cli import sync_command
from ocpi.push.cli import verify_command

sync = sync_command(PULLABLES)
verify = verify_command(SOURCES)
preview = preview_command(PREVIEWED)
rule_app = rule_commands(PREVIEWED)
mapping_app = mapping_commands(PREVIEWED)


def openapi(
    folder: Annotated[Path, typer.Argument(help="Where to write the documents.")] = Path("openapi"),
) -> None:
    """Export the OpenAPI documents of the OCPI endpoints and of the admin API."""
    for path in export_documents(folder):
        typer.echo(path)
