"""Four processes hammer one small budget and a handful of recipients, one of them is killed: no limit gives way."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from optimizer.deployment import Deployment
from optimizer.domain.instants import DAY, HOUR
from optimizer.domain.meters import MeterKey, Reading
from optimizer.services.decisions.deciding import Answer

WORKERS = 4
SECONDS = 7.0
KILLED_AFTER = 3.0
MICRO = 1_000_000
AT_MOST, PER = 2, 7 * DAY
TOTAL, DAILY, SENDS_A_DAY = 12 * MICRO, 3 * MICRO, 10
CHEAPEST = 10_000  # the most that the cheapest variant costs
FILES = {
    "strategy.yaml": """\
strategy: acme
currency: USD
time_zone: America/New_York
objectives:
  - id: buy
    reward: {outcome: purchase, value: first}
    attribution_window: PT12H
channels:
  email: {sends_per_day: 10, cost: "0.01 USD"}
contact_policy:
  - {at_most: 2, per: P7D}
budget: {daily: "3 USD"}
approval: {required: false}
""",
    "campaigns/hammered.yaml": """\
campaign: hammered
serves: buy
channel: email
messages:
  - {id: dear, subject: Ten percent for you, cost: "0.55 USD per purchase"}
  - {id: clicky, subject: A quiz, cost: "0.20 USD per click"}
  - {id: cheap, subject: What is new}
policy: {floor: 0.3}
budget: {total: "12 USD", sends: {daily: 9}}
""",
}
# Every value a meter ever had, written down by the database itself.
WATCH = {
    "sqlite": [
        "CREATE TABLE peaks (scope TEXT, period TEXT, money BIGINT, sends BIGINT)",
        "CREATE TRIGGER watch_new AFTER INSERT ON meters BEGIN "
        "INSERT INTO peaks VALUES (new.scope, new.period, new.reserved + new.settled, new.sends); END",
        "CREATE TRIGGER watch AFTER UPDATE ON meters BEGIN "
        "INSERT INTO peaks VALUES (new.scope, new.period, new.reserved + new.settled, new.sends); END",
    ],
    "postgresql": [
        "CREATE TABLE peaks (scope TEXT, period TEXT, money BIGINT, sends BIGINT)",
        "CREATE FUNCTION watch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "INSERT INTO peaks VALUES (new.scope, new.period, new.reserved + new.settled, new.sends); "
        "RETURN new; END $$",
        "CREATE TRIGGER watch AFTER INSERT OR UPDATE ON meters FOR EACH ROW EXECUTE FUNCTION watch()",
    ],
}


@dataclass
class Told:
    """What the workers wrote down."""

    asked: dict[tuple[str, str], int] = field(default_factory=dict)  # when a request was first made
    answers: dict[tuple[str, str], set[tuple[Any, ...]]] = field(default_factory=lambda: defaultdict(set))
    n_answers: int = 0
    unsubscribed: dict[str, int] = field(default_factory=dict)  # when it was first acknowledged
    lost: list[str] = field(default_factory=list)


@pytest.fixture
def hammers(
    database_url: str, deployment: Deployment, workspace: Callable[..., Path]
) -> Iterator[Callable[[int, int], subprocess.Popen[str]]]:
    """Starts workers: ``hammers(number, start)``."""
    folder = workspace(FILES)
    environment = {**os.environ, "OPTIMIZER_DATABASE_URL": database_url}
    assert deployment.settings.secret is not None
    environment["OPTIMIZER_SECRET"] = deployment.settings.secret.get_secret_value()
    script = Path(__file__).parent / "hammer.py"
    with ExitStack() as leaving:

        def start(number: int, began: int) -> subprocess.Popen[str]:
            errors = leaving.enter_context((folder / f"hammer-{number}.errors").open("a"))
            process = subprocess.Popen(
                [sys.executable, str(script), str(folder), str(number), str(SECONDS), str(began)],
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
            leaving.callback(ended, process)
            return process

        yield start


def ended(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.kill()
    process.wait(30)
    for stream in (process.stdin, process.stdout):
        assert stream is not None
        stream.close()


def hammered(start: Callable[[int, int], subprocess.Popen[str]], first_day: int) -> None:
    """Let all workers loose at once, kill one of them in the middle, and wait for the others."""
    workers = [start(number, first_day) for number in range(WORKERS)]
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
    began = time.monotonic_ns()
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write(f"{began}\n")
        worker.stdin.flush()
    time.sleep(KILLED_AFTER)
    workers[0].kill()
    assert workers[0].wait(30) == -9
    assert [worker.wait(60) for worker in workers[1:]] == [0] * (WORKERS - 1)


def told_in(folder: Path) -> Told:
    told = Told()
    for log in folder.glob("hammer-*.log"):
        for line in log.read_text().splitlines(keepends=True):
            if not line.endswith("\n"):
                continue  # the last words of the one that was killed
            said = json.loads(line)
            request = (said.get("recipient", ""), said.get("request", ""))
            if "asked" in said:
                told.asked[request] = min(said["asked"], told.asked.get(request, said["asked"]))
            elif "decision" in said:
                told.n_answers += 1
                told.answers[request].add(tuple(said[k] for k in ("decision", "variant", "propensity", "at")))
            elif "unsubscribed" in said:
                name, at = said["unsubscribed"], said["told"]
                told.unsubscribed[name] = min(at, told.unsubscribed.get(name, at))
            else:
                told.lost.append(said["lost"])
    return told


def limits_of(key: MeterKey) -> Reading:
    """What may be on a meter at most: money and sends."""
    day = len(key.period) == len("2026-12-01")
    return {
        ("strategy", True): Reading(DAILY, 0, 10**9),
        ("channel:email", True): Reading(10**12, 0, SENDS_A_DAY),
        ("campaign:hammered", True): Reading(10**12, 0, 9),
        ("campaign:hammered", False): Reading(TOTAL, 0, 10**9),
    }[key.scope, day]


def sums(commitments: list[Any]) -> dict[MeterKey, Reading]:
    """What the commitments add up to on every meter, computed here."""
    found: dict[MeterKey, Reading] = defaultdict(Reading)
    for one in commitments:
        day = _local_day(one.at)
        more = Reading(one.most - one.settled if one.open else 0, one.settled, 0 if one.withdrawn else 1)
        for scope, period in (
            ("strategy", day),
            ("channel:email", day),
            ("campaign:hammered", day),
            ("campaign:hammered", "ever"),
        ):
            found[MeterKey(scope, period)] = found[MeterKey(scope, period)].plus(more)
    return found


def _local_day(at: int) -> str:
    from zoneinfo import ZoneInfo

    return datetime.fromtimestamp(at // MICRO, UTC).astimezone(ZoneInfo("America/New_York")).date().isoformat()


def most_contacts(commitments: list[Any]) -> int:
    """The most contacts of one recipient in any rolling window."""
    by_recipient: dict[str, list[int]] = defaultdict(list)
    for one in commitments:
        if not one.withdrawn:
            by_recipient[one.recipient_key].append(one.at)
    return max(
        sum(begin <= at < begin + PER for at in instants) for instants in by_recipient.values() for begin in instants
    )


def everything_holds(house: Any, database: str) -> list[Any]:
    """No meter ever went beyond its limit, and meters are what the commitments add up to; gives the commitments."""
    with house.deployment.store.engine.connect() as connection:
        peaks = list(
            connection.execute(sa.text("SELECT scope, period, max(money), max(sends) FROM peaks GROUP BY 1, 2"))
        )
    assert peaks
    for scope, period, money, sends in peaks:
        limit = limits_of(MeterKey(scope, period))
        assert money <= limit.money, f"{scope} {period}: {money} of {limit.money} micro-units"
        assert sends <= limit.sends, f"{scope} {period}: {sends} of {limit.sends} sends"
    with house.deployment.store.reading() as ledger:
        commitments, meters = list(ledger.commitments.stream()), ledger.meters.all()
    summed = sums(commitments)
    for key, reading in summed.items():
        limit = limits_of(key)
        assert reading.money <= limit.money
        assert reading.sends <= limit.sends
    assert {key: meters.get(key, Reading()) for key in summed} == summed
    assert most_contacts(commitments) <= AT_MOST
    verification = house.verify()
    assert verification.clean, verification
    return commitments


def nobody_who_unsubscribed_is_contacted_again(told: Told) -> int:
    """How many requests were refused because somebody had unsubscribed before anyone asked."""
    refused = 0
    for (recipient, request), answers in told.answers.items():
        if told.asked[recipient, request] > told.unsubscribed.get(recipient, 10**30):
            refused += 1
            assert {variant for _, variant, _, _ in answers} == {None}, f"{recipient} was contacted after unsubscribing"
    return refused


def used_up(house: Any) -> list[Answer]:
    """Decide for new recipients, day after day, and report all that costs, until nothing is affordable."""
    sent: list[Answer] = []
    for day in range(400):
        asked = [house.request(f"late-{day}-{n}", "late", "hammered") for n in range(12)]
        answers = house.decide(*asked)
        served = [answer for answer in answers if answer.variant is not None]
        house.record(
            *[
                house.report(answer.decision.decision_id, kind, occurred_at=house.now)
                for answer in served
                for kind in ("clicked", "purchase")
            ]
        )
        sent += served
        house.later(DAY)
        if not served:
            assert {answer.decision.reason.value for answer in answers} == {"budget_exhausted"}
            return sent
    pytest.fail("the budget never ran out")


@pytest.mark.slow
def test_no_limit_gives_way_to_four_processes_and_the_whole_budget_can_be_used(
    make_house: Any, deployment: Deployment, database: str, hammers: Callable[[int, int], subprocess.Popen[str]]
) -> None:
    house = make_house(deployment)
    house.apply(FILES)
    with deployment.store.engine.begin() as connection:
        for statement in WATCH[database]:
            connection.execute(sa.text(statement))
    hammered(hammers, house.now)
    told = told_in(deployment.folder)
    commitments = everything_holds(house, database)
    contacts, spent = len(commitments), sum(one.settled for one in commitments)

    for request, answers in told.answers.items():
        assert len(answers) == 1, f"{request} got different answers: {answers}"
    stored = {one.decision_id for one in commitments}
    served = {id_ for answers in told.answers.values() for id_, variant, _, _ in answers if variant is not None}
    assert served <= stored
    refused = nobody_who_unsubscribed_is_contacted_again(told)

    house.later(int((SECONDS + 5) * 2) * DAY + 13 * HOUR)  # everything has matured
    late = used_up(house)
    commitments = everything_holds(house, database)
    assert not any(one.open for one in commitments)
    settled = sum(one.settled for one in commitments)
    assert TOTAL - settled < max(CHEAPEST, TOTAL // 100)
    print(
        f"\n{database}: {told.n_answers} answers to {len(told.answers)} requests; {contacts} commitments, "
        f"at most {most_contacts(commitments)} of {AT_MOST} contacts in {PER // DAY} days; "
        f"{len(told.unsubscribed)} unsubscribed, {refused} requests refused for it; {len(told.lost)} races lost; "
        f"spent {spent / MICRO:.2f}, with {len(late)} more decisions {settled / MICRO:.2f} of {TOTAL / MICRO:.2f}"
    )
    assert contacts >= 40
    assert told.n_answers > len(told.answers), "nobody retried anything"
    assert told.lost or database == "sqlite", "nobody ever got in anybody's way: this test is too gentle"
