"""The fixtures of this folder do what they promise."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


def test_a_script_sees_the_packages_of_its_project_and_its_environment(
    node_project: Callable[[Mapping[str, str]], Path], run_js: Callable[..., str]
) -> None:
    folder = node_project({"ms": "2.1.3"})

    printed = run_js(folder, "import ms from 'ms'; console.log(ms(Number(process.env.SPAN)));", {"SPAN": 60_000})

    assert printed == "1m\n"


def test_a_project_is_installed_once(node_project: Callable[[Mapping[str, str]], Path]) -> None:
    folder = node_project({"ms": "2.1.3"})
    mark = folder / "package.json"
    before = mark.stat().st_mtime_ns

    assert node_project({"ms": "2.1.3"}) == folder
    assert mark.stat().st_mtime_ns == before


def test_a_script_that_fails_fails_the_test(
    node_project: Callable[[Mapping[str, str]], Path], run_js: Callable[..., str]
) -> None:
    with pytest.raises(AssertionError, match="no such thing"):
        run_js(node_project({"ms": "2.1.3"}), "throw new Error('no such thing');")
