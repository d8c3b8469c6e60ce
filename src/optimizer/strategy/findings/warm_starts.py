"""Rules of a policy that span several keys or documents: what it may begin with, and what goes with which model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from optimizer.errors import Finding
from optimizer.strategy.documents import Reward
from optimizer.strategy.findings.policy import attribute_findings
from optimizer.strategy.pieces import ids, items, piece, twice
from optimizer.strategy.policy_settings import PolicySettings, WarmStart, resolved_policy
from optimizer.strategy.variants import variant_id
from optimizer.strategy.wording import numeral, one_of
from optimizer.strategy.yaml.source import Source

_HERE = ("policy", "warm_start")


def default_policy_findings(strategy: Source) -> Iterator[Finding]:
    """What belongs to one campaign and stands among the defaults of all, and names that nothing has."""
    if ("policy_defaults", "warm_start") in strategy.keys:
        yield strategy.finding(
            ("policy_defaults", "warm_start"),
            "no such key here: each campaign says in its own policy what it begins with",
            on_key=True,
        )
    yield from attribute_findings(strategy, strategy, ("policy_defaults", "attributes"))
    yield from twice(strategy, items(strategy, ("policy_defaults", "alarms")))


def warm_start_findings(strategy: Source, campaign: Source, others: Mapping[str, Source]) -> Iterator[Finding]:
    """Findings about what a campaign begins with.

    Args:
        strategy: has the objectives.
        campaign: whose policy it is.
        others: all campaigns of the workspace by id, this one among them.
    """
    warm = piece(WarmStart, campaign, _HERE)
    if warm is None:
        return
    if warm.campaign is None and not warm.variants:
        yield campaign.finding(_HERE, "this key with campaign, variants or both", on_key=True, found="neither")
    reward, penalties = _objective(strategy, campaign)
    if warm.variants and (penalties or (reward is not None and reward.value == "amount")):
        what = "rewards that are amounts" if not penalties else "penalties"
        yield campaign.finding(
            (*_HERE, "variants"), f"the key campaign instead: successes alone say nothing about {what}", on_key=True
        )
    else:
        yield from _told_findings(campaign, warm)
    if warm.campaign is not None:
        yield from _campaign_findings(campaign, warm.campaign, others)


def control_findings(strategy: Source, campaign: Source) -> Iterator[Finding]:
    """Findings about settings that the campaign's model cannot follow."""
    settings = [
        piece(PolicySettings, source, (key,)) if (key,) in source.keys else PolicySettings()
        for source, key in ((campaign, "policy"), (strategy, "policy_defaults"))
    ]
    if None in settings or resolved_policy(*settings).model != "contextual":
        return
    if resolved_policy(*settings).largest_change < 1.0:
        allowed = "1 with model contextual, whose shares are other ones for each recipient"
        value = resolved_policy(*settings).largest_change
        yield _about(campaign, "largest_change", allowed, numeral(value))
    if _HERE in campaign.keys:
        allowed = "no such key with model contextual, which learns from trials one by one"
        yield campaign.finding(_HERE, allowed, on_key=True)


def _about(campaign: Source, key: str, allowed: str, found: str) -> Finding:
    """A finding at a policy key, or at the policy when the campaign left that key to the strategy."""
    if ("policy", key) in campaign.keys:
        return campaign.finding(("policy", key), allowed)
    return campaign.finding(("policy",), f"{key}: {allowed}", on_key=True, found=f"a {key} of {found} by default")


def _told_findings(campaign: Source, warm: WarmStart) -> Iterator[Finding]:
    known = _variant_ids(campaign)
    for path, _ in items(campaign, (*_HERE, "variants")):
        name = str(path[-1])
        if name not in known:
            yield campaign.finding(path, one_of(known, name), on_key=True)
        elif warm.variants[name].successes > warm.variants[name].trials:
            allowed = f"at most {numeral(warm.variants[name].trials)}: as many successes as there were trials"
            yield campaign.finding((*path, "successes"), allowed)


def _campaign_findings(campaign: Source, other: str, others: Mapping[str, Source]) -> Iterator[Finding]:
    place, own = (*_HERE, "campaign"), campaign.value(("campaign",))
    elsewhere = [name for name in others if name != own]
    if other == own:
        yield campaign.finding(place, f"another campaign, {one_of(elsewhere)}" if elsewhere else "another campaign")
    elif other not in others:
        yield campaign.finding(place, one_of(elsewhere, other) if elsewhere else "the id of another campaign")
    elif others[other].value(("serves",)) != campaign.value(("serves",)):
        served = campaign.value(("serves",))
        yield campaign.finding(place, f"a campaign that serves {served}, as this one does: other rewards say nothing")
    elif not set(_variant_ids(campaign)) & set(_variant_ids(others[other])):
        yield campaign.finding(place, "a campaign that has a variant of the same id as one of this")


def _variant_ids(campaign: Source) -> Sequence[str]:
    targetings: Sequence[str | None] = list(ids(campaign, "targetings")) or [None]
    return [variant_id(message, targeting) for message in ids(campaign, "messages") for targeting in targetings]


def _objective(strategy: Source, campaign: Source) -> tuple[Reward | None, bool]:
    """The reward of the objective a campaign serves, and whether it has penalties."""
    served = campaign.value(("serves",))
    for path, _ in items(strategy, ("objectives",)):
        if strategy.value((*path, "id")) == served:
            return piece(Reward, strategy, (*path, "reward")), bool(strategy.value((*path, "penalties")))
    return None, False
