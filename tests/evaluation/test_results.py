"""Queries of several rows: a reference's score is that of the best of them."""

import numpy as np

from evaluation import measures
from evaluation.descriptors import Embedding
from evaluation.measures import micro_ap, rank
from evaluation.results import _best_of_rows


def test_scores_are_those_of_the_best_row():
    rng = np.random.default_rng(0)
    queries = [rng.normal(size=(count, 8)).astype(np.float32) for count in (1, 3, 1, 5)]
    references = rng.normal(size=(6, 8)).astype(np.float32)
    found = _best_of_rows(Embedding.__new__(Embedding), queries, references)
    assert np.allclose(found, [(rows @ references.T).max(axis=0) for rows in queries], atol=1e-6)


def test_more_rows_a_query_make_smaller_blocks_and_the_same_ranking(monkeypatch):
    scores = np.random.default_rng(1).normal(size=(30, 10)).astype(np.float32)
    pairs = np.array([(query, query % 10) for query in range(0, 30, 2)])
    monkeypatch.setattr(measures, "BLOCK", 100)
    asked: dict[int, list[int]] = {}

    def block(rows: slice, views: int) -> np.ndarray:
        asked.setdefault(views, []).append(rows.stop - rows.start)
        return scores[rows]

    found = {}
    for views in (1, 5):
        found[views] = rank(lambda rows, views=views: block(rows, views), pairs, 30, 10, views)
    assert (max(asked[1]), max(asked[5])) == (10, 2)
    assert micro_ap(found[1]) == micro_ap(found[5])
    assert (found[1].wrong_above == found[5].wrong_above).all()
