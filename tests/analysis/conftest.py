"""A shop with a history of three weeks, on each database, read in its ledger and through its service."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

import optimizer
from optimizer.analysis.rooms import ReadingRoom
from optimizer.deployment import Deployment
from optimizer.domain.instants import DAY, HOUR, SECOND
from optimizer.settings import Settings

SECRET = "correct horse battery staple 0123456789"

STRATEGY = """\
strategy: shop
currency: USD
time_zone: UTC
objectives:
  - {id: revenue, reward: {outcome: purchase, value: amount}, attribution_window: P7D, penalties: {unsubscribed: 5}}
  - {id: visits, reward: {outcome: clicked, value: first}, attribution_window: P2D}
attributes:
  country: {type: category, values: [US, GB]}
  days: {type: number}
  vip: {type: boolean}
  income: {type: number, sensitive: true, why: credit}
  name: {type: text}
hygiene: {fastest: PT2S}
approval: {required: false}
"""
WINBACK = """\
campaign: winback
serves: revenue
channel: email
messages:
  - {id: one, subject: One}
  - {id: two, subject: Two, cost: "0.25 USD per purchase"}
  - {id: three, subject: Three, cost: "0.10 USD"}
control: {message: one}
segments:
  - {id: americans, when: {country: US}}
everyone_else: include
policy: {model: hurdle, floor: 0.05}
holdout: {share: 0.2}
"""
LETTER = """\
campaign: letter
serves: visits
channel: email
messages:
  - {id: short, subject: Short}
  - {id: long, subject: Long}
control: nothing
holdout: {share: 0.1}
"""
FILES = {"strategy.yaml": STRATEGY, "campaigns/winback.yaml": WINBACK, "campaigns/letter.yaml": LETTER}
PEOPLE: list[dict[str, Any]] = [
    {"country": "US", "days": 3.5, "vip": True, "income": 9.0, "name": "Ada"},
    {"days": 8.0},
    {},
]


def fill(house: Any, n: int = 40) -> None:
    """Decisions on five days and what came of them: purchases, refunds, machines, late ones, and somebody erased."""
    house.now = time.time_ns() // 1_000 - 20 * DAY
    house.apply(FILES)
    for day in range(5):
        requests = [
            house.request(f"person-{i}", f"r{day}", "winback" if i % 4 else "letter", attributes=PEOPLE[i % 3])
            for i in range(n)
        ]
        made = [answer.decision for answer in house.decide(*requests)]
        sent = [decision for decision in made if decision.variant_id is not None]
        start = house.now
        house.later(HOUR)
        reports = [
            house.report(d.decision_id, "purchase", occurred_at=start + (i + 3) * SECOND, value=10_000_003 * (i + 1))
            for i, d in enumerate(sent[::3])
        ]
        reports += [house.report(d.decision_id, "clicked", occurred_at=start + SECOND) for d in sent[::5]]  # machines
        reports += [house.report(d.decision_id, "clicked", occurred_at=start + 9 * SECOND) for d in sent[1::5]]
        reports += [house.report(d.decision_id, "unsubscribed", occurred_at=start + HOUR // 2) for d in sent[4::9]]
        house.record(*reports)
        refunded = reports[0]
        house.recorded(refunded.decision_id, "purchase", occurred_at=start + HOUR // 2, reverses=refunded.event_id)
        house.learn()
        house.later(DAY - HOUR)
    late = house.decided("late-buyer", attributes={"country": "GB"}).decision
    house.later(9 * DAY)
    house.recorded(late.decision_id, "purchase", occurred_at=house.now - SECOND, value=5_000_000)
    house.learn()
    house.erase("person-1", forget_suppressions=True)
    house.later(11 * DAY - HOUR - 5 * DAY)
    house.decide(*(house.request(f"young-{i}", attributes=PEOPLE[i % 3]) for i in range(6)))


@pytest.fixture(scope="session", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database_of_the_shop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """URL of a migrated database for all tests of this folder, which only read it."""
    if request.param == "sqlite":
        file = tmp_path_factory.mktemp("shop") / "ledger.db"
        shutil.copyfile(request.getfixturevalue("ready_file"), file)
        return f"sqlite:///{file}"
    server: sa.URL = request.getfixturevalue("ready_server")
    admin = sa.create_engine(server, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with admin.connect() as connection:
        connection.exec_driver_sql("CREATE DATABASE shop TEMPLATE ready")
    admin.dispose()
    return server.set(database="shop").render_as_string(hide_password=False)


@pytest.fixture(scope="session")
def shop(
    database_of_the_shop: str, make_house: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    """The shop's house."""
    settings = Settings(database_url=SecretStr(database_of_the_shop), secret=SecretStr(SECRET), actor="tester")
    deployment = Deployment(tmp_path_factory.mktemp("folder"), settings)
    try:
        house = make_house(deployment)
        fill(house)
        yield house
    finally:
        deployment.close()


@pytest.fixture
def in_the_ledger(
    shop: Any, database_of_the_shop: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ReadingRoom]:
    """A reading room on the shop's ledger."""
    monkeypatch.setenv("OPTIMIZER_DATABASE_URL", database_of_the_shop)
    monkeypatch.setenv("OPTIMIZER_SECRET", SECRET)
    with optimizer.open(tmp_path) as room:
        yield room


@pytest.fixture
def at_the_service(shop: Any, serve: Callable[..., Any]) -> Iterator[ReadingRoom]:
    """A reading room on a service of the shop."""
    with serve(shop.deployment, FILES) as service, optimizer.open(service.url, key=service.key) as room:
        yield room
