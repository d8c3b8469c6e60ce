"""Looking at many contacts together gives what one after the other gives, and shares that never change are kept."""

from __future__ import annotations

from random import Random
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.contract.documents_at_random import NAME_THAT_BREAKS_THE_BRAND, edition_at_random

from optimizer.domain.controls import Controls
from optimizer.domain.evidence import Evidence
from optimizer.domain.instants import HOUR, Instant
from optimizer.domain.meters import Reading
from optimizer.engine import rationing
from optimizer.engine.allocations import AllocationTable, FixedShares
from optimizer.engine.choosing import NO_ARM, REASONS, Choice, Contacts, choose
from optimizer.engine.learning import learn
from optimizer.engine.rationing import choose_in_turn, chosen_in_turn
from optimizer.engine.supplies import Supplies, meters_of
from optimizer.engine.tactic import Tactic, compile_tactic
from optimizer.errors import DocumentError
from optimizer.guardrails.contacts import Contact
from optimizer.guardrails.groups import GROUPS, Places
from optimizer.strategy.workspace import read_workspace

NOON: Instant = 1_790_000_000 * 1_000_000
ZONES = (ZoneInfo("America/New_York"), ZoneInfo("Asia/Kolkata"), None)


def contacts_at_random(chance: Random, n: int, n_people: int) -> Contacts:
    def numbers() -> np.ndarray:  # type: ignore[type-arg]
        return np.array([chance.random() for _ in range(n)])

    names = ["Ann", "Bob", NAME_THAT_BREAKS_THE_BRAND]
    return Contacts(
        recipient_keys=[str(chance.randrange(n_people)) for _ in range(n)],
        attributes=[
            {"country": chance.choice(["US", "US", "GB"]), "first_name": chance.choice(names)} for _ in range(n)
        ],
        excluded=[chance.choice([(), (), ("offer",)]) for _ in range(n)],
        suppressed=np.array([chance.random() < 0.05 for _ in range(n)], bool),
        consents=[chance.choice([True, True, True, None]) for _ in range(n)],
        zones=[chance.choice(ZONES) for _ in range(n)],
        u=numbers(),
        places=Places(numbers(), numbers(), numbers()),
        wishes=chance.choice([None, np.array([chance.choice([NO_ARM, NO_ARM, 0, 2]) for _ in range(n)])]),
    )


def one_after_the_other(
    tactic: Tactic, table: AllocationTable, contacts: Contacts, supplies: Supplies, now: Instant
) -> list[Choice]:
    """Each with what those before have left, and nobody looked at together: what the rules say, and slow."""
    keys, choices = meters_of(tactic, now), []
    for n, person in enumerate(contacts.recipient_keys):
        room = supplies.room(tactic, keys, [person], now)
        (choice,) = choose(tactic, table, contacts.part(n, n + 1), room, now)
        if choice.arm is not None:
            supplies.use(tactic, keys, person, choice.arm, now)
        choices.append(choice)
    return choices


@settings(max_examples=60)
@given(st.integers(0, 2**32))
def test_looking_at_many_together_is_looking_at_one_after_the_other(seed: int) -> None:
    chance, edition = Random(seed), edition_at_random(seed)
    edition.campaigns["first"].pop("starts", None)
    if chance.random() < 0.4:  # else most would run out of budget before they meet any other limit
        edition.strategy.pop("budget", None)
        edition.campaigns["first"].pop("budget", None)
    try:
        workspace = read_workspace(edition.files)
    except DocumentError:
        assume(False)  # a rule that another one makes pointless is refused
    pinned = chance.choice([None, None, None, edition.variant_ids("first")[0]])
    controls = Controls(reviewed_at=NOON, pinned=pinned)
    tactic = compile_tactic(workspace.strategy, workspace.campaigns["first"], 1, (), controls)
    shape = (len(tactic.rules.segment_ids), len(tactic.variants), 1)
    trials, won = np.full(shape, 40.0), np.array([[[chance.randrange(20)] for _ in range(shape[1])]] * shape[0], float)
    table = AllocationTable(learn(tactic, Evidence(np.zeros(1, np.int64), trials, won, won, won), 1, NOON))
    n = chance.choice([1, 40, 90])
    contacts = contacts_at_random(chance, n, chance.choice([10, 1000]))
    now = NOON + chance.randrange(48) * HOUR

    def supplies() -> Supplies:
        in_use = {key: Reading(0, 10_000 * (seed % 20), seed % 2) for key in meters_of(tactic, now)}
        past = {str(who): [Contact(now - (seed % 50) * HOUR, "email")] for who in range(0, 10, 2)}
        return Supplies(in_use, past)

    alone, together, columns = supplies(), supplies(), supplies()
    expected = one_after_the_other(tactic, table, contacts, alone, now)
    portion, rationing.PORTION = rationing.PORTION, chance.choice([7, 33, 256])
    try:
        assert choose_in_turn(tactic, table, contacts, together, now) == expected
        found = chosen_in_turn(tactic, table, contacts, columns, now)
    finally:
        rationing.PORTION = portion
    assert alone == together == columns
    assert found.arms.tolist() == [NO_ARM if choice.arm is None else choice.arm for choice in expected]
    assert [REASONS[place] for place in found.reasons] == [choice.reason for choice in expected]
    assert [GROUPS[place] for place in found.groups] == [choice.group for choice in expected]
    assert [None if np.isnan(p) else p for p in found.propensities] == [choice.propensity for choice in expected]
    assert found.drawn.tolist() == [choice.drawn for choice in expected]
    assert [bool(codes.any()) for codes in found.codes] == [bool(choice.blocked) for choice in expected]


def test_fixed_shares_go_on_to_the_eligible_in_proportion() -> None:
    shares = FixedShares([[0.5, 0.3, 0.2, 0.0]])
    row = shares.row(0, np.array([False, True, True, True]))
    assert row.drawn_from == pytest.approx([0, 0.6, 0.4, 0], abs=2**-32)
    assert row.drawn_from.sum() == 1.0
    assert row.leader == 1
    nothing = shares.row(0, np.array([False, False, False, True]))
    assert (nothing.drawn_from.tolist(), nothing.leader) == ([0, 0, 0, 0], -1)
    assert FixedShares.always(1, 2, 3).row(1, np.ones(3, bool)).drawn_from.tolist() == [0, 1, 0]
    assert FixedShares.uniform(2, 4).row(1, np.ones(4, bool)).drawn_from.tolist() == [0.25] * 4


@pytest.mark.parametrize("shares", [[0.5, 0.5], [[0.5, -0.5]], [[0.0, 0.0]], [[np.nan, 1.0]], [[np.inf, 1.0]]])
def test_shares_that_are_none_are_refused(shares: list[float]) -> None:
    with pytest.raises(ValueError, match=r"^shares: found .*; allowed \[S, A\] of at least 0"):
        FixedShares(shares)
