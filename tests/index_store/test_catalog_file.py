"""A catalog that is damaged, locked, deleted or replaced: said clearly, nothing acknowledged that would be lost."""

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from index_store import Catalog, CatalogUnavailable, ImageStore, check_catalog, database
from index_store.catalog_file import CatalogFile
from tests.disk import mounted
from tests.index_store.stores import NAME, add_all, found
from tests.index_store.vectors import new_image, unit_vectors

VECTORS = unit_vectors(300, seed=0)


def _url(folder: Path) -> str:
    return f"sqlite:///{folder / 'catalog.db'}"


@pytest.fixture
def held(store: ImageStore) -> ImageStore:
    add_all(store, VECTORS)
    return store


def _delete(path: Path) -> None:
    path.unlink()


def _replace(path: Path) -> None:
    shutil.copy(path, path.with_name("copy"))
    path.with_name("copy").replace(path)


@pytest.mark.parametrize("harm", [_delete, _replace])
def test_nothing_is_written_to_a_file_that_nobody_will_read_again(
    held: ImageStore, tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    os.link(tmp_path / "catalog.db", tmp_path / "same.db")
    harm(tmp_path / "catalog.db")
    for _ in range(2):
        with pytest.raises(CatalogUnavailable, match="was deleted or replaced while it was in use"):
            held.add(NAME, [new_image("new", VECTORS[0])])
        with pytest.raises(CatalogUnavailable, match="was deleted or replaced while it was in use"):
            found(held, VECTORS[:1])
    (tmp_path / "same.db").replace(tmp_path / "catalog.db")
    assert found(held, VECTORS[:1], 1)[0][0][0] == "0"


@pytest.fixture
def locked(held: ImageStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[sqlite3.Connection]:
    """Another program holds the write lock; nobody waits for a minute here."""
    monkeypatch.setattr(database, "BUSY_TIMEOUT_S", 0.1)
    with closing(sqlite3.connect(tmp_path / "catalog.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield other


def test_a_locked_catalog_opens_and_is_read_and_says_what_keeps_writers(
    locked: sqlite3.Connection, open_store: Callable, tmp_path: Path
) -> None:
    store = open_store()
    assert found(store, VECTORS[:1], 1)[0][0][0] == "0"
    with pytest.raises(CatalogUnavailable, match="database is locked; another program holds it"):
        store.add(NAME, [new_image("new", VECTORS[0])])
    locked.execute("ROLLBACK")
    assert store.add(NAME, [new_image("new", VECTORS[0])])[0].status == "added"


def test_one_who_replaces_the_catalog_waits_for_nobody_and_keeps_everybody_out(tmp_path: Path) -> None:
    path = tmp_path / "catalog.db"
    with closing(Catalog(_url(tmp_path))), pytest.raises(CatalogUnavailable, match="has it open; stop that first"):
        CatalogFile(path, alone=True)
    with closing(CatalogFile(path, alone=True)), pytest.raises(CatalogUnavailable, match="a backup is being put back"):
        Catalog(_url(tmp_path))
    Catalog(_url(tmp_path)).close()


def _scribble(path: Path) -> None:
    data = bytearray(path.read_bytes())
    for page in range(len(data) * 3 // 4 // 4096 * 4096, len(data), 4096):  # of rows, not of what they are found by
        data[page : page + 64] = b"\xff" * 64
    path.write_bytes(data)


def test_damaged_pages_are_found_at_the_start_and_told_while_running(held: ImageStore, tmp_path: Path) -> None:
    held.close()
    check_catalog(_url(tmp_path), 5.0)
    _scribble(tmp_path / "catalog.db")
    with pytest.raises(CatalogUnavailable, match="is damaged: stop the service and put a backup back"):
        check_catalog(_url(tmp_path), 5.0)
    check_catalog(_url(tmp_path), 0)  # who wants to save what can be read
    with closing(Catalog(_url(tmp_path))) as catalog, pytest.raises(CatalogUnavailable, match="it is damaged"):
        for collection in catalog.collections():
            catalog.images(collection, 0, 1000)


def test_a_catalog_that_was_emptied_is_not_taken_for_a_new_one(held: ImageStore, tmp_path: Path) -> None:
    held.close()
    os.truncate(tmp_path / "catalog.db", 0)
    with pytest.raises(CatalogUnavailable, match="is empty, and was not: put a backup back"):
        Catalog(_url(tmp_path))
    for name in ("catalog.db", "catalog.db.lock"):  # as it says
        (tmp_path / name).unlink()
    with closing(Catalog(_url(tmp_path))) as anew:
        assert anew.collections() == []


def test_a_catalog_that_has_gone_is_not_taken_for_a_new_one(held: ImageStore, tmp_path: Path) -> None:
    held.catalog.close()
    for file in tmp_path.glob("catalog.db*"):
        if not file.name.endswith(".lock"):
            file.unlink()
    with pytest.raises(CatalogUnavailable, match=r"is gone, and was not.*delete its \.lock file"):
        Catalog(_url(tmp_path))
    (tmp_path / "catalog.db.lock").unlink()
    with closing(Catalog(_url(tmp_path))) as anew:
        assert anew.collections() == []


def test_no_more_time_is_spent_on_a_look_than_is_allowed(held: ImageStore, tmp_path: Path) -> None:
    check_catalog(_url(tmp_path), 1e-9)


def test_a_folder_that_cannot_be_written_is_told_as_such(tmp_path: Path) -> None:
    """Root may write anywhere but to a file system that is mounted read-only."""
    with mounted(tmp_path / "small", megabytes=2) as disk:
        if disk is None:
            disk_folder = tmp_path / "plain"
            disk_folder.mkdir(mode=0o500)
            if os.geteuid() == 0:
                pytest.skip("root may write here, and this machine lets us mount nothing")
        else:
            disk_folder = disk.folder
            Catalog(_url(disk_folder)).close()
            subprocess.run(["mount", "-o", "remount,ro", str(disk_folder)], check=True)
        with pytest.raises(CatalogUnavailable, match=r"cannot be used: (Read-only file system|Permission denied)"):
            Catalog(_url(disk_folder))
