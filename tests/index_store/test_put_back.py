"""A catalog restored from an older copy: no index made after that copy is ever searched."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from index_store import ImageStore
from tests.index_store.stores import NAME, add_all, exactly, found, generation_in_use, let_swap
from tests.index_store.vectors import unit_vectors

EARLY, LOST, LATE = unit_vectors(60, seed=0), unit_vectors(40, seed=1), unit_vectors(80, seed=2)
QUERIES = unit_vectors(10, seed=3)


@pytest.fixture
def put_back(open_store: Callable[..., ImageStore], tmp_path: Path) -> ImageStore:
    """60 early pictures remembered; an index that covers 40 later ones, which the restored catalog does not know."""
    catalog, copy = tmp_path / "catalog.db", tmp_path / "copy.db"
    first = open_store()
    add_all(first, EARLY, "early")
    first.rebuild(NAME)
    first.close()
    shutil.copy(catalog, copy)
    second = open_store()
    add_all(second, LOST, "lost")
    second.rebuild(NAME)
    second.close()
    assert not (tmp_path / "catalog.db-wal").exists()
    shutil.copy(copy, catalog)
    return open_store()


def _expected(late: int) -> list:
    ids = [f"early{i}" for i in range(60)] + [f"late{i}" for i in range(late)]
    return exactly(QUERIES, ids, np.concatenate([EARLY, LATE[:late]]))


def test_what_came_after_the_copy_is_gone(put_back: ImageStore) -> None:
    assert found(put_back, QUERIES) == _expected(0)
    assert generation_in_use(put_back) is None


@pytest.mark.parametrize("late", [10, 40, 41, 80])
def test_new_pictures_are_found_before_and_after_the_clock_passes_the_old_index(
    put_back: ImageStore, open_store: Callable, late: int
) -> None:
    """The first look at the index happens after the adds: by its clock alone it would then seem to fit."""
    add_all(put_back, LATE[:late], "late")
    assert found(put_back, QUERIES) == _expected(late)
    assert found(open_store(), QUERIES) == _expected(late)


def test_deletes_that_pass_the_clock_unseen_do_not_revive_the_old_index(put_back: ImageStore) -> None:
    add_all(put_back, LATE[:30], "late")
    for number in range(30):
        put_back.delete(NAME, f"late{number}")
    assert found(put_back, QUERIES) == _expected(0)


def test_a_rebuild_brings_an_index_that_fits(put_back: ImageStore, open_store: Callable) -> None:
    add_all(put_back, LATE, "late")
    report = put_back.rebuild(NAME)
    assert report.changed
    assert let_swap(put_back) == report.generation
    assert found(put_back, QUERIES) == _expected(80)
    assert found(open_store(), QUERIES) == _expected(80)
