"""Calibrations belong to the vectors that a collection holds; samples are drawn from what is alive."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from index_store import Catalog, ImageStore, Reembedding, UnknownCollection
from index_store.sampling import draw
from tests.index_store.stores import NAME, add_all
from tests.index_store.vectors import unit_vectors

DATA = {"version": 1, "knots": [[0.5, 0.9]]}


@pytest.fixture
def filled(store: ImageStore) -> ImageStore:
    add_all(store, unit_vectors(150, seed=0))
    return store


def _rows(folder: Path) -> int:
    with closing(sqlite3.connect(folder / "catalog.db")) as connection:
        return connection.execute("SELECT count(*) FROM calibrations").fetchone()[0]


def test_each_mode_has_its_own_and_the_last_one_counts(filled: ImageStore) -> None:
    catalog, collection = filled.catalog, filled.collection(NAME)
    assert catalog.calibration(collection, "fast") is None
    catalog.set_calibration(collection, "fast", {"version": 0})
    catalog.set_calibration(collection, "fast", DATA)
    catalog.set_calibration(collection, "thorough", {"version": 2})
    assert catalog.calibration(collection, "fast") == DATA
    assert catalog.calibration(collection, "thorough") == {"version": 2}
    assert catalog.calibration(filled.create_collection("other"), "fast") is None


def test_other_processes_see_it_at_once(open_store: Callable[..., ImageStore]) -> None:
    one, other = open_store(), open_store()
    collection = one.create_collection(NAME)
    one.catalog.set_calibration(collection, "fast", DATA)
    assert other.catalog.calibration(other.collection(NAME), "fast") == DATA


def test_it_goes_with_the_collection(filled: ImageStore, tmp_path: Path) -> None:
    old = filled.collection(NAME)
    filled.catalog.set_calibration(old, "fast", DATA)
    filled.delete_collection(NAME)
    assert _rows(tmp_path) == 0
    filled.create_collection(NAME)
    with pytest.raises(UnknownCollection, match="deleted or embedded again"):
        filled.catalog.set_calibration(old, "fast", DATA)


def test_other_vectors_have_none(filled: ImageStore) -> None:
    old = filled.collection(NAME)
    filled.catalog.set_calibration(old, "fast", DATA)
    begun = Reembedding.begin(filled.catalog, NAME, "f2", 8)
    images = begun.pending(0, 1000)
    begun.gather({image.seq: vector for image, vector in zip(images, unit_vectors(150, 1, 8), strict=True)})
    assert begun.finish(images[-1].seq, False, lambda _: {})
    assert filled.catalog.calibration(filled.collection(NAME), "fast") is None
    with pytest.raises(UnknownCollection):
        filled.catalog.set_calibration(old, "fast", DATA)


def test_a_catalog_from_before_gets_the_table(filled: ImageStore, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "catalog.db")) as connection:
        connection.execute("DROP TABLE calibrations")
    with closing(Catalog(f"sqlite:///{tmp_path / 'catalog.db'}")) as catalog:
        catalog.set_calibration(catalog.collection(NAME), "fast", DATA)
        assert catalog.calibration(catalog.collection(NAME), "fast") == DATA


def test_size_is_what_is_searched(filled: ImageStore) -> None:
    assert filled.size(filled.collection(NAME)) == 150


def test_a_sample_has_every_living_picture_once_with_its_vector(filled: ImageStore) -> None:
    filled.delete(NAME, "7")
    drawn = list(draw(filled.catalog, filled.collection(NAME), seed=0))
    ids = [each.image.id for each in drawn]
    assert sorted(ids, key=int) == [str(number) for number in range(150) if number != 7]
    vectors = unit_vectors(150, seed=0)
    assert all(np.allclose(each.vector, vectors[int(each.image.id)], atol=1e-3) for each in drawn)
    again = [each.image.id for each in draw(filled.catalog, filled.collection(NAME), seed=0)]
    other = [each.image.id for each in draw(filled.catalog, filled.collection(NAME), seed=1)]
    assert ids == again != other


def test_what_is_deleted_meanwhile_is_passed_over(filled: ImageStore) -> None:
    sample = draw(filled.catalog, filled.collection(NAME), seed=0)
    held = {next(sample).image.id}
    gone = next(str(number) for number in range(150) if str(number) not in held)
    filled.delete(NAME, gone)
    rest = [each.image.id for each in sample]
    assert len(rest) >= 148  # the page in hand may still have it
