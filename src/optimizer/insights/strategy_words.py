"""A strategy in words: what is pursued and why, and every limit that automation works within, as sentences."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from optimizer.domain.instants import DAY, HOUR, MINUTE, SECOND, Duration
from optimizer.strategy.brand import Brand
from optimizer.strategy.documents import Objective, Reward, Strategy
from optimizer.strategy.limits import Budget, Channel, ContactRule, GuardrailMetric, Retention
from optimizer.strategy.money import DECISION


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing the strategy says.

    Attributes:
        sentence: the rule.
        why: the reason its authors gave; None where they gave none.
    """

    sentence: str
    why: str | None = None


@dataclass(frozen=True, slots=True)
class Chapter:
    """The rules of one kind.

    Attributes:
        key: the section of the document that says so, such as ``contact_policy``.
        title: what they are about.
        rules: at least one; where the document is silent, what follows from its silence.
    """

    key: str
    title: str
    rules: tuple[Rule, ...]


def chapters(strategy: Strategy) -> tuple[Chapter, ...]:
    """Everything a strategy says, in the order in which people ask for it."""
    return tuple(Chapter(key, title, tuple(words(strategy))) for key, title, words in _CHAPTERS)


def objective_words(objective: Objective, currency: str) -> str:
    """What an objective counts as success: ``the first purchase within 7 days of the delivery, less 5 for …``."""
    said = f"{_reward_words(objective.reward)} within {span_words(objective.attribution_window)} of "
    said += {"decision": "the decision", "delivered": "the delivery", "opened": "the first open"}[objective.counts_from]
    unit = f" {currency}" if objective.reward.value == "amount" else ""
    taken = [f"{_number(n)}{unit} for {_kind(kind)}" for kind, n in objective.penalties.items()]
    return said + (f", less {_listed(taken)}" if taken else "")


def span_words(length: Duration) -> str:
    """A duration as people say it: ``7 days``, ``1 day and 12 hours``, ``90 minutes``."""
    if 0 < length < 2 * HOUR and length % MINUTE == 0:
        return _counted(length // MINUTE, "minute")
    parts, rest = [], length
    for unit, noun in ((DAY, "day"), (HOUR, "hour"), (MINUTE, "minute"), (SECOND, "second")):
        n, rest = divmod(rest, unit)
        parts += [_counted(n, noun)] if n else []
    return _listed(parts) or "no time"


def _objectives(strategy: Strategy) -> Iterator[Rule]:
    for objective in strategy.objectives:
        proxy = f" It stands in for {objective.proxy_for}." if objective.proxy_for else ""
        words = objective_words(objective, strategy.currency)
        yield Rule(f"{objective.id}: {words}.{proxy}", objective.why)


def _budget(strategy: Strategy) -> Iterator[Rule]:
    found = list(budget_words(strategy.budget))
    for sentence in found:
        yield Rule(f"All campaigns together: {sentence}.")
    if not found:
        yield Rule("No limit for all campaigns together; each campaign has its own, or none.")
    for name, channel in strategy.channels.items():
        if channel.sends_per_day is not None:
            yield Rule(f"On {name}: {channel.sends_per_day:,} messages a day at most.")
        if channel.cost is not None:
            event = channel.cost.event
            due = "" if event == DECISION else f", due when it is {_kind(event)}"
            yield Rule(f"On {name}: each message costs {channel.cost.money}{due}.")


def budget_words(budget: Budget) -> Iterator[str]:
    """Each limit of a budget, most first said: ``5000.00 USD a month at most``."""
    per = {"day": " a day", "month": " a calendar month", None: ""}[budget.per]
    sends = budget.sends
    limits = (
        (budget.total, per or " in all"),
        (budget.monthly, " a calendar month"),
        (budget.daily, " a day"),
    )
    yield from (f"{money}{span} at most" for money, span in limits if money is not None)
    if sends is not None:
        counts = ((sends.total, " in all"), (sends.monthly, " a calendar month"), (sends.daily, " a day"))
        yield from (f"{n:,} messages{span} at most" for n, span in counts if n is not None)


def _contacts(strategy: Strategy) -> Iterator[Rule]:
    for rule in strategy.contact_policy:
        yield Rule(_contact_words(rule))
    if not strategy.contact_policy:
        yield Rule("No limit on how often a recipient is contacted.")


def _contact_words(rule: ContactRule) -> str:
    where = f" on {_listed(rule.channels)}" if rule.channels else " on all channels"
    together = "" if len(rule.channels or ()) == 1 else " together"
    return f"Nobody gets more than {_counted(rule.at_most, 'message')} in any {span_words(rule.per)}{where}{together}."


def _hours(strategy: Strategy) -> Iterator[Rule]:
    quiet = [(name, channel) for name, channel in strategy.channels.items() if channel.quiet_hours is not None]
    for name, channel in quiet:
        yield Rule(f"On {name} nothing is sent between {_hours_words(channel)}.")
    if not quiet:
        yield Rule("No channel has quiet hours.")


def _hours_words(channel: Channel) -> str:
    start, _, end = str(channel.quiet_hours).partition("-")
    unknown = {
        "block": "somebody whose time zone is unknown gets nothing",
        "use_strategy_zone": "somebody whose time zone is unknown is taken to live in the strategy's",
    }[channel.unknown_time_zone]
    return f"{start} and {end} where the recipient lives; {unknown}"


def _brand(strategy: Strategy) -> Iterator[Rule]:
    if strategy.brand is None:
        yield Rule("The strategy says nothing of what words may say.")
        return
    found = list(_brand_words(strategy.brand))
    yield from map(Rule, found or ["The strategy says nothing of what words may say."])


def _brand_words(brand: Brand) -> Iterator[str]:
    if brand.banned_phrases:
        yield f"Never said: {_quoted(brand.banned_phrases)}."
    for channel, parts in brand.required.items():
        yield f"Every message on {channel} holds {_quoted(parts)}."
    for one in brand.requires_disclaimer:
        yield f"Where a message says “{one.when}” it also says “{one.then}”."
    limits = brand.limits
    lengths = [("a subject", limits.subject), ("a body", limits.body), *limits.fields.items()]
    for name, most in lengths:
        if most is not None:
            yield f"At most {most:,} characters in {name}."
    if limits.capitals is not None:
        yield f"At most {_percent(limits.capitals)} of a text's letters are capitals."
    if limits.exclamations is not None:
        yield f"At most {_counted(limits.exclamations, 'exclamation mark')} in a text."
    if brand.link_domains is not None:
        yield f"Links lead to {_listed(brand.link_domains)} only." if brand.link_domains else "No links at all."


def _approval(strategy: Strategy) -> Iterator[Rule]:
    approval = strategy.approval
    if not approval.required:
        yield Rule("Words are served without anybody's approval.")
        return
    who = f"{_listed(approval.approvers, 'or')} has" if approval.approvers else "somebody has"
    yield Rule(f"A message is served only once {who} approved its words; words that change are approved anew.")


def _review(strategy: Strategy) -> Iterator[Rule]:
    if strategy.review is None:
        yield Rule("Nobody has to look at a campaign while it runs.")
        return
    then = {
        "warn": "a campaign nobody has looked at in time says so",
        "freeze": "a campaign nobody has looked at in time learns nothing until somebody does",
        "stop": "a campaign nobody has looked at in time sends nothing until somebody does",
    }[strategy.review.when_overdue]
    yield Rule(f"Somebody looks at each campaign every {span_words(strategy.review.every)}; {then}.")


def _capacity(strategy: Strategy) -> Iterator[Rule]:
    capacity = strategy.capacity
    limits = (
        (capacity.live_campaigns, "campaigns in force at once"),
        (capacity.variants_per_campaign, "variants of a campaign"),
        (capacity.approvals_per_week, "messages read in a week"),
    )
    found = [f"At most {n:,} {what}." for n, what in limits if n is not None]
    yield from map(Rule, found or ["The team has not said how much it can look after."])


def _holdout(strategy: Strategy) -> Iterator[Rule]:
    share = strategy.holdout.share
    yield Rule(
        f"{_percent(share)} of all recipients are held out of every campaign, to measure what the rest gains."
        if share
        else "Nobody is held out of every campaign; each campaign may hold out its own."
    )


def _data(strategy: Strategy) -> Iterator[Rule]:
    plain = [name for name, one in strategy.attributes.items() if not (one.sensitive or one.why)]
    if plain:
        yield Rule(f"Known of recipients: {_listed(plain)}.")
    for name, attribute in strategy.attributes.items():
        if name not in plain:
            sensitive = ", which is sensitive: no segment and no message may use it" if attribute.sensitive else ""
            yield Rule(f"Known of recipients: {name}{sensitive}.", attribute.why)
    if not strategy.attributes:
        yield Rule("Nothing is known of recipients.")
    for source in strategy.sources:
        keys = f", for which only {_listed(source.api_keys)} may speak" if source.api_keys else ""
        yield Rule(f"Said by {source.id}{keys}.")
    if len(strategy.sources) > 1:
        yield Rule("Where several say something of one thing, the first of them is believed.")
    data = strategy.data
    if data.consent_required:
        yield Rule(f"Nothing is sent on {_listed(data.consent_required)} without the recipient's consent.")
    yield from map(Rule, _kept(data.retention))


def _kept(retention: Retention) -> Iterator[str]:
    """How long anything is kept about a person."""
    limits = (
        ("Decisions and outcomes", retention.decisions, "are about nobody"),
        ("Profiles that nobody writes or needs", retention.profiles, "go"),
        ("Reports that could not be used", retention.quarantine, "go"),
    )
    yield from (f"{what} {end} after {span_words(length)}." for what, length, end in limits if length is not None)
    kept = [what.lower() for what, length, _ in limits if length is None]
    if kept:
        yield f"Kept until somebody is erased: {_listed(kept)}."


def _metrics(strategy: Strategy) -> Iterator[Rule]:
    for metric in strategy.guardrail_metrics:
        yield Rule(metric_words(metric))
    if not strategy.guardrail_metrics:
        yield Rule("No rate is watched beside the objectives.")


def metric_words(metric: GuardrailMetric) -> str:
    """A guardrail metric as a sentence."""
    then = {
        "pause_variant": "its variant is paused until a person resumes it",
        "alert": "an alarm is raised",
        "stop_campaign": "the campaign is stopped until a person resumes it",
    }[metric.then]
    so_many = f"more than {_percent(metric.at_most)} of decisions have the outcome {_kind(metric.outcome)}"
    return f"When {so_many}, with {_percent(metric.confidence)} confidence, {then}."


def _hygiene(strategy: Strategy) -> Iterator[Rule]:
    hygiene = strategy.hygiene
    kinds = _listed([_kind(kind) for kind in hygiene.machine_kinds])
    found = []
    if hygiene.fastest is not None:
        after = span_words(hygiene.fastest)
        found.append(f"What comes within {after} of the delivery ({kinds}) is taken for a machine's and not counted.")
    if hygiene.honeypot is not None:
        found.append(f"Whoever causes {_kind(hygiene.honeypot)} is a machine: what it opens or clicks is not counted.")
    for kind, money in hygiene.largest_value.items():
        found.append(f"A {_kind(kind)} of more than {money} is not believed: it waits in quarantine.")
    yield from map(Rule, found or ["Every outcome that is reported is believed."])


def _notify(strategy: Strategy) -> Iterator[Rule]:
    for receiver in strategy.notify:
        yield Rule(f"{receiver.id} is told of {_listed([_kind(kind) for kind in receiver.about])}.")
    if not strategy.notify:
        yield Rule("Nobody is told by itself; what needs people stands here.")


_CHAPTERS: Final[Sequence[tuple[str, str, Callable[[Strategy], Iterator[Rule]]]]] = (
    ("objectives", "What counts", _objectives),
    ("budget", "Money and messages", _budget),
    ("contact_policy", "How often anybody is contacted", _contacts),
    ("channels", "Quiet hours", _hours),
    ("brand", "What words may say", _brand),
    ("approval", "Approval", _approval),
    ("review", "Reviews", _review),
    ("guardrail_metrics", "What must stay low", _metrics),
    ("holdout", "Holdout", _holdout),
    ("data", "What may be known, and how long", _data),
    ("hygiene", "What is believed", _hygiene),
    ("capacity", "What the team can look after", _capacity),
    ("notify", "Who is told", _notify),
)


def _reward_words(reward: Reward) -> str:
    kind = _kind(reward.outcome)
    most = f", {reward.at_most} of one decision at most" if reward.at_most is not None else ""
    return {"first": f"the first {kind}", "count": f"each {kind}", "amount": f"the value of every {kind}{most},"}[
        reward.value
    ]


def _kind(name: str) -> str:
    return name.replace("_", " ")


def _quoted(texts: Sequence[str]) -> str:
    return _listed([f"“{text}”" for text in texts])


def _listed(names: Sequence[str], word: str = "and") -> str:
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} {word} {names[-1]}"


def _counted(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def _number(n: float) -> str:
    return f"{n:,.10g}"


def _percent(share: float) -> str:
    return f"{100 * share:.6g} %"
