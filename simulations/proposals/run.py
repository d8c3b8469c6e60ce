"""Do proposals of high confidence improve the true objective? Simulated campaigns whose truth is known.

``python run.py [CAMPAIGNS] [JOBS]`` plays so many campaigns of each kind, looks at each several times, carries every
proposal out by itself, and compares what is truly expected with what would have been. It prints a table and writes
result.json beside this file; the same number of campaigns gives the same file.
"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from collections import Counter, defaultdict
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

from campaigns import KINDS, documents, world
from playing import Play

from optimizer.domain.proposals import Proposal, ProposalKind
from optimizer.insights.learning_time import PROB_BEST
from optimizer.insights.proposing.all import proposals
from optimizer.strategy.versions.editing import edited

CAMPAIGNS = 30  # of each kind of world
LOOKS = (10, 17, 24, 31, 38)
SEARCHED = ("inside", "null")  # worlds in which segments are searched for, which takes longest
AFTER = 21  # days in which a change is judged
RESULT = Path(__file__).parent / "result.json"


@dataclass(frozen=True)
class Judged:
    """A proposal and its truth.

    Attributes:
        gain: expected rewards that carrying it out adds in `AFTER` days.
        of: expected rewards of those days without it; 0 where they were not played.
        sooner: by how much the share of recipients whose segment has its answer is larger after them.
    """

    world: str
    kind: str
    confidence: str
    gain: float
    of: float = 0.0
    sooner: float = 0.0

    @property
    def harmless(self) -> bool:
        """Whether it costs less than a thousandth of what was earned."""
        return self.gain >= -self.of / 1_000


@dataclass(frozen=True)
class Seen:
    """What was proposed about one campaign, and which worst variants were missed."""

    world: str
    judged: tuple[Judged, ...]
    chances: int  # variants that truly should go at the last look
    taken: int  # of them, those that were proposed to at any look, with high confidence


def seen(kind: str, seed: int, judges: tuple[str, ...] = ("high", "medium", "low")) -> Seen:
    """One campaign, looked at several times; a proposal counts once, with the confidence it first had."""
    rng = np.random.default_rng([seed, KINDS.index(kind)])
    days, truth = LOOKS[-1] + AFTER + 1, world(kind, rng)
    files = documents(truth, rng)
    play = Play(truth, files, days, seed)
    other = Play(world(kind, rng, truth.n_arms), files, days, seed + 500_009, "post") if kind == "pair" else None
    found: dict[tuple[str, str], Judged] = {}
    retired: set[str] = set()
    for day in LOOKS:
        play.play(day)
        if other is not None:
            other.play(day)
        untouched: dict[str, Play] = {}
        siblings = () if other is None else (other.as_sibling(),)
        for one in proposals(play.looked(siblings, searches=kind in SEARCHED and day in LOOKS[2:])):
            key = (one.fingerprint, one.confidence)
            if one.kind is ProposalKind.RETIRE_VARIANT and one.confidence == "high":
                retired.add(one.subject)
            if key not in found and one.confidence in judges and one.kind is not ProposalKind.WRITE_MESSAGE:
                found[key] = judged(kind, play, other, one, untouched)
    worse = should_go(play)
    return Seen(kind, tuple(found.values()), len(worse), len(worse & retired))


def judged(kind: str, play: Play, other: Play | None, proposal: Proposal, untouched: dict[str, Play]) -> Judged:
    """What a change truly does.

    Args:
        kind: of the world.
        play: the campaign.
        other: another one that shares its documents.
        proposal: what is carried out.
        untouched: what becomes of each of the two without it, as far as it has been played already.
    """
    if proposal.kind is ProposalKind.RETIRE_VARIANT:
        gain = retired_gain(play, [play.tactic.variant_ids.index(proposal.subject)])
        return Judged(kind, proposal.kind, proposal.confidence, gain)
    gain = of = sooner = 0.0
    for one in [play] if other is None else [play, other]:
        if one.name not in untouched:
            untouched[one.name] = future(one.copied())
        without, with_it = untouched[one.name], one.copied()
        carry_out(with_it, proposal)
        future(with_it)
        gain += with_it.value - without.value
        of += without.value - one.value
        sooner += answered(with_it) - answered(without)
    return Judged(kind, proposal.kind, proposal.confidence, gain, of, sooner)


def future(play: Play) -> Play:
    """A campaign after `AFTER` days more."""
    play.play(play.day + AFTER)
    return play


def answered(play: Play) -> float:
    """Share of the recipients whose segment has its answer."""
    may = play.tactic.limits.may_be_chosen
    sizes = np.bincount(play.segments, minlength=len(may)) / len(play.segments)
    best = [play.table.row(segment, mask).p_best.max() for segment, mask in enumerate(may)]
    return float(sizes[np.array(best) >= PROB_BEST].sum())


def carry_out(play: Play, proposal: Proposal) -> None:
    """What accepting it does."""
    if proposal.steering is not None:
        step = 1 if proposal.steering == "advance" else -1
        play.controls = replace(play.controls, stage=play.controls.stage + step, stage_since=play.now, held=step < 0)
        play.compile()
    else:
        play.with_documents(edited(play.files, proposal.edits))


def retired_gain(play: Play, arms: list[int]) -> float:
    """What the variants' present share of the traffic would earn more with the others, by the truth of `AFTER` days."""
    gain, bands = 0.0, np.arange(len(play.world.shares))
    rates = np.mean(
        [play.world.rates(day, np.zeros(len(bands), np.int64), bands) for day in range(play.day, play.day + AFTER)],
        axis=0,
    )
    of_band = play.tactic.rules.of_many({"band": np.array(["a", "b", "c", "d", "e", "f"], object)}, len(bands))
    for band, segment in zip(bands, of_band, strict=True):
        may = play.tactic.limits.may_be_chosen[segment]
        without = may.copy()
        without[arms] = False
        shares = [play.table.row(int(segment), mask).allocation for mask in (may, without)]
        gain += play.world.shares[band] * float(((shares[1] - shares[0]) * rates[band, :-1][: len(may)]).sum())
    return gain * play.world.recipients * play.world.activity * AFTER


def should_go(play: Play) -> set[str]:
    """Variants that are truly never the best, and whose going would gain at least one reward."""
    names = play.tactic.variant_ids
    sent = [arm for arm in range(len(names)) if play.tactic.limits.meant[:, arm].any()]
    best = {int(np.argmax(odds)) for odds in play.world.odds[:, :-1]}
    return {names[arm] for arm in sent if arm not in best and len(sent) > 1 and retired_gain(play, [arm]) >= 1.0}


def table(found: Iterable[Seen]) -> dict[str, object]:
    """Of each kind and confidence: how many, and which share of them improved the truth, with a standard error."""
    every = list(found)
    groups: dict[tuple[str, str], list[bool]] = defaultdict(list)
    for one in (judged for each in every for judged in each.judged):
        for kind in (one.kind, "all kinds"):
            groups[kind, one.confidence].append(one.gain > 0.0)
    audiences = (ProposalKind.MERGE_SEGMENTS, ProposalKind.FIX_AUDIENCE)
    nulls = [each for each in every if each.world == "null"]
    in_null = Counter(f"{one.kind} {one.confidence}" for each in nulls for one in each.judged)
    chances, taken = (sum(getattr(each, name) for each in every) for name in ("chances", "taken"))
    return {
        "campaigns": len(every),
        "improved": {
            kind: {
                sure: {
                    "made": len(group),
                    "improved": round(float(np.mean(group)), 3),
                    "standard_error": round(error(group), 3),
                }
                for sure in ("high", "medium", "low")
                if (group := groups.get((kind, sure)))
            }
            for kind in sorted({kind for kind, _ in groups})
        },
        "segments_and_audiences": {
            kind.value: of_worlds([one for each in every for one in each.judged if one.kind == kind])
            for kind in audiences
        },
        "null_worlds": {"campaigns": len(nulls), "made": dict(sorted(in_null.items()))},
        "worse_variants": {"there": chances, "found_with_high": taken},
    }


def of_worlds(found: list[Judged]) -> dict[str, dict[str, float]]:
    """Of each world and of all, of what is not known by its gain alone: whether it does harm, and what is learned."""
    groups: dict[str, list[Judged]] = defaultdict(list)
    for one in found:
        for world_kind in (one.world, "all worlds"):
            groups[world_kind].append(one)
    return {
        kind: {
            "made": len(group),
            "improved": round(float(np.mean([one.gain > 0.0 for one in group])), 3),
            "harmless": round(float(np.mean([one.harmless for one in group])), 3),
            "gain_in_percent": round(100 * sum(one.gain for one in group) / sum(one.of for one in group), 3),
            "more_answered": round(float(np.mean([one.sooner for one in group])), 3),
        }
        for kind, group in sorted(groups.items())
    }


def error(group: list[bool]) -> float:
    """Standard error of a share; with one success and one failure more, so that a few are not taken for certain."""
    share = (sum(group) + 1) / (len(group) + 2)
    return float(np.sqrt(share * (1 - share) / (len(group) + 2)))


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("campaigns", nargs="?", type=int, default=CAMPAIGNS)
    parser.add_argument("jobs", nargs="?", type=int, default=1)
    asked = parser.parse_args()
    pairs = list(product(KINDS, range(asked.campaigns)))
    if asked.jobs == 1:
        found = [seen(*pair) for pair in pairs]
    else:
        with ProcessPoolExecutor(asked.jobs) as pool:
            found = list(pool.map(seen, *zip(*pairs, strict=True), chunksize=4))
    result = table(found)
    print(json.dumps(result, indent=2))
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
