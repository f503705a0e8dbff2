"""Scores -> precision: what is promised holds for scores not seen before; who has seen little promises little."""

import json

import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression

from retrieval.calibration import TARGETS, BadCalibration, Calibration, Evidence, MarkedPair, calibrated

QUERIES = 20_000


def evidence(seed: int, queries: int = QUERIES) -> Evidence:
    """Copies about 0.6; each query finds three wrong pictures about 0.2. The two overlap."""
    random = np.random.default_rng(seed)
    copies = random.normal(0.6, 0.2, queries).clip(-1, 1)
    return Evidence(copies, random.normal(0.2, 0.08, 3 * queries).clip(-1, 1), queries, references=500)


def made(seen: Evidence, prior: float = 0.5) -> Calibration:
    return calibrated(seen, "model/preprocess/head/transform/engine", "fast", 1, prior)


def precision(seen: Evidence, score: float, prior: float = 0.5) -> float:
    """By its definition, counted."""
    right = prior * float((seen.copies >= score).mean())
    return right / (right + float((seen.wrong >= score).sum()) / seen.queries)


@pytest.mark.parametrize(("target", "within"), [(0.9, 0.01), (0.99, 0.003), (0.999, 0.0011)])
@pytest.mark.parametrize("prior", [0.5, 0.1])
def test_precision_on_scores_not_seen_before_is_what_was_promised(target, within, prior):
    calibration = made(evidence(seed=0), prior)
    threshold = calibration.threshold(target)
    measured = precision(evidence(seed=1), threshold, prior)
    assert measured == pytest.approx(target, abs=within)
    assert calibration.confidence(threshold) >= target
    assert calibration.confidence(threshold - 0.01) < target


def test_the_knots_are_those_of_isotonic_regression():
    seen = evidence(seed=0, queries=300)
    scores = np.concatenate([seen.copies, seen.wrong, [1.1]])  # the last stands for the wrong match that was not seen
    is_copy = np.repeat([1.0, 0.0], [len(seen.copies), len(seen.wrong) + 1])
    weights = np.where(is_copy == 1, 0.5 / len(seen.copies), 1 / seen.queries)
    local = IsotonicRegression().fit(scores, is_copy, sample_weight=weights).predict(scores)
    for score, share in made(seen).knots:
        above = scores >= score
        assert share == pytest.approx(np.average(local[above], weights=weights[above]), abs=1e-9)


def test_a_higher_score_is_never_worth_less():
    calibration = made(evidence(seed=2, queries=200))
    worth = [calibration.confidence(score) for score in np.linspace(-1, 1, 2001)]
    assert worth == sorted(worth)
    assert worth[0] == 0
    thresholds = [calibration.threshold(target) for target in (0.5, 0.8, 0.9, 0.95)]
    assert thresholds == sorted(thresholds)


def test_the_edge_between_equal_scores_is_not_drawn_where_it_would_flatter():
    seen = Evidence(np.full(1000, 0.5), np.full(500, 0.5), 1000, references=10)
    calibration = made(seen)
    assert calibration.confidence(0.5) == pytest.approx(0.5, abs=0.001)
    assert calibration.threshold(0.6) is None


@pytest.mark.parametrize(("queries", "reached"), [(50, [0.9]), (500, [0.9, 0.99]), (5000, [0.9, 0.99, 0.999])])
def test_without_a_single_wrong_match_only_so_much_can_be_said(queries, reached):
    calibration = made(Evidence(np.full(queries, 0.8), np.empty(0), queries, references=10))
    assert [target for target in TARGETS if calibration.threshold(target) is not None] == reached
    assert calibration.confidence(1) == pytest.approx(0.5 / (0.5 + 1 / queries))


def test_the_rarer_copies_are_the_less_a_score_is_worth():
    often, seldom = made(evidence(0), prior=0.5), made(evidence(0), prior=0.01)
    assert often.confidence(0.45) > seldom.confidence(0.45)
    assert often.threshold(0.9) < seldom.threshold(0.9)


def test_ten_times_the_pictures_are_ten_times_the_wrong_matches():
    calibration = made(evidence(0))
    threshold = calibration.among(5000).threshold(0.9)
    right, wrong = 0.5 * (evidence(1).copies >= threshold).mean(), (evidence(1).wrong >= threshold).sum() / QUERIES
    assert right / (right + 10 * wrong) == pytest.approx(0.9, abs=0.02)
    assert calibration.among(400) == calibration


def test_marked_pairs_count_like_any_other_query():
    seen = Evidence(np.array([0.5, 0.7]), np.array([0.2]), 2, references=10)
    marked = [MarkedPair(("a", "b"), 0.9, is_duplicate=False), MarkedPair(("a", "c"), 0.6, is_duplicate=True)]
    more = seen.with_marked(marked)
    assert (more.copies.tolist(), more.wrong.tolist(), more.queries) == ([0.5, 0.7, 0.6], [0.2, 0.9], 3)
    before, after = evidence(0), evidence(0).with_marked(marked[:1] * 100)
    assert made(before).confidence(1) > 0.9995
    assert made(after).confidence(1) < 0.999


def test_json_there_and_back():
    calibration = made(evidence(0))
    data = json.loads(json.dumps(calibration.as_json()))
    assert Calibration.from_json(data) == calibration
    assert data["thresholds"]["0.99"] == calibration.threshold(0.99)


@pytest.mark.parametrize("damage", [{"version": 2}, {"knots": [[1]]}, {"created_at": "soon"}, {"more": 1}])
def test_what_is_no_calibration_is_refused(damage):
    with pytest.raises(BadCalibration):
        Calibration.from_json(made(evidence(0, 100)).as_json() | damage)
