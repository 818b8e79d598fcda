"""The commands `ocpi observe ...`: what Prometheus and Grafana are given to read the metrics by."""

from importlib.resources import files

import typer

observe_app = typer.Typer(
    help="Files for Prometheus and Grafana, which read /metrics.", no_args_is_help=True
)


def shipped(name: str) -> str:
    """A file that ships with the product."""
    return (files("ocpi.observing") / name).read_text(encoding="utf-8")


@observe_app.command("dashboard")
def dashboard() -> None:
    """Print a Grafana dashboard, to be imported there."""
    typer.echo(shipped("grafana.json"), nl=False)


@observe_app.command("rules")
def rules() -> None:
    """Print alert rules for Prometheus."""
    typer.echo(shipped("rules.yml"), nl=False)
