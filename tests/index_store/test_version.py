"""What is held of the catalog is as new as the newest commit, of whatever process."""

from collections.abc import Callable

import pytest

from index_store import CatalogUnavailable, ImageStore, KeyRing, Marks, UnknownCollection
from index_store.rows import find_collection
from index_store.version import Unchanged
from tests.index_store.stores import NAME, add_all
from tests.index_store.vectors import unit_vectors
from tests.index_store.workers import create_elsewhere

VECTORS = unit_vectors(4, seed=0)


@pytest.fixture
def counted(store: ImageStore) -> tuple[Unchanged[str, int], list[str]]:
    """Clocks of collections by name, and the names for which the catalog was read."""
    reads: list[str] = []

    def clock(name: str) -> int:
        reads.append(name)
        with store.catalog.reading() as connection:
            return find_collection(connection, name).clock

    add_all(store, VECTORS)
    return Unchanged(store.catalog.version, clock), reads


def test_is_read_once_while_nothing_is_committed(counted) -> None:
    clocks, reads = counted
    assert clocks.get(NAME) == clocks.get(NAME) == len(VECTORS)
    assert reads == [NAME]


@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_commit_is_seen_by_the_next_read(store: ImageStore, open_store: Callable, counted, elsewhere: bool) -> None:
    """Also the tenth, and one of this very catalog, whose other connections make it."""
    clocks, reads = counted
    writer = open_store() if elsewhere else store
    for number in range(10):
        assert clocks.get(NAME) == len(VECTORS) + number
        writer.catalog.set_threshold(NAME, number / 10)
        add_all(writer, unit_vectors(1, seed=number + 1), f"more{number}")
    assert reads == [NAME] * 10


def test_another_process_is_seen(store: ImageStore, in_processes: Callable) -> None:
    with pytest.raises(UnknownCollection):
        store.catalog.collection("elsewhere")
    in_processes(create_elsewhere, 1)
    assert store.catalog.collection("elsewhere").dim == 8


def test_what_is_not_there_is_not_held(store: ImageStore, open_store: Callable) -> None:
    with pytest.raises(UnknownCollection):
        store.catalog.collection(NAME)
    other = open_store()
    add_all(other, VECTORS)
    assert store.catalog.collection(NAME).clock == len(VECTORS)
    other.catalog.delete_collection(NAME)
    with pytest.raises(UnknownCollection):
        store.catalog.collection(NAME)


def test_the_first_key_and_the_first_mark_are_seen(store: ImageStore, open_store: Callable) -> None:
    keys, marks, there = KeyRing(store.catalog), Marks(store.catalog), open_store().catalog
    add_all(store, VECTORS)
    seqs = [image.seq for image in store.catalog.images(store.catalog.collection(NAME), 0, 2)]
    assert not keys.exist()
    assert marks.among(seqs) == {}
    KeyRing(there).create("one", ["search"])
    Marks(there).mark((NAME, "0"), (NAME, "1"), "duplicates")
    assert keys.exist()
    assert list(marks.among(seqs).values()) == ["duplicates"]
    Marks(there).unmark((NAME, "0"), (NAME, "1"))
    assert marks.among(seqs) == {}


def test_a_catalog_that_has_gone_is_told_though_all_is_held(store: ImageStore, tmp_path) -> None:
    add_all(store, VECTORS)
    store.catalog.collection(NAME)
    (tmp_path / "catalog.db").rename(tmp_path / "elsewhere.db")
    with pytest.raises(CatalogUnavailable, match="deleted or replaced"):
        store.catalog.collection(NAME)


def test_databases_that_tell_no_version_are_read_each_time() -> None:
    reads: list[str] = []
    unchanged = Unchanged[str, None](lambda: None, reads.append)
    for _ in range(3):
        unchanged.get("a")
    assert reads == ["a"] * 3


def test_what_is_committed_while_it_is_read_is_seen_by_the_next() -> None:
    """What was read before a commit is not held for the version after it."""
    version, content = [1], ["old"]

    def read(_: str) -> str:
        found = content[0]
        content[0], version[0] = "new", 2
        return found

    unchanged = Unchanged(lambda: version[0], read)
    assert [unchanged.get("a"), unchanged.get("a")] == ["old", "new"]
