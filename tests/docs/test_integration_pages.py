"""Every page of docs/integrations is run as a reader would type it, against what `make serve` serves.

A page's ```sh blocks run in order, in one `bash -euo pipefail` session that begins in an empty folder. It has
`OPTIMIZER_URL`, `OPTIMIZER_KEY` and `OPTIMIZER_WORKSPACE` (the folder that is served, for those who change documents),
and `optimizer`, `python` and `node` on its PATH; pip finds what the tests have installed, and no more. Other kinds of
blocks are shown, not run. In comments of its own a page says

- `<!-- needs: node -->`, anywhere: it is skipped where there is no Node.js, except in CI;
- `<!-- before: serve -->`, on the line before a block: the service starts, and the session too, with the environment
  that this block leaves; what it does besides must bear to be done once, before there is a service;
- `<!-- shows: TEXT -->`, right after a block: what that block must have printed; whitespace is not compared.

To run one page: ``pytest tests/docs/test_integration_pages.py -m slow -k braze``.
"""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "integrations"
INDEX = FOLDER / "README.md"
PAGES = sorted(page for page in FOLDER.glob("*.md") if page != INDEX)
PATIENCE_SECONDS = 300  # of one page, npm's downloads among them
# Who is held out is hashed with it: a page shows the same people the same variants whenever it is tested.
SECRET = os.environ.get("PAGES_SECRET", "the same people in every run of these pages")

_BLOCK = re.compile(
    r"(?P<before><!-- before: serve -->\n+)?^```(?P<kind>\w+)[^\n]*\n(?P<text>.*?)^```\n"
    r"(?P<shows>(?:\s*<!-- shows: [^\n]*? -->)*)",
    re.DOTALL | re.MULTILINE,
)
_SHOWS = re.compile(r"<!-- shows: (.*?) -->")
_HEREDOC = re.compile(r"<<-?\s*['\"]?(\w+)['\"]?[^\n]*\n(.*?)^\s*\1$", re.DOTALL | re.MULTILINE)
_PRINTED = re.compile(r"^\x1e(\d+)\n", re.MULTILINE)

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


@dataclass(frozen=True)
class Block:
    """A block of a page: its language, its text, and what must be printed by it."""

    kind: str
    text: str
    shows: tuple[str, ...]
    before_serving: bool


def blocks(page: Path, kind: str | None = None) -> list[Block]:
    found = [
        Block(match["kind"], match["text"], tuple(_SHOWS.findall(match["shows"])), match["before"] is not None)
        for match in _BLOCK.finditer(page.read_text("utf-8") + "\n")
    ]
    return [block for block in found if kind in (None, block.kind)]


# ---------------------------------------------------------------- what a page looks like


@each_page
def test_a_page_has_a_sequence_picture(page: Path) -> None:
    pictures = [block.text for block in blocks(page, "mermaid")]
    assert any(text.startswith("sequenceDiagram") for text in pictures), f"{page.name} has no sequence picture"
    for text in pictures:
        for line in text.splitlines()[1:]:
            assert not line.strip() or _is_mermaid(line.strip()), f"{page.name}: what is this? {line}"


def _is_mermaid(line: str) -> bool:
    keywords = "participant|actor|note|loop|alt|else|opt|par|and|end|activate|deactivate|autonumber|critical|break|rect"
    return bool(re.match(rf"(?:({keywords})\b|%%|[\w ]+?-?->>?[+-]?[\w ]+:|[\w ]+?--?[x)][\w ]+:)", line, re.I))


@each_page
def test_a_page_ends_with_the_outcome_counted(page: Path) -> None:
    last = blocks(page, "sh")[-1]
    assert "report" in last.text, f"{page.name}: its last block does not ask for a report"
    assert last.shows, f"{page.name}: its last block does not say what the report shows"


@each_page
def test_a_page_tells_how_the_decision_id_comes_back(page: Path) -> None:
    assert re.search(r"decision_?id", page.read_text("utf-8"), re.IGNORECASE)


@each_page
def test_the_snippets_of_a_page_parse(page: Path) -> None:
    for block in blocks(page):
        if block.kind == "sh":
            checked = subprocess.run(
                ["bash", "-n"], input=block.text, text=True, capture_output=True, timeout=30, check=False
            )
            assert (checked.returncode, checked.stderr) == (0, ""), block.text
            for line, content in _files_in(block.text):
                if re.search(r"\.py\b|\bpython3? ", line):
                    ast.parse(content)
                elif re.search(r"\.json\b", line) and "$" not in content:
                    json.loads(content)
        elif block.kind == "python":
            ast.parse(block.text)
        elif block.kind == "json":
            json.loads(block.text)


def _files_in(script: str) -> Iterator[tuple[str, str]]:
    """The line that begins each heredoc, and what stands in it."""
    for match in _HEREDOC.finditer(script):
        yield script[script.rfind("\n", 0, match.start()) + 1 : match.end(1)], match[2]


def test_the_index_lists_every_page_and_no_other() -> None:
    listed = set(re.findall(r"\]\((?:\./)?([\w-]+\.md)\)", INDEX.read_text("utf-8")))
    assert listed == {page.name for page in PAGES}
    assert len(listed) == len(PAGES) > 0


@each_page
def test_the_links_of_a_page_lead_to_files(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", page.read_text("utf-8")):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


# ---------------------------------------------------------------- what a page does


@pytest.fixture(scope="session")
def example(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder with the workspace that `make serve` makes, made by the Makefile's own commands, and its key."""
    recipe = re.search(r"^workspace:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert recipe is not None, "the Makefile makes no workspace"
    lines = recipe[1].replace("\\\n", " ").replace("$@", "workspace").replace("$(BIN)/", "").splitlines()
    folder = tmp_path_factory.mktemp("pages")
    for line in lines:
        made = subprocess.run(
            shlex.split(line.strip().removeprefix("@")),
            cwd=folder,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
    return folder / "workspace", made.stdout.strip()


def environment(**more: str) -> dict[str, str]:
    """Ours, without settings of the optimizer, and with the commands of these tests before all others."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OPTIMIZER_", "PYTEST_"))}
    path = f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"
    # Of pip, only whether it is content with what is there: a page must not change what other tests run on.
    quiet = {"PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_ROOT_USER_ACTION": "ignore"}
    wide = {"COLUMNS": "200", "NO_COLOR": "1", "PYTHONUNBUFFERED": "1"}
    return {**kept, **quiet, **wide, "PATH": path, "OPTIMIZER_SECRET": SECRET, **more}


def exported(script: str, folder: Path) -> dict[str, str]:
    """The environment that a script leaves."""
    ended = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", f"{script}\nprintf '\\036'; env -0"],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return dict(line.split("=", 1) for line in ended.stdout.rpartition("\036")[2].split("\0") if "=" in line)


@contextmanager
def ended_with_all_it_started(command: list[str], **options: object) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, start_new_session=True, stdin=subprocess.DEVNULL, **options)  # type: ignore[call-overload]
    try:
        yield process
    finally:
        for number in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, number)
            with suppress(subprocess.TimeoutExpired):
                process.wait(15)


@contextmanager
def served(workspace: Path, settings: Mapping[str, str]) -> Iterator[str]:
    """As `make serve` does it, but on a free port; gives the URL."""
    log = workspace.parent / "server.log"
    command = ["optimizer", "serve", "--workspace", str(workspace), "--port", "0", "--json"]
    with (
        log.open("wb") as errors,
        ended_with_all_it_started(command, env=dict(settings), stdout=subprocess.PIPE, stderr=errors) as process,
        closing(process.stdout or BytesIO()) as out,
    ):
        announced = out.readline()
        assert announced, log.read_text()
        yield json.loads(announced)["url"]


def printed_by(some: list[Block], folder: Path, settings: Mapping[str, str]) -> list[str]:
    """What each block printed, both streams together, in one session."""
    script = "".join(f"printf '\\n\\036{n}\\n'\n{block.text}\n" for n, block in enumerate(some))
    output = folder.parent / "printed.txt"  # not a pipe: what a page leaves running would keep it open
    with (
        output.open("wb") as printed,
        ended_with_all_it_started(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=folder,
            env=dict(settings),
            stdout=printed,
            stderr=subprocess.STDOUT,
        ) as session,
    ):
        try:
            status = session.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            status = None
    text = output.read_text("utf-8", errors="replace")
    parts = _PRINTED.split(text)[2::2]
    begun = some[len(parts) - 1].text if parts else ""
    log = (folder.parent / "server.log").read_text()
    assert status == 0, f"ended with {status} in this block:\n{begun}\nprinted:\n{text}\nthe service's log:\n{log}"
    return parts


@pytest.mark.skipif(shutil.which("curl") is None, reason="readers type curl, which is not here")
@pytest.mark.slow
@each_page
def test_a_page_works_as_typed(page: Path, example: tuple[Path, str], tmp_path: Path) -> None:
    if "<!-- needs: node -->" in page.read_text("utf-8") and shutil.which("npm") is None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{page.name} needs Node.js, which is not here")
        pytest.skip(f"{page.name} needs Node.js, which is not here")
    made, key = example
    workspace = tmp_path / "workspace"
    shutil.copytree(made, workspace)
    empty = tmp_path / "empty"
    empty.mkdir()
    some = blocks(page, "sh")
    settings = exported("\n".join(block.text for block in some if block.before_serving), empty)
    with served(workspace, settings) as url:
        httpx.get(f"{url}/openapi.json", timeout=60)  # whatever is put together on first use
        some = [block for block in some if not block.before_serving]
        session = {**settings, "OPTIMIZER_URL": url, "OPTIMIZER_KEY": key, "OPTIMIZER_WORKSPACE": str(workspace)}
        for block, printed in zip(some, printed_by(some, empty, session), strict=True):
            for text in block.shows:
                assert " ".join(text.split()) in " ".join(printed.split()), f"{block.text}\nprinted:\n{printed}"
