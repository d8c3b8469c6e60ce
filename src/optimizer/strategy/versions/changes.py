"""What another version of the documents would change, in sentences people can agree or disagree with."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

from optimizer.strategy.documents import Campaign, Strategy, campaign_period
from optimizer.strategy.policy_settings import ResolvedPolicy, resolved_policy
from optimizer.strategy.variants import variants
from optimizer.strategy.versions.differences import NOTHING, Difference, differences, listed, written
from optimizer.strategy.versions.effects import judges_decisions, lasting_effects, new_arms
from optimizer.strategy.workspace import STRATEGY_FILE, Workspace, document_of

ChangeKind = Literal["added", "removed", "changed", "reordered", "effect"]

_SHOWN = 160
_FOR_COLLEAGUES = frozenset({"why", "notes", "journey_stage", "expects"})  # keys that nothing served depends on


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that becomes different.

    Attributes:
        document: path of the document that says so: ``campaigns/winback.yaml``.
        subject: what changes, within the document: ``message hello: subject``.
        sentence: all of it in words, with the campaign: ``campaign winback: message hello: subject "Hi" becomes "Ho"``.
        kind: ``effect`` is what follows from the other changes: arms that start anew, evidence that is not used.
        campaign: campaign whose document it is; None for the strategy's.
        narrows: True when less can be served than before, False when more or other things can; None when that cannot
            be told from the documents.
        touches: campaigns that work differently afterwards.
    """

    document: str
    subject: str
    sentence: str
    kind: ChangeKind
    campaign: str | None
    narrows: bool | None
    touches: tuple[str, ...]


def changes(before: Workspace | None, after: Workspace) -> tuple[Change, ...]:
    """What changes when `after` is put in force instead of `before`; empty when both mean the same.

    The strategy's changes come first, then each campaign's in the order of the documents, campaigns that vanish last.

    Args:
        before: the documents in force; None when there are none, so that everything is new.
        after: checked documents.
    """
    if before is None:
        return (_new_strategy(after), *(_new_campaign(after, campaign) for campaign in after.campaigns.values()))
    found = [*_strategy_changes(before, after)]
    for campaign_id, campaign in after.campaigns.items():
        if campaign_id in before.campaigns:
            found += _campaign_changes(before, after, campaign_id)
        else:
            found.append(_new_campaign(after, campaign))
    gone = [campaign_id for campaign_id in before.campaigns if campaign_id not in after.campaigns]
    return (*found, *(_gone_campaign(before, campaign_id) for campaign_id in gone))


def campaigns_touched(found: Sequence[Change]) -> tuple[str, ...]:
    """Campaigns that work differently after these changes, each once."""
    return tuple(dict.fromkeys(name for change in found for name in change.touches))


# ---------------------------------------------------------------- whole documents


def _new_strategy(workspace: Workspace) -> Change:
    strategy = workspace.strategy
    objectives = listed([objective.id for objective in strategy.objectives])
    subject = f"strategy {strategy.strategy}"
    sentence = f"{subject} is new: {_counted(len(strategy.objectives), 'objective')} ({objectives})"
    return Change(STRATEGY_FILE, subject, sentence, "added", None, narrows=False, touches=())


def _new_campaign(workspace: Workspace, campaign: Campaign) -> Change:
    name = campaign.campaign
    n = len(variants(campaign))
    said = [f"{_counted(n, 'variant')} {'serves' if n == 1 else 'serve'} {campaign.serves}"]
    said += [f"from {written(campaign.starts)}"] if campaign.starts else []
    said += [f"until {written(campaign.ends)}"] if campaign.ends else []
    said += ["once approved"] if workspace.strategy.approval.required else []
    subject = f"campaign {name}"
    sentence = f"{subject} is new: {' '.join(said)}"
    return Change(document_of(workspace, name), subject, sentence, "added", name, narrows=False, touches=(name,))


def _gone_campaign(workspace: Workspace, name: str) -> Change:
    subject = f"campaign {name}"
    sentence = f"{subject} is gone: nothing is decided for it any more; what happened stays in the ledger"
    return Change(document_of(workspace, name), subject, sentence, "removed", name, narrows=True, touches=(name,))


# ---------------------------------------------------------------- the strategy


def _strategy_changes(before: Workspace, after: Workspace) -> Iterator[Change]:
    for found in differences(before.strategy, after.strategy, apart_from=frozenset({"policy_defaults"})):
        sentence = f"{found.subject} {_predicate(found)}"
        yield Change(
            STRATEGY_FILE,
            found.subject,
            sentence,
            found.kind,
            None,
            _narrows(found),
            tuple(name for name, campaign in after.campaigns.items() if _is_touched(found, campaign)),
        )
    old, new = before.strategy.policy_defaults, after.strategy.policy_defaults
    falling_back = {
        name: {key for key, *_ in _policy_differences(*(resolved_policy(campaign.policy, d) for d in (old, new)))}
        for name, campaign in after.campaigns.items()
    }
    for key, was, becomes in _policy_differences(resolved_policy(old), resolved_policy(new)):
        touches = tuple(name for name, keys in falling_back.items() if key in keys)
        subject = f"policy_defaults {key}"
        sentence = f"{subject} {was} becomes {becomes}"
        yield Change(STRATEGY_FILE, subject, sentence, "changed", None, narrows=None, touches=touches)


def _is_touched(found: Difference, campaign: Campaign) -> bool:
    if found.key in _FOR_COLLEAGUES:
        return False
    section, name = found.trail[0], found.trail[1] if len(found.trail) > 1 else None
    if section == "objectives":
        return campaign.serves == name
    if section == "attributes" and name is not None:
        return _uses_attribute(campaign, name)
    if section == "channels":
        return campaign.channel == name
    return True


def _uses_attribute(campaign: Campaign, name: str) -> bool:
    """Whether a segment rule or a placeholder names it."""
    placeholder = re.compile(rf"\{{\{{\s*{re.escape(name)}\s*[|}}]")
    texts = (
        text
        for message in campaign.messages
        for text in (message.subject, message.body, *(message.fields or {}).values())
        if text is not None
    )
    return any(name in segment.when for segment in campaign.segments or ()) or any(map(placeholder.search, texts))


# ---------------------------------------------------------------- one campaign


def _campaign_changes(before: Workspace, after: Workspace, name: str) -> Iterator[Change]:
    document = document_of(after, name)
    old, new = before.campaigns[name], after.campaigns[name]

    def change(
        subject: str, words: str, kind: ChangeKind, *, narrows: bool | None = None, is_felt: bool = True
    ) -> Change:
        touches = (name,) if is_felt else ()
        return Change(document, subject, f"campaign {name}: {words}", kind, name, narrows, touches)

    for found in differences(old, new, apart_from=frozenset({"policy", "starts", "ends"})):
        note = _note(new_arms(old, new, found), must_be_approved=after.strategy.approval.required)
        words = f"{found.subject} {_predicate(found)}{note}"
        is_felt = _FOR_COLLEAGUES.isdisjoint((found.key, found.trail[0]))
        yield change(found.subject, words, found.kind, narrows=_narrows(found), is_felt=is_felt)
    for key, words, narrows in _period_changes((before.strategy, old), (after.strategy, new)):
        yield change(key, words, "changed", narrows=narrows)
    # Under one and the same strategy: what changes there has been said there.
    policies = (resolved_policy(campaign.policy, after.strategy.policy_defaults) for campaign in (old, new))
    for key, was, becomes in _policy_differences(*policies):
        yield change(f"policy {key}", f"policy {key} {was} becomes {becomes}", "changed")
    for subject, words in lasting_effects(
        (before.strategy, old), (after.strategy, new), _changed_objectives(before.strategy, after.strategy)
    ):
        yield change(subject, words, "effect")


def _changed_objectives(before: Strategy, after: Strategy) -> Mapping[str, Sequence[str]]:
    found: dict[str, dict[str, None]] = {}
    for difference in differences(before, after):
        if judges_decisions(difference.trail):
            section, name, *rest = difference.trail
            judged = [name] if section == "objectives" else [objective.id for objective in after.objectives]
            for objective_id in judged:
                found.setdefault(objective_id, {})[rest[0] if section == "objectives" else f"{section} {name}"] = None
    return {name: tuple(keys) for name, keys in found.items()}


def _note(n_new_arms: int, *, must_be_approved: bool) -> str:
    if n_new_arms == 0:
        return ""
    if n_new_arms == 1:
        return f" (a new arm: starts learning anew{', its approval lapses' if must_be_approved else ''})"
    lapse = ", their approvals lapse" if must_be_approved else ""
    return f" ({n_new_arms} new arms: start learning anew{lapse})"


def _period_changes(
    before: tuple[Strategy, Campaign], after: tuple[Strategy, Campaign]
) -> Iterator[tuple[str, str, bool | None]]:
    """Key, words, and whether the campaign runs for less time; a day is another instant in another time zone."""
    instants = zip(campaign_period(*before), campaign_period(*after), strict=True)
    for (key, open_words), (was, becomes) in zip((("starts", "first day"), ("ends", "end")), instants, strict=True):
        old, new = (getattr(campaign, key) for _, campaign in (before, after))
        if was == becomes:
            continue
        if was is None:
            yield key, f"{key} {written(new)}; it had no {open_words} before", True
        elif becomes is None:
            yield key, f"has no {open_words} any more; it was {written(old)}", False
        else:
            is_later = becomes > was
            zones = tuple(f" {strategy.time_zone}" if old == new else "" for strategy, _ in (before, after))
            words = f"{key} {'later' if is_later else 'earlier'}: "
            words += f"{written(old)}{zones[0]} becomes {written(new)}{zones[1]}"
            yield key, words, is_later == (key == "starts")


def _policy_differences(before: ResolvedPolicy, after: ResolvedPolicy) -> Iterator[tuple[str, str, str]]:
    was, becomes = _policy_written(before), _policy_written(after)
    yield from ((key, was[key], becomes[key]) for key in was if was[key] != becomes[key])


def _policy_written(policy: ResolvedPolicy) -> dict[str, str]:
    """Every setting as people write it, by its key in a document."""
    delay = "estimated" if policy.estimates_delay else "ignored"
    if policy.delay_median is not None:
        delay = written({"median": policy.delay_median}, is_span=True)
    prior = written({"successes": policy.prior_successes, "failures": policy.prior_failures})
    keys: dict[str, str] = {}
    for field in fields(ResolvedPolicy):
        match field.name:
            case "prior_successes":
                keys["prior"] = "pooled" if policy.pools_prior else prior
            case "estimates_delay":
                keys["delay"] = delay
            case "prior_failures" | "pools_prior" | "delay_median":
                continue
            case "warm_start" if policy.warm_start is None:
                keys["warm_start"] = "nothing"
            case name:
                is_span = name in {"refresh", "half_life", "period", "refit"}
                keys[name] = written(getattr(policy, name), is_span=is_span)
    return keys


# ---------------------------------------------------------------- words


def _predicate(found: Difference) -> str:
    if found.kind == "added":
        return f"is new: {_short(found.becomes)}"
    if found.kind == "removed":
        return "is gone"
    if found.kind == "reordered":
        rule = "; the first that matches wins" if found.trail == ("segments",) else ""
        return f"stand in another order: {listed(found.after)}{rule}"
    return _replacement(found)


def _replacement(found: Difference) -> str:
    if found.before is NOTHING:
        return f"is set to {_short(found.becomes)}"
    if found.after is NOTHING:
        return f"is left out; it was {_short(found.was)}"
    if not isinstance(found.before, tuple):
        return f"{_short(found.was)} becomes {_short(found.becomes)}"
    verbs = (("gains", found.after), ("loses", found.before))
    return " and ".join(f"{verb} {listed([written(value) for value in values])}" for verb, values in verbs if values)


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def _counted(n: int, noun: str) -> str:
    return f"{n} {noun}{'' if n == 1 else 's'}"


# ---------------------------------------------------------------- less or more

# A lower limit lets less through, and so does one where there was none.
_LIMITS = frozenset(
    {"total", "daily", "monthly", "sends_per_day", "at_most", "live_campaigns", "variants_per_campaign"}
)
_LIMIT_NOTHING = frozenset({"Condition", "Reward"})  # their `at_most` limits nothing that is served
_FORBIDS = frozenset({"contact_policy", "guardrail_metrics"})  # lists of which each item only takes away
_GIVES = frozenset({"messages", "targetings", "attributes"})  # and of which each item is something more

_RULES: Mapping[tuple[str, str], Callable[[Any, Any], bool]] = {
    ("Campaign", "everyone_else"): lambda _, after: bool(after == "exclude"),
    ("Approval", "required"): lambda _, after: bool(after),
    ("Message", "retired"): lambda _, after: bool(after),
    ("Targeting", "retired"): lambda _, after: bool(after),
    ("Holdout", "share"): lambda before, after: bool(after > before),
}


def _narrows(found: Difference) -> bool | None:
    section, owner = found.trail[0], found.owner.__name__
    if found.kind in {"added", "removed"} and len(found.trail) == 2 and section in _FORBIDS | _GIVES:
        return (section in _FORBIDS) == (found.kind == "added")
    if rule := _RULES.get((owner, found.key)):
        return rule(found.before, found.after)
    if found.kind == "changed" and found.key in _LIMITS and owner not in _LIMIT_NOTHING:
        if found.before is NOTHING or found.after is NOTHING:
            return found.before is NOTHING
        return _amount(found.after) < _amount(found.before)
    return None


def _amount(limit: Any) -> float:
    return float(getattr(limit, "amount", limit))
