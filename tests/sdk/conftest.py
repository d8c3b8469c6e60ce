"""What tests with real client SDKs share: projects of Node.js packages, installed once, and scripts to run there."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, NoReturn

import pytest

INSTALLED = ".installed"  # stands in a folder once npm has finished there
INSTALL_SECONDS = 240
SCRIPT_SECONDS = 60


@pytest.fixture(scope="session")
def node() -> str:
    """Path of Node.js; without it the test is skipped, and where everything must be there it fails."""
    found = shutil.which("node")
    if found is None or shutil.which("npm") is None:
        _absent("no Node.js with npm on the PATH")
    return found


@pytest.fixture(scope="session")
def node_project(node: str) -> Callable[[Mapping[str, str]], Path]:
    """A folder with packages of exact versions: ``node_project({"@segment/analytics-node": "2.3.0"})``.

    It lies outside the repository, is named after what is in it, and stays for the next run.
    """

    def install(packages: Mapping[str, str]) -> Path:
        wanted = json.dumps({"private": True, "type": "module", "dependencies": dict(sorted(packages.items()))})
        folder = _rooms() / sha256(wanted.encode()).hexdigest()[:16]
        with _alone(folder):
            if not (folder / INSTALLED).exists():
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                (folder / "package.json").write_text(wanted)
                _install(folder)
                (folder / INSTALLED).touch()
        return folder

    return install


@pytest.fixture(scope="session")
def run_js(node: str) -> Callable[..., str]:
    """What a script, an ES module, prints when it runs in a project: ``run_js(folder, script_text, env)``."""

    def run(folder: Path, script_text: str, env: Mapping[str, Any] | None = None) -> str:
        done = subprocess.run(
            [node, "--input-type=module", "-"],  # read from stdin, it finds packages from its working folder
            input=script_text,
            cwd=folder,
            env={"PATH": os.environ["PATH"], **{name: str(value) for name, value in (env or {}).items()}},
            capture_output=True,
            text=True,
            timeout=SCRIPT_SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"node ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        return done.stdout

    return run


def _rooms() -> Path:
    """The folder of all projects, which nobody else may write to."""
    folder = Path(tempfile.gettempdir()) / f"optimizer-node-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    assert folder.stat().st_uid == os.getuid(), f"{folder} belongs to somebody else"
    return folder


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """No other process of the tests installs into the folder meanwhile."""
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _install(folder: Path) -> None:
    command = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False)
    if done.returncode != 0:
        _absent(f"npm could not install {folder / 'package.json'}: {done.stderr.strip()[-400:]}")


def _absent(reason: str) -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason}; with CI=true it must be there")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def page_file() -> Callable[[str, str], str]:
    """A file as a page of docs/integrations writes it: ``page_file("openfeature", "optimizer_hook.py")``."""

    def file(page: str, name: str) -> str:
        text = (Path(__file__).parents[2] / "docs" / "integrations" / f"{page}.md").read_text("utf-8")
        _, begin, rest = text.partition(f"cat > {name} <<'")
        assert begin, f"{page}.md writes no {name}"
        mark, _, rest = rest.partition("'\n")
        return rest.partition(f"\n{mark}\n")[0] + "\n"

    return file
