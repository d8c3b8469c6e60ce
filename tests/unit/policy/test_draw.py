from bisect import bisect_right
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.policy.allocation import allocation
from optimizer.policy.draw import (
    decision_hash,
    decision_hashes,
    draw,
    drawn_between,
    recipient_key,
    recipient_keys,
    unit_hash,
    unit_hashes,
)

SECRET = bytes(range(32))
ALMOST_ONE = 1 - 2.0**-53

units = st.integers(0, 2**53 - 1).map(lambda k: k * 2.0**-53)


def on_lattice(wins: list[float]) -> np.ndarray:
    total = sum(wins)
    p = np.array(wins) / total if total else np.array(wins)
    return allocation(p, p > 0, 0.0, 1.0)


allocations = st.lists(st.just(0.0) | st.floats(1e-12, 1), min_size=1, max_size=12).map(on_lattice)


class TestHash:
    def test_the_decision_hash_never_changes(self) -> None:
        key = "0123456789abcdef0123456789abcdef"
        assert decision_hash(SECRET, "winback", key, "req-1") == (
            "7b156fccdb7c51f98fe2094fc5728085",
            (0xA862FC19CE833454 >> 11) / 2**53,
        )

    def test_the_recipient_key_never_changes(self) -> None:
        assert recipient_key(SECRET, "ada@example.org") == "fe10e7663e778221ecbfab4a7bd38606"

    def test_the_unit_hash_never_changes(self) -> None:
        key = "0123456789abcdef0123456789abcdef"
        assert unit_hash(SECRET, "holdout", "winback", key) == 0.4633632833372613

    @given(st.text(), st.text(), st.text())
    def test_it_repeats(self, campaign: str, recipient: str, request: str) -> None:
        decision_id, u = decision_hash(SECRET, campaign, recipient, request)
        assert (decision_id, u) == decision_hash(SECRET, campaign, recipient, request)
        assert bytes.fromhex(decision_id).hex() == decision_id
        assert len(decision_id) == 32
        assert 0 <= u < 1
        assert Fraction(u) * 2**53 == int(u * 2**53)

    @given(
        st.tuples(st.text(), st.text(), st.text()),
        st.tuples(st.text(), st.text(), st.text()),
    )
    def test_different_requests_differ(self, first: tuple[str, str, str], second: tuple[str, str, str]) -> None:
        same = decision_hash(SECRET, *first) == decision_hash(SECRET, *second)
        assert same == (first == second)

    def test_parts_are_not_merely_joined(self) -> None:
        variants = [("ab", "c", ""), ("a", "bc", ""), ("", "abc", ""), ("a", "b", "c"), ("abc", "", "")]
        variants += [("\x00\x00\x00\x01a", "", ""), ("", "\x00\x00\x00\x01a", "")]
        assert len({decision_hash(SECRET, *parts) for parts in variants}) == len(variants)
        assert len({unit_hash(SECRET, *parts) for parts in variants}) == len(variants)
        assert unit_hash(SECRET, "a", "b") != unit_hash(SECRET, "a", "b", "")

    def test_another_secret_gives_another_world(self) -> None:
        other = SECRET[::-1]
        assert decision_hash(SECRET, "a", "b", "c") != decision_hash(other, "a", "b", "c")
        assert recipient_key(SECRET, "a") != recipient_key(other, "a")
        assert unit_hash(SECRET, "a") != unit_hash(other, "a")

    def test_holdout_and_draw_are_different_chances(self) -> None:
        assert unit_hash(SECRET, "a", "b", "c") != decision_hash(SECRET, "a", "b", "c")[1]

    @given(st.lists(st.tuples(st.sampled_from(["a", "b", ""]), st.text(), st.text()), max_size=6))
    def test_many_at_once_are_hashed_as_each_alone(self, asked: list[tuple[str, str, str]]) -> None:
        campaigns, recipients, requests = ([one[place] for one in asked] for place in range(3))
        ids, chances = decision_hashes(SECRET, campaigns, recipients, requests)
        assert [*zip(ids, chances.tolist(), strict=True)] == [decision_hash(SECRET, *one) for one in asked]
        assert recipient_keys(SECRET, recipients) == [recipient_key(SECRET, name) for name in recipients]
        places = unit_hashes(SECRET, "rollout", campaigns, recipients)
        assert places.tolist() == [unit_hash(SECRET, "rollout", one, two) for one, two, _ in asked]

    @pytest.mark.parametrize("length", [0, 15, 65])
    def test_a_secret_has_16_to_64_bytes(self, length: int) -> None:
        for call in (
            lambda: decision_hash(bytes(length), "a", "b", "c"),
            lambda: recipient_key(bytes(length), "a"),
            lambda: unit_hash(bytes(length), "a"),
        ):
            with pytest.raises(ValueError, match=rf"secret: found {length} bytes; allowed 16 to 64"):
                call()

    @pytest.mark.parametrize("length", [16, 64])
    def test_the_shortest_and_longest_secret_work(self, length: int) -> None:
        assert len(recipient_key(bytes(length), "a")) == 32


class TestDraw:
    def test_it_inverts_the_cumulative_sum(self) -> None:
        row = np.array([0.25, 0.0, 0.5, 0.25, 0.0])
        u = [0.0, np.nextafter(0.25, 0), 0.25, np.nextafter(0.75, 0), 0.75, ALMOST_ONE]
        assert draw(row, u).tolist() == [0, 0, 2, 2, 3, 3]

    def test_an_arm_of_probability_zero_is_never_drawn_at_the_ends(self) -> None:
        assert draw(np.array([0, 0, 0.5, 0.5, 0, 0]), [0.0, ALMOST_ONE]).tolist() == [2, 3]

    def test_a_row_that_sums_to_less_than_one_draws_its_last_possible_arm(self) -> None:
        assert draw(np.array([0.1] * 10 + [0.0]), ALMOST_ONE) == 9

    def test_a_row_of_zeros_draws_nothing(self) -> None:
        assert draw(np.zeros((2, 3)), [0.0, ALMOST_ONE]).tolist() == [-1, -1]

    def test_rows_and_chances_broadcast(self) -> None:
        rows = np.array([[1.0, 0.0], [0.0, 1.0]])
        assert draw(rows, [0.3, 0.3]).tolist() == [0, 1]
        assert draw(rows, 0.3).tolist() == [0, 1]
        assert draw(rows[0], np.zeros((2, 3))).shape == (2, 3)
        assert draw(rows[0], 0.3).shape == ()

    @given(allocations, units)
    def test_the_arm_drawn_has_a_propensity(self, row: np.ndarray, u: float) -> None:
        arm = int(draw(row, u))
        assert row[arm] > 0 if row.any() else arm == -1

    @given(allocations)
    def test_propensities_are_exact(self, row: np.ndarray) -> None:
        """The interval of u that draws an arm is its allocation long, to the last of the 2^53 values of u."""
        if row.any():
            edges = np.cumsum(row)
            for arm in np.flatnonzero(row > 0):
                start = edges[arm] - row[arm]
                assert draw(row, start) == arm
                assert draw(row, edges[arm] - 2.0**-53) == arm

    @given(allocations, st.lists(units, min_size=1, max_size=5))
    def test_the_edges_between_arms_say_which_one_is_drawn(self, row: np.ndarray, some: list[float]) -> None:
        if row.any():
            arms, edges = drawn_between(row)
            near = [min(max(edge + step, 0.0), ALMOST_ONE) for edge in edges for step in (-(2.0**-53), 0.0, 2.0**-53)]
            for u in (0.0, ALMOST_ONE, *near, *some):
                assert arms[bisect_right(edges, u)] == draw(row, u)

    @pytest.mark.parametrize("u", [-1e-9, 1.0, np.nan])
    def test_a_chance_is_below_one(self, u: float) -> None:
        with pytest.raises(ValueError, match="u: found"):
            draw(np.array([0.5, 0.5]), [0.5, u])

    @pytest.mark.parametrize("p", [-0.1, np.nan])
    def test_a_probability_is_not_negative(self, p: float) -> None:
        with pytest.raises(ValueError, match="allocation: found"):
            draw(np.array([1.0, p]), 0.5)
