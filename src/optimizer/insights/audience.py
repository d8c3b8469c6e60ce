"""Is an audience large enough to learn anything? Days until an answer, lifts that can be seen, how many variants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from optimizer.domain.instants import DAY
from optimizer.engine.tactic import Tactic
from optimizer.insights.learning_time import RELATIVE_LIFT, detectable_lift, trials_to_best

HORIZON_DAYS = 28.0  # of a campaign without an end: four weeks are as long as anybody waits


class Advice(StrEnum):
    """What to do about a segment."""

    ENOUGH = "enough"
    FEWER_VARIANTS = "fewer variants"
    POOL = "pool"
    TOO_SMALL = "too small"
    NOTHING_TO_LEARN = "nothing to learn"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Audience:
    """One segment of a campaign.

    Attributes:
        n_variants: variants meant for it.
        trials_per_day: of its learning group; None when not known.
        rate: successes per trial; None when not known.
    """

    segment_id: str
    n_variants: int
    trials_per_day: float | None
    rate: float | None


@dataclass(frozen=True, slots=True)
class Horizon:
    """What an answer must be good for.

    Attributes:
        days: that the campaign lasts.
        window_days: attribution window: outcomes of the last trials must have come in.
        lift: by how much the best variant is better: 0.2 is 20 %.
    """

    days: float = HORIZON_DAYS
    window_days: float = 0.0
    lift: float = RELATIVE_LIFT

    @property
    def learning_days(self) -> float:
        """Days whose trials have an answer before the end."""
        return max(self.days - self.window_days, 0.0)


def horizon_of(tactic: Tactic, open_days: float = HORIZON_DAYS) -> Horizon:
    """The horizon of a campaign: its period; where that is open, so many days, and outcomes are awaited anyway."""
    starts, ends, window = tactic.limits.starts_at, tactic.limits.ends_at, tactic.reward_rule.window / DAY
    days = open_days + window if starts is None or ends is None else (ends - starts) / DAY
    expects = tactic.campaign.expects
    return Horizon(days, window, RELATIVE_LIFT if expects is None else expects.lift)


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a segment can learn; None wherever that cannot be said.

    Attributes:
        trials_per_variant: trials of each variant until the best one is so with probability .9 (in 4 of 5 cases).
        days: until then, the attribution window included.
        detectable_lift: smallest lift a test at the end of the horizon finds with probability .8.
        suggested_variants: the most variants whose best one is found within the horizon; 1 when not even of two.
        advice: what to do.
        pool_with: segments to make one of, this one left out.
        unknown: why not, in words; empty when everything is known.
    """

    segment_id: str
    trials_per_variant: int | None
    days: float | None
    detectable_lift: float | None
    suggested_variants: int | None
    advice: Advice
    pool_with: tuple[str, ...] = ()
    unknown: str = ""

    @property
    def sentence(self) -> str:
        """The advice in words; empty where none is needed."""
        match self.advice:
            case Advice.FEWER_VARIANTS:
                return f"at most {self.suggested_variants} variants, or a longer campaign"
            case Advice.POOL:
                return f"too small alone: make one segment of it and {', '.join(self.pool_with)}"
            case Advice.TOO_SMALL:
                return "too small to find the better of two variants, even together with other segments"
            case Advice.UNKNOWN:
                return self.unknown
            case _:
                return ""


def outlooks(segments: Sequence[Audience], horizon: Horizon) -> tuple[Outlook, ...]:
    """What each segment of a campaign can learn, in order, and what to do where that is too little.

    Traffic is taken to be spread evenly over the variants. Thompson sampling soon spreads it in favour of what works:
    that is quicker among many variants and slower between two, so this is an order of magnitude.
    """
    return _pooled(segments, [_alone(segment, horizon) for segment in segments], horizon)


def is_hopeless(found: Sequence[Advice]) -> bool:
    """Whether nothing can be learned in any of a campaign's segments, although there is something to learn."""
    said = [advice for advice in found if advice is not Advice.NOTHING_TO_LEARN]
    return bool(said) and all(advice is Advice.TOO_SMALL for advice in said)


def _alone(segment: Audience, horizon: Horizon) -> Outlook:
    nothing = Outlook(segment.segment_id, None, None, None, None, Advice.UNKNOWN)
    if segment.n_variants < 2:
        unknown = "there is nothing to compare with fewer than two variants"
        return replace(nothing, advice=Advice.NOTHING_TO_LEARN, unknown=unknown)
    if segment.rate is None:
        missing = " and the traffic are" if segment.trials_per_day is None else " is"
        return replace(nothing, unknown=f"the success rate{missing} not known")
    trials = trials_to_best(segment.n_variants, segment.rate, horizon.lift)
    if trials is None:
        return replace(nothing, unknown=f"no test tells a success rate of {segment.rate:.3g} from one so much better")
    if segment.trials_per_day is None:
        return replace(nothing, trials_per_variant=trials, unknown="the traffic is not known")
    if segment.trials_per_day <= 0.0:
        return replace(
            nothing, trials_per_variant=trials, advice=Advice.TOO_SMALL, unknown="no decision is expected here"
        )
    daily = segment.trials_per_day / segment.n_variants
    most = _most_variants(segment.n_variants, segment.rate, segment.trials_per_day, horizon)
    enough = Advice.ENOUGH if most == segment.n_variants else Advice.FEWER_VARIANTS
    return Outlook(
        segment_id=segment.segment_id,
        trials_per_variant=trials,
        days=trials / daily + horizon.window_days,
        detectable_lift=detectable_lift(segment.rate, daily * horizon.learning_days),
        suggested_variants=most,
        advice=enough if most > 1 else Advice.TOO_SMALL,
    )


def _most_variants(n_variants: int, rate: float, trials_per_day: float, horizon: Horizon) -> int:
    """The largest number of variants, up to those there are, whose best one is found in time."""
    available = trials_per_day * horizon.learning_days
    for n in range(n_variants, 1, -1):
        trials = trials_to_best(n, rate, horizon.lift)
        if trials is not None and n * trials <= available:
            return n
    return 1


def _pooled(segments: Sequence[Audience], alone: Sequence[Outlook], horizon: Horizon) -> tuple[Outlook, ...]:
    """Segments that are too small alone are put together; if that is not enough, with the next larger one."""
    small = [n for n, one in enumerate(alone) if one.advice is Advice.TOO_SMALL]
    others = [n for n, one in enumerate(alone) if one.advice in {Advice.ENOUGH, Advice.FEWER_VARIANTS}]
    next_larger = min(others, key=lambda n: segments[n].trials_per_day or 0.0, default=None)
    if not small:
        return tuple(alone)
    pools = [small] if len(small) > 1 else []
    pools += [] if next_larger is None else [[*small, next_larger]]
    pool = next((pool for pool in pools if _learns([segments[n] for n in pool], horizon)), None)
    if pool is None:
        return tuple(alone)
    names = [segments[n].segment_id for n in pool]
    return tuple(
        replace(one, advice=Advice.POOL, pool_with=tuple(name for name in names if name != one.segment_id))
        if n in small
        else one
        for n, one in enumerate(alone)
    )


def _learns(pool: Sequence[Audience], horizon: Horizon) -> bool:
    daily = sum(segment.trials_per_day or 0.0 for segment in pool)
    successes = sum((segment.trials_per_day or 0.0) * (segment.rate or 0.0) for segment in pool)
    if daily <= 0.0:
        return False
    n_variants = min(segment.n_variants for segment in pool)
    return _most_variants(n_variants, successes / daily, daily, horizon) > 1
