"""Segment's Node.js SDK, unmodified, pointed at us."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from tests.sdk.tracking_sdks import EVENTS, is_refused_at_once, learns_and_targets, with_segment_node

pytestmark = pytest.mark.slow


@pytest.fixture
def tracked(deploy: Any, new_database: Any, serve: Any, files: Any) -> Any:
    with serve(deploy(new_database("sqlite")), {**files, "strategy.yaml": files["strategy.yaml"] + EVENTS}) as running:
        yield running


@pytest.fixture
def send(run_js: Any, node_project: Any) -> Any:
    return partial(with_segment_node, run_js, node_project)


def test_its_events_are_learned_from_and_its_traits_change_the_segment(tracked: Any, send: Any) -> None:
    learns_and_targets(tracked, send)


def test_it_hears_that_its_key_is_wrong(tracked: Any, send: Any) -> None:
    is_refused_at_once(tracked, send)
