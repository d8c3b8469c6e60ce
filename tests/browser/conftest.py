"""A real Chromium, and a shop with days behind it to look at; what a test finds wrong on a page fails it."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NoReturn

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Locator, Page, Playwright, expect, sync_playwright
from tests.conftest import serving

from optimizer.demo.tour import live_through
from optimizer.deployment import Deployment, now
from optimizer.domain.controls import UNTOUCHED, Controls
from optimizer.domain.instants import Instant
from optimizer.domain.proposals import Confidence, Edit, Effect, Proposal, ProposalKind
from optimizer.services.keys.api_keys import Scope
from optimizer.services.live import DOCUMENTS, Live
from optimizer.services.oversight import steering
from optimizer.services.proposing.keeping import Made, keep
from optimizer.settings import Settings
from optimizer.storage.audit import AuditEntry
from optimizer.storage.store import Ledger

DAYS = 12
PATIENCE = 60_000  # milliseconds; a machine may be busy
LOOKS = 240
UNDER_WAY = re.compile("being followed")  # a long audit trail, whose page does not look again by itself
PHONE = {"width": 390, "height": 844}
DESK = {"width": 1280, "height": 900}
SERIOUS = frozenset({"serious", "critical"})
OWN_WORDS = "because the team said so"  # a note

RETIRE = Proposal(
    kind=ProposalKind.RETIRE_VARIANT,
    campaign_id="winback",
    subject="we-miss-you",
    headline="Retire we-miss-you: the others do better.",
    evidence=("It earns 1.2 points a trial less.", "It has had 800 trials."),
    expected=Effect(1.5, 0.5, 2.5, "rewards", "day"),
    risk="It may have been good for something.",
    confidence=Confidence.HIGH,
    edits=(Edit("winback", ("messages", "we-miss-you", "retired"), "set", value=True),),
)
FLOOR = replace(
    RETIRE,
    subject="floor",
    headline="Lower the floor.",
    expected=None,
    confidence=Confidence.LOW,
    edits=(Edit("winback", ("policy", "floor"), "set", 0.02),),
)


@pytest.fixture(scope="module")  # while it runs, a loop does, and tests elsewhere could not run one of their own
def chromium() -> Iterator[Browser]:
    """The system's own; without it tests are skipped, and where everything must be there they fail."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        _absent("no chromium on the PATH")
    playwright: Playwright
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


@dataclass
class Shop:
    """A server with days behind it, and a key that may do everything, of somebody called Ann."""

    deployment: Deployment
    url: str
    key: str

    @property
    def last_entry(self) -> AuditEntry:
        """What the audit trail says was done last."""
        return self.entries(1)[0]

    def entries(self, n: int) -> list[AuditEntry]:
        """What was done last, newest first."""
        with self.deployment.store.reading() as ledger:
            return [link.entry for link in ledger.audit.latest(n)]

    @property
    def length(self) -> int:
        """How many entries the audit trail has."""
        with self.deployment.store.reading() as ledger:
            last = ledger.audit.latest(1)
        return last[0].number if last else 0

    def controls(self, campaign_id: str) -> Controls:
        """What people have decided about a campaign."""
        with self.deployment.store.reading() as ledger:
            return ledger.controls.all().get(campaign_id, UNTOUCHED)

    def put(self, campaign_id: str, **changes: Any) -> None:
        """Let something be so of a campaign, as if it had happened."""
        with self.deployment.store.writing(alone=True) as ledger:
            ledger.controls.put(campaign_id, replace(ledger.controls.all().get(campaign_id, UNTOUCHED), **changes))
            ledger.revisions.bump(DOCUMENTS)


@pytest.fixture(scope="session")
def lived(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder of a shop with days behind it, that nobody serves, and its key: to be copied."""
    folder = tmp_path_factory.mktemp("lived")
    deployment = Deployment(folder, Settings(actor="tester"))
    live_through(deployment, now(), seed=3, days=DAYS, progress=lambda *_: None)
    with deployment.store.writing(alone=True) as ledger:
        live, at = deployment.live, now()
        for campaign_id in live.at(ledger).tactics:  # whatever guardrails have done: tests begin with the same
            _all_well(ledger, live, campaign_id, at)
        steering.pause_variant(ledger, live, "newsletter", "stories:morning", actor="ben", note="too early", now=at)
        keep(ledger, live, Made("winback", at, live.at(ledger).version, 4_821, (RETIRE, FLOOR)), at)
    key = deployment.create_key("ann", list(Scope))
    deployment.close()
    return folder, key


def _all_well(ledger: Ledger, live: Live, campaign_id: str, at: Instant) -> None:
    said: Any = {"actor": "ben", "note": "it was chance", "now": at}
    for variant_id in ledger.controls.all().get(campaign_id, UNTOUCHED).paused:
        steering.resume_variant(ledger, live, campaign_id, variant_id, **said)
    for wish in (steering.resume, steering.release, steering.acknowledge):
        wish(ledger, live, campaign_id, **said)


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory, lived: tuple[Path, str]) -> Iterator[Shop]:
    """One for all tests that only look at it."""
    with opened(tmp_path_factory.mktemp("shop"), lived) as found:
        yield found


@pytest.fixture(scope="module")
def own_shop(tmp_path_factory: pytest.TempPathFactory, lived: tuple[Path, str]) -> Iterator[Shop]:
    """A copy for the tests of a module that change things."""
    with opened(tmp_path_factory.mktemp("own"), lived) as found:
        yield found


@contextmanager
def opened(folder: Path, lived: tuple[Path, str]) -> Iterator[Shop]:
    """A copy of a shop in a folder, served while the block lasts."""
    shutil.copytree(lived[0], folder, dirs_exist_ok=True)
    deployment = Deployment(folder, Settings(actor="tester"))
    with serving(deployment) as url:
        yield Shop(deployment, url, lived[1])
    deployment.close()


@dataclass
class Window:
    """A page of somebody who is signed in, and everything the browser complained about."""

    page: Page
    url: str
    runs: bool = True  # scripts
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.complaints.append(f"dialog: {dialog.message}"), dialog.dismiss()))

    def go(self, path: str) -> None:
        """Open a page, wait until all is worked out, looking again where no script does, and its pictures are drawn."""
        for _ in range(LOOKS):
            answer = self.page.goto(f"{self.url}{path}")
            assert answer is not None
            assert answer.status == 200, path
            if self.runs:  # what is being worked out comes by itself
                expect(self.page.locator("[data-pending]")).to_have_count(0, timeout=2 * PATIENCE)
            if self.page.locator("[data-pending]").count() == 0 and not UNDER_WAY.search(self.main.inner_text()):
                self.is_still()
                return
            self.page.wait_for_timeout(500)
        raise AssertionError(f"{path} was never worked out")

    def is_still(self) -> None:
        """Wait until nothing is loaded any more and every picture is drawn, as for somebody who scrolls down."""
        self.page.wait_for_load_state("networkidle")
        if self.runs:
            for figure in self.page.locator("[data-figure]:not(details:not([open]) *)").all():
                figure.scroll_into_view_if_needed()
                figure.locator(".plot .main-svg").first.wait_for()
            self.page.evaluate("window.scrollTo(0, 0)")

    def sign_in(self, key: str) -> None:
        self.page.goto(f"{self.url}/console/sign-in")
        self.page.get_by_label("API key").fill(key)
        self.page.get_by_role("button", name="Sign in").click()
        self.page.wait_for_url("**/console")

    @property
    def main(self) -> Locator:
        """What the page is about."""
        return self.page.locator("main")

    @property
    def said(self) -> str:
        """The one sentence about what was just done, or why it was not."""
        return self.page.locator("p.said").first.inner_text().strip("✓■\n ")

    @property
    def refused(self) -> bool:
        """Whether that sentence says why nothing was done; it then is an alert to those who cannot see it."""
        return self.page.locator("p.said").first.get_attribute("role") == "alert"

    def form(self, verb: str, within: str = "main") -> Locator:
        """The form behind a summary, opened as somebody does who has a mouse."""
        behind = self.page.locator(within).locator(
            "details.action", has=self.page.locator(f'summary:text-is("{verb}")')
        )
        behind = behind.first
        if behind.get_attribute("open") is None:
            behind.locator("summary").click()
        return behind.locator("form")

    def act(self, verb: str, note: str | None = OWN_WORDS, within: str = "main", **fields: str) -> str:
        """Open the form behind a summary, fill it in, send it; what the next page says."""
        form = self.form(verb, within)
        for name, value in fields.items():
            form.locator(f'select[name="{name}"]').select_option(value)
        if note is not None:
            form.get_by_label("Why?").fill(note)
        return self.send(form.get_by_role("button", name=verb, exact=True))

    def send(self, button: Locator) -> str:
        """Click and wait for the page that follows; what it says."""
        with self.page.expect_navigation():
            button.click()
        return self.said

    def is_sound(self) -> None:
        """Nothing the browser complains about, nothing wider than the window, one heading, and nothing that keeps
        people out who see, hear or move differently."""
        assert self.complaints == []
        assert self.page.locator("h1").count() == 1
        wider = self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wider <= 0, f"{self.page.url} is {wider} pixels wider than the window"
        found = [
            f"{one['id']} ({one['impact']}): {one['nodes'][0]['html'][:200]}"
            for one in Axe().run(self.page).response["violations"]
            if one["impact"] in SERIOUS
        ]
        assert found == [], f"{self.page.url}: {found}"


@pytest.fixture(scope="session")
def doors() -> dict[tuple[str, str], Any]:
    """What browsers keep of those who have signed in, by address and key: so that not every test does."""
    return {}


@pytest.fixture
def window(chromium: Browser, doors: dict[tuple[str, str], Any]) -> Iterator[Callable[..., Window]]:
    """Opens windows: ``window(shop)`` is signed in, ``key=None`` is not; others as wished."""
    with ExitStack() as leaving:

        def make(
            shop: Shop, *, scheme: Any = "light", size: Any = None, script: bool = True, key: str | None = ""
        ) -> Window:
            door = (shop.url, key or shop.key)
            context: BrowserContext = chromium.new_context(
                color_scheme=scheme,
                viewport=size or DESK,
                java_script_enabled=script,
                reduced_motion="reduce",
                storage_state=None if key is None else doors.get(door),
            )
            context.set_default_timeout(PATIENCE)
            leaving.callback(context.close)
            made = Window(context.new_page(), shop.url, script)
            if key is not None and door not in doors:
                made.sign_in(door[1])
                doors[door] = context.storage_state()
            return made

        yield make


def _absent(why: str) -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(why)
    pytest.skip(why)
