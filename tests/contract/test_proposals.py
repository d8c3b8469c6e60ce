"""Proposals are kept, updated, withdrawn and decided about, each in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from threading import Barrier, Thread
from typing import Any

import pytest
import sqlalchemy as sa

from optimizer.domain.controls import Controls
from optimizer.domain.instants import DAY, HOUR, Instant
from optimizer.domain.proposal_json import digest, proposal_json, read_proposal
from optimizer.domain.proposals import Confidence, Edit, Effect, Kept, Proposal, ProposalKind, ProposalState
from optimizer.errors import Conflict, InvalidRequest, NotFound, OptimizerError
from optimizer.services.documents.undoing import refuse_undoing, undone
from optimizer.services.exports.archiving import export_ledger, import_ledger
from optimizer.services.live import DOCUMENTS, Live
from optimizer.services.oversight import steering
from optimizer.services.proposing import keeping
from optimizer.services.proposing.deciding import Decided, accept, reject
from optimizer.services.proposing.keeping import Made, is_due, keep, made, may_return
from optimizer.services.proposing.pulling import pull
from optimizer.services.proposing.showing import show
from optimizer.storage.proposals import Round
from optimizer.storage.store import Ledger
from optimizer.strategy.workspace import read_workspace

RETIRE = Proposal(
    kind=ProposalKind.RETIRE_VARIANT,
    campaign_id="winback",
    subject="new-arrivals",
    headline="Retire new-arrivals: the others do better wherever it is sent.",
    evidence=("It earns less.", "As of today."),
    expected=Effect(1.5, 0.5, 2.5, "rewards", "day"),
    risk="Some.",
    confidence=Confidence.HIGH,
    edits=(Edit("winback", ("messages", "new-arrivals", "retired"), "set", value=True),),
)
FLOOR = replace(
    RETIRE,
    kind=ProposalKind.LOWER_FREQUENCY,
    subject="floor",
    headline="Lower the floor.",
    expected=None,
    edits=(Edit("winback", ("policy", "floor"), "set", 0.02),),
)
DRAFT = replace(
    RETIRE,
    kind=ProposalKind.WRITE_MESSAGE,
    subject="lapsed",
    headline="Write another message.",
    edits=(Edit("winback", ("messages",), "append", {"id": "draft", "subject": "Say something new"}),),
)
ROLLOUT = "rollout:\n  - {share: 0.1, for: P3D}\n  - {share: 0.5, requires: [approval]}\n  - {share: 1.0}\n"


@dataclass
class Table:
    """Where proposals of one house lie; what the evidence suggests is said by the test."""

    house: Any
    suggested: list[Proposal] = field(default_factory=list)

    def write(self, do: Callable[..., Any], *rest: Any, **named: Any) -> Any:
        with self.house.deployment.store.writing(alone=True) as ledger:
            return do(ledger, *rest, **named)

    def read(self, do: Callable[..., Any], *rest: Any, **named: Any) -> Any:
        with self.house.deployment.store.reading() as ledger:
            return do(ledger, *rest, **named)

    def make(self, *suggested: Proposal, trials: int = 100, campaign: str = "winback") -> list[Kept]:
        now = self.house.now
        version = self.read(self.house.deployment.live.at).version
        found = Made(campaign, now, version, trials, suggested)
        kept: list[Kept] = self.write(keep, self.house.deployment.live, found, now)
        return kept

    def accept(self, number: int = 1, actor: str = "ann", note: str = "as we hoped", **more: Any) -> Decided:
        live, now = self.house.deployment.live, self.house.now
        done: Decided = self.write(accept, live, number, actor=actor, note=note, now=now, **more)
        return done

    def reject(self, number: int = 1, note: str = "the brand team wants it") -> Decided:
        done: Decided = self.write(reject, number, actor="bob", note=note, now=self.house.now)
        return done

    def all(self) -> list[Kept]:
        found: list[Kept] = self.read(lambda ledger: ledger.proposals.newest(100))
        return found

    def states(self) -> dict[int, str]:
        return {kept.number: kept.state.value for kept in reversed(self.all())}

    def notices(self) -> list[Any]:
        return [one.data for one in self.read(lambda ledger: ledger.notices.newest(100, None))]

    def trail(self) -> list[Any]:
        return [link.entry for link in self.read(lambda ledger: list(ledger.audit.stream()))]

    def text(self, file: str = "campaigns/winback.yaml") -> str:
        text: str = self.read(lambda ledger: ledger.versions.latest().files[file])
        return text

    @property
    def version(self) -> int:
        number: int = self.read(self.house.deployment.live.at).version
        return number


@pytest.fixture
def table(sqlite_house: Any, files: Mapping[str, str]) -> Table:
    sqlite_house.apply(files)
    return Table(sqlite_house)


@pytest.fixture
def round_table(house: Any, files: Mapping[str, str]) -> Table:
    """The same on each database."""
    house.apply(files)
    return Table(house)


# ------------------------------------------------------------ kept


def test_a_proposal_is_kept_as_it_was_made(round_table: Table) -> None:
    (kept,) = round_table.make(RETIRE)
    now = round_table.house.now
    assert kept == Kept(1, RETIRE, now, now, 1, ProposalState.OPEN, trials=100)
    assert round_table.all() == [kept]
    assert round_table.read(lambda ledger: ledger.proposals.n_open()) == {"winback": 1}
    assert read_proposal(proposal_json(DRAFT)) == DRAFT
    assert digest(RETIRE) != digest(replace(RETIRE, evidence=("It earns far less.",)))


def test_the_same_proposal_is_open_once(round_table: Table) -> None:
    (kept,) = round_table.make(RETIRE)
    with pytest.raises(sa.exc.IntegrityError):
        round_table.write(lambda ledger: ledger.proposals.insert(replace(kept, number=2)))


def test_figures_of_an_open_proposal_follow_the_evidence_and_nobody_is_told_twice(table: Table) -> None:
    table.make(RETIRE)
    table.house.later(DAY)
    newer = replace(RETIRE, evidence=("It earns far less.",))
    (kept,) = table.make(newer, trials=150)
    assert (kept.number, kept.proposal, kept.trials) == (1, newer, 150)
    assert kept.as_of - kept.made_at == DAY
    assert table.notices() == [{"proposal": 1, "proposes": "retire_variant", "because": RETIRE.headline}]


def test_what_the_evidence_no_longer_says_is_withdrawn_and_comes_back_under_its_number(table: Table) -> None:
    table.make(RETIRE, FLOOR)
    assert [kept.number for kept in table.make(FLOOR)] == [2]
    gone = table.all()[1]
    assert (gone.state, gone.note, gone.decided_by) == (ProposalState.WITHDRAWN, keeping.UNSUPPORTED, None)
    with pytest.raises(Conflict, match=r"proposal 1: found it withdrawn at .*; allowed an open one"):
        table.accept(1)
    table.make(RETIRE, FLOOR)
    assert table.states() == {1: "open", 2: "open"}
    assert table.all()[1].note is None
    assert len(table.notices()) == 2


def test_proposals_of_a_campaign_that_has_left_the_documents_are_withdrawn(
    table: Table, files: Mapping[str, str]
) -> None:
    table.make(RETIRE)
    table.house.apply({name: text for name, text in files.items() if "winback" not in name})
    table.make(campaign="newsletter")
    assert table.all()[0].note == keeping.LEFT


def test_what_was_rejected_is_not_made_again_until_the_evidence_has_doubled(table: Table) -> None:
    table.make(RETIRE, trials=100)
    done = table.reject()
    assert (done.kept.state, done.kept.decided_by, done.kept.note) == ("rejected", "bob", "the brand team wants it")
    table.house.later(30 * DAY)
    assert table.make(RETIRE, trials=199) == []
    (kept,) = table.make(RETIRE, trials=200)
    assert kept.number == 2
    assert table.states() == {1: "rejected", 2: "open"}


def test_nothing_decided_is_asked_again_within_a_week() -> None:
    before = Kept(1, RETIRE, 0, 0, 1, ProposalState.REJECTED, "ann", 0, "no", trials=0)
    assert not may_return(before, 10_000, 7 * DAY - 1)
    assert not may_return(before, 0, 7 * DAY)
    assert may_return(before, 1, 7 * DAY)
    assert not may_return(replace(before, state=ProposalState.ACCEPTED), 10_000, 7 * DAY - 1)
    assert may_return(replace(before, state=ProposalState.ACCEPTED), 0, 7 * DAY)


def test_nothing_is_kept_that_was_made_from_other_documents(
    table: Table, files: Mapping[str, str], edited: Callable[..., dict[str, str]]
) -> None:
    table.make(FLOOR)
    stale = Made("winback", table.house.now, 1, 100, (RETIRE,))
    table.house.apply(edited(files, "campaigns/winback.yaml", ("floor: 0.05", "floor: 0.04")))
    table.write(keep, table.house.deployment.live, stale, table.house.now)
    assert [kept.proposal.subject for kept in table.all()] == ["floor"]


def test_the_evidence_is_asked_once_a_day_and_an_hour_after_documents_have_changed() -> None:
    last = Round("winback", 10 * DAY, 3, 100, 1.0)
    assert is_due(None, 3, 0)
    assert [is_due(last, 3, 10 * DAY + later) for later in (0, HOUR, DAY - 1, DAY)] == [False, False, False, True]
    assert [is_due(last, 4, 10 * DAY + later) for later in (0, HOUR - 1, HOUR)] == [False, False, True]
    assert is_due(last, 3, 10 * DAY - 1)  # the clock was ahead


def propose(ledger: Ledger, live: Live, campaign_id: str, now: Instant) -> list[Kept]:
    return keep(ledger, live, made(ledger, live, campaign_id, now), now)


def test_what_is_made_is_what_the_evidence_suggests_and_fits(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    misfit = replace(
        RETIRE, subject="gone", edits=(Edit("winback", ("messages", "gone", "retired"), "set", value=True),)
    )
    hopeless = replace(FLOOR, edits=(Edit("winback", ("policy", "floor"), "set", 0.9),))
    monkeypatch.setattr(keeping, "proposals", lambda looked: (RETIRE, misfit, hopeless) if looked.campaign else ())
    table.house.learning(5)
    live, now = table.house.deployment.live, table.house.now
    found = table.read(made, live, "winback", now)
    assert (found.proposals, found.trials, found.strategy_version) == ((RETIRE,), 5, 1)
    assert found.seen >= 5, "others may have been held out on the way"
    assert "campaigns/winback.yaml: messages.gone.retired: found nothing there" in found.misfits[0]
    assert "policy.floor" in found.misfits[1]
    table.write(propose, live, "winback", now)
    assert table.states() == {1: "open"}
    assert table.read(lambda ledger: ledger.proposals.rounds()) == {
        "winback": Round("winback", now, 1, found.seen, 1.0)
    }


def test_the_evidence_of_the_real_makers_can_be_asked(table: Table) -> None:
    table.house.learning(5)
    assert table.write(propose, table.house.deployment.live, "winback", table.house.now) == []


# ------------------------------------------------------------ accepted


def test_accepting_puts_the_change_in_force_and_says_who_and_why(round_table: Table) -> None:
    round_table.make(RETIRE)
    before = round_table.text()
    done = round_table.accept(seen=digest(RETIRE))
    assert done.sentence == "version 2 is in force"
    assert done.kept == round_table.all()[0]
    assert (done.kept.state, done.kept.became_version, done.kept.decided_by) == ("accepted", 2, "ann")
    line = "  - {id: new-arrivals, subject: See what is new}"
    assert round_table.text() == before.replace(line, line[:-1] + ", retired: true}")
    apply, decision = round_table.trail()[-2:]
    assert (apply.action, apply.actor, apply.note) == ("apply", "ann", "proposal 1: as we hoped")
    assert (decision.action, decision.subject, decision.note) == (
        "accept proposal",
        "winback/proposal 1",
        "as we hoped",
    )
    assert decision.after == "accepted: version 2 is in force"
    answers = round_table.house.learning(20)
    assert "new-arrivals" not in {answer.decision.variant_id for answer in answers}
    assert round_table.house.verify().clean


def test_nothing_is_left_of_an_acceptance_that_fails(round_table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    round_table.make(RETIRE)
    before = round_table.house.counts()

    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("the disk is full")

    monkeypatch.setattr("optimizer.services.proposing.deciding.replace", fail)
    with pytest.raises(RuntimeError):
        round_table.accept()
    assert round_table.house.counts() == before
    assert round_table.version == 1


@pytest.mark.parametrize("note", ["", "  \n", "x" * 1_001, "bell \x07"])
def test_whoever_decides_says_why(table: Table, note: str) -> None:
    table.make(RETIRE)
    for decide in (table.accept, table.reject):
        with pytest.raises(InvalidRequest, match="/note"):
            decide(1, note=note)
    assert table.states() == {1: "open"}


def test_only_one_of_those_who_decide_at_once_does(round_table: Table) -> None:
    round_table.make(RETIRE)
    barrier = Barrier(3)
    found: list[Decided | OptimizerError] = []

    def decide(do: Callable[[], Decided]) -> None:
        barrier.wait()
        try:
            found.append(do())
        except OptimizerError as error:
            found.append(error)

    wishes: list[Callable[[], Decided]] = [
        lambda: round_table.accept(actor="ann"),
        lambda: round_table.accept(actor="bob"),
        round_table.reject,
    ]
    threads = [Thread(target=decide, args=(wish,)) for wish in wishes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(type(one).__name__ for one in found) == ["Conflict", "Conflict", "Decided"]
    assert round_table.version == (2 if round_table.all()[0].state is ProposalState.ACCEPTED else 1)
    assert len([entry for entry in round_table.trail() if entry.action.endswith("proposal")]) == 1


def test_what_was_not_looked_at_is_not_accepted(table: Table) -> None:
    table.make(RETIRE)
    seen = digest(RETIRE)
    table.make(replace(RETIRE, evidence=("It earns a little less.",)))
    with pytest.raises(Conflict, match="proposal 1: found other figures than those you have looked at; allowed"):
        table.accept(seen=seen)
    assert table.version == 1


def test_a_proposal_that_no_longer_fits_the_documents_is_refused(
    table: Table, files: Mapping[str, str], edited: Callable[..., dict[str, str]]
) -> None:
    table.make(RETIRE, FLOOR)
    gone = edited(
        files,
        "campaigns/winback.yaml",
        ("  - {id: new-arrivals, subject: See what is new}\n", ""),
        ("floor: 0.05", "floor: 0.02"),
    )
    table.house.apply(gone)
    with pytest.raises(Conflict, match=r"proposal 1 does not fit the documents in force: .*found nothing there"):
        table.accept(1)
    with pytest.raises(Conflict, match=r"proposal 2 does not fit the documents in force: .*say so already"):
        table.accept(2)
    assert table.version == 2
    assert table.read(show, table.house.deployment.live, 1).misfit.startswith("campaigns/winback.yaml: messages")


def test_other_changes_made_meanwhile_stay(
    table: Table, files: Mapping[str, str], edited: Callable[..., dict[str, str]]
) -> None:
    table.make(RETIRE)
    table.house.apply(edited(files, "campaigns/winback.yaml", ("floor: 0.05", "floor: 0.04")))
    table.accept()
    assert "floor: 0.04" in table.text()
    assert "retired: true" in table.text()


@pytest.mark.parametrize(("actor", "allowed"), [("ann", True), ("carl", False)])
def test_where_the_strategy_names_approvers_only_they_accept(
    table: Table, files: Mapping[str, str], edited: Callable[..., dict[str, str]], actor: str, *, allowed: bool
) -> None:
    approvers = "approval: {required: true, approvers: [ann, bob]}"
    table.house.apply(edited(files, "strategy.yaml", ("approval: {required: false}", approvers)))
    table.make(RETIRE)
    if allowed:
        assert table.accept(actor=actor).kept.became_version == 3
    else:
        with pytest.raises(Conflict, match="actor: found carl; allowed an approver of the strategy: ann, bob"):
            table.accept(actor=actor)


@pytest.mark.parametrize("required", [True, False])
def test_new_words_are_drafts_that_nobody_gets(
    round_table: Table, files: Mapping[str, str], edited: Callable[..., dict[str, str]], *, required: bool
) -> None:
    if required:
        round_table.house.apply(edited(files, "strategy.yaml", ("required: false", "required: true")))
        for message in ("ten-percent", "new-arrivals", "hello"):
            round_table.house.approve("winback", message)
    round_table.make(DRAFT)
    done = round_table.accept()
    assert done.awaiting == ((("winback", "draft"),) if required else ())
    assert ("draft is paused" in done.sentence) is not required
    sent = {answer.decision.variant_id for answer in round_table.house.learning(25)}
    assert sent == {"ten-percent", "new-arrivals", "hello"}
    if required:
        round_table.house.approve("winback", "draft")
    else:
        live, now = round_table.house.deployment.live, round_table.house.now
        round_table.write(steering.resume_variant, live, "winback", "draft", actor="ann", note="read it", now=now)
    assert "draft" in {answer.decision.variant_id for answer in round_table.house.learning(25)}


def test_there_is_nothing_to_decide_about_a_proposal_nobody_has_made(table: Table) -> None:
    for decide in (table.accept, table.reject):
        with pytest.raises(NotFound, match="proposal: found number 7; allowed"):
            decide(7)


# ------------------------------------------------------------ steps of a rollout


@pytest.fixture
def rolling(table: Table, files: Mapping[str, str], edited: Callable[..., dict[str, str]]) -> Table:
    table.house.apply(edited(files, "campaigns/winback.yaml", ("holdout: {share: 0.1}\n", ROLLOUT)))
    return table


def put(table: Table, controls: Controls) -> None:
    def do(ledger: Any) -> None:
        ledger.controls.put("winback", controls)
        ledger.revisions.bump(DOCUMENTS)

    table.write(do)


def controls_of(table: Table) -> Controls:
    found: Controls = table.read(lambda ledger: ledger.controls.all())["winback"]
    return found


def step(name: Any, subject: str) -> Proposal:
    kind = ProposalKind.ADVANCE_STAGE if name == "advance" else ProposalKind.ROLL_BACK_STAGE
    return replace(RETIRE, kind=kind, subject=subject, edits=(), steering=name)


def test_accepting_the_next_stage_says_yes_to_it(rolling: Table) -> None:
    rolling.make(step("advance", "stage 2"))
    done = rolling.accept()
    assert done.sentence.startswith("stage 2 of 3 (50 % of recipients) begins once")
    assert (done.kept.became_version, controls_of(rolling).stage_approved) == (None, 1)
    assert [entry.action for entry in rolling.trail()[-2:]] == ["advance", "accept proposal"]


def test_a_step_that_is_not_the_next_one_any_more_is_refused(rolling: Table) -> None:
    rolling.make(step("advance", "stage 2"))
    put(rolling, Controls(stage=1, stage_since=rolling.house.now))
    with pytest.raises(Conflict, match="stage: found 2; allowed the next one, 3"):
        rolling.accept()
    assert rolling.states() == {1: "open"}


def test_rolling_back_holds_the_stage_before(rolling: Table) -> None:
    put(rolling, Controls(stage=2, stage_since=rolling.house.now, stage_approved=2))
    rolling.make(step("roll_back", "stage 2"))
    rolling.house.later(HOUR)
    done = rolling.accept()
    assert done.sentence == (
        "the rollout of winback is back at stage 2 of 3 (50 % of recipients), and held there until somebody releases it"
    )
    found = controls_of(rolling)
    assert (found.stage, found.stage_since, found.held, found.stage_approved) == (1, rolling.house.now, True, None)
    rolling.house.learning(5)
    rolling.house.later(30 * DAY)
    rolling.house.learn()
    assert controls_of(rolling).stage == 1
    live, now = rolling.house.deployment.live, rolling.house.now
    rolling.write(steering.release, live, "winback", actor="ann", note="go on", now=now)
    rolling.write(steering.advance, live, "winback", actor="ann", note="go on", now=now)
    rolling.house.learn()
    assert controls_of(rolling).stage == 1 + 1


def test_there_is_no_way_back_from_the_first_stage_nor_to_another_than_the_one_before(rolling: Table) -> None:
    def back(stage: int | None = None) -> Any:
        live, now = rolling.house.deployment.live, rolling.house.now
        return rolling.write(steering.roll_back, live, "winback", stage=stage, actor="ann", note="worse", now=now)

    with pytest.raises(Conflict, match=r"rollout: found stage 1 of 3 .*; allowed a stage that one comes before"):
        back()
    put(rolling, Controls(stage=7, stage_since=rolling.house.now))  # the documents have lost stages since
    with pytest.raises(Conflict, match="stage: found 1; allowed the one before, 2"):
        back(1)
    assert back(2).changed
    assert not back(2).changed
    assert controls_of(rolling).stage == 1


# ------------------------------------------------------------ folders


def test_a_folder_that_would_undo_what_was_accepted_is_told_so(
    table: Table, files: Mapping[str, str], edited: Callable[..., dict[str, str]]
) -> None:
    table.make(RETIRE, FLOOR)
    table.accept(1)
    table.accept(2)

    def refused(documents: Mapping[str, str]) -> list[int]:
        return [kept.number for kept in table.read(undone, read_workspace(documents))]

    in_force = table.read(lambda ledger: ledger.versions.latest()).files
    winback = "campaigns/winback.yaml"
    assert refused(files) == [1, 2]
    assert refused(in_force) == []
    assert refused(edited(in_force, winback, ("floor: 0.02", "floor: 0.05"))) == [2]
    assert refused(edited(in_force, winback, ("floor: 0.02", "floor: 0.03"))) == []  # somebody who knows of it
    assert refused(edited(files, winback, ("floor: 0.05", "floor: 0.02"))) == [1]
    no_arrivals = edited(in_force, winback, ("  - {id: new-arrivals, subject: See what is new, retired: true}\n", ""))
    assert refused(no_arrivals) == []
    assert refused({name: text for name, text in files.items() if name != winback}) == []
    with pytest.raises(Conflict, match=r'undo proposal 1, accepted by ann on 2026-09-21 \("Retire .*optimizer pull'):
        table.read(refuse_undoing, read_workspace(files))
    table.house.apply(files)  # whoever insists has undone it, and nobody is asked again
    assert refused(edited(files, winback, ("floor: 0.05", "floor: 0.03"))) == []


def test_a_folder_gets_what_is_in_force_but_for_what_somebody_is_at_work_on(
    table: Table, files: Mapping[str, str], edited: Callable[..., dict[str, str]]
) -> None:
    table.make(RETIRE)
    table.accept()
    winback = "campaigns/winback.yaml"
    new = {winback: table.text()}
    found = table.read(pull, files)
    assert (found.version, found.files, found.mine, found.more) == (2, new, (), ())
    mine = {**edited(files, winback, ("floor: 0.05", "floor: 0.3")), "campaigns/next.yaml": "campaign: next\n"}
    found = table.read(pull, mine)
    assert (found.files, found.mine, found.more) == (new, (winback,), ("campaigns/next.yaml",))
    assert table.read(pull, {}).files == {**files, **new}
    assert table.read(pull, {**files, **new}).files == {}


# ------------------------------------------------------------ shown, and moved


def test_a_proposal_is_shown_with_its_change_and_later_with_what_it_changed(table: Table) -> None:
    table.make(RETIRE, step("advance", "stage 2"))
    live = table.house.deployment.live
    before = table.read(show, live, 1)
    assert before.changes == ("campaign winback: message new-arrivals: retired false becomes true",) or any(
        "new-arrivals" in sentence for sentence in before.changes
    )
    assert "-  - {id: new-arrivals, subject: See what is new}\n" in before.diff
    assert "+  - {id: new-arrivals, subject: See what is new, retired: true}\n" in before.diff
    assert (table.read(show, live, 2).changes, table.read(show, live, 2).diff) == ((), "")
    table.accept()
    after = table.read(show, live, 1)
    assert (after.changes, after.diff, after.misfit) == (before.changes, before.diff, None)


def test_proposals_move_with_the_ledger(
    table: Table, deploy: Callable[..., Any], new_database: Callable[[str], str], tmp_path: Any
) -> None:
    table.make(RETIRE, FLOOR)
    table.accept()
    table.read(export_ledger, tmp_path / "all.ledger", table.house.now)
    there = deploy(new_database("sqlite"))
    with there.store.writing(alone=True) as ledger:
        import_ledger(ledger, tmp_path / "all.ledger")
    with there.store.reading() as ledger:
        assert ledger.proposals.newest(10) == table.all()
        assert [kept.number for kept in ledger.proposals.newest(10, states=[ProposalState.OPEN])] == [2]
        assert [kept.number for kept in ledger.proposals.newest(10, before=2)] == [1]
        assert [kept.number for kept in ledger.proposals.accepted()] == [1]
        assert ledger.proposals.newest(10, campaign_id="newsletter") == []
