"""All that was asked and all that was acknowledged in a soak, in a few dozen bytes each; and what was wrong at once."""

from array import array
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b
from typing import Any

ID_BYTES, DIGEST_BYTES = 16, 8
KNOWN, NEWLY = 1, 2  # an event is acknowledged to be in the ledger: it was before, or now for the first time
BREACHES_SHOWN = 20
MICROS = 1_000_000


def digest(*parts: object) -> bytes:
    """A few bytes that differ when an answer does."""
    return blake2b(repr(parts).encode(), digest_size=DIGEST_BYTES).digest()


def digest_of_answer(answer: dict[str, Any]) -> bytes:
    """Of a decision as the service gave it; the same as that of its row in the ledger, see `checks`."""
    at = datetime.fromisoformat(answer["decided_at"])
    decided_at = int(at.timestamp()) * MICROS + at.microsecond
    return digest(
        answer["campaign"],
        answer["variant"],
        answer["propensity"],
        answer["reason"],
        answer["segment"],
        answer["group"],
        answer["snapshot"],
        decided_at,
    )


@dataclass
class Decisions:
    """Requests for decisions by number.

    Attributes:
        asked_at: wall-clock seconds at which it was first asked.
        recipients: number of the recipient.
        campaigns: number of the campaign.
        ids: the acknowledged decision's id, zeros while there is none.
        digests: of the acknowledged answer.
        sent: whether the acknowledged answer names a variant.
    """

    asked_at: "array[float]" = field(default_factory=lambda: array("d"))
    recipients: "array[int]" = field(default_factory=lambda: array("L"))
    campaigns: bytearray = field(default_factory=bytearray)
    ids: bytearray = field(default_factory=bytearray)
    digests: bytearray = field(default_factory=bytearray)
    sent: bytearray = field(default_factory=bytearray)
    acknowledged: int = 0

    def __len__(self) -> int:
        return len(self.campaigns)

    def new(self, recipient: int, campaign: int, at: float) -> int:
        """Number of a request that is about to be made for the first time."""
        self.asked_at.append(at)
        self.recipients.append(recipient)
        self.campaigns.append(campaign)
        self.ids.extend(bytes(ID_BYTES))
        self.digests.extend(bytes(DIGEST_BYTES))
        self.sent.append(0)
        return len(self.campaigns) - 1

    def id_of(self, number: int) -> str | None:
        """The acknowledged decision's id; None when nothing was acknowledged."""
        found = self.ids[number * ID_BYTES : (number + 1) * ID_BYTES]
        return found.hex() if any(found) else None

    def digest_of(self, number: int) -> bytes:
        return bytes(self.digests[number * DIGEST_BYTES : (number + 1) * DIGEST_BYTES])

    def acknowledge(self, number: int, decision_id: str, answered: bytes, *, sent: bool) -> None:
        self.ids[number * ID_BYTES : (number + 1) * ID_BYTES] = bytes.fromhex(decision_id)
        self.digests[number * DIGEST_BYTES : (number + 1) * DIGEST_BYTES] = answered
        self.sent[number] = sent
        self.acknowledged += 1


@dataclass
class Events:
    """Reported outcomes by number.

    Attributes:
        decisions: number of the decision's request.
        kinds: number of the kind.
        reverses: number of the event that it undoes; -1 for none.
        recorded: `KNOWN` or `NEWLY` once the service has acknowledged that it is in the ledger, else 0.
    """

    decisions: "array[int]" = field(default_factory=lambda: array("L"))
    kinds: bytearray = field(default_factory=bytearray)
    reverses: "array[int]" = field(default_factory=lambda: array("l"))
    recorded: bytearray = field(default_factory=bytearray)

    def __len__(self) -> int:
        return len(self.kinds)

    def new(self, decision: int, kind: int, reverses: int) -> int:
        self.decisions.append(decision)
        self.kinds.append(kind)
        self.reverses.append(reverses)
        self.recorded.append(0)
        return len(self.kinds) - 1


@dataclass
class Told:
    """Everything the driver knows.

    Attributes:
        suppressed: when it was acknowledged that a recipient wants nothing on a channel; None is every channel.
        pauses: begin and end of each stretch in which a campaign was paused for sure, by campaign's number.
        counts: what was done and what came of it.
        acknowledged_at: wall-clock seconds of the newest acknowledgement.
        longest_gap: seconds between two acknowledgements under load, and when it began.
        breaches: promises that were seen broken.
    """

    decisions: Decisions = field(default_factory=Decisions)
    events: Events = field(default_factory=Events)
    suppressed: dict[tuple[int, str | None], float] = field(default_factory=dict)
    pauses: list[tuple[int, float, float]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    acknowledged_at: float = 0.0
    longest_gap: tuple[float, float] = (0.0, 0.0)
    breaches: list[str] = field(default_factory=list)

    def breach(self, sentence: str) -> None:
        self.counts["breaches"] += 1
        if len(self.breaches) < BREACHES_SHOWN:
            self.breaches.append(sentence)

    def heard(self, at: float) -> None:
        """Something was acknowledged."""
        if self.acknowledged_at and at - self.acknowledged_at > self.longest_gap[0]:
            self.longest_gap = (at - self.acknowledged_at, self.acknowledged_at)
        self.acknowledged_at = at

    def answered(self, number: int, answer: dict[str, Any], channel: str, at: float) -> None:
        """A decision was answered: for the first time, or again, and then it must be the same."""
        if answer.get("decision_id") is None:
            self.counts[f"nothing promised: {answer.get('reason', answer.get('error'))}"] += 1
            return
        self.heard(at)
        sent, found = answer["variant"] is not None, digest_of_answer(answer)
        known = self.decisions.id_of(number)
        if known is None:
            self.decisions.acknowledge(number, answer["decision_id"], found, sent=sent)
            self._must_have_been_allowed(number, channel, at, sent=sent)
        elif (known, self.decisions.digest_of(number)) != (answer["decision_id"], found):
            self.breach(f"I3: request r{number} got another answer when it was repeated: {answer}")
        else:
            self.counts["repeated, same answer"] += 1

    def _must_have_been_allowed(self, number: int, channel: str, at: float, *, sent: bool) -> None:
        asked_at, recipient = self.decisions.asked_at[number], self.decisions.recipients[number]
        said = [self.suppressed[key] for key in ((recipient, channel), (recipient, None)) if key in self.suppressed]
        if any(asked_at > before for before in said):
            self.counts["asked after the recipient unsubscribed"] += 1
            if sent:
                self.breach(f"I10: recipient {recipient} got r{number}, asked for after they had unsubscribed")
        campaign = self.decisions.campaigns[number]
        for paused, begin, end in self.pauses[-1:]:
            if paused == campaign and begin < asked_at and at < end:
                self.counts["asked while paused"] += 1
                if sent:
                    self.breach(f"a pause was not heard of: request r{number} of campaign {campaign} got a variant")
