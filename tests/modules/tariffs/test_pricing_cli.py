"""The commands `ocpi cdr` and `ocpi tariff` on files, without database or settings."""

import gzip
import os
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import ocpi
from modules.tariffs.cli import cdr_app, tariff_app
from ocpi.spec.document import decode, encode
from tests.modules.tariffs.pricing.sample import (
    BY_NAME,
    VECTORS,
    cdr,
    component,
    element,
    period,
    tariff,
)

OFFER = tariff(element(component("ENERGY", "0.5", vat="10")))
TWO = {"excl_vat": Decimal(2), "incl_vat": Decimal("2.2")}


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Work in an empty folder and without settings, so that a database would be seen."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("OCPI_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "200")
    yield
    assert not list(tmp_path.glob("*sqlite*"))


def write(name: str, value: Any) -> str:
    Path(name).write_text(encode(value))
    return name


def run(*words: str, app: Any = cdr_app) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, words, catch_exceptions=False)
    return result.exit_code, result.stdout, result.stderr


def answer(*words: str, app: Any = cdr_app, code: int = 0) -> Any:
    found, stdout, stderr = run(*words, "--json", app=app)
    assert (found, stderr) == (code, "")
    return decode(stdout)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_every_vector_is_priced_on_the_command_line(vector: dict[str, Any]) -> None:
    words = [write("cdr.json", vector["cdr"]), "--tariff", write("tariff.json", vector["tariff"])]
    expired = vector.get("options", {}).get("reservation_expired")
    told = answer(
        "price",
        *words,
        *("--time-zone", vector["timezone"]),
        *(["--reservation-expired"] if expired else []),
    )
    wanted = {name: cost for name, cost in vector["expected"].items() if "total_" in name}
    assert {name: told["costs"][name] for name in wanted} == wanted
    assert told["billed"] == vector["expected"]["billed"]
    codes = {note["code"] for note in told["notes"]}
    assert codes >= set(vector["expected"]["notes"])


def test_a_price_is_told_in_a_table_and_in_sentences() -> None:
    file = write("cdr.json", cdr(period("08:00", ENERGY="4"), tariffs=[OFFER], end="09:00"))
    code, told, errors = run("price", file, "--time-zone", "Europe/Amsterdam")
    assert (code, errors) == (0, "")
    assert [line.split() for line in told.splitlines()[:3]] == [
        ["in", "EUR", "without", "VAT", "with", "VAT"],
        ["total_cost", "2.00", "2.20"],
        ["total_energy_cost", "2.00", "2.20"],
    ]
    assert "- Energy: 4 kWh at EUR 0.50 per kWh is EUR 2.00, with 10 % VAT EUR 2.20." in told


def test_tariffs_may_be_one_a_list_or_an_ocpi_answer_compressed_or_not() -> None:
    file = write("cdr.json", {"data": cdr(period("08:00", ENERGY="4", tariff_id="T1"))})
    for value in (OFFER, [tariff(id="T0", elements=OFFER["elements"]), OFFER], {"data": [OFFER]}):
        assert answer("price", file, "--tariff", write("tariff.json", value))["costs"][
            "total_cost"
        ] == {"excl_vat": 2, "incl_vat": Decimal("2.2")}
    Path("tariff.json.gz").write_bytes(gzip.compress(encode([OFFER]).encode()))
    assert answer("price", file, "--tariff", "tariff.json.gz")["tariffs"] == ["T1"]


def test_a_cdr_that_agrees_leaves_no_file() -> None:
    file = write("cdr.json", cdr(period("08:00", ENERGY="4"), tariffs=[OFFER], total_cost=TWO))
    code, told, _ = run("check", file)
    assert (code, told.splitlines()[0]) == (0, "Agreed: All figures agree.")
    assert answer("check", file)["dispute_file"] is None
    assert [path.name for path in Path().iterdir()] == ["cdr.json"]


@pytest.mark.parametrize("command", ["check", "price"])
def test_what_the_command_that_shows_a_cdr_prints_can_be_given_back(command: str) -> None:
    bare = cdr(period("08:00", ENERGY="4"), tariffs=[OFFER], total_cost=TWO)
    expected = answer(command, write("cdr.json", bare))
    assert answer(command, write("shown.json", {"cdr": bare, "receipts": []})) == expected


@pytest.mark.req("TA-22")
def test_a_dispute_exits_with_1_and_leaves_a_file_that_names_the_other_reading() -> None:
    vector = BY_NAME["spec-23-step-size-into-free-parking"]
    claimed = vector["cdr"] | {"id": "CDR1", "total_cost": {"excl_vat": Decimal("0.78")}}
    file = write("mine.json", claimed | {"tariffs": [vector["tariff"]]})
    code, told, errors = run("check", file, "--time-zone", vector["timezone"])
    assert (code, errors) == (1, "")
    assert told.splitlines()[0] == (
        "Disputed: 1 of 3 figures differ: /total_cost/excl_vat. Explained by step_total=measured."
    )
    assert told.splitlines()[-1] == "The dispute is in mine.dispute.json."
    dispute = decode(Path("mine.dispute.json").read_bytes())
    assert (dispute["cdr"]["id"], dispute["agrees"]) == ("CDR1", False)
    assert dispute["explained_by"] == ["step_total=measured"]
    assert (dispute["costs"][0]["claimed"], dispute["costs"][0]["computed"]) == (
        Decimal("0.78"),
        Decimal("0.73"),
    )
    words = ("check", file, "--time-zone", vector["timezone"], "--dispute-file", "other.json")
    assert answer(*words, code=1) == dispute | {"dispute_file": "other.json"}
    assert decode(Path("other.json").read_bytes()) == dispute


def test_tariffs_on_file_are_compared_with_those_in_a_cdr() -> None:
    file = write("cdr.json", cdr(period("08:00", ENERGY="4"), tariffs=[OFFER], total_cost=TWO))
    newer = write("tariff.json", tariff(element(component("ENERGY", "0.6"))))
    checked = answer("check", file, "--tariff", newer)
    assert [note["code"] for note in checked["form"]] == ["tariff_differs"]
    code, told, _ = run("check", file, "--tariff", newer)
    assert (code, "differs from the one that is stored" in told) == (0, True)


@pytest.mark.threat("TA-23")
def test_what_partners_wrote_cannot_steer_the_terminal() -> None:
    evil = write("tariff.json", tariff(*OFFER["elements"], id="T\x1b[2J", currency="E\x1b["))
    code, told, _ = run("lint", evil, app=tariff_app)
    assert (code, "\x1b" in told, "\\x1b[2J" in told) == (1, False, True)
    code, _, told = run("price", write("cdr.json", cdr(period("08:00", **{"\x1b[2J": "1"}))))
    assert (code, "\x1b" in told) == (2, False)


def test_a_lint_fails_on_errors_only() -> None:
    sound = write("sound.json", OFFER)
    assert answer("lint", sound, app=tariff_app) == {
        "errors": 0,
        "tariffs": [{"id": "T1", "findings": []}],
    }
    shadowed = tariff(*OFFER["elements"], element(component("ENERGY", "0.4", vat="10")))
    file = write("tariffs.json", [OFFER, shadowed | {"id": "T2"}])
    told = answer("lint", file, app=tariff_app, code=1)
    (found,) = told["tariffs"][1]["findings"]
    assert (told["errors"], found["code"], found["pointer"]) == (
        1,
        "shadowed",
        "/elements/1/price_components/0",
    )
    code, text, _ = run("lint", file, app=tariff_app)
    assert (code, text.splitlines()) == (
        1,
        [
            f"error: T2 {found['pointer']}: {found['sentence']} (shadowed)",
            "2 Tariffs examined: 1 error, 0 warning, 0 info.",
        ],
    )


def test_every_published_tariff_is_examined_and_prices_a_stay() -> None:
    published = Path(ocpi.__file__).parent / "testing" / "data" / "tariffs-tesla-fr.json.gz"
    told = answer("lint", str(published), app=tariff_app, code=1)
    assert len(told["tariffs"]) == 273
    assert all(each["findings"] for each in told["tariffs"])
    words = ("--start", "2026-01-31T05:00", "--minutes", "60", "--kwh", "10")
    for offer in decode(gzip.decompress(published.read_bytes()))["data"][::40]:
        file = write("tariff.json", offer)
        bill = answer("estimate", file, *words, "--time-zone", "Europe/Paris", app=tariff_app)
        assert bill["costs"]["total_energy_cost"]["excl_vat"] > 0
        assert "unknown_restriction" in [note["code"] for note in bill["notes"]]


def test_what_a_session_would_cost_is_told_in_local_time() -> None:
    night = element(component("ENERGY", "0.2"), end_time="06:00")
    file = write("tariff.json", tariff(night, *OFFER["elements"]))
    words = ("estimate", file, "--minutes", "60", "--kwh", "10", "--time-zone", "Asia/Tokyo")
    for start, total in (("2026-01-31T05:00", 2), ("2026-01-30T22:00Z", 5)):
        told = answer(*words, "--start", start, app=tariff_app)
        assert told["costs"]["total_cost"]["excl_vat"] == total
    code, text, _ = run(*words, "--start", "2026-01-31T05:30", "--power", "20", app=tariff_app)
    assert (code, "Period 1, 05:30 to 06:00:" in text) == (0, True)


def test_of_several_tariffs_the_regular_one_is_estimated_by() -> None:
    cheap = tariff(element(component("ENERGY", "0.2")), id="T2", type="PROFILE_CHEAP")
    file = write("tariffs.json", [cheap, OFFER | {"type": "REGULAR"}])
    words = ("--start", "2026-01-31T05:00", "--minutes", "60", "--kwh", "10", "--current", "16")
    assert answer("estimate", file, *words, app=tariff_app)["tariffs"] == ["T1"]


STAY = ("--start", "2026-01-31T05:00", "--minutes", "60", "--kwh", "10")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("price", "cut.json"), "cut.json can't be read: the JSON can't be read"),
        (("price", "torn.gz"), "torn.gz can't be read: "),
        (("price", "none.json"), "none.json holds no object"),
        (("price", "words.json"), "words.json: record 1 is no object"),
        (("price", "two.json"), "two.json holds 2 objects where one CDR is due"),
        (("price", "tariff.json"), "tariff.json: start_date_time: is required"),
        (("price", "bare.json"), "bare.json: There is no tariff to price the session by."),
        (("price", "bare.json", "--tariff", "bad.json"), "bad.json: tariff 1: elements.0.price_"),
        (("price", "inside.json"), "inside.json: tariffs.0: elements: is required"),
        (("check", "plain.json"), "plain.json: No total is there that could be compared."),
        (("check", "claim.json", "--dispute-file", "no/such/folder"), "no/such/folder"),
        (("price", "bare.json", "--time-zone", "Mars/Base"), "no time zone 'Mars/Base'"),
        (("price", "missing.json"), "does not exist"),
        (("lint", "cut.json"), "cut.json can't be read"),
        (("estimate", "bad.json", *STAY), "bad.json: tariff 1: elements.0.price_components"),
        (("estimate", "tariff.json", *STAY, "--power", "1"), "takes longer than 60 min"),
        (("estimate", "tariff.json", *STAY[:4], "--kwh", "NaN"), "'NaN' is no amount"),
        (("estimate", "tariff.json", *STAY[:4], "--kwh", "ten"), "'ten' is no number"),
        (("estimate", "tariff.json", "--start", "noon", *STAY[2:]), "'noon' is no moment"),
        (("estimate", "tariff.json", "--start", "9999-12-31", *STAY[2:]), "in the year 9999"),
    ],
)
def test_what_cannot_be_answered_is_said_in_a_sentence(
    words: tuple[str, ...], sentence: str
) -> None:
    session = cdr(period("08:00", ENERGY="4"))
    Path("cut.json").write_text("[")
    Path("torn.gz").write_bytes(gzip.compress(b"{}")[:-9])
    for name, value in {
        "none.json": [],
        "words.json": ["CDR"],
        "two.json": [session, session],
        "tariff.json": OFFER,
        "bare.json": session,
        "bad.json": {"elements": [{}]},
        "inside.json": session | {"tariffs": [{"id": "T1"}]},
        "plain.json": session | {"tariffs": [OFFER]},
        "claim.json": session | {"tariffs": [OFFER], "total_cost": {"excl_vat": 9}},
    }.items():
        write(name, value)
    app = tariff_app if words[0] in ("lint", "estimate") else cdr_app
    code, told, errors = run(*words, app=app)
    assert (code, told) == (2, "")
    assert sentence in errors


def test_the_installed_command_needs_no_settings() -> None:
    file = write("cdr.json", cdr(period("08:00", ENERGY="4"), tariffs=[OFFER], total_cost=TWO))
    begin = "from ocpi.start import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", begin, "cdr", "check", file, "--json"],
        capture_output=True,
        check=True,
        env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")},
    )
    assert (decode(done.stdout)["agrees"], done.stderr) == (True, b"")
