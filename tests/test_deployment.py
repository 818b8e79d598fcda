"""What the deployment guide has its readers copy can be used as it is."""

import re
import shutil
import subprocess
from configparser import RawConfigParser
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from ocpi.cli import app
from ocpi.settings import Settings

GUIDE = (Path(__file__).parents[1] / "DEPLOYMENT.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
UNITS = [text for language, text in BLOCKS if language == "ini"]
MANIFESTS = [text for language, text in BLOCKS if language == "yaml"]


def test_every_setting_that_the_guide_names_exists() -> None:
    known = {f"OCPI_{name.upper()}" for name in Settings.model_fields}
    assert set(re.findall(r"\bOCPI_[A-Z_]+\b", GUIDE)) <= known


@pytest.mark.parametrize("text", UNITS)
def test_a_unit_is_accepted_by_systemd(text: str, tmp_path: Path) -> None:
    unit = RawConfigParser(strict=False)
    unit.read_string(text)
    command, *words = unit["Service"]["ExecStart"].split()
    assert Path(command).name == "ocpi"
    assert words[0] in get_command(app).commands  # type: ignore[attr-defined]
    verify = shutil.which("systemd-analyze")
    if verify is None:
        return  # Then what is above has to do.
    file = tmp_path / "ocpi@.service"
    # The command is not installed where the test runs.
    file.write_text(text.replace(command, "/bin/true"))
    said = subprocess.run([verify, "verify", file], capture_output=True, text=True, check=False)
    assert [line for line in said.stderr.splitlines() if file.name in line] == []


def test_the_manifests_run_commands_that_exist() -> None:
    compose, cluster = (list(yaml.safe_load_all(text)) for text in MANIFESTS)
    commands = get_command(app).commands  # type: ignore[attr-defined]
    assert set(compose[0]["services"]) == {"db", "serve", "worker"}
    assert compose[0]["services"]["worker"]["command"][0] in commands
    containers = [each for document in cluster for each in containers_of(document)]
    assert [each["args"][0] in commands for each in containers] == [True, True]
    assert [document["kind"] for document in cluster] == ["Deployment", "Deployment", "Service"]


def containers_of(document: dict[str, Any]) -> list[dict[str, Any]]:
    if document["kind"] != "Deployment":
        return []
    labels = document["spec"]["template"]["metadata"]["labels"]
    assert document["spec"]["selector"]["matchLabels"] == labels
    return list(document["spec"]["template"]["spec"]["containers"])
