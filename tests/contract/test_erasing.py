"""Erasure: nothing of a person stays, in the tables or in the files beneath them, and every sum stays as it was."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from sqlmodel import SQLModel
from tests.contract.erasing_traces import files_of, found_in, traces_of

from optimizer.domain.instants import DAY
from optimizer.errors import InvalidRequest
from optimizer.services.decisions.explaining import explain
from optimizer.services.recipients.disclosing import Disclosure, disclose
from optimizer.services.recipients.erasing import Erased
from optimizer.services.recipients.profiles import put_profile
from optimizer.services.recipients.suppressing import suppress, suppression, unsuppress
from optimizer.storage.persons import KEYED
from optimizer.storage.recipients import Profile
from optimizer.storage.scrubbing import scrub

ANN = "ann.of.the.hill@example.org"
MOTTO, TEXT, REQUEST, EVENT = "carpe-diem-quam-minimum", "CPXxRfAPXxRfAAfKABENB-Cg", "ann-asks-me-1", "order-of-ann-81"
SAID = (MOTTO, TEXT, REQUEST, EVENT, "Pacific/Chatham", "parrots-for-ann")


@pytest.fixture
def furnish(files: Any, edited: Callable[..., Any]) -> Callable[[Any], Any]:
    """Gives a house contact rules, costs and a text attribute, and a lot that is known of Ann."""
    documents = edited(
        files,
        "strategy.yaml",
        ("  vip: {type: boolean}\n", "  vip: {type: boolean}\n  motto: {type: text, max_length: 50}\n"),
        (
            "approval: {required: false}\n",
            "approval: {required: false}\ncontact_policy:\n  - {at_most: 3, per: P7D}\n"
            "channels: {email: {cost: 0.01 USD per delivery}}\nbudget: {total: 900 USD}\n",
        ),
    )
    return lambda house: furnished(house, documents)


@pytest.fixture
def town(house: Any, furnish: Callable[[Any], Any]) -> Any:
    """A furnished house, on each database."""
    return furnish(house)


@pytest.fixture
def hamlet(sqlite_house: Any, furnish: Callable[[Any], Any]) -> Any:
    """A furnished house on SQLite, for what does not depend on the database."""
    return furnish(sqlite_house)


def furnished(house: Any, documents: Any) -> Any:
    house.apply(documents)
    profile = Profile({"motto": MOTTO, "country": "GB"}, {"email": True, "push": False}, "Pacific/Chatham")
    with house.deployment.store.writing() as ledger:
        put_profile(ledger, house.deployment.live, ANN, profile, house.now, {"tcf": TEXT})
    asked = house.decided(ANN, REQUEST, attributes={"days": 321}, excluded=("parrots-for-ann",)).decision
    house.decided(ANN, "plain", campaign="newsletter")
    house.recorded(asked.decision_id, "delivered", after=2)
    house.recorded(asked.decision_id, event_id=EVENT, after=5)
    house.recorded(asked.decision_id, event_id="refund-81", after=9, reverses=EVENT)
    house.recorded(asked.decision_id, after=11)
    house.recorded(asked.decision_id, after=-DAY)  # refused, and kept in quarantine
    house.record(house.report(None, "clicked", recipient=ANN, campaign_id="no-such-campaign"))
    for n in range(30):
        house.decided(f"bob-{n}")
    return house


def erased(house: Any, *recipients: str, forget_suppressions: bool = False) -> Erased:
    rest = {"forget_suppressions": forget_suppressions, "actor": "ann the clerk"}
    done: Erased = house.erase(*(recipients or (ANN,)), alone=False, **rest)
    store = house.deployment.store
    scrub(store, whole=not store.is_sqlite)
    return done


def everything(house: Any, recipient: str = ANN) -> Disclosure:
    with house.deployment.store.reading() as ledger:
        return disclose(ledger, house.deployment.live, recipient, house.now)


def sums(house: Any) -> Any:
    with house.deployment.store.reading() as ledger:
        return dict(ledger.statistics.all()), ledger.meters.all()


def barred(house: Any, recipient: str = ANN) -> set[tuple[str, str]]:
    with house.deployment.store.reading() as ledger:
        return {(one.channel, one.source) for one in suppression(ledger, house.deployment.live, recipient)}


def test_everything_that_is_kept_about_a_person_is_disclosed(hamlet: Any) -> None:
    found = everything(hamlet)
    assert found.profile is not None
    assert (found.profile.attributes["motto"], found.profile.time_zone) == (MOTTO, "Pacific/Chatham")
    assert {(one.name, one.agreed, one.words) for one in found.consents} == {
        ("email", True, None),
        ("push", False, None),
        ("tcf", None, TEXT),
    }
    assert {about.decision.request_id for about in found.decisions} == {REQUEST, "plain"}
    (winback,) = [about for about in found.decisions if about.decision.campaign_id == "winback"]
    assert {outcome.kind for outcome in winback.outcomes} == {"delivered", "purchase"}
    assert len(winback.outcomes) == 4
    assert (winback.variant is None) == (winback.decision.variant_id is None)
    assert len(found.quarantine) == 2
    assert everything(hamlet, "somebody-else").is_empty


def test_no_byte_of_a_person_is_left_in_the_files(town: Any) -> None:
    keys = [everything(town).recipient_key]
    ids = [about.decision.decision_id for about in everything(town).decisions]
    traces = traces_of(town.deployment.live, ANN, keys, [*SAID, *ids])
    store = town.deployment.store
    with store.engine.connect() as connection, connection.begin():
        connection.exec_driver_sql("ANALYZE")  # the planner's statistics hold values, too
    before = found_in(files_of(store), traces)
    # The scan can fail: all that the ledger may know is found before; the id itself never was.
    assert set(traces) - set(before) == {"the id", f"{keys[0]} in bytes"}
    done = erased(town)
    assert (done.profiles, done.decisions, done.quarantined) == (1, 2, 2)
    assert found_in(files_of(store, write_ahead=False), traces) == {}
    if store.is_sqlite:
        assert found_in(files_of(store), traces) == {}


def test_sqlite_overwrites_what_is_deleted(sqlite_house: Any) -> None:
    store = sqlite_house.deployment.store
    keys = [f"{n:032x}" for n in range(400)]
    with store.writing() as ledger:
        for key in keys:
            ledger.recipients.put(key, Profile({"motto": MOTTO * 20}), sqlite_house.now)
    assert found_in(files_of(store), {MOTTO: MOTTO.encode()})
    with store.writing() as ledger:
        ledger.persons.forget(keys)
    assert scrub(store, whole=False)
    assert found_in(files_of(store), {MOTTO: MOTTO.encode()}) == {}


def test_what_was_counted_and_paid_stays_to_the_last_count(town: Any) -> None:
    before, rows = sums(town), town.counts()
    erased(town)
    assert sums(town) == before
    after = town.counts()
    assert [after[name] - rows[name] for name in ("decisions", "outcomes", "commitments", "statistics")] == [0] * 4
    found = town.verify()
    assert found.clean
    assert (found.recomputed, found.anonymous) == (30, 2)


def test_nobody_is_found_any_more_by_whoever_knows_the_secret(hamlet: Any) -> None:
    erased(hamlet)
    hamlet.later(8 * DAY)
    found = everything(hamlet)
    assert {one.source for one in found.suppressions} == {"erased after a no"}
    assert (found.profile, found.consents, found.decisions, found.quarantine) == (None, [], [], [])


def test_no_two_decisions_of_the_person_can_be_told_to_belong_together(hamlet: Any) -> None:
    erased(hamlet)
    with hamlet.deployment.store.reading() as ledger:
        left = [decision for decision in ledger.decisions.stream() if decision.is_anonymous]
        commitments = [ledger.commitments.read(decision) for decision in left]
    assert len({decision.recipient_key for decision in left}) == 2
    sent = [one for one in commitments if one is not None]
    keys = {decision.recipient_key for decision in left}
    assert {one.recipient_key for one in sent} <= keys
    assert all(len(key) == 32 for key in keys)


def test_a_decision_about_nobody_is_explained_and_said_not_to_be_computed_again(hamlet: Any) -> None:
    erased(hamlet)
    deployment = hamlet.deployment
    with deployment.store.reading() as ledger:
        (one, _) = [decision for decision in ledger.decisions.stream() if decision.is_anonymous]
        found = explain(ledger, deployment.live, one.decision_id)
    assert (found.same, found.u, found.decision.attributes) == (None, None, {})


def test_a_repeated_request_is_decided_anew_and_a_repeated_outcome_is_not_counted_twice(town: Any) -> None:
    before = town.decided(ANN, REQUEST, attributes={"days": 321}).decision
    counted = sums(town)[0]
    erased(town)
    status = town.recorded(before.decision_id, event_id=EVENT, after=5)
    assert status == "unknown"
    assert sums(town)[0] == counted
    after = town.decided(ANN, REQUEST, attributes={"days": 321}).decision
    assert after.decision_id == before.decision_id  # the same hash, of a row that is new
    assert after.decided_at == town.now
    assert town.verify().clean


def test_those_who_said_no_keep_a_tombstone_that_bars_them_on_every_worker(town: Any, second_worker: Any) -> None:
    town.later(8 * DAY)
    second_worker.now = town.now
    asked = town.decided("carl", "c1").decision
    town.recorded(asked.decision_id, "unsubscribed", after=8 * DAY + 1)
    assert second_worker.decided("carl", "c2").decision.reason == "recipient_suppressed"
    done = erased(town, "carl")
    assert done.tombstones == 1
    assert town.counts()["suppressions"] == 0
    decision = second_worker.decided("carl", "c3").decision
    assert (decision.variant_id, decision.reason) == (None, "recipient_suppressed")
    assert {source for _, source in barred(town, "carl")} == {"erased after a no"}
    with town.deployment.store.writing() as ledger:
        wish = unsuppress(
            ledger, town.deployment.live, ["carl"], None, actor="ann", note="signed up again", now=town.now
        )
    assert wish.changed == 1
    assert second_worker.decided("carl", "c4").decision.variant_id is not None


def test_a_refused_channel_is_a_no_as_well(hamlet: Any) -> None:
    erased(hamlet)
    assert barred(hamlet) == {("push", "erased after a no")}


def test_a_tombstone_says_no_more_than_the_day(hamlet: Any) -> None:
    erased(hamlet)
    with hamlet.deployment.store.engine.connect() as connection:
        ((hashed, at),) = connection.exec_driver_sql("SELECT tombstone, at FROM tombstones").all()
    assert at % DAY == 0
    assert hashed != everything(hamlet).recipient_key


def test_whoever_wishes_leaves_no_tombstone_either(hamlet: Any) -> None:
    with hamlet.deployment.store.writing() as ledger:
        suppress(ledger, hamlet.deployment.live, [ANN], None, actor="ann", note="asked us", now=hamlet.now)
    assert erased(hamlet, forget_suppressions=True).tombstones == 0
    assert everything(hamlet).is_empty
    assert hamlet.counts()["tombstones"] == 0
    erased(hamlet)
    with hamlet.deployment.store.writing() as ledger:
        suppress(ledger, hamlet.deployment.live, [ANN], None, actor="ann", note="asked us", now=hamlet.now)
    erased(hamlet)
    assert barred(hamlet)
    erased(hamlet, forget_suppressions=True)
    assert everything(hamlet).is_empty


def test_the_trail_of_suppressions_and_erasures_names_nobody_and_stays_whole(hamlet: Any) -> None:
    live, key = hamlet.deployment.live, everything(hamlet).recipient_key
    with hamlet.deployment.store.writing() as ledger:
        suppress(ledger, live, [ANN, "bob-1"], "email", actor="clerk", note="by phone", now=hamlet.now)
    erased(hamlet, ANN, "bob-1", "bob-1")
    with hamlet.deployment.store.reading() as ledger:
        links = list(ledger.audit.stream())
    assert [(link.entry.action, link.entry.subject) for link in links[-2:]] == [
        ("suppress", "2 recipients"),
        ("erase", "2 recipients"),
    ]
    assert all(link.is_intact for link in links)
    assert not any(text in repr(links) for text in (ANN, key, "bob-1"))


def test_an_erased_person_is_not_learned_from_any_more_than_the_sums_say(hamlet: Any) -> None:
    before = hamlet.learn()
    erased(hamlet)
    assert hamlet.learn().snapshot_id == before.snapshot_id


def test_whatever_is_no_recipient_is_refused_and_nothing_changes(hamlet: Any) -> None:
    before = hamlet.counts()
    with pytest.raises(InvalidRequest, match="/recipients/2"):
        erased(hamlet, ANN, "not an id")
    assert hamlet.counts() == before


def test_every_table_with_a_recipient_key_is_known_to_those_who_erase_and_rename() -> None:
    keyed = {name for name, table in SQLModel.metadata.tables.items() if "recipient_key" in table.c}
    assert {table.name for table in KEYED} == keyed


def test_every_column_that_could_hold_a_person_has_been_thought_of(sqlite_house: Any) -> None:
    """A new table or column makes this fail: decide whether an erasure has to empty it."""
    with sqlite_house.deployment.store.engine.connect() as connection:
        inspector = sa.inspect(connection)
        texts = {
            f"{table}.{column['name']}"
            for table in inspector.get_table_names()
            for column in inspector.get_columns(table)
            if isinstance(column["type"], sa.Text | sa.String)
        }
    emptied = {
        "decisions": {"decision_id", "recipient_key", "request_id", "attributes", "excluded", "time_zone"},
        "commitments": {"decision_id", "recipient_key"},
        "outcomes": {"event_id", "decision_id", "reverses"},
    }
    kept = {
        "decisions": {"campaign_id", "segment_id", "audience", "variant_id", "content_hash", "reason", "snapshot_id"}
        | {"blocked", "actor"},
        "commitments": {"campaign_id", "channel"},
        "outcomes": {"kind", "currency"},
    }
    deleted = {"recipients", "consents", "suppressions", "quarantine", "behaviour"}
    deleted |= {"memberships", "notice_recipients", "notices", "deliveries"}  # of notices, those about the person
    about_nobody = {"statistics", "snapshots", "strategy_versions", "approvals", "meters", "controls", "api_keys"}
    about_nobody |= {"audit", "revisions", "leases", "receivers", "tombstones", "bundles", "alembic_version"}
    about_nobody |= {"proposals", "proposal_rounds"}
    thought_of = {f"{table}.{name}" for some in (emptied, kept) for table, names in some.items() for name in names}
    assert {text for text in texts if text.split(".")[0] not in deleted | about_nobody} == thought_of
