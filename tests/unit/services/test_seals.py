"""Seals open under the secret and in the campaign they were made with, and nowhere else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.services.keys.seals import Seals

SECRET = b"correct horse battery staple 0123456789"
RECIPIENTS = st.text("abcXYZ0189._:@+=/~|-", min_size=1, max_size=128)


@given(RECIPIENTS, st.text("abc-", max_size=48))
def test_what_is_sealed_can_be_opened(recipient: str, campaign_id: str) -> None:
    sealed = Seals(SECRET).seal(recipient, campaign_id)
    assert Seals(SECRET).open(sealed, campaign_id) == recipient
    assert recipient.encode() not in sealed or len(recipient) < 4


def test_it_opens_under_no_other_secret_and_in_no_other_campaign() -> None:
    sealed = Seals(SECRET).seal("ann", "winback")
    for seals, campaign_id in ((Seals(SECRET[::-1]), "winback"), (Seals(SECRET), "newsletter")):
        with pytest.raises(ValueError, match="found one that does not open"):
            seals.open(sealed, campaign_id)


def test_any_changed_byte_is_noticed() -> None:
    sealed = Seals(SECRET).seal("ann@example.org", "winback")
    for place in range(len(sealed)):
        damaged = bytearray(sealed)
        damaged[place] ^= 1
        with pytest.raises(ValueError, match="found one that does not open"):
            Seals(SECRET).open(bytes(damaged), "winback")
    for short in (b"", sealed[:5], sealed[:12], sealed[:-1]):
        with pytest.raises(ValueError, match="found one that does not open"):
            Seals(SECRET).open(short, "winback")


def test_two_recipients_and_two_campaigns_look_different_throughout() -> None:
    seals = Seals(SECRET)
    found = [seals.seal(who, where) for who in ("ann", "bob") for where in ("winback", "members")]
    assert len({one[:12] for one in found}) == 4
    assert len({one[12:] for one in found}) == 4
    assert seals.seal("ann", "winback") == found[0]
