"""The catalog opens, or says clearly why not; its statements use the indexes made for them."""

import re
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from index_store import Catalog, CatalogUnavailable, CollectionExists, ImageStore, database
from tests.index_store.stores import NAME, add_all, found
from tests.index_store.vectors import new_image, unit_vectors
from tests.index_store.workers import open_catalog

VECTORS = unit_vectors(30, seed=0)


def _url(folder: Path) -> str:
    return f"sqlite:///{folder / 'catalog.db'}"


def _sql(folder: Path, *statements: str) -> None:
    with closing(sqlite3.connect(folder / "catalog.db")) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "catalog.db").write_bytes(b"these are not the bytes of a database" * 100)
    with pytest.raises(CatalogUnavailable, match=r"catalog\.db.* cannot be used: file is not a database"):
        Catalog(_url(tmp_path))


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CatalogUnavailable, match=r"nowhere/catalog\.db cannot be used: unable to open database file"):
        Catalog(_url(tmp_path / "nowhere"))


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """Root may write anywhere, so read-only is asked of SQLite itself. Reading goes on."""
    with closing(Catalog(_url(tmp_path))) as catalog:
        catalog.create_collection("old", "f", 64, None)
    with closing(Catalog(f"sqlite:///file:{tmp_path / 'catalog.db'}?mode=ro&uri=true")) as catalog:
        assert catalog.collection("old").dim == 64
        with pytest.raises(CatalogUnavailable, match="readonly database"):
            catalog.create_collection("new", "f", 64, None)


def test_a_catalog_from_the_future_is_left_as_it_is(tmp_path: Path) -> None:
    Catalog(_url(tmp_path)).close()
    _sql(tmp_path, "UPDATE clock SET schema_version = 99", "DROP TABLE jobs")
    with pytest.raises(CatalogUnavailable, match="schema version 99, this program reads 1 to 3"):
        Catalog(_url(tmp_path))
    with closing(sqlite3.connect(tmp_path / "catalog.db")) as connection:
        assert not connection.execute("SELECT * FROM sqlite_master WHERE name = 'jobs'").fetchall()


def test_a_database_of_another_program_is_refused(tmp_path: Path) -> None:
    _sql(tmp_path, "CREATE TABLE images (path TEXT)")
    with pytest.raises(CatalogUnavailable, match=r"not a catalog of this program, yet has tables named \['images'\]"):
        Catalog(_url(tmp_path))


@pytest.mark.parametrize("url", ["nonsense", "sqlitee:///x", "postgresql+nodriver://u:secret@h/d"])
def test_a_wrong_url_is_told_without_its_password(url: str) -> None:
    with pytest.raises(CatalogUnavailable) as caught:
        Catalog(url)
    assert "secret" not in str(caught.value)


def test_a_locked_catalog_is_told_after_a_while(store: ImageStore, open_store, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(database, "BUSY_TIMEOUT_S", 0.1)
    add_all(store, VECTORS)
    impatient = open_store()
    with closing(sqlite3.connect(tmp_path / "catalog.db", isolation_level=None)) as hog:
        hog.execute("BEGIN IMMEDIATE")
        assert len(found(impatient, VECTORS[:1], 5)[0]) == 5  # reading goes on
        with pytest.raises(CatalogUnavailable, match="database is locked"):
            impatient.delete(NAME, "1")
    impatient.delete(NAME, "1")


def test_a_failed_write_changes_nothing_and_frees_the_lock(store: ImageStore) -> None:
    add_all(store, VECTORS)
    with pytest.raises(RuntimeError), store.catalog.writing() as connection:
        connection.exec_driver_sql("DELETE FROM images")
        raise RuntimeError
    assert store.stats(store.collection(NAME)).images == 30
    store.delete(NAME, "1")


@pytest.mark.slow
def test_processes_that_start_together_make_one_catalog(tmp_path: Path, in_processes: Callable) -> None:
    assert in_processes(open_catalog, 3) == ["ok"] * 3


def test_many_threads_that_start_together_make_one_catalog(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        catalogs = list(pool.map(Catalog, [_url(tmp_path)] * 8))
    for catalog in catalogs:
        catalog.close()


def test_a_name_is_given_once(store: ImageStore) -> None:
    store.create_collection(NAME)
    with pytest.raises(CollectionExists, match=f"{NAME!r} already"):
        store.create_collection(NAME)


def test_listing_goes_page_by_page_over_the_living(store: ImageStore) -> None:
    add_all(store, VECTORS)
    store.delete(NAME, "3")
    first = store.images(NAME, limit=5)
    second = store.images(NAME, after=first[-1].seq, limit=5)
    assert [image.id for image in first + second] == ["0", "1", "2", "4", "5", "6", "7", "8", "9", "10"]


def test_known_ids_come_with_their_checksums_however_many_are_asked(store: ImageStore) -> None:
    add_all(store, VECTORS)
    store.delete(NAME, "3")
    known = store.known_ids(NAME, [str(number) for number in range(40_000)])
    assert known == {str(n): new_image(str(n), VECTORS[n]).sha256 for n in range(30) if n != 3}
    assert store.known_ids("nowhere", ["1"]) == {}


def test_purging_goes_on_until_nothing_is_left(store: ImageStore, monkeypatch) -> None:
    monkeypatch.setattr("index_store.catalog.PURGE_CHUNK", 4)
    add_all(store, VECTORS)
    for number in range(11):
        store.delete(NAME, str(number))
    collection = store.collection(NAME)
    store.catalog.purge(collection, collection.clock - 1)
    with store.catalog.reading() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM images").scalar() == 20


QUERIES = {
    "SELECT id FROM images WHERE collection_key = 1 AND id IN ('a', 'b') AND deleted_seq IS NULL": "images_by_id",
    "SELECT vector FROM images WHERE collection_key = 1 AND seq <= 9 AND deleted_seq IS NULL AND seq > 3 "
    "ORDER BY seq LIMIT 5": "(seq|rowid|PRIMARY KEY|images_by_seq)",
    "SELECT seq FROM images WHERE collection_key = 1 AND deleted_seq > 3 AND deleted_seq <= 9": "images_by_deletion",
    "SELECT count(*) FROM images WHERE collection_key = 1 AND deleted_seq > 3": "images_by_deletion",
    "SELECT count(*) FROM images WHERE collection_key = 1 AND seq > 3": "images_by_seq",
}


@pytest.mark.parametrize("query", QUERIES)
def test_no_statement_of_a_search_reads_the_whole_table(store: ImageStore, query: str) -> None:
    with store.catalog.reading() as connection:
        plan = " ".join(row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}"))
    assert "SCAN" not in plan
    assert "TEMP B-TREE" not in plan
    assert re.search(QUERIES[query], plan)
