"""Figures of collections and of jobs, and whether the catalog can be read."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import event

from index_store import CatalogUnavailable, Figures, ImageStore, JobBoard
from tests.index_store.vectors import new_image, unit_vectors

HOLD = """
import fcntl, sys
file = open(sys.argv[1], "r+b")
fcntl.lockf(file, fcntl.LOCK_EX, 1, 0x40000000)
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def statements(store: ImageStore) -> list[str]:
    """Every statement that the catalog is asked from now on."""
    asked: list[str] = []
    event.listen(store.catalog.engine, "before_cursor_execute", lambda *args: asked.append(args[2]))
    return asked


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """SQLite's own lock on a database, which nobody new may pass, held by another process."""
    command = [sys.executable, "-c", HOLD, str(file)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"held\n"
        yield
        holder.stdin.close()


def add(store: ImageStore, name: str, count: int) -> None:
    store.add(name, [new_image(str(n), vector) for n, vector in enumerate(unit_vectors(count, seed=1))])


def test_they_follow_adds_deletes_and_rebuilds_in_any_process(store: ImageStore, open_store: Callable, tmp_path: Path):
    mine, theirs = (Figures(each.catalog, tmp_path / "index") for each in (store, open_store()))
    assert mine.read() == []
    add(store, "a", 3)
    add(store, "b", 6)
    store.delete("b", "0")
    for figures in (mine, theirs):
        assert [(each.name, each.images, each.pending, each.kind) for each in figures.read()] == [
            ("b", 5, 7, None),
            ("a", 3, 3, None),
        ]
    rebuilt = store.rebuild("b")
    store.delete("b", "1")
    for figures in (mine, theirs):
        (b, _) = figures.read()
        assert (b.name, b.images, b.pending, b.indexed, b.kind) == ("b", 4, 1, 5, rebuilt.kind)
        assert b.built_at
    store.delete_collection("b")
    assert [each.name for each in theirs.read()] == ["a"]


def test_what_has_not_changed_is_not_read_again(store: ImageStore, statements: list[str], tmp_path: Path):
    figures = Figures(store.catalog, tmp_path / "index")
    for name in "abcdef":
        add(store, name, 2)
    figures.read()
    statements.clear()
    figures.read()
    assert len(statements) == 1
    add(store, "g", 2)
    statements.clear()
    figures.read()
    assert sum("count" in each for each in statements) == 1


def test_jobs_add_up_by_kind_and_state(store: ImageStore):
    board = JobBoard(store.catalog)
    for kind in ("rebuild", "ingest", "calibrate"):
        board.ask(kind)
    board.finish(board.claim().id, {})
    board.fail(board.claim().id, "why")
    board.claim()
    found = {(each.kind, each.state): each for each in board.totals()}
    assert {key: each.count for key, each in found.items()} == {
        ("rebuild", "done"): 1,
        ("ingest", "failed"): 1,
        ("calibrate", "running"): 1,
    }
    ended = board.newest()[-1].finished_at
    assert found["rebuild", "done"].last_finished_at == ended
    assert found["calibrate", "running"].last_finished_at is None
    assert 0 <= found["rebuild", "done"].seconds < 60


def test_the_seconds_of_jobs_are_what_they_ran(store: ImageStore):
    board = JobBoard(store.catalog)
    board.ask("rebuild")
    job = board.claim()
    board.finish(job.id, {})
    with store.catalog.writing() as connection:
        connection.exec_driver_sql(
            "UPDATE jobs SET started_at = '2026-01-01 23:59:50.100000', finished_at = '2026-01-02 00:01:20.100000'"
        )
    assert [each.seconds for each in board.totals()] == [90]


def test_a_catalog_that_is_there_can_be_read_also_while_somebody_writes(store: ImageStore):
    with store.catalog.writing():
        store.catalog.check()


def test_one_that_is_gone_is_told_though_connections_still_have_it(store: ImageStore):
    file = Path(store.catalog.engine.url.database)
    add(store, "a", 1)
    file.rename(file.with_suffix(".away"))
    with pytest.raises(CatalogUnavailable, match="deleted or replaced"):
        store.catalog.check()
    assert not file.exists()
    file.with_suffix(".away").rename(file)
    store.catalog.check()


def test_looking_at_one_that_was_replaced_leaves_the_log_of_the_one_in_use(store: ImageStore, open_store):
    """What was acknowledged is in the log, which goes by name: who opened the copy would end and delete it."""
    file = Path(store.catalog.engine.url.database)
    add(store, "a", 1)
    file.rename(file.with_suffix(".away"))
    shutil.copy(file.with_suffix(".away"), file)
    log = file.with_name(f"{file.name}-wal")
    before = log.read_bytes()
    with pytest.raises(CatalogUnavailable, match="deleted or replaced"):
        store.catalog.check()
    assert log.read_bytes() == before != b""
    file.with_suffix(".away").rename(file)
    there = open_store().catalog
    assert there.image(there.collections()[0], "0").id == "0"


def test_one_that_is_locked_is_told_soon(store: ImageStore):
    store.catalog.engine.dispose()  # while it is open here, nobody else can lock it
    with locked(Path(store.catalog.engine.url.database)), pytest.raises(CatalogUnavailable, match="locked"):
        store.catalog.check()
    store.catalog.check()


def test_one_that_is_no_database_is_told(store: ImageStore):
    file = Path(store.catalog.engine.url.database)
    store.catalog.engine.dispose()  # or else the page is read from the write-ahead log
    with file.open("r+b") as opened:
        opened.write(b"x" * 4096)
    with pytest.raises(CatalogUnavailable):
        store.catalog.check()
