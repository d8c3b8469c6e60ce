"""All scenarios of this study, and two things no scenario says: ``python run.py [--data FOLDER]``.

* By how much a learned choice of mails beats the men's mail for everybody, row by row on the same customers, so that
  what both have in common cancels; over several ways to fold them.
* What worlds fitted to the history believe the best choice is worth: they take for real what may be luck.

Writes result.json beside this file; the same data give the same file.
"""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import numpy as np

from optimizer.demo.history import FILE, find_file
from optimizer.domain.feedback import LoggedFeedback
from optimizer.evaluation.crossfit import FOLDS, numbered
from optimizer.evaluation.policy_learning import BestByModel, best_by_model, best_by_segment, chosen_scores
from optimizer.evaluation.reward_models import cell_means
from optimizer.scenarios.fitted_worlds import fitted_world
from optimizer.scenarios.histories import open_part
from optimizer.scenarios.notebook import Scenario
from optimizer.scenarios.result import Measured, Result
from optimizer.scenarios.worlds import ArrivalsDocument, Fitted

HERE = Path(__file__).parent
RESULT = HERE / "result.json"
JUDGED = ("visit", "conversion", "spend", "three-segments")
REPLAYED = ("without-segments", "three-segments", "visit")
REHEARSED = "rehearsal"
BEST_FOR_ALL = "mens-mail"
SEEDS = range(5)  # of folds
DRAWS = 400  # of a world's rates
WORLDS = {"past purchases": ("mens", "womens"), "18 segments": ("mens", "womens", "newbie", "channel")}

Json = dict[str, Any]


def judged(result: Result) -> Json:
    """What `optimizer evaluate` says of each policy: value, standard error, plug-in value, verdict."""
    found = {}
    for one in result.judged:
        headline = one.estimates[one.headline]
        found[one.policy] = {
            "estimator": one.headline,
            "value": rounded(headline.value),
            "standard_error": rounded(headline.standard_error),
            "snips": rounded(one.estimates["snips"].value),
            "verdict": one.word,
            **({} if one.plug_in is None else {"plug_in": rounded(one.plug_in)}),
        }
    return found


def replayed(result: Result) -> Json:
    """What `optimizer simulate --replay` says of each learning policy."""
    return {
        one.policy: {
            **mean_of(one.reward),
            "standard_error_of_one_log": rounded(one.standard_error_of_one),
            "equal_split": rounded(one.equal_split),
            "best_alone": rounded(one.best_fixed),
        }
        for one in result.replayed
    }


def rehearsed(result: Result) -> Json:
    """What `optimizer simulate` says of each policy, and how it differs from the first."""
    policies = {
        one.policy: {name: mean_of(one.measures[name]) for name in ("reward_per_decision", "regret")}
        for one in result.rehearsed
    }
    more = {
        one.policy: mean_of(one.difference)
        for one in result.differences
        if one.measure == "reward_per_decision" and one.than_policy == result.rehearsed[0].policy
    }
    return {"policies": policies, f"more_than_{result.rehearsed[0].policy}": more}


def gains(feedback: LoggedFeedback, by: str) -> Json:
    """How much more the learned choice earns than one mail for everybody, by plug-in and honestly."""
    (rows,) = numbered([feedback])
    alone = np.zeros((len(rows), rows.n_arms))
    alone[:, rows.variant_ids.index(BEST_FOR_ALL)] = 1.0
    honest, errors, flattering = [], [], []
    for seed in SEEDS:
        learned = best_by_segment([rows], seed=seed) if by == "segment" else best_by_model([rows], seed=seed)
        for policy, folds, found in ((learned.cross_fitted, FOLDS, honest), (learned.policy, 1, flattering)):
            model = policy.model if isinstance(policy, BestByModel) else cell_means([rows], folds, seed)
            q = model.predicted(rows, 0)
            more = chosen_scores(rows, policy.probabilities(rows), q) - chosen_scores(rows, alone, q)
            found.append(float(more.mean()))
            if found is honest:
                errors.append(float(more.std(ddof=1) / len(more) ** 0.5))
    return {
        "plug_in": rounded(float(np.mean(flattering))),
        "honest": rounded(float(np.mean(honest))),
        "standard_error": rounded(float(np.mean(errors))),
        "honest_by_folds": [rounded(one) for one in honest],
    }


def believed(scenario: Scenario, by: tuple[str, ...]) -> Json:
    """What the best mail for each type is worth more than one for all, in worlds fitted to the history."""
    read = scenario.read_as
    assert read.document.history is not None
    assert read.written is not None
    history = open_part(read.document.history, read.folder, scenario.data)
    written = Fitted(by=by, arrivals=ArrivalsDocument(per_day=2000, once=True))
    world = fitted_world(written, history, read.written.strategy, read.written.campaign, 0)
    shares = np.bincount(world.types) / len(world.types)
    arm = history.contents.variant_ids.index(BEST_FOR_ALL)

    def gain(chances: np.ndarray) -> float:
        rates = (chances @ world.patterns.astype(float))[..., 0][:, :-1]  # [Z, A], of visits
        return float(shares @ (rates.max(axis=1) - rates[:, arm]))

    rng = np.random.Generator(np.random.PCG64(0))
    drawn = rng.standard_gamma(np.broadcast_to(world.evidence, (DRAWS, *world.evidence.shape)))
    drawn /= drawn.sum(axis=-1, keepdims=True)
    found = [gain(one) for one in drawn]
    return {
        "likeliest": rounded(gain(world.chances)),
        "uncertain": rounded(float(np.mean(found))),
        "spread": rounded(float(np.std(found))),
    }


def mean_of(found: Measured) -> Json:
    """A mean and its standard error."""
    return {"mean": rounded(found.mean), "standard_error": rounded(found.standard_error)}


def rounded(number: float | None) -> float | None:
    """Six digits after the point, as others publish rates."""
    return None if number is None else round(number, 6)


def main() -> None:
    """Run everything and write the result."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=None, help=f"folder of {FILE}; default ../shared/data")
    file = find_file(parser.parse_args().data)
    if file is None:
        parser.error(f"{FILE}: found nowhere; allowed in --data or in ../shared/data")

    def scenario(name: str) -> Scenario:
        print(f"{name} …", flush=True)
        return Scenario.read(HERE / f"{name}.yaml", file.parent)

    result: Json = {"what": "Hillstrom's 64,000 customers: which mail for whom"}
    result["judged"] = {name: judged(scenario(name).evaluate().result) for name in JUDGED}
    result["more_than_mens_for_all"] = {}
    for name in JUDGED:
        read = scenario(name)
        assert read.read_as.document.history is not None
        feedback = open_part(read.read_as.document.history, HERE, file.parent).feedback()
        ways = ("segment", "model") if feedback.feature_names else ("segment",)
        result["more_than_mens_for_all"][name] = {f"by {by}": gains(feedback, by) for by in ways}
    result["replayed"] = {name: replayed(scenario(name).replay().result) for name in REPLAYED}
    result["rehearsed"] = rehearsed(scenario(REHEARSED).rehearse().result)
    result["best_mail_believed_worth_more_than_mens_for_all"] = {
        name: believed(scenario(REHEARSED), by) for name, by in WORLDS.items()
    }
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(f"written to {RESULT}")


if __name__ == "__main__":
    main()
