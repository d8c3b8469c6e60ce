"""One search for segments and what it was made on: what every place shows that shows it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from optimizer.domain.feedback import LoggedFeedback
from optimizer.errors import InvalidRequest, RequestFinding
from optimizer.insights.discovering.clusters import Clusters, found_clusters
from optimizer.insights.discovering.columns import Column
from optimizer.insights.discovering.found import Found
from optimizer.insights.discovering.tree import MAX_SEGMENTS, MIN_SIZE, found_segments


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a person may set of a search.

    Attributes:
        max_segments: most segments, everyone else counted.
        min_size: fewest recipients of a segment.
        seed: of halves, folds and samples.
    """

    max_segments: int = MAX_SEGMENTS
    min_size: int = MIN_SIZE
    seed: int = 0


USUAL = Bounds()


@dataclass(frozen=True, slots=True)
class Discovered:
    """What a search found on a log.

    Attributes:
        source: a campaign's id, or a file's name.
        unit: what a reward is counted in.
        found: segments whose best variant differs.
        clusters: recipients who are alike.
        most: at most so many decisions are looked at, as good as chosen by chance.
        is_sample: whether there were more.
        variant_ids: in the order of the documents, or of the log.
        control: the variant that control is; None where it is nothing, or not known.
        undeclared: attributes that no strategy declares, with the type that the rules take them for.
    """

    source: str
    unit: str
    found: Found
    clusters: Clusters
    most: int
    is_sample: bool
    variant_ids: tuple[str, ...] = ()
    control: str | None = None
    undeclared: tuple[tuple[str, str], ...] = ()


def segments_and_clusters(
    feedback: LoggedFeedback, columns: Sequence[Column], bounds: Bounds, progress: Callable[[int], None]
) -> tuple[Found, Clusters]:
    """Both searches, as every place makes them that shows what they find.

    Args:
        feedback: as `found_segments` has it.
        columns: likewise.
        bounds: what a person has set.
        progress: told how many of the `FOLDS` + 1 searches for segments are done.

    Raises:
        InvalidRequest: what a search refuses, in the words of the option it is about.
    """
    try:
        found = found_segments(
            feedback,
            columns,
            max_segments=bounds.max_segments,
            min_size=bounds.min_size,
            seed=bounds.seed,
            progress=progress,
        )
        return found, found_clusters(feedback, columns, seed=bounds.seed)
    except ValueError as error:
        raise InvalidRequest(_finding(error)) from None


def _finding(error: ValueError) -> RequestFinding:
    place, _, rest = str(error).partition(": found ")
    found, _, allowed = rest.partition("; allowed ")
    return RequestFinding(f"--{place.replace('_', '-')}", found, allowed)
