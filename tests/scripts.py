"""Scripts that are in no package, such as the studies in simulations/, as modules."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any


def loaded_script(path: Path, name: str) -> Any:
    """The module of a script, under a name of its own; what it hands to other processes finds it there."""
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
