"""The study of simulations/upworthy_headlines in short: fixed seeds, so a failure here is a bug, not bad luck."""

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from tests.scripts import loaded_script

STUDY = Path(__file__).parents[2] / "simulations" / "upworthy_headlines"
N_TESTS = 1_000  # of which half are judged in the light of the other


def loaded(name: str) -> ModuleType:
    return loaded_script(STUDY / f"{name.removeprefix('upworthy_')}.py", name)


@pytest.fixture(scope="module")
def archive() -> ModuleType:
    return loaded("headlines")


@pytest.fixture(scope="module")
def study(archive: ModuleType) -> ModuleType:
    return loaded("upworthy_run")


@pytest.fixture(scope="module")
def tests(archive: ModuleType, data_folder: Path) -> list[Any]:
    found, facts = archive.read_tests(data_folder)
    assert (facts["tests"], facts["tests_in_the_broken_window"], facts["usable_tests"]) == (4_873, 1_058, 3_797)
    return list(found[:N_TESTS])


@pytest.fixture(scope="module")
def prior(archive: ModuleType, tests: list[Any]) -> Any:
    return archive.fitted(tests[N_TESTS // 2 :])


@pytest.fixture(scope="module")
def judged(tests: list[Any], prior: Any) -> list[Any]:
    """The half that the prior has not seen."""
    return tests[: N_TESTS // 2]


@pytest.fixture(scope="module")
def truths(archive: ModuleType, judged: list[Any], prior: Any) -> list[Any]:
    return [prior.rates(test, archive.chance(archive.RATES, i)) for i, test in enumerate(judged)]


@pytest.fixture(scope="module")
def worlds(study: ModuleType, judged: list[Any], truths: list[Any], prior: Any) -> list[Any]:
    learned = (prior.alpha, prior.beta)
    return [study.World(i, *pair, learned) for i, pair in enumerate(zip(judged, truths, strict=True))]


def test_the_readme_says_what_the_result_says() -> None:
    """Lifts in percent, each with its standard error, in the order of the policies; then what is possible."""
    rows = json.loads((STUDY / "result.json").read_text())["gains"]
    readme = (STUDY / "README.md").read_text()
    for size in sorted({row["size"] for row in rows}):
        of_size = [row for row in rows if row["size"] == size]
        lifts = [f"{100 * row['lift']:.1f} ± {100 * row['lift_standard_error']:.1f}" for row in of_size]
        shares = [f"{100 * row['share_of_possible']:.0f}" for row in of_size]
        clicks = f"{of_size[0]['clicks_of_equal_split']:.0f}"
        assert f"| {size:,} | {clicks} | {' | '.join(lifts)} |" in readme
        assert f"| {size:,} | {' | '.join(shares)} |" in readme


def test_the_learned_prior_is_ahead_of_the_flat_one() -> None:
    """By more than three standard errors at the sizes the readme names, and at no size behind."""
    result, readme = json.loads((STUDY / "result.json").read_text()), (STUDY / "README.md").read_text()
    ahead = {row["size"]: (row["ahead"], row["standard_error"]) for row in result["learned_ahead_of_flat_prior"]}
    assert all(by > 0 for by, _ in ahead.values())
    for size in (1_000, 3_000):
        by, error = ahead[size]
        assert by > 3 * error
        assert f"{100 * by:.2f} ± {100 * error:.2f}" in readme


def test_no_week_has_a_part_in_its_own_prior(archive: ModuleType) -> None:
    odd = archive.Test(np.array([900, 900]), np.array([700, 500]), 201_402)
    usual = [archive.Test(np.array([900, 900, 900]), np.array([9, 12, n]), 201_410 + n) for n in (5, 6, 7)]
    found = archive.priors_without_week([odd, *usual])
    assert set(found) == {201_402, 201_415, 201_416, 201_417}
    assert found[201_402].mean < 0.02
    assert found[201_415].mean > 0.1


@pytest.mark.slow
def test_the_spread_of_a_made_up_archive_is_found_again(archive: ModuleType) -> None:
    """400 tests of 4 headlines, 1,200 degrees of freedom: twice their relative error, sqrt(2 / 1,200), for the noise of
    counts; four of these standard errors. The centre's is spread / sqrt(400)."""
    rng = np.random.Generator(np.random.PCG64(7))
    precision, centre, spread, n = 1_500.0, -4.4, 0.6, 400
    made = []
    for mean in np.exp(rng.normal(centre, spread, n)):
        trials = rng.integers(2_500, 4_000, 4)
        made.append(
            archive.Test(trials, rng.binomial(trials, rng.beta(precision * mean, precision * (1 - mean), 4)), 201_440)
        )
    found = archive.fitted(made)
    assert found.precision == pytest.approx(precision, rel=4 * 2 * (2 / 1_200) ** 0.5)
    assert found.centre == pytest.approx(centre, abs=4 * spread / n**0.5)
    assert found.spread == pytest.approx(spread, rel=4 / (2 * n) ** 0.5)


@pytest.mark.slow
def test_worlds_are_like_the_record_only_if_headlines_of_a_test_are_related(
    archive: ModuleType, study: ModuleType, judged: list[Any], truths: list[Any], prior: Any
) -> None:
    """A half of the record: its winner is as far ahead in the other half as in the worlds, by four standard errors."""
    unrelated = [prior.unrelated_rates(test, archive.chance(archive.RATES, i)) for i, test in enumerate(judged)]
    found = study.halves_check(judged, {"two levels": truths, "one level": unrelated})
    record, record_error = found["the record"]
    two, two_error = found["two levels"]
    one, one_error = found["one level"]
    assert abs(two - record) <= 4 * np.hypot(record_error, two_error)
    assert one - record >= 4 * np.hypot(record_error, one_error)


@pytest.mark.slow
def test_thompson_sampling_beats_the_equal_split_and_late_also_test_then_send(
    study: ModuleType, worlds: list[Any]
) -> None:
    """By three standard errors: above 0 at 3,000 recipients; ahead of a test of a half at 50,000, and above a half of
    the possible gain."""
    policies = {name: study.POLICIES[name] for name in ("Thompson", "test 50 %, then send")}
    sizes = (3_000, 50_000)
    found = study.run(worlds[:100], list(policies.values()), sizes)
    early, _, late, tested = study.gains(found, policies, sizes)
    assert early["lift"] - 3 * early["lift_standard_error"] > 0
    assert early["share_of_possible"] + 3 * early["share_standard_error"] < 0.5
    assert late["share_of_possible"] - 3 * late["share_standard_error"] > 0.5
    assert tested["first_policy_ahead"] - 3 * tested["first_policy_ahead_standard_error"] > 0


@pytest.mark.slow
def test_worlds_and_the_record_agree_on_what_policies_gain(study: ModuleType, worlds: list[Any]) -> None:
    """Within four standard errors, at 2,000 recipients, in the tests whose every headline was shown so often."""
    enough = [world for world in worlds if world.test.trials.min() >= 2_000][:250]
    record = [study.World(world.index, world.test, None, world.prior) for world in enough]
    policies = {"Thompson": study.FLAT, "test 50 %": study.TestThenSend(0.5)}
    modelled, real = (
        study.gains(study.run(them, list(policies.values()), (2_000,)), policies, (2_000,)) for them in (enough, record)
    )
    for world, counted in zip(modelled, real, strict=True):
        error = np.hypot(world["lift_standard_error"], counted["lift_standard_error"])
        assert abs(world["lift"] - counted["lift"]) <= 4 * error
        assert world["lift_of_best"] > world["lift"]


@pytest.mark.slow
def test_what_a_test_comes_to_does_not_depend_on_the_tests_beside_it(study: ModuleType, worlds: list[Any]) -> None:
    """So neither does it on how many processes share them."""
    policies = list(study.POLICIES.values())
    together = study.run(worlds[:3], policies, (250, 1_000))
    assert (study.run(worlds[2:3], policies, (250, 1_000))[0] == together[2]).all()


@pytest.mark.slow
def test_everyone_is_sent_one_headline_whatever_the_policy(study: ModuleType, archive: ModuleType) -> None:
    """Where all headlines are alike, every policy has the clicks of the equal split."""
    alike = study.World(0, archive.Test(np.full(3, 4_000), np.full(3, 80), 201_440), np.full(3, 0.02), (2.0, 98.0))
    found = study.clicks(alike, list(study.POLICIES.values()), (250, 1_003))
    assert found == pytest.approx(np.tile([5.0, 20.06], (len(study.POLICIES) + 2, 1)))
