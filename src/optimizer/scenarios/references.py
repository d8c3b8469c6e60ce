"""Rules of a scenario that span several keys: names that lead nowhere or stand twice, what one key needs of another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from optimizer.errors import Finding
from optimizer.scenarios.documents import AS_WRITTEN, GuardrailEntry, PolicyEntry, Scenario
from optimizer.scenarios.histories import MappedHistory
from optimizer.scenarios.names import arms_of, segments_of, variants_of
from optimizer.scenarios.world_findings import world_findings
from optimizer.strategy.documents import Campaign, Strategy
from optimizer.strategy.pieces import twice
from optimizer.strategy.wording import numeral, one_of
from optimizer.strategy.yaml.source import Path, Source

_TOLERANCE = 1e-6  # a third is written with so many digits


def scenario_findings(
    source: Source, document: Scenario, strategy: Strategy | None, campaign: Campaign | None
) -> Iterator[Finding]:
    """Findings across the keys of a scenario whose every key is fine.

    Args:
        source: the scenario as written.
        document: the same as a model.
        strategy: of the campaign.
        campaign: what it is about; None when it names none, or its documents cannot be used.
    """
    yield from twice(source, _names(source, "policies"))
    yield from twice(source, _names(source, "guardrails"))
    for place, entry in enumerate(document.guardrails):
        yield from _guardrail_findings(source, document, entry, place)
    world = document.world
    if world is not None and world.fitted is not None and document.history is None:
        yield source.finding(("world",), "a fitted world beside a history it is fitted to", on_key=True)
    if world is not None and world.synthetic is not None:
        yield from world_findings(source, world.synthetic, strategy, campaign)
    for place, policy in enumerate(document.policies):
        yield from _policy_findings(source, document, policy, ("policies", place), campaign)


def _guardrail_findings(source: Source, document: Scenario, entry: GuardrailEntry, place: int) -> Iterator[Finding]:
    path: Path = ("guardrails", place)
    if entry.name == AS_WRITTEN:
        yield source.finding((*path, "name"), f"another name: {AS_WRITTEN} are those without changes")
    if entry.strategy is None and entry.campaign is None:
        yield source.finding(path, "a name, and keys of the strategy, of the campaign, or of both")
    elif document.workspace is None and document.strategy is None:
        yield source.finding(path, "guardrails beside a workspace, or a strategy written here")


def _policy_findings(
    source: Source, document: Scenario, policy: PolicyEntry, path: Path, campaign: Campaign | None
) -> Iterator[Finding]:
    variant_ids, segment_ids = _variant_ids(document, campaign), _segment_ids(document, campaign)
    if policy.learning is not None and policy.learning.refresh is not None:
        allowed = "no such key here: all policies learn alike often, as `rehearse.step` and `replay.refresh` say"
        yield source.finding((*path, "learning", "refresh"), allowed, on_key=True)
    if policy.logged is not None or policy.learned is not None:
        if document.history is None:
            yield source.finding((*path, policy.kind), "a history beside it", on_key=True)
    elif policy.always is not None:
        yield from _unknown(source, (*path, "always"), policy.always, variant_ids)
    elif policy.shares is not None:
        yield from _shares(source, (*path, "shares"), policy.shares, variant_ids)
    elif policy.shares_by_segment is not None:
        for segment, shares in policy.shares_by_segment.items():
            inner = (*path, "shares_by_segment", segment)
            if segment_ids is not None and segment not in segment_ids:
                yield source.finding(inner, one_of(segment_ids, segment), on_key=True)
            yield from _shares(source, inner, shares, variant_ids)


def case_findings(source: Source, path: Path, written: Campaign, changed: Campaign) -> Iterator[Finding]:
    """Guardrails may change anything but what is compared: variants and segments.

    Args:
        source: the scenario as written.
        path: of the entry under `guardrails`.
        written: the campaign without the changes.
        changed: the campaign with them.
    """
    pairs = (("messages", variants_of), ("segments", segments_of))
    for key, names in pairs:
        if names(written) != names(changed):
            yield source.finding((*path, "campaign", key), f"the {key} as they are: policies are compared over them")


def _names(source: Source, key: str) -> Iterator[tuple[Path, object]]:
    entries = source.value((key,))
    for place in range(len(entries) if isinstance(entries, list) else 0):
        yield (key, place, "name"), source.value((key, place, "name"))


def _variant_ids(document: Scenario, campaign: Campaign | None) -> Sequence[str] | None:
    """Ids a policy may name; None when only the history's content can tell."""
    if campaign is not None:
        return list(arms_of(variants_of(campaign)))
    return document.history.variant_ids if isinstance(document.history, MappedHistory) else None


def _segment_ids(document: Scenario, campaign: Campaign | None) -> Sequence[str] | None:
    if campaign is not None:
        return segments_of(campaign)
    return document.history.segments if isinstance(document.history, MappedHistory) else None


def _unknown(source: Source, path: Path, name: str, known: Sequence[str] | None) -> Iterator[Finding]:
    if known is not None and name not in known:
        yield source.finding(path, one_of(known, name))


def _shares(source: Source, path: Path, shares: Mapping[str, float], known: Sequence[str] | None) -> Iterator[Finding]:
    for name in shares:
        if known is not None and name not in known:
            yield source.finding((*path, name), one_of(known, name), on_key=True)
    total = sum(shares.values())
    if abs(total - 1.0) > _TOLERANCE:
        yield source.finding(path, "shares that add up to 1", found=f"shares that add up to {numeral(round(total, 6))}")
