"""Whose doing an outcome was: a person's, or that of a scanner, a proxy or a robot."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from optimizer.domain.happenings import Happening
from optimizer.domain.instants import Duration, Instant
from optimizer.domain.outcome import BOUNCED, EXPOSED, WITHDRAWN, Outcome
from optimizer.strategy.hygiene import Hygiene

DELIVERIES: Final = frozenset({EXPOSED, "delivered"})
SENDERS_OWN: Final = frozenset({EXPOSED, WITHDRAWN, BOUNCED})  # what the sender says is nobody else's doing


@dataclass(frozen=True, slots=True)
class MachineRule:
    """How outcomes that no person caused are told from the others.

    Attributes:
        kinds: outcomes that are judged by what follows.
        fastest: those sooner than this after the delivery are a machine's, microseconds; 0 for none.
        honeypot: outcome that only machines cause; then all others of the decision are a machine's, too.
    """

    kinds: tuple[str, ...] = ()
    fastest: Duration = 0
    honeypot: str | None = None

    @classmethod
    def of(cls, hygiene: Hygiene) -> MachineRule:
        """The rule of a strategy; the same for every strategy that asks for nothing."""
        if hygiene.fastest is None and hygiene.honeypot is None:
            return ONLY_FLAGGED
        return cls(tuple(sorted(set(hygiene.machine_kinds))), hygiene.fastest or 0, hygiene.honeypot)


ONLY_FLAGGED: Final = MachineRule()  # only what its reporter calls a machine's is one's


def machine_events(
    rule: MachineRule, decided_at: Instant, standing: Sequence[Outcome] | Sequence[Happening]
) -> Collection[str]:
    """Event ids of a decision's outcomes that are a machine's; the order of the outcomes does not matter.

    An outcome is a machine's when its reporter says so; when it is a honeypot; when it is one of the judged kinds and
    a honeypot stands beside it; and when it is one of them and came sooner than a person could after the delivery,
    which is the earliest report of it, else the decision.

    Args:
        rule: the rule in force when the decision was made.
        decided_at: instant of the decision.
        standing: outcomes that no other one reverses.
    """
    found = {o.event_id for o in standing if o.machine and o.kind not in SENDERS_OWN}
    if not rule.kinds:
        return found
    deliveries = (o.occurred_at for o in standing if o.kind in DELIVERIES and o.event_id not in found)
    too_fast = min(deliveries, default=decided_at) + rule.fastest
    trapped = any(o.kind == rule.honeypot for o in standing)
    for outcome in standing:
        if outcome.kind in SENDERS_OWN:
            continue
        judged = outcome.kind in rule.kinds and (trapped or (rule.fastest > 0 and outcome.occurred_at < too_fast))
        if judged or outcome.kind == rule.honeypot:
            found.add(outcome.event_id)
    return found
