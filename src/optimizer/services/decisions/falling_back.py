"""Fall back: what may be sent without a new decision, control or what was decided before. Nothing is written."""

from __future__ import annotations

from optimizer.domain.decision import Decision
from optimizer.domain.instants import Instant
from optimizer.domain.reasons import Block
from optimizer.engine.choosing import Choice
from optimizer.engine.rationing import choose_in_turn
from optimizer.engine.supplies import Supplies
from optimizer.engine.tactic import Tactic
from optimizer.services.decisions.committing import supplies_seen
from optimizer.services.decisions.deciding import DecisionRequest, derive, hashed, met_by
from optimizer.services.live import Live, Loaded
from optimizer.services.recipients.people import People, known_of
from optimizer.storage.store import Ledger
from optimizer.strategy.variants import Variant

NOBODY = People({}, {})  # what is known of people while the ledger cannot be read
# Rules that a decision has passed once and for all, or that say why another was not it.
_PASSED = frozenset(
    {
        Block.CONTACT_POLICY,
        Block.SENDS_EXHAUSTED,
        Block.BUDGET_EXHAUSTED,
        Block.NOT_FOR_SEGMENT,
        Block.EXCLUDED_BY_CALLER,
        Block.NOT_PINNED,
        Block.NOT_CHOSEN,
    }
)


def only_control(tactic: Tactic, request: DecisionRequest) -> DecisionRequest:
    """The request without any variant but control, and the one that a person has pinned for everyone."""
    kept = (tactic.control, tactic.pinned)
    others = [variant_id for arm, variant_id in enumerate(tactic.variant_ids) if arm not in kept]
    return request._replace(excluded=(*request.excluded, *others))


def control_seen(ledger: Ledger, live: Live, request: DecisionRequest, now: Instant) -> Variant | None:
    """Control, if every guardrail would let it be sent now; see `control_of`.

    Raises:
        NotFound: no such campaign.
    """
    loaded = live.at(ledger)
    (one,) = hashed(live, loaded, [request])
    people = known_of(ledger, live, loaded, [one.person], [one.recipient_key], now)
    return control_of(live, loaded, request, people, now, ledger)


def control_of(
    live: Live,
    loaded: Loaded,
    request: DecisionRequest,
    people: People,
    now: Instant,
    ledger: Ledger | None = None,
) -> Variant | None:
    """Control, if every guardrail would let it be sent; None where one would not, or cannot say.

    A limit on money, sends or contacts counts what was decided. What is sent without a decision would not be counted,
    so where there is such a limit nothing is sent.

    Args:
        live: has the secret of all hashes.
        loaded: the documents.
        request: names the campaign and the recipient; its attributes are as the documents declare them.
        people: what is known of the recipient.
        now: the instant.
        ledger: knows what the recipient did, where attributes follow from it; None when it cannot be read.

    Raises:
        NotFound: no such campaign.
    """
    tactic = loaded.tactic(request.campaign_id)
    if tactic.control is None or tactic.budget_limits or tactic.contact_limits:
        return None
    choice = _choice(live, loaded, only_control(tactic, request), people, Supplies(), now, ledger)
    return None if choice.arm is None else tactic.variants[choice.arm]


def forbidden_by(
    ledger: Ledger, live: Live, request: DecisionRequest, decision: Decision, now: Instant
) -> Block | None:
    """The rule by which what was decided before may not be sent any more; None when it may.

    What it costs and that it is a contact was counted then. Words that have been edited since are as good as retired.

    Raises:
        NotFound: no such campaign any more.
    """
    loaded = live.at(ledger)
    tactic = loaded.tactic(request.campaign_id)
    words = dict(zip(tactic.variant_ids, tactic.content_hashes, strict=True))
    if decision.variant_id is None or words.get(decision.variant_id) != decision.content_hash:
        return Block.RETIRED
    (one,) = hashed(live, loaded, [request])
    people = known_of(ledger, live, loaded, [one.person], [one.recipient_key], now)
    supplies = supplies_seen(ledger, tactic, one.recipient_key, now)
    supplies.contacts = {}  # of which this decision is one
    rule = _choice(live, loaded, request, people, supplies, now, ledger).blocked.get(decision.variant_id)
    return None if rule in _PASSED else rule


def _choice(
    live: Live,
    loaded: Loaded,
    request: DecisionRequest,
    people: People,
    supplies: Supplies,
    now: Instant,
    ledger: Ledger | None,
) -> Choice:
    tactic = loaded.tactics[request.campaign_id]
    asked = hashed(live, loaded, [request])
    met = met_by(live, loaded, asked, people)
    if loaded.deriving and ledger is not None:
        derive(ledger, loaded, asked, met, now)
    (choice,) = choose_in_turn(tactic, loaded.tables[tactic.campaign_id], met.contacts, supplies, now)
    return choice
