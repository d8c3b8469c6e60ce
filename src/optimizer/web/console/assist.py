"""Assist: what somebody who talks to a customer may offer, what they offered, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import APIRouter, HTTPException, Request, Response

from optimizer.deployment import now, random_id
from optimizer.domain.decision import AttributeValue
from optimizer.domain.instants import Instant
from optimizer.domain.micros import micros
from optimizer.domain.outcome import EXPOSED
from optimizer.errors import Conflict, InvalidRequest, RequestFinding
from optimizer.services.decisions.deciding import DecisionRequest
from optimizer.services.decisions.ranking import Ranked, rank
from optimizer.services.group_commit import result_of
from optimizer.services.keys.api_keys import Scope
from optimizer.services.live import Live
from optimizer.services.outcomes.recording import OutcomeReport
from optimizer.services.recipients.suppressing import check_recipients
from optimizer.services.reports.assisting import choices, offered, offers
from optimizer.storage.store import Ledger
from optimizer.strategy.audience import Attribute
from optimizer.web.console.decisions import CampaignId, DecisionId, badge_numbers
from optimizer.web.console.forms import HOME
from optimizer.web.console.readings import reading
from optimizer.web.console.shell import Asking, Viewer, Viewing, page, redirect
from optimizer.web.security import TheDesk

router = APIRouter()
_ATTRIBUTE = "attribute."  # begins the form's fields for attributes
"""Whoever may look may ask what may be offered; what is written takes the scope its route of the API takes."""
MAY_CHOOSE = frozenset({Scope.DECIDE, Scope.MANAGE})
MAY_REPORT = frozenset({Scope.REPORT_OUTCOMES, Scope.MANAGE})


@router.get("/campaigns/{campaign_id}/assist")
async def assist_page(request: Request, viewer: Viewing, campaign_id: CampaignId) -> Response:
    """A form for a customer, and what people have offered so far."""
    return await _page(request, viewer, campaign_id)


@router.post("/campaigns/{campaign_id}/assist")
async def rank_page(request: Request, viewer: Asking, desk: TheDesk, campaign_id: CampaignId) -> Response:
    """What may be offered to a customer, the likeliest best first. Draws nothing and writes nothing."""
    asked = await _asked(desk, viewer.form, campaign_id, random_id())
    ranked = await desk.read(lambda ledger, live: rank(ledger, live, asked, now()))
    return await _page(request, viewer, campaign_id, ranked, asked)


@router.post("/campaigns/{campaign_id}/assist/offered")
async def record_choice(request: Request, viewer: Asking, desk: TheDesk, campaign_id: CampaignId) -> Response:
    """Write down what was offered: a decision under every guardrail, never learned from. Safe to repeat."""
    _check(viewer, MAY_CHOOSE)
    request_id, variant_id = (viewer.form.get(name, "") for name in ("request_id", "variant"))
    if not (request_id and variant_id):
        raise InvalidRequest(RequestFinding("/variant", "nothing", "one of those that may be offered"))
    asked = await _asked(desk, viewer.form, campaign_id, request_id, variant_id, viewer.name)
    answer = result_of(await desk.decide([asked]))
    decision_id, decided_at = answer.decision.decision_id, answer.decision.decided_at
    begins = await desk.read(lambda ledger, live: live.reward_rule(ledger, answer.decision).counts_from)
    if begins != "decision":  # whoever offers something has shown it, so that it is a trial
        exposed = OutcomeReport(f"expose:{decision_id}", EXPOSED, decided_at, decision_id=decision_id)
        result_of(await desk.record([exposed]))
    to = f"{HOME}/campaigns/{campaign_id}/assist"
    if answer.decision.actor is None:  # whoever is held out gets control anyway, and is compared with the others
        said = f"They are held out: {variant_id} is recorded as what all get who are, not as a choice of yours."
        return redirect(request, to, said)
    return redirect(request, f"{to}/offered/{decision_id}", f"{variant_id} is recorded as offered by {viewer.name}.")


@router.get("/campaigns/{campaign_id}/assist/offered/{decision_id}")
async def offered_page(
    request: Request, viewer: Viewing, desk: TheDesk, campaign_id: CampaignId, decision_id: DecisionId
) -> Response:
    """What was offered, and a button for whatever may come of it."""
    found = await desk.read(lambda ledger, live: offered(ledger, live, campaign_id, decision_id))
    return await page(
        request,
        "offered.html.j2",
        viewer=viewer,
        campaign_id=campaign_id,
        found=found,
        may_report=bool(viewer.scopes & MAY_REPORT),
        event_id=random_id(),
        closed=now() > found.closes_at,
    )


@router.post("/campaigns/{campaign_id}/assist/offered/{decision_id}")
async def record_outcome(
    request: Request, viewer: Asking, desk: TheDesk, campaign_id: CampaignId, decision_id: DecisionId
) -> Response:
    """Write down what came of an offer. A form that is sent twice is one outcome."""
    _check(viewer, MAY_REPORT)
    found = await desk.read(lambda ledger, live: offered(ledger, live, campaign_id, decision_id))
    kind, event_id = viewer.form.get("kind", ""), viewer.form.get("event_id", "")
    declared = {one.kind: one for one in found.kinds}
    if kind not in declared or not event_id.isalnum() or len(event_id) > 64:
        raise InvalidRequest(RequestFinding("/kind", f"{kind!r:.60}", ", ".join(declared)))
    value = _value(viewer.form.get("value", "")) if declared[kind].currency else None
    currency = None if value is None else declared[kind].currency
    report = OutcomeReport(f"assist:{event_id}", kind, now(), decision_id=decision_id, value=value, currency=currency)
    recorded = result_of(await desk.record([report]))
    if recorded.status in {"rejected", "unknown"}:
        raise Conflict(recorded.detail or f"outcome: found one that is {recorded.status}; allowed one that counts")
    words = kind.replace("_", " ")
    said = (
        f"{words[0].upper()}{words[1:]} is recorded{'' if recorded.status == 'accepted' else f': {recorded.status}'}."
    )
    return redirect(request, f"{HOME}/campaigns/{campaign_id}/assist/offered/{decision_id}", said)


async def _page(
    request: Request,
    viewer: Viewer,
    campaign_id: str,
    ranked: Ranked | None = None,
    asked: DecisionRequest | None = None,
) -> Response:
    declared = (await reading(request, declared_attributes, campaign_id)).value
    done = await reading(request, choices, campaign_id)
    kept: Mapping[str, str] = next((one for one in viewer.kept.values() if "recipient" in one), {})
    return await page(
        request,
        "assist.html.j2",
        as_of=done.as_of,
        viewer=viewer,
        campaign_id=campaign_id,
        declared=declared,
        ranked=ranked,
        why=() if ranked is None else tuple(one[:1].upper() + one[1:] for one in ranked.why),
        numbers=(await reading(request, variant_numbers, campaign_id)).value,
        recipient=kept.get("recipient", "") if asked is None else asked.recipient,
        attributes=_kept_attributes(kept) if asked is None else asked.attributes,
        lines=(await reading(request, offers, campaign_id)).value,
        choices=done.value,
        may_choose=bool(viewer.scopes & MAY_CHOOSE),
    )


def declared_attributes(ledger: Ledger, live: Live, campaign_id: str, _now: Instant) -> dict[str, Attribute]:
    """The attributes that the campaign's segments look at, and that somebody may say of a customer.

    Raises:
        NotFound: no such campaign.
    """
    loaded = live.at(ledger)
    campaign = loaded.tactic(campaign_id).campaign
    used = {name for segment in campaign.segments or () for name in segment.when}
    return {name: one for name, one in loaded.declared.items() if name in used and getattr(one, "from_", None) is None}


def variant_numbers(ledger: Ledger, live: Live, campaign_id: str, _now: Instant) -> dict[str, int]:
    """The numbers of a campaign's badges.

    Raises:
        NotFound: no such campaign.
    """
    tactic = live.at(ledger).tactic(campaign_id)
    return badge_numbers(tactic.variant_ids, None if tactic.control is None else tactic.variant_ids[tactic.control])


def _kept_attributes(form: Mapping[str, str]) -> dict[str, str]:
    """What was typed into a form that was refused."""
    return {name.removeprefix(_ATTRIBUTE): text for name, text in form.items() if name.startswith(_ATTRIBUTE) and text}


async def _asked(
    desk: TheDesk,
    form: Mapping[str, str],
    campaign_id: str,
    request_id: str,
    chosen: str | None = None,
    actor: str | None = None,
) -> DecisionRequest:
    recipient = form.get("recipient", "").strip()
    if not recipient:
        raise InvalidRequest(RequestFinding("/recipient", "nothing", "your id of the customer"))
    check_recipients([recipient])
    declared = (await desk.read(lambda ledger, live: live.at(ledger))).declared
    said = {
        name: _attribute(declared[name], form[f"{_ATTRIBUTE}{name}"].strip())
        for name in declared
        if form.get(f"{_ATTRIBUTE}{name}", "").strip()
    }
    return DecisionRequest(campaign_id, recipient, request_id, said, chosen=chosen, actor=actor)


def _attribute(declared: Attribute, text: str) -> AttributeValue:
    """What somebody typed, as the attribute's type has it; what is none is said by whoever judges attributes."""
    if declared.type == "boolean" and text in {"true", "false"}:
        return text == "true"
    if declared.type == "number":
        try:
            return float(text)
        except ValueError:
            return text
    return text


def _value(text: str) -> int | None:
    """A typed amount in micro-units; None when there is none."""
    if not text.strip():
        return None
    try:
        return micros(text.strip().replace(",", ""))
    except ValueError:
        raise InvalidRequest(RequestFinding("/value", f"{text!r:.60}", "an amount such as 49.90")) from None


def _check(viewer: Viewer, scopes: frozenset[Scope]) -> None:
    if not viewer.scopes & scopes:
        raise HTTPException(
            403, f"API key: found {viewer.name} without the scope; allowed {' or '.join(sorted(scopes))}"
        )
