import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.strategy.yaml.source import MAX_CHARACTERS, MAX_DEPTH, read_source, shortened


def said(text: str) -> list[str]:
    return [str(finding) for finding in read_source("f.yaml", text).findings]


def plain(written: str) -> object:
    source = read_source("f.yaml", f"key: {written}\n")
    assert source.findings == ()
    return source.value(("key",))


@pytest.mark.parametrize(
    "written", ["no", "off", "yes", "on", "y", "21:00", "2026-12-01", "1_000", "0b1", "1e", "0x", "P7D", "."]
)
def test_yaml_1_1_surprises_stay_text(written: str) -> None:
    assert plain(written) == written


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("true", True),
        ("FALSE", False),
        ("12", 12),
        ("-7", -7),
        ("007", 7),
        ("0o14", 12),
        ("0x1F", 31),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("-.inf", float("-inf")),
        ("'12'", "12"),
        ('"true"', "true"),
    ],
)
def test_core_schema_scalars_are_resolved(written: str, value: object) -> None:
    assert plain(written) == value
    assert type(plain(written)) is type(value)


def test_an_integer_of_thousands_of_digits_is_no_crash() -> None:
    assert plain("9" * 5000) == float("inf")
    assert plain("0x" + "f" * 5000) == float("inf")


def test_every_key_and_value_has_its_place() -> None:
    text = "a: 1  # one\nb:\n  - c: x\n    d: [y, 'z']\n\n# after\n"
    source = read_source("f.yaml", text)
    assert source.data == {"a": 1, "b": [{"c": "x", "d": ["y", "z"]}]}
    assert [(p, s.line, s.column) for p, s in source.keys.items()] == [
        (("a",), 1, 1),
        (("b",), 2, 1),
        (("b", 0, "c"), 3, 5),
        (("b", 0, "d"), 4, 5),
    ]
    written = {path: text[place.start : place.end] for path, place in source.values.items()}
    assert written["b", 0, "d"] == "[y, 'z']"
    assert written["b", 0, "d", 1] == "'z'"
    assert written["b",] == "- c: x\n    d: [y, 'z']"


def test_a_byte_order_mark_and_windows_line_ends_do_not_move_columns() -> None:
    source = read_source("f.yaml", "\ufeffa: 1\r\nb: 2\r\n")
    assert source.data == {"a": 1, "b": 2}
    assert [(place.line, place.column) for place in source.keys.values()] == [(1, 1), (2, 1)]
    assert [source.finding((key,), "").found for key in "ab"] == ["1", "2"]


@pytest.mark.parametrize(
    ("text", "position", "word"),
    [
        ("", "1:1", "keys and values"),
        ("# nothing here\n", "2:1", "keys and values"),
        ("just words", "1:1", "keys and values"),
        ("- a list\n", "1:1", "keys and values"),
        ("a: 1\na: 2\n", "2:1", "each key once (first on line 1)"),
        ("b: {a: 1, a: 2}\n", "1:11", "each key once"),
        ("1: x\n", "1:1", "text as a key"),
        ("true: x\n", "1:1", "text as a key"),
        ("? [a, b]\n: x\n", "1:3", "text as a key"),
        ("a: &x 1\n", "1:4", "anchors"),
        ("a: *x\n", "1:4", "aliases"),
        ("a: !secret 1\n", "1:4", "tags"),
        ("<<: {a: 1}\n", "1:1", "merge keys"),
        ("a: 1\n---\nb: 1\n", "2:1", "one document"),
        ("%YAML 1.1\n---\na: no\n", "2:1", "directive"),
        ("a:\n\tb: 1\n", "2:1", "a tab is not allowed"),
        ("a:\n  b: 1\n \tc: 1\n", "3:2", "a tab is not allowed"),
        ("a: b: c\n", "1:5", "in quotes"),
        ("a: 'b\n", "1:4", "closing quote"),
        ("a: [b\n", "2:1", "closing bracket"),
        ("a: 1\n  b: 2\n", "2:4", "per line"),
        ("a: x\nb\nc: y\n", "2:1", "a colon"),
        ("a: x\nb:y\nc: z\n", "2:1", "a colon"),
        ("a: 1\nb:\xa0x\nc: y\n", "2:1", "no-break space"),
        ("a:\n  - b: x\n  -\xa0b: y\n", "3:3", "no-break space"),
        ("a: #1 in boots\nb: y\n", "1:1", "# begins a comment"),
        ("a: # todo\nb: y\n", "1:1", "a value after it"),
        ("a: @home\n", "1:4", "in quotes"),
        ("a: 1\n\x07\n", "2:1", "letters"),
        ('a: "\\x00"\n', "1:4", "visible"),
        ('a: "\\ud800"\n', "1:4", "visible"),
        ('"\\x01": 1\n', "1:1", "visible"),
        ("a:\nb: 1\n", "1:1", "a value after it"),
        ("a: ~\n", "1:4", "a value after it"),
        ("b: [1, null]\n", "1:8", "a value after it"),
        ("\ud800: 1\n", "1:1", "letters"),
    ],
)
def test_each_mistake_of_yaml_is_one_finding_at_its_place(text: str, position: str, word: str) -> None:
    findings = read_source("f.yaml", text).findings
    assert len(findings) == 1, said(text)
    assert f"{findings[0].line}:{findings[0].column}" == position
    assert word in findings[0].allowed


def test_reading_goes_on_after_duplicates_so_that_all_mistakes_come_at_once() -> None:
    source = read_source("f.yaml", "a: 1\na: {x: 1, x: 2}\nb: &n 2\n3: c\nd: ok\n")
    assert source.data == {"a": 1, "b": 2, "d": "ok"}
    assert [(f.line, f.column, f.key) for f in source.findings] == [
        (2, 1, "a"),
        (2, 11, "the file"),  # inside a value that is dropped
        (3, 4, "b"),
        (4, 1, "3"),
    ]
    assert source.keys["a",].line == 1


def test_depth_is_limited_without_recursion() -> None:
    fits = "a: " + "[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1)
    assert said(fits) == []
    assert "20 levels" in said(fits.replace("[]", "[[]]"))[0]
    for opening in ("[", "{a: ", "- ", "? "):
        assert any("20 levels" in line for line in said("a:\n " + opening * 5_000))


def test_nodes_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("optimizer.strategy.yaml.source.MAX_NODES", 1_000)  # the real limit takes seconds to reach
    assert said("a: [" + "1," * 997 + "]") == []
    assert "at most 1,000 keys and values" in said("a: [" + "1," * 998 + "]")[-1]


def test_size_is_limited_before_anything_is_parsed() -> None:
    started = time.thread_time()
    assert "at most 1,048,576 characters" in said("a" * (MAX_CHARACTERS + 1))[0]
    assert time.thread_time() - started < 1


def test_what_was_found_is_shown_on_one_short_line() -> None:
    assert shortened("a\n   b\tc") == "a b c"
    assert len(shortened("word " * 1000)) <= 60
    assert shortened("x" * 60) == "x" * 60
    assert shortened("x" * 61).endswith("…")


@given(st.text())
def test_any_text_gives_data_or_findings(text: str) -> None:
    source = read_source("f.yaml", text)
    assert isinstance(source.data, dict) or source.findings
    for finding in source.findings:
        assert "\n" not in str(finding)
        assert finding.line >= 1
        assert finding.column >= 1


@given(st.text(alphabet="ab:- []{}'\"#&*!|>%@`?,\n\t\\x0~<."))
def test_any_yaml_punctuation_gives_data_or_findings(text: str) -> None:
    source = read_source("f.yaml", text)
    assert isinstance(source.data, dict) or source.findings
