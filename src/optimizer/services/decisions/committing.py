"""Commit: decisions to send use up budgets and contacts; outcomes settle what they cost, time releases the rest."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from zoneinfo import ZoneInfo

from optimizer.domain.commitment import Commitment
from optimizer.domain.decision import Brief, Decision
from optimizer.domain.instants import Instant
from optimizer.domain.meters import STRATEGY, UNUSED, MeterKey, Reading, campaign_scope, channel_scope
from optimizer.engine.assessment import Assessment
from optimizer.engine.spending import released, settled, used
from optimizer.engine.supplies import Supplies, meters_of
from optimizer.engine.tactic import Tactic
from optimizer.errors import Contended
from optimizer.guardrails.budget import periods_containing
from optimizer.guardrails.contacts import Contact, longest_window
from optimizer.services.budgets import reading_of
from optimizer.services.live import Live
from optimizer.storage.rows import Later
from optimizer.storage.store import Ledger
from optimizer.strategy.money import DECISION

MANY = 128  # recipients with contact rules; of two transactions with fewer, hardly ever both contact the same one
MOST_RELEASED = 2_000  # in one transaction; what is left is released in the next


def later_supplies(
    ledger: Ledger, tactics: Sequence[Tactic], recipient_keys: Sequence[str], now: Instant
) -> Later[Supplies]:
    """What decisions of these tactics may still use up: asked for now, together with what else is; looked at later.

    To look at it releases what has matured, and raises `Contended` where a meter has to be read from all commitments
    first, for which the transaction must be alone.

    Args:
        ledger: the ledger.
        tactics: the campaigns asked for.
        recipient_keys: recipients asked for by campaigns whose channel has contact rules.
        now: instant of the decisions.
    """
    if len(recipient_keys) > MANY:
        ledger.commitments.take_turn()
    meters = [key for tactic in tactics for key in meters_of(tactic, now)]
    if meters:
        matured = ledger.commitments.later_matured(now, MOST_RELEASED)
        readings = ledger.meters.later_of(meters)
    rules = [rule for tactic in tactics for rule in tactic.contact_limits]
    if rules:
        # The numbers first: a contact that another worker makes from here on takes the number that is next here.
        ordinals = ledger.commitments.later_last_ordinals(recipient_keys)
        contacts = ledger.commitments.later_contacts(recipient_keys, now - longest_window(rules))

    def found() -> Supplies:
        supplies = Supplies()
        if meters:
            _change(ledger, tactics[0].zone, [(before, released(before)) for before in matured()])
            supplies.readings = _complete(ledger, readings(), meters, tactics[0].zone)
        if rules:
            supplies.ordinals = ordinals()
            supplies.contacts = {key: [Contact(*contact) for contact in some] for key, some in contacts().items()}
        return supplies

    return found


def supplies_seen(ledger: Ledger, tactic: Tactic, recipient_key: str, now: Instant) -> Supplies:
    """What a decision of a tactic could use up now, looked at without writing: as `later_supplies` would find it."""
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
    """Write what new decisions use up of the supplies they were made with, and claim it on the meters.

    Args:
        ledger: the ledger.
        tactics: the campaigns, by id.
        decisions: all of them made at the same instant.
        supplies: gives the number of each recipient's last contact.
    """
    by_campaign: dict[str, list[Decision]] = defaultdict(list)
    for decision in decisions:
        if decision.variant_id is not None:
            by_campaign[decision.campaign_id].append(decision)
    commitments: list[Commitment] = []
    for campaign_id, some in by_campaign.items():
        tactic = tactics[campaign_id]
        made = _commitments(tactic, some, supplies.ordinals)
        commitments += made
        keys = meters_of(tactic, some[0].decided_at)
        if keys:
            due = sum([commitment.settled for commitment in made])
            claimed = Reading(sum([commitment.most for commitment in made]) - due, due, len(made))
            for key, limit in zip(keys, tactic.budget_limits, strict=True):
                ledger.meters.claim(key, claimed, limit.allowance)
    ledger.commitments.insert(commitments)


class Tactics:
    """The campaigns that decisions were made under, each as it was then: looked up once for all decisions of a batch.

    Args:
        ledger: has the documents.
        live: has those that were compiled before.
    """

    def __init__(self, ledger: Ledger, live: Live) -> None:
        self._ledger, self._live = ledger, live
        self._known: dict[tuple[int, str], Tactic] = {}

    def of(self, decision: Decision | Brief) -> Tactic:
        """The campaign of a decision, as the documents had it that it was made under."""
        place = (decision.strategy_version, decision.campaign_id)
        tactic = self._known.get(place)
        if tactic is None:
            tactic = self._live.edition(self._ledger, decision.strategy_version)[decision.campaign_id]
            self._known[place] = tactic
        return tactic


def settle(ledger: Ledger, live: Live, found: Mapping[str, tuple[Brief, Assessment]]) -> None:
    """Settle what outcomes make due, or give back what was never sent.

    Args:
        ledger: the ledger.
        live: gives the documents each decision was made under.
        found: decisions by id, those that may have something to settle, and what they amount to now.
    """
    if not found:
        return
    tactics = Tactics(ledger, live)
    changed = []
    for decision_id, commitment in ledger.commitments.of([decision for decision, _ in found.values()]).items():
        decision, assessment = found[decision_id]
        tactic = tactics.of(decision)
        costs = tactic.costs[tactic.variant_ids.index(decision.variant_id or "")]
        after = settled(commitment, costs, assessment)
        if after != commitment:
            changed.append((commitment, after))
    workspace = live.at(ledger).workspace if changed else None
    if workspace is not None:
        _change(ledger, workspace.strategy.time_zone, changed)


def _commitments(tactic: Tactic, decisions: Sequence[Decision], ordinals: dict[str, int]) -> list[Commitment]:
    """What decisions of one campaign to send use up; each counted contact takes its recipient's next number."""
    channel, window, counted = tactic.campaign.channel, tactic.reward_rule.window, bool(tactic.contact_limits)
    costs_of: dict[str | None, tuple[int, int, bool]] = {}
    made = []
    for decision in decisions:
        costs = costs_of.get(decision.variant_id)
        if costs is None:
            arm = tactic.variant_ids.index(decision.variant_id or "")
            most, at_once = int(tactic.most[arm]), tactic.costs[arm].get(DECISION, 0)
            costs = costs_of[decision.variant_id] = most, at_once, most > at_once
        ordinal = None
        if counted:
            ordinal = ordinals[decision.recipient_key] = ordinals.get(decision.recipient_key, 0) + 1
        # In the order of the fields: it is made for every decision, and names would take longer than all else here.
        commitment = Commitment(
            decision.decision_id,
            decision.campaign_id,
            decision.recipient_key,
            channel,
            decision.decided_at,
            ordinal,
            *costs,
            decision.decided_at + window,
        )
        made.append(commitment)
    return made


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


def _complete(
    ledger: Ledger, found: dict[MeterKey, Reading], keys: Sequence[MeterKey], zone: ZoneInfo
) -> dict[MeterKey, Reading]:
    """What is in use on each meter, of which some were found; one that is new is read from the commitments."""
    for key in sorted(set(keys) - found.keys()):
        if not ledger.alone:
            raise Contended(f"budget of {key.scope}: {key.period} has just begun")
        found[key] = reading_of(ledger, key, zone)
        ledger.meters.set(key, found[key])
    return found
