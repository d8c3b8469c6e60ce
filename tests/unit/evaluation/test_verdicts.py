"""Verdicts: each rule alone, the words for whoever acts, and that worse diagnostics never improve the word."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.evaluation.diagnostics import Calibration, Diagnostics, Unsupported, WeightHistogram
from optimizer.evaluation.verdicts import Claim, verdict

SOUND = Diagnostics(
    n=10_000,
    propensity_source="logged",
    effective_sample_size=5_000.0,
    largest_weight=3.0,
    largest_share=0.0003,
    top_share=0.03,
    mean_weight=1.001,
    mean_weight_z=0.1,
    smallest_propensity=0.2,
    unsupported_mass=0.0,
    unsupported=(),
    calibration=(Calibration("all", "a", 10_000, 5_000, 1.0, 0.5), Calibration("all", "b", 10_000, 5_000, 1.0, -0.5)),
    ratio_mismatch=0.3,
    weights=WeightHistogram.of(np.full(10_000, 1.0)),
)
MISSING = (Unsupported("loyal", "free-shipping", 0.04, 0, 2_000),)
RANK = {"trust": 0, "weak": 1, "refuse": 2}
ESTIMATE = Claim("snips", 0.18, 0.005, 0.17, 0.19)


def test_a_sound_log_is_trusted() -> None:
    found = verdict(SOUND, [ESTIMATE, replace(ESTIMATE, name="dr", value=0.185)], (0.02, 0.04))
    assert found.word == "trust"
    assert found.reasons == ()
    assert found.sentence == (
        "Trust: 10,000 decisions are worth 5,000 of this policy's own (effective sample size), "
        "and nothing found speaks against it."
    )


def test_the_policy_that_ran_is_trusted_in_words_that_fit() -> None:
    found = verdict(replace(SOUND, effective_sample_size=10_000.0))
    assert found.sentence == "Trust: all 10,000 decisions speak for this policy, and nothing found speaks against it."


RULES = {
    "few decisions": ("refuse", {"n": 99, "effective_sample_size": 99.0}, "only 99 decisions"),
    "few effective": ("refuse", {"effective_sample_size": 99.9}, "100 of 10,000 decisions carry the whole estimate"),
    "one effective": ("refuse", {"effective_sample_size": 1.2}, "1 of 10,000 decisions carries the whole estimate"),
    "share of effective": ("refuse", {"n": 10_000_000}, "less than one in 1,000"),
    "one decision": ("refuse", {"largest_share": 0.051}, "a single decision carries 5% of the estimate"),
    "unsupported": ("refuse", {"unsupported_mass": 0.051, "unsupported": MISSING}, "above all free-shipping in loyal"),
    "mean weight": ("refuse", {"mean_weight": 0.94, "mean_weight_z": -5.1}, "average 0.940, not 1 (5.1 standard"),
    "mismatch": ("refuse", {"ratio_mismatch": 9e-5}, "sample-ratio mismatch, p = 9e-05"),
    "not many effective": ("weak", {"effective_sample_size": 399.0, "n": 3_000}, "worth 399 of this policy's own"),
    "not many": ("weak", {"effective_sample_size": 399.0, "n": 399}, "there are only 399 decisions"),
    "low share": ("weak", {"effective_sample_size": 999.0}, "10,000 decisions are worth 999"),
    "some unsupported": (
        "weak",
        {"unsupported_mass": 0.011, "unsupported": MISSING},
        "1.1% of this policy's decisions",
    ),
    "mean weight by chance?": ("weak", {"mean_weight": 0.98, "mean_weight_z": -3.1}, "average 0.980, not 1"),
    "mean weight a little": ("weak", {"mean_weight": 1.04, "mean_weight_z": 50.0}, "propensities may be wrong"),
    "mismatch by chance?": ("weak", {"ratio_mismatch": 0.009}, "p = 0.009"),
    "calibration": (
        "weak",
        {"calibration": (Calibration("new", "b", 900, 300, 0.8, -3.5), SOUND.calibration[0])},
        "b in new was chosen less often than its propensities claim (300 of 900 decisions, 80% of what they claim)",
    ),
    "estimated": ("weak", {"propensity_source": "estimated"}, "propensities are estimated, not logged"),
}


@pytest.mark.parametrize("rule", RULES)
def test_each_rule_speaks_for_itself(rule: str) -> None:
    word, changes, said = RULES[rule]
    found = verdict(replace(SOUND, **changes))  # type: ignore[arg-type]
    assert found.word == word
    (reason,) = found.reasons
    assert said in reason
    assert found.sentence.startswith(f"{word.capitalize()}: {reason}; do not ")
    assert found.sentence.endswith(".")


WITHIN = {
    "just enough": {"effective_sample_size": 400.0, "n": 4_000},
    "just the share": {"effective_sample_size": 1_000.0},
    "one decision": {"largest_share": 0.05},
    "unsupported": {"unsupported_mass": 0.01, "unsupported": MISSING},
    "mean weight, precisely a little off": {"mean_weight": 1.009, "mean_weight_z": 50.0},
    "mean weight, far but by chance": {"mean_weight": 1.5, "mean_weight_z": 2.9},
    "no ratio": {"ratio_mismatch": None},
    "ratio": {"ratio_mismatch": 0.011},
    "one of many cells": {"calibration": tuple(Calibration("s", f"{i}", 900, 300, 1.2, 3.5) for i in range(50))},
    "no cell": {"calibration": ()},
    "constant": {"propensity_source": "constant"},
}


@pytest.mark.parametrize("case", WITHIN)
def test_what_is_within_its_limits_is_trusted(case: str) -> None:
    assert verdict(replace(SOUND, **WITHIN[case])).word == "trust"  # type: ignore[arg-type]


def test_a_policy_the_log_never_followed_is_refused_in_words_that_fit() -> None:
    nothing = WeightHistogram.of(np.zeros(10_000))
    changes = {"effective_sample_size": 0.0, "mean_weight": 0.0, "mean_weight_z": -1e4, "largest_share": 1.0}
    found = verdict(replace(SOUND, weights=nothing, **changes))  # type: ignore[arg-type]
    assert found.sentence == (
        "Refuse: none of the 10,000 decisions is one that this policy would have made; do not use this number."
    )


def test_a_lift_that_may_be_nothing_is_weak() -> None:
    for lift, word in (
        ((0.001, 0.02), "trust"),
        ((0.0, 0.02), "weak"),
        ((-0.02, 0.0), "weak"),
        ((-0.02, -0.001), "trust"),
    ):
        assert verdict(SOUND, [ESTIMATE], lift).word == word
    (reason,) = verdict(SOUND, [ESTIMATE], (-0.0012, 0.02)).reasons
    assert reason == "it may be no better than what ran already (by -0.0012 to 0.02)"


def test_the_policy_that_ran_has_no_lift_to_find() -> None:
    assert verdict(replace(SOUND, effective_sample_size=10_000.0), [ESTIMATE], (-1e-17, 1e-17)).word == "trust"


def test_estimators_that_disagree_are_weak() -> None:
    apart = 2.0 * (0.005**2 + 0.003**2) ** 0.5
    for factor, word in ((0.99, "trust"), (1.01, "weak"), (-1.01, "weak")):
        other = Claim("dm", 0.18 + factor * apart, 0.003, 0.0, 1.0)
        assert verdict(SOUND, [ESTIMATE, ESTIMATE, other]).word == word


def test_an_estimate_that_is_no_number_is_refused() -> None:
    assert verdict(SOUND, [replace(ESTIMATE, value=float("nan"))]).reasons == ("snips gives no number",)


def test_the_gravest_reason_comes_first() -> None:
    found = verdict(replace(SOUND, effective_sample_size=500.0, ratio_mismatch=1e-9), [ESTIMATE], (-0.1, 0.1))
    assert found.word == "refuse"
    assert len(found.reasons) == 3
    assert "sample-ratio mismatch" in found.sentence


better_worse = st.tuples(st.floats(1.0, 10_000.0), st.floats(1.0, 10_000.0)).map(sorted)


@given(better_worse, st.floats(0.0, 0.1), st.sampled_from(["logged", "estimated"]))
def test_a_worse_effective_sample_size_never_improves_the_word(
    sizes: list[float], unsupported: float, source: str
) -> None:
    worse, better = (
        replace(
            SOUND,
            effective_sample_size=size,
            unsupported_mass=unsupported,
            unsupported=MISSING,
            propensity_source=source,  # type: ignore[arg-type]
        )
        for size in sizes
    )
    assert RANK[verdict(worse).word] >= RANK[verdict(better).word]


@given(
    st.sampled_from(["unsupported_mass", "largest_share", "mean_weight_z", "ratio_mismatch"]),
    st.tuples(st.floats(0.0, 1.0), st.floats(0.0, 1.0)).map(sorted),
)
def test_a_worse_diagnostic_never_improves_the_word(name: str, values: list[float]) -> None:
    sound = replace(SOUND, unsupported=MISSING, mean_weight=1.2)
    scale = {"mean_weight_z": 8.0}.get(name, 1.0)
    words = [RANK[verdict(replace(sound, **{name: scale * value})).word] for value in values]  # type: ignore[arg-type]
    assert words == sorted(words, reverse=name == "ratio_mismatch")
