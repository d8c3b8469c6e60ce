from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from optimizer.domain.instants import DAY
from optimizer.errors import DocumentError
from optimizer.evaluation.evaluating import evaluate
from optimizer.evaluation.settings import Settings
from optimizer.evaluation.targets import always
from optimizer.history.opening import open_history
from optimizer.scenarios.reading import ScenarioRead, checked_scenario
from optimizer.scenarios.result import Rehearsed, Result, result_bytes
from optimizer.scenarios.running import A_MONDAY, evaluate_scenario, rehearse_scenario, replay_scenario
from optimizer.scenarios.spreading import Workers
from optimizer.simulation.replay import replay
from optimizer.simulation.replay_log import Course, batches_of_rows, replay_log
from optimizer.strategy.policy_settings import PolicySettings, resolved_policy

Reading = Callable[..., ScenarioRead]

HISTORY = """\
scenario: logged
seed: 4
history:
  file: log.csv
  variant: mail
  variants: [a, b, c]
  reward: bought
  propensity: {shares: {a: 0.5, b: 0.3, c: 0.2}}
  segment: kind
  attributes: [age]
policies:
  - {name: only-a, always: a}
  - {name: mix, shares: {a: 0.2, b: 0.4, c: 0.4}}
  - {name: by-kind, shares_by_segment: {x: {c: 1}}}
  - {name: logged, logged: true}
  - {name: best, learned: {by: segment}}
  - {name: learning, learning: {floor: 0.05}}
evaluate: {bootstraps: 50, chunk_rows: 1000}
replay: {permutations: 30, refresh: 200}
"""
RATES = {"x": {"a": 0.1, "b": 0.2, "c": 0.5}, "y": {"a": 0.4, "b": 0.2, "c": 0.1}}


@pytest.fixture(scope="module")
def rehearsed(small: str) -> Result:
    return rehearse_scenario(checked_scenario("small.yaml", small, Path()), Workers())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a log of 4,000 decisions, drawn with known propensities, and 7 rows that cannot be used."""
    rng = np.random.default_rng(3)
    n = 4_000
    kinds = rng.choice(["x", "y"], n)
    mails = rng.choice(["a", "b", "c"], n, p=[0.5, 0.3, 0.2])
    rates = np.array([RATES[kind][mail] for kind, mail in zip(kinds, mails, strict=True)])
    frame = pl.DataFrame(
        {"kind": kinds, "mail": mails, "bought": (rng.random(n) < rates).astype(int), "age": rng.integers(18, 80, n)}
    )
    unusable = pl.DataFrame({"kind": ["x"] * 7, "mail": ["d"] * 7, "bought": [0] * 7, "age": [20] * 7})
    found: Path = tmp_path_factory.mktemp("log")
    pl.concat([frame, unusable]).write_csv(found / "log.csv")
    return found


def case(result: Result, policy: str, guardrails: str = "as_written") -> Rehearsed:
    return next(one for one in result.rehearsed if (one.policy, one.guardrails) == (policy, guardrails))


def test_every_policy_is_rehearsed_under_all_guardrails(rehearsed: Result) -> None:
    found = [(one.guardrails, one.policy) for one in rehearsed.rehearsed]
    names = ["learning", "equal", "offer-only"]
    assert found == [(guardrails, name) for guardrails in ("as_written", "no-holdout") for name in names]
    assert (rehearsed.variants, rehearsed.segments) == (("offer", "news"), ("vips", "everyone-else"))
    assert (rehearsed.kind, rehearsed.days, rehearsed.campaign) == ("rehearsal", 6.0, "mail")


def test_policies_meet_the_same_people_and_guardrails_do_what_they_say(rehearsed: Result) -> None:
    decisions = {one.measures["decisions"].mean for one in rehearsed.rehearsed}
    assert len(decisions) == 1
    assert decisions.pop() == pytest.approx(600, abs=5 * 600**0.5)  # Poisson, three of them
    assert "lift_true" in case(rehearsed, "learning").measures
    assert "lift_true" not in case(rehearsed, "learning", "no-holdout").measures


def test_a_fixed_policy_keeps_its_shares_and_a_learning_one_moves(rehearsed: Result) -> None:
    equal, only = case(rehearsed, "equal"), case(rehearsed, "offer-only")
    for segment in rehearsed.segments:
        assert set(equal.allocation[segment]["offer"].mean) == {0.5}
        assert set(only.allocation[segment]["offer"].mean) == {1.0}
    moved = case(rehearsed, "learning").allocation
    assert moved["vips"]["news"].mean[-1] > 0.6
    assert moved["everyone-else"]["offer"].mean[-1] > 0.6


def test_differences_are_of_pairs_of_replications(reading: Reading) -> None:
    small = reading(("replications: 3", "replications: 2"), ("for: P6D", "for: P2D"))
    result = rehearse_scenario(small, Workers())
    for one in result.differences:
        mine, other = case(result, one.policy, one.guardrails), case(result, one.than_policy, one.than_guardrails)
        means = mine.measures[one.measure].mean - other.measures[one.measure].mean
        assert one.difference.mean == pytest.approx(means, abs=1e-9)
    compared = {(d.policy, d.guardrails, d.than_policy, d.than_guardrails) for d in result.differences}
    assert ("equal", "as_written", "learning", "as_written") in compared
    assert ("equal", "no-holdout", "equal", "as_written") in compared
    assert not any(d.policy == d.than_policy and d.guardrails == d.than_guardrails for d in result.differences)


def test_curves_end_at_the_totals(rehearsed: Result) -> None:
    for one in rehearsed.rehearsed:
        for name in ("reward", "regret", "sends"):
            assert one.curves[name].mean[-1] == pytest.approx(one.measures[name].mean)
            assert one.curves[name].at[-1] == 6.0
            assert (
                all(
                    low <= mean <= high
                    for low, mean, high in zip(
                        one.curves[name].low, one.curves[name].mean, one.curves[name].high, strict=True
                    )
                )
                or name == "regret"
            )


def test_equal_seeds_give_equal_bytes_and_other_seeds_other_ones(reading: Reading) -> None:
    short = (("for: P6D", "for: P2D"), ("replications: 3", "replications: 2"))
    first, again = (result_bytes(rehearse_scenario(reading(*short), Workers())) for _ in range(2))
    assert first == again
    assert first != result_bytes(rehearse_scenario(reading(*short).changed(seed=6), Workers()))


@pytest.mark.slow
def test_two_jobs_and_one_give_equal_bytes(reading: Reading, folder: Path) -> None:
    short = reading(("for: P6D", "for: P2D"), ("replications: 3", "replications: 2"))
    logged = checked_scenario("logged.yaml", HISTORY, folder)
    for run, read in ((rehearse_scenario, short), (replay_scenario, logged), (evaluate_scenario, logged)):
        one, two = (result_bytes(run(read, Workers(jobs))) for jobs in (1, 2))
        assert one == two, run


def test_an_evaluation_says_what_the_estimators_say(folder: Path) -> None:
    read = checked_scenario("logged.yaml", HISTORY, folder)
    result = evaluate_scenario(read, Workers())
    assert [one.policy for one in result.judged] == ["only-a", "mix", "by-kind", "logged", "best"]
    assert result.notes == ("learning is not judged: it learns; `optimizer simulate --replay` replays it",)
    assert result.history is not None
    assert (result.history.rows, result.history.usable) == (4_007, 4_000)
    assert sum(result.history.unusable.values()) == 7
    by_name = {one.policy: one for one in result.judged}
    truth = {"only-a": 0.25, "mix": 0.2 * 0.25 + 0.4 * 0.2 + 0.4 * 0.3, "by-kind": 0.5 * 0.5 + 0.5 * 0.7 / 3}
    for name, value in truth.items():
        found = by_name[name].estimates["ips"]
        assert found.value == pytest.approx(value, abs=4 * (found.standard_error or 0.0))
    assert by_name["logged"].estimates["ips"].value == pytest.approx(result.history.mean_reward)
    assert by_name["best"].estimates["dr"].value == pytest.approx(0.45, abs=0.05)
    assert by_name["by-kind"].shares == {"x": {"a": 0.0, "b": 0.0, "c": 1.0}, "y": dict.fromkeys("abc", 1 / 3)}


def test_an_evaluation_in_chunks_is_that_of_the_whole_log(folder: Path) -> None:
    text = HISTORY.replace("chunk_rows: 1000", "chunk_rows: 1000, reward_model: none")
    read = checked_scenario("logged.yaml", text, folder)
    result = evaluate_scenario(read, Workers())
    assert read.document.history is not None
    feedback = open_history(folder / "log.csv", read.document.history).feedback()  # type: ignore[arg-type]
    whole = evaluate([feedback], {"only-a": always(0, 2, 3)}, Settings(bootstraps=50, seed=4))
    for name, estimate in whole.judgements["only-a"].estimates.items():
        found = result.judged[0].estimates[name]
        assert found.value == pytest.approx(estimate.value)
        assert found.standard_error == pytest.approx(estimate.standard_error)
        assert found.intervals["bootstrap"] == pytest.approx(estimate.intervals["bootstrap"])


def test_bounded_intervals_are_there_once_the_range_of_rewards_is_known(folder: Path) -> None:
    ranged = HISTORY.replace("bootstraps: 50", "bootstraps: 50, reward_range: [0, 1]")
    result = evaluate_scenario(checked_scenario("logged.yaml", ranged, folder), Workers())
    assert set(result.judged[0].estimates["ips"].intervals) == {"normal", "bootstrap", "empirical_bernstein", "betting"}
    assert set(result.judged[-1].estimates["ips"].intervals) == {"normal", "bootstrap"}  # of the learned one
    low, high = result.judged[0].estimates["ips"].intervals["betting"]
    assert low < 0.25 < high


def test_a_replay_learns_what_pays(folder: Path) -> None:
    read = checked_scenario("logged.yaml", HISTORY, folder)
    result = replay_scenario(read, Workers())
    (found,) = result.replayed
    assert found.policy == "learning"
    assert found.method == "rejection"
    assert found.reward.mean > 0.33  # an equal split earns 0.25, the best of each kind 0.45
    assert found.allocation["x"]["c"] > 0.8
    assert found.allocation["y"]["a"] > 0.8
    assert found.curve is not None
    assert found.curve.at[-1] == 4_000
    assert len(result.notes) == 5


def test_a_replay_leaves_out_what_it_cannot_feed_and_says_what_to_do_instead(folder: Path) -> None:
    learning = "{name: learning, learning: {floor: 0.05}}"
    pooled = "{name: pooled, learning: {model: hierarchical}}"
    warm = "{name: warm, learning: {warm_start: {variants: {a: {trials: 1000, successes: 500}}}}}"
    text = HISTORY.replace("permutations: 30", "permutations: 2")
    several = text.replace(learning, f"{pooled}\n  - {warm}")
    result = replay_scenario(checked_scenario("logged.yaml", several, folder), Workers())
    assert [one.policy for one in result.replayed] == ["warm"]
    said = "pooled is not replayed: a replay can feed beta_bernoulli alone; rehearse it in `world: fitted`, without"
    assert any(note.startswith(said) for note in result.notes)
    assert "warm is replayed without its warm_start, which may tell what this history says" in result.notes
    with pytest.raises(DocumentError) as raised:
        replay_scenario(checked_scenario("logged.yaml", text.replace(learning, pooled), folder), Workers())
    (finding,) = raised.value.findings
    assert (finding.key, finding.found) == ("policies", "hierarchical")
    assert finding.allowed.startswith("beta_bernoulli, as a replay can feed beta_bernoulli alone; rehearse")


def test_a_replay_of_logged_propensities_is_doubly_robust(folder: Path) -> None:
    frame = pl.read_csv(folder / "log.csv").filter(pl.col("mail") != "d")
    shares = pl.col("mail").replace_strict({"a": 0.5, "b": 0.3, "c": 0.2})
    frame.with_columns(p=shares).write_csv(folder / "with_p.csv")
    text = HISTORY.replace("propensity: {shares: {a: 0.5, b: 0.3, c: 0.2}}", "propensity: p").replace(
        "log.csv", "with_p.csv"
    )
    result = replay_scenario(
        checked_scenario("logged.yaml", text.replace("permutations: 30", "permutations: 3"), folder), Workers()
    )
    assert result.replayed[0].method == "doubly_robust"
    assert result.replayed[0].reward.mean > 0.33
    assert result.replayed[0].equal_split is None


FITTED = """\
world: {fitted: {recipients: 400, arrivals: {per_day: 400, once: true}}}
history:
  file: log.csv
  variant: mail
  variants: {a: offer, b: news}
  reward: bought
  propensity: {shares: {a: 0.5, b: 0.3, c: 0.2}}
  attributes: [{column: age, name: vip}]
"""


def test_a_rehearsal_in_a_fitted_world_meets_the_history(reading: Reading, folder: Path, small: str) -> None:
    frame = pl.read_csv(folder / "log.csv").filter(pl.col("mail").is_in(["a", "b"]))
    vip = frame.with_columns(pl.lit(1).alias("age").cast(pl.Int64)).with_columns(age=(pl.col("kind") == "x").cast(int))
    vip.write_csv(folder / "fitted.csv")
    world, _, rest = small.partition("world:\n")
    _, _, tail = rest.partition("rehearse:")
    history = FITTED.replace("log.csv", "fitted.csv").replace(
        "{shares: {a: 0.5, b: 0.3, c: 0.2}}", "{shares: {offer: 0.625, news: 0.375}}"
    )
    text = world + history + "rehearse:" + tail + "  - {name: as-was, logged: true}\n"
    text = text.replace("guardrails:\n  - {name: no-holdout, strategy: {holdout: {share: 0}}}\n", "")
    read = checked_scenario("fitted.yaml", text, folder)
    result = rehearse_scenario(read, Workers())
    decided = {one.measures["decisions"].mean for one in result.rehearsed}
    assert decided == {400.0}  # each once
    only = case(result, "offer-only").measures["reward_per_decision"]
    assert only.mean == pytest.approx(0.25, abs=0.1)
    assert result.history is not None


@pytest.mark.parametrize(
    ("run", "changes", "found"),
    [
        (rehearse_scenario, "world", "world: found no world; allowed a world to rehearse in"),
        (replay_scenario, "", "history: found none; allowed a history"),
        (evaluate_scenario, "", "history: found none; allowed a history"),
    ],
)
def test_what_a_question_needs_is_said(run: object, changes: str, found: str, small: str) -> None:
    text = small
    if changes:
        head, _, rest = small.partition("world:\n")
        text = head + "rehearse:" + rest.partition("rehearse:")[2]
    with pytest.raises(DocumentError, match=found):
        run(checked_scenario("small.yaml", text, Path()), Workers())  # type: ignore[operator]


def test_a_history_that_does_not_fit_is_a_mistake_with_a_place(folder: Path) -> None:
    for old, new, found in (
        ("file: log.csv", "file: lgo.csv", r"logged.yaml:4:9: history.file: found lgo.csv; allowed a file in"),
        ("reward: bought", "reward: boought", r"logged.yaml:7:11: history.reward: found .*boought"),
        ("always: a}", "always: q}", r"policies\[0\].always: found q; allowed one of: a, b, c"),
        ("floor: 0.05", "half_life: P7D", r"history: found one, .*half_life.*; allowed `never` without it"),
    ):
        with pytest.raises(DocumentError, match=found):
            replay_scenario(checked_scenario("logged.yaml", HISTORY.replace(old, new), folder), Workers())


def test_the_bytes_hold_no_time_no_place_and_no_infinity(rehearsed: Result) -> None:
    text = result_bytes(rehearsed).decode()
    assert "NaN" not in text
    assert "Infinity" not in text
    assert str(Path.cwd()) not in text
    assert asdict(rehearsed)["days"] * DAY == 6 * DAY


def test_a_replay_in_units_is_one_of_all_permutations(folder: Path) -> None:
    read = checked_scenario("logged.yaml", HISTORY, folder)
    feedback = open_history(folder / "log.csv", read.document.history).feedback()  # type: ignore[arg-type]
    log = replay_log(feedback, Course(batches_of_rows(len(feedback), 200)))
    policy = resolved_policy(PolicySettings.model_validate({"floor": 0.05}))
    whole = replay(log, policy, 4, range(30))
    (found,) = replay_scenario(read, Workers()).replayed
    assert found.reward.mean == pytest.approx(whole.mean_reward)
    assert found.reward.standard_error == pytest.approx(whole.standard_error)


def test_a_learned_policy_is_judged_by_rows_it_was_not_learned_from(folder: Path) -> None:
    rng = np.random.default_rng(5)
    n = 2_000  # in 100 segments, where nothing depends on anything: what looks best there is chance
    columns = {"kind": rng.integers(0, 100, n), "mail": rng.choice(["a", "b", "c"], n, p=[0.5, 0.3, 0.2])}
    pl.DataFrame({**columns, "bought": rng.integers(0, 2, n), "age": np.zeros(n)}).write_csv(folder / "noise.csv")
    text = HISTORY.replace("log.csv", "noise.csv").replace("  - {name: by-kind, shares_by_segment: {x: {c: 1}}}\n", "")
    result = evaluate_scenario(checked_scenario("noise.yaml", text, folder), Workers())
    best = result.judged[-1]
    value, error = best.estimates["snips"].value, best.estimates["snips"].standard_error
    assert value is not None
    assert error is not None
    assert value == pytest.approx(0.5, abs=4 * error)
    assert best.plug_in is not None
    assert best.plug_in > value + 2 * error


def test_segments_of_a_history_go_by_what_its_columns_say(folder: Path) -> None:
    pl.read_csv(folder / "log.csv").with_columns(kind=pl.col("kind").replace({"x": "US", "y": "New York"})).write_csv(
        folder / "capitals.csv"
    )
    text = HISTORY.replace("log.csv", "capitals.csv").replace("{x: {c: 1}}", "{US: {c: 1}, New York: {a: 1}}")
    result = evaluate_scenario(checked_scenario("capitals.yaml", text, folder), Workers())
    by_kind = next(one for one in result.judged if one.policy == "by-kind").estimates["snips"]
    assert by_kind.value == pytest.approx(0.45, abs=4 * (by_kind.standard_error or 0.0))


def test_a_rehearsal_without_a_date_begins_on_a_monday() -> None:
    assert A_MONDAY.weekday() == 0
