"""The one rule that tells the same bytes, the same pixels, copies and what is alike apart; or that nothing tells."""

from dataclasses import replace
from itertools import product

import pytest

from index_store import DUPLICATE, PictureFacts, relation
from index_store.relation import SAME_PIXELS

ONE = PictureFacts(sha256="a", pixels_sha256="p", width=40, height=30, indeterminate=False)
OTHER = replace(ONE, sha256="b", pixels_sha256="q")


@pytest.mark.parametrize("score", [-1.0, 0.0, 0.8, 1.0])
@pytest.mark.parametrize("vague", [False, True])
def test_the_same_bytes_are_exact_whatever_the_score(score, vague):
    assert relation(replace(ONE, indeterminate=vague), replace(OTHER, sha256="a"), score, 0.8) == "exact"


@pytest.mark.parametrize("score", [SAME_PIXELS, 1.0])
@pytest.mark.parametrize("vague", [False, True])
def test_the_same_pixels_are_identical_whatever_the_threshold(score, vague):
    assert relation(replace(ONE, indeterminate=vague), replace(OTHER, pixels_sha256="p"), score, 1.0) == "identical"


def test_pixels_are_of_a_size(score=1.0):
    assert relation(ONE, replace(OTHER, pixels_sha256="p", width=30, height=40), score, 0.8) == "near"


@pytest.mark.parametrize(
    ("score", "expected"), [(0.8, "near"), (1.0, "near"), (0.799999, "similar"), (-1.0, "similar")]
)
def test_a_copy_reaches_the_threshold(score, expected):
    assert relation(ONE, OTHER, score, 0.8) == expected


@pytest.mark.parametrize("score", [0.0, 0.9, 1.0])
def test_where_either_has_no_content_no_score_tells(score):
    vague = replace(OTHER, indeterminate=True)
    assert relation(ONE, vague, score, 0.8) == "indeterminate"
    assert relation(replace(ONE, indeterminate=True), vague, score, 0.8) == "indeterminate"


def test_it_is_symmetrical():
    facts = [PictureFacts(*each) for each in product("ab", "pq", (40, 30), (30,), (False, True))]
    for one, other, score in product(facts, facts, (0.5, 0.9)):
        assert relation(one, other, score, 0.8) == relation(other, one, score, 0.8)


@pytest.mark.parametrize(("width", "score"), [(41, 1.0), (40, 0.979)])
def test_pixels_are_hashed_only_where_size_and_score_agree(width, score):
    class Unhashed:
        sha256, height, indeterminate = "b", 30, False

        @property
        def pixels_sha256(self) -> str:
            raise AssertionError("hashed")

    Unhashed.width = width
    assert relation(ONE, Unhashed(), score, 0.8) == "near"


def test_what_is_alike_or_cannot_be_told_is_no_duplicate():
    assert sorted(DUPLICATE) == ["exact", "identical", "near"]
