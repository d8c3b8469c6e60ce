"""The campaign's own policy, fed by a replay: what it has seen so far, and the allocation that follows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.evidence import Evidence
from optimizer.domain.feedback import LoggedFeedback
from optimizer.domain.instants import HOUR, Instant, bucket
from optimizer.engine.allocations import bounds_of
from optimizer.policy.beta_bernoulli import beta_posterior
from optimizer.policy.exploration import shares
from optimizer.policy.pooled_prior import pooled_prior
from optimizer.strategy.policy_settings import ResolvedPolicy

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Menus:
    """What there was to choose from: ``M`` different pairs of a segment and the variants eligible in it.

    Attributes:
        segments: ``[M]``, index of the segment.
        eligible: ``[M, A]``.
        of_rows: ``[N]``, the menu of each row of the log.
    """

    segments: Counts
    eligible: NDArray[np.bool_]
    of_rows: Counts


def menus_of(feedback: LoggedFeedback) -> Menus:
    """The menus of a log: its segments, in their order, where every variant was always eligible."""
    if feedback.eligible is None:
        everything = np.ones((feedback.n_segments, feedback.n_arms), np.bool_)
        return Menus(np.arange(feedback.n_segments), everything, feedback.segments)
    packed = np.packbits(feedback.eligible, axis=1)
    rows = np.ascontiguousarray(np.hstack([feedback.segments.astype(">u4")[:, None].view(np.uint8), packed]))
    whole = rows.view(np.dtype((np.void, rows.shape[1])))[:, 0]
    _, first, of_rows = np.unique(whole, return_index=True, return_inverse=True)
    return Menus(feedback.segments[first], feedback.eligible[first], of_rows.astype(np.int64))


class Learner:
    """A learning policy as production runs it, in ``L`` lanes that know nothing of each other.

    Where the policy forgets, evidence is bucketed by the hour, as in the ledger; otherwise its time does not matter,
    and there is one bucket.
    """

    def __init__(
        self,
        policy: ResolvedPolicy,
        menus: Menus,
        n_segments: int,
        *,
        penalties: tuple[float, ...],
        opens: Counts,
        n_lanes: int = 1,
    ) -> None:
        """A learner that has seen nothing.

        Args:
            policy: settings.
            menus: what allocations are asked for.
            n_segments: ``S``.
            penalties: what each of ``K`` penalised kinds of outcome costs, in reward units.
            opens: instants at which batches begin, increasing.
            n_lanes: ``L``.

        Raises:
            ValueError: the policy's model is not one that a replay can feed.
        """
        if policy.model != "beta_bernoulli":
            found, why = policy.model, "it learns whether rewards came, lane by lane"
            raise ValueError(f"model: found {found}; allowed in a replay: beta_bernoulli, as {why}")
        self.policy, self.menus, self.n_segments, self.penalties = policy, menus, n_segments, penalties
        self._forgets = policy.half_life is not None
        self._buckets = np.unique(opens - opens % HOUR) if self._forgets else np.zeros(1, np.int64)
        n_arms = menus.eligible.shape[1]
        self._sums = np.zeros((2 + len(penalties), n_lanes, n_segments, n_arms, len(self._buckets)))
        self._eligible = np.broadcast_to(menus.eligible, (n_lanes, *menus.eligible.shape))
        self._shares: Floats | None = None  # those of the batch before, which the next may not move far from
        # Row of the posterior of each lane and menu: lanes are segments of one posterior.
        self._rows = (np.arange(n_lanes)[:, None] * n_segments + menus.segments).ravel()

    def allocation(self, now: Instant) -> Floats:
        """Probability with which each variant is drawn from each menu, after all that was learned, ``[L, M, A]``.

        To be asked for once a batch, as a largest change counts from one to the next.
        """
        seen = self._place(now) + 1
        n_lanes, _, n_arms = self._eligible.shape
        sums = self._sums[..., :seen].reshape(-1, n_lanes * self.n_segments, n_arms, seen)
        # The policy reads trials and positives only; sums of rewards are for reports.
        evidence = Evidence(self._buckets[:seen], sums[0], sums[1], sums[1], sums[1], sums[2:])
        successes, failures = self._prior(evidence, now)
        posterior = beta_posterior(evidence, now, self.policy.half_life, successes, failures, self.penalties)
        p_best = posterior.prob_best_of(self._rows, self._eligible.reshape(-1, n_arms)).reshape(self._eligible.shape)
        trials = sums[0].sum(axis=-1)[self._rows].reshape(self._eligible.shape)
        self._shares = shares(p_best, None, self._eligible, trials, self._shares, bounds_of(self.policy))
        return self._shares

    def learn(self, sums: Floats, at: Instant) -> None:
        """Take in a batch of decisions made at an instant.

        Args:
            sums: ``[2 + K, L, S, A]``, trials, positives, and of each penalised kind the trials it happened on.
            at: when the batch began.
        """
        self._sums[..., self._place(at)] += sums

    def _prior(self, evidence: Evidence, now: Instant) -> tuple[float, float] | tuple[Floats, Floats]:
        """Of each lane by itself."""
        if not self.policy.pools_prior:
            return self.policy.prior_successes, self.policy.prior_failures
        weights = evidence.weights(now, self.policy.half_life)
        by_lane = (-1, self.n_segments, self._eligible.shape[-1])
        counts = [(sums @ weights).reshape(by_lane) for sums in (evidence.trials, evidence.positives)]
        successes, failures = (pooled.reshape(-1, 1) for pooled in pooled_prior(*counts))
        return successes, failures

    def _place(self, at: Instant) -> int:
        return int(np.searchsorted(self._buckets, bucket(at))) if self._forgets else 0
