"""What is found is what exact search over the living pictures finds, wherever their vectors stand."""

import numpy as np
import pytest

from index_store import ImageStore, UnknownCollection, UnknownImage
from index_store.rows import CHUNK
from tests.index_store.stores import NAME, add_all, exactly, found, ids_of, let_swap
from tests.index_store.vectors import near, new_image, unit_vectors

QUERIES = np.concatenate([unit_vectors(10, seed=1), near(unit_vectors(10, seed=0), 0.8)])
OLD, NEW = unit_vectors(300, seed=0), unit_vectors(120, seed=2)


@pytest.fixture
def mixed(store: ImageStore) -> tuple[ImageStore, list[str], np.ndarray]:
    """300 in a generation, 120 in the delta, a fifth of each deleted while they are searched."""
    ids = add_all(store, OLD, "old")
    store.rebuild(NAME)
    ids += add_all(store, NEW, "new")
    let_swap(store)
    for image_id in ids[::5]:
        store.delete(NAME, image_id)
    kept = [i for i in range(420) if i % 5]
    return store, [ids[i] for i in kept], np.concatenate([OLD, NEW])[kept]


def test_a_delta_alone_is_searched_exactly(store: ImageStore) -> None:
    ids = add_all(store, OLD)
    assert found(store, QUERIES) == exactly(QUERIES, ids, OLD)


def test_a_flat_generation_is_searched_exactly(store: ImageStore) -> None:
    ids = add_all(store, OLD)
    assert store.rebuild(NAME).kind == "flat-fp16"
    assert let_swap(store) is not None
    assert found(store, QUERIES) == exactly(QUERIES, ids, OLD)


def test_generation_and_delta_with_deletions_in_both_are_searched_exactly(mixed) -> None:
    store, ids, vectors = mixed
    let_swap(store)
    assert found(store, QUERIES) == exactly(QUERIES, ids, vectors)


def test_a_rebuild_changes_no_answer(mixed) -> None:
    store, _, _ = mixed
    before = found(store, QUERIES, top_k=50)
    store.rebuild(NAME)
    let_swap(store)
    assert found(store, QUERIES, top_k=50) == before


def test_reopening_changes_no_answer(mixed, open_store) -> None:
    store, _, _ = mixed
    assert found(open_store(), QUERIES) == found(store, QUERIES)


def test_single_queries_and_a_batch_agree(mixed) -> None:
    store, _, _ = mixed
    assert [found(store, query[None])[0] for query in QUERIES] == found(store, QUERIES)


def test_no_query_has_no_answer(mixed) -> None:
    store, _, _ = mixed
    assert store.search(NAME, np.empty((0, 64), np.float32), 10) == []


@pytest.mark.parametrize("rebuilt", [False, True])
def test_asking_for_more_than_there_is_gives_everything(store: ImageStore, rebuilt: bool) -> None:
    ids = add_all(store, OLD[:7])
    if rebuilt:
        store.rebuild(NAME)
        let_swap(store)
    assert found(store, QUERIES, top_k=1000) == exactly(QUERIES, ids, OLD[:7], 1000)


def test_more_pictures_than_one_read_takes_are_all_found(store: ImageStore, open_store) -> None:
    vectors = unit_vectors(CHUNK + 5, seed=3)
    add_all(store, vectors)
    assert ids_of(found(store, vectors[-2:], 1)) == [[str(CHUNK + 3)], [str(CHUNK + 4)]]
    assert store.rebuild(NAME).count == CHUNK + 5
    assert ids_of(found(open_store(), vectors[-2:], 1)) == [[str(CHUNK + 3)], [str(CHUNK + 4)]]


def test_an_empty_collection_answers_with_nothing(store: ImageStore) -> None:
    store.create_collection(NAME)
    assert found(store, QUERIES[:2]) == [[], []]


def test_an_empty_generation_answers_with_nothing_and_then_with_what_is_added(store: ImageStore) -> None:
    add_all(store, OLD[:1])
    store.delete(NAME, "0")
    assert store.rebuild(NAME).count == 0
    let_swap(store)
    assert found(store, QUERIES[:1]) == [[]]
    add_all(store, OLD[:1], "again")
    assert ids_of(found(store, QUERIES[:1])) == [["again0"]]


def test_an_unknown_collection_is_an_error(store: ImageStore) -> None:
    with pytest.raises(UnknownCollection, match="'nowhere'"):
        store.search("nowhere", QUERIES, 1)


def test_collections_do_not_see_each_other(store: ImageStore) -> None:
    add_all(store, OLD[:50], name="a")
    add_all(store, NEW[:50], name="b")
    store.rebuild("a")
    assert found(store, QUERIES, name="b") == exactly(QUERIES, [str(i) for i in range(50)], NEW[:50])


def test_scores_are_cosines_within_one(store: ImageStore) -> None:
    vector = OLD[:1]
    add_all(store, np.concatenate([vector, -vector]))
    assert found(store, vector) == [[("0", 1.0), ("1", -1.0)]]


@pytest.mark.parametrize("place", ["delta", "generation", "both"])
def test_identical_vectors_come_in_the_order_of_adding(store: ImageStore, place: str) -> None:
    """However many there are: also where more tie than an index proposes."""
    same = np.repeat(OLD[:1], 150, axis=0)
    ids = add_all(store, np.concatenate([NEW, same[:100]]))[120:]
    if place != "delta":
        store.rebuild(NAME)
        let_swap(store)
    ids += add_all(store, same[100:], "late") if place == "both" else []
    assert ids_of(found(store, near(OLD[:1], 0.7), 10)) == [ids[:10]]
    assert ids_of(found(store, near(OLD[:1], 0.7), 100)) == [ids[:100]]


def test_a_deleted_one_of_many_identical_gives_its_place_to_the_next(store: ImageStore) -> None:
    ids = add_all(store, np.repeat(OLD[:1], 100, axis=0))
    store.rebuild(NAME)
    for image_id in ids[:40]:
        store.delete(NAME, image_id)
    let_swap(store)
    assert ids_of(found(store, OLD[:1], 10)) == [ids[40:50]]


def test_a_crowd_of_deleted_neighbours_leaves_the_right_ones(mixed) -> None:
    store, ids, vectors = mixed
    query = QUERIES[:1]
    ranking = ids_of(exactly(query, ids, vectors, 100))[0]
    for image_id in ranking[:50]:
        store.delete(NAME, image_id)
    assert ids_of(found(store, query, 10)) == [ranking[50:60]]


def test_an_id_can_be_used_again_after_its_deletion(store: ImageStore) -> None:
    add_all(store, OLD[:3])
    store.rebuild(NAME)
    store.delete(NAME, "1")
    assert store.add(NAME, [new_image("1", NEW[0])])[0].status == "added"
    assert found(store, NEW[:1], 1) == [[("1", 1.0)]]
    assert ids_of(found(store, OLD[1:2], 5))[0].count("1") == 1


def test_deleting_twice_is_an_error(store: ImageStore) -> None:
    add_all(store, OLD[:1])
    store.delete(NAME, "0")
    with pytest.raises(UnknownImage):
        store.delete(NAME, "0")


def test_a_deleted_collection_comes_back_empty(store: ImageStore, tmp_path) -> None:
    add_all(store, OLD)
    store.rebuild(NAME)
    store.delete_collection(NAME)
    assert not list((tmp_path / "index").iterdir())
    add_all(store, NEW[:2], "new")
    assert ids_of(found(store, NEW[:1])) == [["new0", "new1"]]


def test_views_of_collections_deleted_elsewhere_are_let_go(store: ImageStore, open_store) -> None:
    for number in range(3):
        add_all(store, OLD[:2], name=f"c{number}")
        found(store, OLD[:1], name=f"c{number}")
    open_store().delete_collection("c1")
    store.create_collection("another")
    found(store, OLD[:1], name="another")
    assert set(store._views._views) == {store.collection(name).uid for name in ("c0", "c2", "another")}


def test_stats_follow_what_happens(mixed) -> None:
    store, ids, _ = mixed
    before = store.stats(store.collection(NAME))
    assert (before.images, before.indexed, before.pending) == (len(ids), 300, 120 + 84)
    store.rebuild(NAME)
    after = store.stats(store.collection(NAME))
    assert (after.images, after.indexed, after.pending) == (len(ids), len(ids), 0)
    assert after.generation != before.generation


def test_a_rebuild_without_changes_does_nothing(store: ImageStore) -> None:
    add_all(store, OLD)
    first = store.rebuild(NAME)
    second = store.rebuild(NAME)
    assert (first.changed, second.changed, second.generation) == (True, False, first.generation)


def test_records_come_back_as_they_were_given(store: ImageStore) -> None:
    store.add(NAME, [new_image("one", OLD[0], source="http://a/b", metadata={"é": [1, None]}, width=7)])
    record = store.search(NAME, OLD[:1], 1)[0][0].image
    assert record == store.image(NAME, "one") == store.images(NAME)[0]
    assert (record.source, record.metadata, record.width) == ("http://a/b", {"é": [1, None]}, 7)
    assert record.created_at.utcoffset().total_seconds() == 0


def test_changed_metadata_is_seen_by_searches(store: ImageStore) -> None:
    add_all(store, OLD[:1])
    store.rebuild(NAME)
    store.update_metadata(NAME, "0", {"a": 1})
    assert store.search(NAME, OLD[:1], 1)[0][0].image.metadata == {"a": 1}
