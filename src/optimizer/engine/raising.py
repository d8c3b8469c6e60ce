"""Raising alarms about the learning: once for each reason, however often that is found, and again once it was gone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from optimizer.domain.controls import Controls
from optimizer.domain.instants import Instant, moment
from optimizer.engine.tactic import Tactic

SILENCE: Final = "silence"
COLLAPSE: Final = "collapse"
CHANGE: Final = "change"
ALARMS: Final = (SILENCE, COLLAPSE, CHANGE)  # as in `policy.alarms`: keys of `Controls.alerted` beside outcome kinds


@dataclass(frozen=True, slots=True)
class Done:
    """Something the watch has decided.

    Attributes:
        action: what, such as ``pause``.
        subject: to what: the campaign, or campaign and variant.
        sentence: why.
        before, after: how it stood, and stands.
    """

    action: str
    subject: str
    sentence: str
    before: str
    after: str


def raised(
    tactic: Tactic, controls: Controls, alarm: str, reasons: Mapping[str, str], now: Instant
) -> tuple[Controls, tuple[Done, ...]]:
    """The controls with an alarm raised for each reason that is new, and what was done.

    Args:
        tactic: the campaign.
        controls: as they are.
        alarm: one of `ALARMS`.
        reasons: all that hold now, by a key that begins with the alarm: the sentences that say why. A reason that
            holds already raises nothing; one that is missing here is gone, and raises an alarm when it comes back.
        now: the instant.
    """
    new = [sentence for reason, sentence in reasons.items() if reason not in controls.lasting]
    kept = {reason: at for reason, at in controls.lasting.items() if not _is_of(reason, alarm)}
    lasting = kept | {reason: controls.lasting.get(reason, now) for reason in reasons}
    if lasting != controls.lasting:
        controls = replace(controls, lasting=lasting)
    if not new:
        return controls, ()
    waiting = controls.alerted.get(alarm)
    sentence = "; ".join(new if waiting is None else [waiting, *new])
    after = replace(controls, alerted={**controls.alerted, alarm: sentence})
    before = "no alarm" if waiting is None else f"alarm: {alarm}"
    return after, tuple(Done("alert", tactic.campaign_id, why, before, f"alarm: {alarm}") for why in new)


def gone(controls: Controls, alarm: str) -> Controls:
    """The controls once no reason for an alarm holds any longer; the alarm itself waits for an answer."""
    lasting = {reason: at for reason, at in controls.lasting.items() if not _is_of(reason, alarm)}
    return controls if lasting == controls.lasting else replace(controls, lasting=lasting)


def _is_of(reason: str, alarm: str) -> bool:
    return reason.partition("/")[0] == alarm


def minute(at: Instant) -> str:
    """An instant as sentences of alarms name it: ``2026-12-01 09:00 UTC``."""
    return f"{moment(at):%Y-%m-%d %H:%M} UTC"
