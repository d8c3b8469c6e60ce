"""The scenarios of this study and what they find: ``python run.py [--data FOLDER] [--write-scenarios]``.

Six scenarios, two for each campaign: what the log of the uniform policy says of the Thompson policy, and what the log
of the Thompson policy says of the uniform one. What each really earned is in the other log. The Thompson policy's
probabilities follow from its prior by a simulation of 100,000 draws, the published one's draw by draw; with
--write-scenarios they are written into the scenarios anew.

Writes result.json beside this file; the same data give the same file.
"""

import json
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from ruamel.yaml import YAML

from optimizer.demo.history import BESIDE_THE_REPOSITORY
from optimizer.scenarios.notebook import Scenario
from optimizer.scenarios.result import Estimated, Judged

HERE = Path(__file__).parent
RESULT = HERE / "result.json"
PRIOR = "obd_prior_bts.yaml"
CAMPAIGNS = ("all", "men", "women")
POSITIONS = ("1", "2", "3")
SIMULATIONS, SEED, AT_A_TIME = 100_000, 12345, 5_000  # the published ones
PUBLISHED = {"ips": 0.004553, "dm": 0.003545, "dr": 0.004727}  # Saito et al. 2020; uniform's log, campaign "all"

Json = dict[str, Any]

HISTORY = """\
history:
  file: obd_{logged}_{campaign}.csv.gz
  variant: item_id
  variants: [{items}]
  reward: click
  propensity: propensity_score
  segment: position # of three places side by side
  segments: ["1", "2", "3"]
"""
THOMPSON = """\
# Written by `python run.py --write-scenarios`: the shares are {simulations:,} simulated draws from the policy's prior.
scenario: thompson-{campaign}
question: What would the production policy have earned on campaign "{campaign}", by a log of a uniform one?
{history}policies:
  - {{name: uniform, logged: true}}
  - name: thompson
    shares_by_segment:
{shares}evaluate: {{intervals: [normal, bootstrap]}}
"""
UNIFORM = """\
# Written by `python run.py --write-scenarios`.
scenario: uniform-{campaign}
question: What would a uniform policy have earned on campaign "{campaign}", by a log of the production policy?
{history}policies:
  - {{name: thompson, logged: true}}
  - {{name: uniform, uniform: true}}
evaluate: {{intervals: [normal, bootstrap]}}
"""


def thompson_shares(prior: Json) -> np.ndarray:
    """How often each item is drawn for each position, ``[3, A]``: items in the order of draws from their beliefs."""
    rng = np.random.RandomState(SEED)  # the generator the published numbers come from
    n_items = len(prior["alpha"])
    counts = np.zeros((len(POSITIONS), n_items), np.int64)
    for _ in range(SIMULATIONS // AT_A_TIME):
        draws = rng.beta(prior["alpha"], prior["beta"], (AT_A_TIME, n_items))
        highest = np.argpartition(-draws, len(POSITIONS), axis=1)[:, : len(POSITIONS)]
        order = np.argsort(-np.take_along_axis(draws, highest, axis=1), axis=1)
        for position, items in enumerate(np.take_along_axis(highest, order, axis=1).T):
            counts[position] += np.bincount(items, minlength=n_items)
    return counts / SIMULATIONS


def scenario_texts(data: Path) -> Iterator[tuple[str, str]]:
    """Name and text of each scenario."""
    priors = YAML(typ="safe").load((data / PRIOR).read_text("utf-8"))
    for campaign in CAMPAIGNS:
        shares = thompson_shares(priors[campaign])
        items = ", ".join(f'"{item}"' for item in range(shares.shape[1]))
        lines = "".join(
            f'      "{position}":\n' + "".join(f'        "{item}": {share:.5f}\n' for item, share in enumerate(row))
            for position, row in zip(POSITIONS, shares.tolist(), strict=True)
        )
        for text, logged, name in ((THOMPSON, "random", "thompson"), (UNIFORM, "bts", "uniform")):
            history = HISTORY.format(logged=logged, campaign=campaign, items=items)
            yield (
                f"{name}-{campaign}",
                text.format(campaign=campaign, history=history, shares=lines, simulations=SIMULATIONS),
            )


def found_in(data: Path, name: str) -> Json:
    """What a scenario's log says of the policy it is named for, and what that policy earned in its own log."""
    policy, campaign = name.split("-")
    other = {"thompson": "bts", "uniform": "random"}[policy]
    clicks = pl.read_csv(data / f"obd_{other}_{campaign}.csv.gz", columns=["click"])["click"].to_numpy()
    result = Scenario.read(HERE / f"{name}.yaml", data).evaluate().result
    one = next(one for one in result.judged if one.policy == policy)
    assert result.history is not None
    headline = one.estimates[one.headline]
    assert headline.value is not None
    assert headline.standard_error is not None
    error = clicks.std(ddof=1) / len(clicks) ** 0.5
    apart = (headline.value - clicks.mean()) / np.hypot(headline.standard_error, error)
    return {
        "logged_mean": rounded(result.history.mean_reward),
        "estimates": {estimator: estimate_of(estimate) for estimator, estimate in one.estimates.items()},
        "headline": one.headline,
        "verdict": one.word,
        "sentence": one.sentence,
        **diagnosed(one),
        "own_log": {"mean": rounded(clicks.mean()), "standard_error": rounded(error)},
        "apart_in_standard_errors": round(float(apart), 2),
    }


def diagnosed(one: Judged) -> Json:
    """What speaks for and against it."""
    names = ("effective_sample_size", "largest_weight", "smallest_propensity", "mean_weight")
    return {name: float(f"{one.diagnostics[name]:.6g}") for name in names}


def estimate_of(found: Estimated) -> Json:
    """Value, standard error and the ends of the bootstrap."""
    ends = found.intervals.get("bootstrap")
    return {
        "value": rounded(found.value),
        "standard_error": rounded(found.standard_error),
        "bootstrap": None if ends is None else [rounded(end) for end in ends],
    }


def rounded(number: float | None) -> float | None:
    """Eight digits after the point: clicks are rare."""
    return None if number is None else round(float(number), 8)


def main() -> None:
    """Evaluate every scenario and write the result."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=BESIDE_THE_REPOSITORY, help="folder of obd_*.csv.gz")
    parser.add_argument("--write-scenarios", action="store_true", help="simulate the Thompson policy's shares anew")
    given = parser.parse_args()
    if given.write_scenarios:
        for name, text in scenario_texts(given.data):
            (HERE / f"{name}.yaml").write_text(text, encoding="utf-8")
    found: Json = {}
    for name in (f"{policy}-{campaign}" for policy in ("thompson", "uniform") for campaign in CAMPAIGNS):
        found[name] = one = found_in(given.data, name)
        own = one["own_log"]
        headline = one["estimates"][one["headline"]]
        print(
            f"{name:15} {one['headline']} {headline['value']:.6f} ± {headline['standard_error']:.6f}, "
            f"its own log {own['mean']:.6f} ± {own['standard_error']:.6f}: {one['sentence']}",
            flush=True,
        )
    ours = {estimator: found["thompson-all"]["estimates"][estimator]["value"] for estimator in PUBLISHED}
    result = {"what": "Open Bandit Dataset, samples of 10,000 rows", "published": PUBLISHED, "ours": ours, **found}
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(f"written to {RESULT}")


if __name__ == "__main__":
    main()
