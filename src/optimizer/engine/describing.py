"""Describing: the declared attributes a contextual policy looks at, as its model needs them."""

from __future__ import annotations

from collections.abc import Mapping

from optimizer.policy.features import Described, Features
from optimizer.strategy.audience import Attribute, BooleanAttribute, CategoryAttribute, NumberAttribute
from optimizer.strategy.policy_settings import ResolvedPolicy


def features_of(declared: Mapping[str, Attribute], policy: ResolvedPolicy) -> Features | None:
    """How the declared attributes that a policy names become features; None where it looks at none."""
    if policy.model != "contextual":
        return None
    described = tuple(one for name in policy.attributes if (one := _described(name, declared.get(name))) is not None)
    names = {one.name for one in described}
    return Features(described, tuple(pair for pair in policy.interactions if names.issuperset(pair)))


def _described(name: str, declared: Attribute | None) -> Described | None:
    """None for what no model may look at: free text, which is about one person, and what is sensitive."""
    if declared is None or declared.sensitive:
        return None
    if isinstance(declared, CategoryAttribute):
        return Described(name, "category", tuple(declared.values))
    if isinstance(declared, NumberAttribute):
        return Described(name, "number")
    return Described(name, "boolean") if isinstance(declared, BooleanAttribute) else None
