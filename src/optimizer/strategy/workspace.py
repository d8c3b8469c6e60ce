"""A folder of documents, read as one: either everything in it can be used, or every mistake is reported."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from types import MappingProxyType
from typing import TypeVar

from pydantic import ValidationError

from optimizer.errors import DocumentError, Finding
from optimizer.strategy.documents import Campaign, Strategy
from optimizer.strategy.fields import Document
from optimizer.strategy.findings.references import reference_findings
from optimizer.strategy.wording import schema_findings
from optimizer.strategy.yaml.source import MAX_FINDINGS, THE_FILE, Source, read_source, shortened

STRATEGY_FILE = "strategy.yaml"
_CAMPAIGN_FILE = re.compile(r"campaigns/[^/]+\.yaml\Z")

_Model = TypeVar("_Model", bound=Document)


@dataclass(frozen=True, slots=True)
class Workspace:
    """Documents that can be used together.

    Attributes:
        strategy: the strategy.
        campaigns: campaigns by id, in the order of their files' names.
        files: the texts they were read from, by path.
        digest: 64 hex digits over what the documents say: comments, spacing and file names do not change it.
    """

    strategy: Strategy
    campaigns: Mapping[str, Campaign]
    files: Mapping[str, str]
    digest: str


def read_workspace(files: Mapping[str, str]) -> Workspace:
    """Read and check a workspace's documents.

    Args:
        files: texts by path: ``strategy.yaml``, ``campaigns/winback.yaml``.

    Raises:
        DocumentError: with every finding of every file.
    """
    findings: list[Finding] = []
    sources = {}
    for file in sorted(files):
        if file == STRATEGY_FILE or _CAMPAIGN_FILE.match(file):
            sources[file] = read_source(file, files[file])
            findings += sources[file].findings
        else:
            allowed = f"{STRATEGY_FILE}, and campaigns as campaigns/NAME.yaml"
            findings.append(Finding(file, 1, 1, THE_FILE, shortened(file), allowed))
    if STRATEGY_FILE not in files:
        allowed = "a strategy: optimizer init DIR writes one to start from"
        findings.append(Finding(STRATEGY_FILE, 1, 1, THE_FILE, "nothing", allowed))
    return checked_workspace(sources, files, findings)


def read_stored(files: Mapping[str, str]) -> Workspace:
    """Read documents that were put in force once, and so were checked by the release of that day.

    What a later release finds fault with is for whoever edits them next: it keeps nobody from serving what is in force,
    nor from judging outcomes by what was.

    Raises:
        DocumentError: something in them cannot be read any more.
    """
    sources = {file: read_source(file, files[file]) for file in sorted(files)}
    findings = [finding for source in sources.values() if source.data is None for finding in source.findings]
    return _workspace(sources, files, findings, is_stored=True)


def checked_workspace(
    sources: Mapping[str, Source], files: Mapping[str, str], earlier: Sequence[Finding] = ()
) -> Workspace:
    """The documents of sources, checked.

    Args:
        sources: documents as written, by path; they may be parts of another file.
        files: the texts by path.
        earlier: what was found already.

    Raises:
        DocumentError: with every finding, the earlier ones too.
    """
    return _workspace(sources, files, list(earlier), is_stored=False)


def _workspace(
    sources: Mapping[str, Source], files: Mapping[str, str], findings: list[Finding], *, is_stored: bool
) -> Workspace:
    written = {file: source for file, source in sources.items() if source.data is not None}
    strategy = None
    campaigns = []
    for file, source in written.items():
        if file == STRATEGY_FILE:
            strategy = read_document(Strategy, source, findings)
        else:
            campaigns.append(read_document(Campaign, source, findings))
    written_strategy = written.pop(STRATEGY_FILE, None)
    if not is_stored:  # each of these looks for the closest name
        findings += islice(reference_findings(written_strategy, list(written.values())), MAX_FINDINGS)
    if findings or strategy is None:
        raise DocumentError(sorted(set(findings)))
    by_id = {campaign.campaign: campaign for campaign in campaigns if campaign}
    return Workspace(strategy, MappingProxyType(by_id), MappingProxyType(dict(files)), _digest(list(sources.values())))


def read_document(model: type[_Model], source: Source, findings: list[Finding]) -> _Model | None:
    """The document, None after adding its findings."""
    models: dict[int, type[Document]] = {}
    try:
        return model.model_validate(source.data, context=models)
    except ValidationError as error:
        findings += schema_findings(source, error, models)
        return None


def _digest(sources: list[Source]) -> str:
    # What was written, not the models' dump: a release that adds a default must not make old versions new.
    said = {json.dumps(source.data, sort_keys=True, ensure_ascii=False) for source in sources}
    return hashlib.sha256("\n".join(sorted(said)).encode()).hexdigest()


def document_of(workspace: Workspace, campaign_id: str) -> str:
    """Path of a campaign's document."""
    files = sorted(path for path in workspace.files if path != STRATEGY_FILE)  # campaigns stand in their order
    return files[list(workspace.campaigns).index(campaign_id)]
