"""IVF: trained when needed, probed as far as the recall target asks, and never by surprise."""

import json
from collections.abc import Callable
from pathlib import Path

import faiss
import numpy as np
import pytest

from index_store import ImageStore, IndexSettings
from index_store.training import train_ivf, training_sample_size, tune_nprobe
from tests.index_store.stores import NAME, add_all, current_folder, exactly, found, ids_of, let_swap, recall
from tests.index_store.vectors import near, unit_vectors

VECTORS = unit_vectors(3000, seed=0)
QUERIES = near(VECTORS[:100], 0.7)
IDS = [str(number) for number in range(3000)]


@pytest.fixture
def ivf(open_store: Callable[..., ImageStore]) -> ImageStore:
    store = open_store(exact_below=500, recall_target=0.9)
    add_all(store, VECTORS)
    assert store.rebuild(NAME).kind == "ivf-sq8"
    let_swap(store)
    return store


@pytest.fixture
def thorough(open_store: Callable[..., ImageStore]) -> ImageStore:
    """Probes every list."""
    store = open_store(exact_below=500, recall_target=1.0)
    add_all(store, VECTORS)
    report = store.rebuild(NAME)
    assert report.nprobe == report.nlist
    let_swap(store)
    return store


def test_sources_are_found_within_the_recall_target(ivf: ImageStore) -> None:
    sources = [result[0] for result in ids_of(found(ivf, QUERIES, 1))]
    assert np.mean([got == want for got, want in zip(sources, IDS, strict=False)]) >= 0.9 - 0.05


def test_fewer_lists_than_all_suffice(ivf: ImageStore, tmp_path: Path) -> None:
    manifest = json.loads((current_folder(tmp_path) / "manifest.json").read_text())
    assert 1 <= manifest["nprobe"] < manifest["nlist"]


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


def test_training_is_kept_until_outgrown(open_store: Callable, tmp_path: Path) -> None:
    store = open_store(exact_below=300)
    trained = []
    for start, stop in [(0, 400), (400, 790), (790, 1300), (1300, 1500)]:
        add_all(store, VECTORS[start:stop], f"from{start}-")
        trained.append(store.rebuild(NAME).trained)
    assert trained == [True, False, True, False]
    assert json.loads((current_folder(tmp_path) / "manifest.json").read_text())["trained_on"] == 1300


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


def test_a_shrunken_collection_becomes_exact_again(open_store: Callable) -> None:
    store = open_store(exact_below=300)
    add_all(store, VECTORS[:310])
    kinds = [store.rebuild(NAME).kind]
    for image_id in IDS[:20]:
        store.delete(NAME, image_id)
    kinds.append(store.rebuild(NAME).kind)
    assert kinds == ["ivf-sq8", "flat-fp16"]


@pytest.mark.parametrize("count", [1, 2, 38, 39, 100, 700, 3000])
def test_faiss_never_warns_of_too_few_training_points(open_store: Callable, capfd, count: int) -> None:
    store = open_store(exact_below=0)
    add_all(store, VECTORS[:count])
    store.rebuild(NAME)
    let_swap(store)
    results = found(store, VECTORS[:1], 1)
    assert results == [[("0", 1.0)]]
    assert "WARNING" not in "".join(capfd.readouterr())


@pytest.mark.parametrize("target", [0.5, 0.9, 0.99])
def test_the_tuned_nprobe_reaches_the_target_on_queries_it_has_not_seen(target: float) -> None:
    index = train_ivf(VECTORS[: training_sample_size(3000)], 3000).index
    index.add(VECTORS)
    settings = IndexSettings(exact_below=0, recall_target=target, rerank=100)
    nprobe = tune_nprobe(index, VECTORS.astype(np.float16), settings)
    unseen = near(VECTORS[1000:2000], 0.6, seed=77)
    places = index.search(unseen, 100, params=faiss.SearchParametersIVF(nprobe=nprobe))[1]
    assert (places == np.arange(1000, 2000)[:, None]).any(axis=1).mean() >= target - 0.05


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
