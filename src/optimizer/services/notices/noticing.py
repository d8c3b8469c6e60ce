"""Notice: which of the facts that watching, steering and spending bring about others are told of."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from optimizer.domain.instants import Instant, isoformat
from optimizer.domain.meters import UNUSED, Reading, campaign_scope
from optimizer.domain.micros import units
from optimizer.domain.notices import Notice, NoticeKind
from optimizer.engine.raising import ALARMS, SILENCE, Done
from optimizer.engine.supplies import meters_of
from optimizer.engine.tactic import Tactic
from optimizer.guardrails.budget import Limit, period
from optimizer.services.live import Loaded
from optimizer.services.notices.announcing import announce, is_told
from optimizer.storage.store import Ledger

NEARLY: Final = 0.8  # of a limit: people still have time to do something
_BUDGET_KINDS = (NoticeKind.BUDGET_80, NoticeKind.BUDGET_100)
_ABOUT_LEARNING = {f"alarm: {alarm}" for alarm in ALARMS}


def announce_done(ledger: Ledger, campaign_id: str, done: Iterable[Done], now: Instant) -> None:
    """Announce what a refresh has done to a campaign."""
    for one in done:
        for kind, data in _told(campaign_id, one):
            announce(ledger, Notice(kind, campaign_id, {**data, "because": one.sentence}, now))


def announce_pause(ledger: Ledger, campaign_id: str, variant_id: str, why: str, now: Instant) -> None:
    """Announce that a person has paused a variant."""
    announce(ledger, Notice(NoticeKind.VARIANT_PAUSED, campaign_id, {"variant": variant_id, "because": why}, now))


def announce_limits(ledger: Ledger, loaded: Loaded, campaign_id: str, now: Instant) -> None:
    """Announce a review that is overdue, and budgets that are nearly used up or exhausted: once for each period.

    Budgets are looked at when a campaign is learned, and not with each decision, which they would make slower.
    """
    tactic = loaded.tactic(campaign_id)
    if tactic.limits.phase(now)[2]:
        return
    due_at = tactic.review_due_at
    if due_at is not None and now >= due_at and is_told(loaded, NoticeKind.REVIEW_OVERDUE):
        once = f"{campaign_scope(campaign_id)}/{due_at}"
        announce(ledger, Notice(NoticeKind.REVIEW_OVERDUE, campaign_id, {"due_at": isoformat(due_at)}, now, once))
    if tactic.budget_limits and any(is_told(loaded, kind) for kind in _BUDGET_KINDS):
        _announce_budgets(ledger, tactic, loaded.currency, now)


def _told(campaign_id: str, one: Done) -> list[tuple[NoticeKind, dict[str, Any]]]:
    """The kinds of notice that something a refresh has done is worth; see `engine.watching`."""
    if one.action == "pause":
        variant = {"variant": one.subject.removeprefix(f"{campaign_id}/")}
        breach = {**variant, "consequence": "pause_variant"}
        return [(NoticeKind.GUARDRAIL_BREACH, breach), (NoticeKind.VARIANT_PAUSED, variant)]
    if one.action == "stop":
        return [(NoticeKind.GUARDRAIL_BREACH, {"variant": None, "consequence": "stop_campaign"})]
    if one.action == "alert" and one.after not in _ABOUT_LEARNING:
        return [(NoticeKind.GUARDRAIL_BREACH, {"variant": None, "consequence": "alert"})]
    if one.action == "alert" and one.after == f"alarm: {SILENCE}":
        return [(NoticeKind.REWARD_SILENT, {})]
    if one.action == "advance rollout":
        return [(NoticeKind.STAGE_ADVANCED, {"before": one.before, "after": one.after})]
    return []


def _announce_budgets(ledger: Ledger, tactic: Tactic, currency: str, now: Instant) -> None:
    keys = meters_of(tactic, now)
    readings = ledger.meters.of(keys)
    for key, limit in zip(keys, tactic.budget_limits, strict=True):
        # A meter begins with the first decision that counts on it: without one nothing is in use.
        reading = readings.get(key, UNUSED)
        kind = _kind_of(tactic, limit, reading)
        if kind is None:
            continue
        scope, label = key
        mine = scope == campaign_scope(tactic.campaign_id)
        data = {"scope": scope, "period": label, **_figures(limit, reading, currency)}
        ends_at = period(limit.span, now, tactic.zone)[2]
        data["ends_at"] = None if ends_at is None else isoformat(ends_at)
        announce(ledger, Notice(kind, tactic.campaign_id if mine else None, data, now, f"{scope}/{label}"))


def _kind_of(tactic: Tactic, limit: Limit, reading: Reading) -> NoticeKind | None:
    """Whether a limit is exhausted, so that not even the cheapest variant fits into what is left, or nearly so."""
    money, sends = limit.allowance
    if not limit.allowance.admits(reading.plus(Reading(int(tactic.most.min()), 0, 1))):
        return NoticeKind.BUDGET_100
    nearly = (money is not None and reading.money >= NEARLY * money) or (
        sends is not None and reading.sends >= NEARLY * sends
    )
    return NoticeKind.BUDGET_80 if nearly else None


def _figures(limit: Limit, reading: Reading, currency: str) -> dict[str, Any]:
    money, sends = limit.allowance
    figures: dict[str, Any] = {}
    if money is not None:
        figures |= {"money_used": units(reading.money), "money_allowed": units(money), "currency": currency}
    if sends is not None:
        figures |= {"sends_used": reading.sends, "sends_allowed": sends}
    return figures
