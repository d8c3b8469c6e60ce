"""Documents are changed where the change is, and nowhere else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import optimizer
from optimizer.domain.proposals import Edit
from optimizer.errors import Conflict
from optimizer.strategy.versions.editing import edited, held, unified_diff
from optimizer.strategy.workspace import STRATEGY_FILE, read_workspace
from optimizer.strategy.yaml.source import Source, read_source

PACKAGE = Path(optimizer.__file__).parent
WINBACK = (PACKAGE / "cli/starter/campaigns/winback.yaml").read_text("utf-8")
STARTER = {
    STRATEGY_FILE: (PACKAGE / "cli/starter/strategy.yaml").read_text("utf-8"),
    "campaigns/winback.yaml": WINBACK,
}
DEMO = {
    path.relative_to(PACKAGE / "demo/workspace").as_posix(): path.read_text("utf-8")
    for path in sorted((PACKAGE / "demo/workspace").rglob("*.yaml"))
}
# Things people write that a YAML library would write another way.
ODD = """\
# a campaign with a hand of its own
campaign:   odd       # three blanks
serves:     'visits'
channel: email


messages:
- id: one   # no indentation
  subject:   "double"
  fields: { send : "no" , slot: '8' }
- { id: two, subject: 'it''s me', body: "a\\tb" }
-   id: three
    body: |
      Dear customer,

        indented
    # about the retired one
    retired: true
segments:
  # the first

  # belongs to rich
  - id: rich
    when:

      value: {at_least: 500}
      country: { in: [ US, CA, ] }
policy: {}
why: >-
  folded
  text
"""


def documents() -> Iterator[tuple[str, str]]:
    root = Path(__file__).parents[3]
    for files in (STARTER, DEMO):
        yield from files.items()
    for path in sorted((root / "simulations").rglob("*.yaml"))[::5]:
        yield path.name, path.read_text("utf-8")
    yield "campaigns/odd.yaml", ODD
    yield "campaigns/odd.yaml", ODD.replace("\n", "\r\n")
    yield "campaigns/odd.yaml", ODD.rstrip()


EVENING = '  - {id: evening, fields: {slot: "17:00-20:00"}, only_segments: [lapsed-loyal]'
DOCUMENTS = [text for _, text in documents()]


def of(text: str, edit: Edit) -> str:
    """One document after an edit, taken for the strategy whatever it is."""
    return edited({STRATEGY_FILE: text}, [edit])[STRATEGY_FILE]


def edit(op: Any, *path: str, value: Any = None) -> Edit:
    return Edit("", path, op, value)


# ------------------------------------------------------------ by example


def changed_lines(before: str, after: str) -> list[str]:
    return [
        line
        for line in unified_diff({"f": before}, {"f": after}).splitlines()
        if line[:1] in "+-" and line[:3] not in {"+++", "---"}
    ]


@pytest.mark.parametrize(
    ("change", "lines"),
    [
        (edit("set", "messages", "ten-percent", "retired", value=True), ["+    retired: true"]),
        (
            edit("set", "budget", "total", value="300 USD"),
            [
                '-budget: {total: "200 USD", per: month, pacing: even}',
                '+budget: {total: "300 USD", per: month, pacing: even}',
            ],
        ),
        (
            edit("set", "targetings", "evening", "retired", value=True),
            [
                f"-{EVENING}}} # the others: mornings only",
                f"+{EVENING}, retired: true}} # the others: mornings only",
            ],
        ),
        (
            edit("insert_before", "segments", "lapsed", value={"id": "young", "when": {"age": {"at_most": 25}}}),
            ["+  - id: young", "+    when: {age: {at_most: 25}}"],
        ),
        (
            edit("append", "messages", value={"id": "draft", "subject": "Say: # what?", "body": "one\ntwo"}),
            ["+  - id: draft", '+    subject: "Say: # what?"', '+    body: "one\\ntwo"'],
        ),
        (
            edit("remove", "segments", "lapsed-loyal", "why"),
            ["-    why: They spent a lot before they left"],
        ),
        (
            edit("remove", "segments", "lapsed"),
            ["-  - id: lapsed", "-    when: {days_since_purchase: {at_least: 90}, country: {in: [US, CA]}}"],
        ),
        (
            edit("set", "policy", "half_life", value="P7D"),
            [
                "-policy: {floor: 0.03, cap: 0.9} # no variant below 3 % or above 90 % of its segment",
                "+policy: {floor: 0.03, cap: 0.9, half_life: P7D} # no variant below 3 % or above 90 % of its segment",
            ],
        ),
    ],
    ids=lambda value: f"{value.op} {'/'.join(value.path)}" if isinstance(value, Edit) else "",
)
def test_the_starters_campaign_differs_in_the_lines_the_change_is_about(change: Edit, lines: list[str]) -> None:
    assert changed_lines(WINBACK, of(WINBACK, change)) == lines


@pytest.mark.parametrize(
    ("change", "lines"),
    [
        (edit("set", "serves", value="sales"), ["-serves:     'visits'", "+serves:     'sales'"]),
        (edit("set", "why", value="short"), ["-why: >-", "-  folded", "-  text", "+why: short"]),
        (edit("remove", "messages", "three", "body"),
         ["-    body: |", "-      Dear customer,", "-", "-        indented"]),
        (edit("remove", "messages", "one", "id"),
         ["-- id: one   # no indentation", '-  subject:   "double"', '+- subject:   "double"']),
        (edit("remove", "segments", "rich", "when", "country", "in", "US"),
         ["-      country: { in: [ US, CA, ] }", "+      country: { in: [ CA, ] }"]),
        (edit("set", "policy", "floor", value=0.1), ["-policy: {}", "+policy: {floor: 0.1}"]),
        (edit("set", "budget", "total", value="1 USD"), ['+budget: {total: "1 USD"}']),
        (edit("append", "rollout", value={"share": 0.5}), ["+rollout: [{share: 0.5}]"]),
        (edit("insert_before", "segments", "rich", value={"id": "new"}), ["+  - id: new"]),
        (edit("append", "messages", "three", "body", value=1), Conflict),
        (edit("set", "messages", "gone", "retired", value=True), Conflict),
        (edit("remove", "budget"), Conflict),
        (edit("insert_before", "messages", "gone", value={}), Conflict),
        (edit("set", "why", "deeper", value=1), Conflict),
        (edit("set", "why", value=None), Conflict),
        (edit("set", "why", value="bell \x07"), Conflict),
    ],
    ids=lambda value: f"{value.op} {'/'.join(value.path)} {value.value}" if isinstance(value, Edit) else "",
)  # fmt: skip
def test_a_hand_of_its_own_is_kept(change: Edit, lines: Any) -> None:
    if lines is Conflict:
        with pytest.raises(Conflict, match=r"found .*; allowed"):
            of(ODD, change)
    else:
        assert changed_lines(ODD, of(ODD, change)) == lines


def test_an_element_put_before_another_leaves_its_comment_with_it() -> None:
    after = of(ODD, edit("insert_before", "segments", "rich", value={"id": "new"}))
    assert "  # the first\n\n  - id: new\n  # belongs to rich\n  - id: rich\n" in after


def test_an_element_without_an_id_is_named_by_its_number() -> None:
    text = "rules:\n  - {at_most: 3, per: P7D}\n  - {at_most: 1, per: P1D}\n"
    assert of(text, edit("set", "rules", "1", "at_most", value=2)) == text.replace("at_most: 1", "at_most: 2")
    with pytest.raises(Conflict, match=r"rules\.2"):
        of(text, edit("remove", "rules", "2"))


def test_a_file_whose_last_line_does_not_end_gets_a_line_all_the_same() -> None:
    assert of("a: 1", edit("set", "b", value="2")) == 'a: 1\nb: "2"'
    assert unified_diff({"f": "a: 1"}, {"f": "a: 2"}).count("\\ No newline at end of file\n") == 2


def test_edits_are_made_one_after_the_other_in_the_documents_they_name() -> None:
    after = edited(
        STARTER,
        [
            Edit("winback", ("segments", "lapsed"), "remove"),
            Edit("winback", ("expects", "segments", "lapsed"), "remove"),
            Edit("winback", ("segments",), "append", {"id": "others", "when": {"country": "US"}}),
            Edit("", ("holdout", "share"), "set", 0.08),
        ],
    )
    workspace = read_workspace(after)
    assert [segment.id for segment in workspace.campaigns["winback"].segments or ()] == ["lapsed-loyal", "others"]
    assert workspace.strategy.holdout.share == 0.08
    with pytest.raises(Conflict, match="found no campaign 'gone'"):
        edited(STARTER, [Edit("gone", ("why",), "remove")])


def test_what_documents_say_at_the_place_of_an_edit() -> None:
    assert held(STARTER, Edit("winback", ("policy", "floor"), "set", 1)) == 0.03
    assert held(STARTER, Edit("winback", ("policy", "nothing"), "remove")) is None
    assert held(STARTER, Edit("winback", ("messages",), "append", {"id": "we-miss-you"}))["id"] == "we-miss-you"
    assert held(STARTER, Edit("winback", ("segments", "lapsed"), "insert_before", {"id": "new"})) is None
    assert held(STARTER, Edit("gone", ("policy", "floor"), "set", 1)) is None


def test_a_difference_names_files_that_come_and_go() -> None:
    assert unified_diff({"a": "1\n"}, {"b": "2\n"}) == (
        "--- a\n+++ /dev/null\n@@ -1 +0,0 @@\n-1\n--- /dev/null\n+++ b\n@@ -0,0 +1 @@\n+2\n"
    )


@pytest.mark.parametrize(
    "text", ["\u202eexe.gnp", "a\u2028b", "a\x85b", "\ufeffa", "zero\u200bwidth", "soft\xadhyphen"]
)
def test_what_a_screen_would_not_show_is_written_so_that_it_does(text: str) -> None:
    after = of(ODD, edit("set", "channel", value=text))
    assert all(character.isprintable() or character == "\n" for character in after)
    assert read_source(STRATEGY_FILE, after).value(("channel",)) == text


# ------------------------------------------------------------ by chance

HOSTILE = st.sampled_from(
    (
        *("no", "yes", "~", "null", "1e3", "0x1F", "-", "- a", "a: b", "a #b", "#", "'", '"', "{{x}}", "[", "]", ","),
        *(
            "|",
            ">",
            "%a",
            "@a",
            "`",
            "!!str x",
            "&a",
            "*a",
            "? a",
            ": ",
            " lead",
            "trail ",
            "a\nb",
            "\t",
            "\\",
            "é ☃ 😀",
        ),
        *(
            "<script>alert(1)</script>",
            "---",
            "...",
            "a, b}",
            "true",
            ".inf",
            "21:00",
            "\u202eabc",
            "=",
            "<<",
            "a\r\nb",
        ),
        *("2026-12-01", "\x85", "\u2028", "\ufeff"),
    )
)
TEXTS = st.one_of(HOSTILE, st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), max_size=20))
SCALARS = st.one_of(TEXTS, st.booleans(), st.integers(-(10**15), 10**15), st.floats(-1e9, 1e9))
KEYS = TEXTS.filter(lambda text: text.strip() != "" and text not in {"id", "campaign"})
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3)),
    max_leaves=6,
)


@cache
def read(text: str) -> Source:
    return read_source(STRATEGY_FILE, text)


def named(source: Source, path: tuple[str | int, ...]) -> tuple[str, ...] | None:
    """The path as an edit names it; None where that would name something else."""
    keys: list[str] = []
    for depth, step in enumerate(path):
        siblings = source.value(path[:depth])
        if isinstance(step, int):
            assert isinstance(siblings, list)
            item = siblings[step]
            key = item.get("id") if isinstance(item, dict) else item
            ids = [other.get("id") if isinstance(other, dict) else other for other in siblings]
            if not isinstance(key, str):
                if any(id_ is not None for id_ in ids):
                    return None
                key = str(step)
            elif ids.index(key) != step:
                return None
            keys.append(key)
        else:
            keys.append(step)
    return tuple(keys)


@st.composite
def edits(draw: Any) -> tuple[str, tuple[str | int, ...], Edit]:
    text = draw(st.sampled_from(DOCUMENTS))
    source = read(text)
    path = draw(st.sampled_from([path for path in source.values if path and named(source, path)]))
    keys = named(source, path)
    assert keys is not None
    kinds = ["set", "remove"]
    if isinstance(source.value(path), list):
        kinds.append("append")
    if isinstance(path[-1], int):
        kinds.append("insert_before")
    return text, path, Edit("", keys, draw(st.sampled_from(kinds)), draw(VALUES))


def meant(source: Source, path: tuple[str | int, ...], change: Edit) -> Any:
    data = json.loads(json.dumps(source.data))
    at = data
    for step in path[:-1]:
        at = at[step]
    last: Any = path[-1]
    if change.op == "set":
        at[last] = change.value
    elif change.op == "append":
        at[last].append(change.value)
    elif change.op == "remove":
        del at[last]
    else:
        at.insert(last, change.value)
    return data


@given(edits())
def test_what_is_written_reads_as_what_was_meant(made: tuple[str, tuple[str | int, ...], Edit]) -> None:
    text, path, change = made
    try:
        after = of(text, change)
    except Conflict:
        assert change.op == "remove" or not json.dumps(change.value).isascii() or "\\" in json.dumps(change.value)
        return
    written = read_source(STRATEGY_FILE, after)
    assert not written.findings
    assert written.data == meant(read(text), path, change)


def lines_of(text: str, start: int, end: int) -> tuple[int, int]:
    """First and last line of an extent, counted from 0."""
    return text.count("\n", 0, start), text.count("\n", 0, start + len(text[start:end].rstrip()))


@given(edits())
def test_lines_that_a_change_is_not_about_stay_as_they_are(made: tuple[str, tuple[str | int, ...], Edit]) -> None:
    text, path, change = made
    try:
        after = of(text, change)
    except Conflict:
        return
    old, new = text.split("\n"), after.split("\n")
    first = next(
        (n for n, pair in enumerate(zip(old, new, strict=False)) if pair[0] != pair[1]), min(len(old), len(new))
    )
    last = 0
    while last < min(len(old), len(new)) - first and old[-1 - last] == new[-1 - last]:
        last += 1
    touched = set(range(first, len(old) - last))
    source = read(text)
    at = path if change.op in {"set", "append"} else path[:-1] if change.op == "insert_before" else path
    around = source.values[at[:-1]]
    begins, ends = lines_of(
        text, source.keys[at].start if at in source.keys else source.values[at].start, source.values[at].end
    )
    if change.op == "remove":  # the last of its kind leaves an empty one; a first key, its dash to the one after it
        begins = min(begins, lines_of(text, around.start, around.end)[0] - 1)
        ends = max(ends, lines_of(text, around.start, around.end)[1])
        assert len(new) <= len(old)
    assert touched <= set(range(begins, ends + 1))


@given(TEXTS)
def test_a_text_of_any_kind_is_read_back_or_refused(text: str) -> None:
    for path in (("serves",), ("messages", "one", "subject"), ("messages", "two", "subject"), ("new",)):
        try:
            after = of(ODD, edit("set", *path, value=text))
        except Conflict:
            assert not text.isprintable()
            continue
        found = read_source(STRATEGY_FILE, after).data
        for key in path:
            found = next(i for i in found if i["id"] == key) if isinstance(found, list) else found[key]  # type: ignore[index]
        assert found == text
