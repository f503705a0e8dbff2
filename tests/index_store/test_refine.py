"""The formulas of refinement, against plain loops, and what has to hold between them."""

import numpy as np
import pytest

from index_store import Reciprocal
from index_store.refine import augmented, expanded, k_reciprocal
from tests.index_store import refine_oracle as oracle
from tests.index_store.vectors import DIM, near, unit_vectors

QUERY = unit_vectors(1, seed=1)[0]
CLOSE = near(np.repeat(QUERY[None], 8, axis=0), 0.7)
CLUSTERS = np.concatenate([near(np.repeat(unit_vectors(1, seed=s), 6, axis=0), 0.8, seed=s + 50) for s in range(5)])
NOBODY = np.empty((0, DIM), np.float32)


def cosines(vectors: np.ndarray, query: np.ndarray = QUERY) -> np.ndarray:
    return np.array([oracle.cosine(query, vector) for vector in vectors])


@pytest.mark.parametrize("alpha", [0.5, 1.0, 3.0, 10.0])
@pytest.mark.parametrize("vectors", [CLOSE, unit_vectors(8, seed=5)], ids=["close", "some opposite"])
def test_alpha_expansion_is_the_weighted_mean(alpha: float, vectors: np.ndarray) -> None:
    found = expanded(QUERY, vectors, cosines(vectors), alpha)
    assert np.allclose(found, oracle.expand(QUERY, list(vectors), 8, alpha), atol=1e-5)
    assert found.dtype == np.float32


@pytest.mark.parametrize("vectors", [CLOSE, -CLOSE[:1], unit_vectors(8, seed=5)], ids=["close", "opposite", "random"])
def test_alpha_nought_is_the_average(vectors: np.ndarray) -> None:
    found = expanded(QUERY, vectors, cosines(vectors), 0.0)
    assert np.allclose(found, oracle.expand(QUERY, list(vectors), 8, None), atol=1e-6)


def test_a_large_alpha_leaves_the_query() -> None:
    assert np.allclose(expanded(QUERY, CLOSE, cosines(CLOSE), 100.0), QUERY, atol=1e-6)


def test_lengths_do_not_matter() -> None:
    whole = expanded(QUERY, CLOSE, cosines(CLOSE), 3.0)
    assert np.allclose(expanded(3 * QUERY, 0.5 * CLOSE, cosines(CLOSE), 3.0), whole, atol=1e-6)
    assert np.allclose(augmented(5 * CLOSE, [CLOSE] * 8), augmented(CLOSE, [2 * CLOSE] * 8), atol=1e-6)


@pytest.mark.parametrize("alpha", [0.0, 3.0])
@pytest.mark.parametrize("vectors", [NOBODY, -QUERY[None], np.zeros((2, DIM), np.float32)], ids=["none", "-q", "0"])
def test_where_nothing_is_to_be_gained_the_query_stays(alpha: float, vectors: np.ndarray) -> None:
    assert np.allclose(expanded(QUERY, vectors, cosines(vectors), alpha), QUERY, atol=1e-6)


def test_expansion_only_with_opposite_pictures_leaves_the_query() -> None:
    assert np.allclose(expanded(QUERY, -CLOSE, cosines(-CLOSE), 3.0), QUERY, atol=1e-6)


def test_augmentation_is_the_mean_weighted_by_rank() -> None:
    vectors = list(CLUSTERS)
    near_each = [np.stack([vectors[o] for o in oracle.order(v, vectors, p)[:4]]) for p, v in enumerate(vectors)]
    expected = [oracle.augment(place, vectors, 4) for place in range(len(vectors))]
    assert np.allclose(augmented(CLUSTERS, near_each), expected, atol=1e-5)


def test_augmentation_without_neighbours_changes_nothing() -> None:
    assert np.allclose(augmented(CLUSTERS, [NOBODY] * len(CLUSTERS)), CLUSTERS, atol=1e-6)


@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
@pytest.mark.parametrize(("k1", "k2"), [(20, 6), (6, 3), (5, 1), (1, 1), (3, 3), (100, 40)])
@pytest.mark.parametrize("repeated", [0, 7], ids=["", "some identical"])
def test_re_ranking_is_what_the_paper_says(k1: int, k2: int, weight: float, repeated: int) -> None:
    vectors = np.concatenate([CLUSTERS, np.repeat(CLUSTERS[3:4], repeated, axis=0)])
    query = near(CLUSTERS[:1], 0.6)[0]
    k2 = min(k2, len(vectors) + 1)
    expected = oracle.rerank(query, list(vectors), k1, k2, weight)
    assert k_reciprocal(query, vectors, Reciprocal(k1, k2, weight)) == pytest.approx(expected, abs=2e-6)


def test_lambda_one_is_the_cosine() -> None:
    found = k_reciprocal(QUERY, CLUSTERS, Reciprocal(weight=1.0))
    assert found == pytest.approx(cosines(CLUSTERS), abs=2e-6)


def test_re_ranking_prefers_whom_the_neighbours_prefer() -> None:
    """Two pictures at the same cosine: one among the query's neighbours, one alone."""
    crowd = near(np.repeat(QUERY[None], 6, axis=0), 0.8)
    centre = crowd.sum(axis=0)
    among = near((centre / np.linalg.norm(centre))[None], 0.9, seed=3)
    alone = near(QUERY[None], oracle.cosine(QUERY, among[0]), seed=4)
    found = k_reciprocal(QUERY, np.concatenate([crowd, among, alone]), Reciprocal(6, 2, 0.3))
    assert found[6] > found[7] + 0.1


@pytest.mark.parametrize("vectors", [NOBODY, QUERY[None], -QUERY[None], np.zeros((3, DIM), np.float32)])
def test_nothing_gives_nan(vectors: np.ndarray) -> None:
    for query in (QUERY, np.zeros_like(QUERY)):
        found = k_reciprocal(query, vectors, Reciprocal())
        assert found.shape == (len(vectors),)
        assert np.isfinite(found).all()
        assert np.isfinite(expanded(query, vectors, cosines(vectors, query), 3.0)).all()
        assert np.isfinite(augmented(vectors, [vectors] * len(vectors))).all()
