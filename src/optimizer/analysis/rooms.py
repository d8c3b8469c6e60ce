"""The reading room: an analyst reads here what a service knows, and can change nothing.

import optimizer

room = optimizer.open("workspace")                                   # the ledger of a workspace, or
room = optimizer.open("https://optimizer.example.com", key="opt_…")  # a service, by its export routes
room.decisions("winback", since="2026-12-01")
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, date, datetime
from html import escape
from types import TracebackType
from typing import Any, Final, Literal

import polars as pl

from optimizer.analysis.explained import Explained
from optimizer.analysis.pandas_frames import pandas_frame
from optimizer.analysis.progress import shown_progress
from optimizer.analysis.sources import Asked, Read, Source
from optimizer.analysis.views import AllocationView, ReportView
from optimizer.domain.feedback import LoggedFeedback
from optimizer.errors import InvalidRequest, RequestFinding
from optimizer.history.columns import DECIDED_AT
from optimizer.history.feedback import feedback_of
from optimizer.history.mapping import Mapping as HistoryMapping
from optimizer.services.exports.exporting import declared_contents
from optimizer.services.reports.tabulating import POINTS

SIZE: Final = 5_000  # decisions read at a time
When = str | date | datetime | None
_TIME: Final = pl.Datetime("us", "UTC")


class ReadingRoom:
    """What a service knows, as tables and figures; made by `optimizer.open`.

    Frames are polars', or pandas' with ``pandas=True``; neither needs the other, nor pyarrow. Times are UTC, money is
    in units of the currency. Column ``recipient`` is a pseudonym: a keyed hash that only the service can compute from
    the id you know a person by, and that another recipient key changes.

    Args:
        source: where its tables come from.
    """

    def __init__(self, source: Source) -> None:
        self._source = source

    def campaigns(self, *, pandas: bool = False) -> Any:
        """A row for each campaign in force: what it serves, whether it is live and learns, its variants and segments.

        Args:
            pandas: give a frame of pandas.
        """
        return _given(self._source.campaigns(), pandas=pandas)

    def decisions(
        self,
        campaign: str | None = None,
        since: When = None,
        until: When = None,
        *,
        pandas: bool = False,
        progress: bool | None = None,
    ) -> Any:
        """A row for each decision, with what came of it until now, as the engine judges it.

        The columns are those of `services.portions.DECISIONS`, and ``attribute:NAME`` for each declared attribute that
        is neither free text nor sensitive.

        Args:
            campaign: id of a campaign; all of them, in order of their ids, by default.
            since: first day, or time, of the decisions; a day begins at midnight UTC.
            until: first day, or time, that is no longer wanted.
            pandas: give a frame of pandas.
            progress: show how far it has come; by default where it takes long and somebody looks.
        """
        return self._whole(self._source.decisions, "decisions", _asked(campaign, since, until), pandas, progress)

    def outcomes(
        self,
        campaign: str | None = None,
        since: When = None,
        until: When = None,
        *,
        pandas: bool = False,
        progress: bool | None = None,
    ) -> Any:
        """A row for each outcome of the decisions made in a period, whenever it came, and whether it counted.

        The columns are those of `services.portions.OUTCOMES`; ``decision_id`` leads to the decision.

        Args:
            campaign: as for `decisions`, likewise all others.
            since: first day, or time, of the decisions.
            until: first day, or time, of the decisions that is no longer wanted.
            pandas: give a frame of pandas.
            progress: show how far it has come.
        """
        return self._whole(self._source.outcomes, "outcomes", _asked(campaign, since, until), pandas, progress)

    def portions(
        self,
        of: Literal["decisions", "outcomes"],
        campaign: str | None = None,
        since: When = None,
        until: When = None,
        *,
        size: int = SIZE,
    ) -> Iterator[pl.DataFrame]:
        """The same tables, so many decisions at a time: for ledgers that do not fit into memory.

        Args:
            of: which table.
            campaign: as for `decisions`, likewise the next two.
            since: first day, or time, of the decisions.
            until: first day, or time, of the decisions that is no longer wanted.
            size: decisions looked at for one portion; a service gives 10,000 at most.
        """
        walks = {"decisions": self._source.decisions, "outcomes": self._source.outcomes}
        if of not in walks:
            raise InvalidRequest(RequestFinding("of", repr(of), "decisions or outcomes"))
        for read in walks[of](_asked(campaign, since, until), size):
            yield read.rows

    def trials(self, campaign: str | None = None, *, pandas: bool = False, progress: bool | None = None) -> Any:
        """A row for each trial whose outcomes are all in, in the standard columns of a history: decision and reward.

        Only decisions of the learning group that were exposed, whose attribution window is over, and whose variant,
        segment and objective are still those in force. `feedback` gives the same as arrays.

        Args:
            campaign: id of a campaign; may be left out if there is one.
            pandas: give a frame of pandas.
            progress: show how far it has come; by default where it takes long and somebody looks.
        """
        frame, _ = self._trials(campaign, progress)
        return _given(frame.with_columns(pl.col(DECIDED_AT).cast(_TIME)), pandas=pandas)

    def feedback(self, campaign: str | None = None, *, progress: bool | None = None) -> LoggedFeedback:
        """The same trials as arrays, for `evaluation.evaluating.evaluate` and all else in `optimizer.evaluation`."""
        frame, mapping = self._trials(campaign, progress)
        return feedback_of(frame, declared_contents(HistoryMapping.model_validate_json(mapping)), "logged")

    def allocation(self, campaign: str | None = None, *, points: int = POINTS) -> AllocationView:
        """How a campaign's shares moved: ``table``, and ``figure()``.

        Args:
            campaign: id of a campaign; may be left out if there is one.
            points: snapshots, at most; the newest is among them.
        """
        name = self._only(campaign)
        return AllocationView(name, self._source.allocation(name, points))

    def report(self, campaign: str | None = None) -> ReportView:
        """What a campaign did and learned: ``variants``, ``groups``, ``posterior_figure()`` and ``lift_figure()``.

        Args:
            campaign: id of a campaign; may be left out if there is one.
        """
        name = self._only(campaign)
        return ReportView(name, self._source.variants(name), self._source.groups(name))

    def explain(self, decision_id: str) -> Explained:
        """Why a decision came out as it did: the shares after each step, and where the draw fell."""
        return Explained.of(self._source.explanation(decision_id))

    def close(self) -> None:
        """Give back connections and files."""
        self._source.close()

    def __enter__(self) -> ReadingRoom:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<reading room on {self._source.name}>"

    def _repr_html_(self) -> str:
        shown = self.campaigns().select("campaign", "state", "learning", "variants", "segments")
        return f"<p>Reading room on <b>{escape(self._source.name)}</b></p>{shown._repr_html_()}"

    def _whole(
        self,
        walk: Callable[[Asked, int], Iterator[Read]],
        what: str,
        asked: Asked,
        pandas: bool,  # noqa: FBT001 - passed on
        progress: bool | None,  # noqa: FBT001
    ) -> Any:
        parts = [read.rows for read in shown_progress(walk(asked, SIZE), f"reading {what}", progress)]
        return _given(pl.concat(parts, rechunk=True), pandas=pandas)

    def _trials(self, campaign: str | None, progress: bool | None) -> tuple[pl.DataFrame, str]:  # noqa: FBT001
        walk = self._source.trials(self._only(campaign), SIZE)
        parts = list(shown_progress(walk, "reading trials", progress))
        return pl.concat([part.rows for part in parts], rechunk=True), parts[0].mapping

    def _only(self, campaign: str | None) -> str:
        if campaign is not None:
            return campaign
        known: list[str] = self._source.campaigns()["campaign"].to_list()
        if len(known) != 1:
            listed = ", ".join(known) or "none yet; run `optimizer apply`"
            raise InvalidRequest(RequestFinding("campaign", "none", listed))
        return known[0]


def _given(frame: pl.DataFrame, *, pandas: bool) -> Any:
    return pandas_frame(frame) if pandas else frame


def _asked(campaign: str | None, since: When, until: When) -> Asked:
    return Asked(campaign, _text(since), _text(until))


def _text(when: When) -> str | None:
    """A day or an instant as it is sent; a datetime without a zone is refused where it is read."""
    if isinstance(when, datetime):
        with suppress(OverflowError, ValueError):
            return (when.astimezone(UTC) if when.tzinfo else when).isoformat()
    return when if when is None or isinstance(when, str) else when.isoformat()
