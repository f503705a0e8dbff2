"""Promise 5, and that each process sees at once what another was told: two stores over one folder."""

from collections.abc import Callable

import pytest

from index_store import ImageStore
from tests.index_store.stores import NAME, add_all, exactly, found, generation_in_use, ids_of, let_swap
from tests.index_store.vectors import near, new_image, unit_vectors

VECTORS = unit_vectors(200, seed=0)
QUERY = near(VECTORS[:1], 0.8)
IDS = [str(number) for number in range(200)]


@pytest.fixture
def other(store: ImageStore, open_store: Callable) -> ImageStore:
    """A second process, both having searched 150 in a generation and 50 in the delta."""
    add_all(store, VECTORS[:150])
    store.rebuild(NAME)
    second = open_store()
    let_swap(store)
    store.add(NAME, [_picture(number) for number in range(150, 200)])
    assert found(store, QUERY) == found(second, QUERY) == exactly(QUERY, IDS, VECTORS)
    return second


def _picture(number: int):
    return new_image(str(number), VECTORS[number])


def _living(deleted: set[str]) -> list:
    kept = [number for number in range(200) if str(number) not in deleted]
    return exactly(QUERY, [str(number) for number in kept], VECTORS[kept])


def test_what_one_adds_the_other_finds(store: ImageStore, other: ImageStore) -> None:
    add_all(store, unit_vectors(1, seed=5), "fresh")
    assert ids_of(found(other, unit_vectors(1, seed=5), 1)) == [["fresh0"]]


@pytest.mark.parametrize("rebuilt", [False, True])
def test_what_one_deletes_the_other_never_returns(store: ImageStore, other: ImageStore, rebuilt: bool) -> None:
    deleted = {"0", "160"}
    for image_id in deleted:
        store.delete(NAME, image_id)
    if rebuilt:
        store.rebuild(NAME)
    assert found(other, QUERY) == _living(deleted)
    let_swap(other)
    assert found(other, QUERY) == _living(deleted)


@pytest.mark.parametrize("rebuilt", [False, True])
def test_fifty_nearest_deleted_elsewhere_leave_ten_right_ones(store: ImageStore, other, rebuilt: bool) -> None:
    """Also where the rebuild has purged the rows that told of the deletions."""
    deleted = set(ids_of(found(store, QUERY, 50))[0])
    for image_id in deleted:
        store.delete(NAME, image_id)
    if rebuilt:
        store.rebuild(NAME)
    assert found(other, QUERY) == _living(deleted)


def test_a_rebuild_in_one_is_swapped_in_by_the_other(store: ImageStore, other: ImageStore) -> None:
    report = store.rebuild(NAME)
    assert generation_in_use(other) != report.generation
    assert let_swap(other) == report.generation
    assert found(other, QUERY) == exactly(QUERY, IDS, VECTORS)


def test_a_collection_deleted_and_made_again_elsewhere_is_another_one(store: ImageStore, other: ImageStore) -> None:
    store.delete_collection(NAME)
    add_all(store, VECTORS[:1], "new")
    assert ids_of(found(other, QUERY)) == [["new0"]]


def test_purging_leaves_no_row_of_the_deleted(store: ImageStore, other: ImageStore) -> None:
    for number in range(20):
        store.delete(NAME, str(number))
    other.rebuild(NAME)
    with store.catalog.reading() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM images").scalar() == 180
