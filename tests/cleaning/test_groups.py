"""Pairs and groups, beside brute force and the rules that they must keep."""

from collections.abc import Sequence, Set
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from cleaning import nearness
from cleaning.evidence import Rule
from cleaning.held_pairs import HeldPairs
from cleaning.nearness import Pairs, close_pairs
from cleaning.stars import Graph, Star, of_one_keeper, stars
from cleaning.support import with_supported
from index_store.scoring import pair_cosines


def clustered(count: int, seed: int = 0) -> NDArray[np.float16]:
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(count // 4 + 1, 32))
    vectors = centres[rng.integers(len(centres), size=count)] + 0.6 * rng.normal(size=(count, 32))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)


def brute(vectors: NDArray[np.float16], least: float) -> dict[tuple[int, int], float]:
    found = {}
    for one in range(len(vectors)):
        scores = pair_cosines(vectors[one][None], vectors[one + 1 :])
        found |= {(one, one + 1 + k): float(scores[k]) for k in np.flatnonzero(scores >= least)}
    return found


def as_dict(pairs: Pairs) -> dict[tuple[int, int], float]:
    keys = [(min(pair), max(pair)) for pair in zip(pairs.left.tolist(), pairs.right.tolist(), strict=True)]
    assert len(set(keys)) == len(keys)
    return dict(zip(keys, pairs.scores.tolist(), strict=True))


def all_pairs(vectors: NDArray[np.float16], fresh: NDArray[np.bool_], least: float) -> Pairs:
    return Pairs.joined([pairs for _, pairs in close_pairs(vectors, fresh, least)])


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearness, "ROWS", 7)
    monkeypatch.setattr(nearness, "COLUMNS", 11)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("count", [0, 1, 2, 7, 11, 100])
def test_pairs_are_those_of_brute_force(count: int) -> None:
    vectors = clustered(count)
    assert as_dict(all_pairs(vectors, np.ones(count, np.bool_), 0.5)) == brute(vectors, 0.5)


@pytest.mark.usefixtures("small_blocks")
def test_new_ones_are_compared_with_all_and_old_ones_are_not() -> None:
    vectors = clustered(100)
    fresh = np.random.default_rng(1).uniform(size=100) < 0.2
    wanted = {pair: score for pair, score in brute(vectors, 0.5).items() if fresh[list(pair)].any()}
    assert as_dict(all_pairs(vectors, fresh, 0.5)) == wanted


def test_what_is_all_alike_does_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearness, "MOST", 5)
    pairs = all_pairs(np.ones((50, 4), np.float16), np.ones(50, np.bool_), 0.5)
    assert np.bincount(pairs.left).max() == 5


def test_held_pairs_and_new_ones_are_those_of_a_fresh_start(tmp_path: Path) -> None:
    vectors = clustered(60)
    hashes = [f"{number * 7 % 60:064x}" for number in range(60)]
    held = HeldPairs(tmp_path, "question")
    before = [place for place in range(60) if place % 3]
    held.save([hashes[place] for place in before], all_pairs(vectors[before], np.ones(40, np.bool_), 0.5))
    now = list(range(10, 60))
    known, fresh = held.load([hashes[place] for place in now])
    assert fresh.tolist() == [place % 3 == 0 for place in now]
    joined = Pairs.joined([known, all_pairs(vectors[now], fresh, 0.5)])
    assert as_dict(joined) == brute(vectors[now], 0.5)


@pytest.mark.parametrize("content", [b"", b"nonsense", b"PK\x03\x04 half an archive"])
def test_damaged_held_pairs_are_found_anew(tmp_path: Path, content: bytes) -> None:
    held = HeldPairs(tmp_path, "question")
    held.path.write_bytes(content)
    pairs, fresh = held.load(["0" * 64])
    assert len(pairs) == 0
    assert fresh.all()


def graph(count: int, *pairs: tuple[int, int, float]) -> Graph:
    left, right, scores = zip(*pairs, strict=True)
    return Graph(count, Pairs(np.array(left), np.array(right), np.array(scores)))


def first(places: Sequence[int], _apart: Set[int]) -> int:
    return min(places)


def grouped(of: Graph, count: int, protected: Sequence[int] = ()) -> list[Star]:
    mask = np.zeros(count, np.bool_)
    mask[list(protected)] = True
    return list(stars(of, mask, first))


def test_a_chain_is_no_group() -> None:
    (one,) = grouped(graph(3, (0, 1, 0.9), (1, 2, 0.9)), 3)
    assert (one.keeper, sorted(place for place, _ in one.members)) == (1, [0, 2])
    found = grouped(graph(4, (0, 1, 0.9), (1, 2, 0.9), (2, 3, 0.9)), 4)
    assert max(len(star.members) for star in found) <= 2


def test_groups_are_disjoint_and_every_member_is_paired_with_its_keeper() -> None:
    vectors = clustered(300)
    pairs = all_pairs(vectors, np.ones(300, np.bool_), 0.6)
    scores = as_dict(pairs)
    protected = range(0, 300, 10)
    merged = of_one_keeper(grouped(Graph(300, pairs), 300, protected))
    members = [place for star in merged for place, _ in star.members]
    assert len(set(members)) == len(members) > 50
    assert not set(members) & (set(protected) | {star.keeper for star in merged})
    for star in merged:
        for place, score in star.members:
            assert scores[min(place, star.keeper), max(place, star.keeper)] == score


def test_what_is_paired_with_all_others_is_kept_rather_than_what_comes_first() -> None:
    (star,) = grouped(graph(4, (3, 0, 0.7), (3, 1, 0.7), (3, 2, 0.7)), 4)
    assert star.keeper == 3


def test_what_is_less_like_the_others_is_apart() -> None:
    (star,) = grouped(graph(3, (0, 1, 0.6), (1, 2, 0.95), (0, 2, 0.6)), 3)
    assert star.apart == {0}


def test_protected_pictures_keep_and_never_go() -> None:
    found = of_one_keeper(grouped(graph(4, (0, 3, 0.9), (1, 3, 0.9), (2, 3, 0.9), (0, 1, 0.9)), 4, protected=[2]))
    assert found[0].keeper == 2
    assert 2 not in {place for star in found for place, _ in star.members}


def test_two_protected_pictures_are_no_group() -> None:
    assert grouped(graph(2, (0, 1, 1.0)), 2, protected=[0, 1]) == []


def test_more_is_asked_for_among_more_pictures() -> None:
    rules = [Rule.weighed(count) for count in (0, 2_000, 5_000, 5_001, 100_000, 1_000_000)]
    assert [rule.threshold for rule in rules] == sorted(rule.threshold for rule in rules)
    assert rules[0] == rules[2] != rules[3]


def test_a_part_that_is_the_other_picture_outweighs_a_frame_that_both_share() -> None:
    same_frame, part_of = Pairs(np.array([0]), np.array([1]), np.array([0.58])), np.eye(4, dtype=np.float32)
    vectors = np.array([[1, 0, 0, 0], [0.58, 0.81, 0, 0]], np.float16)
    strange = Rule.weighed(100).weigh(same_frame, vectors, lambda _: part_of[2:3])
    same = Rule.weighed(100).weigh(same_frame, vectors, lambda place: vectors[1 - place][None].astype(np.float32))
    assert (len(strange), len(same)) == (0, 1)


def test_among_as_many_pictures_more_is_asked_of_one_pair_than_of_two() -> None:
    for count in (100, 1_000_000):
        assert Rule.weighed(count).supported < Rule.weighed(count).threshold
    assert Rule.plain(0.7).supported == Rule.plain(0.7).threshold


def joined(*pairs: tuple[int, int, float], protected: Sequence[int] = ()) -> dict[int, set[int]]:
    """Groups of up to 8 pictures whose pairs are sure from 0.55 on, with what joins them."""
    mask = np.zeros(8, np.bool_)
    mask[list(protected)] = True
    sure = graph(8, *(pair for pair in pairs if pair[2] >= 0.55))
    found = with_supported(of_one_keeper(stars(sure, mask, first)), graph(8, *pairs), mask)
    return {star.keeper: {place for place, _ in star.members} for star in found}


def test_two_doubtful_pairs_do_where_one_does_not() -> None:
    group = ((0, 1, 0.9), (0, 2, 0.9), (1, 2, 0.8))
    assert joined(*group) == {0: {1, 2}}
    assert joined(*group, (0, 3, 0.5)) == {0: {1, 2}}  # the keeper alone
    assert joined(*group, (1, 3, 0.5), (2, 3, 0.5)) == {0: {1, 2}}  # the keeper is not among them
    assert joined(*group, (0, 3, 0.5), (2, 3, 0.5)) == {0: {1, 2, 3}}
    assert joined(*group, (0, 3, 0.5), (2, 3, 0.5), protected=[3]) == {0: {1, 2}}


def test_what_joined_supports_nothing_further() -> None:
    group = ((0, 1, 0.9), (0, 2, 0.5), (1, 2, 0.5))
    assert joined(*group, (0, 3, 0.5), (2, 3, 0.5)) == {0: {1, 2}}


def test_doubtful_pairs_make_no_group_of_their_own() -> None:
    """As pictures of different things under one watermark would."""
    assert joined((0, 1, 0.53), (1, 2, 0.52), (0, 2, 0.48), (6, 7, 0.9)) == {6: {7}}


def test_what_may_join_two_groups_joins_the_keeper_that_is_closer_and_no_group_loses_a_member() -> None:
    two = ((0, 1, 0.9), (2, 3, 0.9))
    assert joined(*two, (0, 4, 0.5), (1, 4, 0.5), (2, 4, 0.52), (3, 4, 0.46)) == {0: {1}, 2: {3, 4}}
    assert joined(*two, (2, 1, 0.54), (3, 1, 0.54)) == {0: {1}, 2: {3}}
