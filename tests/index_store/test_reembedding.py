"""New vectors take the place of the old in one step; until then, and whatever happens meanwhile, nothing is lost."""

import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from index_store import (
    FingerprintMismatch,
    ImageStore,
    KeptPicture,
    Reembedding,
    Rules,
    Superseded,
    UnknownCollection,
    rows,
    sweep,
)
from index_store import reembedding as module
from index_store.searching import Searching
from tests.index_store.stores import NAME, add_all, exactly, found
from tests.index_store.vectors import new_image, unit_vectors

COUNT, NEW_DIM = 40, 32
OLD, NEW = unit_vectors(COUNT, seed=0), unit_vectors(COUNT, seed=1, dim=NEW_DIM)
QUERIES, NEW_QUERIES = unit_vectors(3, seed=2), unit_vectors(3, seed=3, dim=NEW_DIM)


@pytest.fixture
def after(open_store: Callable) -> ImageStore:
    """A store with the new settings over the same folder."""
    return open_store(fingerprint="f2", dim=NEW_DIM)


def begin(store: ImageStore, fingerprint: str = "f2", dim: int = NEW_DIM) -> Reembedding:
    begun = Reembedding.begin(store.catalog, NAME, fingerprint, dim)
    assert begun is not None
    return begun


def embed(images: list) -> dict[int, np.ndarray]:
    """The new vector of picture number n is NEW[n], of one with another name that of picture 0."""
    return {image.seq: NEW[int(image.id) if image.id.isdigit() else 0] for image in images}


def gather(begun: Reembedding, limit: int = COUNT) -> int:
    """Gather vectors of up to so many pending pictures; gives the last seq."""
    images = begun.pending(0, limit)
    begun.gather(embed(images))
    return images[-1].seq if images else 0


def test_the_collection_keeps_everything_but_its_vectors(store: ImageStore, after: ImageStore, tmp_path: Path) -> None:
    store.create_collection(NAME, threshold=0.7)
    kept = KeptPicture("thumbnail", b"small")
    facts = {"source": "/a/b", "metadata": {"n": [1]}, "sha256": "5" * 64, "kept": kept}
    store.add(NAME, [new_image(str(n), vector, **facts) for n, vector in enumerate(OLD)])
    store.delete(NAME, "7")
    store.rebuild(NAME)
    before, collection = store.images(NAME), store.collection(NAME)
    begun = begin(store)
    assert begun.finish(gather(begun), False, embed)
    now = after.collection(NAME)
    assert after.images(NAME) == before
    assert replace(now, uid=collection.uid, fingerprint="f1", dim=64, clock=collection.clock) == collection
    assert after.stats(now).kept == COUNT - 1
    ids = [image.id for image in before]
    expected = exactly(NEW_QUERIES, ids, NEW[[int(name) for name in ids]])
    assert found(after, NEW_QUERIES) == expected
    sweep(after.catalog, tmp_path / "index")
    assert list((tmp_path / "index").iterdir()) == []
    after.rebuild(NAME)
    assert found(after, NEW_QUERIES) == expected
    with closing(sqlite3.connect(tmp_path / "catalog.db")) as connection:
        assert connection.execute("SELECT count(*) FROM new_vectors").fetchone() == (0,)
        assert connection.execute("SELECT count(*) FROM reembeddings").fetchone() == (0,)


def test_until_the_swap_the_old_extractor_is_served_and_the_new_refused(store: ImageStore, after: ImageStore) -> None:
    ids = add_all(store, OLD)
    begun = begin(store)
    last = gather(begun)
    assert found(store, QUERIES) == exactly(QUERIES, ids, OLD)
    with pytest.raises(FingerprintMismatch, match="--reembed --collection pictures"):
        after.search(NAME, NEW_QUERIES, 1)
    assert begun.finish(last, False, embed)
    for use in (lambda: store.search(NAME, QUERIES, 1), lambda: add_all(store, OLD[:1], "late")):
        with pytest.raises(FingerprintMismatch, match="--reembed --collection pictures"):
            use()


def test_an_interrupted_run_goes_on_and_one_for_another_extractor_begins_anew(store: ImageStore) -> None:
    add_all(store, OLD)
    gather(begin(store), 25)
    again = begin(store)
    assert again.progress() == (25, COUNT)
    assert [image.id for image in again.pending(0, 100)] == [str(n) for n in range(25, COUNT)]
    other = begin(store, "f3")
    assert other.progress() == (0, COUNT)
    for late in (lambda: gather(again), lambda: again.finish(0, True, embed)):
        with pytest.raises(Superseded):
            late()
    assert Reembedding.begin(store.catalog, NAME, "f1", 64) is None  # back to the old settings: nothing is left over
    with pytest.raises(Superseded):
        gather(other)


def test_what_happens_meanwhile_is_not_lost(store: ImageStore, after: ImageStore) -> None:
    add_all(store, OLD[:30])
    begun = begin(store)
    last = gather(begun)
    store.delete(NAME, "3")
    store.update_metadata(NAME, "4", {"changed": True})
    store.add(NAME, [new_image(str(n), OLD[n]) for n in range(30, 35)])
    store.delete(NAME, "33")
    store.delete(NAME, "5")
    store.add(NAME, [new_image("5", OLD[5], metadata={"again": 1})])
    assert begun.finish(last, False, embed)
    ids = [image.id for image in after.images(NAME)]
    assert ids == [str(n) for n in range(35) if n not in (3, 5, 33)] + ["5"]
    assert after.image(NAME, "4").metadata == {"changed": True}
    assert after.image(NAME, "5").metadata == {"again": 1}
    assert found(after, NEW_QUERIES) == exactly(NEW_QUERIES, ids, NEW[[int(name) for name in ids]])


def test_without_a_vector_of_each_nothing_changes(store: ImageStore, monkeypatch: pytest.MonkeyPatch) -> None:
    add_all(store, OLD)
    begun, uid = begin(store), store.collection(NAME).uid
    last = gather(begun, COUNT - 1)
    monkeypatch.setattr(module, "FEW", 1)
    assert not begun.finish(last + 1, False, embed)  # one that was passed over
    assert not begun.finish(last - 1, False, lambda images: {})  # the last one cannot be read
    add_all(store, OLD[:2], "more")
    assert not begun.finish(last, False, embed)  # too many have come to embed them under the lock
    assert store.collection(NAME).uid == uid
    assert len(store.images(NAME)) == COUNT + 2


def test_forgetting_drops_what_was_passed_over_and_nothing_newer(store: ImageStore, after: ImageStore) -> None:
    add_all(store, OLD)
    begun = begin(store)
    begun.gather(embed([image for image in begun.pending(0, 100) if image.id != "9"]))
    last = store.images(NAME)[-1].seq
    add_all(store, OLD[:1], "new")
    assert begun.finish(last, True, embed)
    assert [image.id for image in after.images(NAME)] == [str(n) for n in range(COUNT) if n != 9] + ["new0"]


def test_deleting_the_collection_ends_its_run(store: ImageStore) -> None:
    add_all(store, OLD)
    begun = begin(store)
    gather(begun, 10)
    store.delete_collection(NAME)
    add_all(store, OLD)
    with pytest.raises(Superseded):
        gather(begun)
    assert begin(store).progress() == (0, COUNT)


def test_a_vector_of_another_length_is_refused(store: ImageStore) -> None:
    add_all(store, OLD)
    begun = begin(store)
    with pytest.raises(ValueError, match="32 finite numbers"):
        begun.gather({begun.pending(0, 1)[0].seq: OLD[0]})


def test_vectors_that_came_too_late_or_twice_are_no_trouble(store: ImageStore) -> None:
    add_all(store, OLD)
    begun = begin(store)
    images = begun.pending(0, COUNT)
    begun.gather(embed(images[:5]))
    store.delete(NAME, "9")
    store.rebuild(NAME)  # purges it
    begun.gather(embed(images))
    assert begun.progress() == (COUNT - 1, COUNT - 1)


def test_readers_under_way_never_see_vectors_of_the_other_extractor(
    store: ImageStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "CHUNK", COUNT // 2)
    add_all(store, OLD)
    begun, collection = begin(store), store.collection(NAME)
    last = gather(begun)
    with store.catalog.reading() as connection, pytest.raises(UnknownCollection, match="embedded again"):
        for _, vectors in rows.vector_chunks(connection, collection, 0, collection.clock):
            assert vectors.shape == (COUNT // 2, collection.dim)
            assert begun.finish(last, False, embed)


@pytest.mark.parametrize("near", [None, 0.9], ids=["add", "search and add"])
def test_a_swap_between_the_steps_of_a_request_is_told_as_what_it_is(
    store: ImageStore, open_store: Callable, monkeypatch: pytest.MonkeyPatch, near: float | None
) -> None:
    add_all(store, OLD)
    store.search(NAME, QUERIES, 1)
    add_all(open_store(), OLD[:1], "unseen")
    begun = begin(store)
    last, bound = gather(begun, COUNT + 1), Searching.bound

    def then_swap(searching: Searching, name: str):
        collection = bound(searching, name)
        begun.finish(last, False, embed)
        return collection

    monkeypatch.setattr(Searching, "bound", then_swap)
    with pytest.raises((FingerprintMismatch, Superseded)):
        store.add(NAME, [new_image("x", OLD[0])], Rules(near))
    assert len(store.images(NAME)) == COUNT + 1


def test_searchers_see_all_of_the_old_or_all_of_the_new(store: ImageStore, after: ImageStore) -> None:
    """A mixture would be another answer than either exact search; a gap, another error than the mismatch."""
    ids = add_all(store, OLD)
    expected = {"old": exactly(QUERIES, ids, OLD), "new": exactly(NEW_QUERIES, ids, NEW)}
    seen: dict[str, list] = {"old": [], "new": []}
    over = threading.Event()

    def ask(which: str, one: ImageStore, queries: np.ndarray) -> None:
        while not over.is_set():
            try:
                seen[which].append(found(one, queries))
            except FingerprintMismatch:
                seen[which].append("mismatch")

    asking = [
        threading.Thread(target=ask, args=each) for each in (("old", store, QUERIES), ("new", after, NEW_QUERIES))
    ]
    for thread in asking:
        thread.start()
    while not (seen["old"] and seen["new"]):
        pass
    begun = begin(store)
    last = gather(begun)
    assert begun.finish(last, False, embed)
    while len(seen["new"]) < 2 or seen["new"][-1] == "mismatch" or seen["old"][-1] != "mismatch":
        assert asking[0].is_alive() and asking[1].is_alive()
    over.set()
    for thread in asking:
        thread.join()
    for which, answers in seen.items():
        turns = [kind for kind, before in zip(answers, [None, *answers], strict=False) if kind != before]
        assert turns == ([expected["old"], "mismatch"] if which == "old" else ["mismatch", expected["new"]])
