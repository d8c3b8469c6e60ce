"""Findings about words that YAML drops without a word: ``subject: Our #1 boots`` is "Our" and a comment."""

import re
from collections.abc import Iterator

from optimizer.errors import Finding
from optimizer.strategy.pieces import items
from optimizer.strategy.yaml.source import IN_QUOTES, Path, Source, shortened

_HASHTAG = re.compile(r"[ \t]+(#[^\s#].*)")  # comments are written with a space after the sign, hashtags without


def cut_off_findings(campaign: Source) -> Iterator[Finding]:
    """Words of a campaign's messages that are followed by what looks like their end, and is a comment.

    Args:
        campaign: the campaign as written.
    """
    for message, _ in items(campaign, ("messages",)):
        fields = campaign.value((*message, "fields"))
        paths: list[Path] = [(*message, "subject"), (*message, "body")]
        paths += [(*message, "fields", name) for name in (fields if isinstance(fields, dict) else ())]
        for path in paths:
            place = campaign.values.get(path)
            cut = place and _HASHTAG.match(campaign.text, place.end)
            if place and cut and campaign.text[place.start] not in "'\"|>":
                yield campaign.finding(path, f'{IN_QUOTES}; or "# ", where it is one', found=shortened(cut[1]))
