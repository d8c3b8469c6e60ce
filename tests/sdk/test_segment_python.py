"""Segment's Python SDK, unmodified, pointed at us."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from tests.sdk.tracking_sdks import EVENTS, is_refused_at_once, learns_and_targets, with_segment_python

pytestmark = pytest.mark.slow


@pytest.fixture
def tracked(deploy: Any, new_database: Any, serve: Any, files: Any) -> Any:
    with serve(deploy(new_database("sqlite")), {**files, "strategy.yaml": files["strategy.yaml"] + EVENTS}) as running:
        yield running


@pytest.mark.parametrize("gzip", [True, False])
def test_its_events_are_learned_from_and_its_traits_change_the_segment(tracked: Any, gzip: bool) -> None:
    learns_and_targets(tracked, partial(with_segment_python, gzip=gzip))


def test_it_hears_that_its_key_is_wrong(tracked: Any) -> None:
    is_refused_at_once(tracked, with_segment_python)
