"""From P(best) to an allocation: the probabilities a decision is drawn with, within floor and cap."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LATTICE = 2**32  # an allocation is a whole number of these parts

_TOLERANCE = 1e-6  # by which P(best) may miss a sum of one


def allocation(
    p_best: NDArray[np.float64], eligible: NDArray[np.bool_], floor: float, cap: float
) -> NDArray[np.float64]:
    """Probability with which each arm is drawn.

    **Floor**, additive: ``f + (1 - n f) p`` over the ``n`` eligible arms, ``f = min(floor, 1 / n)``: a
    mixture of uniform exploration (probability ``n f``) and Thompson sampling, as epsilon-greedy mixes them
    (Sutton & Barto 2018, section 2.2). Clipping, ``max(f, p)`` and rescaling, is biased: it lifts every arm
    below the floor to one same value, so it forgets their order, and the rescaling takes from arms above the
    floor in proportion, pushing those just above it below it. The mixture keeps order, and differences
    in proportion: ``q_a - q_b = (1 - n f)(p_a - p_b)``.

    **Cap**, by water-filling: ``min(c, p + mu)``, ``c = max(cap, 1 / n)``, with the one ``mu >= 0`` for which
    the row sums to one (the projection on a capped simplex: Wang & Lu 2015). Additive, so arms of probability
    zero receive surplus too, and order is kept. As ``f <= 1 / n <= c``, floor and cap never conflict.

    **Lattice**: the result is rounded to multiples of 2^-32, and what rounding leaves over goes to the
    largest arm (the first of them). So a row sums to exactly 1.0, in any order; its cumulative sums are exact
    floating-point numbers; ``u`` uniform on multiples of 2^-53 draws an arm with *exactly* its logged
    probability; and machines whose ``exp`` differs in a last bit agree, unless a value falls within that bit
    of a rounding boundary. Floor and cap hold to within ``A * 2^-32``.

    Args:
        p_best: P(arm is best among the eligible), ``[..., A]``, summing to one over them.
        eligible: which arms may be chosen, ``[..., A]``.
        floor: least probability of an eligible arm, 0 to 1; 1 makes the row uniform.
        cap: largest probability of an arm, 0 to 1; 0 makes the row uniform.

    Returns:
        Allocation, ``[..., A]``: exactly 0 for arms that are not eligible; a row of zeros where none is.

    Raises:
        ValueError: shapes differ, floor or cap is outside 0 to 1, or ``p_best`` is not a distribution over
            the eligible arms (it has to be recomputed among them, not truncated).
    """
    _check(p_best, np.zeros(p_best.shape[:-1]), eligible, floor, cap)
    n = eligible.sum(axis=-1, keepdims=True)
    uniform = 1.0 / np.maximum(n, 1)
    least, most = np.minimum(floor, uniform), np.maximum(cap, uniform)
    floored = np.where(eligible, least + (1.0 - n * least) * p_best, 0.0)
    capped = np.minimum(most, floored + _water(floored, n, most))
    return on_lattice(np.where(eligible, capped, 0.0))


def priced_allocation(
    p_best: NDArray[np.float64],
    p_withhold: NDArray[np.float64] | float,
    eligible: NDArray[np.bool_],
    floor: float,
    cap: float,
) -> NDArray[np.float64]:
    """Probability with which each arm is drawn, and last that of *withhold*, to send nothing.

    ``q_withhold = p_withhold``, and what is left is shared as among arms alone: ``q_a = (1 - q_withhold) *
    allocation(P(a best | not withheld))``. So floor and cap are shares of what is sent. A floor on all decisions
    would spend at least ``n * floor`` of the traffic whatever the price, and a cap on withhold the rest; then no
    price could keep a small budget on its course. What is withheld teaches nothing, yet no floor under sending is
    needed: ``1 - p_withhold`` is the chance that an arm is worth its price, so an arm about which little is known
    is tried, and one known to be worth less is not. (With a half-life the old knowledge fades and it is tried
    again.)

    On the lattice, ``q_withhold`` is rounded first and the arms share exactly the other parts; the residual goes to the
    largest arm. Floor and cap hold to within ``A * 2^-32``, and with ``p_withhold`` 0 the arms' row is that of
    :func:`allocation`, bit for bit.

    Args:
        p_best: P(arm has the largest score), ``[..., A]``.
        p_withhold: P(no eligible arm's score is above 0), ``[...]``; with ``p_best`` it sums to one.
        eligible: which arms may be chosen, ``[..., A]``.
        floor: least share of what is sent that an eligible arm has, 0 to 1.
        cap: largest share of what is sent that an arm has, 0 to 1.

    Returns:
        Allocation, ``[..., A + 1]``, rows summing to exactly 1.0; a row of zeros where no arm is eligible.

    Raises:
        ValueError: as for :func:`allocation`.
    """
    given_sent, sendable, parts_withheld = sent_alone(p_best, p_withhold, eligible)
    return beside_withhold(allocation(given_sent, sendable, floor, cap), sendable, parts_withheld)


def sent_alone(
    p_best: NDArray[np.float64], p_withhold: NDArray[np.float64] | float, eligible: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.float64]]:
    """P(best) among what is sent, the arms it is over, both ``[..., A]``, and the parts withheld, ``[..., 1]``.

    Raises:
        ValueError: shapes differ, or the probabilities do not sum to one over the eligible arms and withhold.
    """
    withheld = np.broadcast_to(np.asarray(p_withhold, np.float64), p_best.shape[:-1])
    _check(p_best, withheld, eligible, 0.0, 1.0)
    possible = eligible.any(axis=-1)
    parts_withheld = np.rint(np.where(possible, withheld, 0.0) * LATTICE)[..., None]
    sendable = eligible & (parts_withheld < LATTICE)
    total = np.where(sendable, p_best, 0.0).sum(axis=-1, keepdims=True)
    # Where withhold is nowhere, P(best) is passed on as it is: dividing by its sum could change a last bit.
    given_sent = np.divide(p_best, total, out=p_best.astype(np.float64), where=(parts_withheld > 0) & (total > 0))
    return np.where(sendable, given_sent, 0.0), sendable, parts_withheld


def beside_withhold(
    sent: NDArray[np.float64], sendable: NDArray[np.bool_], parts_withheld: NDArray[np.float64]
) -> NDArray[np.float64]:
    """An allocation of what is sent, ``[..., A]``, and last what is withheld: ``[..., A + 1]``; see `sent_alone`."""
    # Rounded down: where fewer parts are left than arms, rounding could give away more than there are.
    parts = np.floor(sent * (LATTICE - parts_withheld))
    wanted = np.where(sendable.any(axis=-1, keepdims=True), LATTICE - parts_withheld, 0.0)
    arms = _with_residual(parts, wanted, largest=sent)
    return np.concatenate([arms, parts_withheld], axis=-1) / LATTICE


def _water(p: NDArray[np.float64], n: NDArray[np.int_], most: NDArray[np.float64]) -> NDArray[np.float64]:
    """The ``mu`` of water-filling, ``[..., 1]``: the smallest for which ``min(most, p + mu)`` sums to one.

    With the ``k`` largest arms at the cap, the others share what remains: ``mu_k = (1 - k c - sum of others)
    / (n - k)``. The right ``k`` is the first at which the largest of the others stays within the cap.
    """
    if (p <= most).all():
        return np.zeros_like(most)
    k = np.arange(p.shape[-1])
    descending = np.sort(p, axis=-1)[..., ::-1]  # arms that are not eligible are zeros at its end
    others = np.cumsum(descending[..., ::-1], axis=-1)[..., ::-1]
    mu = np.maximum((1.0 - k * most - others) / np.maximum(n - k, 1), 0.0)
    first = np.argmax((descending + mu <= most) | (k == n - 1), axis=-1)
    return np.take_along_axis(mu, first[..., None], axis=-1)


def on_lattice(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows rounded to multiples of ``1 / LATTICE`` that sum to exactly one; rows of zeros stay.

    The largest arm has at least ``LATTICE / A`` parts and rounding misses by at most ``A / 2``: it cannot
    turn negative.
    """
    parts = np.rint(p * LATTICE)
    wanted = np.where(parts.any(axis=-1, keepdims=True), float(LATTICE), 0.0)
    return _with_residual(parts, wanted, largest=parts) / LATTICE


def _with_residual(
    parts: NDArray[np.float64], wanted: NDArray[np.float64], largest: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Whole parts, what each row misses of its wanted sum, ``[..., 1]``, given to the first arm that is largest."""
    residual = wanted - parts.sum(axis=-1, keepdims=True)
    places = largest.reshape(-1, parts.shape[-1]).argmax(axis=-1)
    rows = parts.reshape(-1, parts.shape[-1])
    rows[np.arange(len(rows)), places] += residual.ravel()
    return rows.reshape(parts.shape)


def _check(
    p_best: NDArray[np.float64],
    p_withhold: NDArray[np.float64],
    eligible: NDArray[np.bool_],
    floor: float,
    cap: float,
) -> None:
    if p_best.shape != eligible.shape or p_best.ndim == 0 or p_best.shape[-1] == 0:
        raise ValueError(f"p_best, eligible: found shapes {p_best.shape} and {eligible.shape}; allowed one [..., A]")
    if eligible.dtype != np.bool_:
        raise ValueError(f"eligible: found {eligible.dtype}; allowed bool")
    for name, bound in (("floor", floor), ("cap", cap)):
        if not 0.0 <= bound <= 1.0:
            raise ValueError(f"{name}: found {bound}; allowed 0 to 1")
    sums = np.where(eligible, p_best, 0.0).sum(axis=-1) + p_withhold
    negative = (eligible & ~(p_best >= 0.0)).any(axis=-1) | ~(p_withhold >= 0.0)  # also true of nan
    wrong = eligible.any(axis=-1) & (negative | ~(np.abs(sums - 1.0) <= _TOLERANCE))
    if wrong.any():
        place = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise ValueError(
            f"p_best{list(place)}: found {p_best[place].tolist()}, {sums[place]} over the eligible arms and withhold; "
            "allowed probabilities that sum to 1 over them: recompute P(best), do not truncate it"
        )
