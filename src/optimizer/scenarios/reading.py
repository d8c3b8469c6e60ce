"""A scenario file, read with everything it names: either all of it can be used, or every mistake is reported."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from optimizer.errors import DocumentError, Finding, InvalidRequest
from optimizer.scenarios.documents import AS_WRITTEN, Scenario
from optimizer.scenarios.references import case_findings, scenario_findings
from optimizer.scenarios.texts import text_of, workspace_texts
from optimizer.strategy.documents import Campaign, Strategy
from optimizer.strategy.findings.policy import MODEL_KEYS
from optimizer.strategy.wording import one_of
from optimizer.strategy.workspace import STRATEGY_FILE, Workspace, checked_workspace, read_document
from optimizer.strategy.yaml.source import Path as Key
from optimizer.strategy.yaml.source import Place, Source, dotted, read_source

SCENARIOS = frozenset({".yaml", ".yml"})  # endings of scenario files; any other file is a log
_SENTENCE = re.compile(r"(?P<place>.*?)(?:^|: )found (?P<found>.*); allowed (?P<allowed>.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Guardrails:
    """Documents under which policies are compared: those written, or those with some keys changed."""

    name: str
    strategy: Strategy
    campaign: Campaign


@dataclass(frozen=True, slots=True)
class ScenarioRead:
    """A scenario that can be run.

    Attributes:
        document: what was written.
        source: the same with places.
        folder: of its file; paths in it start there.
        guardrails: documents to compare policies under, first those as written; empty without a campaign.
        digest: 64 hex digits over what the scenario and its documents say.
    """

    document: Scenario
    source: Source
    folder: Path
    guardrails: tuple[Guardrails, ...]
    digest: str

    @property
    def written(self) -> Guardrails | None:
        """The documents as written; None without a campaign."""
        return self.guardrails[0] if self.guardrails else None

    def mistake(self, path: Key, allowed: str, found: str | None = None) -> DocumentError:
        """The error of something that only came out while it ran, placed in the scenario."""
        return DocumentError([self.source.finding(path, allowed, found=found)])

    @contextmanager
    def at(self, path: Key) -> Iterator[None]:
        """Within, what the pure core does not allow is a mistake at this path.

        Raises:
            DocumentError: in place of a `ValueError`, or of an `InvalidRequest` whose pointers are keys.
        """
        try:
            yield
        except InvalidRequest as error:
            raise DocumentError(
                [self._finding(one.pointer, one.found, one.allowed) for one in error.findings]
            ) from None
        except ValueError as error:
            said = _SENTENCE.match(str(error))
            if said is None:
                raise
            found, allowed = said["found"], said["allowed"]
            raise self.mistake(path, allowed, f"{found} ({said['place']})" if said["place"] else found) from None

    def _finding(self, pointer: str, found: str, allowed: str) -> Finding:
        known = [path for path in self.source.values if path and pointer.startswith(dotted(path))]
        return self.source.finding(max(known, key=len, default=()), allowed, found=found)

    def changed(self, *, seed: int | None = None, replications: int | None = None) -> ScenarioRead:
        """The same with another seed or number of replications, where one is given."""
        said = {"seed": seed, "replications": replications}
        update = {key: value for key, value in said.items() if value is not None}
        if not update:
            return self
        digest = hashlib.sha256(f"{self.digest} {sorted(update.items())}".encode()).hexdigest()
        return replace(self, document=self.document.model_copy(update=update), digest=digest)


def read_scenario(path: Path) -> ScenarioRead:
    """Read and check a scenario and the documents it names.

    Raises:
        DocumentError: with every finding.
    """
    return checked_scenario(str(path), text_of(path, str(path)), path.parent)


def checked_scenario(file: str, text: str, folder: Path) -> ScenarioRead:
    """The scenario of a text.

    Args:
        file: what its author calls it.
        text: YAML.
        folder: where the paths in it start.

    Raises:
        DocumentError: with every finding.
    """
    source = read_source(file, text)
    findings = list(source.findings)
    if source.data is None:
        raise DocumentError(findings)
    document = read_document(Scenario, source, findings)
    sources = _written_documents(source, folder, findings)
    workspace = _workspace(sources, findings)
    campaign_id = _campaign_id(source, workspace, findings)
    guardrails: list[Guardrails] = []
    if workspace is not None and campaign_id is not None:
        guardrails.append(Guardrails(AS_WRITTEN, workspace.strategy, workspace.campaigns[campaign_id]))
        guardrails += _changed_guardrails(source, sources, guardrails[0].campaign, findings)
        findings += _policy_findings(source, sources, campaign_id)
    if document is not None:
        written = guardrails[0] if guardrails else None
        strategy, campaign = (written.strategy, written.campaign) if written else (None, None)
        findings += scenario_findings(source, document, strategy, campaign)
    if findings or document is None:
        raise DocumentError(sorted(set(findings)))
    said = json.dumps(source.data, sort_keys=True, ensure_ascii=False) + (workspace.digest if workspace else "")
    return ScenarioRead(document, source, folder, tuple(guardrails), hashlib.sha256(said.encode()).hexdigest())


def part(source: Source, path: Key) -> Source:
    """What stands at a path, as a document of its own whose findings point into the whole."""
    depth = len(path)
    keys = {key[depth:]: place for key, place in source.keys.items() if len(key) > depth and key[:depth] == path}
    values = {key[depth:]: place for key, place in source.values.items() if key[:depth] == path}
    broken = frozenset(key[depth:] for key in source.broken if key[:depth] == path)
    return Source(source.file, source.text, source.value(path), keys, values, broken, within=path)


def laid_over(written: object, change: object) -> Any:
    """A document with some keys changed: mappings are merged, an empty one takes its keys away, others are replaced."""
    if isinstance(written, dict) and isinstance(change, dict) and change:
        return {**written, **{key: laid_over(written.get(key), value) for key, value in change.items()}}
    return change


def changed_source(written: Source, change: Source, under: Key = ()) -> Source:
    """A document with some keys changed; what is wrong with it is shown at the change.

    Args:
        written: the document.
        change: what is laid over it.
        under: keys of the document within which the change is written.
    """
    wrapped: Any = change.data
    for key in reversed(under):
        wrapped = {key: wrapped}
    data = laid_over(written.data, wrapped)
    n, whole = len(under), change.values[()]
    keys: dict[Key, Place] = {}
    values: dict[Key, Place] = {(): whole}
    for path in _paths(data):
        own = path[n:] if path[:n] == under else None
        values[path] = whole if own is None else change.values.get(own, whole)
        if isinstance(path[-1], str):
            keys[path] = whole if own is None else change.keys.get(own, whole)
    return replace(change, data=data, keys=keys, values=values)


def _paths(node: object, path: Key = ()) -> Iterator[Key]:
    """Every path within a document, from the top."""
    steps: Iterable[tuple[str | int, object]] = ()
    if isinstance(node, dict):
        steps = node.items()
    elif isinstance(node, list):
        steps = enumerate(node)
    for step, inner in steps:
        yield (*path, step)
        yield from _paths(inner, (*path, step))


def _policy_findings(source: Source, sources: Mapping[str, Source], campaign_id: str) -> list[Finding]:
    """Settings of learning policies that the campaign could not have, such as a floor no share is left for."""
    entries = source.value(("policies",))
    file = _file_of(sources, campaign_id)
    findings: list[Finding] = []
    for place in range(len(entries) if isinstance(entries, list) else 0):
        path: Key = ("policies", place, "learning")
        settings = source.value(path)
        if not isinstance(settings, dict):
            continue
        changed = replace(changed_source(sources[file], part(source, path), ("policy",)), within=())
        try:
            checked_workspace({**sources, file: changed}, {})
        except DocumentError as error:
            findings += [
                replace(found, key=f"{dotted(path)}{found.key.removeprefix('policy')}")
                for found in error.findings
                if not _is_of_another_model(found, settings)
            ]
    return findings


def _is_of_another_model(found: Finding, settings: Mapping[str, Any]) -> bool:
    """Whether a finding is about a key that the campaign's own model reads, and a policy with another one does not."""
    key = found.key.removeprefix("policy.")
    return key in MODEL_KEYS and key not in settings


def _file_of(sources: Mapping[str, Source], campaign_id: str) -> str:
    return next(file for file, one in sources.items() if one.value(("campaign",)) == campaign_id)


def _written_documents(source: Source, folder: Path, findings: list[Finding]) -> dict[str, Source]:
    """Strategy and campaigns as written, by the path they have in a workspace; none when none are named."""
    named = source.value(("workspace",))
    inline = {key for key in ("strategy", "campaigns") if source.value((key,)) is not None}
    if isinstance(named, str) and inline:
        findings.append(source.finding((min(inline),), "either a workspace, or documents written here", on_key=True))
    elif isinstance(named, str):
        return _workspace_documents(source, folder / named, findings)
    elif inline == {"campaigns"}:
        findings.append(source.finding(("campaigns",), "a strategy beside them", on_key=True))
    elif inline:
        written = source.value(("campaigns",))
        paths = [("campaigns", place) for place in range(len(written))] if isinstance(written, list) else []
        parts = {STRATEGY_FILE: part(source, ("strategy",))}
        return parts | {f"campaigns/{place:03}.yaml": part(source, (key, place)) for key, place in paths}
    return {}


def _workspace_documents(source: Source, folder: Path, findings: list[Finding]) -> dict[str, Source]:
    if not (folder / STRATEGY_FILE).is_file():
        findings.append(source.finding(("workspace",), f"a folder with {STRATEGY_FILE}: nothing is in {folder}"))
        return {}
    try:
        texts = workspace_texts(folder)
    except DocumentError as error:
        findings += error.findings
        return {}
    sources = {name: read_source(str(folder / name), text) for name, text in texts.items()}
    findings += [finding for read in sources.values() for finding in read.findings]
    return sources


def _workspace(sources: Mapping[str, Source], findings: list[Finding]) -> Workspace | None:
    if not sources or any(source.findings for source in sources.values()):
        return None
    try:
        return checked_workspace(sources, {})
    except DocumentError as error:
        # The scenario's own model has found the mistakes of a single key already, where the documents are within it.
        findings += [found for found in error.findings if found not in findings]
        return None


def _campaign_id(source: Source, workspace: Workspace | None, findings: list[Finding]) -> str | None:
    if workspace is None:
        return None
    named = source.value(("campaign",))
    if named is None and len(workspace.campaigns) == 1:
        return next(iter(workspace.campaigns))
    if isinstance(named, str) and named in workspace.campaigns:
        return named
    if named is not None or workspace.campaigns:
        allowed = one_of(workspace.campaigns, named)
        findings.append(source.finding(("campaign",), allowed, found=None if named is not None else "no campaign"))
    return None


def _changed_guardrails(
    source: Source, sources: Mapping[str, Source], written: Campaign, findings: list[Finding]
) -> list[Guardrails]:
    entries = source.value(("guardrails",))
    campaign_id = written.campaign
    campaign_file = _file_of(sources, campaign_id)
    found: list[Guardrails] = []
    for place, entry in enumerate(entries if isinstance(entries, list) else ()):
        path: Key = ("guardrails", place)
        if not isinstance(entry, dict):
            continue
        changed = dict(sources)
        for key, file in (("strategy", STRATEGY_FILE), ("campaign", campaign_file)):
            if isinstance(entry.get(key), dict):
                changed[file] = changed_source(sources[file], part(source, (*path, key)))
        try:
            workspace = checked_workspace(changed, {})
        except DocumentError as error:
            findings += error.findings
            continue
        if campaign_id not in workspace.campaigns:
            findings.append(source.finding((*path, "campaign", "campaign"), f"{campaign_id}: the same campaign"))
            continue
        name = entry.get("name")
        guardrails = Guardrails(str(name), workspace.strategy, workspace.campaigns[campaign_id])
        findings += case_findings(source, path, written, guardrails.campaign)
        found.append(guardrails)
    return found
