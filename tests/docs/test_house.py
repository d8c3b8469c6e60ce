"""House rules that no linter knows."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
ROOMS = sorted({path.parent for path in SOURCES if "migrations" not in path.parts})
MOST_DOORS = 45  # modules in one folder: more, and nobody finds a line by guessing
NOT_USED = ("variation", "pscore", "treatment")


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT / "src")))
def test_modules_are_short_enough_to_read(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 360


@pytest.mark.parametrize("room", ROOMS, ids=lambda path: str(path.relative_to(ROOT / "src")))
def test_a_room_says_what_it_is_for_and_has_no_more_doors_than_people_look_through(room: Path) -> None:
    assert (room / "__init__.py").read_text().startswith('"""')
    assert len(list(room.glob("*.py"))) <= MOST_DOORS


@pytest.mark.parametrize(
    "room", [room for room in ROOMS if len(room.relative_to(ROOT / "src" / "optimizer").parts) == 1]
)
def test_every_large_room_and_the_rooms_of_the_largest_are_on_the_map(room: Path) -> None:
    listed = re.search(r"```\n(cli .*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL)
    assert listed is not None
    named = set(re.findall(r"[a-z]+", listed[1]))
    inner = (
        {each.name for each in room.iterdir() if each in ROOMS}
        if room.name in {"web", "services", "strategy"}
        else set()
    )
    assert {room.name, *inner} <= named


@pytest.mark.parametrize("word", NOT_USED)
def test_words_the_glossary_rules_out_are_not_used(word: str) -> None:
    users = [path for path in SOURCES if re.search(rf"\b{word}s?\b", path.read_text(), re.IGNORECASE)]
    assert users == []


def test_the_glossary_is_one_table_from_its_first_word_to_its_last() -> None:
    lines = (ROOT / "docs" / "glossary.md").read_text().splitlines()
    rows = [n for n, line in enumerate(lines) if line.startswith("|")]
    assert rows == list(range(rows[0], rows[-1] + 1))  # what stands between rows ends the table where it is rendered


def test_decision_records_are_numbered_without_gaps_and_have_their_four_parts() -> None:
    records = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    assert [int(path.name[:4]) for path in records] == list(range(1, len(records) + 1))
    for path in records:
        for part in ("**Context.**", "**Decision.**", "**Consequences.**", "**Alternatives.**"):
            assert part in path.read_text(), f"{path.name} lacks {part}"


def test_no_large_file_and_no_data_is_tracked() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    tracked = [ROOT / name for name in listed.stdout.split("\0") if name]
    assert [path for path in tracked if path.exists() and path.stat().st_size > 2**20] == []
    assert [path for path in tracked if path.suffix in {".csv", ".gz", ".parquet", ".db"}] == []
