"""Segments the evidence suggests."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from optimizer.figures.look import figure_json, styles_of
from optimizer.figures.segments import Branch, segments_figure
from optimizer.insights.discovering.discovered import Discovered
from optimizer.insights.discovering.found import Amount
from optimizer.insights.discovering.wording import (
    basis,
    headline,
    left_out_words,
    rule_words,
    segments_yaml,
    trait_words,
)
from optimizer.services.proposing.discovering import discovered_for_a_page
from optimizer.services.reports.summaries import summary
from optimizer.web.console.readings import reading, slow_reading
from optimizer.web.console.shell import Viewing, page
from optimizer.web.routes.campaigns import CampaignId

router = APIRouter()


@router.get("/campaigns/{campaign_id}/segments")
async def segments_page(campaign_id: CampaignId, request: Request, viewer: Viewing) -> Response:  # noqa: ARG001
    """Segments whose best variant differs, as rules to paste, and recipients who are alike."""
    await reading(request, summary, campaign_id)  # what is not there is said at once
    found = await slow_reading(request, discovered_for_a_page, campaign_id)
    context: dict[str, Any] = {"campaign_id": campaign_id, "found": None}
    if found is not None:
        context |= {"as_of": found.as_of, "found": found.value, **_shown(found.value)}
    return await page(request, "segments.html.j2", **context)


def _shown(searched: Discovered) -> dict[str, Any]:
    """What the template shows of a search."""
    found = searched.found
    styles = styles_of(searched.variant_ids, searched.control)
    segments = [*found.segments, *([] if found.everyone_else is None else [found.everyone_else])]
    branches = [
        Branch(one.id, "" if one is found.everyone_else else rule_words(one.rule), one.share, one.recipients, one.best)
        for one in segments
    ]
    colours = {variant_id: style.colour for variant_id, style in styles.items()}
    return {
        "headline": headline(searched),
        "basis": basis(searched),
        "left_out": left_out_words(searched),
        "yaml": segments_yaml(searched),
        "segments": [(one, rule_words(one.rule)) for one in segments],
        "numbers": {variant_id: style.number for variant_id, style in styles.items()},
        "axis": _axis([one.more for one in segments]),
        "figure": figure_json(segments_figure(branches, colours)) if found.segments else None,
        "clusters": [
            (one, rule_words(one.rule), [trait_words(trait) for trait in one.traits])
            for one in searched.clusters.clusters
        ],
        "cluster_axis": _axis([one.reward for one in searched.clusters.clusters]),
    }


def _axis(amounts: list[Amount | None]) -> tuple[float, float]:
    """Ends of the one axis of a column of intervals, zero among them."""
    known = [one for one in amounts if one is not None]
    return min([0.0, *(one.low for one in known)]), max([0.0, *(one.high for one in known)])
