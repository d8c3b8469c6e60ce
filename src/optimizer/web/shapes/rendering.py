"""From the house's values to JSON, once for every route that shows them."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import orjson
from fastapi import Response

from optimizer.domain.commitment import Commitment
from optimizer.domain.instants import Instant, isoformat
from optimizer.domain.micros import units
from optimizer.domain.outcome import Outcome
from optimizer.domain.reasons import Group, Reason
from optimizer.errors import OptimizerError
from optimizer.services.budgets import BudgetLine
from optimizer.services.decisions.deciding import Answer, DecisionRequest
from optimizer.services.decisions.explaining import Explanation
from optimizer.services.decisions.ranking import Ranked
from optimizer.services.group_commit import result_of
from optimizer.services.outcomes.recording import OutcomeReport, Recorded
from optimizer.services.reports.summaries import CampaignSummary
from optimizer.strategy.variants import Variant
from optimizer.web.shapes.answers import DecisionOut

MOST_WORDS = 10_000  # variants whose words are kept as JSON
MOST_ALIKE = 10_000  # of what decisions say alike, some hundred bytes each


def _members(values: dict[str, Any]) -> bytes:
    """What stands between the braces of a JSON object."""
    return orjson.dumps(values)[1:-1]


class Words(NamedTuple):
    """The words of a variant as JSON already.

    Attributes:
        fields: ``message`` and ``targeting``, to be put among others.
        members: the same as text.
    """

    fields: dict[str, orjson.Fragment]
    members: bytes

    @classmethod
    def of(cls, message: dict[str, Any] | None, targeting: dict[str, Any] | None) -> Words:
        fields = {
            "message": orjson.Fragment(orjson.dumps(message)),
            "targeting": orjson.Fragment(orjson.dumps(targeting)),
        }
        return cls(fields, _members(fields))


_NO_WORDS = Words.of(None, None)
_words: dict[tuple[str, str], Words] = {}  # by id and hash: an edited variant is another one


def json_answer(body: Any, status: int = 200) -> Response:
    """A JSON answer."""
    return Response(orjson.dumps(body), status_code=status, media_type="application/json")


def decision_json(answer: Answer) -> orjson.Fragment:
    """See `answers.DecisionOut`, as JSON already.

    Decisions of a campaign differ in little but their ids: what many of them say alike is put into words once.
    """
    decision = answer.decision
    what, who = _choice(
        decision.segment_id,
        decision.group,
        decision.propensity,
        decision.reason,
        decision.snapshot_id,
        decision.actor,
    )
    parts = (
        b'{"decision_id":"%b"' % decision.decision_id.encode(),
        _sent(decision.campaign_id, decision.variant_id),
        words_json(answer.variant).members,
        what,
        _times(decision.decided_at, answer.expires_at, decision.retry_at),
        who,
    )
    return orjson.Fragment(b",".join(parts))


@lru_cache(maxsize=MOST_ALIKE)
def _sent(campaign_id: str, variant_id: str | None) -> bytes:
    return _members({"campaign": campaign_id, "variant": variant_id})


@lru_cache(maxsize=MOST_ALIKE)
def _choice(
    segment_id: str | None,
    group: Group,
    propensity: float | None,
    reason: Reason,
    snapshot_id: str | None,
    actor: str | None,
) -> tuple[bytes, bytes]:
    """What was chosen; and by whom, which is said last, and the end."""
    chosen_by = "human" if group is Group.CHOSEN_BY_PEOPLE else None
    what = {
        "segment": segment_id,
        "group": group,
        "propensity": propensity,
        "reason": reason,
        "snapshot": snapshot_id,
    }
    who = {"chosen_by": "policy" if snapshot_id is not None else chosen_by, "actor": actor}
    return _members(what), _members(who) + b"}"


# All decisions of a transaction are made at one instant.
@lru_cache(maxsize=MOST_ALIKE)
def _times(decided_at: Instant, expires_at: Instant, retry_at: Instant | None) -> bytes:
    times = {"decided_at": decided_at, "expires_at": expires_at, "retry_at": retry_at}
    return _members({name: _time(at) for name, at in times.items()})


def unanswered_json(request: DecisionRequest, at: Instant, retry_at: Instant) -> dict[str, Any]:
    """See `answers.DecisionOut`: nothing could be decided, and so there is nothing to send."""
    nothing = dict.fromkeys(DecisionOut.model_fields)
    return nothing | {
        "campaign": request.campaign_id,
        "reason": Reason.LEDGER_UNAVAILABLE,
        "decided_at": isoformat(at),
        "retry_at": isoformat(retry_at),
    }


def status_json(recorded: Recorded | OptimizerError) -> dict[str, Any]:
    """See `answers.StatusOut`.

    Raises:
        OptimizerError: if that is what became of it.
    """
    one = recorded if isinstance(recorded, Recorded) else result_of([recorded])
    return {"event_id": one.event_id or None, "status": one.status, "detail": one.detail}


def words_json(variant: Variant | None) -> Words:
    """What is said of a variant, as JSON already; null where there is none."""
    if variant is None:
        return _NO_WORDS
    key = (variant.variant_id, variant.content_hash)
    words = _words.get(key)
    if words is None:
        if len(_words) >= MOST_WORDS:
            _words.clear()
        words = _words[key] = _words_of(variant)
    return words


def _words_of(variant: Variant) -> Words:
    words, targeting = variant.message, variant.targeting
    message = {"id": words.id, "subject": words.subject, "body": words.body, "fields": dict(words.fields or {})}
    where = None if targeting is None else {"id": targeting.id, "fields": dict(targeting.fields or {})}
    return Words.of(message, where)


def ranking_json(found: Ranked) -> dict[str, Any]:
    """See `ranking_answers.RankingOut`."""
    ranking = found.ranking
    return {
        "campaign": found.campaign_id,
        "request_id": found.request_id,
        "ranked_at": isoformat(found.ranked_at),
        "snapshot": found.snapshot_id,
        "segment": ranking.segment_id,
        "group": ranking.group,
        "offer": found.offer,
        "unit": found.unit,
        "variants": [
            {
                "variant": one.variant_id,
                **words_json(words).fields,
                "p_best": one.p_best,
                "expected_reward": one.mean,
                "low": one.low,
                "high": one.high,
                "trials": one.trials,
                "allocation": one.allocation,
                "why": why,
            }
            for one, words, why in zip(ranking.variants, found.variants, found.why, strict=True)
        ],
        "withheld": ranking.withheld,
        "removed": [
            {"variant": variant_id, "rule": ranking.removed.get(variant_id, ranking.group), "why": why}
            for variant_id, why in found.removed_because.items()
        ],
        "retry_at": _time(ranking.retry_at),
    }


def detail_json(answer: Answer, explanation: Explanation) -> dict[str, Any]:
    """See `answers.DecisionDetail`."""
    found = explanation.assessment
    return {
        "decision": decision_json(answer),
        "exposed_at": _time(found.exposed_at),
        "closes_at": isoformat(found.closes_at),
        "reward": units(found.reward),
        "outcomes": [outcome_json(outcome) for outcome in explanation.outcomes],
    }


def explanation_json(answer: Answer, explanation: Explanation) -> dict[str, Any]:
    """See `explanation_answers.ExplanationOut`."""
    decision = explanation.decision
    return {
        "decision": decision_json(answer),
        "attributes": dict(decision.attributes),
        "removed": dict(decision.blocked),
        "variants": list(explanation.variants),
        "floor": explanation.floor,
        "cap": explanation.cap,
        "price": explanation.price,
        "withheld": explanation.withheld,
        "steps": [
            {"step": step.name, "removed": step.removed, "shares": dict(step.shares), "withheld": step.withheld}
            for step in explanation.steps
        ],
        "commitment": _commitment_json(explanation.commitment),
        "circumstances": {
            "time_zone": decision.time_zone,
            "consent": decision.consent,
            "rollout_share": decision.rollout_share,
        },
        "u": explanation.u,
        "snapshot": decision.snapshot_id,
        "config_hash": explanation.config_hash,
        "strategy_version": decision.strategy_version,
        "recomputed": {"same": explanation.same},
    }


def _commitment_json(commitment: Commitment | None) -> dict[str, Any] | None:
    if commitment is None:
        return None
    return {
        "channel": commitment.channel,
        "most": units(commitment.most),
        "reserved": units(commitment.reserved),
        "settled": units(commitment.settled),
        "closes_at": isoformat(commitment.closes_at),
        "withdrawn": commitment.withdrawn,
    }


def summary_json(summary: CampaignSummary) -> dict[str, Any]:
    """See `answers.CampaignOut`."""
    return {
        "campaign": summary.campaign_id,
        "serves": summary.serves,
        "why": summary.why,
        "state": summary.state,
        "learning": summary.learning,
        "frozen_since": _time(summary.frozen_since),
        "alarms": summary.alarms,
        "variants": summary.variants,
        "awaiting_approval": summary.awaiting_approval,
        "segments": summary.segments,
        "strategy_version": summary.strategy_version,
        "snapshot": summary.snapshot_id,
        "rollout_share": summary.rollout_share,
        "budget": [_budget_json(line) for line in summary.budget],
    }


def _budget_json(line: BudgetLine) -> dict[str, Any]:
    limit, used = line.allowance, line.reading
    return {
        "scope": line.key.scope,
        "period": line.key.period,
        "limit": None if limit.money is None else units(limit.money),
        "reserved": units(used.reserved),
        "settled": units(used.settled),
        "sends_limit": limit.sends,
        "sends": used.sends,
        "ends_at": _time(line.ends_at),
        "exhausted": line.exhausted,
    }


def kept_report_json(report: OutcomeReport) -> dict[str, Any]:
    """See `oversight_answers.KeptReportOut`."""
    return {
        "event_id": report.event_id,
        "kind": report.kind,
        "occurred_at": isoformat(report.occurred_at),
        "decision_id": report.decision_id,
        "recipient_key": report.recipient_key,
        "campaign": report.campaign_id,
        "value": None if report.value is None else units(report.value),
        "currency": report.currency,
        "reverses": report.reverses,
        "machine": report.machine,
    }


def outcome_json(outcome: Outcome) -> dict[str, Any]:
    """See `answers.OutcomeOut`."""
    return {
        "event_id": outcome.event_id,
        "kind": outcome.kind,
        "value": None if outcome.value is None else units(outcome.value),
        "currency": outcome.currency,
        "occurred_at": isoformat(outcome.occurred_at),
        "received_at": isoformat(outcome.received_at),
        "reverses": outcome.reverses,
        "machine": outcome.machine,
    }


def _time(at: Instant | None) -> str | None:
    return None if at is None else isoformat(at)
