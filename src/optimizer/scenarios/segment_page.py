"""Found segments as one page of HTML that needs nothing else."""

from __future__ import annotations

from functools import cache

from jinja2 import Template

from optimizer.insights.discovering.discovered import Discovered
from optimizer.insights.discovering.wording import (
    amount_words,
    basis,
    headline,
    left_out_words,
    level_words,
    rule_words,
    segments_yaml,
    share_words,
    trait_words,
)
from optimizer.scenarios.pages import template


def segment_page(searched: Discovered) -> str:
    """The page. Equal searches give equal pages."""
    found = searched.found
    rest = [] if found.everyone_else is None else [found.everyone_else]
    return _template().render(
        searched=searched,
        segments=[*found.segments, *rest],
        headline=headline(searched),
        basis=basis(searched),
        left_out=left_out_words(searched),
        yaml=segments_yaml(searched),
    )


@cache
def _template() -> Template:
    return template(
        "segments.html.j2",
        rule=rule_words,
        trait=trait_words,
        amount=amount_words,
        level=level_words,
        share=share_words,
    )
