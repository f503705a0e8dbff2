"""What people say of two pictures is kept, told and taken back, and goes with either picture."""

import numpy as np
import pytest

from index_store import (
    ImageStore,
    Marks,
    Reembedding,
    SamePicture,
    UnknownCollection,
    UnknownImage,
    UnknownPair,
    marks,
)
from tests.index_store.stores import NAME, add_all
from tests.index_store.vectors import unit_vectors

VECTORS = unit_vectors(6, seed=0)
OTHER = "other"


@pytest.fixture
def marked(store: ImageStore) -> Marks:
    """Pictures 0 to 5 in two collections, none of them marked yet."""
    for name in (NAME, OTHER):
        add_all(store, VECTORS, name=name)
    return Marks(store.catalog)


def mark(marked: Marks, a: str, b: str, verdict: str = "not_duplicates", homes: tuple[str, str] = (NAME, NAME)):
    return marked.mark((homes[0], a), (homes[1], b), verdict)


def told(marked: Marks, name: str = NAME, **query) -> list[tuple[str, str, str]]:
    return [(pair.a, pair.b, pair.verdict) for pair in marked.listing(name, **query)]


def seqs(store: ImageStore, *ids: str, name: str = NAME) -> list[int]:
    return [store.image(name, image_id).seq for image_id in ids]


def test_a_mark_is_told_with_the_older_picture_first(marked: Marks) -> None:
    made = mark(marked, "4", "1", "duplicates")
    assert (made.a, made.b, made.a_collection, made.b_collection) == ("1", "4", NAME, NAME)
    assert marked.listing(NAME) == [made]


def test_saying_it_again_changes_nothing_and_saying_otherwise_the_verdict(marked: Marks) -> None:
    first = mark(marked, "0", "1", "duplicates")
    assert mark(marked, "1", "0", "duplicates") == first
    assert mark(marked, "1", "0", "not_duplicates").number > first.number
    assert told(marked) == [("0", "1", "not_duplicates")]


def test_a_mark_may_join_two_collections_and_is_told_in_both(marked: Marks) -> None:
    made = mark(marked, "0", "0", homes=(NAME, OTHER))
    assert marked.listing(NAME) == marked.listing(OTHER) == [made]
    assert (made.a_collection, made.b_collection) == (NAME, OTHER)


def test_a_picture_cannot_be_marked_with_itself(marked: Marks) -> None:
    with pytest.raises(SamePicture, match="'2' cannot be marked with itself"):
        mark(marked, "2", "2")
    assert told(marked) == []


@pytest.mark.parametrize(
    ("a", "b", "error"),
    [((NAME, "0"), (NAME, "9"), UnknownImage), (("no", "0"), (NAME, "0"), UnknownCollection)],
)
def test_what_is_not_there_cannot_be_marked(marked: Marks, a, b, error) -> None:
    with pytest.raises(error):
        marked.mark(a, b, "duplicates")


def test_a_mark_can_be_taken_back_once(marked: Marks) -> None:
    mark(marked, "0", "1")
    marked.unmark((NAME, "1"), (NAME, "0"))
    assert told(marked) == []
    with pytest.raises(UnknownPair, match="'1' and '0' are not marked"):
        marked.unmark((NAME, "1"), (NAME, "0"))


def test_marks_are_listed_page_by_page_and_by_picture(marked: Marks) -> None:
    for a, b in ("01", "23", "12", "45"):
        mark(marked, a, b)
    page = marked.listing(NAME, limit=3)
    assert [(pair.a, pair.b) for pair in page] == [("0", "1"), ("2", "3"), ("1", "2")]
    assert told(marked, after=page[-1].number) == [("4", "5", "not_duplicates")]
    assert [pair[:2] for pair in told(marked, image="1")] == [("0", "1"), ("1", "2")]


@pytest.mark.parametrize("gone", ["0", "1"])
def test_a_deleted_picture_takes_its_marks_along(store: ImageStore, marked: Marks, gone: str) -> None:
    mark(marked, "0", "1")
    mark(marked, "2", "3")
    mark(marked, gone, "5", homes=(NAME, OTHER))
    store.delete(NAME, gone)
    assert told(marked) == [("2", "3", "not_duplicates")]
    assert told(marked, OTHER) == []
    add_all(store, VECTORS[:1], prefix="again")
    assert marked.of(range(100)) == {tuple(seqs(store, "2", "3")): "not_duplicates"}


@pytest.mark.parametrize("gone", [NAME, OTHER])
def test_a_deleted_collection_takes_its_marks_along(store: ImageStore, marked: Marks, gone: str) -> None:
    for homes in ((NAME, NAME), (NAME, OTHER), (OTHER, OTHER)):
        mark(marked, "0", "1", homes=homes)
    store.delete_collection(gone)
    (left,) = {NAME, OTHER} - {gone}
    assert [(pair.a_collection, pair.b_collection) for pair in marked.listing(left)] == [(left, left)]
    assert len(marked.of(range(100))) == 1


def test_marks_outlive_a_reembedding_and_go_with_what_it_forgets(store: ImageStore, marked: Marks) -> None:
    mark(marked, "0", "1")
    mark(marked, "2", "3")
    run = Reembedding.begin(store.catalog, NAME, "f2", 8)
    lost, *kept = run.pending(0, 100)
    run.gather({image.seq: np.ones(8, np.float32) for image in kept})
    assert run.finish(kept[-1].seq, True, lambda images: {})
    assert told(marked) == [("2", "3", "not_duplicates")]
    assert lost.id == "0"


def test_verdicts_are_looked_up_by_seq(store: ImageStore, marked: Marks) -> None:
    zero, one, two = seqs(store, "0", "1", "2")
    mark(marked, "1", "0", "duplicates")
    mark(marked, "1", "2")
    assert marked.of([two]) == {(one, two): "not_duplicates"}
    assert marked.of([one]) == {(zero, one): "duplicates", (one, two): "not_duplicates"}
    assert marked.among([one, zero]) == {(zero, one): "duplicates"}
    assert marked.among([zero, two]) == marked.among([]) == marked.of([]) == {}


def test_any_number_of_pictures_can_be_looked_up(store: ImageStore, marked: Marks) -> None:
    mark(marked, "0", "1")
    everything = range(100_000)
    assert marked.of(everything) == marked.among(everything) != {}


def test_the_version_changes_with_every_mark_of_these_collections_and_no_other(
    store: ImageStore, marked: Marks
) -> None:
    mine, both = (store.collection(NAME),), (store.collection(NAME), store.collection(OTHER))
    versions = [marked.version(*mine)]
    for change in (
        lambda: mark(marked, "0", "1"),
        lambda: mark(marked, "2", "3"),
        lambda: mark(marked, "0", "1", "duplicates"),
        lambda: marked.unmark((NAME, "2"), (NAME, "3")),
        lambda: mark(marked, "2", "3"),
    ):
        change()
        versions.append(marked.version(*mine))
    assert len(set(versions)) == len(versions)
    joint = marked.version(*both)
    mark(marked, "0", "0", homes=(NAME, OTHER))
    assert marked.version(*mine) == versions[-1]
    assert marked.version(*both) != joint


def test_marked_pairs_come_with_their_vectors(store: ImageStore, marked: Marks, monkeypatch) -> None:
    monkeypatch.setattr(marks, "CHUNK", 2)
    mark(marked, "0", "1", "duplicates")
    mark(marked, "0", "0", "duplicates", homes=(NAME, OTHER))
    for a, b in ("23", "45"):
        mark(marked, a, b)
    chunks = list(marked.vectors(store.collection(NAME)))
    stored = VECTORS.astype(np.float16).astype(np.float32)
    assert np.array_equal(np.concatenate([chunk.a for chunk in chunks]), stored[::2])
    assert np.array_equal(np.concatenate([chunk.b for chunk in chunks]), stored[1::2])
    assert np.concatenate([chunk.duplicates for chunk in chunks]).tolist() == [True, False, False]
