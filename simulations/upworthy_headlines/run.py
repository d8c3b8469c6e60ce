"""Thousands of headline tests: Thompson sampling against the equal split, and against testing a part of the audience.

``python run.py [TESTS]`` prints tables and writes result.json beside this file; the same number of tests gives the same
file, whatever the number of jobs.
"""

import json
import sys
from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from headlines import (
    AGAIN,
    CLICKS,
    DATA,
    DRAWS,
    HALVES,
    RATES,
    SEED,
    TESTING,
    Counts,
    Floats,
    Test,
    chance,
    fitted,
    priors_without_week,
    read_tests,
)

from optimizer.domain.evidence import Evidence
from optimizer.policy.allocation import allocation
from optimizer.policy.beta_bernoulli import beta_posterior
from optimizer.policy.draw import draw
from optimizer.policy.learned_prior import LearnedPrior

TESTS, FEWER, REPEATS = 800, 300, 40
RESULT = Path(__file__).parent / "result.json"
SIZES = (250, 500, 1_000, 2_000, 3_000, 5_000, 10_000, 20_000, 50_000)


@dataclass(frozen=True)
class World:
    """One test and the truth it meets: `rates` ``[A]``, or None to draw what really happened, without replacement."""

    index: int
    test: Test
    rates: Floats | None
    prior: tuple[float, float]  # what a policy has learned from the tests of all other weeks

    def clicked(self, length: int) -> Counts:
        """Clicks among the first 0, 1, 2 … sends of each headline, ``[A, length + 1]``."""
        rng = chance(CLICKS, self.index)
        if self.rates is None:
            pairs = zip(self.test.trials, self.test.clicks, strict=True)
            clicks = np.array([rng.permutation(n)[:length] < k for n, k in pairs])
        else:
            clicks = rng.random((len(self.rates), length)) < self.rates[:, None]
        return np.pad(clicks.cumsum(axis=1), ((0, 0), (1, 0)))

    def equal_split(self) -> float:
        """Clicks per send of the equal split: expected, or those of the record."""
        return float((self.test.clicks / self.test.trials if self.rates is None else self.rates).mean())


@dataclass(frozen=True)
class Thompson:
    """Thompson sampling as the service does it: learn, share out a batch, learn again."""

    floor: float = 0.0
    learned: bool = False
    batches: int = 20

    def clicks(self, world: World, sizes: Sequence[int]) -> Floats:
        """Clicks in audiences of each size, apart from one another: expected ones of what was sent, or the record's."""
        u = chance(DRAWS, world.index).random(max(sizes))
        clicked = world.clicked(max(sizes))
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
        return np.asarray(clicked[arms, sent].sum(axis=1) if world.rates is None else sent @ world.rates, np.float64)


@dataclass(frozen=True)
class TestThenSend:
    """Explore, then commit: a part of the audience is split equally, the rest gets what was clicked most often.

    It takes no time to simulate, so its clicks are means over `REPEATS` draws of what the test shows.
    """

    part: float

    def clicks(self, world: World, sizes: Sequence[int]) -> Floats:
        """Clicks, as of `Thompson`; of equal rates the first headline wins, in an order drawn by chance."""
        rng, rates, test, found = chance(TESTING, world.index), world.rates, world.test, []
        shape = (REPEATS, len(test.trials))
        for size in sizes:
            tested = round(self.part * size)
            sent = tested // shape[1] + (np.arange(shape[1]) < tested % shape[1])
            if rates is None:
                seen = rng.hypergeometric(test.clicks, test.trials - test.clicks, sent, shape)
                then, meanwhile = (test.clicks - seen) / (test.trials - sent), seen.sum(axis=1).mean()
            else:
                seen = rng.binomial(sent, rates, shape)
                then, meanwhile = np.broadcast_to(rates, shape), sent @ rates
            won = then[np.arange(REPEATS), (seen / sent).argmax(axis=1)]
            found.append(meanwhile + (size - tested) * won.mean())
        return np.array(found)


Policy = Thompson | TestThenSend
FLAT, LEARNED = Thompson(), "Thompson, learned prior"
POLICIES: dict[str, Policy] = {
    "Thompson": FLAT,
    "Thompson, floor .02": Thompson(floor=0.02),
    LEARNED: Thompson(learned=True),
    "test 20 %, then send": TestThenSend(0.2),
    "test 50 %, then send": TestThenSend(0.5),
}


def clicks(world: World, policies: Sequence[Policy], sizes: Sequence[int]) -> Floats:
    """Clicks in one test of each policy, then of the equal split, then of the best headline, ``[P + 2, sizes]``."""
    audience = np.array(sizes, np.float64)
    best = np.nan if world.rates is None else world.rates.max()  # the record does not tell
    of_policies = [policy.clicks(world, sizes) for policy in policies]
    return np.array([*of_policies, audience * world.equal_split(), audience * best])


def run(worlds: Sequence[World], policies: Sequence[Policy], sizes: Sequence[int], jobs: int = 1) -> Floats:
    """`clicks` of all worlds, ``[T, P + 2, sizes]``."""
    each = partial(clicks, policies=policies, sizes=sizes)
    with ProcessPoolExecutor(jobs) as pool:
        found = []
        for of_test in map(each, worlds) if jobs == 1 else pool.map(each, worlds, chunksize=10):
            found.append(of_test)
            if len(found) % 200 == 0:
                print(f"{len(found):5} of {len(worlds)} tests", file=sys.stderr, flush=True)
    return np.array(found)


def ratio(above: Floats, below: Floats) -> tuple[float, float]:
    """Ratio of sums over tests, and its standard error by linearisation (Cochran 1977, section 6.4)."""
    found = above.sum() / below.sum()
    error = np.sqrt(len(above) * (above - found * below).var(ddof=1)) / below.sum()
    return round(float(found), 5), round(float(error), 5)


def gains(found: Floats, policies: Mapping[str, Policy], sizes: Sequence[int]) -> list[dict[str, object]]:
    """What each policy gained over the equal split, for each size: of `clicks` of all tests, ``[T, P + 2, sizes]``."""
    rows: list[dict[str, object]] = []
    for place, size in enumerate(sizes):
        *of_policies, equal, best = found[:, :, place].T
        for (name, policy), mine in zip(policies.items(), of_policies, strict=True):
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
                if isinstance(policy, Thompson):  # of one run; test-then-send is a mean of many
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
    real, drawn = list[tuple[float, float]](), {name: list[tuple[float, float]]() for name in truths}
    for index, test in enumerate(tests):
        rng, again = chance(HALVES, index), chance(AGAIN, index)
        first = test.trials // 2
        seen = rng.hypergeometric(test.clicks, test.trials - test.clicks, first)
        rest = (test.clicks - seen) / (test.trials - first)
        real.append((rest[(seen / first).argmax()] - rest.mean(), rest.mean()))
        for name, rates in truths.items():
            won = (again.binomial(first, rates[index]) / first).argmax()
            drawn[name].append((rates[index][won] - rates[index].mean(), rates[index].mean()))
    return {name: ratio(*np.array(pairs).T) for name, pairs in {"the record": real, **drawn}.items()}


def spread_of(priors: Mapping[int, LearnedPrior]) -> dict[str, float]:
    """How much the priors differ that leave out one week each: their least and largest parameters."""
    found = np.array([(prior.successes, prior.failures) for prior in priors.values()])
    names = ("weeks", "least_successes", "least_failures", "most_successes", "most_failures")
    numbers = (len(found), *found.min(axis=0), *found.max(axis=0))
    return {name: round(float(number), 3) for name, number in zip(names, numbers, strict=True)}


def study(tests: Sequence[Test], n_tests: int, n_fewer: int, jobs: int) -> dict[str, object]:
    """All of the study but the archive's facts."""
    middle = len(tests) // 2
    archives = [fitted(tests[middle:]), fitted(tests[:middle])]  # each half is judged in the light of the other
    of_test = [archives[index >= middle] for index in range(len(tests))]
    learned = priors_without_week(tests)
    priors = [(learned[test.week].successes, learned[test.week].failures) for test in tests]
    # The sample takes tests of both halves in turn: their order is one of chance.
    sample = [index for pair in zip(range(middle), range(middle, len(tests)), strict=False) for index in pair][:n_tests]

    truths, unrelated = (
        [getattr(of_test[i], name)(test, chance(RATES, i)) for i, test in enumerate(tests)]
        for name in ("rates", "unrelated_rates")
    )

    def worlds(indices: Sequence[int], rates: Sequence[Floats] | None) -> list[World]:
        return [World(i, tests[i], None if rates is None else rates[i], priors[i]) for i in indices]

    rows = gains(run(worlds(sample, truths), list(POLICIES.values()), SIZES, jobs), POLICIES, SIZES)
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
            found = gains(run(them, list(plain.values()), (size,), jobs), plain, (size,))
            replayed += [{"clicks_from": kind, **row} for row in found]
    return {
        "priors_fitted_on_the_other_half": [vars(archive) for archive in archives],
        "learned_priors": spread_of(learned),
        "winner_of_one_half_of_the_record": halves_check(tests, {"two levels": truths, "one level": unrelated}),
        "gains": rows,
        "learned_ahead_of_flat_prior": [
            {"size": row["size"], "ahead": -float(str(row["first_policy_ahead"])), "standard_error": error}
            for row in rows
            for error in [row["first_policy_ahead_standard_error"]]
            if row["policy"] == LEARNED
        ],
        "reaches_half_of_the_possible": {name: reached(rows, name, 0.5) for name in POLICIES},
        "batches": gains(run(worlds(few, truths), list(batched.values()), some, jobs), batched, some),
        "record_without_a_model": replayed,
        "worlds_of_one_level": gains(run(worlds(few, unrelated), list(plain.values()), some, jobs), plain, some),
    }


def show(title: str, rows: Sequence[dict[str, object]]) -> None:
    """Print one table of gains, in percent."""
    print(f"\n{title}\n{'size':>7} {'policy':27}{'tests':>6}{'lift %':>8}{'±':>6}", end="")
    print(f"{'of possible %':>15}{'first ahead %':>15}")
    for row in rows:
        share = f"{100 * float(str(row['share_of_possible'])):.1f}" if "share_of_possible" in row else "-"
        lift, error, ahead, its = (
            100 * float(str(row[key]))
            for key in ("lift", "lift_standard_error", "first_policy_ahead", "first_policy_ahead_standard_error")
        )
        name = " ".join(str(row[key]) for key in ("clicks_from", "policy") if key in row)
        print(
            f"{row['size']:>7} {name:27}{row['tests']:>6}{lift:8.2f}{error:6.2f}{share:>15}{ahead:10.2f} ±{its:.2f}",
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
    for row in found["learned_ahead_of_flat_prior"]:  # type: ignore[attr-defined]
        print(f"learned ahead of flat at {row['size']:>6}: {100 * row['ahead']:.2f} ±{100 * row['standard_error']:.2f}")
    for key in ("gains", "batches", "record_without_a_model", "worlds_of_one_level"):
        show(key, found[key])  # type: ignore[arg-type]
    what = "headline tests: clicks over those of the equal split, of Thompson sampling and of testing a part first"
    RESULT.write_text(json.dumps({"what": what, "seed": SEED, "archive": facts, **found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
