import pytest
from pydantic import ValidationError

from optimizer.history.mapping import Mapping

LEAST = {"variant": "mail", "reward": "visit", "propensity": 0.5}


def mapping(**changes: object) -> Mapping:
    return Mapping.model_validate({**LEAST, **changes})


def test_a_name_alone_is_short_for_a_column() -> None:
    short = mapping(reward="visit", propensity="p", time="at", cost="cost", eligible="could", attributes=["age"])
    long = mapping(
        reward={"column": "visit"},
        propensity={"column": "p"},
        time={"column": "at"},
        cost={"column": "cost"},
        eligible={"column": "could"},
        attributes=[{"column": "age"}],
    )
    assert short == long


def test_a_list_of_variants_is_short_for_names_that_stay() -> None:
    assert mapping(variants=["b", "a"]).variant_ids == ("b", "a")
    assert mapping(variants={"B Mail": "b", "A Mail": "a", "Also A": "a"}).variant_ids == ("b", "a")
    assert mapping().variant_ids is None


@pytest.mark.parametrize(
    ("propensity", "source"),
    [
        (0.5, "constant"),
        ({"shares": {"a": 0.5, "b": 0.5}}, "constant"),
        ("p", "logged"),
        ("estimate", "estimated"),
        ({"column": "p", "source": "estimated"}, "estimated"),
    ],
)
def test_propensities_say_where_they_come_from(propensity: object, source: str) -> None:
    assert mapping(propensity=propensity).propensity.known_from == source


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"propensity": 0.0}, ("propensity", "constant")),
        ({"propensity": 1.01}, ("propensity", "constant")),
        ({"propensity": {}}, ("propensity",)),
        ({"propensity": {"column": "p", "constant": 0.5}}, ("propensity",)),
        ({"propensity": {"shares": {"a": 0.0}}}, ("propensity", "shares", "a")),
        ({"rewards": "visit"}, ("rewards",)),
        ({"reward": {"column": "visit", "times": 2}}, ("reward", "times")),
        ({"time": {"column": "at", "unit": "minutes"}}, ("time", "unit")),
        ({"most_categories": 0}, ("most_categories",)),
        ({"order": "time"}, ()),
        ({"variants": {}}, ("variants",)),
    ],
)
def test_what_is_not_allowed_is_said_with_its_place(change: dict[str, object], place: tuple[str, ...]) -> None:
    with pytest.raises(ValidationError) as caught:
        mapping(**change)
    assert [error["loc"] for error in caught.value.errors()] == [place]


def test_a_mapping_comes_back_from_its_json() -> None:
    whole = mapping(
        variants={"A": "a"},
        reward={"column": "visit", "positive": [True, "yes", 1], "scale": -2.0},
        propensity={"shares": {"a": 1.0}},
        segment=["country", "vip"],
        segments=["GB x true"],
        time={"column": "at", "unit": "ms"},
        attributes=["age", {"column": "zip", "name": "place", "values": ["u"], "optional": True}],
        eligible={"column": "could", "separator": ","},
        outcomes={"spend": "spend"},
    )
    assert Mapping.model_validate_json(whole.model_dump_json()) == whole
    assert Mapping.model_validate_json(whole.model_dump_json(exclude_defaults=True)) == whole
    assert whole.reward.positive == ("true", "yes", "1")


def test_it_knows_every_column_it_asks_for() -> None:
    asked = mapping(
        propensity="p",
        segment=["country", "vip"],
        recipient="who",
        decision_id="id",
        time="at",
        attributes=["age"],
        eligible="could",
        cost="cost",
        outcomes={"spend": "spent"},
    ).columns()
    assert sorted(asked) == [
        ("attributes[0]", "age"),
        ("cost", "cost"),
        ("decision_id", "id"),
        ("eligible", "could"),
        ("outcomes.spend", "spent"),
        ("propensity", "p"),
        ("recipient", "who"),
        ("reward", "visit"),
        ("segment[0]", "country"),
        ("segment[1]", "vip"),
        ("time", "at"),
        ("variant", "mail"),
    ]
