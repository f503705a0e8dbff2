"""Promise 4: of any number of adds of the same picture exactly one is kept, if so asked."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from index_store import ImageStore, Rules
from tests.index_store.stores import NAME, add_all, found, ids_of, let_swap
from tests.index_store.vectors import answers, near, new_image, new_images, unit_vectors
from tests.index_store.workers import add_rejecting

VECTORS = unit_vectors(40, seed=0)


def _statuses(outcomes) -> list[str]:
    return [outcome.status for outcome in outcomes]


def test_across_threads_and_processes_exactly_one_is_kept(store: ImageStore, in_processes: Callable) -> None:
    results = in_processes(add_rejecting, 3, numbered=True, threads=4)
    counts = Counter(pair for worker in results for thread in worker for pair in thread)
    assert counts == {**{("added", n): 1 for n in range(5)}, **{("duplicate", n): 11 for n in range(5)}}
    assert store.stats(store.collection(NAME)).images == 5


@pytest.mark.parametrize("rebuilt", [False, True])
def test_a_near_picture_is_rejected_and_the_one_it_repeats_is_named(store: ImageStore, rebuilt: bool) -> None:
    add_all(store, VECTORS)
    if rebuilt:
        store.rebuild(NAME)
        let_swap(store)
    copy = near(VECTORS[4:5], 0.9)[0]
    (outcome,) = store.add(NAME, [new_image("copy", copy)], Rules(0.8, reject=True))
    assert (outcome.status, [match.image.id for match in outcome.matches]) == ("duplicate", ["4"])
    assert answers(list(outcome.matches)) == found(store, copy[None], 1)[0]
    assert store.known_ids(NAME, ["copy"]) == {}


def test_keeping_names_the_near_ones_too(store: ImageStore) -> None:
    add_all(store, VECTORS)
    (outcome,) = store.add(NAME, [new_image("copy", VECTORS[4])], Rules(0.8))
    assert (outcome.status, [match.image.id for match in outcome.matches]) == ("added", ["4"])


def test_without_a_threshold_nothing_is_compared(store: ImageStore) -> None:
    add_all(store, VECTORS[:1])
    (outcome,) = store.add(NAME, [new_image("copy", VECTORS[0])], Rules(reject=True))
    assert (outcome.status, outcome.matches) == ("added", ())


def test_a_picture_repeats_itself_even_at_a_threshold_of_one(store: ImageStore) -> None:
    add_all(store, VECTORS)
    again = store.add(NAME, new_images(VECTORS, "again"), Rules(1.0, reject=True))
    assert set(_statuses(again)) == {"duplicate"}


def test_duplicates_within_a_call_are_rejected(store: ImageStore) -> None:
    outcomes = store.add(NAME, new_images(VECTORS[[0, 1, 0, 2, 1]]), Rules(0.9, reject=True))
    assert _statuses(outcomes) == ["added", "added", "duplicate", "added", "duplicate"]
    assert [[match.image.id for match in outcome.matches] for outcome in outcomes] == [[], [], ["0"], [], ["1"]]


def test_only_what_was_kept_makes_a_duplicate(store: ImageStore) -> None:
    """b repeats a, c repeats b but not a: with b refused, c is new."""
    a = VECTORS[0]
    b, c = _turned(a, VECTORS[1], 30), _turned(a, VECTORS[1], 60)
    assert _statuses(store.add(NAME, new_images(np.stack([a, b, c])), Rules(0.8, reject=True))) == [
        "added",
        "duplicate",
        "added",
    ]


def _turned(vector: np.ndarray, towards: np.ndarray, degrees: float) -> np.ndarray:
    across = towards - (towards @ vector) * vector
    angle = np.radians(degrees)
    return (np.cos(angle) * vector + np.sin(angle) * across / np.linalg.norm(across)).astype(np.float32)


def test_an_id_in_use_stores_nothing(store: ImageStore) -> None:
    add_all(store, VECTORS[:2])
    outcomes = store.add(NAME, [new_image("1", VECTORS[5]), new_image("x", VECTORS[6]), new_image("x", VECTORS[7])])
    assert _statuses(outcomes) == ["id_taken", "added", "id_taken"]
    assert ids_of(found(store, VECTORS[5:6], 10))[0].count("1") == 1
    assert store.stats(store.collection(NAME)).images == 3


def test_of_concurrent_adds_under_one_id_one_is_kept(store: ImageStore, open_store: Callable) -> None:
    stores = [store, open_store()]
    with ThreadPoolExecutor(8) as pool:
        tasks = [pool.submit(stores[n % 2].add, NAME, [new_image("same", VECTORS[n])]) for n in range(16)]
        statuses = Counter(task.result()[0].status for task in tasks)
    assert statuses == {"added": 1, "id_taken": 15}


def test_a_deleted_picture_may_come_again(store: ImageStore) -> None:
    add_all(store, VECTORS)
    store.rebuild(NAME)
    let_swap(store)
    store.delete(NAME, "4")
    (outcome,) = store.add(NAME, [new_image("4", VECTORS[4])], Rules(0.9, reject=True))
    assert outcome.status == "added"


def test_a_duplicate_behind_a_crowd_that_was_deleted_and_purged_elsewhere_is_seen(
    store: ImageStore, open_store: Callable
) -> None:
    """This process has not searched since; of the deletions no row is left to tell it."""
    add_all(store, np.repeat(VECTORS[:1], 40, axis=0))
    store.rebuild(NAME)
    let_swap(store)
    other = open_store()
    for number in range(39):
        other.delete(NAME, str(number))
    other.rebuild(NAME)
    (outcome,) = store.add(NAME, [new_image("again", VECTORS[0])], Rules(0.9, reject=True))
    assert (outcome.status, [match.image.id for match in outcome.matches]) == ("duplicate", ["39"])


def test_near_ones_come_best_first(store: ImageStore) -> None:
    copies = np.concatenate([near(VECTORS[:1], cosine, seed=n) for n, cosine in [(5, 0.9), (6, 0.99), (7, 0.95)]])
    add_all(store, copies)
    (outcome,) = store.add(NAME, [new_image("origin", VECTORS[0])], Rules(0.8))
    assert [match.image.id for match in outcome.matches] == ["1", "2", "0"]


def test_a_large_call_is_one_transaction(store: ImageStore) -> None:
    vectors = unit_vectors(1500, seed=4)
    outcomes = store.add(NAME, new_images(np.concatenate([vectors, vectors[:500]])), Rules(0.95, reject=True))
    assert Counter(_statuses(outcomes)) == {"added": 1500, "duplicate": 500}


def test_adding_nothing_makes_the_collection(store: ImageStore) -> None:
    assert store.add(NAME, [], Rules(0.9)) == []
    assert store.collection(NAME).clock == 0


@pytest.mark.parametrize("vector", [np.ones(63, np.float32), np.ones((1, 64), np.float32), np.full(64, np.nan)])
def test_a_vector_that_would_spoil_the_collection_is_refused(store: ImageStore, vector: np.ndarray) -> None:
    add_all(store, VECTORS)
    with pytest.raises(ValueError, match="'bad' must be 64 finite numbers"):
        store.add(NAME, [new_image("ok", VECTORS[0]), new_image("bad", vector)])
    assert store.stats(store.collection(NAME)).images == 40
