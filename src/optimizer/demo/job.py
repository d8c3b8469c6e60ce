"""The main job, put together: workspace, service, replay, verification."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from optimizer.demo.history import History
from optimizer.demo.replay import Replay, replay
from optimizer.demo.service import put_in_force, service, verify, write_workspace

Objective = Literal["visit", "purchase"]
FIRST_BATCH = 300


@dataclass(frozen=True, slots=True)
class Choices:
    """How to run the demo.

    Attributes:
        floor: least share of each mail; None leaves the example's.
        first_batch: decisions before the service first learns.
    """

    seed: int
    objective: Objective = "visit"
    segments: bool = True
    floor: float | None = None
    first_batch: int = FIRST_BATCH


def do_main_job(
    folder: Path,
    history: History,
    choices: Choices,
    *,
    progress: Callable[[int, int, float], None] = lambda *_: None,
    stage: Callable[[str], None] = lambda _: None,
) -> tuple[Replay, dict[str, Any]]:
    """Run the service in `folder`, drive it by the history in its order, stop it, verify its ledger.

    Args:
        folder: an empty one.
        history: customers, in the order to ask for.
        choices: what to put into the workspace, and how to drive it.
        progress: see `replay`.
        stage: told what begins.

    Returns:
        What the replay did, and what `optimizer ledger verify` said.
    """
    stage("applying the example workspace and starting the service")
    write_workspace(
        folder, objective=choices.objective, segments=choices.segments, floor=choices.floor, seed=choices.seed
    )
    key = put_in_force(folder)
    with service(folder, key) as client:
        stage(f"driving {client.base_url} over HTTP")
        done = replay(
            client,
            history.customers,
            rewarded=choices.objective,
            first_batch=choices.first_batch,
            progress=progress,
        )
    stage("verifying the ledger")
    return done, verify(folder)
