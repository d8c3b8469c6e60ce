"""What an analyst reads is what the engine knows, in a ledger and through a service alike."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from optimizer.analysis.rooms import ReadingRoom
from optimizer.domain.feedback import joined
from optimizer.domain.instants import instant, moment
from optimizer.domain.micros import units
from optimizer.engine.assessment import assess
from optimizer.errors import InvalidRequest, NotFound
from optimizer.evaluation.evaluating import evaluate
from optimizer.evaluation.targets import Logged, always
from optimizer.history.columns import ATTRIBUTE
from optimizer.services.exports.exporting import feedback_of
from optimizer.services.exports.portions import DECISIONS, OUTCOMES
from optimizer.services.reports.reporting import report


def test_a_ledger_and_its_service_give_the_same_tables(in_the_ledger: ReadingRoom, at_the_service: ReadingRoom) -> None:
    day = date.today() - timedelta(days=18)  # noqa: DTZ011
    for room_method, arguments in [
        ("campaigns", {}),
        ("decisions", {}),
        ("decisions", {"campaign": "letter"}),
        ("decisions", {"since": day, "until": day + timedelta(days=1)}),
        ("outcomes", {}),
        ("outcomes", {"campaign": "winback", "since": day.isoformat()}),
        ("trials", {"campaign": "winback"}),
        ("trials", {"campaign": "letter"}),
    ]:
        here, there = (getattr(room, room_method)(**arguments) for room in (in_the_ledger, at_the_service))
        assert_frame_equal(here, there)
        assert len(here) > 0, (room_method, arguments)
    assert_frame_equal(in_the_ledger.allocation("winback").table, at_the_service.allocation("winback").table)
    mine, theirs = in_the_ledger.report("winback"), at_the_service.report("winback")
    for table in ("variants", "groups"):
        assert_frame_equal(getattr(mine, table).drop("as_of"), getattr(theirs, table).drop("as_of"))
    drawn = in_the_ledger.decisions("winback").filter(pl.col("snapshot").is_not_null())["decision_id"][0]
    one, other = in_the_ledger.explain(drawn), at_the_service.explain(drawn)
    assert_frame_equal(one.steps, other.steps)
    assert_frame_equal(one.variants, other.variants)
    assert one.sentence == other.sentence
    assert one.same is True
    logs = [room.feedback("winback") for room in (in_the_ledger, at_the_service)]
    for column in ("arms", "segments", "propensities", "rewards", "features", "eligible", "decided_at", "recipients"):
        assert np.array_equal(*(getattr(log, column) for log in logs)), column


def test_decisions_say_what_the_engine_says(shop: Any, in_the_ledger: ReadingRoom) -> None:
    frame = in_the_ledger.decisions()
    assert frame.columns == [*DECISIONS, *(ATTRIBUTE + name for name in ("country", "days", "vip"))]
    assert {name: kind for name, kind in frame.schema.items() if name in DECISIONS} == dict(DECISIONS)
    rows = {row["decision_id"]: row for row in frame.iter_rows(named=True)}
    now = instant(datetime.now(UTC))
    with shop.deployment.store.reading() as ledger:
        decisions = list(ledger.decisions.stream())
        outcomes = ledger.outcomes.of([decision.decision_id for decision in decisions])
        assert len(rows) == len(decisions) == len(frame)
        for decision in decisions:
            found = assess(shop.deployment.live.reward_rule(ledger, decision), decision, outcomes[decision.decision_id])
            row = rows[decision.decision_id]
            assert row["decided_at"] == moment(decision.decided_at)
            assert (row["campaign"], row["recipient"]) == (decision.campaign_id, decision.recipient_key)
            assert (row["segment"], row["variant"]) == (decision.segment_id, decision.variant_id)
            assert (row["group"], row["propensity"]) == (decision.group.value, decision.propensity)
            assert row["exposed_at"] == (None if found.exposed_at is None else moment(found.exposed_at))
            assert (row["reward"], row["rewarded"]) == (units(found.reward), found.rewarded)
            assert (row["withdrawn"], row["matured"]) == (found.withdrawn, found.closes_at < now)
            known = {name: row[ATTRIBUTE + name] for name in ("country", "days", "vip")}
            assert {name: value for name, value in known.items() if value is not None} == {
                name: value for name, value in decision.attributes.items() if name in known
            }
    assert set(frame["matured"]) == {True, False}
    order = frame.select("campaign", "decided_at", "decision_id").rows()
    assert order == sorted(order)
    text = str(frame.to_dicts())
    assert "person-" not in text
    assert "Ada" not in text


def test_outcomes_say_what_was_counted(shop: Any, in_the_ledger: ReadingRoom) -> None:
    frame = in_the_ledger.outcomes()
    assert dict(frame.schema) == dict(OUTCOMES)
    with shop.deployment.store.reading() as ledger:
        assert len(frame) == ledger.outcomes.count()
        cells = [(c, s) for name in ("winback", "letter") for c, s in ledger.statistics.of_campaign(name)]
    wanted: dict[tuple[str, str], tuple[int, int]] = {}
    for cell, sums in cells:
        kind = cell.metric.removeprefix("outcome:")
        if kind != cell.metric and sums.n:
            n, total = wanted.get((cell.campaign_id, kind), (0, 0))
            wanted[cell.campaign_id, kind] = (n + sums.n, total + sums.total)
    counted = frame.filter("counted").group_by("campaign", "kind").agg(pl.len(), pl.col("value").sum())
    assert {(c, k): (n, round(1e6 * v)) for c, k, n, v in counted.iter_rows()} == wanted
    assert frame["reversed"].sum() == frame["reverses"].is_not_null().sum() == 5
    assert frame["machine"].sum() > 0
    assert (~frame["in_window"]).sum() == 1


def test_a_report_is_the_report(shop: Any, in_the_ledger: ReadingRoom) -> None:
    shown = in_the_ledger.report("winback")
    now = instant(datetime.now(UTC))
    with shop.deployment.store.reading() as ledger:
        found = report(ledger, shop.deployment.live, "winback", now)
    assert shown.unit == found.unit == "USD"
    rows = list(shown.variants.iter_rows(named=True))
    wanted = [(segment, variant) for segment in found.segments for variant in segment.variants]
    assert [(row["segment"], row["variant"]) for row in rows] == [(s.segment_id, v.variant_id) for s, v in wanted]
    for row, (_, variant) in zip(rows, wanted, strict=True):
        assert (row["trials"], row["positives"], row["mean_reward"]) == (
            variant.rate.trials,
            variant.rate.positives,
            variant.rate.mean_reward,
        )
        assert (row["believed"], row["believed_low"]) == (variant.believed.value, variant.believed.low)
        assert (row["difference"] is None) == (variant.difference is None)
    learning = shown.groups.filter(pl.col("group") == "learning")
    assert learning["trials"].to_list()[:-1] == [segment.learning.trials for segment in found.segments]
    assert found.lift is not None
    assert learning["difference"].to_list()[-1] == found.lift.found.value


def test_trials_are_ready_for_evaluation(shop: Any, in_the_ledger: ReadingRoom) -> None:
    log = in_the_ledger.feedback("winback")
    with shop.deployment.store.reading() as ledger:
        own = joined(list(feedback_of(ledger, shop.deployment.live, "winback", instant(datetime.now(UTC)))))
    assert log.variant_ids == own.variant_ids
    assert log.feature_names == own.feature_names
    assert np.array_equal(log.rewards, own.rewards)
    assert np.array_equal(log.features, own.features)
    trials = in_the_ledger.trials("winback")
    assert trials["reward"].to_list() == log.rewards.tolist()
    assert trials.schema["decided_at"] == pl.Datetime("us", "UTC")
    judged = evaluate([log], {"logged": Logged(), "always one": always(0, log.n_segments, log.n_arms)})
    assert judged.n == len(trials)
    assert judged.judgements["logged"].estimates["ips"].value == pytest.approx(trials["reward"].mean())


def test_portions_are_the_whole(in_the_ledger: ReadingRoom, at_the_service: ReadingRoom) -> None:
    for room in (in_the_ledger, at_the_service):
        for table in ("decisions", "outcomes"):
            some = list(room.portions(table, size=7))  # type: ignore[arg-type]
            assert len(some) > 20
            assert_frame_equal(pl.concat(some), getattr(room, table)())
            if table == "decisions":
                assert max(map(len, some)) <= 7


def test_a_period_is_that_of_the_decisions(in_the_ledger: ReadingRoom) -> None:
    whole = in_the_ledger.decisions()
    middle = whole["decided_at"].unique().sort()[2]
    before, after = in_the_ledger.decisions(until=middle), in_the_ledger.decisions(since=middle)
    assert before["decided_at"].max() < middle == after["decided_at"].min()  # type: ignore[operator]
    assert len(before) + len(after) == len(whole)
    of_before = in_the_ledger.outcomes(until=middle)
    assert set(of_before["decision_id"]) <= set(before["decision_id"])
    assert in_the_ledger.decisions(since="2100-01-01").schema == whole.schema


def test_mistakes_are_said_alike(in_the_ledger: ReadingRoom, at_the_service: ReadingRoom) -> None:
    for room in (in_the_ledger, at_the_service):
        with pytest.raises(NotFound, match="found 'spring'; allowed letter, winback"):
            room.decisions("spring")
        with pytest.raises(NotFound, match="found 'spring'; allowed letter, winback"):
            room.report("spring")
        with pytest.raises(NotFound, match="decision_id: found"):
            room.explain("nobody")
        with pytest.raises(InvalidRequest, match="since: found 'yesterday'; allowed a date such as"):
            room.decisions(since="yesterday")
        with pytest.raises(InvalidRequest, match=r"until: found .* a time with a zone"):
            room.outcomes(until=datetime(2026, 12, 1, 9))  # noqa: DTZ001
        with pytest.raises(InvalidRequest, match="campaign: found none; allowed letter, winback"):
            room.trials()
        with pytest.raises(InvalidRequest, match="of: found 'people'; allowed decisions or outcomes"):
            list(room.portions("people"))  # type: ignore[arg-type]
