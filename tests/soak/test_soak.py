"""A short soak finds nothing, and what judges one finds whatever is wrong."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pytest

from ocpi.journal.table import MessageRow
from ocpi.testing import samples
from ocpi.testing.cpo import MockCPO
from ocpi.testing.emsp import MockEMSP
from ocpi.testing.mock.state import Message, Party, key_of
from tests.chaos.load import OWNER, Acknowledged
from tests.chaos.partners import Mood, Partners, Taken, Watched
from tests.chaos.scale import seeded
from tests.chaos.settling import Ours
from tests.house import open_database
from tests.soak.crossing import Crossing
from tests.soak.ledger import Ledger
from tests.soak.mix import Mix
from tests.soak.oracle import PIECE, Evidence, found_in_file, judge, read_log
from tests.soak.running import Extent, report, soak
from tests.soak.sampling import Sample, drawn, growing, slope

LOCATION = samples.location(id="LOC0")
EVSE = f"locations/{OWNER}/LOC0/EVSE-1"
CDR = samples.cdr(id="S1", cdr_token=samples.cdr_token(party_id="M00"))
BILL = f"cdrs/{OWNER}/S1"
NEWER = "2026-02-01T00:00:00.001Z"
SECRET = "a-token-that-nobody-may-read"
SAMPLE = Sample(0, 100, 0, 50, 10, 0, 0, 0)


@pytest.mark.timeout(180)
async def test_a_short_soak_loses_nothing_and_fails_at_nothing(
    sqlite_url: str, tmp_path: Path
) -> None:
    moods = (Mood.WELL, Mood.SLOW, Mood.FLAPS, Mood.HOSTILE)
    extent = Extent(seconds=6, rate=8, locations=8, moods=moods, every=2)
    outcome = await soak(sqlite_url, tmp_path, extent, tmp_path / "soak")
    assert outcome.faults == [], report(outcome)
    assert "0 faults" in report(outcome)
    ended = [
        json.loads(line).get("outcome")
        for line in (tmp_path / "soak.jsonl").read_text().splitlines()
    ]
    assert len(ended) - ended.count(None) == ended.count(None) == outcome.ledger.count > 40
    # A line of names, then one for each sample.
    assert len((tmp_path / "soak.csv").read_text().splitlines()) == len(outcome.samples) + 1 > 2


@pytest.fixture
def evidence(tmp_path: Path) -> Iterator[Evidence]:
    """Give what a soak without fault leaves: a change and a CDR of ours, and a partner's memory."""
    partner = Watched((Party("DE", "M00"),))
    cpo, emsp = MockCPO(), MockEMSP()
    location = deepcopy(LOCATION)
    location["evses"][0] |= {"status": "CHARGING", "last_updated": NEWER}
    emsp.objects["locations"][key_of("locations", location)] = deepcopy(location)
    session = samples.session()
    for mock in (cpo, emsp):
        mock.objects["sessions"][key_of("sessions", session)] = session
    for number, (path, body) in enumerate({EVSE: location["evses"][0], "cdrs": CDR}.items()):
        ids = {"x-request-id": str(number)}
        at = f"/ocpi/2.2.1/receiver/{path}"
        partner.record(Message("in", "PUT", at, ids, json.dumps(body), 200, 1000))
    ledger = Ledger(tmp_path / "ledger")
    crossing = Crossing(cpo, [emsp], ledger, seeded("test"))
    load = Mix([], ["M00"], seeded("test"), 1, ledger=ledger, crossing=crossing, drivers=[])
    load.audiences[BILL] = "M00"
    load.acknowledged = [
        Acknowledged(EVSE, NEWER, 0, ("CHARGING", None)),
        Acknowledged(BILL, CDR["last_updated"], 0),
    ]
    ours = Ours({f"locations/{OWNER}/LOC0": location}, {}, {BILL: CDR}, {BILL: ["receipt"]})
    logged = Counter({("OUT", "0"): 1, ("OUT", "1"): 1})
    yield Evidence(load, Partners([partner]), crossing, ledger, ours, [], logged, [])
    ledger.close()


def partner_of(evidence: Evidence) -> Watched:
    return evidence.partners.mocks[0]


def forget(evidence: Evidence) -> None:
    evidence.load.acknowledged.append(Acknowledged(f"sessions/{OWNER}/S1", NEWER, 0))


def go_back(evidence: Evidence) -> None:
    evidence.load.acknowledged.append(Acknowledged(EVSE, "2026-03-01T00:00:00Z", 0))


def invent_a_state(evidence: Evidence) -> None:
    partner_of(evidence).taken[EVSE].append(Taken(0, NEWER, ("BLOCKED", None)))


def invent_a_version(evidence: Evidence) -> None:
    between = Taken(0, "2026-02-01T00:00:00Z", ("CHARGING", None))
    partner_of(evidence).taken[EVSE].append(between)


def object_to_an_answer(evidence: Evidence) -> None:
    partner_of(evidence).messages[0].blame("the answer has no envelope (EN-01)")


def send_no_bill(evidence: Evidence) -> None:
    partner_of(evidence).posted.clear()


def send_another_bill(evidence: Evidence) -> None:
    partner_of(evidence).posted[BILL].add("{}")


def leave_a_partner_behind(evidence: Evidence) -> None:
    evidence.lacking = [f"M00: {BILL}"]


def carry_nothing(evidence: Evidence) -> None:
    evidence.crossing.emsps[0].objects["sessions"].clear()


def change_an_owner(evidence: Evidence) -> None:
    (told,) = evidence.crossing.emsps[0].objects["locations"].values()
    told["party_id"] = "XXX"


def log_twice(evidence: Evidence) -> None:
    evidence.logged["OUT", "0"] += 1


def log_nothing(evidence: Evidence) -> None:
    evidence.logged.clear()


def tell_a_secret(evidence: Evidence) -> None:
    evidence.told_secrets = [SECRET]


def answer_nothing(evidence: Evidence) -> None:
    with evidence.ledger.request("PATCH", None):
        pass


def crash(evidence: Evidence) -> None:
    with evidence.ledger.request("PATCH", None) as entry:
        entry.outcome = "500"


SEEDED: dict[Callable[[Evidence], None], str] = {
    forget: "L1 lost",
    go_back: "L1 lost",
    invent_a_state: "L2 invented",
    invent_a_version: "L2 invented",
    object_to_an_answer: "L3, L9, L10 objected to",
    send_no_bill: "L4 unbilled",
    send_another_bill: "L4 unbilled",
    leave_a_partner_behind: "L5, L7 different",
    carry_nothing: "L5, L7 different",
    change_an_owner: "L5, L7 different",
    log_twice: "L6 unlogged",
    log_nothing: "L6 unlogged",
    tell_a_secret: "L8 told",
    answer_nothing: "failed",
    crash: "failed",
}


def test_where_nothing_is_wrong_nothing_is_found(evidence: Evidence) -> None:
    assert judge(evidence) == []


@pytest.mark.parametrize("seed", SEEDED, ids=lambda seed: seed.__name__)
def test_each_rule_finds_what_it_is_for(
    evidence: Evidence, seed: Callable[[Evidence], None]
) -> None:
    seed(evidence)
    assert {fault.partition(":")[0] for fault in judge(evidence)} == {SEEDED[seed]}


def test_a_secret_is_found_in_a_long_file_also_where_two_pieces_of_it_meet(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("-" * (PIECE - 10) + SECRET + "-" * PIECE)
    assert found_in_file(path, [SECRET, "another"]) == {SECRET}


async def test_the_message_log_is_counted_and_searched_row_by_row(database_url: str) -> None:
    row = MessageRow(
        at=0, direction="IN", method="GET", url="/", request_id="1", correlation_id="1",
        failed=False, ms=1, request_bytes=0, response_bytes=0, request="", response=SECRET,
        request_cut=False, response_cut=False,
    )  # fmt: skip
    async with open_database(database_url) as database, database.write() as db:
        db.add(row)
    rows, found = await read_log(database_url, [SECRET, "another"])
    assert (rows, found) == ({("IN", "1"): 1}, {SECRET})


def samples_of(memory: Callable[[int], float], files: Callable[[int], int]) -> list[Sample]:
    return [
        replace(SAMPLE, seconds=60 * number, memory_mb=memory(number), files=files(number))
        for number in range(30)
    ]


def test_what_grows_for_long_is_found_and_what_warms_up_is_not() -> None:
    assert growing(samples_of(lambda n: 100 + 30 * min(n, 10), lambda n: 50 + n % 5)) == []
    (memory,) = growing(samples_of(lambda n: 100 + 2 * n, lambda _: 50))
    assert memory == "memory: 122 MB after a third, 156 MB at the end"
    (files,) = growing(samples_of(lambda _: 100, lambda n: 50 + 5 * n))
    assert files == "open files: 122.5 in the second third, 172.5 in the last"


def test_the_slope_is_of_the_last_two_thirds_in_megabytes_an_hour() -> None:
    grown = samples_of(lambda n: 100 + 30 * min(n, 10) + 0.5 * n, lambda _: 50)
    assert slope(grown) == pytest.approx(30)


def test_a_line_is_drawn_from_the_least_to_the_most() -> None:
    assert drawn([1, 2, 3]) == "▁▅█"
    assert len(drawn(range(1000))) == 60
    assert drawn([5, 5]) == "▁▁"
