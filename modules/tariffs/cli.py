"""Commands about money: what a session costs, whether a CDR asks for it, what ails a Tariff.

They read files and need neither database nor settings. Exit codes: 1 where a CDR is disputed or a
Tariff has errors, 2 where the question can't be answered.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Any

import typer

from modules.tariffs.files import UnusableFile, read_cdr_file, read_objects, read_tariff_file
from modules.tariffs.pricing import (
    Bill,
    Finding,
    PricingError,
    Severity,
    bill_document,
    check_cdr,
    cost_fields,
    estimate,
    explain,
    finding_document,
    lint_tariff,
    localized,
    open_zone,
    pick_tariff,
    price_cdr,
)
from modules.tariffs.verdicts import dispute_document
from ocpi.messages import plain
from ocpi.spec.document import encode, in_reach
from ocpi.terminal import AsJSON, print_json, print_table

cdr_app = typer.Typer(help="CDRs: what a session costs, and why.", no_args_is_help=True)
tariff_app = typer.Typer(help="Our Tariffs, and Tariffs in files.", no_args_is_help=True)


def _amount(text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise typer.BadParameter(f"'{text}' is no number") from None
    if not in_reach(number) or number < 0:
        raise typer.BadParameter(f"'{text}' is no amount")
    return number


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"'{text}' is no moment such as 2026-01-31T18:30") from None


def known_zone(name: str | None) -> str | None:
    """An option's value; raises ``BadParameter`` for what is no IANA name."""
    if name is not None:
        try:
            open_zone(name)
        except PricingError as error:
            raise typer.BadParameter(str(error)) from None
    return name


CDRFile = Annotated[
    Path,
    typer.Argument(
        metavar="CDR.json", exists=True, dir_okay=False, help="A CDR, alone or in an OCPI answer."
    ),
]
TariffFile = Annotated[
    Path,
    typer.Argument(
        metavar="TARIFF.json", exists=True, dir_okay=False, help="A Tariff, a list, an OCPI answer."
    ),
]
TimeZone = Annotated[
    str | None,
    typer.Option(callback=known_zone, help="The Location's time zone, such as Europe/Amsterdam."),
]
Expired = Annotated[
    bool, typer.Option("--reservation-expired", help="The reservation ran out unused.")
]


@cdr_app.command("price")
def price(
    file: CDRFile,
    *,
    tariff: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="Price by these, not by the CDR's own."),
    ] = None,
    time_zone: TimeZone = None,
    reservation_expired: Expired = False,
    as_json: AsJSON = False,
) -> None:
    """Tell what the session of a CDR costs, and why."""
    with _answering(file):
        cdr = read_cdr_file(file)
        offers = read_tariff_file(tariff) if tariff else None
        bill = price_cdr(cdr, offers, time_zone, expired=reservation_expired or None)
    _print_bill(bill, as_json=as_json)


@cdr_app.command("check")
def check(
    file: CDRFile,
    *,
    tariff: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="Tariffs as you have them: for a CDR without, and to compare with its own.",
        ),
    ] = None,
    time_zone: TimeZone = None,
    reservation_expired: Expired = False,
    dispute_file: Annotated[
        Path | None,
        typer.Option(dir_okay=False, help="Where a dispute is written; beside the CDR if not set."),
    ] = None,
    as_json: AsJSON = False,
) -> None:
    """Compare what a CDR asks for with its tariffs; exits 1 and writes a file on a dispute."""
    with _answering(file):
        cdr = read_cdr_file(file)
        offers = read_tariff_file(tariff) if tariff else []
        checked = check_cdr(cdr, offers, time_zone, expired=reservation_expired or None)
        if not checked.figures:
            raise PricingError("nothing_claimed", "No total is there that could be compared.")
    document = dispute_document(cdr, checked)
    dispute = None if checked.agrees else dispute_file or _beside(file)
    if dispute:
        with _answering(dispute):
            dispute.write_text(encode(document) + "\n", encoding="utf-8")
    if as_json:
        print_json(document | {"dispute_file": str(dispute) if dispute else None})
    else:
        _print_check(document, dispute)
    if dispute:
        raise typer.Exit(1)


@tariff_app.command("lint")
def lint(file: TariffFile, *, time_zone: TimeZone = None, as_json: AsJSON = False) -> None:
    """Find what is wrong, or probably not meant, in Tariffs; exits 1 if there are errors."""
    with _answering(file):
        documents = read_objects(file)
    now = datetime.now(UTC)
    found = [(each, lint_tariff(each, zone=time_zone, now=now)) for each in documents]
    errors = sum(each.severity == Severity.ERROR for _, findings in found for each in findings)
    if as_json:
        print_json({"errors": errors, "tariffs": [_linted(*each) for each in found]})
    else:
        _print_findings(found)
    if errors:
        raise typer.Exit(1)


@tariff_app.command("estimate")
def estimate_session(
    file: TariffFile,
    *,
    start: Annotated[
        datetime,
        typer.Option(
            parser=_moment,
            metavar="MOMENT",
            help="2026-01-31T18:30: local time if --time-zone is given, else UTC.",
        ),
    ],
    minutes: Annotated[int, typer.Option(help="How long the stay is.")],
    kwh: Annotated[
        Decimal, typer.Option(parser=_amount, metavar="KWH", help="How much is charged.")
    ],
    power: Annotated[
        Decimal | None,
        typer.Option(
            parser=_amount, metavar="KW", help="An even power; the rest of the stay is parking."
        ),
    ] = None,
    current: Annotated[
        Decimal | None,
        typer.Option(parser=_amount, metavar="A", help="Summed over all phases, if it matters."),
    ] = None,
    time_zone: TimeZone = None,
    as_json: AsJSON = False,
) -> None:
    """Tell what a session would cost; of several Tariffs, by the regular one valid at its start."""
    with _answering(file):
        offers = read_tariff_file(file)
        moment = localized(start, open_zone(time_zone) if time_zone else None)
        offer = offers[0] if len(offers) == 1 else pick_tariff(offers, moment)
        bill = estimate(offer, moment, minutes, kwh, power, time_zone, current=current)
    _print_bill(bill, as_json=as_json)


@contextmanager
def _answering(file: Path) -> Iterator[None]:
    """End with a sentence and code 2 where a file is to blame."""
    try:
        yield
    except (UnusableFile, OSError) as error:
        sentence = str(error)
    except PricingError as error:
        sentence = f"{file.name}: {error}"
    else:
        return
    typer.echo(f"error: {plain(sentence)}", err=True)
    raise typer.Exit(2)


def _beside(file: Path) -> Path:
    return file.with_name(f"{file.name.removesuffix('.gz').removesuffix('.json')}.dispute.json")


def _print_bill(bill: Bill, *, as_json: bool) -> None:
    if as_json:
        print_json(bill_document(bill))
        return
    rows = [
        (field, f"{cost['excl_vat']:f}", f"{cost['incl_vat']:f}")
        for field, cost in cost_fields(bill).items()
    ]
    print_table((f"in {bill.currency}", "without VAT", "with VAT"), rows)
    typer.echo("\n" + plain("\n".join(explain(bill))))


def _print_check(document: dict[str, Any], dispute: Path | None) -> None:
    bill = document["bill"]
    lines = [f"{'Disputed' if dispute else 'Agreed'}: {document['sentence']}", ""]
    lines += [each["sentence"] for each in (*document["costs"], *document["quantities"])]
    lines += [each["sentence"] for each in document["form"] if each not in bill["notes"]]
    lines += ["", *bill["explanation"]]
    lines += [f"\nThe dispute is in {dispute}."] if dispute else []
    typer.echo(plain("\n".join(lines)))


def _linted(document: dict[str, Any], findings: list[Finding]) -> dict[str, Any]:
    return {"id": document.get("id"), "findings": [finding_document(each) for each in findings]}


def _print_findings(found: list[tuple[dict[str, Any], list[Finding]]]) -> None:
    for document, findings in found:
        for each in findings:
            where = f"{document.get('id', 'tariff without id')} {each.pointer}".rstrip()
            typer.echo(plain(f"{each.severity}: {where}: {each.sentence} ({each.code})"))
    counts = Counter(each.severity for _, findings in found for each in findings)
    told = ", ".join(f"{counts[severity]} {severity}" for severity in Severity)
    typer.echo(f"{len(found)} Tariffs examined: {told}.")
