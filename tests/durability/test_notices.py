"""Notices survive whatever happens to a worker: killed before, while and after it posts, another one posts again."""

from __future__ import annotations

import asyncio
import base64
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import SecretStr
from standardwebhooks import Webhook
from tests.conftest import SECRET
from tests.web.receiving import Receiver, receiving

from optimizer.deployment import now
from optimizer.domain.notices import Notice, NoticeKind
from optimizer.services.notices.announcing import address, announce, post
from optimizer.services.notices.delivering import LEASE
from optimizer.settings import Receiver as ReceiverSettings
from optimizer.web.background.posting import Posting
from optimizer.web.desk import Desk

SIGNED_WITH = "whsec_" + base64.b64encode(bytes(range(32))).decode()
APPROVAL = "approval: {required: false}\n"
NOTIFY = f"{APPROVAL}notify:\n  - {{id: ops, about: [proposal_made]}}\n"
# A worker that holds the receiver and dies before it has posted anything.
HOLDS = """
import os, signal, sys
from pathlib import Path
from optimizer.deployment import Deployment, now
from optimizer.services.notices.delivering import take
from optimizer.settings import read_settings

deployment = Deployment(Path(sys.argv[1]), read_settings())
with deployment.store.writing() as ledger:
    assert len(take(ledger, deployment.live, "ops", deployment.worker, now(), 10)) == 3
os.kill(os.getpid(), signal.SIGKILL)
"""
# A worker that posts, and is killed by whoever it posts to.
POSTS = """
import asyncio, sys
from pathlib import Path
from optimizer.deployment import Deployment
from optimizer.settings import read_settings
from optimizer.web.desk import Desk
from optimizer.web.background.posting import Posting

async def work():
    deployment = Deployment(Path(sys.argv[1]), read_settings())
    posting = Posting(Desk(deployment), deployment)
    while True:
        await posting.turn()
        await asyncio.sleep(0.05)

asyncio.run(work())
"""


@pytest.fixture
def office(house: Any, files: Any, edited: Callable[..., Any]) -> Any:
    """A house on each database in which three notices are on their way."""
    house.apply(edited(files, "strategy.yaml", (APPROVAL, NOTIFY)))
    with house.deployment.store.writing() as ledger:
        for n in range(3):
            announce(ledger, Notice(NoticeKind.PROPOSAL_MADE, "winback", {"n": n}, now() + n))
        address(ledger, house.deployment.live, now(), 10)
    return house


def worker(office: Any, script: str, receiver: Receiver) -> subprocess.Popen[bytes]:
    store = office.deployment.store
    environment = {
        **os.environ,
        "OPTIMIZER_DATABASE_URL": store.engine.url.render_as_string(hide_password=False),
        "OPTIMIZER_SECRET": SECRET,
        "OPTIMIZER_RECEIVERS": f'{{"ops": {{"url": "{receiver.url}", "secret": "{SIGNED_WITH}"}}}}',
    }
    return subprocess.Popen([sys.executable, "-c", script, str(office.deployment.folder)], env=environment)


def post_after_the_lease(office: Any, receiver: Receiver) -> None:
    deployment = office.deployment
    ops = ReceiverSettings(url=SecretStr(receiver.url), secret=SecretStr(SIGNED_WITH))
    deployment.settings = deployment.settings.model_copy(update={"receivers": {"ops": ops}})

    async def turn(ahead: int) -> None:
        desk = Desk(deployment)
        posting = Posting(desk, deployment, lambda: now() + ahead)
        await posting.turn()
        await posting.settled()
        await posting.end()
        await desk.close()

    asyncio.run(turn(0))
    assert states(office) == {"waiting"}  # the dead worker's lease stands yet
    asyncio.run(turn(LEASE))


def states(office: Any) -> set[str]:
    with office.deployment.store.reading() as ledger:
        return {one.state for told in post(ledger, 10).notices for one in told.deliveries}


@pytest.mark.slow
def test_what_a_killed_worker_had_taken_is_posted_by_another(office: Any) -> None:
    with receiving() as receiver:
        killed = worker(office, HOLDS, receiver)
        assert killed.wait(60) == -signal.SIGKILL
        assert receiver.received == []
        post_after_the_lease(office, receiver)
        assert [one.headers["webhook-id"] for one in receiver.received] == ids(office)
    assert states(office) == {"delivered"}


@pytest.mark.slow
def test_what_a_worker_was_killed_over_is_posted_again_under_the_same_id(office: Any) -> None:
    with receiving() as receiver:
        receiver.talks.clear()  # it has heard, and says nothing yet
        killed = worker(office, POSTS, receiver)
        end = time.monotonic() + 60
        while not receiver.received:
            assert time.monotonic() < end
            time.sleep(0.02)
        killed.kill()
        assert killed.wait(60) == -signal.SIGKILL
        receiver.talks.set()
        post_after_the_lease(office, receiver)
        found = [one.headers["webhook-id"] for one in receiver.received]
        assert found == [ids(office)[0], *ids(office)]
        Webhook(SIGNED_WITH).verify(receiver.received[0].body, dict(receiver.received[0].headers))
    assert states(office) == {"delivered"}


def ids(office: Any) -> list[str]:
    with office.deployment.store.reading() as ledger:
        return [one.notice.notice_id for one in reversed(post(ledger, 10).notices)]
