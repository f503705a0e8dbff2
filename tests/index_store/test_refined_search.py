"""A refined search gives what plain loops over the living pictures give, wherever their vectors stand."""

from collections.abc import Callable

import numpy as np
import pytest

from index_store import ImageStore, Match, Reciprocal, Refinement, UnknownCollection
from tests.index_store.refine_oracle import refined
from tests.index_store.stores import NAME, add_all, let_swap
from tests.index_store.vectors import answers, near, unit_vectors

pytestmark = pytest.mark.slow

CENTRES = unit_vectors(12, seed=0)
VECTORS = np.concatenate([near(CENTRES, 0.75, seed=seed) for seed in range(10, 20)])  # number i is of cluster i % 12
QUERIES = np.concatenate([near(CENTRES[:2], 0.6), unit_vectors(1, seed=5)])
OPTIONS = {
    "average": Refinement(40, expand_k=5),
    "alpha": Refinement(40, expand_k=5, alpha=3.0),
    "augment": Refinement(40, augment_k=4),
    "rerank": Refinement(40, rerank=Reciprocal(8, 3, 0.3)),
    "all": Refinement(40, expand_k=3, alpha=2.0, augment_k=3, rerank=Reciprocal(8, 3, 0.2)),
    "all, deeper than there is": Refinement(1000, expand_k=100, augment_k=12, rerank=Reciprocal(100, 30, 0.0)),
}
SENSIBLE = {name: wanted for name, wanted in OPTIONS.items() if wanted.depth == 40}
# What these use is no candidate itself.
NARROW = {"expand from beyond": Refinement(1, expand_k=5), "augment from beyond": Refinement(1, augment_k=9)}
PLAIN = Refinement(40)


def found(store: ImageStore, query: np.ndarray, wanted: Refinement, top_k: int = 10, **limits: float) -> list[Match]:
    (answer,) = store.search_refined(NAME, query[None], top_k, wanted, **limits)
    assert answer.plain == store.search(NAME, query[None], top_k)[0]
    return answer.refined


def check(store: ImageStore, ids: list[str], vectors: np.ndarray, wanted: Refinement, top_k: int = 10) -> None:
    """Compare answers with the oracle's."""
    for query in QUERIES:
        got, expected = found(store, query, wanted, top_k), refined(query, ids, vectors, top_k, wanted)
        assert [match.image.id for match in got] == [each[0] for each in expected]
        assert [match.score for match in got] == pytest.approx([each[1] for each in expected], abs=2e-6)
        assert [match.refined_score for match in got] == pytest.approx([each[2] for each in expected], abs=5e-6)


def ids_found(store: ImageStore, query: np.ndarray, wanted: Refinement, top_k: int = 10) -> list[str]:
    return [match.image.id for match in found(store, query, wanted, top_k)]


@pytest.fixture(params=["delta", "flat", "ivf", "mixed"])
def filled(
    request: pytest.FixtureRequest, open_store: Callable, monkeypatch: pytest.MonkeyPatch
) -> tuple[ImageStore, list[str], np.ndarray]:
    """All kinds of index; the mixed one has deletions in generation and delta."""
    monkeypatch.setattr("index_store.build.FEWEST", 39)
    ivf = {"exact_below": 0, "recall_target": 1.0}
    store = open_store(**(ivf if request.param == "ivf" else {}))
    whole = 80 if request.param == "mixed" else len(VECTORS)
    ids = add_all(store, VECTORS[:whole], "a")
    if request.param != "delta":
        assert ("ivf" in store.rebuild(NAME).kind) is (request.param == "ivf")
        let_swap(store)
    if request.param != "mixed":
        return store, ids, VECTORS
    ids += add_all(store, VECTORS[whole:], "b")
    for image_id in ids[::7]:
        store.delete(NAME, image_id)
    kept = [number for number in range(len(VECTORS)) if number % 7]
    return store, [ids[number] for number in kept], VECTORS[kept]


@pytest.mark.parametrize("wanted", OPTIONS.values(), ids=OPTIONS)
def test_every_option_is_what_the_papers_say(filled, wanted: Refinement) -> None:
    check(*filled, wanted)


def test_a_depth_below_top_k_is_deepened(filled) -> None:
    check(*filled, Refinement(5, augment_k=3, rerank=Reciprocal(8, 3)), top_k=60)


@pytest.mark.parametrize("wanted", [PLAIN, Refinement(40, rerank=Reciprocal(weight=1.0))], ids=["none", "lambda 1"])
def test_without_a_step_that_counts_the_order_is_the_plain_one(filled, wanted: Refinement) -> None:
    store, _, _ = filled
    for query in QUERIES:
        got = found(store, query, wanted)
        assert [(match.image.id, match.score) for match in got] == answers(store.search(NAME, query[None], 10)[0])
        assert [match.refined_score for match in got] == pytest.approx([match.score for match in got], abs=2e-6)


def test_scores_are_those_of_a_plain_search(filled) -> None:
    store, _, _ = filled
    plain = {match.image.id: match.score for match in store.search(NAME, QUERIES[:1], 1000)[0]}
    for match in found(store, QUERIES[0], OPTIONS["all"], 50):
        assert match.score == plain[match.image.id]


def test_alpha_nought_is_the_average(filled) -> None:
    store, _, _ = filled
    average = found(store, QUERIES[0], Refinement(40, expand_k=5))
    assert found(store, QUERIES[0], Refinement(40, expand_k=5, alpha=0.0)) == average


def test_a_batch_and_single_queries_agree(filled) -> None:
    store, _, _ = filled
    together = store.search_refined(NAME, QUERIES, 10, OPTIONS["all"])
    assert [each.refined for each in together] == [found(store, query, OPTIONS["all"]) for query in QUERIES]


def test_min_score_is_of_the_score_and_others_take_the_places(filled) -> None:
    store, _, _ = filled
    everything = found(store, QUERIES[0], OPTIONS["all"], 40)
    least = sorted(match.score for match in everything)[20]
    expected = [match for match in everything if match.score >= least][:5]
    (answer,) = store.search_refined(NAME, QUERIES[:1], 5, OPTIONS["all"], least)
    assert answer.refined == expected


@pytest.mark.parametrize("wanted", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_few_pictures_are_fine(store: ImageStore, count: int, wanted: Refinement) -> None:
    store.create_collection(NAME)
    check(store, add_all(store, VECTORS[:count]), VECTORS[:count], wanted)


@pytest.mark.parametrize("wanted", OPTIONS.values(), ids=OPTIONS)
def test_opposite_pictures_are_fine(store: ImageStore, wanted: Refinement) -> None:
    vectors = np.concatenate([-near(np.repeat(QUERIES[:1], 6, axis=0), 0.8), -QUERIES[:1]])
    check(store, add_all(store, vectors), vectors, wanted)


@pytest.mark.parametrize("wanted", OPTIONS.values(), ids=OPTIONS)
def test_identical_vectors_are_fine_and_come_in_the_order_of_adding(store: ImageStore, wanted: Refinement) -> None:
    vectors = np.concatenate([VECTORS[:30], np.repeat(VECTORS[:1], 60, axis=0)])
    add_all(store, vectors)
    first = ids_found(store, QUERIES[0], wanted, 20)
    assert first == ids_found(store, QUERIES[0], wanted, 20)
    store.rebuild(NAME)
    let_swap(store)
    assert ids_found(store, QUERIES[0], wanted, 20) == first
    if wanted.rerank is None:  # of equals, some are among each other's k nearest and some are not
        assert [int(image_id) for image_id in first[:20]] == [0, *range(30, 49)]


def test_an_unknown_collection_is_an_error(store: ImageStore) -> None:
    with pytest.raises(UnknownCollection):
        store.search_refined("nowhere", QUERIES, 10, PLAIN)


@pytest.mark.parametrize("filled", ["ivf", "mixed"], indirect=True)
@pytest.mark.parametrize("wanted", SENSIBLE.values(), ids=SENSIBLE)
def test_what_another_process_deleted_has_no_say(filled, open_store: Callable, wanted: Refinement) -> None:
    """Those that are left out are what the answer depends on most: the nearest."""
    store, ids, vectors = filled
    found(store, QUERIES[0], wanted)
    gone = {match.image.id for match in store.search(NAME, QUERIES[:1], 8)[0]}
    for image_id in gone:
        open_store().delete(NAME, image_id)
    left = [place for place, image_id in enumerate(ids) if image_id not in gone]
    check(store, [ids[place] for place in left], vectors[left], wanted)


@pytest.mark.parametrize("filled", ["mixed"], indirect=True)
@pytest.mark.parametrize("wanted", [*SENSIBLE.values(), *NARROW.values()], ids=[*SENSIBLE, *NARROW])
@pytest.mark.parametrize("rank", [0, 2])
def test_what_is_deleted_during_a_search_has_no_say(
    filled, open_store: Callable, monkeypatch: pytest.MonkeyPatch, wanted: Refinement, rank: int
) -> None:
    """Between the look at the index and the one at the catalog; also if it would not be told itself."""
    store, ids, vectors = filled
    query = QUERIES[0]
    victim = store.search(NAME, query[None], 10)[0][rank].image.id
    told = store.catalog.images_by_seq

    def delete_then_tell(seqs):
        monkeypatch.undo()
        open_store().delete(NAME, victim)
        return told(seqs)

    monkeypatch.setattr(store.catalog, "images_by_seq", delete_then_tell)
    (answer,) = store.search_refined(NAME, query[None], 1, wanted)
    left = [place for place, image_id in enumerate(ids) if image_id != victim]
    ((best, score, value),) = refined(query, [ids[place] for place in left], vectors[left], 1, wanted)
    (got,) = answer.refined
    assert (got.image.id, got.score) == (best, pytest.approx(score, abs=2e-6))
    assert got.refined_score == pytest.approx(value, abs=5e-6)


def chain(length: int, step: float, seed: int = 0) -> np.ndarray:
    """Pictures along a curve, each like the one before it, the last unlike the first; a little apart from it."""
    angles = np.deg2rad(step) * np.arange(length)
    frame = np.linalg.qr(unit_vectors(2, seed).T)[0].T
    curve = np.cos(angles)[:, None] * frame[0] + np.sin(angles)[:, None] * frame[1]
    return near(curve.astype(np.float32), 0.9, seed=seed + 1)


def average_precision(ids: list[str], wanted: set[str]) -> float:
    hits = [place for place, image_id in enumerate(ids) if image_id in wanted]
    return sum((number + 1) / (place + 1) for number, place in enumerate(hits)) / len(wanted)


def test_refinement_follows_a_chain_that_plain_search_loses(store: ImageStore) -> None:
    """Views of one thing as one walks around it, among other things' pictures that are closer to the first view."""
    curves = [chain(10, 8.0, seed) for seed in range(0, 16, 4)]
    for number, curve in enumerate(curves):
        add_all(store, curve[1:], f"chain{number}-")
        others = near(np.repeat(curve[:1], 8, axis=0), 0.45, seed=90 + number)
        add_all(store, others, f"other{number}-")
        for seed in range(4):
            add_all(store, near(others, 0.7, seed=seed), f"like{seed}-other{number}-")
    precision = {}
    for name, wanted in {"plain": PLAIN, **SENSIBLE}.items():
        ranked = [ids_found(store, curve[0], wanted, 100) for curve in curves]
        views = [{f"chain{number}-{view}" for view in range(9)} for number in range(len(curves))]
        precision[name] = float(np.mean([average_precision(*pair) for pair in zip(ranked, views, strict=True)]))
    print({name: round(value, 3) for name, value in precision.items()})
    assert precision["plain"] < 0.9
    assert min(precision, key=precision.__getitem__) == "plain"
