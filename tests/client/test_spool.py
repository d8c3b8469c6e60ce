"""Reports that wait outlive the process that made them, whole or not at all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from optimizer.client import QueueFull, SpoolError
from optimizer.client.spool import Memory, Spool

ROOM = 1_000_000
WRITER = """
import os, sys
from pathlib import Path
from optimizer.client.spool import Spool
spool = Spool(Path(sys.argv[1]), 1_000_000)
for n in range(200):
    spool.append([b"record-%d" % n])
print("written", flush=True)
os.kill(os.getpid(), 9)
"""


def drained(spool: Spool | Memory) -> list[bytes]:
    found: list[bytes] = []
    while (segment := spool.take()) is not None:
        found += segment.records
        spool.done(segment)
    return found


@pytest.mark.parametrize("kind", ["memory", "spool"])
def test_records_come_out_in_order_once_they_are_done_and_again_until_then(kind: str, tmp_path: Path) -> None:
    spool = Memory(ROOM) if kind == "memory" else Spool(tmp_path, ROOM)
    spool.append([b"a", b"b"])
    first = spool.take()
    assert first is not None
    spool.append([b"c"])
    again = spool.take()
    assert again is not None
    assert first.records == again.records == (b"a", b"b")
    spool.done(again)
    assert drained(spool) == [b"c"]
    assert spool.take() is None
    assert spool.size == 0
    spool.close()


@pytest.mark.parametrize("kind", ["memory", "spool"])
def test_more_than_may_wait_is_refused_whole(kind: str, tmp_path: Path) -> None:
    spool = Memory(100) if kind == "memory" else Spool(tmp_path, 100)
    spool.append([b"x" * 50])
    with pytest.raises(QueueFull, match="allowed 100"):
        spool.append([b"y", b"z" * 60])
    assert drained(spool) == [b"x" * 50]
    spool.append([b"z" * 60])
    spool.close()


def test_a_killed_process_leaves_every_record_to_the_next_one(tmp_path: Path) -> None:
    writer = subprocess.run([sys.executable, "-c", WRITER, str(tmp_path)], capture_output=True, text=True, check=False)
    assert writer.returncode == -signal.SIGKILL, writer.stderr
    spool = Spool(tmp_path, ROOM)
    assert drained(spool) == [b"record-%d" % n for n in range(200)]
    spool.close()
    assert list(tmp_path.iterdir()) == []


def test_a_record_that_was_being_written_when_the_machine_stopped_is_left_out(tmp_path: Path) -> None:
    spool = Spool(tmp_path, ROOM)
    spool.append([b"whole", b"torn"])
    (file,) = tmp_path.glob("worker-*/*.log")
    file.write_bytes(file.read_bytes()[:-3])
    assert drained(spool) == [b"whole"]
    spool.append([b"flipped"])
    (file,) = tmp_path.glob("worker-*/*.log")
    file.write_bytes(file.read_bytes().replace(b"flipped", b"flopped"))
    assert drained(spool) == []
    spool.close()


def test_what_a_living_process_holds_is_left_to_it(tmp_path: Path) -> None:
    first = Spool(tmp_path, ROOM)
    first.append([b"mine"])
    second = Spool(tmp_path, ROOM)
    assert second.take() is None
    assert drained(first) == [b"mine"]
    first.append([b"left"])
    first.close()
    third = Spool(tmp_path, ROOM)
    third.append([b"newer"])
    assert drained(third) == [b"left", b"newer"]
    second.close()
    third.close()
    assert list(tmp_path.iterdir()) == []


def test_only_its_owner_can_read_it(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "deep" / "spool", ROOM)
    spool.append([b"x"])
    for path in (tmp_path / "deep" / "spool").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path
    spool.close()


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SpoolError, match="file: Not a directory; allowed a folder"):
        Spool(tmp_path / "file", ROOM)
    assert os.listdir(tmp_path) == ["file"]
