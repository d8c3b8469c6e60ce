"""Segments that announce who enters and leaves: once each, whatever brings it about, and nobody who said no."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from optimizer.domain.happenings import Happening
from optimizer.domain.instants import DAY, MINUTE
from optimizer.policy.draw import recipient_key
from optimizer.services.exports.archiving import export_ledger, import_ledger
from optimizer.services.keys.pseudonyms import Pseudonyms, rotate
from optimizer.services.keys.seals import Seals
from optimizer.services.notices.announcing import post
from optimizer.services.recipients.behaviour import note
from optimizer.services.recipients.disclosing import disclose
from optimizer.services.recipients.erasing import erase
from optimizer.services.recipients.memberships import SHORTEST_STAY, SWEPT_EVERY, is_sweep_due, seen, sweep
from optimizer.services.recipients.profiles import put_profile
from optimizer.services.recipients.suppressing import suppress, unsuppress
from optimizer.storage.recipients import Profile

HELD_OUT, APPROVAL = "holdout: {share: 0.1}\n", "approval: {required: false}\n"
ANNOUNCES = f"{HELD_OUT}announce_segments: true\n"
DERIVED = "  days: {type: number, minimum: 0, maximum: 5000, from: {event: purchase, measure: days_since}}\n"
DECLARED = "  days: {type: number, minimum: 0, maximum: 5000}\n"


class Club:
    """A house of which one campaign announces its segments: lapsed (90 days or more), american (lives in the US)."""

    def __init__(self, house: Any, files: Mapping[str, str], edited: Callable[..., dict[str, str]]) -> None:
        self.house, self.files, self.edited = house, files, edited

    def apply(self, *strategy: tuple[str, str], announces: str = ANNOUNCES) -> None:
        files = self.edited(self.files, "campaigns/winback.yaml", (HELD_OUT, announces))
        self.house.apply(self.edited(files, "strategy.yaml", *strategy))

    @property
    def live(self) -> Any:
        return self.house.deployment.live

    def write(self, do: Callable[..., Any], *rest: Any, **named: Any) -> Any:
        with self.house.deployment.store.writing(alone=True) as ledger:
            return do(ledger, *rest, **named)

    def put(self, recipient: str, consent: Mapping[str, bool] | None = None, **attributes: Any) -> int:
        """Store a profile; how many notices came of it."""

        def change(ledger: Any) -> int:
            put_profile(ledger, self.live, recipient, Profile(attributes, consent or {}), self.house.now)
            return seen(ledger, self.live, [recipient], self.house.now)

        found: int = self.write(change)
        return found

    def sweep(self, most: int = 100) -> int:
        """A whole sweep; how many notices came of it."""
        announced = 0
        while (done := self.write(sweep, self.live, self.house.now, most)).looked:
            announced += done.announced
        return announced

    def told(self) -> list[tuple[str, str, str, str | None]]:
        """Kind, recipient, segment, and where from or to, in order."""
        with self.house.deployment.store.reading() as ledger:
            found = [one.notice for one in reversed(post(ledger, 1_000).notices)]
        seals = Seals(self.live.secret)
        return [
            (
                one.kind.value.removeprefix("segment_"),
                seals.open(one.about.sealed, "winback"),  # type: ignore[union-attr]
                one.data["segment"],
                one.data.get("from", one.data.get("to")),
            )
            for one in found
        ]


@pytest.fixture
def club(sqlite_house: Any, files: Mapping[str, str], edited: Callable[..., dict[str, str]]) -> Club:
    built = Club(sqlite_house, files, edited)
    built.apply()
    return built


@pytest.fixture
def both_clubs(house: Any, files: Mapping[str, str], edited: Callable[..., dict[str, str]]) -> Club:
    """The same on each database."""
    built = Club(house, files, edited)
    built.apply()
    return built


def test_whoever_enters_moves_and_leaves_is_announced_once_each(both_clubs: Club) -> None:
    club = both_clubs
    assert club.put("ann", days=10) == 0
    assert club.put("ann", days=90) == 1
    assert club.put("ann", days=91) == 0
    club.house.later(DAY)
    assert club.put("ann", days=1, country="US") == 2
    club.house.later(DAY)
    assert club.put("ann", days=1, country="GB") == 1
    assert club.put("ann", days=1, country="GB") == 0
    assert club.told() == [
        ("entered", "ann", "lapsed", None),
        ("left", "ann", "lapsed", "american"),
        ("entered", "ann", "american", "lapsed"),
        ("left", "ann", "american", None),
    ]


def test_only_campaigns_that_say_so_announce_and_keep_anything(club: Club) -> None:
    club.apply(announces=HELD_OUT)
    assert club.put("ann", days=90) == 0
    assert club.house.counts()["memberships"] == 0
    club.apply()
    club.put("ann", days=91, vip=True)  # a segment of `members`, which says nothing
    assert [segment for _, _, segment, _ in club.told()] == ["lapsed"]
    assert club.house.counts()["memberships"] == 1


def test_whoever_flaps_is_announced_twelve_times_an_hour_at_most_and_is_right_in_the_end(both_clubs: Club) -> None:
    club = both_clubs
    for minute in range(61):
        club.put("ann", days=100 if minute % 2 == 0 else 1)
        club.house.later(MINUTE)
    n = len(club.told())
    assert 2 <= n <= 13
    club.put("ann", days=1)
    club.house.later(SHORTEST_STAY)
    club.sweep()
    assert club.told()[-1][0] == "left"
    club.house.later(DAY)
    club.sweep()
    club.put("ann", days=100)
    club.put("ann", days=1)
    assert club.told()[-1][0] == "entered"
    club.house.later(SHORTEST_STAY - 1)
    assert club.write(sweep, club.live, club.house.now, 10).announced == 0
    club.house.later(1)
    with club.house.deployment.store.reading() as ledger:
        assert is_sweep_due(ledger, club.house.now)
    assert club.sweep() == 1
    assert club.told()[-1] == ("left", "ann", "lapsed", None)


def test_nobody_who_said_no_is_announced_to_enter_and_whoever_says_no_leaves(club: Club) -> None:
    def say(do: Callable[..., Any], recipient: str) -> None:
        club.write(do, club.live, [recipient], "email", actor="clerk", note="by phone", now=club.house.now)

    club.apply((APPROVAL, f"{APPROVAL}channels: {{email: {{}}}}\n"))
    say(suppress, "bob")
    assert club.put("bob", days=100) == 0
    assert club.put("cleo", {"email": False}, days=100) == 0
    assert club.put("ann", days=100) == 1
    club.house.later(1)
    said = [("entered", "ann"), ("left", "ann"), ("entered", "bob")]
    say(suppress, "ann")  # who has just entered: a no does not wait, neither for the shortest stay nor for a sweep
    assert [one[:2] for one in club.told()] == said[:2]
    club.house.later(1)
    say(unsuppress, "bob")
    assert [one[:2] for one in club.told()] == said
    club.house.later(SWEPT_EVERY)
    assert club.sweep() == 0


def test_a_consent_that_is_withdrawn_ends_a_sequence_at_once_and_one_that_flaps_begins_it_seldom(
    both_clubs: Club,
) -> None:
    club = both_clubs
    assert club.put("ann", {"email": True}, days=100) == 1
    club.house.later(1)
    assert club.put("ann", {"email": False}, days=100) == 1
    assert club.told()[-1] == ("left", "ann", "lapsed", None)
    assert club.put("ann", {"email": True}, days=100) == 0  # the next entry waits as any other
    club.house.later(SHORTEST_STAY)
    assert club.sweep() == 1
    assert [kind for kind, *_ in club.told()] == ["entered", "left", "entered"]


def test_whoever_unsubscribes_leaves_in_the_same_transaction(both_clubs: Club) -> None:
    club = both_clubs
    assert club.put("ann", days=100) == 1
    asked = club.house.decided("ann", "r1", attributes={"days": 100}).decision
    club.house.later(1)
    assert club.house.recorded(asked.decision_id, "unsubscribed") == "accepted"
    assert club.told()[-1] == ("left", "ann", "lapsed", None)


def test_where_consent_is_needed_only_those_who_gave_it_are_announced(club: Club) -> None:
    club.apply((APPROVAL, f"{APPROVAL}channels: {{email: {{}}}}\ndata: {{consent_required: [email]}}\n"))
    assert club.put("ann", days=100) == 0
    assert club.put("ann", {"email": True}, days=100) == 1
    club.house.later(DAY)
    assert club.put("ann", {"email": False}, days=100) == 1
    assert [one[0] for one in club.told()] == ["entered", "left"]


def test_time_alone_makes_people_enter(both_clubs: Club) -> None:
    club = both_clubs
    club.apply((DECLARED, DERIVED))
    for n in range(5):
        person = recipient_key(club.live.secret, f"p{n}")

        def bought(ledger: Any, person: str = person, n: int = n) -> None:
            happening = Happening(person, "purchase", club.house.now - n * DAY, None, f"e{n}", club.house.now)
            note(ledger, club.live, [happening], club.house.now)
            seen(ledger, club.live, [f"p{n}"], club.house.now)

        club.write(bought)
    assert club.told() == []
    club.house.later(85 * DAY)
    entered = [club.sweep(most=2)]
    for _ in range(6):
        club.house.later(DAY)
        entered.append(club.sweep(most=2))
    assert entered == [0, 1, 1, 1, 1, 1, 0]
    assert [one[:3] for one in club.told()] == [("entered", f"p{n}", "lapsed") for n in (4, 3, 2, 1, 0)]


def test_a_purchase_makes_whoever_is_known_leave(club: Club) -> None:
    club.apply((DECLARED, DERIVED))

    def bought(ledger: Any) -> None:
        happening = Happening(
            recipient_key(club.live.secret, "ann"), "purchase", club.house.now - 100 * DAY, None, "e", club.house.now
        )
        note(ledger, club.live, [happening], club.house.now)
        seen(ledger, club.live, ["ann"], club.house.now)

    club.write(bought)
    answer = club.house.decided("ann")
    club.house.later(DAY)
    assert club.house.recorded(answer.decision.decision_id, after=DAY - MINUTE) == "accepted"
    assert club.told() == [("entered", "ann", "lapsed", None), ("left", "ann", "lapsed", None)]


def test_a_sweep_looks_at_everybody_once_and_then_rests(club: Club) -> None:
    for n in range(25):
        club.put(f"p{n}", days=1)
    with club.house.deployment.store.reading() as ledger:
        assert is_sweep_due(ledger, club.house.now)
    portions = []
    while (done := club.write(sweep, club.live, club.house.now, 10)).looked:
        portions.append(done.looked)
    assert portions == [10, 10, 5]
    with club.house.deployment.store.reading() as ledger:
        assert not is_sweep_due(ledger, club.house.now + SWEPT_EVERY - 1)
        assert is_sweep_due(ledger, club.house.now + SWEPT_EVERY)


def test_a_campaign_that_says_nothing_more_or_has_ended_forgets_everybody(club: Club) -> None:
    for n in range(25):
        club.put(f"p{n}", days=100)
    club.apply(announces=HELD_OUT)
    club.house.later(DAY)
    assert club.sweep(most=10) == 0
    assert club.house.counts()["memberships"] == 0
    club.apply(announces=f"{ANNOUNCES}ends: 2026-09-30\n")
    club.put("ann", days=100)
    assert club.house.counts()["memberships"] == 1
    club.house.later(60 * DAY)
    club.sweep()
    assert club.house.counts()["memberships"] == 0


def test_a_segment_that_is_renamed_is_left_and_the_other_entered(club: Club) -> None:
    club.put("ann", days=100)
    club.house.later(DAY)
    files = club.edited(club.files, "campaigns/winback.yaml", (HELD_OUT, ANNOUNCES), ("- id: lapsed", "- id: sleepy"))
    club.house.apply(files)
    club.sweep()
    assert club.told()[1:] == [("left", "ann", "lapsed", "sleepy"), ("entered", "ann", "sleepy", "lapsed")]


# ------------------------------------------------------------ what is kept of people


def erased(club: Club, recipient: str) -> None:
    numbers = iter(range(1_000_000))
    club.write(
        erase,
        club.live,
        [recipient],
        forget_suppressions=False,
        random_id=lambda: f"{next(numbers):032x}",
        actor="clerk",
        now=club.house.now,
    )


def test_whoever_is_erased_is_in_no_table_and_nobody_is_told_any_more(both_clubs: Club) -> None:
    club = both_clubs
    club.put("ann", days=100)
    club.put("bob", days=100)
    erased(club, "ann")
    assert [one[1] for one in club.told()] == ["bob"]
    counts = club.house.counts()
    assert (counts["memberships"], counts["notice_recipients"], counts["notices"]) == (1, 1, 1)


def test_a_person_is_shown_what_is_kept_and_told(club: Club) -> None:
    club.put("ann", days=100)
    with club.house.deployment.store.reading() as ledger:
        found = disclose(ledger, club.live, "ann", club.house.now)
        nobody = disclose(ledger, club.live, "zoe", club.house.now)
    assert [(one.campaign_id, one.segment_id) for one in found.memberships] == [("winback", "lapsed")]
    assert [(one.kind, one.data["segment"]) for one in found.notices] == [("segment_entered", "lapsed")]
    assert not found.is_empty
    assert nobody.is_empty


def test_a_new_recipient_key_loses_nobody(both_clubs: Club) -> None:
    club = both_clubs
    club.put("ann", days=100)
    club.house.deployment.rotate_recipient_key()
    club.house.later(DAY)
    assert club.put("ann", days=100) == 0
    assert club.put("ann", days=1) == 1
    club.house.later(SWEPT_EVERY)
    club.sweep()
    assert [one[:3] for one in club.told()] == [("entered", "ann", "lapsed"), ("left", "ann", "lapsed")]


def test_a_whole_ledger_takes_them_along(
    club: Club, tmp_path: Path, deploy: Callable[..., Any], new_database: Callable[..., str], make_house: Any
) -> None:
    club.put("ann", days=100)
    with club.house.deployment.store.reading() as ledger:
        export_ledger(ledger, tmp_path / "all.ledger", club.house.now)
    there = Club(make_house(deploy(new_database("sqlite"))), club.files, club.edited)
    with there.house.deployment.store.writing(alone=True) as ledger:
        import_ledger(ledger, tmp_path / "all.ledger")
    there.house.now = club.house.now + DAY
    assert there.put("ann", days=100) == 0
    assert there.put("ann", days=1) == 1
    assert there.told() == [("entered", "ann", "lapsed", None), ("left", "ann", "lapsed", None)]


def test_a_rotation_renames_the_rows_themselves(club: Club) -> None:
    club.put("ann", days=100)
    before = Pseudonyms()
    club.write(rotate, before, bytes(range(16)), actor="clerk", now=club.house.now)
    key = Pseudonyms(1, bytes(range(16))).key_of(recipient_key(club.live.secret, "ann"))
    with club.house.deployment.store.engine.connect() as connection:
        for table in ("memberships", "notice_recipients"):
            found = connection.exec_driver_sql(f"SELECT recipient_key FROM {table}").scalars().all()
            assert found == [key]
