"""Why one decision came out as it did, as tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from html import escape
from typing import Any, Final

import polars as pl

_STEPS: Final[Mapping[str, Any]] = {
    "step": pl.String,
    "variant": pl.String,
    "share": pl.Float64,
    "removed": pl.Boolean,
    "withheld": pl.Float64,
}
_VARIANTS: Final[Mapping[str, Any]] = {
    "variant_id": pl.String,
    "removed_by": pl.String,
    "mean": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "trials": pl.Float64,
    "elsewhere": pl.Float64,
    "p_best": pl.Float64,
    "allocation": pl.Float64,
}


@dataclass(frozen=True, eq=False)
class Explained:
    """Why one decision came out as it did.

    Attributes:
        propensity: probability with which `variant` was drawn, after every guardrail.
        u: where the draw fell in [0, 1); None when the recipient is erased.
        same: whether it comes out the same when it is computed again; None when nobody can any more.
        steps: the share of each variant after each step, from posterior to draw; a row for each of both.
        variants: what was believed of each variant, and the rule that removed it.
    """

    decision_id: str
    decided_at: datetime
    campaign: str
    segment: str | None
    group: str
    variant: str | None
    reason: str
    propensity: float | None
    snapshot: str | None
    u: float | None
    same: bool | None
    steps: pl.DataFrame
    variants: pl.DataFrame

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Explained:
        """From an answer of ``GET /v1/decisions/{id}/explain``."""
        decision = told["decision"]
        steps = [
            (step["step"], name, share, name in step["removed"], step["withheld"])
            for step in told["steps"]
            for name, share in step["shares"].items()
        ]
        variants = [tuple(one[name] for name in _VARIANTS) for one in told["variants"]]
        names = ("decision_id", "campaign", "segment", "group", "variant", "reason", "propensity", "snapshot")
        return cls(
            **{name: decision[name] for name in names},
            decided_at=datetime.fromisoformat(decision["decided_at"]),
            u=told["u"],
            same=told["recomputed"]["same"],
            steps=pl.DataFrame(steps, schema=dict(_STEPS), orient="row"),
            variants=pl.DataFrame(variants, schema=dict(_VARIANTS), orient="row").rename({"variant_id": "variant"}),
        )

    @property
    def sentence(self) -> str:
        """All of it in one sentence."""
        what = self.variant or "nothing"
        where = f"segment {self.segment}" if self.segment else "outside the audience"
        reason, group = self.reason.replace("_", " "), self.group.replace("_", " ")
        drawn = "" if self.propensity is None else f", with probability {self.propensity:.3f}"
        again = "its recipient is erased"
        if self.same is not None:
            again = "it comes out the same again" if self.same else "it comes out DIFFERENTLY"
        return f"{self.campaign} chose {what} ({reason}) in {where}, group {group}{drawn}; {again}"

    def __str__(self) -> str:
        return self.sentence

    def _repr_html_(self) -> str:
        heading = f"<p><b>{escape(self.decision_id)}</b>, {self.decided_at:%Y-%m-%d %H:%M:%S} UTC<br>"
        rows = []
        for (step, withheld), shares in self.steps.group_by("step", "withheld", maintain_order=True):
            cells = "".join(
                f"<td>{'removed' if removed else f'{share:.1%}'}</td>"
                for share, removed in shares.select("share", "removed").iter_rows()
            )
            name = str(step).replace("_", " ")
            rows.append(f"<tr><td>{escape(name)}</td>{cells}<td>{withheld:.1%}</td></tr>")
        names = self.steps["variant"].unique(maintain_order=True).to_list()
        head = "".join(f"<th>{escape(name)}</th>" for name in names)
        table = f"<table><tr><th>step</th>{head}<th>withheld</th></tr>{''.join(rows)}</table>" if rows else ""
        return f"{heading}{escape(self.sentence)}</p>{table}"
