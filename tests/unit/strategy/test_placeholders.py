import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.strategy.texts.markup import Traced
from optimizer.strategy.texts.placeholders import filled, placeholders, slots, without_placeholders


@pytest.mark.parametrize(
    ("text", "name", "fallback"),
    [
        ("{{first_name}}", "first_name", None),
        ("{{ first_name }}", "first_name", None),
        ("{{first_name|there}}", "first_name", "there"),
        ("{{ first_name | dear friend }}", "first_name", "dear friend"),
        ("{{first_name|}}", "first_name", ""),
        ("{{Shop.Name-2}}", "Shop.Name-2", None),
    ],
)
def test_a_placeholder_has_a_name_and_maybe_a_fallback(text: str, name: str, fallback: str | None) -> None:
    (placeholder,) = placeholders(f"Hi {text}!")
    assert (placeholder.name, placeholder.fallback) == (name, fallback)
    assert (placeholder.start, placeholder.end) == (3, 3 + len(text))


@pytest.mark.parametrize(
    ("text", "malformed"),
    [
        ("Hi {{first_name, you", "{{first_name, you"),
        ("Hi {{}} you", "{{}}"),
        ("Hi {{ }}", "{{ }}"),
        ("Hi {first_name}} you", "{first_name}}"),
        ("Hi {{first_name} you", "{{first_name}"),
        ("Hi {{{first_name}}} you", "{{{first_name}}}"),
        ("Hi {{first name}}", "{{first name}}"),
        ("Hi {{#if x}}", "{{#if x}}"),
        ("Hi }} you", " }}"),
    ],
)
def test_two_braces_that_are_no_placeholder_are_malformed(text: str, malformed: str) -> None:
    (placeholder,) = placeholders(text)
    assert placeholder.name == ""
    assert text[placeholder.start : placeholder.end].strip() in (malformed, malformed.strip(), f"Hi{malformed}")


@pytest.mark.parametrize("text", ["", "a {b} c", "<style>@media{a{b:c}}</style>", "<!-- {{x -->"])
def test_other_braces_are_none(text: str) -> None:
    assert list(placeholders(text)) == []


def test_all_of_several_are_found_in_order() -> None:
    text = "{{a}}{{b|}} {{c {{d}}"
    assert [p.name for p in placeholders(text)] == ["a", "b", "", "d"]
    assert [p.name for p in slots("<style>{{x}}</style>" + text)] == ["x", "a", "b", "d"]


def test_values_and_fallbacks_fill_placeholders_and_others_stay() -> None:
    text = Traced.of("Hi {{ name | there }}, {{plan}} {{url}}")
    values = {"name": "", "plan": "Gold"}
    done = filled(text, lambda name, fallback: values[name] or fallback if name in values else None)
    assert done.text == "Hi there, Gold {{url}}"
    assert done.extent(3, 8) == (3, 21)
    assert done.extent(4, 5) == (3, 21)


def test_a_value_is_filled_in_once() -> None:
    assert filled(Traced.of("{{a}}"), lambda *_: "{{a}}").text == "{{a}}"


def test_the_name_of_a_placeholder_is_not_read() -> None:
    assert without_placeholders(Traced.of("a {{free_gift|free}} b")).text == "a   b"


@given(st.text(alphabet="{}|ab ._-\n<!>"))
def test_any_braces_have_placeholders_within_the_text(text: str) -> None:
    ends = 0
    for placeholder in placeholders(text):
        assert ends <= placeholder.start < placeholder.end <= len(text)
        ends = placeholder.end
