"""Opening a workspace's deployment, and closing it again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from optimizer.errors import ConfigurationError

if TYPE_CHECKING:
    from optimizer.deployment import Deployment


@contextmanager
def opened(folder: Path, fits: Callable[[str], None] = lambda _: None) -> Iterator[Deployment]:
    """The deployment of a workspace; see `Deployment` for `fits`.

    Raises:
        ConfigurationError: there is no workspace, or its ledger cannot be opened.
    """
    from optimizer.deployment import Deployment
    from optimizer.settings import read_settings

    settings = read_settings()
    if settings.database_url is None and not (folder / "strategy.yaml").is_file():
        raise ConfigurationError(
            f"workspace: found no strategy.yaml in {folder.resolve()}; allowed a folder that `optimizer init DIR` "
            "made, named with --workspace or OPTIMIZER_WORKSPACE"
        )
    deployment = Deployment(folder, settings, fits)
    try:
        yield deployment
    finally:
        deployment.close()
