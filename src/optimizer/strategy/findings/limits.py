"""Rules about guardrails that span keys or documents: limits nobody can keep, words for things that do not exist.

As in `references`, documents are read as written, and only the piece that is judged is parsed.
"""

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from itertools import combinations, islice, pairwise
from typing import Any

from optimizer.errors import Finding
from optimizer.strategy import fields
from optimizer.strategy.findings.derived import outcomes_of_attributes
from optimizer.strategy.findings.hygiene import hygiene_findings, outcomes_of_hygiene
from optimizer.strategy.findings.retention import retention_findings
from optimizer.strategy.findings.revealing import revealing_findings
from optimizer.strategy.findings.tracking import outcomes_of_events, tracking_findings
from optimizer.strategy.limits import Budget, Capacity, ContactRule, RolloutStage
from optimizer.strategy.money import DECISION, Cost, CostPerEvent, Money, MoneyAbove0
from optimizer.strategy.pieces import currency_findings, ids, items, n_sent, piece, twice, unknown
from optimizer.strategy.wording import numeral, one_of, stands
from optimizer.strategy.yaml.source import Path, Source, shortened

_MONEY_KEYS = ("total", "daily", "monthly")
# Limits from the shortest time to the longest; what `per` says is what total is for.
_BY_TIME = {None: ("daily", "monthly", "total"), "month": ("daily", "total"), "day": ("total", "monthly")}
_USUAL_OUTCOMES = ("delivered", "opened", "clicked", "bounced", "unsubscribed", "complained")
_JUDGED = 100  # of each list; longer ones have a finding of their own
_TOO_CLOSE = 0.84  # complaint and complained; purchases and purchase


def strategy_limit_findings(strategy: Source) -> Iterator[Finding]:
    """Findings about the guardrails of the strategy alone."""
    yield from _proxy_findings(strategy)
    for path, _ in items(strategy, ("objectives",)):
        reward = strategy.value((*path, "reward", "outcome"))
        if isinstance(reward, str) and (*path, "penalties", reward) in strategy.keys:
            allowed = f"another outcome: {reward} is what this objective rewards"
            yield strategy.finding((*path, "penalties", reward), allowed, on_key=True)
    yield from _channel_findings(strategy)
    yield from _contact_findings(strategy)
    yield from _outcome_findings(strategy, strategy)
    yield from _metric_findings(strategy)
    yield from _budget_findings(strategy, strategy)
    yield from hygiene_findings(strategy)
    yield from retention_findings(strategy)
    yield from revealing_findings(strategy)
    yield from tracking_findings(strategy)
    approvers = ("approval", "approvers")
    yield from twice(strategy, items(strategy, approvers))
    if approvers in strategy.keys and strategy.value(("approval", "required")) is False:
        yield strategy.finding(approvers, "no such key while required is false: nobody has to approve", on_key=True)


def campaign_limit_findings(strategy: Source, campaign: Source) -> Iterator[Finding]:
    """Findings about the guardrails a campaign is under."""
    yield from _unknown_channel(strategy, campaign, ("channel",))
    yield from _outcome_findings(strategy, campaign)
    yield from _accepted_proxy_findings(strategy, campaign)
    yield from _budget_findings(strategy, campaign)
    for path, _ in items(campaign, ("messages",)):
        yield from currency_findings(strategy, campaign, (*path, "cost"))
    yield from _pacing_findings(campaign)
    yield from _dearest_findings(strategy, campaign)
    yield from _rollout_findings(strategy, campaign)
    yield from _window_findings(strategy, campaign)
    capacity = piece(Capacity, strategy, ("capacity",))
    most = capacity.variants_per_campaign if capacity else None
    n = n_sent(campaign)
    if most is not None and n > most and ("messages",) in campaign.keys:
        variants = f"{most} variant{'s' if most > 1 else ''}"
        allowed = f"at most {variants} (messages x targetings): the capacity of {strategy.file}"
        yield campaign.finding(("messages",), allowed, on_key=True, found=f"{n} variants")


def capacity_findings(strategy: Source, n_campaigns: int) -> Iterator[Finding]:
    """A finding when there are more campaigns than the team can look after."""
    capacity = piece(Capacity, strategy, ("capacity",))
    most = capacity.live_campaigns if capacity else None
    if most is not None and n_campaigns > most:
        allowed = f"{n_campaigns} or more, or fewer campaigns: there are {n_campaigns}"
        yield strategy.finding(("capacity", "live_campaigns"), allowed)


def _channels(strategy: Source) -> list[str]:
    """The channels there are; none when one of their names has a finding of its own."""
    names = [str(path[-1]) for path, _ in items(strategy, ("channels",))]
    return names if all(re.match(fields.ID_PATTERN, name) for name in names) else []


def _unknown_channel(strategy: Source, source: Source, path: Path, name: object = None) -> Iterator[Finding]:
    """A finding when a strategy that declares channels does not declare this one."""
    channels, name = _channels(strategy), name or source.value(path)
    if channels and isinstance(name, str) and name not in channels:
        allowed = f"a channel of {strategy.file}, {one_of(channels, name)}"
        yield source.finding(path, allowed, on_key=path[-1] == name)


def _proxy_findings(strategy: Source) -> Iterator[Finding]:
    objectives = ids(strategy, "objectives")
    for name, path in objectives.items():
        place = (*path[:-1], "proxy_for")
        stands_for = strategy.value(place)
        if not isinstance(stands_for, str):
            continue
        if stands_for == name:
            others = one_of([other for other in objectives if other != name])
            yield strategy.finding(place, f"the objective it stands in for, not itself: {others}")
        elif stands_for not in objectives:
            yield from unknown(strategy, place, [other for other in objectives if other != name])
        elif strategy.value((*objectives[stands_for][:-1], "proxy_for")) is not None:
            yield strategy.finding(place, f"an objective that is not a proxy itself, as {stands_for} is")


def _accepted_proxy_findings(strategy: Source, campaign: Source) -> Iterator[Finding]:
    path = ids(strategy, "objectives").get(str(campaign.value(("serves",))))
    if path is None:
        return
    stands_for = strategy.value((*path[:-1], "proxy_for"))
    accepted = ("accept_proxy",) in campaign.keys
    if stands_for is not None and not accepted:
        allowed = (
            f"{stands_for}, for which it is only a proxy; or the key accept_proxy with the reason why a proxy will do"
        )
        yield campaign.finding(("serves",), allowed)
    if stands_for is None and accepted:
        allowed = f"no such key: {campaign.value(('serves',))} is not a proxy"
        yield campaign.finding(("accept_proxy",), allowed, on_key=True)


def _channel_findings(strategy: Source) -> Iterator[Finding]:
    for path, _ in items(strategy, ("channels",)):
        yield from currency_findings(strategy, strategy, (*path, "cost"))
        quiet = piece(fields.Window, strategy, (*path, "quiet_hours"))
        if quiet and quiet.lasts_all_day:
            yield strategy.finding(
                (*path, "quiet_hours"), "hours that leave some of the day to send in, such as 21:00-08:00"
            )
    consent = ("data", "consent_required")
    yield from twice(strategy, items(strategy, consent))
    rules = [(*path, "channels") for path, _ in items(strategy, ("contact_policy",))]
    for rule in rules:
        yield from twice(strategy, items(strategy, rule))
    for place in (consent, *rules):
        for path, _ in items(strategy, place):
            yield from _unknown_channel(strategy, strategy, path)
    for path, _ in items(strategy, ("brand", "required")):
        if isinstance(path[-1], str):
            yield from _unknown_channel(strategy, strategy, path, path[-1])


def _contact_findings(strategy: Source) -> Iterator[Finding]:
    """A rule that never forbids what another one allows only makes its readers believe it did."""
    every = frozenset(_channels(strategy))
    written = islice(items(strategy, ("contact_policy",)), _JUDGED)
    rules = [(path, piece(ContactRule, strategy, path)) for path, _ in written]
    known = [(path, rule, frozenset(rule.channels or every)) for path, rule in rules if rule]
    needless: set[Path] = set()
    for one, other in combinations(known, 2):
        for (strict, tight, wide), (path, loose, narrow) in ((one, other), (other, one)):
            as_wide = tight.channels is None or (narrow and wide >= narrow)
            if as_wide and tight.at_most <= loose.at_most and tight.per >= loose.per and not {path, strict} & needless:
                needless.add(path)
                line = strategy.values[strict].line
                allowed = f"another rule, or none: whoever keeps the one on line {line} keeps this one, too"
                yield strategy.finding(path, allowed)


def _outcome_findings(strategy: Source, source: Source) -> Iterator[Finding]:
    """Names that nearly are another outcome's: nobody would report them, and what hangs on them would never happen."""
    rewarded = [path for path, _ in islice(items(strategy, ("objectives",)), _JUDGED)]
    rewards = [strategy.value((*path, "reward", "outcome")) for path in rewarded]
    known = [*_USUAL_OUTCOMES, *(kind for kind in rewards if isinstance(kind, str))]
    named: list[tuple[Path, object, bool]] = []
    if source is strategy:
        named += [((*path, "reward", "outcome"), kind, False) for path, kind in zip(rewarded, rewards, strict=True)]
        named += [(at, at[-1], True) for path in rewarded for at, _ in items(strategy, (*path, "penalties"))]
        metrics = [(*path, "outcome") for path, _ in items(strategy, ("guardrail_metrics",))]
        named += [(path, strategy.value(path), False) for path in metrics]
        named += outcomes_of_hygiene(strategy) + outcomes_of_events(strategy) + outcomes_of_attributes(strategy)
    lists = ("channels",) if source is strategy else ("messages",)
    for path in [(*path, "cost") for path, _ in items(source, lists)]:
        cost = piece(CostPerEvent, source, path)
        if isinstance(cost, Cost) and cost.event != DECISION:
            named.append((path, cost.event, False))
    for path, kind, on_key in named[: 10 * _JUDGED]:
        if not isinstance(kind, str) or kind in known or not re.match(fields.KIND_PATTERN, kind):
            continue
        if close := get_close_matches(kind, known, n=1, cutoff=_TOO_CLOSE):
            allowed = f'one name for one outcome (did you mean "{close[0]}"?), or a name less like that one'
            yield source.finding(path, allowed, on_key=on_key)


def _metric_findings(strategy: Source) -> Iterator[Finding]:
    rewarded = [strategy.value((*path, "reward", "outcome")) for path, _ in items(strategy, ("objectives",))]
    seen: dict[Any, Path] = {}
    for path, metric in items(strategy, ("guardrail_metrics",)):
        if not isinstance(metric, dict):
            continue
        outcome = metric.get("outcome")
        if isinstance(outcome, str) and outcome in rewarded:
            allowed = "an outcome that no objective rewards: a guardrail keeps a rate low"
            yield strategy.finding((*path, "outcome"), allowed)
        same = (str(outcome), str(metric.get("then")))
        if same in seen:
            line = strategy.values[seen[same]].line
            yield strategy.finding((*path, "outcome"), f"each outcome once with the same `then` (first on line {line})")
        seen.setdefault(same, path)


def _budget_findings(strategy: Source, source: Source) -> Iterator[Finding]:
    here = ("budget",)
    for key in _MONEY_KEYS:
        yield from currency_findings(strategy, source, (*here, key))
    budget = source.value(here)
    if not isinstance(budget, dict):
        return
    if "per" in budget and "total" not in budget:
        yield source.finding((*here, "per"), "this key only with total, the money per day or month", on_key=True)
    twice_said = {"month": "monthly", "day": "daily"}.get(str(budget.get("per")))
    if twice_said is not None and twice_said in budget:
        yield source.finding((*here, twice_said), f"one limit a {budget['per']}: total is one already", on_key=True)
    amounts = {key: piece(MoneyAbove0, source, (*here, key)) for key in _MONEY_KEYS}
    yield from _not_larger(source, here, amounts, budget.get("per"))
    sends = {key: source.value((*here, "sends", key)) for key in _MONEY_KEYS}
    yield from _not_larger(source, (*here, "sends"), sends)


def _not_larger(source: Source, here: Path, limits: Mapping[str, Any], per: object = None) -> Iterator[Finding]:
    """A limit for a shorter time that is larger than one for a longer time can never be reached."""
    amounts = {key: limit.amount if isinstance(limit, Money) else limit for key, limit in limits.items()}
    by_time = _BY_TIME.get(per if isinstance(per, str) else None, ())
    known = [key for key in by_time if isinstance(amounts.get(key), int)]
    for shorter, longer in pairwise(known):
        if amounts[shorter] > amounts[longer]:
            allowed = (
                f"at most {limits[longer]}, the {longer} limit{f' per {per}' if longer == 'total' and per else ''}"
            )
            yield source.finding((*here, shorter), allowed)


def _pacing_findings(campaign: Source) -> Iterator[Finding]:
    pacing = campaign.value(("budget", "pacing"))
    if pacing not in ("even", "front"):
        return
    budget = piece(Budget, campaign, ("budget",)) or _without_pacing(campaign)
    if budget is None:
        return
    sends = budget.sends
    lasting = any((budget.daily, budget.monthly, budget.total and budget.per)) or bool(
        sends and (sends.daily or sends.monthly)
    )
    ever = (budget.total is not None and not budget.per) or bool(sends and sends.total)
    bounded = ("starts",) in campaign.keys and ("ends",) in campaign.keys
    if not lasting and not ever:
        yield campaign.finding(("budget", "pacing"), "none, or a limit to pace, such as total or daily")
    elif not lasting and not bounded:
        allowed = "none, or the keys starts and ends: a time to spread the total over"
        yield campaign.finding(("budget", "pacing"), allowed)


def _without_pacing(campaign: Source) -> Budget | None:
    written = campaign.value(("budget",))
    rest = {key: value for key, value in written.items() if key != "pacing"} if isinstance(written, dict) else {}
    try:
        return Budget.model_validate(rest)
    except ValueError:
        return None


def _dearest_findings(strategy: Source, campaign: Source) -> Iterator[Finding]:
    """A limit below what one message can cost lets nothing out, or never that message."""
    channel = piece(CostPerEvent, strategy, ("channels", str(campaign.value(("channel",))), "cost"))
    base = channel.money.amount if isinstance(channel, Cost) else 0
    costs = [piece(CostPerEvent, campaign, (*path, "cost")) for path, _ in items(campaign, ("messages",))]
    amounts = [base + (cost.money.amount if isinstance(cost, Cost) else 0) for cost in costs]
    cheapest = min(amounts, default=0)
    for source in (strategy, campaign):
        for key in _MONEY_KEYS:
            limit = piece(MoneyAbove0, source, ("budget", key))
            if isinstance(limit, Money) and limit.amount < cheapest:
                least = Money(cheapest, limit.currency)
                allowed = f"{least} or more: what one message of campaign {campaign.value(('campaign',))} can cost"
                yield source.finding(("budget", key), allowed)
            for index, amount in enumerate(amounts):
                if isinstance(limit, Money) and cheapest <= limit.amount < amount:
                    most = Money(limit.amount - base, limit.currency)
                    place = f"{key} in {source.file} on line {source.values['budget', key].line}"
                    allowed = f"at most {most}, or more budget: {place} never lets this message out"
                    yield campaign.finding(("messages", index, "cost"), allowed)


def _rollout_findings(strategy: Source, campaign: Source) -> Iterator[Finding]:
    stages = list(items(campaign, ("rollout",)))
    before = 0.0
    metrics = ("guardrail_metrics",)
    has_metrics = stands(strategy, metrics) and strategy.value(metrics) != []
    for path, _ in stages:
        yield from twice(campaign, items(campaign, (*path, "requires")))
        stage = piece(RolloutStage, campaign, path)
        if stage is None:
            continue
        if stage.share <= before:
            allowed = f"a number above {numeral(before)}, the share of the stage before: a rollout only grows"
            yield campaign.finding((*path, "share"), allowed)
        before = max(before, stage.share)
        if path == stages[-1][0] and stage.for_ is not None:
            yield campaign.finding((*path, "for"), "no such key at the last stage: no other follows", on_key=True)
        if path == stages[0][0] and stage.requires:
            allowed = "no such key at the first stage: it begins at once"
            yield campaign.finding((*path, "requires"), allowed, on_key=True)
        elif "no_guardrail_breach" in stage.requires and not has_metrics:
            allowed = f"approval, or guardrail_metrics in {strategy.file}: without them nothing can be breached"
            yield campaign.finding((*path, "requires"), allowed)
    if stages and campaign.value((*stages[0][0], "share")) != 1 and not stands(campaign, ("control",)):
        allowed = "this key, as the rollout leaves recipients out: nothing, or the message they get meanwhile"
        yield campaign.finding(("control",), allowed)


def _window_findings(strategy: Source, campaign: Source) -> Iterator[Finding]:
    place = ("channels", str(campaign.value(("channel",))), "quiet_hours")
    quiet = piece(fields.Window, strategy, place)
    for path, _ in items(campaign, ("targetings",)):
        window = piece(fields.Window, campaign, (*path, "send_window"))
        if quiet and not quiet.lasts_all_day and window and window.within(quiet):
            allowed = f"hours outside the quiet hours {quiet} of {shortened(place[1])}"
            yield campaign.finding((*path, "send_window"), allowed)
