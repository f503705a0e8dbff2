"""No room for an index: the rebuild says so and leaves nothing behind, and the next one has it all."""

import resource
from contextlib import closing

import pytest

from index_store import Catalog, ImageStore, Reserve, StorageFull, rebuild
from index_store.files import write_atomically
from tests.disk import mounted, no_room
from tests.index_store.stores import NAME, add_all, found, generation_folders, let_swap
from tests.index_store.vectors import near, unit_vectors

VECTORS = unit_vectors(2000, seed=0)
QUERIES = near(VECTORS[:4], 0.8)


@pytest.fixture
def held(store: ImageStore) -> ImageStore:
    """2,000 pictures, 1,000 of them in a generation."""
    add_all(store, VECTORS[:1000])
    store.rebuild(NAME)
    add_all(store, VECTORS[1000:], "late")
    return store


def files(folder) -> set:
    return {path for path in (folder / "index").rglob("*") if path.is_file()}


# Vectors take 256,000 bytes, seqs 16,000: so writing fails at the first of them, or at the index, or at its end.
@pytest.mark.parametrize("limit", [0, 100_000, 255_999, 256_001])
def test_a_rebuild_that_finds_no_room_leaves_nothing_behind(held, tmp_path, limit):
    answers, before = found(held, QUERIES), files(tmp_path)
    with held.catalog.reading() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        with pytest.raises(StorageFull, match="no room to write"):
            held.rebuild(NAME)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert files(tmp_path) == before
    assert len(generation_folders(tmp_path)) == 1
    assert found(held, QUERIES) == answers
    report = held.rebuild(NAME)
    assert report.changed
    assert let_swap(held) == report.generation
    assert found(held, QUERIES) == answers


def test_a_rebuild_that_would_leave_too_little_does_not_begin(held, tmp_path):
    before = files(tmp_path)
    told = pytest.raises(StorageFull, match=r"544,000 are needed and .* must stay free \(catalog.min_free_bytes\)")
    with closing(Catalog(f"sqlite:///{tmp_path / 'catalog.db'}", Reserve(1 << 60))) as catalog, told:
        rebuild(catalog, NAME, tmp_path / "index", held._settings)
    assert files(tmp_path) == before


def test_a_file_that_cannot_be_written_is_the_old_one_still(tmp_path):
    path = tmp_path / "file"
    write_atomically(path, b"old")
    with no_room(), pytest.raises(StorageFull, match="no room to write file"):
        write_atomically(path, b"new")
    assert [each.name for each in tmp_path.iterdir()] == ["file"]
    assert path.read_bytes() == b"old"


def test_a_catalog_opens_on_a_disk_that_is_full(tmp_path):
    """Of one that was closed in good order, SQLite has to make a file first."""
    with mounted(tmp_path / "small", megabytes=2) as disk:
        if disk is None:
            pytest.skip("this machine lets us mount nothing")
        url = f"sqlite:///{disk.folder / 'catalog.db'}"
        with closing(Catalog(url)) as catalog:
            catalog.create_collection("a", "f", 64, None)
        assert not (disk.folder / "catalog.db-shm").exists()
        with disk.full(), closing(Catalog(url)) as catalog:
            assert [each.name for each in catalog.collections()] == ["a"]
            with pytest.raises(StorageFull):
                catalog.create_collection("b", "f", 64, None)
        with closing(Catalog(url)) as catalog:
            catalog.create_collection("b", "f", 64, None)
