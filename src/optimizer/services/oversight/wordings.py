"""Wordings: what recipients read, variant by variant, and how people stand to it."""

from __future__ import annotations

from dataclasses import dataclass

from optimizer.domain.controls import Controls
from optimizer.domain.reasons import Block
from optimizer.engine.tactic import Tactic
from optimizer.figures.look import styles_of
from optimizer.services.oversight.campaign_events import CampaignEvent
from optimizer.strategy.brand_rules import BrandRules, texts_of
from optimizer.strategy.documents import Strategy
from optimizer.strategy.texts.placeholders import placeholders


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a text.

    Attributes:
        text: as it is written; of a placeholder its name.
        fallback: what stands there when nothing is known of the recipient; None where nothing is said.
        filled: whether it is a placeholder.
    """

    text: str
    fallback: str | None = None
    filled: bool = False


@dataclass(frozen=True, slots=True)
class Wording:
    """One variant: its words, and what people and guardrails say of it.

    Attributes:
        number: of its badge; 0 for control.
        texts: by field, subject and body first.
        targeting: where and when, in words; empty without one.
        approved: whether somebody has said yes to exactly these words, or nobody has to.
        approval_required: whether somebody has to.
        removed_by: the rule that keeps it from being chosen anywhere now; None if it can be.
        paused: the sentence that says why it is paused; empty when it is not.
        by: who paused, pinned or approved it last, as the audit trail says; None where it does not.
        brand: rules of the brand that its words break, or would with the data of some recipients.
    """

    variant_id: str
    message_id: str
    number: int
    texts: dict[str, tuple[Piece, ...]]
    notes: str | None
    targeting: str
    content_hash: str
    is_control: bool
    approved: bool
    approval_required: bool
    retired: bool
    pinned: bool
    paused: str
    by: CampaignEvent | None
    brand: tuple[str, ...]


def wordings(
    tactic: Tactic, strategy: Strategy, controls: Controls, events: tuple[CampaignEvent, ...]
) -> tuple[Wording, ...]:
    """The words of every variant, in the order of the documents.

    Args:
        tactic: the campaign.
        strategy: whose brand judges the words.
        controls: what people and guardrails have decided.
        events: what happened, newest first.
    """
    control = None if tactic.control is None else tactic.variant_ids[tactic.control]
    styles = styles_of(tactic.variant_ids, control)
    rules = None if strategy.brand is None else BrandRules(strategy.brand, strategy.attributes)
    found = []
    for arm, variant in enumerate(tactic.variants):
        variant_id, targeting = variant.variant_id, variant.targeting
        found.append(
            Wording(
                variant_id=variant_id,
                message_id=variant.message.id,
                number=styles[variant_id].number,
                texts={name: pieces(text) for name, text in texts_of(variant.message).items()},
                notes=variant.message.notes,
                targeting="" if targeting is None else _targeting(targeting.id, targeting.notes),
                content_hash=variant.content_hash,
                is_control=variant_id == control,
                approved=bool(tactic.limits.approved[arm]),
                approval_required=strategy.approval.required,
                retired=variant.retired,
                pinned=controls.pinned == variant_id,
                paused=controls.paused.get(variant_id, ""),
                by=_last(events, variant_id, variant.message.id),
                brand=_brand(rules, tactic, arm),
            )
        )
    return tuple(found)


def pieces(text: str) -> tuple[Piece, ...]:
    """A text cut at its placeholders, so that a page can mark them."""
    found, end = [], 0
    for one in placeholders(text):
        if one.start > end:
            found.append(Piece(text[end : one.start]))
        found.append(Piece(one.name or text[one.start : one.end], one.fallback, filled=True))
        end = one.end
    if end < len(text):
        found.append(Piece(text[end:]))
    return tuple(found)


def _targeting(name: str, notes: str | None) -> str:
    return name if notes is None else f"{name}: {notes}"


def _last(events: tuple[CampaignEvent, ...], variant_id: str, message_id: str) -> CampaignEvent | None:
    """What was last done to a variant, or to its message."""
    names = {variant_id, message_id}
    return next((one for one in events if len(said := one.what.split()) > 1 and said[1] in names), None)


def _brand(rules: BrandRules | None, tactic: Tactic, arm: int) -> tuple[str, ...]:
    if rules is None:
        return ()
    message = tactic.variants[arm].message
    broken = rules.violations(tactic.campaign.channel, message.id, texts_of(message))
    found = [f"{one.field}: found {one.found or 'nothing'}; allowed {one.mend}" for one in broken]
    if not found and tactic.personal[arm] is not None:
        found.append(f"with the data of some recipients it would break a rule; they do not get it ({Block.BRAND_RULE})")
    return tuple(found)
