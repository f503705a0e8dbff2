"""Codes in lists: trained when needed, looked at as far as the recall target asks, and never by surprise."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from index_store import ImageStore
from index_store.training import (
    FEWEST,
    FLAT,
    IVF,
    ONE_LIST,
    RERANKED,
    Lists,
    train_ivf,
    training_sample_size,
    tune,
)
from tests.index_store.stores import NAME, add_all, current_folder, exactly, found, ids_of, let_swap, recall
from tests.index_store.vectors import near, unit_vectors

VECTORS = unit_vectors(3000, seed=0)
QUERIES = near(VECTORS[:100], 0.7)
IDS = [str(number) for number in range(3000)]


@pytest.fixture(autouse=True, params=[ONE_LIST, 0], ids=["one list", "many lists"])
def one_list(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Up to how many vectors are in one list."""
    monkeypatch.setattr("index_store.training.ONE_LIST", request.param)
    monkeypatch.setattr("index_store.training.PER_LIST", 40)
    most: int = request.param
    return most


@pytest.fixture
def ivf(open_store: Callable[..., ImageStore]) -> ImageStore:
    store = open_store(exact_below=500, recall_target=0.9)
    add_all(store, VECTORS)
    assert store.rebuild(NAME).kind == IVF
    let_swap(store)
    return store


@pytest.fixture
def thorough(open_store: Callable[..., ImageStore]) -> ImageStore:
    """Looks at everything."""
    store = open_store(exact_below=500, recall_target=1.0)
    add_all(store, VECTORS)
    report = store.rebuild(NAME)
    assert report.nprobe == report.nlist
    let_swap(store)
    return store


def test_sources_are_found_within_the_recall_target(ivf: ImageStore) -> None:
    sources = [result[0] for result in ids_of(found(ivf, QUERIES, 1))]
    assert np.mean([got == want for got, want in zip(sources, IDS, strict=False)]) >= 0.9 - 0.05


def test_fewer_lists_than_all_suffice_if_there_are_many(ivf: ImageStore, one_list: int, tmp_path: Path) -> None:
    manifest = json.loads((current_folder(tmp_path) / "manifest.json").read_text())
    assert 1 <= manifest["nprobe"] <= manifest["nlist"]
    assert (manifest["nprobe"] < manifest["nlist"]) == (manifest["nlist"] > 1) == (one_list == 0)
    assert 1 <= manifest["rerank"] < manifest["count"] == 3000
    assert 0.9 <= manifest["recall"] <= 1


def test_the_index_takes_a_fraction_of_the_vectors(ivf: ImageStore, tmp_path: Path) -> None:
    codes, vectors = ((current_folder(tmp_path) / name).stat().st_size for name in ("index.faiss", "vectors.f16"))
    assert vectors == 2 * VECTORS.size
    assert codes < vectors / 2  # with lists of a dozen; of many the share is smaller


def test_scores_do_not_depend_on_the_kind_of_index(ivf: ImageStore) -> None:
    exact = {pair for result in exactly(QUERIES, IDS, VECTORS, 100) for pair in result}
    assert {result[0] for result in found(ivf, QUERIES, 1)} <= exact


def test_probing_every_list_ranks_as_exact_search_does(thorough: ImageStore) -> None:
    assert found(thorough, QUERIES) == exactly(QUERIES, IDS, VECTORS)


def test_deleted_and_new_pictures_count_beside_an_ivf_index_too(thorough: ImageStore) -> None:
    for image_id in IDS[:50]:
        thorough.delete(NAME, image_id)
    add_all(thorough, VECTORS[:25], "again")
    ids, vectors = IDS[50:] + [f"again{i}" for i in range(25)], np.concatenate([VECTORS[50:], VECTORS[:25]])
    assert found(thorough, QUERIES) == exactly(QUERIES, ids, vectors)


def test_identical_vectors_in_an_ivf_index_come_in_the_order_of_adding(open_store: Callable) -> None:
    store = open_store(exact_below=500)
    ids = add_all(store, np.concatenate([VECTORS[1:800], np.repeat(VECTORS[:1], 300, axis=0)]))[799:]
    store.rebuild(NAME)
    let_swap(store)
    assert ids_of(found(store, VECTORS[:1], 10)) == [ids[:10]]


def test_what_has_outgrown_one_list_gets_many(open_store: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("index_store.training.ONE_LIST", 1000)
    store = open_store(exact_below=300)
    reports = []
    for start, stop in [(0, 900), (900, 1000), (1000, 1100)]:
        add_all(store, VECTORS[start:stop], f"from{start}-")
        reports.append(store.rebuild(NAME))
    assert [report.trained for report in reports] == [True, False, True]
    assert [report.nlist for report in reports] == [1, 1, 28]  # of some 40 vectors each


def test_training_is_kept_until_outgrown(open_store: Callable, tmp_path: Path) -> None:
    store = open_store(exact_below=300)
    trained = []
    for start, stop in [(0, 700), (700, 1390), (1390, 2000), (2000, 3000)]:
        add_all(store, VECTORS[start:stop], f"from{start}-")
        trained.append(store.rebuild(NAME).trained)
    assert trained == [True, False, True, False]
    assert json.loads((current_folder(tmp_path) / "manifest.json").read_text())["trained_on"] == 2000


def test_a_reused_training_answers_as_well_as_a_new_one(open_store: Callable) -> None:
    store = open_store(exact_below=300, recall_target=1.0)
    add_all(store, VECTORS[:1600], "a")
    store.rebuild(NAME)
    add_all(store, VECTORS[1600:], "b")
    report = store.rebuild(NAME)
    let_swap(store)
    ids = [f"a{i}" for i in range(1600)] + [f"b{i}" for i in range(1400)]
    assert (report.trained, report.count) == (False, 3000)
    assert found(store, QUERIES) == exactly(QUERIES, ids, VECTORS)


@pytest.mark.parametrize("kept", [0, 1500])
def test_a_training_that_other_pictures_have_outdated_is_not_kept(open_store: Callable, kept: int) -> None:
    """Vectors that vary along other axes get other codes, however many they are."""
    flat = np.float32([1] * 32 + [0.05] * 32)
    early, late = (unit_vectors(1600, seed=seed) * scale for seed, scale in ((20, flat), (21, flat[::-1])))
    early, late = (each / np.linalg.norm(each, axis=1, keepdims=True) for each in (early, late))
    store = open_store(exact_below=500, recall_target=0.95)
    ids = add_all(store, early, "early")
    first = store.rebuild(NAME)
    for image_id in ids[kept:]:
        store.delete(NAME, image_id)
    add_all(store, late, "late")
    second = store.rebuild(NAME)
    assert (first.trained, second.trained) == (True, True)
    let_swap(store)
    queries = near(late[:200], 0.6)
    assert np.mean([result[0] == f"late{n}" for n, result in enumerate(ids_of(found(store, queries, 1)))]) >= 0.9


def test_one_query_is_searched_as_many_are(thorough: ImageStore) -> None:
    generation = thorough.moment(NAME).snapshot.generation
    assert generation is not None
    together = generation.search(QUERIES, 10)
    assert [set(generation.search(query[None], 10)[0]) for query in QUERIES] == [set(row) for row in together]


def test_a_shrunken_collection_becomes_exact_again(open_store: Callable) -> None:
    store = open_store(exact_below=FEWEST)
    add_all(store, VECTORS[: FEWEST + 10])
    kinds = [store.rebuild(NAME).kind]
    for image_id in IDS[:20]:
        store.delete(NAME, image_id)
    kinds.append(store.rebuild(NAME).kind)
    assert kinds == [IVF, FLAT]


@pytest.mark.parametrize("count", [1, 2, 40, FEWEST, FEWEST + 1, 3000])
def test_faiss_never_warns_of_too_few_training_points(open_store: Callable, capfd, count: int) -> None:
    store = open_store(exact_below=0)
    add_all(store, VECTORS[:count])
    store.rebuild(NAME)
    let_swap(store)
    results = found(store, VECTORS[:1], 1)
    assert results == [[("0", 1.0)]]
    assert "WARNING" not in "".join(capfd.readouterr())


@pytest.mark.parametrize("target", [0.5, 0.9, 0.99])
def test_what_was_tuned_reaches_the_target_on_queries_it_has_not_seen(target: float) -> None:
    index = train_ivf(VECTORS[: training_sample_size(3000)], 3000).index
    index.add(VECTORS)
    effort = tune(index, VECTORS.astype(np.float16), target)
    assert effort.recall >= target
    hits = []
    for cosine in np.linspace(0.42, 0.93, 12):
        unseen = near(VECTORS[1000:2000], cosine, seed=77)
        places = Lists(index).search(unseen, effort.rerank, effort.nprobe)
        hits.append((places == np.arange(1000, 2000)[:, None]).any(axis=1).mean())
    assert np.mean(hits) >= target - 0.03


@pytest.mark.parametrize("dim", [50, 100, 700])
def test_codes_of_vectors_of_any_length_know_what_is_near(dim: int) -> None:
    vectors = unit_vectors(2000, seed=1, dim=dim)
    index = train_ivf(vectors, len(vectors)).index
    index.add(vectors)
    lists = Lists(index)
    places = lists.search(near(vectors[:500], 0.95), min(RERANKED), lists.count)
    assert (places == np.arange(500)[:, None]).any(axis=1).mean() >= 0.99


def test_a_twin_is_as_good_as_the_source() -> None:
    """Of thousands of equal pictures nobody can tell which one a query was made of."""
    twins = np.repeat(VECTORS[:8], 1000, axis=0)
    index = train_ivf(VECTORS, len(twins)).index
    index.add(twins)
    assert tune(index, twins.astype(np.float16), 0.8).rerank == min(RERANKED)


def test_recall_of_all_ten_nearest_stays_high_where_pictures_cluster(open_store: Callable) -> None:
    """Real collections are series of alike pictures, not random directions."""
    centres = unit_vectors(60, seed=5)
    vectors = np.concatenate([near(centres, 0.9, seed=10 + i) for i in range(30)])
    store = open_store(exact_below=500)
    ids = add_all(store, vectors)
    store.rebuild(NAME)
    let_swap(store)
    queries = near(vectors[:60], 0.95, seed=99)
    assert recall(found(store, queries), exactly(queries, ids, vectors)) >= 0.95
