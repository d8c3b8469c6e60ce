"""Simulated campaigns with known truth: who comes by, what they do, and the documents they are run by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

Floats = NDArray[np.float64]
BANDS = ("a", "b", "c", "d", "e", "f")  # values of the one attribute; two of them make a segment
ARMS = ("first", "second", "third", "fourth", "fifth")
SEGMENTS = (("early", ("a", "b")), ("middle", ("c", "d")))  # and everyone else
KINDS = (
    "plain",
    "null",
    "season",
    "tiring",
    "inside",
    "late",
    "rollout",
    "harming",
    "budget",
    "pair",
    "small",
    "wearing",
    "alike",
    "unlike",
)
WINDOW_DAYS = 5


@dataclass(frozen=True)
class World:
    """The truth.

    Attributes:
        kind: what is special about it.
        odds: ``[Z, A + 1]``, log-odds of a reward by band and variant; the last is of nothing sent.
        week: ``[7]``, what each weekday adds to them.
        week_of_arms: ``[7, A]``, what it adds for single variants.
        drift: ``[A]``, what each day adds for single variants.
        tired: what each earlier message adds, for messages.
        shares: ``[Z]``, of the recipients.
        recipients: how many.
        activity: chance that one of them comes by on a day.
        late_days: mean delay of a reward.
        unsubscribing: chance that a message is answered by leaving.
    """

    kind: str
    odds: Floats
    week: Floats
    week_of_arms: Floats
    drift: Floats
    tired: float
    shares: Floats
    recipients: int
    activity: float
    late_days: float
    unsubscribing: float

    @property
    def n_arms(self) -> int:
        """``A``."""
        return self.odds.shape[1] - 1

    def rates(self, day: int, earlier: NDArray[np.int64], bands: NDArray[np.int64]) -> Floats:
        """Chance of a reward for recipients with so many earlier messages, ``[N, A + 1]``."""
        shift = np.zeros(self.n_arms + 1)
        shift[:-1] = self.week_of_arms[day % 7] + self.drift * day
        odds = self.odds[bands] + self.week[day % 7] + shift
        odds[:, :-1] += self.tired * np.minimum(earlier, 12)[:, None]
        return np.asarray(expit(odds), np.float64)


def world(kind: str, rng: np.random.Generator, n_arms: int | None = None) -> World:
    """A world of a kind: base rates of 2 to 15 %, variants that differ by 3 % to a half, or not at all."""
    n_arms, bands = n_arms or int(rng.integers(2, len(ARMS) + 1)), len(BANDS)
    many = (8_000, 20_000)
    sizes = {"small": (300, 900), "inside": many, "alike": many, "unlike": many}
    smallest, largest = sizes.get(kind, (1_500, 8_000))
    base = rng.uniform(np.log(0.02), np.log(0.15))
    of_band = rng.normal(0.0, 0.3, (bands, 1))
    scale = np.exp(rng.uniform(np.log(0.03), np.log(0.5)))
    effects = rng.normal(0.0, scale, (1, n_arms)) + np.repeat(rng.normal(0.0, scale / 2, (3, n_arms)), 2, axis=0)
    if kind == "alike":
        effects = np.tile(effects[:1], (bands, 1))
    if kind == "unlike":
        effects = np.repeat(rng.normal(0.0, scale, (3, n_arms)), 2, axis=0)
    lift = rng.normal(0.15, 0.3)  # of messages over none; below 0 in a world of three
    if kind == "harming":
        lift = -abs(lift) - 0.1
    if kind == "null":
        effects, lift = np.zeros((bands, n_arms)), 0.0
    if kind == "inside":
        effects = effects + rng.normal(0.0, 0.8, (bands, n_arms))
    odds = np.concatenate([logit(np.exp(base)) + of_band + lift + effects, logit(np.exp(base)) + of_band], axis=1)
    seasonal = kind in {"season", "null"}
    return World(
        kind=kind,
        odds=odds,
        week=rng.normal(0.0, 0.4 if seasonal else 0.1, 7),
        week_of_arms=rng.normal(0.0, 0.3 if kind == "season" else 0.0, (7, n_arms)),
        drift=rng.normal(0.0, 0.015 if kind == "wearing" else 0.0, n_arms),
        tired=-rng.uniform(0.02, 0.3) if kind == "tiring" else 0.0,
        shares=rng.dirichlet(np.full(bands, 8.0)),
        recipients=int(np.exp(rng.uniform(np.log(smallest), np.log(largest)))),
        activity=float(rng.uniform(0.1, 0.4)),
        late_days=float(rng.uniform(0.5, 3.0)) if kind == "late" else 0.2,
        unsubscribing=float(rng.choice([0.001, 0.01])) if kind == "rollout" else 0.001,
    )


def documents(of: World, rng: np.random.Generator) -> dict[str, str]:
    """Strategy and campaign of a world, as marketers would write them; of a pair, both campaigns."""
    messages = "\n".join(f"  - {{id: {name}, subject: Words of {name}}}" for name in ARMS[: of.n_arms])
    segments = "\n".join(
        f"  - id: {name}\n    when: {{band: {{in: [{', '.join(bands)}]}}}}" for name, bands in SEGMENTS
    )
    asks = ", requires: [approval]" if of.kind == "rollout" else ""
    rollout = f"rollout:\n  - {{share: 0.2, for: P7D}}\n  - {{share: 1.0{asks}}}\n"
    sends = max(round(of.recipients * of.activity * 0.4), 20)
    budget = f"budget: {{sends: {{daily: {sends}}}}}\n"
    cap = int(rng.integers(3, 6))
    strategy = f"""\
strategy: shop
currency: EUR
time_zone: Europe/Berlin
objectives:
  - id: buy
    reward: {{outcome: purchase, value: first}}
    attribution_window: P{WINDOW_DAYS}D
attributes:
  band: {{type: category, values: [{", ".join(BANDS)}]}}
contact_policy:
  - {{at_most: {cap}, per: P7D}}
guardrail_metrics:
  - {{outcome: unsubscribed, at_most: 0.005, then: alert}}
policy_defaults: {{alarms: [], delay: {"estimated" if of.kind == "late" else "ignored"}}}
"""
    campaign = f"""\
campaign: mail
serves: buy
channel: email
messages:
{messages}
control: nothing
segments:
{segments}
everyone_else: include
holdout: {{share: {rng.choice([0.05, 0.1, 0.2])}}}
{rollout if of.kind in {"rollout", "harming"} else ""}{budget if of.kind in {"budget", "pair"} else ""}"""
    files = {"strategy.yaml": strategy, "campaigns/mail.yaml": campaign}
    if of.kind == "pair":
        files["campaigns/post.yaml"] = campaign.replace("campaign: mail", "campaign: post", 1)
    return files
