"""What OPTIMIZER_WEBHOOKS may hold: for each provider what proves that it is the one that calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from optimizer.services.providers import mailgun, postmark, resend, sendgrid, ses, standard

CHECKS: Final[Mapping[str, Callable[[str], None]]] = {
    one.NAME: one.check for one in (sendgrid, ses, mailgun, postmark, resend, standard)
}


def check_credentials(secrets: Mapping[str, Sequence[str]]) -> None:
    """Every provider is known, and each of its secrets could be one.

    Raises:
        ValueError: that is not so; the message repeats no secret.
    """
    for provider, those in secrets.items():
        check = CHECKS.get(provider)
        if check is None:
            raise ValueError(f"found {provider[:40]!r}; allowed {', '.join(CHECKS)}")
        for secret in those:
            try:
                check(secret)
            except ValueError as error:
                raise ValueError(f"{provider}: found something else; allowed {error}") from None
