# ruff: noqa: RUF001 - look-alikes are what this is about

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from optimizer.strategy.audience import Attribute
from optimizer.strategy.brand import Brand
from optimizer.strategy.brand_rules import BrandRules
from optimizer.strategy.documents import Message
from optimizer.strategy.personal import PersonalCheck, as_text, personal_risks

ATTRIBUTES = TypeAdapter(dict[str, Attribute]).validate_python(
    {
        "name": {"type": "text"},
        "city": {"type": "text"},
        "plan": {"type": "category", "values": ["Basic", "Risk", "Free"]},
        "member": {"type": "boolean"},
        "points": {"type": "number"},
    }
)
BRAND: dict[str, Any] = {
    "banned_phrases": ["risk-free", "lo fi", "a deal", "guaranteed"],
    "requires_disclaimer": [{"when": "bonus", "then": "Terms apply"}],
    "limits": {"subject": 30, "capitals": 0.5, "exclamations": 1},
    "link_domains": ["acme.example"],
}


def check_of(brand: dict[str, Any] = BRAND, **words: Any) -> PersonalCheck | None:
    message = Message.model_validate({"id": "m", **words})
    return personal_risks(Brand.model_validate(brand), "email", message, ATTRIBUTES)


@pytest.mark.parametrize("name", ["Anna", "José", "O'Brien", "Mary-Ann Lee", "李明", "J", "", "Жанна", "Loren"])
def test_ordinary_names_break_no_rule(name: str) -> None:
    check = check_of(subject="Hi {{name|there}}!", body="Dear {{name|friend}}, see https://acme.example")
    assert check is not None
    assert check.broken({"name": name} if name else {}) is None


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("guaranteed", "banned_phrase"),
        ("Gu@r4nteed", "banned_phrase"),
        ("Ｇｕａｒａｎｔｅｅｄ", "banned_phrase"),
        ("g u a r a n t e e d", "banned_phrase"),
        ("risk", "banned_phrase"),  # as "free" follows
        ("Bonus", "disclaimer"),
        ("Maximiliane Antoinette Bee", "length"),
        ("MAXIMILIANE", "capitals"),
        ("Ann!!", "exclamations"),
        ("https://evil.test", "link_domain"),
        ("www.evil.test", "link_domain"),
        ("buy at evil.com", "link_domain"),
        ("<b>Ann", "placeholder"),
        ("{{city}}", "placeholder"),
        ("Ann\nBcc: x", "placeholder"),
        ("&#71;", "placeholder"),
    ],
)
def test_a_value_that_makes_the_message_break_a_rule_is_found(name: str, rule: str) -> None:
    check = check_of(subject="Hi {{name|x}} free")
    assert check is not None
    violation = check.broken({"name": name})
    assert violation is not None
    assert (violation.message_id, violation.field, violation.rule) == ("m", "subject", rule)
    assert violation.found in ("{{name|x}}", "{{name|x}} free", "the value of name") or violation.found[0].isdigit()


def test_a_link_may_be_completed_by_a_value_only_behind_its_host() -> None:
    check = check_of(body="https://acme.example/{{name|x}}")
    assert check is not None
    assert check.broken({"name": "@evil.test"}) is None
    joined = check_of(body="https://acme.example {{name|x}}")
    assert joined is not None
    assert joined.broken({"name": "//evil.test"}) is not None


def test_values_of_several_attributes_are_judged_together() -> None:
    check = check_of(body="{{name|a}} {{city|b}}")
    assert check is not None
    assert check.broken({"name": "risk"}) is None
    assert check.broken({"city": "free"}) is None
    assert check.broken({"name": "risk", "city": "free"}) is not None
    assert check.attribute_names == ("name", "city")


def test_a_message_without_placeholders_of_attributes_needs_no_check() -> None:
    assert check_of(body="Hello {{unsubscribe_url}}") is None


def test_attributes_whose_values_can_be_listed_are_judged_beforehand() -> None:
    assert check_of(body="Your plan: {{plan|none}}, member: {{member|no}}") is None
    assert check_of(body="A {{plan|no}}free plan") is not None
    check = check_of(body="Your {{plan|x}} {{plan|y}} free")
    assert check is not None
    violation = check.broken({"plan": "Risk"})
    assert violation is not None
    assert check.broken({"plan": "Basic"}) is None


def test_combinations_of_declared_values_are_judged_beforehand() -> None:
    attributes = TypeAdapter(dict[str, Attribute]).validate_python(
        {
            "a": {"type": "category", "values": ["x", "risk"]},
            "b": {"type": "category", "values": ["y", "free"]},
            "c": {"type": "boolean"},
        }
    )
    brand = Brand(banned_phrases=("risk-free",))
    bodies = (("{{a|q}} {{b|q}}", True), ("{{a|q}} and {{b|q}}", False), ("{{a|q}} {{c|free}}", True))
    for body, needed in bodies:
        message = Message.model_validate({"id": "m", "body": body})
        assert (personal_risks(brand, "email", message, attributes) is not None) == needed


def test_numbers_are_inserted_as_people_write_them() -> None:
    assert [as_text(v) for v in (500.0, 2.5, True, False, "a", None)] == ["500", "2.5", "true", "false", "a", ""]
    check = check_of(subject="You have {{points|no}} loyalty points")
    assert check is not None
    assert check.broken({"points": 123456.0}) is None
    assert check.broken({"points": 1234567.0}) is not None


def test_digits_that_read_as_letters_are_looked_at() -> None:
    check = check_of(body="It is {{points|x}} deal and {{name|x}} fi")
    assert check is not None
    assert check.broken({"points": 4.0}) is not None
    assert check.broken({"name": "10"}) is not None
    assert check.broken({"points": 5.0, "name": "hi"}) is None


@pytest.mark.parametrize(
    ("body", "attributes"),
    [
        ("r i s {{name|x}}", {"name": "k"}),
        ("r {{name|x}} s k", {"name": "i"}),
        ("{{name|x}} {{city|y}} s k", {"name": "r", "city": "i"}),
        ("{{name|x}}", {"name": "r i s k"}),
        ("{{name|x}}", {"name": "r1sk"}),
        ("ri{{name|x}}", {"name": "sk"}),
        ("{{name|x}}k", {"name": "ris"}),
        ("{{name|x}}", {"name": "Anna保証"}),
    ],
)
def test_letters_and_parts_of_words_are_looked_at_where_they_may_join_others(
    body: str, attributes: dict[str, str]
) -> None:
    check = check_of({"banned_phrases": ["risk", "保証"]}, body=body)
    assert check is not None
    assert check.broken(attributes) is not None


PIECES = st.sampled_from(
    ["risk", "free", "Risk", "FREE", "r", "i", "s", "k", "1", "10", "4", "fr33", "bonus", "Anna", "É", "李", "lo",
     "deal", " ", " ", "-", "'", "!", ".", "x", "<b>", "а", "evil.com", "保証", "OBRIEN", "guaran", "teed", "2.5",
     "\u200b"]
)  # fmt: skip
VALUES = st.lists(PIECES, max_size=4).map("".join)
AROUND = st.lists(
    st.sampled_from(
        ["risk", "free", "a", "r", "i", "s ", "k", " ", " ", " ", "! ", ", ", "!", "<b>", "fi", "deal", "teed",
         "&nbsp;", "{{name|x}}", "{{city|there}}", "{{city|r}}", "{{u}}", "\n", "Hi ", "NOW ", "保", ".", "(", "1"]
    ),
    max_size=8,
).map("".join)  # fmt: skip
WATCHFUL = BrandRules(
    Brand.model_validate(BRAND | {"banned_phrases": ["risk-free", "risk", "lo fi", "a deal", "guaranteed", "保証"]}),
    ATTRIBUTES,
)


@given(AROUND, AROUND, VALUES, VALUES)
def test_what_is_quickly_judged_harmless_breaks_no_rule_in_full(before: str, after: str, name: str, city: str) -> None:
    texts = {"subject": f"{before}{{{{name|x}}}}{after}"}
    assume(not any(WATCHFUL.violations("email", "m", texts)))  # `optimizer check` refuses it
    known = {"name": name, "city": city}
    if PersonalCheck(WATCHFUL, "email", "m", texts).broken(known) is None:
        assert list(WATCHFUL.violations("email", "m", texts, known)) == []
