"""Whatever is written, reading gives a workspace or findings, never anything else."""

import json
from collections.abc import Callable
from resource import RUSAGE_SELF, getrusage
from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.errors import DocumentError, Finding
from optimizer.strategy.workspace import Workspace, read_workspace

pytestmark = pytest.mark.slow

# Words that documents are made of, so that mutations reach beyond the parser.
TOKENS = [
    "", " ", "\n", "\n  ", ": ", "- ", "{", "}", "[", "]", ",", "'", '"', "#", "|", "*a", "&a ", "!x ", "<<", "~",
    "null", "true", "-1", "0", "1e999", ".nan", "9" * 400, "P7D", "P1M", "2026-12-01", "9999-12-31",
    "0001-01-01T00:00:00Z", "id", "message", "type", "values", "number", "category", "is", "in", "when", "at_least",
    "<category>", "[key]", "nothing", "everyone-else", "\u2028", "\x85", "\ufeff", "😀", "a" * 300, "../x", "%",
    "{a: b}", "[a]", "model", "share",
]  # fmt: skip
JARGON = ("Input should", "validation", "pydantic", "Traceback", "tuple", "dict", "Field", "another value")


def findings(strategy: str, campaign: str) -> tuple[Finding, ...]:
    try:
        workspace = read_workspace({"strategy.yaml": strategy, "campaigns/a.yaml": campaign})
    except DocumentError as error:
        return error.findings
    assert isinstance(workspace, Workspace)
    return ()


def outcome(strategy: str, campaign: str) -> None:
    for finding in findings(strategy, campaign):
        text = strategy if finding.file == "strategy.yaml" else campaign
        assert 1 <= finding.line <= len(text.splitlines()) + 1
        assert finding.column >= 1
        assert 1 <= len(finding.found) <= 160
        assert "\n" not in str(finding)
        assert not any(word in finding.allowed for word in JARGON), finding.allowed


@st.composite
def mutations(draw: st.DrawFn) -> Callable[[str], str]:
    edits = draw(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 12), st.sampled_from(TOKENS)), max_size=4))

    def mutate(text: str) -> str:
        for where, n_removed, token in edits:
            at = int(where * len(text))
            text = text[:at] + token + text[at + n_removed :]
        return text

    return mutate


@settings(max_examples=300, deadline=None)
@given(mutations(), mutations())
def test_mutated_documents_give_a_workspace_or_findings(
    strategy_text: str,
    campaign_text: str,
    mutate: Callable[[str], str],
    mutate_too: Callable[[str], str],
) -> None:
    outcome(mutate(strategy_text), mutate_too(campaign_text))


@st.composite
def replaced_scalars(draw: st.DrawFn) -> Callable[[str], str]:
    token, index = draw(st.sampled_from(TOKENS)), draw(st.integers(0, 60))

    def replace(text: str) -> str:
        places = [at for at, character in enumerate(text) if text[at : at + 2] == ": "]
        at = places[index % len(places)] + 2
        stop = min(end for end in (text.find(c, at) for c in ",}\n") if end > 0)
        return text[:at] + token + text[stop:]

    return replace


@settings(max_examples=300, deadline=None)
@given(replaced_scalars(), replaced_scalars())
def test_any_value_in_any_place_gives_a_workspace_or_findings(
    strategy_text: str, campaign_text: str, replace: Callable[[str], str], replace_too: Callable[[str], str]
) -> None:
    outcome(replace(strategy_text), replace_too(campaign_text))


@given(st.text(), st.text())
def test_arbitrary_texts_give_findings(strategy: str, campaign: str) -> None:
    outcome(strategy, campaign)


KEYS = ["id", "type", "in", "is", "values", "message", "a", "<nothing>"]
JSONS = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats() | st.text(max_size=5) | st.sampled_from(TOKENS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(["objectives", "attributes", "holdout", "policy_defaults", "time_zone", "approval"]),
    st.sampled_from(["messages", "targetings", "segments", "control", "policy", "starts", "everyone_else"]),
    JSONS,
    JSONS,
)
def test_any_structure_in_any_section_gives_a_workspace_or_findings(
    strategy_text: str, campaign_text: str, section: str, part: str, one: object, other: object
) -> None:
    def with_section(text: str, key: str, value: object) -> str:
        lines = text.split("\n")
        start = next(n for n, line in enumerate(lines) if line.startswith(f"{key}:"))
        stop = next(n for n in range(start + 1, len(lines)) if not lines[n].startswith(" "))
        return "\n".join([*lines[:start], f"{key}: {as_yaml(value)}", *lines[stop:]])

    outcome(with_section(strategy_text, section, one), with_section(campaign_text, part, other))


def as_yaml(value: object) -> str:
    return json.dumps(value, ensure_ascii=True).replace("NaN", ".nan").replace("Infinity", ".inf")


# Texts that cost more to read than they say. None of them may take seconds, or more than some megabytes.
COSTLY = {
    "aliases of aliases": "a: &a [x, x, x, x, x, x, x, x, x]\n"
    + "".join(f"{chr(98 + n)}: &{chr(98 + n)} [{','.join(['*' + chr(97 + n)] * 9)}]\n" for n in range(9)),
    "an alias of itself": "a: &a {b: *a}",
    "lists in lists": "a: " + "[" * 50_000 + "]" * 50_000,
    "mappings in mappings": "{a: " * 20_000,
    "lists in lists on one line": "- " * 20_000,
    "keys in keys": "? " * 20_000,
    "many keys": "\n".join(f"k{n}: 1" for n in range(40_000)),
    "one key many times": "a: 1\n" * 40_000,
    "many anchors": "\n".join(f"k{n}: &a{n} x" for n in range(20_000)),
    "many aliases": "\n".join(f"k{n}: *a" for n in range(20_000)),
    "many merges": "<<: [*a, *a]\n" * 10_000,
    "a long list": "segments: [" + "{id: a}, " * 20_000 + "]",
    "a huge number": "a: " + "9" * 100_000,
    "a huge exponent": "holdout: {share: 1e999999999}",
    "sixties of sixties": "a: 1:" + "59:" * 20_000 + "1",
    "a quote that is not closed": "a: '" + "x\n" * 50_000,
    "an escape that is none": 'a: "\\UFFFFFFFF"',
    "many escapes": 'a: "' + "\\x41" * 40_000,
    "many documents": "---\n" * 50_000,
    "many directives": "%YAML 1.1\n" * 1_000,
    "a tag that runs code": "!!python/object/apply:os.system ['id']",
    "a byte order mark": "\ufeffstrategy: a",
    "NUL": "strategy: a\0",
    "tabs": "strategy:\t\ta\n\t- b",
    "nothing but braces": "{" * 190_000,
    "nothing but stars": "*" * 100_000,
    "nothing but line breaks": "\n" * 190_000,
    "half a surrogate pair": "a: \ud800",
    "more than a file may hold": "a" * 2_000_000,
}
MOST_SECONDS = 5.0  # of a processor that others use too; a second or two where nobody does
MOST_KILOBYTES = 200 * 2**10


@pytest.mark.slow
@pytest.mark.parametrize("text", COSTLY.values(), ids=COSTLY)
def test_no_text_takes_long_or_much(strategy_text: str, campaign_text: str, text: str) -> None:
    for strategy, campaign in ((text, campaign_text), (strategy_text, campaign_text + text)):
        before, peak = process_time(), getrusage(RUSAGE_SELF).ru_maxrss
        assert len(findings(strategy, campaign)) <= 3_000
        assert process_time() - before < MOST_SECONDS
        assert getrusage(RUSAGE_SELF).ru_maxrss - peak < MOST_KILOBYTES
