"""Mistakes of a synthetic world that span several keys: names of variants, types, outcomes and attributes."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from optimizer.engine.assessment import EXPOSURE_KINDS, RewardRule
from optimizer.errors import Finding
from optimizer.scenarios.names import arms_of, variants_of
from optimizer.scenarios.worlds import Moved, OutcomeDocument, Synthetic
from optimizer.strategy.documents import Campaign, Strategy
from optimizer.strategy.fields import NOTHING
from optimizer.strategy.pieces import twice
from optimizer.strategy.wording import one_of
from optimizer.strategy.yaml.source import Path, Source, shortened

_WORLD: Path = ("world", "synthetic")
_CHANGES = ("drift", "season", "novelty", "fatigue")


def world_findings(
    source: Source, world: Synthetic, strategy: Strategy | None, campaign: Campaign | None
) -> Iterator[Finding]:
    """Findings across the keys of a synthetic world.

    Args:
        source: the scenario as written.
        world: its world.
        strategy: of the campaign.
        campaign: what is rehearsed in it; None when they are not known, and then names are not judged.
    """
    if strategy is not None and campaign is not None:
        yield from _objective_findings(source, world, strategy, campaign)
        for at, one in enumerate(world.types):
            path = (*_WORLD, "types", at, "attributes")
            yield from _unknown(source, path, one.attributes, strategy.attributes)
    names = None if campaign is None else [*arms_of(variants_of(campaign)), NOTHING]
    types = [one.name for one in world.types]
    places = range(len(world.types))
    yield from twice(source, (((*_WORLD, "types", at, "name"), types[at]) for at in places if "types" in _keys(source)))
    above: list[str] = []
    for kind, outcome in world.outcomes.items():
        path = (*_WORLD, "outcomes", kind)
        if outcome.after is not None and outcome.after not in above:
            yield source.finding((*path, "after"), f"an outcome above this one: {one_of(above, outcome.after)}")
        above.append(kind)
        yield from _unknown(source, (*path, "rates"), outcome.rates or (), names)
        medians = None if outcome.amount is None else outcome.amount.medians
        yield from _unknown(source, (*path, "amount", "medians"), medians or (), names)
        yield from _unknown(source, (*path, "rates_by_type"), outcome.rates_by_type or (), types)
        for of_type, rates in (outcome.rates_by_type or {}).items():
            yield from _unknown(source, (*path, "rates_by_type", of_type), rates, names)
        if campaign is not None:
            yield from _missing_rates(source, path, outcome, types, variants_of(campaign))
    for key in _CHANGES:
        for at, change in enumerate(getattr(world, key)):
            yield from _change_findings(source, (*_WORLD, key, at), change, above, names, types)


def _objective_findings(source: Source, world: Synthetic, strategy: Strategy, campaign: Campaign) -> Iterator[Finding]:
    """What the campaign is judged by must be able to happen."""
    rule = RewardRule.of(next(one for one in strategy.objectives if one.id == campaign.serves), strategy.hygiene)
    path = (*_WORLD, "outcomes")
    if rule.kind not in world.outcomes:
        allowed = f"{rule.kind} among them, the outcome that {campaign.serves} rewards"
        yield source.finding(path, allowed, found=", ".join(world.outcomes))
    elif rule.in_amounts and world.outcomes[rule.kind].amount is None:
        allowed = f"an amount, such as {{median: 25}}: {campaign.serves} rewards what the outcome is worth"
        yield source.finding((*path, rule.kind), allowed, found="none")
    exposing = EXPOSURE_KINDS[rule.counts_from]
    if rule.counts_from != "decision" and not exposing & set(world.outcomes):
        allowed = f"{rule.counts_from} among them: {campaign.serves} counts from it, else nothing is ever learned"
        yield source.finding(path, allowed, found=", ".join(world.outcomes))


def _keys(source: Source) -> Collection[str]:
    written = source.value(_WORLD)
    return written if isinstance(written, dict) else ()


def _unknown(source: Source, path: Path, names: Collection[str], known: Collection[str] | None) -> Iterator[Finding]:
    for name in names:
        if known is not None and name not in known:
            yield source.finding((*path, name), one_of(known, name), on_key=True)


def _missing_rates(
    source: Source, path: Path, outcome: OutcomeDocument, types: list[str], variant_ids: tuple[str, ...]
) -> Iterator[Finding]:
    if outcome.rate is not None:
        return
    for_all = {arm for name in outcome.rates or () for arm in arms_of(variant_ids).get(name, ())}
    for of_type in types:
        own = (outcome.rates_by_type or {}).get(of_type, {})
        known = for_all | {arm for name in own for arm in arms_of(variant_ids).get(name, ())}
        missing = [name for arm, name in enumerate(variant_ids) if arm not in known]
        if missing:
            yield source.finding(path, f"a rate, or rates of every variant: none of {shortened(', '.join(missing))}")
            return


def _change_findings(
    source: Source, path: Path, change: Moved, kinds: list[str], names: Collection[str] | None, types: list[str]
) -> Iterator[Finding]:
    for place, kind in enumerate(change.outcomes):
        if kind not in kinds:
            yield source.finding((*path, "outcomes", place), one_of(kinds, kind))
    if change.variant is not None and names is not None and change.variant not in names:
        yield source.finding((*path, "variant"), one_of(names, change.variant))
    of_type = getattr(change, "type", None)
    if of_type is not None and of_type not in types:
        yield source.finding((*path, "type"), one_of(types, of_type))
