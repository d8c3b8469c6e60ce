"""Found segments in words, in YAML to paste, and in the types of JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from optimizer.insights.discovering.clusters import Cluster, Trait
from optimizer.insights.discovering.columns import FEWEST_RECIPIENTS
from optimizer.insights.discovering.discovered import Discovered
from optimizer.insights.discovering.found import Amount, FoundSegment
from optimizer.insights.discovering.rules import Condition, Rule
from optimizer.insights.ranking_words import SHARE
from optimizer.strategy.wording import numeral
from optimizer.strategy.yaml.writing import flow_text, item_lines

NOTHING_FOUND = "Nothing found that would survive a second look"
_WIDTH = 116
_EVERYONE = "everyone else"


def rule_words(rule: Rule) -> str:
    """A rule as people say it."""
    by_attribute: dict[str, list[Condition]] = {}
    for condition in rule.conditions:
        by_attribute.setdefault(condition.attribute, []).append(condition)
    said = [f"{name} {' and '.join(_condition_words(one) for one in some)}" for name, some in by_attribute.items()]
    return "; ".join(said) or _EVERYONE


def amount_words(amount: Amount, unit: str) -> str:
    """How much more, with its interval: shares in points."""
    times, name = (100.0, "points") if unit == SHARE else (1.0, unit)
    value, low, high = (f"{times * one:+.3g}" for one in (amount.value, amount.low, amount.high))
    return f"{value} {name} per decision (95 % interval {low} to {high})"


def _short(amount: Amount, unit: str) -> str:
    times, name = (100.0, "points") if unit == SHARE else (1.0, unit)
    value, low, high = (f"{times * one:+.3g}" for one in (amount.value, amount.low, amount.high))
    return f"{value} {name} ({low} to {high})"


def level_words(amount: Amount, unit: str) -> str:
    """How much, with its interval: shares in per cent."""
    times, name = (100.0, " %") if unit == SHARE else (1.0, f" {unit} per decision")
    value, low, high = (f"{times * one:.3g}" for one in (amount.value, amount.low, amount.high))
    return f"{value}{name} (95 % interval {low} to {high})"


def trait_words(trait: Trait) -> str:
    """In what a cluster differs from all."""
    if trait.value is None:
        return f"{trait.attribute}: median {trait.here:.4g} ({trait.overall:.4g} of all)"
    value = "true" if trait.value is True else trait.value
    return f"{trait.attribute} {value}: {share_words(trait.here)} ({share_words(trait.overall)} of all)"


def share_words(share: float) -> str:
    """``21 %``."""
    return f"{100 * share:.0f} %"


def headline(searched: Discovered) -> str:
    """What was found, in one sentence."""
    found = searched.found
    if not found.segments:
        return f"{NOTHING_FOUND}: {found.why_not}."
    rest = () if found.everyone_else is None else (found.everyone_else,)
    n = sum(one.best != found.best_for_all for one in (*found.segments, *rest))
    more = "more" if found.honest is None else amount_words(found.honest, searched.unit)
    folds = "" if found.gain is None else _short(found.gain, searched.unit)
    again = f"; the whole search, cross-fitted, earned {folds}" if folds else ""
    return (
        f"{n} segment{'s' if n > 1 else ''} for which another variant is best than {found.best_for_all}, which is best "
        f"for all: choosing by these rules is expected to earn {more}{again}."
    )


def basis(searched: Discovered) -> str:
    """What was looked at, in one sentence."""
    found = searched.found
    sampled = f", a sample of at most {searched.most:,}" if searched.is_sample else ""
    return (
        f"{found.decisions:,} decisions for {found.recipients:,} recipients{sampled}; half of the recipients taught "
        f"the rules, the other half judged them; nothing about fewer than {FEWEST_RECIPIENTS} recipients is shown."
    )


def left_out_words(searched: Discovered) -> list[str]:
    """Attributes that were not looked at, and why."""
    return [f"{name}: {why}" for name, why in searched.found.left_out.items()]


def segments_yaml(searched: Discovered) -> str:
    """The segments as a campaign has them, to paste; empty when there are none."""
    if not searched.found.segments:
        return ""
    lines = ["segments:"]
    for one in searched.found.segments:
        when = one.rule.when()
        lines += ["  " + line for line in item_lines({"id": one.id, "why": why(one, searched), "when": when}, _WIDTH)]
    lines.append("everyone_else: include")
    if searched.undeclared:
        used = {condition.attribute for one in searched.found.segments for condition in one.rule.conditions}
        lines += list(_declarations(searched, used))
    return "\n".join(lines) + "\n"


def why(segment: FoundSegment, searched: Discovered) -> str:
    """Why a segment is apart, in a line."""
    size = f"{segment.recipients:,} recipients ({share_words(segment.share)})"
    if segment.more is None:
        return f"{size}, best with {segment.best}"[:1_000]
    more = amount_words(segment.more, searched.unit)
    return f"{size}: {segment.best} against {searched.found.best_for_all}: {more}"[:1_000]


def discovered_json(searched: Discovered) -> dict[str, Any]:
    """Everything that was found, in the types of JSON."""
    found, rest = searched.found, searched.found.everyone_else
    return {
        "source": searched.source,
        "unit": searched.unit,
        "decisions": found.decisions,
        "recipients": found.recipients,
        "is_sample": searched.is_sample,
        "best_for_all": found.best_for_all,
        "gain": _amount_json(found.gain),
        "gain_of_these_rules": _amount_json(found.honest),
        "why_nothing": found.why_not,
        "segments": [_segment_json(one) for one in found.segments],
        "everyone_else": None if rest is None else _segment_json(rest),
        "looked_at": list(found.looked_at),
        "left_out": dict(found.left_out),
        "yaml": segments_yaml(searched),
        "clusters": [_cluster_json(one) for one in searched.clusters.clusters],
        "clusters_fidelity": searched.clusters.fidelity,
        "clusters_silhouette": searched.clusters.silhouette,
    }


def _condition_words(condition: Condition) -> str:
    if isinstance(condition.value, tuple):
        return f"is {' or '.join(condition.value)}"
    if isinstance(condition.value, bool):
        return "is true" if condition.value else "is false"
    value = numeral(condition.value) if isinstance(condition.value, float) else str(condition.value)
    return {"is": f"is {value}", "in": f"is {value}", "at_least": f"is {value} or more", "below": f"is below {value}"}[
        condition.key
    ]


def _declarations(searched: Discovered, used: set[str]) -> Iterator[str]:
    """What strategy.yaml has to say of attributes that nobody has declared yet, as comments."""
    yield "# The strategy has to declare these attributes; add what else they may be, and why they may be known:"
    yield "# attributes:"
    for name, kind in searched.undeclared:
        if name in used:
            yield f"#   {flow_text({name: {'type': kind}})[1:-1]}"


def _amount_json(amount: Amount | None) -> dict[str, float] | None:
    return None if amount is None else {"value": amount.value, "low": amount.low, "high": amount.high}


def _segment_json(segment: FoundSegment) -> dict[str, Any]:
    return {
        "id": segment.id,
        "when": segment.rule.when(),
        "recipients": segment.recipients,
        "share": segment.share,
        "decisions": segment.decisions,
        "best": segment.best,
        "more": _amount_json(segment.more),
        "values": {name: _amount_json(one) for name, one in segment.values.items()},
    }


def _cluster_json(cluster: Cluster) -> dict[str, Any]:
    return {
        "when": cluster.rule.when(),
        "recipients": cluster.recipients,
        "share": cluster.share,
        "traits": [
            {"attribute": one.attribute, "value": one.value, "here": one.here, "overall": one.overall}
            for one in cluster.traits
        ],
        "reward": _amount_json(cluster.reward),
        "more": cluster.more,
    }
