"""Whatever is written in a scenario's file, reading gives a scenario or findings, never anything else."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.errors import DocumentError
from optimizer.scenarios.reading import checked_scenario

# Words that scenarios are made of, so that mutations reach beyond the parser.
TOKENS = [
    "", " ", "\n", "\n  ", ": ", "- ", "{", "}", "[", "]", ",", "'", '"', "#", "|", "*a", "&a ", "!x ", "<<", "~",
    "null", "true", "-1", "0", "1e999", ".nan", "9" * 400, "P7D", "P1M", "2026-12-01", "scenario", "question", "seed",
    "replications", "../x", "/etc/passwd", "\0", "\t", "\ufeff", "\u2028", "😀", "a" * 300, "%", "{a: b}", "[a]",
]  # fmt: skip
EDITS = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 12), st.sampled_from(TOKENS)), min_size=1, max_size=4)


def reads(text: str, folder: Path) -> None:
    try:
        checked_scenario("scenario.yaml", text, folder)
    except DocumentError as error:
        for finding in error.findings:
            assert finding.found
            assert finding.allowed
            assert "\n" not in str(finding)


@settings(max_examples=60)
@given(edits=EDITS)
def test_a_mutated_scenario_gives_findings_or_is_one(
    small: str, tmp_path: Path, edits: list[tuple[float, int, str]]
) -> None:
    text = small
    for where, n_removed, token in edits:
        at = int(where * len(text))
        text = text[:at] + token + text[at + n_removed :]
    reads(text, tmp_path)


@given(text=st.text())
def test_any_text_gives_findings(tmp_path: Path, text: str) -> None:
    reads(text, tmp_path)
