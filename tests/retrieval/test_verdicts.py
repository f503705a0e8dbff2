"""Verdicts: relations with their confidence, what people have said of stored pictures, and the outcome."""

from datetime import UTC, datetime

import pytest

from index_store import ImageRecord, Match, PictureFacts
from retrieval.verdicts import Judge, Verdict, outcome_of, respecting

QUERY = PictureFacts("query", "pixels", 40, 30, indeterminate=False)
NO, YES = "not_duplicates", "duplicates"


def image(seq, sha256="other", pixels_sha256="others", indeterminate=False):
    facts = {"sha256": sha256, "pixels_sha256": pixels_sha256, "indeterminate": indeterminate}
    plain = {"width": 40, "height": 30, "size": 12, "format": "PNG", "source": None, "metadata": {}}
    return ImageRecord(seq=seq, id=str(seq), created_at=datetime(2026, 1, 1, tzinfo=UTC), **facts, **plain)


def verdicts(*relations):
    """Best first; the seq of each picture is its place."""
    return [Verdict(Match(image(seq), 0.9 - 0.1 * seq), relation) for seq, relation in enumerate(relations)]


def respected(marks, *relations):
    return [verdict.relation for verdict in respecting(marks, verdicts(*relations))]


@pytest.mark.parametrize(
    ("stored", "score", "expected", "confidence"),
    [
        (image(1, sha256="query"), 0.1, "exact", 1.0),
        (image(1, pixels_sha256="pixels"), 0.99, "identical", 1.0),
        (image(1), 0.7, "near", 0.35),
        (image(1), 0.5, "near", 0.25),
        (image(1), 0.4, "similar", 0.2),
        (image(1, indeterminate=True), 1.0, "indeterminate", None),
        (image(1, indeterminate=True, sha256="query"), 0.0, "exact", 1.0),
    ],
)
def test_a_verdict_is_a_relation_and_how_sure_that_is(stored, score, expected, confidence):
    verdict = Judge(0.5, lambda score: score / 2).verdict(QUERY, Match(stored, score))
    assert (verdict.relation, verdict.confidence) == (expected, confidence)


def test_without_calibration_only_the_same_content_is_certain():
    judge = Judge(0.5)
    told = judge.verdicts(QUERY, [Match(image(1, sha256="query"), 1.0), Match(image(2), 0.9), Match(image(3), 0.1)])
    assert [(each.relation, each.confidence) for each in told] == [("exact", 1.0), ("near", None), ("similar", None)]


def test_without_marks_nothing_changes():
    given = verdicts("exact", "near", "similar")
    assert respecting({}, given) == given


@pytest.mark.parametrize(
    ("mark", "relations", "expected"),
    [
        (NO, ["exact", "near"], ["exact", "similar"]),
        (NO, ["near", "near"], ["near", "similar"]),
        (YES, ["near", "similar"], ["near", "near"]),
        (YES, ["exact", "similar"], ["exact", "near"]),
        (YES, ["exact", "indeterminate"], ["exact", "near"]),
        (YES, ["near", "near"], ["near", "near"]),
        (NO, ["near", "similar"], ["near", "similar"]),
        (NO, ["exact", "exact"], ["exact", "exact"]),  # what is the same is the same
        (NO, ["exact", "identical"], ["exact", "identical"]),
        (YES, ["similar", "similar"], ["similar", "similar"]),  # the query repeats neither
        (NO, ["similar", "near"], ["similar", "near"]),
        (YES, ["indeterminate", "similar"], ["indeterminate", "similar"]),
    ],
)
def test_what_was_said_of_a_better_match_holds_for_what_the_query_repeats(mark, relations, expected):
    assert respected({(0, 1): mark}, *relations) == expected


def test_marks_name_the_older_picture_first_whichever_scores_higher():
    told = list(reversed(verdicts("near", "near")))
    assert [each.relation for each in respecting({(0, 1): NO}, told)] == ["near", "similar"]


def test_of_several_better_matches_the_best_that_was_spoken_of_decides():
    assert respected({(0, 2): YES, (1, 2): NO}, "near", "near", "similar") == ["near", "near", "near"]
    assert respected({(0, 2): NO, (1, 2): YES}, "near", "near", "near") == ["near", "near", "similar"]


def test_what_is_overruled_decides_nothing_itself():
    """1 is no copy of 0, so what was said of 1 and 2 says nothing of the query."""
    assert respected({(0, 1): NO, (1, 2): NO}, "near", "near", "near") == ["near", "similar", "near"]


def test_what_is_marked_as_a_duplicate_counts_as_one_for_what_follows():
    assert respected({(0, 1): YES, (1, 2): NO}, "near", "similar", "near") == ["near", "near", "similar"]


def test_marks_of_other_pictures_say_nothing():
    assert respected({(7, 8): NO, (1, 9): YES}, "near", "near", "similar") == ["near", "near", "similar"]


def test_the_best_is_never_overruled_so_a_duplicate_stays_one():
    marks = {(a, b): NO for a in range(4) for b in range(a + 1, 4)}
    assert respected(marks, "near", "near", "near", "near") == ["near", "similar", "similar", "similar"]


@pytest.mark.parametrize(
    ("vague", "relations", "expected"),
    [
        (False, [], "new"),
        (True, [], "indeterminate"),
        (False, ["similar", "indeterminate"], "new"),
        (True, ["indeterminate"], "indeterminate"),
        (True, ["indeterminate", "exact"], "duplicate"),
        (False, ["similar", "near"], "duplicate"),
        (False, ["identical"], "duplicate"),
    ],
)
def test_the_outcome_is_a_duplicate_if_any_is_and_else_tells_what_is_new(vague, relations, expected):
    assert outcome_of(vague, verdicts(*relations)) == expected
