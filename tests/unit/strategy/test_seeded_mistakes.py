"""Every mistake of a long list is found in a realistic workspace: at its line and key, and with words that help."""

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from optimizer.errors import DocumentError, Finding
from optimizer.strategy.workspace import read_workspace

FOLDER = Path(__file__).parent / "seeded_mistakes"
SOUND = {
    str(path.relative_to(FOLDER)): path.read_text(encoding="utf-8")
    for path in sorted((FOLDER / "strategy.yaml", *(FOLDER / "campaigns").glob("*.yaml")))
}
MISTAKES: list[dict[str, Any]] = YAML(typ="safe", pure=True).load((FOLDER / "mistakes.yaml").read_text("utf-8"))
BY_NAME = {mistake["name"]: mistake for mistake in MISTAKES}

# Far enough apart that none hides another: no syntax errors, no two in one value, none that adds or drops a line.
TOGETHER = (
    "the time zone is a city with a space",
    "a penalty is negative",
    "consent names a channel twice",
    "quiet hours are in am and pm",
    "a contact rule is per week in words",
    "a guardrail metric is per cent",
    "a budget has a decimal comma",
    "a review is every two weeks in words",
    "the holdout is per cent",
    "a campaign serves an objective there is not",
    "a campaign starts on 30 February",
    "a message costs in another currency",
    "a targeting is for a segment there is not",
    "the control is a message there is not",
    "a rule looks at a sensitive attribute",
    "the cap is too small for the variants",
    "pacing is another word",
    "a rollout shrinks",
    "a subject hides a banned phrase behind an invisible character",
    "a placeholder has no fallback",
    "the reason for a proxy is true",
    "a text message lacks its way out",
    "a link is shortened",
)


def changed(texts: Mapping[str, str], mistake: Mapping[str, Any]) -> dict[str, str]:
    text = texts[mistake["document"]]
    assert text.count(mistake["find"]) == 1, f"{mistake['find']!r} must stand in the document exactly once"
    return {**texts, mistake["document"]: text.replace(mistake["find"], mistake["replace"])}


def findings(texts: Mapping[str, str]) -> tuple[Finding, ...]:
    with pytest.raises(DocumentError) as raised:
        read_workspace(texts)
    return raised.value.findings


@cache
def findings_of(name: str) -> tuple[Finding, ...]:
    """Findings of the sound workspace with one mistake."""
    return findings(changed(SOUND, BY_NAME[name]))


def place(mistake: Mapping[str, Any]) -> tuple[str, int, str]:
    return mistake.get("at", mistake["document"]), mistake["line"], mistake["key"]


def test_the_sound_workspace_has_no_mistake() -> None:
    assert set(read_workspace(SOUND).campaigns) == {"winback", "welcome"}


def test_the_list_is_long_and_names_each_mistake_once() -> None:
    assert len(MISTAKES) >= 60
    assert len(BY_NAME) == len(MISTAKES)


@pytest.mark.parametrize("mistake", MISTAKES, ids=[mistake["name"] for mistake in MISTAKES])
def test_a_seeded_mistake_is_found(mistake: Mapping[str, Any]) -> None:
    found = findings_of(mistake["name"])
    assert len(found) == mistake.get("expected", 1), "\n".join(map(str, found))
    assert ("because" in mistake) == ("expected" in mistake)
    (finding,) = [finding for finding in found if mistake["says"] in finding.allowed]
    assert (finding.file, finding.line, finding.key) == place(mistake)


@pytest.mark.parametrize("mistake", MISTAKES, ids=[mistake["name"] for mistake in MISTAKES])
def test_a_finding_is_one_sentence_that_a_marketer_can_read(mistake: Mapping[str, Any]) -> None:
    for finding in findings_of(mistake["name"]):
        assert re.fullmatch(r"[^\n]+:\d+:\d+: [^\n]+: found [^\n]+; allowed [^\n]+", str(finding))
        assert not re.search(r"tuple|dict|string|float|null|regex|pattern|schema|Input|valid|None", finding.allowed)
        assert len(finding.allowed) < 320


def test_many_mistakes_at_once_are_all_found_and_nothing_else() -> None:
    texts = SOUND
    for name in TOGETHER:
        texts = changed(texts, BY_NAME[name])
    found = findings(texts)
    assert {(f.file, f.line, f.key) for f in found} == {place(BY_NAME[name]) for name in TOGETHER}
    assert len(found) == len(TOGETHER)


def test_the_command_says_the_same(tmp_path: Path) -> None:
    mistake = BY_NAME["quiet hours are in am and pm"]
    for file, text in changed(SOUND, mistake).items():
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text(text, encoding="utf-8")
    command = [str(Path(sys.executable).with_name("optimizer")), "check", "--json", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1, done.stderr
    answer = json.loads(done.stdout)
    assert answer["ok"] is False
    (finding,) = answer["findings"]
    file, line, key = place(mistake)
    assert (Path(finding["file"]).name, finding["line"], finding["key"]) == (file, line, key)
    assert mistake["says"] in finding["allowed"]
