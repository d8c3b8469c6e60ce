"""What becomes of the rows and columns of a file."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.errors import InvalidRequest
from optimizer.history.mapping import Mapping
from optimizer.history.opening import History, open_history
from optimizer.history.table import in_memory

LEAST = {"variant": "mail", "reward": "visit", "propensity": "p"}
GOOD: dict[str, Any] = {"mail": "a", "visit": 1.0, "p": 0.5}


def history(rows: list[dict[str, Any]] | dict[str, Any], **changes: object) -> History:
    return History(
        in_memory(pl.DataFrame(rows, infer_schema_length=None)), Mapping.model_validate({**LEAST, **changes})
    )


BAD: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "missing variant": ({"mail": None}, {}),
    "unknown variant": ({"mail": "z"}, {"variants": ["a", "b"]}),
    "missing segment": ({"where": None}, {"segment": "where"}),
    "unknown segment": ({"where": "mars"}, {"segment": "where", "segments": ["earth"]}),
    "missing propensity": ({"p": None}, {}),
    "propensity not above 0": ({"p": 0.0}, {}),
    "propensity above 1": ({"p": 1.0000001}, {}),
    "missing reward": ({"visit": None}, {}),
    "unreadable time": ({"at": "yesterday"}, {"time": "at"}),
    "missing recipient": ({"who": None}, {"recipient": "who"}),
    "missing cost": ({"spent": None}, {"cost": "spent"}),
    "missing outcome left": ({"gone": None}, {"outcomes": {"left": "gone"}}),
    "missing eligible variants": ({"could": None}, {"eligible": "could"}),
    "unknown eligible variant": ({"could": ["a", "z"]}, {"eligible": "could", "variants": ["a", "b"]}),
    "chosen variant not eligible": ({"could": ["b"]}, {"eligible": "could"}),
}
FINE: dict[str, Any] = {
    **GOOD,
    "where": "earth",
    "at": "2026-01-01",
    "who": "me",
    "spent": 0.1,
    "gone": 0,
    "could": ["a", "b"],
}


@pytest.mark.parametrize("reason", BAD)
def test_a_row_that_cannot_be_used_is_counted_by_its_reason(reason: str) -> None:
    change, mapping = BAD[reason]
    found = history([FINE, {**FINE, **change}, FINE, {**FINE, **change}], **mapping)
    assert found.unusable == {reason: 2}
    assert len(found.feedback()) == 2


@given(st.lists(st.sampled_from([None, *BAD]), min_size=1, max_size=20))
def test_no_row_is_lost(drawn: list[str | None]) -> None:
    mapping = {key: value for _, changes in BAD.values() for key, value in changes.items()}
    table = pl.DataFrame(
        [FINE if reason is None else {**FINE, **BAD[reason][0]} for reason in drawn],
        schema={
            **dict.fromkeys(("mail", "where", "at", "who"), pl.String),
            **dict.fromkeys(("visit", "p", "spent", "gone"), pl.Float64),
            "could": pl.List(pl.String),
        },
    )
    found = History(in_memory(table), Mapping.model_validate({**LEAST, **mapping}))
    assert found.unusable == dict(Counter(filter(None, drawn)))
    assert found.contents.rows == len(drawn)
    assert found.frame.collect().height == drawn.count(None)


def test_numbers_that_are_none_or_infinite_are_missing() -> None:
    rows = [{**GOOD, "visit": visit} for visit in (np.nan, np.inf, -np.inf, 2.0)]
    assert history(rows).unusable == {"missing reward": 3}
    rows = [{**GOOD, "p": p} for p in (np.nan, np.inf, -np.inf, 1.0)]
    assert history(rows).unusable == {"missing propensity": 1, "propensity above 1": 1, "propensity not above 0": 1}


@pytest.mark.parametrize(
    ("values", "amount", "rewards"),
    [
        ([True, False], "visit", [1.0, 0.0]),
        ([3, -1], {"column": "visit", "scale": -0.5}, [-1.5, 0.5]),
        (["yes", "no"], {"column": "visit", "positive": "yes"}, [1.0, 0.0]),
        ([True, False], {"column": "visit", "positive": False}, [0.0, 1.0]),
        ([7, 8], {"column": "visit", "positive": [7.0]}, [1.0, 0.0]),
        (["2.5", " "], "visit", [2.5]),
    ],
)
def test_a_reward_is_a_number_or_whether_something_happened(
    values: list[Any], amount: Any, rewards: list[float]
) -> None:
    found = history({"mail": ["a", "b"], "visit": values, "p": [0.5, 0.5]}, reward=amount)
    assert found.feedback().rewards.tolist() == rewards


@pytest.mark.parametrize(
    ("at", "unit"),
    [
        ("2019-11-24 00:00:34.5+00:00", None),
        ("2019-11-24T00:00:34.500Z", None),
        ("2019-11-24T00:00:34.5000000Z", None),
        ("2019-11-24T00:00:34.5", "text"),
        ("2019-11-24T02:00:34.5+02:00", None),
        ("2019-11-23T19:00:34.5-0500", None),
        (1574553634.5, "s"),
        (1574553634500, "ms"),
        (1574553634500000, "us"),
    ],
)
def test_times_are_read_as_instants(at: Any, unit: str | None) -> None:
    found = history([{**GOOD, "at": at}], time={"column": "at", "unit": unit})
    assert found.feedback().decided_at.tolist() == [1_574_553_634_500_000]  # type: ignore[union-attr]


def test_dates_and_datetimes_are_instants_too() -> None:
    days = pl.DataFrame([{**GOOD, "at": "2026-01-02"}]).with_columns(day=pl.col("at").str.to_date())
    days = days.with_columns(moment=pl.col("day").cast(pl.Datetime("ms", "UTC")))
    for column in ("at", "day", "moment"):
        mapping = Mapping.model_validate({**LEAST, "time": column})
        log = History(in_memory(days), mapping).feedback()
        assert log.decided_at.tolist() == [1_767_312_000_000_000]  # type: ignore[union-attr]


def test_rows_may_be_sorted_by_time_and_stay_as_they_are_where_times_are_equal() -> None:
    rows = [{**GOOD, "mail": mail, "at": at} for mail, at in (("c", 2), ("b", 1), ("a", 2), ("d", 1))]
    found = history(rows, time={"column": "at", "unit": "s"}, order="time")
    assert found.frame.collect()["variant"].to_list() == ["b", "d", "c", "a"]


def test_several_segment_columns_are_crossed() -> None:
    rows = [{**GOOD, "country": c, "vip": v} for c, v in (("GB", True), ("US", False), ("GB", False), (None, True))]
    found = history(rows, segment=["country", "vip"])
    assert found.feedback().segment_ids == ("GB x false", "GB x true", "US x false")
    assert found.unusable == {"missing segment": 1}


def test_variants_take_the_names_and_the_order_of_the_mapping() -> None:
    rows = [{**GOOD, "mail": mail, "could": "One|Two"} for mail in ("Two", "One", "Three")]
    found = history(rows, variants={"Two": "two", "One": "one", "Three": "three"}, eligible="could")
    log = found.feedback()
    assert (log.variant_ids, log.arms.tolist()) == (("two", "one", "three"), [0, 1])
    assert log.eligible.tolist() == [[True, True, False]] * 2  # type: ignore[union-attr]
    assert found.unusable == {"chosen variant not eligible": 1}


def test_numbered_variants_are_in_the_order_of_their_numbers() -> None:
    rows = [{**GOOD, "mail": mail} for mail in (10, 9, 2, -1)]
    assert history(rows).feedback().variant_ids == ("-1", "2", "9", "10")


def test_shares_give_each_variant_its_own_propensity() -> None:
    rows = [{**GOOD, "mail": mail} for mail in ("a", "b", "c")]
    found = history(rows, propensity={"shares": {"a": 0.25, "b": 0.75}})
    assert found.feedback().propensities.tolist() == [0.25, 0.75]
    assert found.unusable == {"missing propensity": 1}


def test_estimated_propensities_are_shares_within_the_segment() -> None:
    rows = [{**GOOD, "mail": m, "where": w} for m, w in (("a", "x"), ("b", "x"), ("b", "x"), ("a", "y"), ("b", "x"))]
    log = history(rows, propensity="estimate", segment="where").feedback()
    assert log.propensities.tolist() == [0.25, 0.75, 0.75, 1.0, 0.75]
    assert log.propensity_source == "estimated"


def test_categories_are_one_feature_a_value_and_the_rare_ones_together_none() -> None:
    places = ["u", "u", "r", "r", "s", None]
    rows = [{**GOOD, "zip": place, "age": age} for place, age in zip(places, [1, 2, None, 4, 5, 6], strict=True)]
    log = history(rows, attributes=["zip", "age"], most_categories=2).feedback()
    assert log.feature_names == ("zip=r", "zip=u", "age", "age missing")
    assert log.features[:, :2].tolist() == [[0, 1], [0, 1], [1, 0], [1, 0], [0, 0], [0, 0]]
    assert log.features[:, 2].tolist() == [1, 2, 0, 4, 5, 6]
    assert log.features[:, 3].tolist() == [0, 0, 1, 0, 0, 0]
    declared = history(rows, attributes=[{"column": "zip", "values": ["s", "never"]}]).feedback()
    assert declared.feature_names == ("zip=s", "zip=never")


def test_features_are_the_same_in_every_chunk() -> None:
    rows = [{**GOOD, "mail": m, "zip": z} for m, z in (("a", "x"), ("b", "y"), ("a", "x"), ("c", "z"))]
    chunks = list(history(rows, attributes=["zip"]).chunks(1))
    assert {chunk.variant_ids for chunk in chunks} == {("a", "b", "c")}
    assert {chunk.feature_names for chunk in chunks} == {("zip=x", "zip=y", "zip=z")}
    assert [chunk.arms[0] for chunk in chunks] == [0, 1, 0, 2]


def test_recipients_are_hashed_alike_everywhere_and_hashes_stay() -> None:
    rows = [{**GOOD, "who": who} for who in (7, 8, 7)]
    numbers = history(rows, recipient="who").feedback().recipients
    texts = history([{**row, "who": str(row["who"])} for row in rows], recipient="who").feedback().recipients
    assert numbers is not None
    assert texts is not None
    assert numbers.tolist() == texts.tolist()
    assert numbers[0] == numbers[2] != numbers[1]
    assert hex(numbers[0]) == "0x828f78ceca1750e7"  # BLAKE2b of "7", 64 bits, the same for good
    hashed = pl.DataFrame({**{k: [v] for k, v in GOOD.items()}, "who": pl.Series([2**64 - 1], dtype=pl.UInt64)})
    kept = History(in_memory(hashed), Mapping.model_validate({**LEAST, "recipient": "who"})).feedback().recipients
    assert kept is not None
    assert kept.tolist() == [2**64 - 1]


def test_a_column_that_is_not_there_is_said_with_its_place_and_those_that_are() -> None:
    with pytest.raises(InvalidRequest) as caught:
        history([GOOD], variant="mial", attributes=["age"])
    assert str(caught.value) == (
        "history.variant: found 'mial'; allowed one of the columns mail, visit, p; "
        "history.attributes[0]: found 'age'; allowed one of the columns mail, visit, p"
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"time": "n"},
            "history.time: found numbers in 'n' without a unit; allowed {column: …, unit: s}, or ms, or us",
        ),
        ({"time": "flag"}, "history.time: found Boolean in 'flag'; allowed text, numbers or datetimes"),
        ({"eligible": "n"}, "history.eligible: found Int64 in 'n'; allowed lists of names, or text"),
        (
            {"reward": {"column": "n", "positive": "yes"}},
            "history.reward.positive: found yes; allowed numbers, as in 'n'",
        ),
        (
            {"propensity": {"shares": {"a": 1.0}}, "variants": ["a", "b"]},
            "history.propensity.shares: found a; allowed a share for each of a, b",
        ),
    ],
)
def test_a_column_that_cannot_be_read_so_is_said_with_its_place(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        history([{**GOOD, "n": 1, "flag": True}], **changes)
    assert str(caught.value) == said


def test_names_of_which_there_are_too_many_are_refused() -> None:
    many = pl.DataFrame({"mail": range(10_001), "visit": [1.0] * 10_001, "p": [0.5] * 10_001})
    with pytest.raises(InvalidRequest, match="variant: found more than 10,000 pairs"):
        History(in_memory(many), Mapping.model_validate(LEAST)).feedback()


def test_a_log_without_a_usable_row_says_why() -> None:
    with pytest.raises(InvalidRequest) as caught:
        history([{**GOOD, "p": 0.0}, {**GOOD, "mail": None}]).feedback()
    assert str(caught.value) == (
        "history: found unusable rows only: 1 missing variant, 1 propensity not above 0; allowed some that can be used"
    )


def test_a_summary_tells_people_what_is_in_it() -> None:
    rows = [{**FINE, "p": p} for p in (0.5, 0.5, 0.0)]
    mapping = {"segment": "where", "time": "at", "attributes": ["who"], "outcomes": {"left": "gone"}}
    assert history(rows, **mapping).summary().splitlines() == [
        "2 of 3 rows can be used",
        "  1 cannot: propensity not above 0",
        "1 variants: a",
        "1 segments: earth",
        "propensities: logged",
        "attributes: who",
        "further outcomes: left",
        "decided from 2026-01-01T00:00:00.000000Z to 2026-01-01T00:00:00.000000Z",
    ]


def test_csv_keeps_names_as_text_and_survives_rows_that_are_no_numbers(tmp_path: Path) -> None:
    file = tmp_path / "log.csv"
    file.write_text(
        "mail,visit,p,zip,age,who\n007,1,0.5,01234,31,0042\n7,oops,0.5,x,old,43\n07,0,,x,3,4\n007,true,0.5,x,,9\n"
    )
    mapping = Mapping.model_validate(
        {**LEAST, "recipient": "who", "attributes": ["age", {"column": "zip", "values": ["01234"]}]}
    )
    found = open_history(file, mapping)
    assert found.unusable == {"missing propensity": 1, "missing reward": 2}
    assert found.frame.collect()["variant"].to_list() == ["007"]
    assert found.frame.collect()["recipient"].to_list() == ["0042"]
    assert found.feedback().feature_names == ("age=31", "zip=01234")  # an age of "old" makes it a category


def test_numbers_further_down_that_are_none_do_not_stop_the_reading(tmp_path: Path) -> None:
    file = tmp_path / "log.csv"
    good = "a,1,0.5,3\n" * 10_000
    file.write_text("mail,visit,p,age\n" + good + "b,no idea,0.5,3\nb,1,0.5,very old\nb,1.5,0.25,3.5\n")
    found = open_history(file, Mapping.model_validate({**LEAST, "attributes": ["age"]}))
    log = found.feedback()
    assert found.unusable == {"missing reward": 1}
    assert log.feature_names == ("age", "age missing")
    assert log.features[-2:].tolist() == [[0.0, 1.0], [3.5, 0.0]]
    assert log.rewards[-1] == 1.5


def test_a_csv_in_the_standard_columns_needs_no_mapping(tmp_path: Path) -> None:
    file = tmp_path / "log.tsv"
    file.write_text("variant\tpropensity\treward\teligible\toutcome:left\tattribute:age\na\t0.5\t1\ta|b\t0\t3\n")
    log = open_history(file).feedback()
    assert (log.variant_ids, log.feature_names, list(log.outcomes)) == (("a", "b"), ("age",), ["left"])
    file.write_text("variant\treward\na\t1\n")
    with pytest.raises(InvalidRequest, match="history: found no column propensity and no mapping"):
        open_history(file)


def test_a_file_that_is_not_there_or_of_another_kind_is_said(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match=r"history\.file: found .*nothing\.csv; allowed a file that is there"):
        open_history(tmp_path / "nothing.csv")
    (tmp_path / "log.xls").write_text("x")
    with pytest.raises(InvalidRequest, match=r"history\.file: found log\.xls; allowed a file that ends in \.csv"):
        open_history(tmp_path / "log.xls")
    (tmp_path / "log.parquet").write_text("no parquet")
    with pytest.raises(InvalidRequest, match=r"history\.file: found .*log\.parquet"):
        open_history(tmp_path / "log.parquet")
