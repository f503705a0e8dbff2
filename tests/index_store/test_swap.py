"""Promise 3: searches never wait for a rebuild, and a swap disturbs none of them."""

import multiprocessing
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing.synchronize import Event
from pathlib import Path

import numpy as np
import pytest

from index_store import ImageStore, UnknownCollection, build
from tests.index_store.stores import (
    NAME,
    add_all,
    exactly,
    found,
    generation_folders,
    generation_in_use,
    ids_of,
    index_folder,
    let_swap,
    new_store,
)
from tests.index_store.vectors import new_image, unit_vectors

VECTORS = unit_vectors(900, seed=0)
QUERIES = unit_vectors(4, seed=1)


class Traffic:
    """What one writer has acknowledged, for readers that check each answer against it."""

    def __init__(self, store: ImageStore) -> None:
        self.store = store
        self.added: dict[str, int] = {}
        self.leaving: set[str] = set()
        self.deleted: set[str] = set()
        self.generations: set[str | None] = set()
        self.searches = 0
        self.over = threading.Event()

    def write(self) -> None:
        for number in range(100, 250):
            self.store.add(NAME, [new_image(str(number), VECTORS[number])])
            self.added[str(number)] = number
            if number % 3 == 0:
                self.leaving.add(str(number - 50))
                self.store.delete(NAME, str(number - 50))
                self.deleted.add(str(number - 50))
            if number % 50 == 0:
                self.await_swap()

    def await_swap(self) -> None:
        """Until the readers have met another generation; a busy machine may take its time."""
        before, deadline = len(self.generations), time.monotonic() + 60
        while len(self.generations) == before:
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def read(self) -> None:
        random = np.random.default_rng(threading.get_ident())
        while not self.over.is_set():
            added, gone = dict(self.added), set(self.deleted)
            wanted = str(random.choice(sorted(added)))
            ids = ids_of(found(self.store, VECTORS[added[wanted]][None], 5))[0]
            assert ids[0] == wanted or wanted in self.leaving
            assert not gone & set(ids)
            assert len(ids) == 5
            self.generations.add(generation_in_use(self.store))
            self.searches += 1


def _rebuild_until(over: Event, folder: Path) -> None:
    """As the maintenance process does; from 150 pictures on with codes."""
    build.FEWEST = 150
    store = new_store(folder, exact_below=150, recall_target=1.0)
    while not over.is_set():
        store.rebuild(NAME)
    store.close()


def test_searches_run_on_unharmed_through_rebuilds_adds_and_deletes(store: ImageStore, tmp_path: Path) -> None:
    add_all(store, VECTORS[:100])
    traffic = Traffic(store)
    traffic.added = {str(number): number for number in range(100)}
    spawn = multiprocessing.get_context("spawn")
    over = spawn.Event()
    maintenance = spawn.Process(target=_rebuild_until, args=(over, tmp_path))
    maintenance.start()
    with ThreadPoolExecutor(4) as pool:
        readers = [pool.submit(traffic.read) for _ in range(3)]
        try:
            pool.submit(traffic.write).result()
        finally:
            over.set()
            maintenance.join()
            traffic.over.set()
        for reader in readers:
            reader.result()
    assert maintenance.exitcode == 0
    assert len(traffic.generations) > 2
    living = [i for i in range(250) if str(i) not in traffic.deleted]
    let_swap(store)
    assert found(store, QUERIES) == exactly(QUERIES, [str(i) for i in living], VECTORS[living])


def test_a_swap_changes_the_generation_in_use(store: ImageStore) -> None:
    add_all(store, VECTORS[:100])
    names = []
    for start in (100, 200, 300):
        add_all(store, VECTORS[start : start + 100], f"{start}-")
        names.append(store.rebuild(NAME).generation)
        assert let_swap(store) == names[-1]
    assert len(set(names)) == 3


def test_a_search_in_flight_finishes_on_what_it_began_with(store: ImageStore) -> None:
    """Its files may be gone by then."""
    add_all(store, VECTORS[:500])
    store.rebuild(NAME)
    let_swap(store)
    collection = store.collection(NAME)
    snapshot = store._views.of(collection).snapshot(collection)
    before = snapshot.search(QUERIES, 20)
    for start in range(500, 800, 100):
        add_all(store, VECTORS[start : start + 100], f"{start}-")
        store.rebuild(NAME)
        let_swap(store)
    assert np.array_equal(snapshot.search(QUERIES, 20), before)


def test_a_snapshot_does_not_see_what_is_added_after_it(store: ImageStore) -> None:
    add_all(store, VECTORS[:65])
    collection = store.collection(NAME)
    view = store._views.of(collection)
    old = view.snapshot(collection)
    add_all(store, VECTORS[65:300], "more")
    view.snapshot(store.collection(NAME))
    assert max(int(seqs.max()) for seqs in old.search(VECTORS[65:70], 1000)) == 65


def test_at_most_two_generations_are_kept(store: ImageStore, tmp_path: Path) -> None:
    for start in range(0, 500, 100):
        add_all(store, VECTORS[start : start + 100], f"{start}-")
        store.rebuild(NAME)
        assert len(generation_folders(tmp_path)) <= 2


def test_what_an_interrupted_build_left_is_cleared_by_the_next(store: ImageStore, tmp_path: Path) -> None:
    add_all(store, VECTORS[:100])
    store.rebuild(NAME)
    left = index_folder(tmp_path) / ".building-dead"
    left.mkdir()
    (left / "vectors.f16").write_bytes(b"half")
    unpublished = index_folder(tmp_path) / "gen-000000000100-dead"
    unpublished.mkdir()
    add_all(store, VECTORS[100:200], "more")
    report = store.rebuild(NAME)
    assert let_swap(store) == report.generation
    assert not left.exists()
    assert not unpublished.exists()


def _rebuild_forever(folder: Path) -> None:
    store = new_store(folder)
    for number in range(10_000):
        store.add(NAME, [new_image(f"extra{number}", VECTORS[number % 900])])
        store.rebuild(NAME)


@pytest.mark.slow
def test_builds_killed_at_any_moment_break_neither_answers_nor_the_next(store: ImageStore, tmp_path: Path) -> None:
    add_all(store, VECTORS[:300])
    spawn = multiprocessing.get_context("spawn")
    for wait in (1.3, 1.5):
        builder = spawn.Process(target=_rebuild_forever, args=(tmp_path,))
        builder.start()
        builder.join(wait)
        builder.kill()
        builder.join()
        found(store, QUERIES)
    add_all(store, VECTORS[300:301], "last")
    assert store.rebuild(NAME).changed
    let_swap(store)
    assert ids_of(found(store, VECTORS[300:301], 1)) == [["last0"]]
    assert len(generation_folders(tmp_path)) <= 2


def test_concurrent_rebuilds_take_turns(store: ImageStore, open_store: Callable, tmp_path: Path) -> None:
    add_all(store, VECTORS)
    with ThreadPoolExecutor(4) as pool:
        reports = [task.result() for task in [pool.submit(open_store().rebuild, NAME) for _ in range(4)]]
    assert sorted(report.changed for report in reports) == [False, False, False, True]
    assert len({report.generation for report in reports}) == 1


def test_a_collection_deleted_during_its_rebuild_is_unknown(store: ImageStore, open_store: Callable) -> None:
    """Whichever comes first, the rebuild ends in a report or in UnknownCollection."""
    for _ in range(5):
        add_all(store, VECTORS)
        with ThreadPoolExecutor(1) as pool:
            rebuilding: Future = pool.submit(open_store().rebuild, NAME)
            store.delete_collection(NAME)
        assert rebuilding.exception() is None or isinstance(rebuilding.exception(), UnknownCollection)


def test_rebuilding_an_unknown_collection_is_an_error(store: ImageStore) -> None:
    with pytest.raises(UnknownCollection):
        store.rebuild("nowhere")
