"""Why reports wait in quarantine: one cause for many reasons, in words, and what helps."""

from __future__ import annotations

from typing import Final, NamedTuple


class Cause(NamedTuple):
    """What many reports have in common that could not be used.

    Attributes:
        id: short name of it, for links and forms.
        sentence: what is wrong with them.
        advice: what somebody can do before judging them again.
    """

    id: str
    sentence: str
    advice: str


_NO_DECISION: Final = Cause(
    "unknown-decision",
    "They name a decision this service never made.",
    "Ask whoever reports them for the decision_id that our answer gave; what comes from a test system can stay here.",
)
_NEVER_DECIDED: Final = Cause(
    "no-decision-of-recipient",
    "Nothing was ever decided for their recipient in the campaign they name.",
    "Check that the reporter uses the same recipient ids as the sender, and the campaign's id.",
)
_TIME: Final = Cause(
    "impossible-time",
    "They say they happened before their decision, or in the future.",
    "Check the reporter's clock and time zone; in five minutes what was slightly ahead can be judged again.",
)
_CURRENCY: Final = Cause(
    "other-currency",
    "Their value is in another currency than the strategy's.",
    "Let the reporter convert values before it sends them.",
)
_NEGATIVE: Final = Cause(
    "below-zero",
    "Their value is below zero.",
    "Let the reporter name the outcome that is undone as `reverses` instead.",
)
_TOO_LARGE: Final = Cause(
    "too-large",
    "Their value is larger than the strategy believes (hygiene.largest_value).",
    "If these values are true, raise the limit in strategy.yaml, apply it, and judge them again.",
)
_WITHDRAWAL: Final = Cause(
    "undoes-withdrawal",
    "They undo a withdrawal, whose contact and money may have been used since.",
    "Ask for a new decision instead.",
)
_OTHER: Final = Cause("other", "They could not be used for other reasons.", "Each report says its own.")


def cause(reason: str) -> Cause:
    """What a report's reason comes down to.

    Args:
        reason: the sentence that was kept with it, ``place: found X; allowed Y``.
    """
    place, _, rest = reason.partition(": ")
    if place == "decision_id":
        return _NEVER_DECIDED if rest.startswith("found none of this recipient") else _NO_DECISION
    if place == "value":
        return _NEGATIVE if rest.startswith("found -") else _TOO_LARGE
    return {"occurred_at": _TIME, "currency": _CURRENCY, "reverses": _WITHDRAWAL}.get(place, _OTHER)
