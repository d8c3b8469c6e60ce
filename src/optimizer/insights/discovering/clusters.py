"""Clusters: recipients who are alike, by what is known of them alone, and in what their rewards differ.

Numbers count by their rank and categories by being the same, so that no unit and no outlier decides who is alike (as
in k-prototypes; Huang 1998). A shallow tree says in rules what the clusters are; how often it puts a recipient where
the clustering does is its fidelity.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.feedback import LoggedFeedback
from optimizer.evaluation.fitted_models import one_thread
from optimizer.insights.discovering.columns import FEWEST_RECIPIENTS, Column, Kind, usable
from optimizer.insights.discovering.cuts import Cuts, cuts_of
from optimizer.insights.discovering.found import Amount
from optimizer.insights.discovering.gains import amount
from optimizer.insights.discovering.growing import Scored, grown
from optimizer.insights.discovering.listing import listing_of
from optimizer.insights.discovering.rules import Rule, segment_of
from optimizer.insights.discovering.scores import GROUPS, Scorer
from optimizer.insights.discovering.tree import numbers_of

MOST_CLUSTERS = 6
_SAMPLE = 20_000  # recipients the clustering looks at; the tree's rules are then applied to all
_SILHOUETTE = 2_000  # of them, by which the number of clusters is chosen
_WEAKEST = 0.25  # silhouette below which nothing speaks for groups (Kaufman and Rousseeuw 1990)
_STRIKING = 3  # attributes a cluster is described by
_LEAST = 0.1  # share, or distance of ranks, by which a trait differs from all

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Trait:
    """In what the recipients of a cluster differ from all.

    Attributes:
        attribute: its name.
        value: the category, or true; None of a number.
        here: share of those with this value here; of a number the median.
        overall: the same of all recipients.
    """

    attribute: str
    value: str | bool | None
    here: float
    overall: float


@dataclass(frozen=True, slots=True)
class Cluster:
    """Recipients who are alike.

    Attributes:
        rule: whom it describes of those no rule before it does; without conditions for everyone else.
        recipients: how many there are.
        share: of all recipients.
        traits: what distinguishes them most, the most striking first.
        reward: per decision, if all were given the one variant that is best for all.
        more: how much more that is than of everybody.
    """

    rule: Rule
    recipients: int
    share: float
    traits: tuple[Trait, ...]
    reward: Amount
    more: float


@dataclass(frozen=True, slots=True)
class Clusters:
    """Clusters in the order in which their rules are asked.

    Attributes:
        clusters: empty when recipients are not in groups.
        fidelity: share of recipients whom the rules put where the clustering does, among those the rules were not
            learned from; None without clusters.
        silhouette: from -1 to 1, how clearly the clusters are apart; None without clusters.
    """

    clusters: tuple[Cluster, ...]
    fidelity: float | None
    silhouette: float | None


NO_CLUSTERS = Clusters((), None, None)


def found_clusters(
    feedback: LoggedFeedback, columns: Sequence[Column], *, min_size: int = FEWEST_RECIPIENTS, seed: int = 0
) -> Clusters:
    """Groups of recipients who are alike in what is known of them, and what they earn.

    Args:
        feedback: arms, propensities, rewards, and whose decisions they are.
        columns: what is known of the recipients, ``[N]`` each; sensitive ones are left out unread.
        min_size: fewest recipients of a cluster.
        seed: of the sample and the clustering.

    Raises:
        ValueError: there are no decisions.
    """
    if not len(feedback):
        raise ValueError("feedback: found no decisions; allowed one or more")
    with one_thread():
        recipients = numbers_of(feedback)
        kept, _ = usable(columns)
        cuts = cuts_of(kept, recipients)
        _, firsts = np.unique(recipients, return_index=True)
        rng = np.random.Generator(np.random.PCG64([seed, 3]))
        firsts = rng.permutation(firsts)[:_SAMPLE]
        if not cuts or len(firsts) < 4 * min_size:
            return NO_CLUSTERS
        labels, silhouette = _labels(_places(cuts, firsts), seed)
        if silhouette < _WEAKEST:
            return NO_CLUSTERS
        rules, fidelity = _rules(cuts, firsts, labels, min_size)
        if not rules:
            return NO_CLUSTERS
        named = {one.column.name: one.column for one in cuts}
        mine = segment_of(rules, named, len(feedback))
        found = _described((*rules, Rule()), mine, cuts, feedback, recipients, seed)
    return Clusters(found, fidelity, silhouette)


def _places(cuts: Sequence[Cuts], rows: NDArray[np.intp]) -> Floats:
    """Points whose squared distance is the sum over attributes of how unlike two recipients are; ``[n, D]``."""
    parts = []
    for one in cuts:
        codes = one.codes[rows]
        if one.column.kind in {Kind.NUMBER, Kind.RECENCY}:
            steps = (codes + 0.5) / (one.n_bins - 1)  # bins hold about as many each, so that this is a rank
            unknown = codes == one.n_bins - 1
            parts.append(np.stack([np.where(unknown, 0.5, steps) * np.sqrt(2.0), unknown * np.sqrt(0.5)], axis=1))
        else:
            parts.append(np.eye(one.n_bins)[codes] * np.sqrt(0.5))
    return np.concatenate(parts, axis=1)


def _labels(places: Floats, seed: int) -> tuple[Ints, float]:
    """Cluster of each point and how clearly they are apart, for the number of clusters that are most."""
    from sklearn.cluster import KMeans  # noqa: PLC0415 - a second that only those pay who ask
    from sklearn.metrics import silhouette_score  # noqa: PLC0415

    best, labels = -1.0, np.zeros(len(places), dtype=np.int64)
    n_points = len(np.unique(places[:_SILHOUETTE], axis=0))
    for n in range(2, min(MOST_CLUSTERS, n_points - 1) + 1):
        tried = KMeans(n, n_init=5, random_state=seed % 2**32).fit_predict(places)
        some = tried[:_SILHOUETTE]
        score = float(silhouette_score(places[:_SILHOUETTE], some)) if 1 < len(np.unique(some)) < len(some) else -1.0
        if score > best:
            best, labels = score, tried.astype(np.int64)
    return labels, best


def _rules(cuts: Sequence[Cuts], rows: NDArray[np.intp], labels: Ints, min_size: int) -> tuple[tuple[Rule, ...], float]:
    """Rules that say where each recipient belongs, learned from half of them, and how often they are right."""
    some = [Cuts(one.column.taken(rows), one.codes[rows], one.n_bins, one.thresholds, one.named) for one in cuts]
    n, taught = len(rows), np.arange(len(rows)) % 2 == 0
    belongs = np.eye(int(labels.max()) + 1)[labels]
    scored = Scored(
        some,
        belongs * taught[:, None],
        np.where(taught, labels, -1),
        np.arange(n),
        np.ones(n),
        float(min_size) * n / len(cuts[0].codes),
    )
    most = int(np.argmax(belongs.sum(axis=0)))
    listing = listing_of(grown(scored, int(labels.max()) + 2), most)
    said = np.array(listing.arms)[segment_of(listing.rules, {one.column.name: one.column for one in some}, n)]
    return listing.rules, float((said == labels)[~taught].mean())


def _described(
    rules: Sequence[Rule],
    mine: Ints,
    cuts: Sequence[Cuts],
    feedback: LoggedFeedback,
    recipients: Ints,
    seed: int,
) -> tuple[Cluster, ...]:
    scorer = Scorer.of(feedback, cuts, seed)
    scores = scorer.scores(range(GROUPS))
    best = scores[:, int(np.argmax(scores.mean(axis=0)))]
    _, firsts, sizes = np.unique(recipients, return_index=True, return_counts=True)
    found = []
    for place, rule in enumerate(rules):
        rows = np.flatnonzero(mine == place)
        here = firsts[mine[firsts] == place]
        if len(here) < FEWEST_RECIPIENTS:
            continue
        reward = amount(best[rows], recipients[rows])
        traits = _traits(cuts, here, firsts)
        more = reward.value - float(best.mean())
        found.append(Cluster(rule, len(here), len(here) / len(sizes), traits, reward, more))
    return tuple(found)


def _traits(cuts: Sequence[Cuts], here: NDArray[np.intp], everyone: NDArray[np.intp]) -> tuple[Trait, ...]:
    """The attributes in which some recipients differ most from all."""
    ranked: list[tuple[float, Trait]] = []
    for one in cuts:
        column = one.column
        values, overall = column.values[here][column.known[here]], column.values[everyone][column.known[everyone]]
        if len(values) < FEWEST_RECIPIENTS:
            continue
        if column.kind in {Kind.NUMBER, Kind.RECENCY}:
            standing = float(np.searchsorted(np.sort(overall), np.median(values)) / len(overall))
            trait = Trait(column.name, None, float(np.median(values)), float(np.median(overall)))
            ranked.append((2.0 * abs(standing - 0.5), trait))
            continue
        for value in one.named or (1,):
            shares = float((values == value).mean()), float((overall == value).mean())
            name = column.categories[value] if column.kind is Kind.CATEGORY else True
            ranked.append((abs(shares[0] - shares[1]), Trait(column.name, name, *shares)))
    found: dict[str, Trait] = {}
    for _, trait in sorted((one for one in ranked if one[0] >= _LEAST), key=lambda one: -one[0]):
        found.setdefault(trait.attribute, trait)
    return tuple(found.values())[:_STRIKING]
