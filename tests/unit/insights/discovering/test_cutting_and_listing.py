"""Thresholds people would write, and lists of rules that say what a tree says."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.insights.discovering.columns import FEWEST_RECIPIENTS, Column, Kind
from optimizer.insights.discovering.cuts import cuts_of, roundest
from optimizer.insights.discovering.growing import Node
from optimizer.insights.discovering.listing import listing_of, short_ids
from optimizer.insights.discovering.rules import Condition, Rule, segment_of

ID = r"[a-z0-9][a-z0-9._-]{0,47}"


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(83.2, 97.4, 90.0), (0.031, 0.046, 0.04), (-3.0, 2.0, 0.0), (999.0, 1001.0, 1000.0), (12.0, 13.0, 13.0)],
)
def test_the_roundest_number_between_two_is_taken(low: float, high: float, expected: float) -> None:
    assert roundest(low, high) == expected


@pytest.mark.parametrize(("low", "high", "expected"), [(80.0, 99.0, 90.0), (10.0, 16.0, 14.0), (350.0, 380.0, 365.0)])
def test_days_are_cut_at_spans_people_think_in(low: float, high: float, expected: float) -> None:
    assert roundest(low, high, is_recency=True) == expected


@given(st.floats(-1e9, 1e9), st.floats(1e-6, 1e9))
def test_a_round_number_is_within_its_bounds(low: float, width: float) -> None:
    high = low + width
    if high > low:
        assert low < roundest(low, high) <= high


def test_every_bin_that_can_be_named_holds_enough_recipients() -> None:
    rng = np.random.default_rng(1)
    values = np.concatenate([rng.normal(size=900), rng.normal(50.0, 1.0, 20), np.zeros(500)])
    (cuts,) = cuts_of([Column("x", Kind.NUMBER, values)], np.arange(len(values)))
    sizes = np.bincount(cuts.codes, minlength=cuts.n_bins)[:-1]
    assert sizes.min() >= FEWEST_RECIPIENTS


def test_one_recipient_with_many_decisions_does_not_make_a_bin() -> None:
    values = np.concatenate([np.arange(200.0), np.full(500, 1_000.0)])
    recipients = np.concatenate([np.arange(200), np.full(500, 200)])
    (cuts,) = cuts_of([Column("x", Kind.NUMBER, values)], recipients)
    assert max(cuts.thresholds) < 200


def a_tree(rng: np.random.Generator, rows: np.ndarray, columns: dict[str, Column], depth: int) -> Node:
    node = Node(rows, int(rng.integers(0, 3)))
    if depth:
        at = float(rng.integers(1, 9))
        yes = Condition("x", "at_least", at) if rng.random() < 0.5 else Condition("c", "in", ("a", "b"))
        no = Condition("x", "below", at) if yes.key == "at_least" else Condition("c", "is", "d")
        met = yes.holds(columns[yes.attribute])[rows]
        if met.all() or not met.any():  # no tree parts nobody from somebody
            return node
        node.condition, node.opposite = yes, no
        node.yes = a_tree(rng, rows[met], columns, depth - 1)
        node.no = a_tree(rng, rows[~met], columns, depth - 1)
    return node


@pytest.mark.parametrize("seed", range(25))
def test_a_list_of_rules_gives_everybody_what_the_tree_gives_them(seed: int) -> None:
    rng = np.random.default_rng(seed)
    columns = {
        "x": Column("x", Kind.NUMBER, rng.integers(0, 10, 300).astype(float)),
        "c": Column("c", Kind.CATEGORY, rng.integers(0, 3, 300).astype(float), ("a", "b", "d")),
    }
    tree = a_tree(rng, np.arange(300), columns, 2)
    listing = listing_of(tree, 0)
    said = np.array(listing.arms)[segment_of(listing.rules, columns, 300)]
    meant = np.empty(300, dtype=int)
    for leaf in tree.leaves():
        meant[leaf.rows] = leaf.arm
    assert (said == meant).all()


def test_ids_say_what_they_are_about_and_can_be_used_whatever_attributes_are_called() -> None:
    import re

    rules = [
        Rule((Condition("country", "is", "US"),)),
        Rule((Condition("country", "is", "us"),)),
        Rule((Condition("days", "at_least", 90.0), Condition("vip", "is", True))),
        Rule((Condition("<b>\u202e", "is", "{{x}}"),)),
        Rule((Condition("年", "is", "年"),)),
        Rule((Condition("a" * 200, "in", ("b" * 200, "c")),)),
        Rule((Condition("everyone", "is", "else"),)),
    ]
    ids = short_ids(rules)
    assert ids[0] == "country-us"
    assert ids[2] == "days-from-90-vip"
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(ID, one) for one in ids)
    assert "everyone-else" not in ids
