"""Planted segments, worlds without any, and Hillstrom's mails: ``python run.py [--data FOLDER]``.

Writes result.json beside this file; the same data give the same file.
"""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import beta
from worlds import ARMS, PLANTED, World, world

from optimizer.demo.history import FILE, find_file
from optimizer.domain.feedback import LoggedFeedback
from optimizer.history.mapping import Mapping
from optimizer.history.opening import open_history
from optimizer.insights.discovering.columns import Column, Kind
from optimizer.insights.discovering.found import Found
from optimizer.insights.discovering.tree import found_segments

HERE = Path(__file__).parent
RESULT = HERE / "result.json"
LOGGED = ("even", "learned", "repeated")
NULLS = 60  # worlds of each way of logging
NULL_ROWS = 4_000
WORLDS = 6
ROWS = 16_000
EFFECT = 0.18
HILLSTROM = {
    "variant": "segment",
    "propensity": 1 / 3,
    "attributes": ["recency", "history", "mens", "womens", "zip_code", "newbie", "channel"],
}
SHARES = (0.0, 0.05, 0.1)  # by how much visits are changed in planted segments of real customers

Json = dict[str, Any]


def nulls(logged: str) -> Json:
    """How often something is proposed where no segment differs."""
    seeds = range(NULLS)
    proposed = sum(bool(found_segments(*log_of(one), seed=seed).segments) for seed, one in worlds(seeds, None, logged))
    return {"worlds": NULLS, "proposed": proposed, "at_most": round(upper_bound(proposed, NULLS), 4)}


def worlds(
    seeds: Iterable[int], shape: str | None, logged: str, rows: int = NULL_ROWS, effect: float = 0.12
) -> Iterable[tuple[int, World]]:
    """Worlds one after the other."""
    return ((seed, world(seed, rows, shape, effect, logged=logged)) for seed in seeds)


def log_of(one: World) -> tuple[LoggedFeedback, list[Column]]:
    """What a search is given of a world."""
    return one.feedback, one.columns


def planted(shape: str, logged: str) -> Json:
    """How often segments of a shape are found, with which attributes, and whether intervals hold."""
    found = [
        (one, found_segments(*log_of(one), seed=seed))
        for seed, one in worlds(range(WORLDS), shape, logged, ROWS, EFFECT)
    ]
    proposed = [(one, result) for one, result in found if result.segments]
    gains = [(true_gain(one, result), result) for one, result in proposed]
    return {
        "proposed": len(proposed) / WORLDS,
        "right_attributes": mean(attributes(result) == PLANTED[shape] for _, result in proposed),
        "no_noise": mean(attributes(result) <= PLANTED[shape] for _, result in proposed),
        "of_possible_gain": mean(share_of_gain(one, result) for one, result in proposed),
        "honest_interval_covers": mean(r.honest.low <= g <= r.honest.high for g, r in gains if r.honest),
        "cross_fitted_interval_covers_gain_of_the_shown_rules": mean(
            r.gain.low <= g <= r.gain.high for g, r in gains if r.gain
        ),
        "improves_the_truth": mean(gain > 0.0 for gain, _ in gains),
    }


def true_gain(one: World, found: Found) -> float:
    """What found segments truly earn more than the best single variant."""
    assert found.everyone_else is not None
    every = [*found.segments, found.everyone_else]
    return one.gain([segment.rule for segment in found.segments], [segment.best for segment in every])


def share_of_gain(one: World, found: Found) -> float:
    """The same as a share of what giving everybody their own best would earn more."""
    return true_gain(one, found) / float(one.rates.max(axis=1).mean() - one.rates.mean(axis=0).max())


def attributes(found: Found) -> set[str]:
    """Attributes that the rules look at."""
    return {condition.attribute for segment in found.segments for condition in segment.rule.conditions}


def thresholds(found: Found) -> list[float]:
    """Numbers at which the rules cut days since the last purchase."""
    conditions = [one for segment in found.segments for one in segment.rule.conditions]
    return [float(one.value) for one in conditions if one.attribute == "days_since_purchase"]  # type: ignore[arg-type]


def hillstrom(file: Path) -> Json:
    """What the search says of real mails: as they were, and with an effect written into them."""
    result: Json = {}
    for reward in ("visit", "conversion", "spend"):
        history = open_history(file, Mapping.model_validate({**HILLSTROM, "reward": reward}))
        feedback, columns = history.feedback(), columns_of(history.frame.collect())
        result[reward] = said(found_segments(feedback, columns))
        if reward == "visit":
            for share in SHARES[1:]:
                changed = with_effect(feedback, columns, share)
                result[f"visit, {share:.0%} of new customers moved from men's to women's mail"] = said(
                    found_segments(changed, columns)
                )
    return result


def with_effect(feedback: LoggedFeedback, columns: list[Column], share: float) -> LoggedFeedback:
    """The log in which new customers visit more often after the women's mail, and less after the men's."""
    rng = np.random.Generator(np.random.PCG64(9))
    new = next(column for column in columns if column.name == "newbie").values == 1.0
    names = {name: arm for arm, name in enumerate(feedback.variant_ids)}
    moved = rng.random(len(feedback))
    rewards = feedback.rewards.copy()
    rewards[new & (feedback.arms == names["Womens E-Mail"]) & (moved < share)] = 1.0
    rewards[new & (feedback.arms == names["Mens E-Mail"]) & (moved < share)] = 0.0
    return replace(feedback, rewards=rewards)


def columns_of(frame: Any) -> list[Column]:
    """Hillstrom's attributes as typed columns."""
    found = []
    for name in HILLSTROM["attributes"]:
        values = frame[f"attribute:{name}"]
        if name in {"zip_code", "channel"}:
            categories = tuple(sorted(values.unique().to_list()))
            codes = np.array([categories.index(value) for value in values.to_list()], dtype=np.float64)
            found.append(Column(name, Kind.CATEGORY, codes, categories))
        else:
            kind = Kind.BOOLEAN if name in {"mens", "womens", "newbie"} else Kind.NUMBER
            found.append(Column(name, kind, values.to_numpy().astype(np.float64)))
    return found


def said(found: Found) -> Json:
    """A result in short."""
    return {
        "segments": [segment.rule.when() for segment in found.segments],
        "best": [segment.best for segment in found.segments],
        "best_for_all": found.best_for_all,
        "why_nothing": found.why_not,
        **{
            name: None if one is None else [round(one.value, 5), round(one.low, 5), round(one.high, 5)]
            for name, one in (("gain", found.gain), ("gain_of_these_rules", found.honest))
        },
    }


def upper_bound(proposed: int, n: int) -> float:
    """Upper end of a one-sided 95 % interval of a rate (Clopper and Pearson 1934)."""
    return float(beta.ppf(0.95, proposed + 1, n - proposed)) if proposed < n else 1.0


def mean(values: Iterable[Any]) -> float | None:
    """Mean of some numbers; None of none."""
    known = [float(one) for one in values]
    return round(float(np.mean(known)), 3) if known else None


def main() -> None:
    """Run everything and write the result."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=None, help=f"folder of {FILE}; default ../shared/data")
    file = find_file(parser.parse_args().data)
    result: Json = {"what": "planted segments, worlds without any, and Hillstrom's 64,000 customers"}
    if file is not None:
        result["hillstrom"] = hillstrom(file)
        print(Counter(one["why_nothing"] for one in result["hillstrom"].values()), flush=True)
    result["null"] = {logged: nulls(logged) for logged in LOGGED}
    print(result["null"], flush=True)
    result["planted"] = {}
    for shape in PLANTED:
        for logged in LOGGED:
            found = result["planted"][f"{shape}, {logged}"] = planted(shape, logged)
            print(shape, logged, found, flush=True)
    result["variants"] = list(ARMS)
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(f"written to {RESULT}")


if __name__ == "__main__":
    main()
