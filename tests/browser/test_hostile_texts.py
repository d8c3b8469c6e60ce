"""Whatever people and machines write is text, in a browser that would run it: nothing runs, nothing is loaded."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from urllib.parse import quote

import pytest
from playwright.sync_api import Route
from tests.browser.conftest import RETIRE, Shop, Window
from tests.conftest import serving

from optimizer.deployment import Deployment, now
from optimizer.domain.instants import DAY, HOUR
from optimizer.domain.outcome import Outcome
from optimizer.domain.proposals import Edit, Effect, ProposalKind
from optimizer.errors import OptimizerError
from optimizer.services.decisions.deciding import DecisionRequest, decide
from optimizer.services.documents.applying import apply_workspace, approve
from optimizer.services.keys.api_keys import Scope
from optimizer.services.learning.refreshing import learn_campaign
from optimizer.services.outcomes.recording import OutcomeReport, record_outcomes
from optimizer.services.oversight import steering
from optimizer.services.proposing.keeping import Made, keep
from optimizer.services.recipients.profiles import put_profile
from optimizer.settings import Settings
from optimizer.storage.recipients import Profile
from optimizer.strategy.workspace import read_workspace

pytestmark = pytest.mark.slow

FOREIGN = "//elsewhere.example"
HOSTILE = (
    f"</script><script>window.__pwned=1</script>\"'><img src={FOREIGN}/x onerror=window.__pwned=2>"
    '<svg onload=window.__pwned=3><a href="javascript:window.__pwned=4">{{9**13}}</a>{% raw %}${7*7}'
)
SEEN = "onerror=window.__pwned=2>"  # of it, what a page must show as it is
FILLED = HOSTILE.replace("{{9**13}}", "{{first_name|<i onload=window.__pwned=5>}}")  # of messages
YAML, WORDS = ('"' + text.replace('"', '\\"') + '"' for text in (HOSTILE, FILLED))
MARKUP = "[onerror], [onload], [href^=javascript]"
RUNS = f"window.__pwned !== undefined || document.querySelector('{MARKUP}') !== null"

STRATEGY = f"""\
strategy: acme
why: {YAML}
currency: USD
time_zone: Europe/London
objectives:
  - id: buy
    why: {YAML}
    reward: {{outcome: purchase, value: amount, at_most: "400 USD"}}
    attribution_window: P3D
  - {{id: visits, proxy_for: buy, reward: {{outcome: site_visit, value: first}}, attribution_window: P3D}}
attributes:
  country: {{type: category, values: [US, {YAML}], why: {YAML}}}
  plan: {{type: category, values: [free, {YAML}]}}
policy_defaults: {{model: hurdle}}
approval: {{required: true, approvers: [ann, {YAML}]}}
review: {{every: P14D}}
guardrail_metrics: [{{outcome: unsubscribed, at_most: 0.01, then: alert}}]
brand: {{banned_phrases: [{YAML.replace("7*7", "8*8")}], placeholders: [first_name]}}
budget: {{total: "500 USD", per: month}}
channels: {{email: {{cost: "0.01 USD"}}}}
"""
WINBACK = f"""\
campaign: winback
serves: buy
why: {YAML}
journey_stage: {YAML}
channel: email
messages:
  - id: one
    subject: {WORDS}
    body: {WORDS}
    fields: {{headline: {WORDS}}}
    notes: {YAML}
  - {{id: two, subject: Two}}
  - {{id: unread, subject: {WORDS}}}
targetings:
  - {{id: morning, notes: {YAML}, fields: {{slot: {WORDS}}}}}
control: {{message: two, targeting: morning}}
segments:
  - {{id: american, why: {YAML}, when: {{country: {{in: [US, {YAML}]}}}}}}
everyone_else: include
holdout: {{share: 0.2}}
"""
OTHER = f"""\
campaign: other
serves: visits
accept_proxy: {YAML}
channel: email
messages: [{{id: one, subject: One}}]
control: nothing
policy: {{model: beta_bernoulli}}
"""
FILES = {"strategy.yaml": STRATEGY, "campaigns/winback.yaml": WINBACK, "campaigns/other.yaml": OTHER}
WRITE = replace(
    RETIRE,
    kind=ProposalKind.WRITE_MESSAGE,
    subject=HOSTILE,
    headline=f"Write {HOSTILE}",
    evidence=(HOSTILE,),
    risk=HOSTILE,
    expected=Effect(0.01, -0.01, 0.03, "share of trials", "trial"),
    edits=(Edit("winback", ("messages",), "append", {"id": "draft", "subject": FILLED}),),
)
ONE_LESS = replace(RETIRE, subject="one", edits=(Edit("winback", ("messages", "one", "retired"), "set", value=True),))
PEOPLE = 240


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A shop of two weeks in which somebody has written markup wherever anybody can write."""
    deployment = Deployment(tmp_path_factory.mktemp("hostile"), Settings(actor="tester"))
    begins = now() - 14 * DAY
    with deployment.store.writing(alone=True) as ledger:
        apply_workspace(ledger, read_workspace(FILES), actor=HOSTILE, note=HOSTILE, now=begins)
        for message in ("one", "two"):
            approve(ledger, deployment.live, "winback", message, actor="ann", note=HOSTILE, now=begins)
    decided: list[str] = []
    for day in range(13):
        at = begins + day * DAY + HOUR
        decided += _asked(deployment, day, at)
        with deployment.store.writing(alone=True) as ledger:
            reports = [
                OutcomeReport(f"{one}-p", "purchase", at + HOUR, one, value=(5 + n % 7) * 1_000_000, currency="USD")
                for n, one in enumerate(decided[-PEOPLE // 13 :])
                if n % 5 == 0
            ]
            record_outcomes(ledger, deployment.live, reports, at + 2 * HOUR)
            learn_campaign(ledger, deployment.live, "winback", at + 3 * HOUR)
    with deployment.store.writing(alone=True) as ledger:
        live, at = deployment.live, now() - 6 * DAY
        for wish in (steering.pause, steering.resume, steering.review):
            wish(ledger, live, "winback", actor=HOSTILE, note=HOSTILE, now=at)
        at = now()
        steering.pause_variant(ledger, live, "winback", "one:morning", actor=HOSTILE, note=HOSTILE, now=at)
        profile = Profile({"country": HOSTILE}, {"email": True})
        put_profile(ledger, live, "ann@example.com", profile, at, {"email": HOSTILE})
        fields = ("recipient", "campaign_id", "value", "currency", "reverses", "recipient_key", "decision_id")
        kept = {**dict.fromkeys(fields), "event_id": HOSTILE[:60], "kind": HOSTILE, "occurred_at": at}
        ledger.quarantine.keep(HOSTILE[:60], HOSTILE, {**kept, "machine": False}, at)
        ledger.outcomes.insert([Outcome(HOSTILE[:60], decided[-1], HOSTILE, 5_000_000, "USD", at, at)])
        version = live.at(ledger).version
        keep(ledger, live, Made("winback", at, version, 4_821, (WRITE, ONE_LESS)), at)
    key = deployment.create_key("<img src=x onerror=window.__pwned=6>", list(Scope))
    with serving(deployment) as url:
        shop = Shop(deployment, url, key)
        shop.put("winback", alerted={HOSTILE: HOSTILE})
        yield shop
    deployment.close()


def _asked(deployment: Deployment, day: int, at: int) -> list[str]:
    """Decisions of a day, by id; the last ones are about somebody who is known."""
    asked = [
        DecisionRequest("winback", f"a{day}.{n}", "r1", {"country": HOSTILE if n % 3 else "US", "plan": HOSTILE})
        for n in range(PEOPLE // 13)
    ]
    asked.append(DecisionRequest("winback", "ann@example.com", f"day-{day}", {"country": HOSTILE}))
    with deployment.store.writing(alone=True) as ledger:
        answers = decide(ledger, deployment.live, asked, at)
    assert not any(isinstance(one, OptimizerError) for one in answers), answers
    return [one.decision.decision_id for one in answers if not isinstance(one, OptimizerError)]


@pytest.fixture
def victim(hostile: Shop, window: Callable[..., Window]) -> Iterator[Window]:
    """A window of somebody who signs in with a key of that name; whatever it asks of others fails the test."""
    opened = window(hostile, key=None)
    abroad: list[str] = []

    def refuse(route: Route) -> None:
        if route.request.url.startswith(hostile.url):
            route.fallback()
        else:
            abroad.append(route.request.url)
            route.abort()

    opened.page.context.route("**/*", refuse)
    opened.sign_in(hostile.key)
    yield opened
    assert abroad == [], "something was asked of others"


def harmless(opened: Window) -> str:
    """What the page says, once nothing in it has run."""
    opened.is_still()
    for one in opened.page.locator("main details:not([open]) > summary").all():
        if one.is_visible():
            one.click()
    for figure in opened.page.locator(".plot .main-svg").all()[::2]:
        if figure.is_visible():
            figure.hover(force=True, position={"x": 200, "y": 120})  # plotly has a little markup of its own in hovers
    assert not opened.page.evaluate(RUNS), opened.page.url
    assert opened.complaints == [], "a policy that has to step in means that markup got through"
    said = opened.page.locator("body").inner_text()
    assert str(9**13) not in opened.page.content(), "a template has worked something out"
    return said


SHOWN = (
    "/console",
    "/console/campaigns/winback",
    "/console/strategy",
    "/console/strategy/versions/1",
    "/console/proposals",
    "/console/proposals/1",
    "/console/reviews",
    "/console/reviews/weekly",
    "/console/audit",
    "/console/quarantine",
)
OTHERS = (
    "/console/campaigns/other",
    "/console/campaigns/winback/decisions",
    "/console/campaigns/winback/measurement",
    "/console/campaigns/winback/forecast",
    "/console/campaigns/winback/segments",
    "/console/campaigns/winback/assist",
    "/console/strategy/measurement",
    "/console/proposals/2",
    "/console/recipients",
    "/console/decisions",
)


def test_hostile_texts_are_texts_on_every_page(victim: Window) -> None:
    without = []
    for path in (*SHOWN, *OTHERS):
        victim.go(path)
        if SEEN not in harmless(victim) and path in SHOWN:
            without.append(path)
    assert without == [], "pages that do not show what somebody wrote"


def test_hostile_texts_are_texts_in_what_is_found(hostile: Shop, victim: Window) -> None:
    page = victim.page
    victim.go("/console/recipients")
    page.get_by_label(re.compile("^Recipient")).fill("ann@example.com")
    page.get_by_role("button", name="Look up").click()
    page.locator("h2").first.wait_for()
    assert SEEN in harmless(victim)
    page.locator("main .timeline a[href*='/console/decisions/']").first.click()
    page.wait_for_url(re.compile("/console/decisions/[0-9a-f]{32}"))
    assert SEEN in harmless(victim)
    victim.go("/console/campaigns/winback/assist")
    page.get_by_text("What they tell you now").click()
    page.get_by_label(re.compile("^Customer")).fill("caller")
    page.locator('[name="attribute.country"]').select_option(HOSTILE)
    page.get_by_role("button", name="Show what may be offered").click()
    page.get_by_text("For caller").wait_for()
    harmless(victim)


def test_what_is_typed_or_put_into_an_address_is_text_when_it_comes_back(victim: Window) -> None:
    page = victim.page
    for path, label, button in (
        ("/console/recipients", "^Recipient", "Look up"),
        ("/console/decisions", "^Recipient", "Show their decisions"),
        ("/console/decisions", "^Decision id", "Explain it"),
        ("/console/campaigns/winback/assist", "^Customer", "Show what may be offered"),
    ):
        victim.go(path)
        page.get_by_label(re.compile(label)).evaluate(
            "(one, text) => { one.maxLength = 999; one.value = text }", HOSTILE
        )
        with page.expect_navigation():
            page.get_by_role("button", name=button).click()
        assert victim.refused, path
        harmless(victim)
    for query in ("segment", "variant", "group", "day", "after"):
        page.goto(f"{victim.url}/console/campaigns/winback/decisions?{query}={quote(HOSTILE, safe='')}")
        victim.complaints.clear()  # that the answer was 422
        harmless(victim)
    for path in (
        f"/console/{quote(HOSTILE, safe='')}",
        f"/console/sign-in?next={quote('javascript:window.__pwned=1', safe='')}",
    ):
        page.goto(f"{victim.url}{path}")
        victim.complaints.clear()
        harmless(victim)
