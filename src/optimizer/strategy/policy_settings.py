"""How variants are chosen, as people write it: `policy` of a campaign, `policy_defaults` of the strategy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Discriminator, Field, StrictInt, Tag

from optimizer.domain.instants import Duration
from optimizer.strategy.fields import Document, HalfLife, Number, Reference, Span, between, not_allowed, span_written

Model = Literal["beta_bernoulli", "hierarchical", "hurdle", "contextual"]
Alarm = Literal["silence", "collapse", "change"]


class Prior(Document):
    """What is believed about every variant before anything is seen."""

    successes: Number = Field(ge=0.01, le=1e6, description="imagined successes, such as 1.0")
    failures: Number = Field(ge=0.01, le=1e6, description="imagined failures, such as 1.0")


def _prior_tag(data: Any) -> str:
    return "<numbers>" if isinstance(data, dict | Prior) else "<word>"


def _a_word_for_a_prior(written: object) -> object:
    if not isinstance(written, str):
        raise not_allowed("pooled, or what it is worth: {successes: 2.0, failures: 60.0}")
    return written


PriorBelief = Annotated[
    Annotated[Literal["pooled"], BeforeValidator(_a_word_for_a_prior), Tag("<word>")]
    | Annotated[Prior, Tag("<numbers>")],
    Discriminator(_prior_tag),
]


class TypicalDelay(Document):
    """How late rewards usually come, until the campaign has seen it for itself."""

    median: Annotated[Span, between("PT1S", "P366D")] = Field(
        description="half of the rewards come within this long after the exposure, such as P3D"
    )


def _delay_tag(data: Any) -> str:
    return "<typical>" if isinstance(data, dict | TypicalDelay) else "<word>"


def _no_bare_span(written: object) -> object:
    """A word as it is: a time beside the key is no typical delay yet, and neither is a number."""
    median = span_written(written)
    if median or not isinstance(written, str):
        raise not_allowed(
            f"one of: estimated, ignored; or how late half of the rewards come: {{median: {median or 'P3D'}}}"
        )
    return written


Delay = Annotated[
    Annotated[Literal["estimated", "ignored"], BeforeValidator(_no_bare_span), Tag("<word>")]
    | Annotated[TypicalDelay, Tag("<typical>")],
    Discriminator(_delay_tag),
]


def _a_pair(written: object) -> object:
    if not isinstance(written, list | tuple) or len(written) != 2:
        raise not_allowed("a pair of attributes, such as [country, age_band]")
    return written


def _pairs_in_a_list(written: object) -> object:
    if isinstance(written, list) and len(written) == 2 and all(isinstance(name, str) for name in written):
        raise not_allowed(f"a list of pairs: [[{', '.join(written)}]]")
    return written


def _alarms_in_a_list(written: object) -> object:
    if not isinstance(written, list | tuple) and written not in get_args(Alarm):
        raise not_allowed("a list of what raises an alarm: [silence, collapse, change], or [] for nothing")
    return written


Pair = Annotated[tuple[Reference, Reference], BeforeValidator(_a_pair)]


class PriorTrials(Document):
    """What a variant did elsewhere."""

    trials: Number = Field(ge=0, le=1e12, description="how often it was tried, such as 12000")
    successes: Number = Field(ge=0, le=1e12, description="how many of these succeeded, such as 240")


class WarmStart(Document):
    """What is known from elsewhere before the campaign begins, discounted."""

    campaign: Reference | None = Field(
        default=None, description="another campaign whose variants of the same id have been tried, such as winback"
    )
    variants: Mapping[str, PriorTrials] = Field(
        default_factory=dict,
        max_length=50,
        description="what history says of variants, by id, such as {hello: {trials: 12000, successes: 240}}",
    )
    weight: Annotated[Number, Field(gt=0, le=1)] = Field(
        default=0.2, description="what a trial made elsewhere counts of one made here, such as 0.2"
    )


class PolicySettings(Document):
    """How variants are chosen; a key left out falls back to `policy_defaults`, then to its default."""

    model: Model | None = Field(
        default=None, description="how rewards are believed to come about; default beta_bernoulli"
    )
    floor: Annotated[Number, Field(ge=0, le=0.5)] | None = Field(
        default=None, description="least share each variant keeps, such as 0.02 (the default)"
    )
    cap: Annotated[Number, Field(gt=0, le=1)] | None = Field(
        default=None, description="largest share one variant may get, such as 0.9; default 1"
    )
    top_two: Annotated[Number, Field(gt=0, le=1)] | None = Field(
        default=None,
        description="chance to keep the first draw instead of its best rival, such as 0.5; default 1: always",
    )
    minimum_trials: Annotated[StrictInt, Field(ge=0, le=1_000_000)] | None = Field(
        default=None, description="trials each variant of a segment gets before any is preferred; default 0"
    )
    largest_change: Annotated[Number, Field(gt=0, le=1)] | None = Field(
        default=None, description="most by which a variant's share moves at a refresh, such as 0.1; default 1"
    )
    refresh: Annotated[Span, between("PT1S", "P1D")] | None = Field(
        default=None, description="how often new outcomes change the allocation; default PT1M"
    )
    half_life: Annotated[HalfLife, between("PT1M", "P3660D")] | None = Field(
        default=None, description="age at which evidence counts half, such as P30D; `never` forgets nothing"
    )
    prior: PriorBelief | None = Field(
        default=None,
        description="default {successes: 1.0, failures: 1.0}; pooled: what the campaign's variants do on average",
    )
    warm_start: WarmStart | None = Field(
        default=None, description="what is known from elsewhere, such as {campaign: winback, weight: 0.2}"
    )
    delay: Delay | None = Field(
        default=None,
        description="how late rewards come: estimated (the default), ignored, or {median: P3D} to begin with",
    )
    period: Annotated[Span, between("PT1H", "P31D")] | None = Field(
        default=None, description="hierarchical: how long all variants share good and bad times, default P1D"
    )
    attributes: Annotated[tuple[Reference, ...], Field(min_length=1, max_length=50)] | None = Field(
        default=None, description="contextual: declared attributes that rewards may depend on, such as [country]"
    )
    interactions: Annotated[tuple[Pair, ...], BeforeValidator(_pairs_in_a_list), Field(max_length=50)] | None = Field(
        default=None, description="contextual: pairs of them that matter together, such as [[country, age_band]]"
    )
    refit: Annotated[Span, between("PT1M", "P7D")] | None = Field(
        default=None, description="contextual: how often the model is fitted to the ledger again, default PT15M"
    )
    alarms: Annotated[tuple[Alarm, ...], BeforeValidator(_alarms_in_a_list), Field(max_length=3)] | None = Field(
        default=None,
        description="what raises an alarm: silence of the outcomes, an early collapse onto one variant, a change of "
        "the rates; default [silence, collapse]",
    )


@dataclass(frozen=True, slots=True)
class ResolvedPolicy:
    """A campaign's policy with every default filled in; durations in microseconds.

    Attributes:
        top_two: probability of keeping the first draw; 1 is plain Thompson sampling.
        half_life: None for never forget.
        pools_prior: whether the prior comes from the campaign's own variants; the two numbers are then 1.
        estimates_delay: whether trials count by how much of their reward should have come; else each at once.
        delay_median: half of the rewards are thought to come within it; None where people said nothing.
    """

    model: Model
    floor: float
    cap: float
    top_two: float
    minimum_trials: int
    largest_change: float
    refresh: Duration
    half_life: Duration | None
    prior_successes: float
    prior_failures: float
    pools_prior: bool
    warm_start: WarmStart | None
    estimates_delay: bool
    delay_median: Duration | None
    period: Duration
    attributes: tuple[str, ...]
    interactions: tuple[tuple[str, str], ...]
    refit: Duration
    alarms: tuple[Alarm, ...]

    @property
    def reads_time(self) -> bool:
        """Whether it matters when a trial was made, beyond that it was."""
        return self.estimates_delay or self.compares_times

    @property
    def compares_times(self) -> bool:
        """Whether it matters even where rewards come at once."""
        return self.half_life is not None or self.model in ("hierarchical", "hurdle") or "change" in self.alarms


_EVEN = Prior(successes=1.0, failures=1.0)
_POLICY_DEFAULTS = PolicySettings.model_validate(
    {
        "model": "beta_bernoulli",
        "floor": 0.02,
        "cap": 1.0,
        "top_two": 1.0,
        "minimum_trials": 0,
        "largest_change": 1.0,
        "refresh": "PT1M",
        "half_life": "never",
        "prior": {"successes": 1.0, "failures": 1.0},
        "delay": "estimated",
        "period": "P1D",
        "interactions": [],
        "refit": "PT15M",
        "alarms": ["silence", "collapse"],
    }
)


def resolved_policy(*layers: PolicySettings) -> ResolvedPolicy:
    """Settings where each key is taken from the first layer that has it, else from the built-in defaults."""
    merged: dict[str, Any] = {"warm_start": None, "attributes": ()}
    found: dict[str, Any] = {}
    for layer in (*layers, _POLICY_DEFAULTS):
        for key in layer.model_fields_set:
            found.setdefault(key, getattr(layer, key))
    merged |= found
    prior: Literal["pooled"] | Prior = merged.pop("prior")
    numbers = _EVEN if prior == "pooled" else prior
    delay: Literal["estimated", "ignored"] | TypicalDelay = merged.pop("delay")
    return ResolvedPolicy(
        **merged,
        prior_successes=numbers.successes,
        prior_failures=numbers.failures,
        pools_prior=prior == "pooled",
        estimates_delay=delay != "ignored",
        delay_median=delay.median if isinstance(delay, TypicalDelay) else None,
    )
