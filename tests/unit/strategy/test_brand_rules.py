# ruff: noqa: RUF001 - look-alikes are what this is about

from typing import Any

import pytest
from pydantic import TypeAdapter

from optimizer.strategy.audience import Attribute
from optimizer.strategy.brand import Brand
from optimizer.strategy.brand_rules import BrandRules, BrandViolation, n_exclamations, texts_of
from optimizer.strategy.documents import Message

ATTRIBUTES = TypeAdapter(dict[str, Attribute]).validate_python(
    {
        "first_name": {"type": "text"},
        "plan": {"type": "category", "values": ["Basic", "Gold"]},
        "age": {"type": "number", "sensitive": True},
    }
)


def broken(brand: dict[str, Any], /, channel: str = "email", **texts: str) -> list[BrandViolation]:
    rules = BrandRules(Brand.model_validate(brand), ATTRIBUTES)
    return list(rules.violations(channel, "m", {name.replace("__", "."): text for name, text in texts.items()}))


def said(brand: dict[str, Any], /, **texts: str) -> list[tuple[str, str, int, str]]:
    return [(v.rule, v.field, v.position, v.found) for v in broken(brand, **texts)]


def test_a_brand_without_rules_forbids_nothing() -> None:
    assert broken({}, subject="FREE!!! https://evil.test {{x", body="A" * 90_000) == []


def test_a_banned_phrase_is_found_in_every_text_at_its_place() -> None:
    brand = {"banned_phrases": ["risk-free"]}
    assert said(brand, subject="A risk - free day", body="x <b>R</b>isk&nbsp;free", fields__cta="riskfree") == [
        ("banned_phrase", "subject", 3, "risk - free"),
        ("banned_phrase", "body", 6, "R</b>isk&nbsp;free"),
        ("banned_phrase", "fields.cta", 1, "riskfree"),
    ]
    (violation,) = broken(brand, subject="risk free")
    assert violation == BrandViolation(
        "m", "subject", 1, "banned_phrase", "risk free",
        'words other than the banned phrase "risk-free": say it another way',
    )  # fmt: skip


def test_the_names_of_placeholders_are_not_words_but_fallbacks_are() -> None:
    brand = {"banned_phrases": ["free"]}
    assert said(brand, body="{{free}} {{free|x}} {{first_name|free}}") == [
        ("banned_phrase", "body", 21, "{{first_name|free}}")
    ]
    assert said(brand, body="{{plan|fr}}ee") == [("banned_phrase", "body", 1, "{{plan|fr}}ee")]


def test_required_parts_depend_on_the_channel_and_may_stand_in_any_text() -> None:
    brand = {"required": {"email": ["{{unsubscribe_url}}", "Acme Inc."], "sms": ["STOP"]}}
    assert broken(brand, subject="From ACME, Inc", body="{{ unsubscribe_url|x }}") == []
    assert broken(brand, channel="push", body="x") == []
    assert said(brand, subject="s", body="{{unsubscribe}}") == [
        ("required_part", "body", 0, "no {{unsubscribe_url}}"),
        ("required_part", "body", 0, "no Acme Inc."),
    ]
    assert said(brand, fields__text="Acme Inc") == [("required_part", "fields.text", 0, "no {{unsubscribe_url}}")]


def test_a_part_that_nobody_sees_is_not_there() -> None:
    brand = {"required": {"email": ["{{u}}", "Acme"]}}
    assert [v.found for v in broken(brand, body="<!-- {{u}} Acme -->x")] == ["no {{u}}", "no Acme"]
    assert broken(brand, body='<a href="{{u}}">Ac<b>me</b></a>') == []


def test_a_part_of_words_and_placeholders_needs_both_and_signs_are_taken_as_they_are() -> None:
    brand = {"required": {"email": ["Unsubscribe: {{u}}"]}}
    assert broken(brand, body="<a href='{{u}}'>unsubscribe</a>") == []
    assert len(broken(brand, body="{{u}}")) == len(broken(brand, body="unsubscribe")) == 1
    assert broken({"required": {"email": ["©"]}}, body="© 2026") == []
    assert len(broken({"required": {"email": ["©"]}}, body="(c) 2026")) == 1


def test_words_that_need_a_disclaimer_have_it_somewhere_in_the_message() -> None:
    brand = {"requires_disclaimer": [{"when": "free", "then": "Terms apply"}]}
    assert broken(brand, subject="Hello", body="freedom") == []
    assert broken(brand, subject="Fr33 shoes", body="<i>terms</i> apply.") == []
    assert said(brand, subject="Hi", body="All free, free!") == [("disclaimer", "body", 5, "free")]
    assert said(brand, body="free <!-- Terms apply -->") == [("disclaimer", "body", 1, "free")]
    # Disguised words need a disclaimer, but are none.
    assert said(brand, body="free. T3rms apply") == [("disclaimer", "body", 1, "free")]


def test_a_disclaimer_that_only_a_fallback_says_is_none() -> None:
    brand = {"requires_disclaimer": [{"when": "free", "then": "Terms apply"}]}
    assert len(broken(brand, body="free {{plan|Terms apply}}")) == 1


def test_lengths_count_characters_with_fallbacks_filled_in() -> None:
    brand = {"limits": {"subject": 10, "body": 12, "fields": {"cta": 3}}}
    assert broken(brand, subject="0123456789", body="01234{{u}}89", fields__cta="buy", fields__x="y" * 99) == []
    assert said(brand, subject="01234567890") == [("length", "subject", 11, "11 characters")]
    assert said(brand, fields__cta="shop") == [("length", "fields.cta", 4, "4 characters")]
    assert broken(brand, subject="Hi {{first_name|Ann}} ok!") == []
    assert said(brand, subject="Hi {{first_name|Anna}}, you") == [("length", "subject", 26, "12 characters")]


@pytest.mark.parametrize(
    ("text", "is_loud"),
    [
        ("BUY NOW YES", False),  # nine letters
        ("BUY NOW YESS", True),
        ("Abcdefghi JKL", True),
        ("Abcdefghij KL", False),  # exactly three of ten would be fine, too
        ("ABCdefg hij", False),
        ("{{SHOPNAME}} hello there {{u}}", False),
        ("<H1 CLASS='BIG'>hello there</H1>", False),
        ("WINBACK_TEMPLATE_A", False),  # for machines
        ("全部無料です 全部無料です AB", False),
    ],
)
def test_capitals_are_a_share_of_the_letters_people_see(text: str, is_loud: bool) -> None:
    found = [v.rule for v in broken({"limits": {"capitals": 0.3}}, body=text)]
    assert found == (["capitals"] if is_loud else [])


@pytest.mark.parametrize(
    ("text", "n"), [("Hi!", 1), ("！﹗", 2), ("‼", 2), ("⁉ ok", 1), ("¡Hola!", 1), ("¡¡¡", 3), ("❗", 1), ("none", 0)]
)
def test_exclamation_marks_of_every_kind_count(text: str, n: int) -> None:
    assert n_exclamations(text) == n
    assert bool(broken({"limits": {"exclamations": 1}}, subject=text)) == (n > 1)
    assert bool(broken({"limits": {"exclamations": 0}}, subject=text)) == (n > 0)


def test_exclamation_marks_that_nobody_sees_do_not_count() -> None:
    assert broken({"limits": {"exclamations": 0}}, body="<!-- x! --><!doctype html>ok") == []
    assert len(broken({"limits": {"exclamations": 0}}, body="ok&excl;")) == 1


def test_links_lead_only_to_the_domains_that_are_allowed() -> None:
    brand = {"link_domains": ["acme.example"]}
    fine = 'https://acme.example <a href="https://www.acme.example/x">x</a> {{u}} <a href="{{u}}">u</a>'
    assert broken(brand, body=fine) == []
    (violation,) = broken(brand, body="Go to https://acme.example@evil.test/x")
    assert (violation.rule, violation.position) == ("link_domain", 7)
    assert violation.found == "https://acme.example@evil.test"
    assert violation.mend == "a link to one of: acme.example, or below it"
    (violation,) = broken(brand, body="https&#58;//evil.test")
    assert violation.found == "https&#58;//evil.test"
    (violation,) = broken(brand, body="https://{{host}}/")
    assert "a placeholder may fill a whole address" in violation.mend
    (violation,) = broken({"link_domains": []}, body="https://acme.example")
    assert violation.mend.startswith("no link")
    assert broken(brand, body="<!-- https://evil.test -->") == []


def test_a_placeholder_is_no_host_whatever_its_fallback_is() -> None:
    brand = {"link_domains": ["acme.example"]}
    assert len(broken(brand, body="https://{{plan|acme.example}}/")) == 1
    assert len(broken(brand, body="{{plan|https://evil.test}}")) == 1
    assert broken(brand, body="https://acme.example/{{plan|basic}}") == []


def placeholder_mends(text: str) -> list[tuple[int, str, str]]:
    rules = BrandRules(Brand(placeholders=("unsubscribe_url",)), ATTRIBUTES)
    return [(v.position, v.found, v.mend) for v in rules.placeholder_violations("m", {"body": text})]


@pytest.mark.parametrize(
    ("text", "position", "found", "mend"),
    [
        ("Hi {{first_name}}", 4, "{{first_name}}", "a fallback"),
        ("Hi {{first_nam|x}}", 4, "{{first_nam|x}}", '(did you mean "first_name"?)'),
        ("{{age|1}}", 1, "{{age|1}}", "not sensitive"),
        ("a {{}}", 3, "{{}}", "{{name}} or {{name|fallback}}"),
        ("{{plan|x", 1, "{{plan|x", "{{name}} or {{name|fallback}}"),
    ],
)
def test_placeholders_are_declared_and_have_fallbacks(text: str, position: int, found: str, mend: str) -> None:
    ((where, what, how),) = placeholder_mends(text)
    assert (where, what) == (position, found)
    assert mend in how
    assert "age" not in how.replace("language", "")


def test_the_senders_placeholders_need_no_fallback() -> None:
    assert placeholder_mends("{{unsubscribe_url}} {{ unsubscribe_url | x }} {{plan|none}} {{first_name|}}") == []


def test_texts_are_named_by_their_field() -> None:
    message = Message.model_validate({"id": "m", "subject": "s", "fields": {"a.b": "t"}})
    assert texts_of(message) == {"subject": "s", "fields.a.b": "t"}
