"""The guide to the guardrails says what is true: its snippets pass, its findings come, and nothing is left out."""

import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, get_args, get_origin

import pytest
from typer.main import get_command

from optimizer.cli.main import app as commands
from optimizer.domain.reasons import Block, Reason
from optimizer.errors import DocumentError
from optimizer.guardrails.rollout import Requirement
from optimizer.strategy import brand, limits
from optimizer.strategy.fields import Document
from optimizer.strategy.workspace import read_workspace
from optimizer.web.routes.oversight import router as oversight

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "guardrails.md").read_text()

# A snippet names its file in its first line; `refused` says that the findings after it are what one gets.
_SNIPPET = re.compile(r"^( *)```yaml\n *# ([a-z/]+\.yaml)(, refused)?\n(.*?)^ *```\n", re.DOTALL | re.MULTILINE)
_TOP_KEY = re.compile(r"^([a-z_]+):.*\n(?:(?:[ #].*)?\n)*", re.MULTILINE)
_FINDINGS = re.compile(r" *```text\n(.*?)^ *```", re.DOTALL | re.MULTILINE)


def sections() -> dict[str, str]:
    parts = re.split(r"^## ", GUIDE, flags=re.MULTILINE)[1:]
    return {part.partition("\n")[0]: part.partition("\n")[2] for part in parts}


SECTIONS = sections()
FIRST, *OTHERS = SECTIONS


def snippets(section: str, *, refused: bool) -> Iterator[tuple[str, str, int]]:
    """File, text without its indentation, and where the snippet ends."""
    for match in _SNIPPET.finditer(SECTIONS[section]):
        if bool(match[3]) == refused:
            text = "".join(line.removeprefix(match[1]) for line in match[4].splitlines(keepends=True))
            yield match[2], text, match.end()


def laid_over(document: str, snippet: str) -> str:
    """The document with the keys of the snippet instead of its own."""
    before, after = ({key[1]: key[0] for key in _TOP_KEY.finditer(text)} for text in (document, snippet))
    return "".join({**before, **after}.values())


def workspace(*chosen: str) -> dict[str, str]:
    files = {file: text for file, text, _ in snippets(FIRST, refused=False)}
    for section in chosen:
        for file, text, _ in snippets(section, refused=False):
            files[file] = laid_over(files[file], text)
    return files


WITH_SNIPPETS = [section for section in OTHERS if any(snippets(section, refused=False))]
REFUSED = [
    (section, file, text, end) for section in WITH_SNIPPETS for file, text, end in snippets(section, refused=True)
]


def keys_of(module: ModuleType) -> set[str]:
    """Every key people can write in the documents of a module."""
    models = [
        model
        for _, model in inspect.getmembers(module, inspect.isclass)
        if issubclass(model, Document) and model.__module__ == module.__name__
    ]
    return {field.alias or name for model in models for name, field in model.model_fields.items()}


def words_of(annotation: Any) -> set[str]:
    """The words among which a key may choose."""
    if get_origin(annotation) is Literal:
        return {word for word in get_args(annotation) if isinstance(word, str)}
    return set().union(*(words_of(part) for part in get_args(annotation)))


def is_said(word: str) -> bool:
    """Whether the guide writes a word as code: a key of a snippet, or in backticks."""
    yaml = "\n".join(match[4] for match in _SNIPPET.finditer(GUIDE))
    return bool(re.search(rf"(?<![\w.]){word}:", yaml) or re.search(rf"`(?:[^`\n]*\W)?{word}(?:\W[^`\n]*)?`", GUIDE))


def test_every_yaml_block_names_its_file() -> None:
    assert len(_SNIPPET.findall(GUIDE)) == GUIDE.count("```yaml") >= 20


@pytest.mark.parametrize("section", [FIRST, *WITH_SNIPPETS])
def test_the_snippets_of_a_section_pass_the_check(section: str) -> None:
    assert read_workspace(workspace(section)).campaigns


def test_all_snippets_together_pass_the_check() -> None:
    assert read_workspace(workspace(*WITH_SNIPPETS)).campaigns


@pytest.mark.parametrize(("section", "file", "text", "end"), REFUSED, ids=[section for section, *_ in REFUSED])
def test_what_is_shown_as_refused_is_refused_in_these_words(section: str, file: str, text: str, end: int) -> None:
    files = workspace(section)
    files[file] = laid_over(files[file], text)
    shown = _FINDINGS.search(SECTIONS[section], end)
    assert shown is not None
    with pytest.raises(DocumentError) as refused:
        read_workspace(files)
    found = [f"{one.key}: found {one.found}; allowed {one.allowed}" for one in refused.value.findings]
    assert found == [line.strip() for line in shown[1].splitlines()]


def test_a_proxy_without_a_reason_is_refused_in_the_words_shown() -> None:
    files = workspace("Objectives, proxies and penalties")
    campaign = files["campaigns/winback.yaml"]
    files["campaigns/winback.yaml"] = re.sub(r"^accept_proxy:.*\n", "", campaign, flags=re.MULTILINE)
    with pytest.raises(DocumentError) as refused:
        read_workspace(files)
    (one,) = refused.value.findings
    assert f"{one.key}: found {one.found}; allowed {one.allowed}\n" in GUIDE


@pytest.mark.parametrize("code", sorted({*(block.value for block in Block), *(reason.value for reason in Reason)}))
def test_every_rule_and_reason_is_in_the_table(code: str) -> None:
    assert f"`{code}`" in SECTIONS["All of it in one table"]


@pytest.mark.parametrize("key", sorted(keys_of(limits) | keys_of(brand)))
def test_every_key_of_the_guardrails_is_in_the_guide(key: str) -> None:
    assert is_said(key)


@pytest.mark.parametrize(
    "word",
    sorted(
        {requirement.value for requirement in Requirement}.union(
            *(
                words_of(field.annotation)
                for _, model in inspect.getmembers(limits, inspect.isclass)
                if issubclass(model, Document)
                for field in model.model_fields.values()
            )
        )
    ),
)
def test_every_word_a_guardrail_can_be_set_to_is_in_the_guide(word: str) -> None:
    assert is_said(word) or re.search(rf": {word}\b", "\n".join(match[4] for match in _SNIPPET.finditer(GUIDE)))


def test_every_command_in_the_guide_exists_and_every_one_that_steers_is_in_it() -> None:
    known = set(get_command(commands).commands)  # type: ignore[attr-defined]
    used = set(re.findall(r"\boptimizer ([a-z]+(?:-[a-z]+)*)\b", GUIDE))
    assert used <= known
    steering = {"pause", "resume", "stop", "pin", "unpin", "advance", "release", "roll-back", "acknowledge", "review"}
    assert steering | {"plan", "apply", "approve", "audit", "suppress", "unsuppress"} <= used


def test_every_steering_route_has_a_command_of_its_name_in_the_guide() -> None:
    paths = [getattr(route, "path", "") for route in oversight.routes]
    for name in {path.rpartition("/")[2] for path in paths if path.startswith("/v1/campaigns/")} - {"controls"}:
        assert f"`optimizer {name} " in GUIDE
    for path in ("/v1/suppressions/{recipient}", "/v1/audit", "/v1/campaigns/{campaign_id}/controls"):
        assert path in paths
        assert path in GUIDE


def test_what_is_shown_as_an_answer_is_json() -> None:
    blocks = re.findall(r"^ *```json\n(.*?)^ *```", GUIDE, re.DOTALL | re.MULTILINE)
    assert len(blocks) >= 7
    decoder = json.JSONDecoder()
    for block in blocks:
        rest = block.strip()
        while rest:
            _, end = decoder.raw_decode(rest)
            rest = rest[end:].strip()


@pytest.mark.parametrize("study", ["guardrail_false_alarms", "priced_budget"])
def test_the_numbers_quoted_from_studies_are_in_their_readmes(study: str) -> None:
    readme = (ROOT / "simulations" / study / "README.md").read_text()
    quoted = {
        "guardrail_false_alarms": [
            *re.findall(r"^\| (?:half|0\.8|exactly).* \|$", GUIDE, re.MULTILINE),
            "| 0.5 % | 2 times | 500 (1,600) | 700 (2,100) |",
        ],
        "priced_budget": ["+111 % ± 3", "+15 % ± 2"],
    }[study]
    assert len(quoted) >= 2
    for number in quoted:
        assert number in readme


@pytest.mark.parametrize("path", re.findall(r"\]\((?!http)([^)#]+)\)", GUIDE))
def test_every_link_of_the_guide_leads_somewhere(path: str) -> None:
    assert (ROOT / "docs" / path).exists()
