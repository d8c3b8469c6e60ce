"""The tour: a shop with a month behind it, made up to look at. The truth is known here, and nowhere else.

Everything goes through the use cases that serve and learn live, with instants of the past: what people see is what
they would have seen after such a month.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from heapq import heappop, heappush
from importlib.resources import files
from typing import Final

import numpy as np

from optimizer.deployment import Deployment
from optimizer.domain.decision import Attributes
from optimizer.domain.instants import DAY, HOUR, MINUTE, Instant
from optimizer.domain.micros import micros
from optimizer.domain.reasons import HOLDOUTS
from optimizer.errors import OptimizerError
from optimizer.services.decisions.deciding import Answer, DecisionRequest, decide
from optimizer.services.documents.applying import apply_workspace, approve
from optimizer.services.learning.refreshing import learn_campaign
from optimizer.services.outcomes.recording import OutcomeReport, record_outcomes
from optimizer.services.oversight import steering
from optimizer.strategy.workspace import read_workspace

DAYS: Final = 30
PEOPLE: Final = 12_000
STEP: Final = 2 * HOUR
LEARNED_EVERY: Final = 3  # steps; a service learns more often, and a month of that would take a while
_DRAFT: Final = ("campaigns/winback.yaml", "last-chance")
_SHOP: Final = ("strategy.yaml", "campaigns/winback.yaml", "campaigns/newsletter.yaml", "campaigns/review-please.yaml")
_ASKED_PER_DAY: Final = {"winback": 700, "newsletter": 500, "review-please": 160}
# Share of the day's requests in each twelfth of the day, and how busy each day of the week is, Monday first.
_HOURS: Final = np.array([2, 1, 1, 3, 9, 14, 15, 13, 12, 14, 11, 5]) / 100
_WEEK: Final = (1.0, 1.1, 1.1, 1.05, 1.0, 0.75, 0.7)
# Chance of the rewarded outcome by what is sent; the second number where the first segment of the campaign is meant.
_TRUE: Final[Mapping[str, tuple[float, float]]] = {
    "ten-percent": (0.050, 0.082),
    "new-arrivals": (0.046, 0.052),
    "we-miss-you": (0.061, 0.041),
    "last-chance": (0.052, 0.060),
    "picks:morning": (0.050, 0.043),
    "picks:evening": (0.056, 0.050),
    "bestsellers:morning": (0.043, 0.066),
    "bestsellers:evening": (0.047, 0.062),
    "stories:morning": (0.033, 0.030),
    "stories:evening": (0.036, 0.034),
    "plain": (0.120, 0.120),
    "thanks": (0.155, 0.155),
}
_UNASKED: Final = {"winback": 0.040, "newsletter": 0.028, "review-please": 0.10}  # of those who are sent nothing
_TIRED: Final = {"last-chance": 0.016}  # share that unsubscribes; of the others, so many:
_UNSUBSCRIBE: Final = 0.0015
_BOUNCES, _OPENS, _CLICKS, _COMPLAINS = 0.015, 0.33, 0.2, 0.0002  # clicks of those who open
_FIRST_SEGMENTS: Final = ("lapsed-loyal", "abroad")


@dataclass(slots=True)
class _Month:
    """What is still to come, and what chance says."""

    rng: np.random.Generator
    people: list[Attributes]
    coming: list[tuple[Instant, int, OutcomeReport]] = field(default_factory=list)
    told: int = 0

    def expect(self, at: Instant, report: OutcomeReport) -> None:
        self.told += 1
        heappush(self.coming, (at, self.told, report))

    def due(self, now: Instant) -> Iterator[OutcomeReport]:
        while self.coming and self.coming[0][0] <= now:
            yield heappop(self.coming)[2]


def documents() -> dict[str, str]:
    """The shop's documents, by path."""
    source = files("optimizer.demo") / "shop"
    return {name: source.joinpath(*name.split("/")).read_text("utf-8") for name in _SHOP}


def live_through(
    deployment: Deployment, now: Instant, *, seed: int, days: int = DAYS, progress: Callable[[int, int], None]
) -> None:
    """Apply the shop's documents `days` ago and live through what happened since, into an empty ledger.

    Args:
        deployment: where; its ledger is empty.
        now: the month's end.
        seed: equal seeds make equal people; what they are sent depends on the deployment's secret too.
        days: how many.
        progress: told the steps done and the steps in all.
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    month = _Month(rng, [_person(rng) for _ in range(PEOPLE)])
    begins = now - days * DAY
    written = documents()
    path, draft = _DRAFT
    first = {**written, path: _without(written[path], draft)}
    _apply(deployment, first, "the first version", begins)
    n_steps = days * DAY // STEP
    for step in range(n_steps):
        at = begins + step * STEP
        if step == n_steps // 3:
            _apply(deployment, written, "one more idea of Ana's", at)
        if step == n_steps // 3 + 3:
            _approve(deployment, "winback", draft, at)
        if step == n_steps // 2:
            _review(deployment, at)
        _ask(deployment, month, at)
        _report(deployment, month, at + STEP - MINUTE)
        if step % LEARNED_EVERY == 0:
            _learn(deployment, at + STEP - MINUTE)
        progress(step + 1, n_steps)
    later = written[path].replace("  - id: we-miss-you", _WAITING + "  - id: we-miss-you")
    _apply(deployment, {**written, path: later}, "words for the holidays", now - HOUR, approved=False)


_WAITING: Final = """\
  - id: gift-guide
    subject: "Gifts that fit in a letterbox"
    body: "Hi {{first_name}}, twelve small things people kept last year. {{unsubscribe_url}}"
"""


def _without(text: str, message_id: str) -> str:
    before, _, rest = text.partition(f"  - id: {message_id}\n")
    return before + rest[rest.index("control:") :]


def _person(rng: np.random.Generator) -> Attributes:
    return {
        "country": str(rng.choice(["US", "US", "US", "CA", "GB"])),
        "days_since_purchase": float(rng.integers(0, 400)),
        "lifetime_value": float(np.round(rng.gamma(1.2, 380.0), 2)),
        "newsletter": bool(rng.random() < 0.6),
    }


def _apply(
    deployment: Deployment, written: Mapping[str, str], note: str, at: Instant, *, approved: bool = True
) -> None:
    workspace = read_workspace(written)
    with deployment.store.writing(alone=True) as ledger:
        apply_workspace(ledger, workspace, actor="ana", note=note, now=at)
    if approved:
        for campaign in workspace.campaigns.values():
            for message in campaign.messages:
                if message.id != _DRAFT[1]:
                    _approve(deployment, campaign.campaign, message.id, at)


def _approve(deployment: Deployment, campaign_id: str, message_id: str, at: Instant) -> None:
    with deployment.store.writing(alone=True) as ledger:
        approve(ledger, deployment.live, campaign_id, message_id, actor="ben", note="reads well", now=at)


def _review(deployment: Deployment, at: Instant) -> None:
    with deployment.store.writing(alone=True) as ledger:
        steering.review(ledger, deployment.live, "newsletter", actor="ben", note="going as hoped", now=at)


def _ask(deployment: Deployment, month: _Month, at: Instant) -> None:
    day, part = at // DAY, at % DAY // STEP
    for campaign_id, per_day in _ASKED_PER_DAY.items():
        expected = per_day * _WEEK[(day + 3) % 7] * _HOURS[part]  # the first of January 1970 was a Thursday
        chosen = month.rng.integers(0, PEOPLE, month.rng.poisson(expected))
        requests = [
            DecisionRequest(campaign_id, f"customer-{number}", f"{at}-{place}", month.people[number])
            for place, number in enumerate(chosen.tolist())
        ]
        with deployment.store.writing(alone=True) as ledger:
            answers = decide(ledger, deployment.live, requests, at)
        for number, answer in zip(chosen.tolist(), answers, strict=True):
            if not isinstance(answer, OptimizerError):
                _follow(month, campaign_id, month.people[number], answer, at)


def _follow(month: _Month, campaign_id: str, person: Attributes, answer: Answer, at: Instant) -> None:
    """What the recipient will do: chance decides now, and it is heard of later."""
    rng, decision = month.rng, answer.decision
    if decision.segment_id is None or (answer.variant is None and decision.group not in HOLDOUTS):
        return
    does: list[tuple[str, float]] = []
    rate = _UNASKED[campaign_id]
    if answer.variant is not None:
        does = _with_mail(rng, answer.variant.variant_id)
        elsewhere, first = _TRUE[answer.variant.variant_id]
        rate = first if decision.segment_id in _FIRST_SEGMENTS else elsewhere
    value = None
    likes_letters = 1.3 if person["newsletter"] else 1.0
    if (not does or does[0][0] == "delivered") and rng.random() < rate * likes_letters:
        rewarded, within = ("reviewed", 2 * DAY) if campaign_id == "review-please" else ("purchase", 1.2 * DAY)
        does.append((rewarded, rng.exponential(within)))
        value = micros(round(float(rng.lognormal(3.6, 0.6)), 2)) if rewarded == "purchase" else None
    for kind, delay in does:
        when, worth = at + int(delay), value if kind == "purchase" else None
        currency = None if worth is None else "USD"
        event_id = f"{decision.decision_id}-{kind}"
        report = OutcomeReport(event_id, kind, when, decision.decision_id, value=worth, currency=currency)
        month.expect(when + int(rng.exponential(20 * MINUTE)), report)


def _with_mail(rng: np.random.Generator, variant_id: str) -> list[tuple[str, float]]:
    """What a recipient does with a mail, and how long after it is sent; no delivery where it comes back."""
    if rng.random() < _BOUNCES:
        return [("bounced", 5 * MINUTE)]
    does: list[tuple[str, float]] = [("delivered", MINUTE)]
    if rng.random() < _OPENS:
        opened = rng.exponential(5 * HOUR)
        does.append(("opened", opened))
        if rng.random() < _CLICKS:
            does.append(("clicked", opened + rng.exponential(2 * MINUTE)))
    if rng.random() < _TIRED.get(variant_id, _UNSUBSCRIBE):
        does.append(("unsubscribed", rng.exponential(6 * HOUR)))
    if rng.random() < _COMPLAINS:
        does.append(("complained", rng.exponential(6 * HOUR)))
    return does


def _report(deployment: Deployment, month: _Month, at: Instant) -> None:
    reports = list(month.due(at))
    if month.rng.random() < 0.02:  # now and then a tool tells of a decision that nobody made
        reports.append(OutcomeReport(f"stray-{at}", "opened", at - HOUR, "0" * 32))
    with deployment.store.writing(alone=True) as ledger:
        record_outcomes(ledger, deployment.live, reports, at)


def _learn(deployment: Deployment, at: Instant) -> None:
    for campaign_id in _ASKED_PER_DAY:
        with deployment.store.writing(alone=True) as ledger:
            learn_campaign(ledger, deployment.live, campaign_id, at)
