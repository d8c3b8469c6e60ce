"""What is kept about contacts alike is what would be found out about each of them anew."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.contract.documents_at_random import NAME_THAT_BREAKS_THE_BRAND, edition_at_random
from tests.unit.engine.test_rationing import contacts_at_random

from optimizer.domain.controls import Controls, Status
from optimizer.domain.evidence import Evidence
from optimizer.domain.instants import HOUR, Instant
from optimizer.domain.meters import Reading
from optimizer.engine import memory
from optimizer.engine.allocations import AllocationTable, FixedShares
from optimizer.engine.choosing import choices, chosen
from optimizer.engine.learning import learn
from optimizer.engine.memory import Memory
from optimizer.engine.rationing import choose_in_turn
from optimizer.engine.supplies import Supplies, meters_of
from optimizer.engine.tactic import Tactic, compile_tactic
from optimizer.errors import DocumentError
from optimizer.guardrails.contacts import Contact
from optimizer.guardrails.groups import Shares
from optimizer.strategy.workspace import read_workspace

NOON: Instant = 1_790_000_000 * 1_000_000
UNTIL_REVIEW = 8 * 24 * HOUR


def campaign_at_random(chance: Random) -> tuple[list[Tactic], AllocationTable] | None:
    """One campaign as people steer it, and what was learned of it; None where the documents contradict themselves."""
    edition = edition_at_random(chance.randrange(2**32))
    edition.strategy["approval"] = {"required": False}
    try:
        workspace = read_workspace(edition.files)
    except DocumentError:
        return None
    variant_ids = edition.variant_ids("first")
    steered = [
        Controls(reviewed_at=NOON),
        Controls(reviewed_at=NOON, pinned=variant_ids[0]),
        Controls(reviewed_at=NOON, paused={variant_ids[1]: "ann: read it"}),
        Controls(reviewed_at=NOON, status=Status.PAUSED),
    ]
    tactics = [compile_tactic(workspace.strategy, workspace.campaigns["first"], 1, (), each) for each in steered]
    tactics[0] = replace(tactics[0], shares=Shares(0.1, 0.2, 0.7))
    shape = (len(tactics[0].rules.segment_ids), len(variant_ids), 1)
    trials, won = np.full(shape, 40.0), np.array([[[chance.randrange(20)] for _ in range(shape[1])]] * shape[0], float)
    return tactics, AllocationTable(learn(tactics[0], Evidence(np.zeros(1, np.int64), trials, won, won, won), 1, NOON))


@settings(max_examples=12)
@given(st.integers(0, 2**32))
def test_what_is_known_of_others_is_what_would_be_found_out(seed: int) -> None:
    """Controls, clock, budgets and contacts change from one batch to the next, and what is known stays or goes."""
    chance = Random(seed)
    found = campaign_at_random(chance)
    if found is None:
        return
    tactics, table = found
    for _ in range(8):
        tactic = chance.choice([tactics[0], *tactics])
        now = NOON + chance.choice([0, 0, HOUR, 7 * HOUR, UNTIL_REVIEW])
        keys = meters_of(tactic, now)
        in_use = {key: Reading(0, chance.choice([0, 300_000, 390_000, 2_050_000]), 3) for key in keys}
        contacts = contacts_at_random(chance, chance.choice([1, 6]), 1_000)
        past = {person: [Contact(now - HOUR, "email")] * 2 for person in contacts.recipient_keys[::3]}
        for n, person in enumerate(contacts.recipient_keys):
            one, supplies = contacts.part(n, n + 1), Supplies(dict(in_use), past)
            room = supplies.room(tactic, keys, [person], now)
            anew = choices(tactic, one, chosen(tactic, table, one, room, now), room, now)
            assert choose_in_turn(tactic, table, one, Supplies(dict(in_use), dict(past)), now) == anew


def test_contacts_alike_share_one_choice_and_others_do_not(make_tactic: object) -> None:
    tactic = make_tactic(floor=0.1)  # type: ignore[operator]
    shape = (3, 3, 1)
    seen, won = np.full(shape, 40.0), np.full(shape, 3.0)
    table = AllocationTable(learn(tactic, Evidence(np.zeros(1, np.int64), seen, won, won, won), 1, NOON))
    contacts = replace(
        contacts_at_random(Random(1), 4, 9),
        attributes=[{"newbie": True}, {"newbie": True}, {"newbie": True}, {"newbie": False}],
        excluded=[(), (), ("mens",), ()],
        suppressed=np.zeros(4, bool),
        u=np.full(4, 0.5),
        wishes=None,
    )
    now = tactic.limits.starts_at
    same, again, narrowed, elsewhere = choose_in_turn(tactic, table, contacts, Supplies(), now)
    assert same is again
    assert "mens" in narrowed.blocked
    assert elsewhere.segment_id != same.segment_id


@pytest.mark.parametrize("most", [3, 8])
def test_a_caller_who_excludes_everything_in_turn_cannot_make_a_table_grow(
    most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = [FixedShares(np.arange(1.0, 13.0).reshape(2, 6)), FixedShares(np.arange(1.0, 13.0).reshape(2, 6))]
    masks = [np.array([bool(mask >> arm & 1) for arm in range(6)]) for mask in range(1, 64)]
    expected = [tables[0].row(mask.sum() % 2, mask).drawn_from.tolist() for mask in masks]
    monkeypatch.setattr(memory, "MOST_KEPT", most)
    for mask, row in [*zip(masks, expected, strict=True)] * 2:
        assert tables[1].row(mask.sum() % 2, mask).drawn_from.tolist() == row
        assert len(tables[1]._rows) <= most
    assert tables[1].row(0, masks[0]) is tables[1].row(0, masks[0])


def test_every_memory_of_a_table_is_bounded(make_tactic: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "MOST_KEPT", 2)
    tactic = make_tactic(floor=0.1)  # type: ignore[operator]
    shape = (3, 3, 1)
    seen = np.full(shape, 40.0)
    table = AllocationTable(learn(tactic, Evidence(np.zeros(1, np.int64), seen, seen, seen, seen), 1, NOON))
    contacts = replace(
        contacts_at_random(Random(1), 40, 1_000),
        attributes=[{"newbie": n % 2 == 0, "first_name": NAME_THAT_BREAKS_THE_BRAND} for n in range(40)],
        excluded=[((), ("mens",), ("womens",), ("mens", "plain"))[n % 4] for n in range(40)],
    )
    choose_in_turn(tactic, table, contacts, Supplies(), tactic.limits.starts_at)
    assert isinstance(table.kinds.known, Memory)  # type: ignore[attr-defined]
    assert len(table.kinds.known) <= 2  # type: ignore[attr-defined]
    assert len(table._rows) <= 2
