"""What the documents say is so."""

import json
import re
from pathlib import Path

from ocpi.settings import Settings
from tests.commands import all_commands

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_the_readme_explains_every_setting_with_its_default() -> None:
    rows = dict(re.findall(r"^\| `(OCPI_\w+)` (\|.*\|.*) \|$", README, re.MULTILINE))
    expected = {}
    for name, field in Settings.model_fields.items():
        default = field.default
        text = str(default).lower() if isinstance(default, bool) else str(default)
        shown = "" if default is None else f"`{text}`"
        expected[f"OCPI_{name.upper()}"] = f"| {shown} | {field.description}"
    assert rows == expected


def test_the_commands_that_the_readme_names_exist() -> None:
    root = all_commands()
    for line in re.findall(r"`?ocpi ([a-z][a-z -]*)", README):
        words = line.split()
        command = root
        # A group that acts by itself has options of its own.
        while words and hasattr(command, "commands") and not words[0].startswith("--"):
            name = words.pop(0)
            assert name in command.commands, f"ocpi {line}"
            command = command.commands[name]


def test_every_command_and_option_explains_itself() -> None:
    def walk(name: str, command: object) -> None:
        for child_name, child in getattr(command, "commands", {}).items():
            assert child.help, f"{name} {child_name}"
            walk(f"{name} {child_name}", child)

    walk("ocpi", all_commands())


def test_links_in_the_documents_lead_somewhere() -> None:
    for document in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "DEPLOYMENT.md"):
        for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", (ROOT / document).read_text()):
            assert (ROOT / target).exists(), f"{document}: {target}"


def test_the_security_document_speaks_of_every_threat_and_of_files_that_exist() -> None:
    document = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    rows = [line for line in document.splitlines() if line.startswith("| TA-")]
    threats = json.loads((ROOT / "tests/conformance/threats.json").read_text(encoding="utf-8"))
    told = [[cell.strip() for cell in row.strip("|").split(" | ")][:3] for row in rows]
    assert told == [[each["id"], each["text"], each["answer"]] for each in threats]
    for path in re.findall(r"`([a-z/_0-9]+(?:\.py|/))`", document):
        assert (ROOT / path).exists(), path
