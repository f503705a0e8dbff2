"""Queries of several views: each stored picture has the best of its scores, wherever its vector stands."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index_store import ImageStore, NewImage, score_of
from index_store.scoring import close_pairs
from tests.index_store.stores import NAME, add_all, found, let_swap
from tests.index_store.vectors import near, new_image, unit_vectors

STORED = unit_vectors(900, seed=0)
IDS = [str(number) for number in range(len(STORED))]
LENGTHS = np.array([1, 0.95, 0.95, 0.9, 0.5], np.float32)


def several(seed: int, count: int = 5) -> np.ndarray:
    """Views (count, D) of a picture, the first of unit length, others shorter; all but the first near something."""
    targets = np.random.default_rng(seed).choice(len(STORED), count - 1, replace=False)
    views = np.concatenate([unit_vectors(1, seed), near(STORED[targets], 0.7, seed)])
    return views * LENGTHS[:count, None]


QUERIES = [several(seed, count) for seed, count in [(1, 5), (2, 2), (3, 3), (4, 1), (5, 5), (6, 4)]]


def best_of_all(views: np.ndarray, kept: list[int], top_k: int) -> list[tuple[str, float]]:
    """Every view with every stored vector, by hand."""
    vectors = STORED[kept].astype(np.float16).astype(np.float64)
    cosines = (vectors @ views.T.astype(np.float64)) / np.linalg.norm(vectors, axis=1, keepdims=True)
    scores = cosines.max(axis=1).clip(-1, 1).round(6)
    order = np.lexsort((kept, -scores))[:top_k]
    return [(str(kept[place]), float(scores[place])) for place in order]


def check(store: ImageStore, kept: list[int], top_k: int = 10) -> None:
    expected = [best_of_all(views, kept, top_k) for views in QUERIES]
    assert found(store, QUERIES, top_k) == expected
    assert [found(store, [views], top_k)[0] for views in QUERIES] == expected  # alone or together


def test_in_a_delta(store: ImageStore) -> None:
    add_all(store, STORED)
    check(store, list(range(900)))


def test_in_a_flat_generation(store: ImageStore) -> None:
    add_all(store, STORED)
    assert store.rebuild(NAME).kind == "flat-fp16"
    assert let_swap(store)
    check(store, list(range(900)))


def test_in_an_ivf_index_whose_lists_are_all_probed(open_store: Callable) -> None:
    store = open_store(exact_below=500, recall_target=1.0)
    add_all(store, STORED)
    report = store.rebuild(NAME)
    assert report.kind is not None and report.kind.startswith("ivf") and let_swap(store)
    assert report.nprobe == report.nlist
    check(store, list(range(900)))


@pytest.mark.parametrize("exact_below", [100_000, 300])
def test_in_a_generation_and_a_delta_with_deletions_in_both(open_store: Callable, exact_below: int) -> None:
    store = open_store(exact_below=exact_below, recall_target=1.0)
    add_all(store, STORED[:700])
    store.rebuild(NAME)
    for start in range(700, 900, 100):
        store.add(NAME, [_picture(number) for number in range(start, start + 100)])
    assert let_swap(store)
    first = [best_of_all(views, list(range(900)), 3) for views in QUERIES]
    gone = {int(image_id) for told in first for image_id, _ in told}
    for number in gone:
        store.delete(NAME, str(number))
    check(store, [number for number in range(900) if number not in gone])


def _picture(number: int) -> NewImage:
    return new_image(str(number), STORED[number])


def test_one_view_is_a_plain_query_and_more_never_lower_a_score(store: ImageStore) -> None:
    add_all(store, STORED)
    for views in QUERIES:
        plain = found(store, [views[0]], 900)
        assert found(store, [views[:1]], 900) == plain
        fuller = dict(found(store, [views], 900)[0])
        assert all(fuller[image_id] >= score for image_id, score in plain[0])


def test_a_shorter_view_counts_for_less(store: ImageStore) -> None:
    add_all(store, STORED[:20])
    views = np.stack([unit_vectors(1, 77)[0], 0.9 * STORED[3], 0.8 * STORED[4]])
    assert found(store, [views], 2) == [[("3", pytest.approx(0.9, abs=1e-4)), ("4", pytest.approx(0.8, abs=1e-4))]]


@pytest.mark.parametrize("rebuilt", [False, True])
def test_ties_between_views_stand_in_the_order_of_adding(store: ImageStore, rebuilt: bool) -> None:
    """Fifty of each of two vectors in turn, one view a vector."""
    add_all(store, np.concatenate([STORED[[0, 1]]] * 50))
    if rebuilt:
        store.rebuild(NAME)
        let_swap(store)
    for views in (STORED[[0, 1]], STORED[[1, 0]], STORED[[1, 0, 1]]):
        (told,) = found(store, [views], 30)
        assert [image_id for image_id, _ in told] == IDS[:30]
        assert {score for _, score in told} == {1.0}


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.integers(0, 10_000), st.integers(1, 6), st.floats(-0.5, 0.9))
def test_close_pairs_are_those_of_the_best_view(seed: int, views: int, least: float) -> None:
    stored = STORED[:200].astype(np.float16).astype(np.float32)
    queries = [several(seed, min(views, 5)), several(seed + 1, 2)]
    scores = [score_of(each, stored) for each in queries]
    expected = [[(row, score) for row, score in enumerate(each) if score >= least] for each in scores]
    assert close_pairs(queries, stored, least) == expected
