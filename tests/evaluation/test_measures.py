"""The measures against plain loops over every pair and every threshold."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from evaluation import classes, measures
from evaluation.classes import average_precision, measure_classes, recall_at
from evaluation.measures import at_precision, curve, micro_ap, rank, recall_at_1


def ranked(scores, pairs):
    scores = np.asarray(scores, np.float32)
    return rank(lambda rows: scores[rows], np.asarray(pairs, np.int64), *scores.shape)


def thresholds(scores, pairs):
    """(score, recall, precision) for each score as threshold, the highest first; by counting."""
    right = {tuple(map(int, pair)) for pair in pairs}
    for threshold in sorted({float(score) for score in np.ravel(scores)}, reverse=True):
        taken = [(int(q), int(r)) for q, r in zip(*np.nonzero(scores >= np.float32(threshold)), strict=True)]
        hits = sum(pair in right for pair in taken)
        yield threshold, hits / len(right), hits / len(taken)


def average_precision_by_counting(scores, pairs):
    area, before = 0.0, 0.0
    for _, recall, precision in thresholds(scores, pairs):
        area, before = area + (recall - before) * precision, recall
    return area


@st.composite
def problems(draw):
    """Scores with many equal ones, as hashes have, and some right pairs."""
    queries, references = draw(st.integers(1, 7)), draw(st.integers(1, 6))
    values = draw(st.lists(st.integers(0, 5), min_size=queries * references, max_size=queries * references))
    scores = np.array(values, np.float32).reshape(queries, references) / np.float32(5)
    every = [(q, r) for q in range(queries) for r in range(references)]
    return scores, np.array(sorted(draw(st.sets(st.sampled_from(every), min_size=1))))


@given(problems())
def test_micro_average_precision_is_that_of_counting(problem):
    assert micro_ap(ranked(*problem)) == pytest.approx(average_precision_by_counting(*problem))


@given(problems(), st.sampled_from([0.25, 0.5, 0.9, 0.99, 1.0]))
def test_the_threshold_for_a_precision_is_the_one_with_most_recall(problem, wanted):
    scores, pairs = problem
    enough = [(recall, score) for score, recall, precision in thresholds(scores, pairs) if precision >= wanted]
    point = at_precision(ranked(scores, pairs), wanted)
    assert point.recall == pytest.approx(max((recall for recall, _ in enough), default=0.0))
    if point.threshold is not None and point.recall:
        assert (point.recall, point.threshold) in [(pytest.approx(recall), score) for recall, score in enough]


@given(problems(), st.randoms(use_true_random=False))
def test_recall_at_1_is_the_mean_over_orders_of_equal_scores(problem, random):
    scores, pairs = problem
    right = {tuple(pair) for pair in pairs.tolist()}
    expected = []
    for query in sorted({query for query, _ in right}):
        top = np.flatnonzero(scores[query] == scores[query].max())
        expected.append(np.mean([(query, int(r)) in right for r in top]))
    assert recall_at_1(ranked(scores, pairs), pairs) == pytest.approx(np.mean(expected))


@given(problems())
def test_blocks_do_not_show(problem):
    scores, pairs = problem
    whole = ranked(scores, pairs)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measures, "BLOCK", 1)
        parts = ranked(scores, pairs)
    for name, value in vars(whole).items():
        assert np.array_equal(value, getattr(parts, name)), name


@given(problems())
def test_the_curve_holds_every_threshold(problem):
    scores, pairs = problem
    points = list(zip(*curve(ranked(scores, pairs)), strict=True))
    counted = {recall: precision for _, recall, precision in reversed(list(thresholds(scores, pairs)))}  # the highest
    assert points == [(pytest.approx(recall), pytest.approx(counted[recall])) for recall in sorted(counted) if recall]


def test_the_best_wrong_reference_of_each_query():
    ranking = ranked([[0.9, 0.5, 0.4], [0.1, 0.2, 0.3]], [(0, 0)])
    assert ranking.best_wrong.tolist() == pytest.approx([0.5, 0.3])
    assert ranking.best_wrong_at.tolist() == [1, 2]


def test_equal_scores_do_not_flatter():
    """Where a hash gives every pair one score, precision is that of taking all of them."""
    ranking = ranked(np.ones((4, 4)), [(n, n) for n in range(4)])
    assert micro_ap(ranking) == pytest.approx(1 / 4)
    assert at_precision(ranking, 0.9) == measures.Point(0.0, None)


def test_a_perfect_ranking_is_perfect_and_strangers_lower_it():
    pairs = [(n, n) for n in range(4)]
    assert micro_ap(ranked(np.eye(4), pairs)) == 1
    assert at_precision(ranked(np.eye(4), pairs), 0.99) == measures.Point(1.0, 1.0)
    assert micro_ap(ranked(np.vstack([np.eye(4), np.ones(4)]), pairs)) == pytest.approx(0.5)


@st.composite
def labelled(draw):
    count = draw(st.integers(3, 8))
    values = draw(st.lists(st.integers(0, 4), min_size=count * count, max_size=count * count))
    labels = draw(st.lists(st.sampled_from("abc"), min_size=count - 1, max_size=count - 1))
    return np.array(values, np.float32).reshape(count, count), [*labels, labels[0]]


@given(labelled())
def test_mean_average_precision_is_that_of_counting_without_the_query(problem):
    scores, labels = problem
    expected = []
    for query, label in enumerate(labels):
        others = [n for n in range(len(labels)) if n != query]
        right = [(0, place) for place, n in enumerate(others) if labels[n] == label]
        if right:
            expected.append(average_precision_by_counting(scores[query : query + 1, others], right))
    found = measure_classes(lambda rows: scores[rows], labels)
    assert found.queries == len(expected)
    assert found.mean_ap == pytest.approx(np.mean(expected))


@given(labelled())
@hypothesis_settings(max_examples=20)
def test_blocks_of_classes_do_not_show(problem):
    scores, labels = problem
    whole = measure_classes(lambda rows: scores[rows], labels)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(classes, "BLOCK", 1)
        assert measure_classes(lambda rows: scores[rows], labels) == whole


@hypothesis_settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 2), st.booleans()), min_size=1, max_size=6), st.integers(1, 7))
def test_recall_at_k_is_the_mean_over_orders_of_equal_scores(rows, k):
    rows = [*rows, (1, True)]
    scores, right = np.array([s for s, _ in rows], np.float32), np.array([r for _, r in rows])
    rng, hits = np.random.default_rng(0), []
    for _ in range(2000):
        order = np.lexsort((rng.random(len(rows)), -scores))
        hits.append(right[order[:k]].any())
    assert recall_at(scores, right, k) == pytest.approx(np.mean(hits), abs=0.06)


def test_average_precision_of_a_known_ranking():
    """Right at ranks 1 and 3 of four: (1/1 + 2/3) / 2."""
    assert average_precision(
        np.array([0.9, 0.8, 0.7, 0.6], np.float32), np.array([True, False, True, False])
    ) == pytest.approx((1 + 2 / 3) / 2)
