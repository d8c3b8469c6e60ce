"""Verdicts: whether an estimate may be acted upon, in a word and a sentence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import hypot, isfinite
from statistics import NormalDist
from typing import Literal

from optimizer.evaluation.diagnostics import Calibration, Diagnostics

Word = Literal["trust", "weak", "refuse"]

# Refuse: the number is not worth reading.
FEWEST_DECISIONS = 100  # below it normal and bootstrap intervals of a rate are a guess
_THOUSANDS = 1_000.0
LEAST_EFFECTIVE = 100.0  # worth of decisions: at a rate of 5 % that is five successes
LEAST_EFFECTIVE_SHARE = 0.001  # beyond, weights vary so much that the effective sample size itself is not known
MOST_IN_ONE = 0.05  # of all weight: one more recipient who buys, or does not, would change the answer by that much
MOST_UNSUPPORTED = 0.05  # of the target's decisions: their reward is anybody's guess, and most lifts are no larger
MEAN_WEIGHT_Z, MEAN_WEIGHT_OFF = 5.0, 0.05  # no chance, and large enough to matter: propensities are wrong
MISMATCH_P = 1e-4  # the threshold usual for sample-ratio mismatch is 1e-3 to 1e-4: it is asked once for every log

# Weak: right on average, but not enough to act on alone.
FEW_EFFECTIVE = 400.0  # intervals are known to a few percent only from there on
LOW_EFFECTIVE_SHARE = 0.1  # more than nine of ten decisions are wasted
SOME_UNSUPPORTED = 0.01
MEAN_WEIGHT_Z_WEAK, MEAN_WEIGHT_OFF_WEAK = 3.0, 0.01
MISMATCH_P_WEAK = 1e-2
CALIBRATION_P = 1e-3  # of the farthest cell, for all cells together (Bonferroni)
DISAGREEMENT_Z = 2.0  # combined standard errors; estimates from one log agree more closely than independent ones

_SAME = 1e-9  # sums of many weights round

_RANK: dict[Word, int] = {"trust": 0, "weak": 1, "refuse": 2}


@dataclass(frozen=True, slots=True)
class Claim:
    """One estimator's answer.

    Attributes:
        name: of the estimator.
        value: reward per decision.
        standard_error: of the value.
        low: lower end of its interval.
        high: upper end.
    """

    name: str
    value: float
    standard_error: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """A judgement.

    Attributes:
        word: ``refuse`` the number is not worth reading; ``weak`` do not act on it alone; ``trust``.
        sentence: the judgement for whoever has to act on it.
        reasons: all that speaks against the estimate, gravest first; empty with trust.
    """

    word: Word
    sentence: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Finding:
    word: Word
    reason: str


def verdict(diagnostics: Diagnostics, claims: Sequence[Claim] = (), lift: tuple[float, float] | None = None) -> Verdict:
    """Whether an estimate may be acted upon.

    Args:
        diagnostics: of the log and the target policy.
        claims: the estimate, first, and those of other estimators to compare it with.
        lift: interval of how much more the estimate is than the log's own mean reward; None when that is not asked.
    """
    found = [
        *_weights(diagnostics),
        *_support(diagnostics),
        *_propensities(diagnostics),
        *_claims(claims),
        *_lift(diagnostics, lift),
    ]
    found.sort(key=lambda finding: -_RANK[finding.word])
    reasons = tuple(finding.reason for finding in found)
    if not found:
        worth = _worth(diagnostics)
        return Verdict("trust", f"Trust: {worth}, and nothing found speaks against it.", ())
    word = found[0].word
    advice = "do not use this number" if word == "refuse" else "do not act on this number alone"
    return Verdict(word, f"{word.capitalize()}: {reasons[0]}; {advice}.", reasons)


def _worth(found: Diagnostics) -> str:
    effective, n = round(found.effective_sample_size), found.n
    if effective >= n:
        return f"all {n:,} decisions speak for this policy"
    return f"{n:,} decisions are worth {effective:,} of this policy's own (effective sample size)"


def _weights(found: Diagnostics) -> Iterator[_Finding]:
    effective, share = found.effective_sample_size, found.effective_share
    if found.n < FEWEST_DECISIONS:
        yield _Finding("refuse", f"there are only {found.n:,} decisions, fewer than {FEWEST_DECISIONS}")
        return
    if found.weights.zeros == found.n:
        yield _Finding("refuse", f"none of the {found.n:,} decisions is one that this policy would have made")
        return
    if effective < LEAST_EFFECTIVE:
        carrying = max(1, round(effective))
        verb = "carries" if carrying == 1 else "carry"
        reason = (
            f"{carrying:,} of {found.n:,} decisions {verb} the whole estimate (effective sample size {effective:.3g})"
        )
        yield _Finding("refuse", reason)
    elif share < LEAST_EFFECTIVE_SHARE:
        yield _Finding("refuse", f"{_worth(found)}, less than one in {1.0 / LEAST_EFFECTIVE_SHARE:,.0f}")
    elif effective < FEW_EFFECTIVE or share < LOW_EFFECTIVE_SHARE:
        is_all = round(effective) >= found.n
        yield _Finding("weak", f"there are only {found.n:,} decisions" if is_all else _worth(found))
    if found.largest_share > MOST_IN_ONE:
        yield _Finding("refuse", f"a single decision carries {found.largest_share:.0%} of the estimate")


def _support(found: Diagnostics) -> Iterator[_Finding]:
    if found.unsupported_mass <= SOME_UNSUPPORTED:
        return
    word: Word = "refuse" if found.unsupported_mass > MOST_UNSUPPORTED else "weak"
    most = found.unsupported[0]
    example = f"above all {most.variant_id} in {most.segment_id}"
    reason = f"{found.unsupported_mass:.1%} of this policy's decisions are for variants the log hardly ever shows"
    yield _Finding(word, f"{reason}, {example}")


def _propensities(found: Diagnostics) -> Iterator[_Finding]:
    off, z = abs(found.mean_weight - 1.0), abs(found.mean_weight_z)
    reason = f"importance weights average {found.mean_weight:.3f}, not 1 ({z:.1f} standard errors away)"
    if z > MEAN_WEIGHT_Z and off > MEAN_WEIGHT_OFF:
        yield _Finding("refuse", f"{reason}: the logged propensities are wrong or variants are missing from the log")
    elif z > MEAN_WEIGHT_Z_WEAK and off > MEAN_WEIGHT_OFF_WEAK:
        yield _Finding("weak", f"{reason}: the logged propensities may be wrong")
    if found.ratio_mismatch is not None and found.ratio_mismatch < MISMATCH_P_WEAK:
        word: Word = "refuse" if found.ratio_mismatch < MISMATCH_P else "weak"
        reason = "variants were not shown as often as their propensities say"
        yield _Finding(word, f"{reason} (sample-ratio mismatch, p = {found.ratio_mismatch:.1g})")
    worst = max(found.calibration, key=lambda cell: abs(cell.z), default=None)
    if worst is not None and abs(worst.z) > _calibration_limit(len(found.calibration)):
        yield _Finding("weak", _miscalibrated(worst))
    if found.propensity_source == "estimated":
        yield _Finding("weak", "propensities are estimated, not logged: whatever the model missed is in the estimate")


def _calibration_limit(n_cells: int) -> float:
    return NormalDist().inv_cdf(1.0 - CALIBRATION_P / (2.0 * n_cells))


def _miscalibrated(cell: Calibration) -> str:
    than = "less" if cell.recovered < 1.0 else "more"
    place = f"{cell.variant_id} in {cell.segment_id}"
    shown = f"{cell.shown:,} of {cell.rows:,} decisions, {cell.recovered:.0%} of what they claim"
    return f"{place} was chosen {than} often than its propensities claim ({shown})"


def _claims(claims: Sequence[Claim]) -> Iterator[_Finding]:
    if not claims:
        return
    main, *others = claims
    if not (isfinite(main.value) and isfinite(main.standard_error)):
        yield _Finding("refuse", f"{main.name} gives no number")
        return
    for other in others:
        apart = abs(main.value - other.value)
        if apart > DISAGREEMENT_Z * hypot(main.standard_error, other.standard_error):
            values = f"{_said(main.value, 4)} and {_said(other.value, 4)}"
            yield _Finding("weak", f"{main.name} and {other.name} disagree by more than their errors: {values}")


def _lift(found: Diagnostics, lift: tuple[float, float] | None) -> Iterator[_Finding]:
    is_what_ran = found.effective_share > 1.0 - _SAME  # no weight differs from another: there is no lift to find
    if lift is None or is_what_ran or not lift[0] <= 0.0 <= lift[1]:
        return
    yield _Finding("weak", f"it may be no better than what ran already (by {_said(lift[0])} to {_said(lift[1])})")


def _said(value: float, digits: int = 3) -> str:
    """So many significant digits; amounts in the thousands in full."""
    return f"{value:,.0f}" if abs(value) >= _THOUSANDS else f"{value:.{digits}g}"
