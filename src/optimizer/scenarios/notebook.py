"""Scenarios from Python: what a notebook or a study's script calls.

scenario = Scenario.read("scenarios/first-rehearsal.yaml")
found = scenario.rehearse(jobs=2)
found.table()
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import polars as pl

from optimizer.scenarios.reading import ScenarioRead, read_scenario
from optimizer.scenarios.result import Estimated, Measured, Result, result_bytes
from optimizer.scenarios.running import evaluate_scenario, rehearse_scenario, replay_scenario
from optimizer.scenarios.spreading import Backend, Workers
from optimizer.scenarios.writing import write_all

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Findings:
    """What a scenario found.

    Attributes:
        result: every number, as dataclasses.
    """

    result: Result

    def table(self) -> pl.DataFrame:
        """A row for each policy, and guardrails: what one looks at first."""
        rows = {"rehearsal": self._rehearsed, "replay": self._replayed, "evaluation": self._judged}[self.result.kind]()
        return pl.DataFrame(list(rows))

    def frame(self) -> pl.DataFrame:
        """A row for each number: policy, guardrails, measure, mean, standard_error, low, high.

        Of an evaluation ``measure`` is the estimator, and low and high are the bootstrap's, or else the first interval.
        """
        rows: list[Row] = []
        for rehearsed in self.result.rehearsed:
            names: Row = {"policy": rehearsed.policy, "guardrails": rehearsed.guardrails}
            rows += [{**names, **_numbers(measure, found)} for measure, found in rehearsed.measures.items()]
        for replayed in self.result.replayed:
            for measure, found in (("reward", replayed.reward), ("accepted", replayed.accepted)):
                rows.append({"policy": replayed.policy, "guardrails": None, **_numbers(measure, found)})
        for judged in self.result.judged:
            names = {"policy": judged.policy, "guardrails": None}
            rows += [{**names, "measure": name, **_estimate(one)} for name, one in judged.estimates.items()]
        return pl.DataFrame(rows, infer_schema_length=None)

    def differences(self) -> pl.DataFrame:
        """A row for each paired difference between two cases of a rehearsal."""
        rows = [
            {
                "policy": one.policy,
                "guardrails": one.guardrails,
                "than_policy": one.than_policy,
                "than_guardrails": one.than_guardrails,
                **_numbers(one.measure, one.difference),
                "relative": one.relative,
            }
            for one in self.result.differences
        ]
        return pl.DataFrame(rows, infer_schema_length=None)

    def to_json(self) -> str:
        """The text of result.json."""
        return result_bytes(self.result).decode()

    def write(self, folder: str | Path) -> tuple[Path, ...]:
        """Write result.json and report.html into a folder; their paths."""
        return write_all(self.result, Path(folder))

    def _repr_html_(self) -> str:
        question = escape(self.result.question or "")
        heading = f"<b>{escape(self.result.scenario)}</b> · {self.result.kind}"
        notes = "".join(f"<li>{escape(note)}</li>" for note in self.result.notes)
        table: str = self.table()._repr_html_()
        return f"<p>{heading}<br><i>{question}</i></p>{table}<ul>{notes}</ul>"

    def _rehearsed(self) -> Iterator[Row]:
        for one in self.result.rehearsed:
            names = ("reward", "regret", "spend", "sends", "lift_true", "lift_measured")
            days = [found.median for found in one.days_to_answer.values()]
            yield {
                "policy": one.policy,
                "guardrails": one.guardrails,
                **{name: one.measures[name].mean if name in one.measures else None for name in names},
                "reward_standard_error": one.measures["reward"].standard_error,
                "days_to_answer": max((day for day in days if day is not None), default=None) if all(days) else None,
            }

    def _replayed(self) -> Iterator[Row]:
        for one in self.result.replayed:
            yield {
                "policy": one.policy,
                "method": one.method,
                "reward": one.reward.mean,
                "standard_error_of_one": one.standard_error_of_one,
                "equal_split": one.equal_split,
                "best_fixed": one.best_fixed,
            }

    def _judged(self) -> Iterator[Row]:
        for one in self.result.judged:
            headline = one.estimates[one.headline]
            yield {
                "policy": one.policy,
                "estimator": one.headline,
                **_estimate(headline),
                "verdict": one.word,
                "why": one.sentence,
            }


@dataclass(frozen=True, slots=True)
class Scenario:
    """A scenario that was read and found free of mistakes.

    Attributes:
        read_as: what was read.
        data: folder in which a history is looked for that is not beside the scenario.
    """

    read_as: ScenarioRead
    data: Path | None = None

    @classmethod
    def read(cls, path: str | Path, data: str | Path | None = None) -> Scenario:
        """Read a scenario and everything it names.

        Raises:
            DocumentError: with every mistake, each with its place.
        """
        return cls(read_scenario(Path(path)), None if data is None else Path(data))

    def rehearse(
        self, *, replications: int | None = None, seed: int | None = None, jobs: int = 1, backend: Backend = "loky"
    ) -> Findings:
        """What each policy would earn, spend and learn in the scenario's world."""
        read = self.read_as.changed(seed=seed, replications=replications)
        return Findings(rehearse_scenario(read, Workers(jobs, backend), self.data))

    def replay(self, *, seed: int | None = None, jobs: int = 1, backend: Backend = "loky") -> Findings:
        """What each learning policy would have earned on the history."""
        return Findings(replay_scenario(self.read_as.changed(seed=seed), Workers(jobs, backend), self.data))

    def evaluate(self, *, seed: int | None = None, jobs: int = 1, backend: Backend = "loky") -> Findings:
        """What each fixed policy would have earned on the history, and whether that can be trusted."""
        return Findings(evaluate_scenario(self.read_as.changed(seed=seed), Workers(jobs, backend), self.data))


def _numbers(measure: str, found: Measured) -> Row:
    ends = {"standard_error": found.standard_error, "low": found.low, "high": found.high}
    return {"measure": measure, "mean": found.mean, **ends}


def _estimate(found: Estimated) -> Row:
    low, high = found.intervals.get("bootstrap") or next(iter(found.intervals.values()), (None, None))
    return {"mean": found.value, "standard_error": found.standard_error, "low": low, "high": high}
