"""What a search proposes, whom it never looks at, and what it refuses."""

from dataclasses import replace

import numpy as np
import pytest
from tests.unit.insights.discovering.logs import planted

from optimizer.insights.discovering.columns import FEWEST_RECIPIENTS, Column, Kind
from optimizer.insights.discovering.rules import Condition, Rule, segment_of
from optimizer.insights.discovering.tree import found_segments


def test_a_planted_segment_is_found_with_its_size_and_its_gain() -> None:
    feedback, columns = planted()
    found = found_segments(feedback, columns)
    (segment,) = found.segments
    assert segment.rule == Rule((Condition("country", "is", "US"),))
    assert segment.recipients == int((columns[0].values == 0).sum())
    assert (segment.best, found.best_for_all) == ("two", "one")
    assert segment.more is not None
    assert segment.more.low < 0.3 < segment.more.high
    assert found.gain is not None
    assert found.gain.low < 0.3 / 3 < found.gain.high
    assert found.everyone_else is not None
    assert found.everyone_else.recipients + segment.recipients == found.recipients == len(feedback)


def test_equal_seeds_give_equal_searches_and_other_seeds_other_halves() -> None:
    feedback, columns = planted()
    assert found_segments(feedback, columns, seed=3) == found_segments(feedback, columns, seed=3)
    assert found_segments(feedback, columns, seed=3).honest != found_segments(feedback, columns, seed=4).honest


@pytest.mark.parametrize("how", [{"is_sensitive": True}, {"reveals": "income"}])
def test_a_sensitive_attribute_and_one_that_reveals_it_are_no_candidates_whatever_they_hold(how: dict) -> None:
    feedback, columns = planted()

    class Unread(np.ndarray):
        """Values that nobody may look at."""

        def __array_ufunc__(self, *_: object, **__: object) -> object:
            raise AssertionError("somebody looked at a sensitive attribute")

    secret = replace(columns[0], values=columns[0].values.view(Unread), **how)
    found = found_segments(feedback, [secret, *columns[1:]])
    assert not found.segments
    assert "country" not in found.looked_at
    assert "sensitive" in found.left_out["country"]


def test_what_only_a_sensitive_attribute_tells_apart_is_not_found_by_others() -> None:
    feedback, columns = planted()
    found = found_segments(feedback, columns[1:])
    assert found.segments == ()
    assert found.why_not is not None


def test_values_of_few_recipients_are_never_named() -> None:
    feedback, columns = planted()
    country = columns[0].values.copy()
    few = np.flatnonzero(country == 0)[: FEWEST_RECIPIENTS - 1]
    country[few] = 3
    rare = replace(columns[0], values=country, categories=("US", "CA", "GB", "Sark"))
    found = found_segments(feedback, [rare, *columns[1:]])
    assert found.segments
    assert "Sark" not in str(found)


def test_no_segment_is_smaller_than_was_asked() -> None:
    feedback, columns = planted()
    size = int((columns[0].values == 0).sum())
    assert found_segments(feedback, columns, min_size=size).segments
    found = found_segments(feedback, columns, min_size=size + 1)
    assert all(segment.recipients > size for segment in found.segments)


def test_effects_of_variants_that_few_recipients_had_are_not_shown() -> None:
    feedback, columns = planted()
    names = ("one", "two", "three")
    arms = feedback.arms.copy()
    arms[:40] = 2
    found = found_segments(replace(feedback, variant_ids=names, arms=arms), columns)
    assert found.segments
    assert all("three" not in segment.values for segment in found.segments)


def test_recipients_count_once_however_many_decisions_they_had() -> None:
    feedback, columns = planted(2_000)
    twice = feedback.taken(np.tile(np.arange(2_000), 2))
    twice = replace(twice, recipients=np.tile(np.arange(2_000), 2).astype(np.uint64))
    again = [column.taken(np.tile(np.arange(2_000), 2)) for column in columns]
    found = found_segments(twice, again)
    assert found.recipients == 2_000
    assert found.decisions == 4_000
    once = found_segments(replace(feedback, recipients=np.arange(2_000).astype(np.uint64)), columns)
    assert found.honest is not None
    assert once.honest is not None
    assert found.honest.standard_error == pytest.approx(once.honest.standard_error, rel=0.1)


def test_a_variant_that_may_only_go_to_one_country_needs_no_segment() -> None:
    """Eligibility already gives it to those alone: no rule would earn more."""
    feedback, columns = planted()
    at_home = columns[0].values == 0
    eligible = np.stack([np.ones(len(feedback), dtype=bool), at_home], axis=1)
    arms = np.where(at_home, feedback.arms, 0)
    shares = np.where(at_home, 0.5, 1.0)
    found = found_segments(replace(feedback, arms=arms, propensities=shares, eligible=eligible), columns)
    assert not found.segments


def test_what_is_not_known_meets_no_condition_and_is_everyone_else() -> None:
    feedback, columns = planted()
    values = columns[0].values.copy()
    values[::5] = -1
    column = replace(columns[0], values=values)
    found = found_segments(feedback, [column, *columns[1:]])
    (segment,) = found.segments
    places = segment_of([segment.rule], {"country": column}, len(feedback))
    assert (places[::5] == 1).all()


@pytest.mark.parametrize(
    ("bounds", "said"),
    [
        ({"min_size": 49}, "min_size: found 49; allowed 50 or more"),
        ({"max_segments": 1}, "max_segments: found 1; allowed 2 to 10"),
        ({"max_segments": 11}, "max_segments: found 11; allowed 2 to 10"),
    ],
)
def test_bounds_that_cannot_be_kept_are_refused(bounds: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        found_segments(*planted(200), **bounds)


def test_a_log_of_one_variant_and_columns_of_another_length_are_refused() -> None:
    feedback, columns = planted(200)
    with pytest.raises(ValueError, match="variants: found 1; allowed two or more"):
        found_segments(replace(feedback, variant_ids=("one",), arms=feedback.arms * 0), columns)
    with pytest.raises(ValueError, match="country: found 199 rows; allowed 200"):
        found_segments(feedback, [columns[0].taken(np.arange(199))])


def test_without_an_attribute_that_says_anything_nothing_is_looked_at() -> None:
    feedback, _ = planted(400)
    same = Column("country", Kind.CATEGORY, np.zeros(400), ("US",))
    never = Column("visits", Kind.NUMBER, np.full(400, np.nan))
    found = found_segments(feedback, [same, never])
    assert found.looked_at == ()
    assert found.left_out == {"country": "the same for all", "visits": "hardly ever known"}
    assert found.why_not == "no attribute can be looked at"
