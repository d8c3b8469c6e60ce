"""Commit: decisions to send use up budgets and contacts; outcomes settle what they cost, time releases the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from zoneinfo import ZoneInfo

from optimizer.domain.commitment import Commitment
from optimizer.domain.decision import Decision
from optimizer.domain.instants import Instant
from optimizer.domain.meters import STRATEGY, UNUSED, MeterKey, Reading, campaign_scope, channel_scope, sum_of
from optimizer.engine.assessment import Assessment
from optimizer.engine.spending import released, settled, used
from optimizer.engine.supplies import Supplies, meters_of
from optimizer.engine.tactic import Tactic
from optimizer.errors import Contended
from optimizer.guardrails.budget import periods_containing
from optimizer.guardrails.contacts import Contact, longest_window
from optimizer.services.budgets import reading_of
from optimizer.services.live import Live
from optimizer.storage.store import Ledger
from optimizer.strategy.money import DECISION

MOST_RELEASED = 2_000  # in one transaction; what is left is released in the next


def supplies_of(ledger: Ledger, tactics: Sequence[Tactic], recipient_keys: Sequence[str], now: Instant) -> Supplies:
    """What decisions of these tactics may still use up.

    Args:
        ledger: the ledger.
        tactics: the campaigns asked for.
        recipient_keys: recipients asked for by campaigns whose channel has contact rules.
        now: instant of the decisions.

    Raises:
        Contended: a meter has to be read from all commitments first, for which the transaction must be alone.
    """
    supplies = Supplies()
    meters = [key for tactic in tactics for key in meters_of(tactic, now)]
    if meters:
        release_matured(ledger, tactics[0].zone, now)
        supplies.readings = _readings(ledger, meters, tactics[0].zone)
    rules = [rule for tactic in tactics for rule in tactic.contact_limits]
    if rules:
        # The numbers first: a contact that another worker makes from here on takes the number that is next here.
        supplies.ordinals = ledger.commitments.last_ordinals(recipient_keys)
        found = ledger.commitments.contacts(recipient_keys, now - longest_window(rules))
        supplies.contacts = {key: [Contact(*contact) for contact in contacts] for key, contacts in found.items()}
    return supplies


def supplies_seen(ledger: Ledger, tactic: Tactic, recipient_key: str, now: Instant) -> Supplies:
    """What a decision of a tactic could use up now, looked at without writing: as `supplies_of` would find it."""
    keys = meters_of(tactic, now)
    found = ledger.meters.of(keys)
    supplies = Supplies()
    supplies.readings = {key: found[key] if key in found else reading_of(ledger, key, tactic.zone) for key in keys}
    if keys:
        found_open = ledger.commitments.matured(now, MOST_RELEASED, lock=False)
        matured = [(before, released(before)) for before in found_open]
        for key, difference in _differences(tactic.zone, matured).items():
            if key in supplies.readings:
                supplies.readings[key] = supplies.readings[key].plus(difference)
    if tactic.contact_limits:
        contacts = ledger.commitments.contacts([recipient_key], now - longest_window(tactic.contact_limits))
        supplies.contacts = {key: [Contact(*contact) for contact in some] for key, some in contacts.items()}
    return supplies


def commit_to(ledger: Ledger, tactics: Mapping[str, Tactic], decisions: Sequence[Decision], supplies: Supplies) -> None:
    """Write what new decisions use up of the supplies they were made with, and claim it on the meters."""
    ordinals = supplies.ordinals
    commitments = []
    for decision in decisions:
        if decision.variant_id is None:
            continue
        tactic = tactics[decision.campaign_id]
        ordinal = None
        if tactic.contact_limits:
            ordinal = ordinals[decision.recipient_key] = ordinals.get(decision.recipient_key, 0) + 1
        commitments.append(_commitment(tactic, decision, ordinal))
    ledger.commitments.insert(commitments)
    for campaign_id, tactic in tactics.items():
        mine = [commitment for commitment in commitments if commitment.campaign_id == campaign_id]
        claimed = sum_of(used(commitment) for commitment in mine)
        if mine:  # all of them made at the same instant
            for key, limit in zip(meters_of(tactic, mine[0].at), tactic.budget_limits, strict=True):
                ledger.meters.claim(key, claimed, limit.allowance)


def settle(
    ledger: Ledger, live: Live, decisions: Mapping[str, Decision], assessments: Mapping[str, Assessment]
) -> None:
    """Settle what outcomes make due, or give back what was never sent.

    Args:
        ledger: the ledger.
        live: gives the documents each decision was made under.
        decisions: the decisions by id.
        assessments: what some of them amount to now, by id.
    """
    tactics = {
        id_: live.edition(ledger, decisions[id_].strategy_version)[decisions[id_].campaign_id] for id_ in assessments
    }
    # What costs nothing has nothing to settle; only a withdrawal gives its contact and its send back.
    concerned = [id_ for id_, found in assessments.items() if tactics[id_].most.any() or found.withdrawn]
    changed = []
    for decision_id, commitment in ledger.commitments.of(concerned).items():
        tactic = tactics[decision_id]
        costs = tactic.costs[tactic.variant_ids.index(decisions[decision_id].variant_id or "")]
        after = settled(commitment, costs, assessments[decision_id])
        if after != commitment:
            changed.append((commitment, after))
    workspace = live.at(ledger).workspace
    if changed and workspace is not None:
        _change(ledger, workspace.strategy.time_zone, changed)


def release_matured(ledger: Ledger, zone: ZoneInfo, now: Instant) -> int:
    """Release what is still reserved although nothing can become due any more; how many commitments that were.

    Args:
        ledger: the ledger.
        zone: the strategy's time zone.
        now: commitments that closed before are released, the oldest first, up to `MOST_RELEASED`.
    """
    matured = ledger.commitments.matured(now, MOST_RELEASED)
    _change(ledger, zone, [(before, released(before)) for before in matured])
    return len(matured)


def _commitment(tactic: Tactic, decision: Decision, ordinal: int | None) -> Commitment:
    arm = tactic.variant_ids.index(decision.variant_id or "")
    most, at_once = int(tactic.most[arm]), tactic.costs[arm].get(DECISION, 0)
    return Commitment(
        decision_id=decision.decision_id,
        campaign_id=decision.campaign_id,
        recipient_key=decision.recipient_key,
        channel=tactic.campaign.channel,
        at=decision.decided_at,
        ordinal=ordinal,
        most=most,
        settled=at_once,
        open=most > at_once,
        closes_at=decision.decided_at + tactic.reward_rule.window,
    )


def _change(ledger: Ledger, zone: ZoneInfo, changes: Sequence[tuple[Commitment, Commitment]]) -> None:
    """Write changed commitments and what they change on the meters they count on."""
    ledger.commitments.change([after for _, after in changes])
    for key, difference in _differences(zone, changes).items():
        ledger.meters.give_back(key, difference)


def _differences(zone: ZoneInfo, changes: Sequence[tuple[Commitment, Commitment]]) -> dict[MeterKey, Reading]:
    """What changed commitments change on each meter they count on."""
    by_place: dict[tuple[str, str, Instant], Reading] = {}
    for before, after in changes:
        place = (after.campaign_id, after.channel, after.at)
        by_place[place] = by_place.get(place, UNUSED).plus(used(after).plus(used(before).negated()))
    differences: dict[MeterKey, Reading] = {}
    for (campaign_id, channel, at), difference in by_place.items():
        if difference != UNUSED:
            for label in periods_containing(at, zone).values():
                for scope in (STRATEGY, campaign_scope(campaign_id), channel_scope(channel)):
                    key = MeterKey(scope, label)
                    differences[key] = differences.get(key, UNUSED).plus(difference)
    return differences


def _readings(ledger: Ledger, keys: Sequence[MeterKey], zone: ZoneInfo) -> dict[MeterKey, Reading]:
    """What is in use on each meter; one that is new is read from the commitments."""
    found = ledger.meters.of(keys)
    for key in sorted(set(keys) - found.keys()):
        if not ledger.alone:
            raise Contended(f"budget of {key.scope}: {key.period} has just begun")
        found[key] = reading_of(ledger, key, zone)
        ledger.meters.set(key, found[key])
    return found
