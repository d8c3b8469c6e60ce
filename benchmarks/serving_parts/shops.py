"""A shop that is served: its documents, its ledger, and `optimizer serve` as a user runs it, a process of its own."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from typing import IO, Any, NamedTuple
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import urlopen

from pydantic import SecretStr

from optimizer.deployment import Deployment, now
from optimizer.services.documents.applying import apply_workspace, approve
from optimizer.services.keys.api_keys import Scope
from optimizer.settings import Settings
from optimizer.strategy.workspace import read_workspace
from serving_parts.databases import rows_of
from serving_parts.machine import on_cores

CAMPAIGN = "winback"
SECRET = "a benchmark keeps no secrets 0123456789"
START_SECONDS, DRAIN_SECONDS, VERIFY_SECONDS = 60, 60, 900

STRATEGY = """\
strategy: bench
currency: USD
time_zone: Europe/London
objectives:
  - {id: buy, reward: {outcome: purchase, value: first}, attribution_window: P7D}
attributes:
  country: {type: category, values: [US, GB, DE, FR]}
  days: {type: number, minimum: 0, maximum: 5000}
  vip: {type: boolean}
channels: {email: {cost: "0.0008 USD"}}
budget: {daily: "900000 USD", monthly: "9000000 USD"}
approval: {required: true}
holdout: {share: 0.02}
"""
CONTACT_CAP = "contact_policy: [{at_most: 3, per: P7D}]\n"
WINBACK = """\
campaign: winback
serves: buy
channel: email
starts: 2020-01-01
ends: 2099-12-31
messages:
  - {id: ten-percent, subject: We saved you 10%, body: "For a week. {{unsubscribe_url}}", cost: "0.50 USD per purchase"}
  - {id: new-arrivals, subject: See what is new, body: "Just in: the new collection. {{unsubscribe_url}}"}
  - {id: hello, subject: How are you, body: "It has been a while. {{unsubscribe_url}}"}
  - {id: quiz, subject: Which style is yours, body: "Seven questions and you know. {{unsubscribe_url}}"}
  - {id: free-delivery, subject: Delivery is on us, body: "This month only. {{unsubscribe_url}}"}
  - {id: best-of, subject: What others love, body: "Our ten most loved things. {{unsubscribe_url}}"}
control: {message: hello}
segments:
  - {id: lapsed, when: {days: {at_least: 2500}}}
  - {id: vips, when: {vip: true}}
  - {id: british, when: {country: GB}}
  - {id: american, when: {country: US}}
  - {id: recent, when: {days: {below: 60}}}
everyone_else: include
policy: {floor: 0.02}
budget: {total: "90000000 USD", daily: "800000 USD", monthly: "8000000 USD"}
holdout: {share: 0.05}
"""


def documents(*, contact_cap: bool = False) -> dict[str, str]:
    """5 segments and everyone else, 6 variants, dates, approval, holdouts, budgets of money by day and month."""
    strategy = STRATEGY + CONTACT_CAP if contact_cap else STRATEGY
    return {"strategy.yaml": strategy, f"campaigns/{CAMPAIGN}.yaml": WINBACK}


@dataclass(frozen=True)
class Shop:
    """A workspace and a ledger in which its documents are in force and approved.

    Attributes:
        url: of the ledger's database.
        key: an API key with every scope.
    """

    folder: Path
    url: str
    key: str

    @property
    def environment(self) -> dict[str, str]:
        """Ours, without anything that would point the service at another ledger, and what points it at this one."""
        ours = {name: value for name, value in os.environ.items() if not name.startswith("OPTIMIZER_")}
        return ours | {"OPTIMIZER_DATABASE_URL": self.url, "OPTIMIZER_SECRET": SECRET, "OPTIMIZER_ACTOR": "bench"}

    def count(self, table: str) -> int:
        return int(rows_of(self.url, f"SELECT count(*) FROM {table}")[0][0])

    def verify(self, *options: str) -> dict[str, Any]:
        """What `optimizer ledger verify` says of the ledger."""
        asked = ["ledger", "verify", "--workspace", str(self.folder), "--json", *options]
        command = [sys.executable, "-m", "optimizer", *asked]
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, check=False, timeout=VERIFY_SECONDS
        )
        if not done.stdout:
            sys.exit(f"`optimizer ledger verify` gave no answer: {done.stderr}")
        found: dict[str, Any] = json.loads(done.stdout)
        return found


def opened(folder: Path, url: str, files: Mapping[str, str]) -> Shop:
    """A shop on an empty database: documents applied, every message approved, a key made."""
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, "utf-8")
    deployment = deployed(folder, url)
    try:
        workspace = read_workspace(files)
        with deployment.store.writing(alone=True) as ledger:
            apply_workspace(ledger, workspace, actor="bench", note="bench", now=now())
        for campaign_id, campaign in workspace.campaigns.items() if workspace.strategy.approval.required else ():
            for message in campaign.messages:
                with deployment.store.writing(alone=True) as ledger:
                    approve(ledger, deployment.live, campaign_id, message.id, actor="bench", note="bench", now=now())
        return Shop(folder, url, deployment.create_key("bench", list(Scope)))
    finally:
        deployment.close()


def deployed(folder: Path, url: str) -> Deployment:
    """The deployment of a shop in this process."""
    return Deployment(folder, Settings(database_url=SecretStr(url), secret=SecretStr(SECRET), actor="bench"))


class Served(NamedTuple):
    """A service that answers.

    Attributes:
        pid: of the process that was started; with several workers it only looks after them.
    """

    port: int
    pid: int


@contextmanager
def served(shop: Shop, cores: Sequence[int], *options: str) -> Iterator[Served]:
    """`optimizer serve` on a free port and these cores. Drained at the end, and it must end well."""
    command = ["-m", "optimizer", "serve", "--port", "0", "--workspace", str(shop.folder), "--json", *options]
    with (shop.folder / "serve.log").open("ab") as log, running(command, cores, shop.environment, log) as process:
        try:
            port = port_of(process)
            wait_until_ready(port, process)
            yield Served(port, process.pid)
            process.send_signal(signal.SIGTERM)
            if (code := process.wait(DRAIN_SECONDS)) != 0:
                sys.exit(f"the service ended with {code}")
        except SystemExit:
            print((shop.folder / "serve.log").read_text()[-2_000:], file=sys.stderr)
            raise


@contextmanager
def empty_endpoint(cores: Sequence[int]) -> Iterator[Served]:
    """The empty FastAPI endpoint on a free port and these cores."""
    with _peer(["empty_app.py"], cores, "/openapi.json") as peer:
        yield peer


@contextmanager
def prototype(url: str, rows: str, cores: Sequence[int]) -> Iterator[Served]:
    """The bare prototype that writes rows of this kind into an empty database, on a free port and these cores."""
    with _peer(["bare_app.py", url, rows], cores, "/") as peer:
        yield peer


@contextmanager
def _peer(command: Sequence[str], cores: Sequence[int], path: str) -> Iterator[Served]:
    script = str(Path(__file__).with_name(command[0]))
    with running([script, *command[1:]], cores, dict(os.environ), subprocess.DEVNULL) as process:
        port = port_of(process)
        wait_until_ready(port, process, path)
        yield Served(port, process.pid)


@contextmanager
def running(
    command: Sequence[str], cores: Sequence[int], environment: Mapping[str, str], log: int | IO[bytes]
) -> Iterator[subprocess.Popen[bytes]]:
    """A Python process on these cores, ended with the block whatever happens."""
    with on_cores(*cores):
        process = subprocess.Popen(
            [sys.executable, *command],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(DRAIN_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        assert process.stdout is not None
        process.stdout.close()


def port_of(process: subprocess.Popen[bytes]) -> int:
    """The port that a process has said it listens on."""
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        sys.exit(f"{process.args!r}: it did not start")
    return urlsplit(json.loads(line)["url"]).port or 0


def wait_until_ready(port: int, process: subprocess.Popen[bytes], path: str = "/readyz") -> None:
    until = monotonic() + START_SECONDS
    while monotonic() < until and process.poll() is None:
        try:
            with urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
                if answer.status == 200:
                    return
        except (URLError, OSError):
            pass
        sleep(0.05)
    sys.exit(f"{process.args!r}: it did not become ready")
