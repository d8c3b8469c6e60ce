"""Findings about policies whose model needs more than every model does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from optimizer.errors import Finding
from optimizer.strategy.audience import Attribute, CategoryAttribute, TextAttribute
from optimizer.strategy.pieces import items, piece, twice
from optimizer.strategy.policy_settings import PolicySettings, ResolvedPolicy
from optimizer.strategy.wording import numeral, one_of
from optimizer.strategy.yaml.source import Path, Source

MODEL_KEYS: Final[Mapping[str, str]] = {
    "attributes": "contextual",
    "interactions": "contextual",
    "refit": "contextual",
    "period": "hierarchical",
}
"""Keys that only one model reads."""

MOST_COLUMNS: Final = 200  # a fit takes time with the square of them, and each snapshot room


def model_findings(
    strategy: Source, campaign: Source, settings: Sequence[PolicySettings], policy: ResolvedPolicy
) -> Iterator[Finding]:
    """What the model of a campaign's policy cannot do without, or cannot use.

    Args:
        strategy: the strategy as written.
        campaign: the campaign as written.
        settings: its own settings, and those of the strategy.
        policy: what these come to.
    """
    own = settings[0].model_fields_set
    for key, model in MODEL_KEYS.items():
        if key in own and policy.model != model:
            allowed = f"this key with the model {model} only; the model is {policy.model}"
            yield campaign.finding(("policy", key), allowed, on_key=True)
    if policy.pools_prior and policy.model != "beta_bernoulli" and "prior" in own:
        allowed = f"numbers, or no such key: {policy.model} pools by itself what variants have in common"
        yield campaign.finding(("policy", "prior"), allowed)
    yield from twice(campaign, items(campaign, ("policy", "alarms")))
    yield from _amount_findings(strategy, campaign, settings, policy)
    if policy.model == "contextual":
        yield from _contextual_findings(strategy, campaign, settings, policy)


def _amount_findings(
    strategy: Source, campaign: Source, settings: Sequence[PolicySettings], policy: ResolvedPolicy
) -> Iterator[Finding]:
    """Amounts need the model that learns them, and it needs amounts."""
    serves = campaign.value(("serves",))
    places = [path for path, item in items(strategy, ("objectives",)) if strategy.value((*path, "id")) == serves]
    value = strategy.value((*places[0], "reward", "value")) if places else None
    if value not in ("first", "count", "amount") or (value == "amount") == (policy.model == "hurdle"):
        return
    source, path = _place(strategy, campaign, settings, "model")
    if path not in source.values:
        source, path = campaign, ("policy", "model")
    if value == "amount":
        allowed = f"hurdle, as {serves} rewards amounts: {policy.model} learns whether a reward came, not how much"
    else:
        allowed = f"another model, as {serves} has the value {value}: hurdle learns amounts, and there are none"
    yield source.finding(path, allowed, found=policy.model)


def _contextual_findings(
    strategy: Source, campaign: Source, settings: Sequence[PolicySettings], policy: ResolvedPolicy
) -> Iterator[Finding]:
    source, path = _place(strategy, campaign, settings, "model")
    if not policy.attributes:
        yield source.finding(path, "contextual with the key attributes beside it, such as [country]")
        return
    source, path = _place(strategy, campaign, settings, "attributes")
    found = list(attribute_findings(strategy, source, path))
    yield from found
    if found:
        return
    yield from _interaction_findings(strategy, campaign, settings, policy)
    widths = {name: _width(piece(Attribute, strategy, ("attributes", name))) for name in policy.attributes}
    pairs = [pair for pair in policy.interactions if set(pair) <= set(widths)]
    columns = 1 + sum(widths.values()) + sum(widths[one] * widths[other] for one, other in pairs)
    if columns > MOST_COLUMNS:
        allowed = f"attributes and interactions that make at most {MOST_COLUMNS} columns: one for each declared value"
        yield source.finding(path, allowed, found=f"{numeral(columns)} columns")


def attribute_findings(strategy: Source, source: Source, path: Path) -> Iterator[Finding]:
    """Findings about the attributes that a policy names at a path: of the strategy, or of a campaign."""
    names = [str(inner[-1]) for inner, _ in items(strategy, ("attributes",))]
    seen: set[str] = set()
    for place, name in items(source, path):
        declared = piece(Attribute, strategy, ("attributes", name)) if name in names else None
        if name not in names:
            yield source.finding(place, f"an attribute that is declared, {one_of(names, name)}")
        elif declared is not None and (declared.sensitive or isinstance(declared, TextAttribute)):
            what = "not sensitive" if declared.sensitive else "no text, which only fills placeholders"
            yield source.finding(place, f"an attribute that is {what}")
        elif name in seen:
            yield source.finding(place, "each attribute once")
        seen.add(name)


def _interaction_findings(
    strategy: Source, campaign: Source, settings: Sequence[PolicySettings], policy: ResolvedPolicy
) -> Iterator[Finding]:
    source, path = _place(strategy, campaign, settings, "interactions")
    seen: set[frozenset[str]] = set()
    for place, pair in items(source, path):
        names = [str(name) for name in pair] if isinstance(pair, list | tuple) else []
        for index, name in enumerate(names):
            if name not in policy.attributes:
                yield source.finding((*place, index), f"one of the attributes, {one_of(policy.attributes, name)}")
        if len(names) == 2 and (names[0] == names[1] or frozenset(names) in seen):
            yield source.finding(place, "two different attributes, and each pair once", found=" x ".join(names))
        seen.add(frozenset(names))


def _width(declared: Attribute | None) -> int:
    return len(declared.values) if isinstance(declared, CategoryAttribute) else 1


def _place(strategy: Source, campaign: Source, settings: Sequence[PolicySettings], key: str) -> tuple[Source, Path]:
    """Where a policy key is written: in the campaign, or in the strategy."""
    if key in settings[0].model_fields_set:
        return campaign, ("policy", key)
    return strategy, ("policy_defaults", key)
