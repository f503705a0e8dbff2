"""Promise 1: what was acknowledged survives kill -9."""

import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from index_store import ImageStore
from tests.index_store.stores import NAME, exactly, found
from tests.index_store.vectors import unit_vectors

REPOSITORY = Path(__file__).parents[2]


def _killed_after(folder: Path, first: int, seconds: float) -> list[int]:
    """Numbers acknowledged by a process that adds one by one, beginning at `first`, and dies `seconds` later."""
    command = [sys.executable, "-m", "tests.index_store.workers", str(folder), str(first)]
    process = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    told = [process.stdout.readline()]
    time.sleep(seconds)
    process.kill()
    told += process.communicate()[0].splitlines()
    return [int(line) for line in told]


def test_a_commit_is_on_the_disk_before_it_is_acknowledged(store: ImageStore) -> None:
    """A power cut cannot be tried here; that SQLite waits for the disk can be asked."""
    with store.catalog.reading() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"


@pytest.mark.parametrize("lives", [2, pytest.param(8, marks=pytest.mark.slow)])
def test_nothing_acknowledged_is_lost_by_kill_9(open_store: Callable, tmp_path: Path, lives: int) -> None:
    random, told = np.random.default_rng(lives), []
    for life in range(lives):
        told += _killed_after(tmp_path, life * 100_000, float(random.uniform(0.05, 0.7)))
    store = open_store()
    records = store.images(NAME, limit=100_000)
    held = [record.id for record in records]
    vectors = np.concatenate([unit_vectors(1, seed=int(number)) for number in held])
    queries = unit_vectors(5, seed=1)
    assert len(told) > 10
    assert set(map(str, told)) <= set(held)
    assert len(held) <= len(told) + lives  # one a life may have been stored but not told
    assert found(store, queries) == exactly(queries, held, vectors)
    for record in records:
        kept = store.catalog.kept_picture(record.seq)
        assert kept is not None and kept.data == record.id.encode() * 1000
    with sqlite3.connect(tmp_path / "catalog.db") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()
