"""Thousands of headline tests: Thompson sampling against the equal split, and against testing a part of the audience.

``python run.py [TESTS]`` prints tables and writes result.json beside this file; the same number of tests gives the same
file, whatever the number of jobs.
"""

import json
import os
from argparse import ArgumentParser
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import betaln

from optimizer.domain.evidence import Evidence
from optimizer.evaluation.ratio_mismatch import ratio_mismatch
from optimizer.history.counts import CountsMapping, read_counts
from optimizer.policy.allocation import allocation
from optimizer.policy.beta_bernoulli import beta_posterior
from optimizer.policy.draw import draw

TESTS, FEWER, SEED = 1_500, 500, 1
RESULT = Path(os.environ.get('UPR') or Path(__file__).parent / 'result.json')
FILE = "upworthy_exploratory_slim.csv.gz"
DATA = Path(os.environ.get("OPTIMIZER_DATA") or Path(__file__).resolve().parents[3] / "shared" / "data")
FIRST_BROKEN, LAST_BROKEN = (
    201_325,
    201_401,
)  # weeks in which the randomisation was broken, as the archive's authors say
MISMATCH = 0.001
SIZES = (250, 500, 1_000, 2_000, 3_000, 5_000, 10_000, 20_000, 50_000)
# What is left to chance, each apart from the others, so that policies meet the same chance.
_ORDER, _RATES, _CLICKS, _DRAWS, _HALVES, _AGAIN = range(6)
_GRID = np.linspace(np.log(0.0005), np.log(0.15), 120)  # logarithms of a test's mean rate

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


def chance(purpose: int, *place: int) -> np.random.Generator:
    """Chance for one purpose, and one test."""
    return np.random.Generator(np.random.PCG64([SEED, purpose, *place]))


@dataclass(frozen=True)
class Test:
    """What was counted: trials and clicks of each headline, ``[A]``, its arms in an order drawn by chance."""

    trials: Counts
    clicks: Counts


def read_tests(data: Path) -> tuple[list[Test], dict[str, float]]:
    """The usable tests, in an order drawn by chance, and what the archive looks like."""
    mapping = CountsMapping(
        test="clickability_test_id", trials="impressions", successes="clicks", labels=("test_week",)
    )
    counts = read_counts(data / FILE, mapping)
    rows = np.split(np.argsort(counts.tests, kind="stable"), np.cumsum(np.bincount(counts.tests))[:-1])
    n_arms = np.array([len(of_test) for of_test in rows])
    shown = np.zeros((len(rows), n_arms.max()))
    for test, of_test in enumerate(rows):
        shown[test, : len(of_test)] = counts.trials[of_test]
    p_values = ratio_mismatch(shown, (np.arange(n_arms.max()) < n_arms[:, None]).astype(np.float64)).p_values
    week = np.array([counts.labels["test_week"][of_test].astype(int).min() for of_test in rows])
    broken, mismatch = (week >= FIRST_BROKEN) & (week <= LAST_BROKEN), p_values < MISMATCH
    usable = np.flatnonzero(~broken & ~mismatch)
    shuffled = [chance(_ORDER, int(test)).permutation(rows[test]) for test in chance(_ORDER).permutation(usable)]
    facts = {
        "tests": len(rows),
        "arms": len(counts.tests),
        "impressions": int(counts.trials.sum()),
        "clicks": int(counts.successes.sum()),
        "tests_in_the_broken_window": int(broken.sum()),
        "mismatch_inside": round(float(mismatch[broken].mean()), 4),
        "mismatch_outside": round(float(mismatch[~broken].mean()), 4),
        "usable_tests": len(usable),
        "usable_arms": int(n_arms[usable].sum()),
    }
    return [Test(counts.trials[arms], counts.successes[arms]) for arms in shuffled], facts


@dataclass(frozen=True)
class Archive:
    """What a half of the tests says about rates.

    Attributes:
        alpha, beta: one Beta for all headlines, whatever their test; the learned prior of a policy.
        precision: how alike the headlines of one test are: ``rate ~ Beta(precision m, precision (1 - m))``.
        centre, spread: ``log m ~ Normal(centre, spread)`` over tests.
    """

    alpha: float
    beta: float
    precision: float
    centre: float
    spread: float

    def mean_rates(self, tests: Sequence[Test]) -> Floats:
        """Log joint density of each test's counts and its mean rate, ``[T, grid]``, but for constants."""
        likelihood = _likelihood(tests, self.precision * np.exp(_GRID), self.precision * -np.expm1(_GRID))
        prior = -0.5 * ((_GRID - self.centre) / self.spread) ** 2
        return likelihood + prior - np.logaddexp.reduce(prior)

    def rates(self, test: Test, rng: np.random.Generator) -> Floats:
        """True rates drawn from what this test's own counts say in the light of the other half, ``[A]``."""
        density = self.mean_rates([test])[0]
        mean = np.exp(rng.choice(_GRID, p=np.exp(density - np.logaddexp.reduce(density))))
        failures = self.precision * (1.0 - mean) + test.trials - test.clicks
        return np.asarray(rng.beta(self.precision * mean + test.clicks, failures))

    def unrelated_rates(self, test: Test, rng: np.random.Generator) -> Floats:
        """As `rates`, as if the headlines of a test had nothing in common: too wide a spread, for comparison."""
        return np.asarray(rng.beta(self.alpha + test.clicks, self.beta + test.trials - test.clicks))


def _likelihood(tests: Sequence[Test], alpha: Floats, beta: Floats) -> Floats:
    """Log beta-binomial likelihood of each test at each of ``G`` priors, ``[T, G]``, but for constants."""
    trials, clicks = (np.concatenate([getattr(t, name) for t in tests])[:, None] for name in ("trials", "clicks"))
    of_arms = betaln(alpha + clicks, beta + trials - clicks) - betaln(alpha, beta)
    ends = np.cumsum([len(t.trials) for t in tests])
    return np.asarray(np.add.reduceat(of_arms, np.concatenate([[0], ends[:-1]]), axis=0))


def fitted(tests: Sequence[Test]) -> Archive:
    """Both priors that make the counts of these tests likeliest (empirical Bayes: Efron & Morris 1973)."""

    def one_level(logs: Floats) -> float:
        alpha, beta = np.exp(logs)
        return -float(_likelihood(tests, np.array([alpha]), np.array([beta])).sum())

    def two_levels(x: Floats) -> float:
        archive = Archive(1.0, 1.0, float(np.exp(x[0])), float(x[1]), float(np.exp(x[2])))
        return -float(np.logaddexp.reduce(archive.mean_rates(tests), axis=1).sum())

    settings = {"xatol": 0.003, "fatol": 0.05}
    alpha, beta = np.exp(minimize(one_level, [0.7, 5.0], method="Nelder-Mead", options=settings).x)
    precision, centre, spread = minimize(two_levels, [7.0, -4.4, -0.5], method="Nelder-Mead", options=settings).x
    return Archive(float(alpha), float(beta), float(np.exp(precision)), float(centre), float(np.exp(spread)))


@dataclass(frozen=True)
class World:
    """One test and the truth it meets: `rates` ``[A]``, or None to draw what really happened, without replacement."""

    index: int
    test: Test
    rates: Floats | None
    prior: tuple[float, float]  # what a policy has learned from the other half

    def clicked(self, length: int) -> Counts:
        """Clicks among the first 0, 1, 2 … sends of each headline, ``[A, length + 1]``."""
        rng = chance(_CLICKS, self.index)
        if self.rates is None:
            pairs = zip(self.test.trials, self.test.clicks, strict=True)
            clicks = np.array([rng.permutation(n)[:length] < k for n, k in pairs])
        else:
            clicks = rng.random((len(self.rates), length)) < self.rates[:, None]
        return np.pad(clicks.cumsum(axis=1), ((0, 0), (1, 0)))


@dataclass(frozen=True)
class Thompson:
    """Thompson sampling as the service does it: learn, share out a batch, learn again."""

    floor: float = 0.0
    learned: bool = False
    batches: int = 20

    def sends(self, world: World, clicked: Counts, sizes: Sequence[int]) -> Counts:
        """How often each headline is sent to audiences of each size, ``[sizes, A]``; sizes are told apart throughout."""
        u = chance(_DRAWS, world.index).random(max(sizes))
        arms, everyone = np.arange(len(clicked)), np.ones((len(sizes), len(clicked)), np.bool_)
        ends = np.rint(np.outer(sizes, np.arange(self.batches + 1)) / self.batches).astype(int)
        sent = np.zeros(everyone.shape, np.int64)
        for batch in range(self.batches):
            trials, wins = (found[:, :, None].astype(np.float64) for found in (sent, clicked[arms, sent]))
            evidence = Evidence(np.zeros(1, np.int64), trials, wins, wins, wins)
            posterior = beta_posterior(evidence, 0, None, *(world.prior if self.learned else (1.0, 1.0)))
            best = np.array([posterior.prob_best(row, everyone[row]) for row in range(len(sizes))])
            shares = allocation(best, everyone, self.floor, 1.0)
            for row, (start, end) in enumerate(ends[:, batch : batch + 2]):
                sent[row] += np.bincount(draw(shares[row], u[start:end]), minlength=len(arms))
        return sent


@dataclass(frozen=True)
class TestThenSend:
    """Explore, then commit: a part of the audience is split equally, the rest gets what was clicked most often."""

    part: float

    def sends(self, world: World, clicked: Counts, sizes: Sequence[int]) -> Counts:  # noqa: ARG002
        """How often each headline is sent, ``[sizes, A]``; of equal rates the first wins, an order drawn by chance."""
        n_arms = len(clicked)
        tested = np.rint(self.part * np.array(sizes)).astype(int)
        sent = tested[:, None] // n_arms + (np.arange(n_arms) < tested[:, None] % n_arms)
        rate = clicked[np.arange(n_arms), sent] / np.maximum(sent, 1)
        sent[np.arange(len(sizes)), rate.argmax(axis=1)] += np.array(sizes) - tested
        return sent


Policy = Thompson | TestThenSend
FLAT = Thompson()
POLICIES: dict[str, Policy] = {
    "Thompson": FLAT,
    "Thompson, floor .02": Thompson(floor=0.02),
    "Thompson, learned prior": Thompson(learned=True),
    "test 20 %, then send": TestThenSend(0.2),
    "test 50 %, then send": TestThenSend(0.5),
}


def clicks(world: World, policies: Sequence[Policy], sizes: Sequence[int]) -> Floats:
    """Clicks in one test of each policy, then of the equal split, then of the best headline, ``[P + 2, sizes]``.

    Where the true rates are known these are expected clicks, given what was sent. Where they are not, clicks are those
    of the draw, the equal split's are those of the record, and the best headline is not known.
    """
    clicked, audience = world.clicked(max(sizes)), np.array(sizes, np.float64)
    rates = world.test.clicks / world.test.trials if world.rates is None else world.rates
    arms = np.arange(len(rates))
    found = []
    for policy in policies:
        sent = policy.sends(world, clicked, sizes)
        found.append(clicked[arms, sent].sum(axis=1) if world.rates is None else sent @ rates)
    best = np.nan if world.rates is None else rates.max()
    return np.array([*found, audience * rates.mean(), audience * best], np.float64)


def run(worlds: Sequence[World], policies: Sequence[Policy], sizes: Sequence[int], jobs: int = 1) -> Floats:
    """`clicks` of all worlds, ``[T, P + 2, sizes]``."""
    each = partial(clicks, policies=policies, sizes=sizes)
    if jobs == 1:
        return np.array([each(world) for world in worlds])
    with ProcessPoolExecutor(jobs) as pool:
        return np.array(list(pool.map(each, worlds, chunksize=10)))


def ratio(above: Floats, below: Floats) -> tuple[float, float]:
    """Ratio of sums over tests, and its standard error by linearisation (Cochran 1977, section 6.4)."""
    found = above.sum() / below.sum()
    error = np.sqrt(len(above) * (above - found * below).var(ddof=1)) / below.sum()
    return round(float(found), 5), round(float(error), 5)


def gains(found: Floats, names: Sequence[str], sizes: Sequence[int]) -> list[dict[str, object]]:
    """What each policy gained over the equal split, for each size: of `clicks` of all tests, ``[T, P + 2, sizes]``."""
    rows: list[dict[str, object]] = []
    for place, size in enumerate(sizes):
        *of_policies, equal, best = found[:, :, place].T
        for name, mine in zip(names, of_policies, strict=True):
            ratios = mine / equal - 1
            row: dict[str, object] = {"size": size, "policy": name, "tests": len(found)}
            row["clicks_of_equal_split"] = round(float(equal.mean()), 2)
            row["lift"], row["lift_standard_error"] = ratio(mine - equal, equal)
            more = ratio(of_policies[0] - mine, equal)
            row["first_policy_ahead"], row["first_policy_ahead_standard_error"] = more
            if not np.isnan(best).any():
                row["lift_of_best"] = ratio(best - equal, equal)[0]
                row["share_of_possible"], row["share_standard_error"] = ratio(mine - equal, best - equal)
                row["mean_of_ratios"] = round(float(ratios.mean()), 5)
                row["mean_of_ratios_standard_error"] = round(float(ratios.std(ddof=1) / len(ratios) ** 0.5), 5)
                row["tests_below_equal_split"] = round(float((mine < equal).mean()), 4)
            rows.append(row)
    return rows


def reached(rows: Sequence[dict[str, object]], policy: str, share: float) -> float | None:
    """The audience from which a policy has this share of the possible gain, between sizes by the logarithm."""
    mine = [row for row in rows if row["policy"] == policy]
    shares = np.array([row["share_of_possible"] for row in mine], np.float64)
    if shares.max() < share:
        return None
    sizes = np.log(np.array([row["size"] for row in mine], np.float64))
    return float(round(np.exp(np.interp(share, np.maximum.accumulate(shares), sizes))))


def halves_check(tests: Sequence[Test], truths: dict[str, list[Floats]]) -> dict[str, tuple[float, float]]:
    """Lift of the winner of one half of a record: in its other half, and in worlds that claim to be like it.

    No model is needed for the first. A world in which the winner is further ahead has rates too far apart.
    """
    real, drawn = [], {name: list[tuple[float, float]]() for name in truths}
    for index, test in enumerate(tests):
        rng, again = chance(_HALVES, index), chance(_AGAIN, index)
        first = test.trials // 2
        seen = rng.hypergeometric(test.clicks, test.trials - test.clicks, first)
        rest = (test.clicks - seen) / (test.trials - first)
        real.append((rest[(seen / first).argmax()] - rest.mean(), rest.mean()))
        for name, rates in truths.items():
            won = (again.binomial(first, rates[index]) / first).argmax()
            drawn[name].append((rates[index][won] - rates[index].mean(), rates[index].mean()))
    return {name: ratio(*np.array(pairs).T) for name, pairs in {"the record": real, **drawn}.items()}


def study(tests: Sequence[Test], n_tests: int, n_fewer: int, jobs: int) -> dict[str, object]:
    """All of the study but the archive's facts."""
    middle = len(tests) // 2
    archives = [fitted(tests[middle:]), fitted(tests[:middle])]  # each half is judged in the light of the other
    of_test = [archives[index >= middle] for index in range(len(tests))]
    # The sample takes tests of both halves in turn: their order is one of chance.
    sample = [index for pair in zip(range(middle), range(middle, len(tests)), strict=False) for index in pair][:n_tests]

    truths, unrelated = (
        [getattr(of_test[i], name)(test, chance(_RATES, i)) for i, test in enumerate(tests)]
        for name in ("rates", "unrelated_rates")
    )

    def worlds(indices: Sequence[int], rates: Sequence[Floats] | None) -> list[World]:
        return [
            World(i, tests[i], None if rates is None else rates[i], (of_test[i].alpha, of_test[i].beta))
            for i in indices
        ]

    names = list(POLICIES)
    rows = gains(run(worlds(sample, truths), list(POLICIES.values()), SIZES, jobs), names, SIZES)
    few = sample[:n_fewer]
    some = (1_000, 3_000, 10_000)
    batched = {f"{n} batches": Thompson(batches=n) for n in (20, 5, 50)}
    plain = {name: POLICIES[name] for name in ("Thompson", "test 20 %, then send", "test 50 %, then send")}
    replayed: list[dict[str, object]] = []
    for size in (1_000, 2_000):
        enough = [i for i, test in enumerate(tests) if test.trials.min() >= size]
        both = [i for i in sample if tests[i].trials.min() >= size]
        kinds = (("record", worlds(enough, None)), ("world", worlds(both, truths)))
        for kind, them in kinds:
            found = gains(run(them, list(plain.values()), (size,), jobs), list(plain), (size,))
            replayed += [{"clicks_from": kind, **row} for row in found]
    return {
        "priors_fitted_on_the_other_half": [vars(archive) for archive in archives],
        "winner_of_one_half_of_the_record": halves_check(tests, {"two levels": truths, "one level": unrelated}),
        "gains": rows,
        "reaches_half_of_the_possible": {name: reached(rows, name, 0.5) for name in names},
        "batches": gains(run(worlds(few, truths), list(batched.values()), some, jobs), list(batched), some),
        "record_without_a_model": replayed,
        "worlds_of_one_level": gains(run(worlds(few, unrelated), list(plain.values()), some, jobs), list(plain), some),
    }


def show(title: str, rows: Sequence[dict[str, object]]) -> None:
    """Print one table of gains, in percent."""
    print(
        f"\n{title}\n{'size':>7} {'policy':26}{'tests':>6}{'lift %':>8}{'±':>6}{'of possible %':>15}{'first ahead %':>15}"
    )
    for row in rows:
        share = f"{100 * float(str(row['share_of_possible'])):.1f}" if "share_of_possible" in row else "-"
        lift, error, ahead, its = (
            100 * float(str(row[key]))
            for key in ("lift", "lift_standard_error", "first_policy_ahead", "first_policy_ahead_standard_error")
        )
        name = " ".join(str(row[key]) for key in ("clicks_from", "policy") if key in row)
        print(
            f"{row['size']:>7} {name:26}{row['tests']:>6}{lift:8.2f}{error:6.2f}{share:>15}{ahead:10.2f} ±{its:.2f}",
            flush=True,
        )


def main() -> None:
    """Run the study and write the result."""
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tests", nargs="?", type=int, default=TESTS, help="to simulate, by chance (%(default)s)")
    parser.add_argument("--data", type=Path, default=DATA, help="folder of real histories (%(default)s)")
    parser.add_argument("--jobs", type=int, default=1, help="processes; they do not change the result (%(default)s)")
    given = parser.parse_args()
    tests, facts = read_tests(given.data)
    print(json.dumps(facts, indent=2), flush=True)
    found = study(tests, given.tests, min(FEWER, given.tests), given.jobs)
    for key in ("priors_fitted_on_the_other_half", "winner_of_one_half_of_the_record", "reaches_half_of_the_possible"):
        print(key, json.dumps(found[key], indent=2))
    for key in ("gains", "batches", "record_without_a_model", "worlds_of_one_level"):
        show(key, found[key])  # type: ignore[arg-type]
    what = "headline tests: clicks over those of the equal split, of Thompson sampling and of testing a part first"
    RESULT.write_text(json.dumps({"what": what, "seed": SEED, "archive": facts, **found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
