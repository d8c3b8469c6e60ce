"""Behaviour: what recipients did is kept as far as attributes follow from it, and read when they are decided for."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from optimizer.domain.decision import Attributes, Brief, Decision
from optimizer.domain.happenings import Happening
from optimizer.domain.instants import Instant
from optimizer.domain.outcome import Outcome
from optimizer.engine.assessment import CLOCK_SKEW
from optimizer.engine.behaviour import MOST_KEPT, Behaviour
from optimizer.services.live import Live, Loaded
from optimizer.storage.store import Ledger
from optimizer.strategy.workspace import Workspace


def note(ledger: Ledger, live: Live, happenings: Sequence[Happening], now: Instant) -> int:
    """Keep what some attribute follows from, of events that are no outcome of a decision; how many were new.

    Everything else of them is dropped: other kinds of events and other properties, events of machines, those that
    happened too long ago to matter, and those that have not happened yet.

    Args:
        ledger: the ledger.
        live: gives the documents in force.
        happenings: reports that may come late, twice and in any order; `received_at` is filled in here.
        now: the instant.
    """
    behaviour = live.at(ledger).behaviour
    if behaviour is None:
        return 0
    heard = [one._replace(received_at=now) for one in happenings if one.occurred_at <= now + CLOCK_SKEW]
    return _keep(ledger, behaviour, heard)


def note_outcomes(
    ledger: Ledger, behaviour: Behaviour, decisions: Mapping[str, Brief], outcomes: Collection[Outcome]
) -> int:
    """Keep what some attribute follows from, of outcomes that were just recorded; how many that was.

    Args:
        ledger: the ledger; it has the outcomes already.
        behaviour: how attributes follow from them.
        decisions: those the outcomes are of, by id.
        outcomes: new ones.
    """
    reversals = [outcome.decision_id for outcome in outcomes if outcome.reverses is not None]
    kinds = {one.event_id: one.kind for some in ledger.outcomes.of(reversals).values() for one in some}
    heard = [
        happening_of(decisions[outcome.decision_id], outcome)
        for outcome in outcomes
        if not decisions[outcome.decision_id].is_anonymous
        # What it undoes may be yet to come, or be of no interest.
        and (outcome.reverses is None or kinds.get(outcome.reverses) in (None, *behaviour.kinds))
    ]
    return _keep(ledger, behaviour, heard)


def happening_of(decision: Decision | Brief, outcome: Outcome) -> Happening:
    """An outcome as something its recipient did."""
    return Happening(
        recipient_key=decision.recipient_key,
        kind=outcome.kind,
        occurred_at=outcome.occurred_at,
        value=outcome.value,
        event_id=outcome.event_id,
        received_at=outcome.received_at,
        decision_id=decision.decision_id,
        decided_at=decision.decided_at,
        reverses=outcome.reverses,
        machine=outcome.machine,
    )


def _keep(ledger: Ledger, behaviour: Behaviour, heard: Sequence[Happening]) -> int:
    kept = [found for one in heard if (found := behaviour.kept(one)) is not None]
    return ledger.happenings.insert(kept, MOST_KEPT)


def with_behaviour(
    ledger: Ledger,
    loaded: Loaded,
    asked: Sequence[tuple[str, str]],
    attributes: Sequence[Attributes],
    now: Instant,
) -> list[Attributes]:
    """Attributes of recipients together with those that follow from what they did; one question to the ledger.

    Args:
        ledger: the ledger.
        loaded: the documents in force.
        asked: campaign id and recipient key of each.
        attributes: what else is known of each; a stored value of a derived attribute, from before it was one, is not
            believed any more.
        now: the instant.
    """
    behaviour = loaded.behaviour
    if behaviour is None:
        return list(attributes)
    of_interest = {key for campaign_id, key in asked if campaign_id in loaded.deriving}
    known = ledger.happenings.of(of_interest)
    return [
        _merged(behaviour, known.get(key, ()), said, loaded.deriving.get(campaign_id, ()), now)
        for (campaign_id, key), said in zip(asked, attributes, strict=True)
    ]


def _merged(
    behaviour: Behaviour, known: Sequence[Happening], said: Attributes, names: Sequence[str], now: Instant
) -> Attributes:
    if not behaviour.derived.keys().isdisjoint(said):
        said = {name: value for name, value in said.items() if name not in behaviour.derived}
    return {**said, **behaviour.attributes(known, now, names)} if names else said


@dataclass(frozen=True, slots=True)
class Filled:
    """What documents that come into force changed of what is kept.

    Attributes:
        added: how many outcomes of the ledger are kept from now on.
        dropped: how many events no attribute follows from any more.
    """

    added: int = 0
    dropped: int = 0


def fill_behaviour(ledger: Ledger, before: Workspace | None, after: Workspace, now: Instant) -> Filled:
    """Keep what new documents need: outcomes that came earlier than an attribute that follows from them, too.

    Only outcomes can be made up for; tracked events, and properties of events, were not kept before.

    Args:
        ledger: a transaction that is alone.
        before: the documents in force until now; None when there are none.
        after: those that come into force.
        now: the instant.
    """
    old = None if before is None else Behaviour.of(before.strategy)
    new = Behaviour.of(after.strategy)
    dropped = 0 if old is None else ledger.happenings.keep_only(() if new is None else new.kinds)
    if new is None or (old is not None and _looks_no_further(old, new)):
        return Filled(dropped=dropped)
    since = 0 if new.reach is None else now - new.reach
    return Filled(ledger.happenings.fill(new.kinds, new.evidence_of_machines, since, MOST_KEPT), dropped)


def _looks_no_further(old: Behaviour, new: Behaviour) -> bool:
    as_far = old.reach is None or (new.reach is not None and new.reach <= old.reach)
    return as_far and new.kinds <= old.kinds and new.evidence_of_machines <= old.evidence_of_machines
