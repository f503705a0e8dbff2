"""Kept pictures live and die with their images."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np

from index_store import ImageStore, KeptFacts, KeptPicture, Rules
from tests.index_store.stores import NAME, found
from tests.index_store.vectors import new_image, unit_vectors

VECTORS = unit_vectors(4, seed=0)
PICTURE = KeptPicture("original", b"the bytes of a picture")


def _add(store: ImageStore, image_id: str, vector: np.ndarray = VECTORS[0], **options) -> str:
    (outcome,) = store.add(NAME, [new_image(image_id, vector, kept=PICTURE)], **options)
    return outcome.status


def _rows(folder: Path) -> list[tuple]:
    with closing(sqlite3.connect(folder / "catalog.db")) as connection:
        return connection.execute("SELECT seq, data FROM pictures ORDER BY seq").fetchall()


def _seqs(store: ImageStore) -> list[int]:
    return [image.seq for image in store.images(NAME)]


def test_a_picture_is_kept_with_its_image_and_only_where_there_is_one(store: ImageStore, tmp_path: Path) -> None:
    store.add(NAME, [new_image("plain", VECTORS[1]), new_image("kept", VECTORS[2], kept=PICTURE)])
    seq = store.image(NAME, "kept").seq
    assert _rows(tmp_path) == [(seq, PICTURE.data)]
    assert store.catalog.kept_picture(seq) == PICTURE
    assert store.catalog.kept_picture(seq - 1) is None
    assert store.kept(NAME, "kept") == KeptFacts("original", len(PICTURE.data))
    assert store.kept(NAME, "plain") is None
    stats = store.stats(store.collection(NAME))
    assert (stats.images, stats.kept, stats.kept_bytes) == (2, 1, len(PICTURE.data))


def test_nothing_is_kept_of_what_is_refused(store: ImageStore, tmp_path: Path) -> None:
    assert _add(store, "one") == "added"
    assert _add(store, "one") == "id_taken"
    assert _add(store, "two", rules=Rules(0.9, reject=True)) == "duplicate"
    assert [seq for seq, _ in _rows(tmp_path)] == _seqs(store)


def test_delete_forgets_the_kept_picture_at_once(store: ImageStore, tmp_path: Path) -> None:
    _add(store, "one")
    _add(store, "two")
    store.delete(NAME, "one")
    assert [seq for seq, _ in _rows(tmp_path)] == _seqs(store)
    assert store.stats(store.collection(NAME)).kept == 1


def test_purging_and_deleting_a_collection_leave_no_picture_behind(store: ImageStore, tmp_path: Path) -> None:
    _add(store, "one")
    _add(store, "two")
    with closing(sqlite3.connect(tmp_path / "catalog.db")) as connection:  # as if the row had stayed
        connection.execute("UPDATE images SET deleted_seq = seq WHERE id = 'one'")
        connection.commit()
    store.catalog.purge(store.collection(NAME), store.collection(NAME).clock)
    assert [seq for seq, _ in _rows(tmp_path)] == _seqs(store)
    store.delete_collection(NAME)
    assert _rows(tmp_path) == []


def test_figures_are_of_one_collection_and_read_no_pictures(store: ImageStore) -> None:
    _add(store, "one")
    store.add("other", [new_image("one", VECTORS[0], kept=PICTURE)])
    assert store.stats(store.collection(NAME)).kept == 1
    query = "EXPLAIN QUERY PLAN SELECT count(*), sum(size) FROM pictures WHERE collection_key = 1"
    with store.catalog.reading() as connection:
        assert "COVERING INDEX pictures_by_collection" in str(connection.exec_driver_sql(query).all())


def test_a_catalog_from_before_pictures_were_kept_opens_and_works(open_store: Callable, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "catalog.db")) as connection:
        connection.executescript(Path(__file__).with_name("catalog-v1.sql").read_text())
    old = open_store(dim=2)
    old.add(NAME, [new_image("c", np.array([0, 1], np.float32), kept=PICTURE)])
    old.delete(NAME, "a")
    assert old.kept(NAME, "c") == KeptFacts("original", len(PICTURE.data))
    assert found(old, np.array([[0, 1]], np.float32)) == [[("c", 1.0)]]
    assert old.stats(old.collection(NAME)).kept == 1
    old.rebuild(NAME)
    old.delete_collection(NAME)
    assert _rows(tmp_path) == []
