"""The study of simulations/segment_discovery in short: fixed seeds, so a failure here is a bug, not bad luck."""

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from tests.scripts import loaded_script

FOLDER = Path(__file__).parents[2] / "simulations" / "segment_discovery"
NULL_WORLDS = 400
PLANTED_WORLDS = 9  # of each shape and way of logging
ROWS = 16_000
EFFECT = 0.18

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def study() -> Iterator[ModuleType]:
    before = sys.modules.get("worlds")
    for name in ("worlds", "segment_discovery_run"):
        module: ModuleType = loaded_script(FOLDER / f"{name.removeprefix('segment_discovery_')}.py", name)
    yield module
    sys.modules.pop("worlds")
    if before is not None:
        sys.modules["worlds"] = before


def test_where_no_segment_differs_none_is_proposed_in_95_of_100_worlds(study: ModuleType) -> None:
    """Whatever the shares, and however many decisions a recipient had; the bound is one-sided, 95 %."""
    proposed = 0
    for number in range(NULL_WORLDS):
        logged = study.LOGGED[number % 3]
        ((seed, one),) = study.worlds([10_000 + number], None, logged, rows=3_000)
        proposed += bool(study.found_segments(*study.log_of(one), seed=seed).segments)
    assert study.upper_bound(proposed, NULL_WORLDS) <= 0.05, proposed


@pytest.fixture(scope="module")
def searches(study: ModuleType) -> dict[str, list[tuple[object, object]]]:
    """Worlds with what was found in them, by shape."""
    return {
        shape: [
            (one, study.found_segments(*study.log_of(one), seed=seed))
            for number in range(PLANTED_WORLDS)
            for seed, one in study.worlds([20_000 + number], shape, study.LOGGED[number % 3], rows=ROWS, effect=EFFECT)
        ]
        for shape in study.PLANTED
    }


@pytest.mark.parametrize("shape", ["one attribute", "a threshold", "two together", "crossed", "two segments"])
def test_planted_segments_are_found_by_the_attributes_that_matter(
    shape: str, study: ModuleType, searches: dict[str, list[tuple[object, object]]]
) -> None:
    """Those alone, and most of what there is to gain: of two segments that matter the smaller may stay unseen."""
    found = [result for _, result in searches[shape]]
    assert np.mean([bool(result.segments) for result in found]) >= 0.85
    assert np.mean([study.attributes(result) <= study.PLANTED[shape] for result in found]) >= 0.85
    shares = [study.share_of_gain(one, result) for one, result in searches[shape] if result.segments]
    assert np.mean(shares) >= 0.85


@pytest.mark.parametrize(("shape", "cut"), [("a threshold", 90.0), ("two together", 90.0)])
def test_thresholds_are_near_where_they_were_planted(
    shape: str, cut: float, study: ModuleType, searches: dict[str, list[tuple[object, object]]]
) -> None:
    cuts = [at for _, result in searches[shape] for at in study.thresholds(result)]
    assert len(cuts) >= 0.8 * PLANTED_WORLDS
    assert np.mean(np.abs(np.array(cuts) - cut) <= 0.25 * cut) >= 0.85


def test_intervals_of_the_gain_cover_the_truth(
    study: ModuleType, searches: dict[str, list[tuple[object, object]]]
) -> None:
    """Of what was proposed, hence a little less often than of everything; three standard errors of a rate allowed."""
    proposed = [(one, result) for some in searches.values() for one, result in some if result.segments]
    truths = [study.true_gain(one, result) for one, result in proposed]
    allowed = 0.95 - 3.0 * (0.95 * 0.05 / len(proposed)) ** 0.5
    for name in ("honest", "gain"):
        found = [getattr(result, name) for _, result in proposed]
        assert np.mean([one.low <= truth <= one.high for one, truth in zip(found, truths, strict=True)]) >= allowed
    assert np.mean(np.array(truths) > 0.0) >= 0.95
