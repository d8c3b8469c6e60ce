"""Look up: that a person has asked what is kept about somebody is itself written down, naming nobody.

The audit trail can never be changed, and whoever was looked up may be erased: it says who looked, when and why, and
never at whom, not even as a hash that their id would give again.
"""

from __future__ import annotations

from optimizer.domain.instants import Instant
from optimizer.services.auditing import about_nobody
from optimizer.services.recipients.suppressing import check_recipients, people
from optimizer.storage.audit import AuditEntry
from optimizer.storage.store import Ledger

LOOK_UP = "look up"
EXPORT = "export recipient"


def note_look_up(ledger: Ledger, recipient: str, *, actor: str, note: str, now: Instant, action: str = LOOK_UP) -> None:
    """Write down that somebody looks a recipient up; to be durable before anything is shown.

    Args:
        ledger: the ledger.
        recipient: the id that is looked up; only its form is judged.
        actor: who looks.
        note: why; empty when nobody said.
        now: the instant.
        action: `LOOK_UP`, or `EXPORT` where a file is made of it.

    Raises:
        InvalidRequest: that is no recipient, or the note names them.
    """
    check_recipients([recipient])
    said = about_nobody(note, [recipient]) if note.strip() else ""
    ledger.audit.append(AuditEntry(now, actor, action, people(1), said))
