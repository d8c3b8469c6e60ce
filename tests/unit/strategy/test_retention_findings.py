"""How long data is kept: never shorter than what still needs it."""

from __future__ import annotations

from typing import Any

import pytest

from optimizer.errors import DocumentError
from optimizer.strategy.workspace import read_workspace

STRATEGY = """\
strategy: acme
currency: USD
time_zone: Europe/London
objectives:
  - id: buy
    reward: {outcome: purchase, value: first}
    attribution_window: P7D
contact_policy:
  - {at_most: 2, per: P30D}
data: {retention: {decisions: P30D, profiles: P1D}}
"""


def finding_of(*changes: tuple[str, str]) -> Any:
    text = STRATEGY
    for old, new in changes:
        assert text.count(old) == 1
        text = text.replace(old, new)
    with pytest.raises(DocumentError) as error:
        read_workspace({"strategy.yaml": text})
    (finding,) = error.value.findings
    return finding.line, finding.key, finding.found, finding.allowed


def test_as_long_as_the_longest_need_is_long_enough() -> None:
    kept = read_workspace({"strategy.yaml": STRATEGY}).strategy.data.retention
    assert (kept.profiles, kept.quarantine) == (86_400_000_000, None)


def test_decisions_are_kept_for_the_longest_contact_rule_or_window() -> None:
    place = (10, "data.retention.decisions")
    wanted = (*place, "P29D", "P30D or longer, for the contact rule on line 9")
    assert finding_of(("decisions: P30D", "decisions: P29D")) == wanted
    wanted = (*place, "P30D", "P40D or longer, for the attribution window on line 7")
    assert finding_of(("P7D", "P40D")) == wanted


def test_nothing_is_kept_for_less_than_a_day() -> None:
    found = finding_of(("profiles: P1D", "profiles: PT23H"))
    assert found == (10, "data.retention.profiles", "PT23H", "a duration from P1D to P3660D")
