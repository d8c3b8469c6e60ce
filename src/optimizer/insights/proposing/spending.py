"""Raise a budget that keeps good messages back, or move some of it here from a campaign where it earns less."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from optimizer.domain.meters import STRATEGY, Allowance, campaign_scope
from optimizer.domain.micros import MICRO, units
from optimizer.domain.proposals import Edit, Proposal, ProposalKind
from optimizer.evaluation.stratified import StratifiedDifference
from optimizer.guardrails.budget import Span
from optimizer.insights.proposing.certainty import certainty, combined, turned
from optimizer.insights.proposing.looked import Looked, Purse, Sibling
from optimizer.insights.proposing.words import as_of, effect, per_trial, size
from optimizer.strategy.documents import Campaign
from optimizer.strategy.limits import Sends
from optimizer.strategy.money import Money

STEP = 0.2  # of a limit, that is raised or moved at once
BINDS = 0.95  # part of a limit in use from which it keeps messages back
_PERIODS = {Span.EVER: "campaign", Span.MONTH: "month", Span.DAY: "day"}  # after which a limit begins again


@dataclass(frozen=True, slots=True)
class _Line:
    """A limit of a campaign's own budget as its document has it, and what is in use of it."""

    path: tuple[str, ...]
    in_sends: bool
    limit: int
    purse: Purse

    @property
    def cost(self) -> float:
        """What a message uses up: units of currency, or one send; 0 where nothing has been sent."""
        if self.in_sends:
            return 1.0
        used = self.purse.used
        return units(used.money) / used.sends if used.sends else 0.0

    @property
    def used(self) -> float:
        """Part of it that is in use."""
        return (self.purse.used.sends if self.in_sends else self.purse.used.money) / self.limit

    def written(self, limit: int, currency: str) -> int | str:
        """Another limit, as documents say it."""
        return limit if self.in_sends else str(Money(limit, currency))

    def units_of(self, amount: int) -> float:
        """Messages, or units of currency."""
        return float(amount) if self.in_sends else units(amount)


def budgets(looked: Looked) -> Iterator[Proposal]:
    """At most one proposal: to move budget here from where it earns less, else to raise what binds."""
    if looked.controls.pinned is not None:
        return
    binding = [line for line in _lines(looked.campaign, looked.purses) if _binds(looked, line) and line.cost > 0.0]
    for line in binding:
        found = _moved(looked, line) or _raised(looked, line)
        if found is not None:
            yield found
            return


def _lines(campaign: Campaign, purses: tuple[Purse, ...]) -> list[_Line]:
    budget, sends = campaign.budget, campaign.budget.sends or Sends()
    written: list[tuple[Span, tuple[str, ...], bool, Money | int | None]]
    money = ((Span(budget.per or Span.EVER), "total"), (Span.MONTH, "monthly"), (Span.DAY, "daily"))
    written = [(span, ("budget", key), False, getattr(budget, key)) for span, key in money]
    written += [
        (span, ("budget", "sends", key), True, getattr(sends, key))
        for span, key in ((Span.EVER, "total"), (Span.MONTH, "monthly"), (Span.DAY, "daily"))
    ]
    mine = {purse.span: purse for purse in purses if purse.scope == campaign_scope(campaign.campaign)}
    return [
        _Line(path, in_sends, limit if isinstance(limit, int) else limit.amount, mine[span])
        for span, path, in_sends, limit in written
        if limit is not None and span in mine
    ]


def _binds(looked: Looked, line: _Line) -> bool:
    """Whether the limit keeps messages back: next to nothing is left, or the policy has a price for it."""
    price = None if looked.table is None else looked.table.snapshot.price
    return line.used >= BINDS or line.purse.exhausted or bool(price)


def _raised(looked: Looked, line: _Line) -> Proposal | None:
    """More of it, as far as the strategy's own limit goes."""
    more = min(round(STEP * line.limit), _room(looked, line))
    if more <= 0:
        return None
    in_money = looked.tactic.reward_rule.in_amounts and not line.in_sends
    cost = line.cost if in_money else 0.0  # where rewards are no money, what they are worth is for people to say
    lift = looked.lift(looked.all_days)
    sure = certainty(_less(looked.lift(looked.settled), cost), _less(lift, cost), 1)
    gain = combined([(line.units_of(more) / line.cost, _less(lift, cost))])
    if sure is None or gain is None:
        return None
    key = ".".join(line.path)
    return Proposal(
        kind=ProposalKind.RAISE_BUDGET,
        campaign_id=looked.tactic.campaign_id,
        subject=key,
        headline=f"Raise {key} by {_amount(looked, line, more)}: it keeps back messages that earn something.",
        evidence=(
            f"{100 * line.used:.0f} % of it is in use in its period.",
            f"Beyond what none earns, or control, a message earns {per_trial(lift, looked.unit)}"
            + ("." if line.in_sends else f", and costs {line.cost:.3g} {looked.strategy.currency}."),
            as_of(looked),
        ),
        expected=effect(gain, looked, per=_PERIODS[line.purse.span]),
        risk="The messages it adds go to people whom the budget had left out; they may be worth less than the others.",
        confidence=sure,
        edits=(_edit(looked, looked.tactic.campaign_id, line, line.limit + more),),
    )


def _moved(looked: Looked, line: _Line) -> Proposal | None:
    """Some of a limit of the same kind of another campaign that earns less with it."""
    candidates = [
        (sibling, other)
        for sibling in looked.siblings
        for other in _lines(sibling.campaign, sibling.purses)
        if other.path == line.path and other.cost > 0.0 and other.purse.span is line.purse.span
    ]
    for sibling, other in sorted(candidates, key=lambda pair: pair[0].lift.value / pair[1].cost):
        found = _move(looked, line, sibling, other, len(candidates))
        if found is not None:
            return found
    return None


def _move(looked: Looked, line: _Line, sibling: Sibling, other: _Line, n: int) -> Proposal | None:
    amount = round(STEP * other.limit)
    theirs = (1.0 / other.cost, turned(sibling.lift.widened(looked.design)))
    ahead = [combined([(1.0 / line.cost, looked.lift(days)), theirs]) for days in (looked.settled, looked.all_days)]
    if ahead[1] is None or amount <= 0:
        return None
    sure = certainty(ahead[0], ahead[1], n)
    gain = combined([(line.units_of(amount), ahead[1])])
    if sure is None or gain is None or looked.lift(looked.all_days).value <= 0.0:
        return None
    donor, mine = sibling.campaign.campaign, looked.tactic.campaign_id
    per = "message" if line.in_sends else looked.strategy.currency
    earned = (looked.lift(looked.all_days).value / line.cost, sibling.lift.value / other.cost)
    here, there = (_signed(value, looked.unit) for value in earned)
    return Proposal(
        kind=ProposalKind.MOVE_BUDGET,
        campaign_id=mine,
        subject=f"{donor} {'.'.join(line.path)}",
        headline=f"Move {_amount(looked, line, amount)} of {'.'.join(line.path)} from {donor} to {mine}.",
        evidence=(
            f"{100 * line.used:.0f} % of the budget here is in use in its period, {100 * other.used:.0f} % there.",
            f"Beyond what control earns, a {per} spent here earns {here}, one spent by {donor} {there}.",
            as_of(looked),
        ),
        expected=effect(gain, looked, per=_PERIODS[line.purse.span]),
        risk=f"{donor} sends less, and learns more slowly.",
        confidence=sure,
        edits=(_edit(looked, donor, other, other.limit - amount), _edit(looked, mine, line, line.limit + amount)),
    )


def _room(looked: Looked, line: _Line) -> int:
    """What the strategy's own limits leave for the same period; without any, all that may be asked for."""
    rooms = [line.limit]
    for purse in looked.purses:
        most: Allowance = purse.allowance
        if purse.scope == STRATEGY and purse.span in {line.purse.span, Span.EVER}:
            if line.in_sends and most.sends is not None:
                rooms.append(most.sends - purse.used.sends)
            elif not line.in_sends and most.money is not None:
                rooms.append(most.money - purse.used.money)
    return max(min(rooms), 0)


def _less(found: StratifiedDifference, cost: float) -> StratifiedDifference:
    """A difference of money, less what the message costs."""
    return replace(found, raw=found.raw - cost, value=found.value - cost)


def _edit(looked: Looked, campaign_id: str, line: _Line, limit: int) -> Edit:
    rounded = limit if line.in_sends else round(limit / (MICRO // 100)) * (MICRO // 100)  # whole cents
    return Edit(campaign_id, line.path, "set", line.written(rounded, looked.strategy.currency))


def _amount(looked: Looked, line: _Line, amount: int) -> str:
    return f"{amount:,} messages" if line.in_sends else f"{units(amount):,.2f} {looked.strategy.currency}"


def _signed(value: float, unit: str) -> str:
    return f"{'-' if value < 0 else ''}{size(value, unit)}"
